"""The metrics that can be measured on this machine; what is missing for others is looked for once, and named."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch

from ..captures.capture import Split
from ..libraries import remedy
from .distribution import Features, load_inception
from .metrics import PROTOCOLS, Box, Protocol, measure
from .perceptual import cached_network
from .threads import one_thread

SMALLEST_MS_SSIM = 161
"""Pixels a side: a window of 11 at the fifth scale needs more than 160."""

Perceptual = Callable[[torch.Tensor, torch.Tensor], Any]
"""Of two (1, 3, H, W) images."""


class Suite:
    """Measures images by protocol.

    Attributes:
        protocols: those that are measured.
        notes: what is not measured, and why.
    """

    def __init__(self, protocols: Iterable[str] = tuple(PROTOCOLS), device: str = "cpu") -> None:
        self._device = torch.device(device)
        self.protocols = tuple(PROTOCOLS[name] for name in protocols)
        wanted = {metric for protocol in self.protocols for metric in protocol.metrics}
        self.notes: tuple[str, ...] = ()
        self._ms_ssim = self._try(_load_ms_ssim, "MS-SSIM", wanted, "ms_ssim")
        self._lpips: Perceptual | None = self._try(lambda: cached_network(self._device), "LPIPS", wanted, "lpips")
        self._features: Features | None = self._try(
            lambda: load_inception(self._device), "FID and KID", wanted, "fid", "kid"
        )

    def _try(self, load: Callable[[], tuple[Any, str]], name: str, wanted: set[str], *metrics: str) -> Any:
        if wanted.isdisjoint(metrics):
            return None
        found, reason = load()
        if found is None:
            self.notes += (f"Not measured: {name} ({reason}).",)
        return found

    def measure(self, image: np.ndarray, truth: np.ndarray, split: Split | None = None) -> dict[str, float]:
        """All metrics of one image, ``"PROTOCOL/METRIC"`` -> value; arguments and errors as ``metrics.measure``.

        Args:
            split: of the frame; protocols that look at others are left out.
        """
        protocols = [protocol for protocol in self.protocols if protocol.covers(split)]
        values = measure(image, truth, [protocol.name for protocol in protocols])
        pair = [torch.from_numpy(np.ascontiguousarray(_planes(picture))).to(self._device) for picture in (image, truth)]
        for protocol in protocols:
            box = protocol.region(truth)
            if self._ms_ssim is not None and "ms_ssim" in protocol.metrics and min(truth.shape[:2]) >= SMALLEST_MS_SSIM:
                part = _cut(pair, widened(box, truth.shape[1], truth.shape[0], SMALLEST_MS_SSIM))
                with one_thread():
                    values[f"{protocol.name}/ms_ssim"] = float(self._ms_ssim(*part, data_range=1.0))
            if self._lpips is not None and "lpips" in protocol.metrics:
                values[f"{protocol.name}/lpips"] = self._perceptual(_cut(pair, box), protocol)
        return values

    def features(self, image: np.ndarray, truth: np.ndarray) -> np.ndarray | None:
        """(2, n) features of the rendered and the true image for FID and KID; None where these are not measured."""
        if self._features is None:
            return None
        return np.stack([self._features(image), self._features(truth)])

    def _perceptual(self, pair: list[torch.Tensor], protocol: Protocol) -> float:
        assert self._lpips is not None
        if protocol.signed_lpips:
            pair = [2.0 * picture - 1.0 for picture in pair]
        with torch.no_grad():
            return float(self._lpips(*pair))


def widened(box: Box, width: int, height: int, side: int) -> Box:
    """The box grown about its middle to ``side`` pixels a side where it is smaller, and kept within the image."""
    x0, x1 = _span(box[0], box[2], width, side)
    y0, y1 = _span(box[1], box[3], height, side)
    return x0, y0, x1, y1


def _span(low: int, high: int, size: int, length: int) -> tuple[int, int]:
    if high - low >= length:
        return low, high
    low = min(max((low + high - length) // 2, 0), max(size - length, 0))
    return low, min(low + length, size)


def _planes(picture: np.ndarray) -> np.ndarray:
    return np.clip(picture[..., :3], 0.0, 1.0).astype(np.float32).transpose(2, 0, 1)[None]


def _cut(pair: list[torch.Tensor], box: Box) -> list[torch.Tensor]:
    x0, y0, x1, y1 = box
    return [picture[..., y0:y1, x0:x1] for picture in pair]


def _load_ms_ssim() -> tuple[Any, str]:
    try:
        from pytorch_msssim import ms_ssim
    except ImportError:
        return None, f"it needs pytorch-msssim ({remedy('evaluation', ['pytorch_msssim'])})"
    return ms_ssim, ""
