"""The network of LPIPS, where its ImageNet backbone lies on this machine already. Nothing is downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

BACKBONE = "vgg16-397923af.pth"


def cached_network(device: torch.device) -> tuple[Any | None, str]:
    """The package ``lpips``' VGG network on ``device`` without gradients, or None and why it is not to be had."""
    cached = Path(torch.hub.get_dir()) / "checkpoints" / BACKBONE
    if not cached.is_file():
        return None, f"LPIPS' backbone {BACKBONE} is not cached"
    try:
        import lpips

        return lpips.LPIPS(net="vgg", verbose=False).to(device).requires_grad_(False), ""
    except (ImportError, RuntimeError, OSError) as error:
        return None, f"LPIPS cannot be loaded ({error})"
