"""LPIPS, where its ImageNet backbone lies on this machine already. Nothing is downloaded."""

from __future__ import annotations

from collections.abc import Hashable
from threading import Lock
from typing import Any

import torch
from torch.nn import functional

from ..evaluation.perceptual import cached_network

CPU_CACHE = 4 << 30
"""Bytes of targets' features that are kept in main memory."""

DEVICE_CACHE = 0.25
"""Part of a device's own memory that is used for them there."""

_Features = list[torch.Tensor]


class Lpips:
    """Perceptual distance (Zhang 2018) with the features of targets kept, which never change: a third of its time.

    Kept until the memory granted is full and never dropped: each epoch asks for all targets once, in an order of its
    own, so what was asked for longest ago is as likely to be asked for next as any other.
    """

    def __init__(self, network: Any, limit: int) -> None:
        """
        Args:
            network: of the package ``lpips``: its ``scaling_layer``, ``net`` and ``lins`` are used.
            limit: bytes of features to keep.
        """
        self._network, self._limit = network, limit
        self._kept: dict[Hashable, _Features] = {}
        self._bytes = 0
        self._lock = Lock()

    def __call__(self, image: torch.Tensor, target: torch.Tensor, key: Hashable | None = None) -> torch.Tensor:
        """Sum over pixels of the distance of (3, H, W) images in [0, 1]; differentiable in ``image``.

        Args:
            key: says which target it is, where it comes again; None where it does not.
        """
        wanted = self._target_features(target, key)
        total = image.new_zeros(())
        for found, other, weigh in zip(self._features(image), wanted, self._network.lins, strict=True):
            distance = weigh((found - other).square())
            resized = functional.interpolate(distance, size=image.shape[-2:], mode="bilinear", align_corners=False)
            total = total + resized.sum()
        return total

    def _features(self, image: torch.Tensor) -> _Features:
        """Of each layer, of unit length over channels."""
        # The network wants [-1, 1].
        layers = self._network.net(self._network.scaling_layer(image[None] * 2.0 - 1.0))
        return [layer / (layer.square().sum(dim=1, keepdim=True).sqrt() + 1e-10) for layer in layers]

    def _target_features(self, target: torch.Tensor, key: Hashable | None) -> _Features:
        kept = self._kept.get(key) if key is not None else None
        if kept is not None:
            return kept
        with torch.no_grad():
            features = self._features(target)
        size = sum(layer.numel() * layer.element_size() for layer in features)
        with self._lock:
            if key is not None and self._bytes + size <= self._limit and key not in self._kept:
                self._kept[key] = features
                self._bytes += size
        return features


def load_lpips(device: torch.device) -> tuple[Lpips | None, str]:
    """LPIPS-VGG on ``device`` and a line that says which perceptual term is used and why.

    Returns:
        (function or None, explanation for the log and the avatar's provenance).
    """
    network, reason = cached_network(device)
    if network is None:
        return None, f"weight-free perceptual term (structure and gradients): {reason}"
    limit = CPU_CACHE
    if device.type == "cuda":
        limit = int(DEVICE_CACHE * torch.cuda.get_device_properties(device).total_memory)
    return Lpips(network, limit), "LPIPS-VGG"
