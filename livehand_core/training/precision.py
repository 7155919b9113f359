"""How a device multiplies matrices in training. Called around the two networks."""

from __future__ import annotations

import torch


def product_precision(device: torch.device) -> torch.autocast:
    """Context of the networks' products: bfloat16 where it is native (CUDA, Ampere and later), else float32.

    Encodings, integration and losses stay in float32: sin(2^9 u) has no meaning left in 8 bits of mantissa.
    """
    native = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=native)


def has_loops(device: torch.device) -> bool:
    """Whether the compiled loops with gradients by hand serve this device; they are for processors."""
    return device.type == "cpu"
