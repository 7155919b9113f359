"""LPIPS, where its ImageNet backbone lies on this machine already. Nothing is downloaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

Lpips = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""(3, H, W) and (3, H, W) in [0, 1] -> the sum over pixels of their distance."""

BACKBONE = "vgg16-397923af.pth"


def load_lpips(device: torch.device) -> tuple[Lpips | None, str]:
    """LPIPS-VGG on ``device`` and a line that says which perceptual term is used and why.

    Returns:
        (function or None, explanation for the log and the avatar's provenance).
    """
    cached = Path(torch.hub.get_dir()) / "checkpoints" / BACKBONE
    if not cached.is_file():
        return None, f"weight-free perceptual term (structure and gradients): LPIPS' backbone {BACKBONE} is not cached"
    try:
        import lpips

        network = lpips.LPIPS(net="vgg", spatial=True, verbose=False).to(device).requires_grad_(False)
    except (ImportError, RuntimeError, OSError) as error:
        return None, f"weight-free perceptual term (structure and gradients): LPIPS cannot be loaded ({error})"

    def distance(image: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        # The network wants [-1, 1].
        answer: torch.Tensor = network(image[None] * 2.0 - 1.0, target[None] * 2.0 - 1.0).sum()
        return answer

    return distance, "LPIPS-VGG"
