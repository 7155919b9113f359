"""One hand's images inside its box, before hands are merged."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..framing import Box


@dataclass(frozen=True)
class LowImage:
    """The volume-rendered picture of one hand, before super-resolution.

    Attributes:
        box: where in the feature image.
        size: (width, height) of the feature image.
        rgba: (h, w, 4) display-referred, premultiplied.
        depth: (h, w) expected depth in the world, infinity where nothing is.
    """

    box: Box
    size: tuple[int, int]
    rgba: np.ndarray
    depth: np.ndarray


@dataclass(frozen=True)
class Layer:
    """Images of one hand over the pixels of its box; C-contiguous float32.

    Attributes:
        box: where in the request's image.
        rgba: (h, w, 4) premultiplied sRGB, in [0, alpha], or, where ``lit``, from 0 on.
        depth: (h, w) metres in the world along the optical axis, infinity where alpha is 0.
        normal: (h, w, 3) world space, or None when not asked for.
        uvd: (h, w, 3) or None when not asked for.
        low: the volume-rendered image, or None when not asked for.
        holdout: whether the hand cuts a hole into the frame in place of being drawn.
        lit: whether it stands in a scene's light, so that colours may be brighter than display white: above alpha.
    """

    box: Box
    rgba: np.ndarray
    depth: np.ndarray
    normal: np.ndarray | None = None
    uvd: np.ndarray | None = None
    low: LowImage | None = None
    holdout: bool = False
    lit: bool = False

    def clipped(self, near: float, far: float) -> Layer:
        """Without what lies nearer or farther than these depths in metres."""
        seen = (self.depth >= near) & (self.depth <= far)
        if seen[self.rgba[..., 3] > 0.0].all():
            return self
        low = self.low
        if low is not None:
            kept = (low.depth >= near) & (low.depth <= far)
            low = replace(low, rgba=_cut(low.rgba, kept), depth=np.where(kept, low.depth, np.float32(np.inf)))
        return replace(
            self,
            rgba=_cut(self.rgba, seen),
            depth=np.where(seen, self.depth, np.float32(np.inf)),
            normal=None if self.normal is None else _cut(self.normal, seen),
            uvd=None if self.uvd is None else _cut(self.uvd, seen),
            low=low,
        )

    def flipped(self, width: int) -> Layer:
        """Mirrored left to right within an image of ``width`` pixels."""
        low = self.low
        if low is not None:
            low = replace(low, box=_flip(low.box, low.size[0]), rgba=_mirrored(low.rgba), depth=_mirrored(low.depth))
        return Layer(
            _flip(self.box, width),
            _mirrored(self.rgba),
            _mirrored(self.depth),
            None if self.normal is None else _mirrored(self.normal),
            None if self.uvd is None else _mirrored(self.uvd),
            low,
        )


def _flip(box: Box, width: int) -> Box:
    return Box(width - box.right, box.top, width - box.left, box.bottom)


def _cut(image: np.ndarray, kept: np.ndarray) -> np.ndarray:
    return np.asarray(image * kept[..., None], dtype=np.float32)


def _mirrored(image: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(image[:, ::-1])


def blended(layers: Sequence[Layer | None], shares: Iterable[float]) -> Layer | None:
    """One hand drawn at several sizes of the networks' image, mixed by shares that add up to 1.

    What cannot be mixed (normals, canonical coordinates, the low image) is of the last that draws a pixel.
    """
    seen = [(layer, share) for layer, share in zip(layers, shares, strict=True) if layer is not None]
    if not seen or len(layers) == 1:
        return layers[0]
    boxes = [layer.box for layer, _ in seen]
    box = Box(
        min(one.left for one in boxes), min(one.top for one in boxes),
        max(one.right for one in boxes), max(one.bottom for one in boxes),
    )  # fmt: skip
    rgba, depth = np.zeros((box.height, box.width, 4), np.float32), np.zeros((box.height, box.width), np.float32)
    weight = np.zeros_like(depth)
    images: dict[str, np.ndarray] = {}
    for layer, share in seen:
        window = layer.box.moved(-box.left, -box.top).window
        drawn = layer.rgba[..., 3] > 0.0
        rgba[window] += np.float32(share) * layer.rgba
        depth[window] += np.where(drawn, np.float32(share) * layer.depth, np.float32(0.0))
        weight[window] += np.float32(share) * drawn
        for name in ("normal", "uvd"):
            values = getattr(layer, name)
            if values is not None:
                image = images.setdefault(name, np.zeros((box.height, box.width, 3), np.float32))
                image[window][drawn] = values[drawn]
    depth = np.where(weight > 0.0, depth / np.maximum(weight, np.float32(1e-12)), np.float32(np.inf))
    return Layer(box, rgba, depth, images.get("normal"), images.get("uvd"), seen[-1][0].low)
