"""Lens distortion as OpenCV and COLMAP describe it, and pictures freed of it. NumPy only.

A point (x, y) at depth 1 falls on the pixel (fx x' + cx, fy y' + cy) with

    s = r, or theta = atan r of a fisheye        (u, v) = (x, y) s / r
    radial = (1 + k1 s^2 + k2 s^4 + k3 s^6) / (1 + k4 s^2 + k5 s^4 + k6 s^6)
    radial = 1 + k1 s^2 + k2 s^4 + k3 s^6 + k4 s^8                                   of a fisheye
    x' = u radial + 2 p1 u v + p2 (s^2 + 2 u^2)
    y' = v radial + p1 (s^2 + 2 v^2) + 2 p2 u v
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..cameras import Camera

NEGLIGIBLE = 1e-5
"""Coefficient that moves a pixel as far out as the focal length, of 1000 pixels, by a hundredth of one."""

PROFILE_STEPS = 512
"""Radii at which the profile of a lens is looked at for where it turns back."""


@dataclass(frozen=True)
class Lens:
    """How a lens bends straight lines.

    Attributes:
        radial: k1 to k6, of a fisheye k1 to k4.
        tangential: p1 and p2.
        fisheye: whether k counts in angles (Kannala and Brandt) in place of tangents (Brown and Conrady).
    """

    radial: tuple[float, ...] = ()
    tangential: tuple[float, float] = (0.0, 0.0)
    fisheye: bool = False

    @property
    def is_straight(self) -> bool:
        """Whether it does nothing that shows."""
        most = max(map(abs, (*self.radial, *self.tangential)), default=0.0)
        return not self.fisheye and most < NEGLIGIBLE

    def distort(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where points at depth 1 appear; NaN beyond the radius at which the profile turns back.

        Args:
            x, y: coordinates in units of the focal length, right and down.
        """
        radius = np.hypot(x, y)
        size = np.arctan(radius) if self.fisheye else radius
        shrink = np.divide(size, radius, out=np.ones_like(radius), where=radius > 0.0)
        u, v = x * shrink, y * shrink
        square = size * size
        radial = np.where(size <= self._reach(float(size.max(initial=0.0))), self._profile(square), np.nan)
        p1, p2 = self.tangential
        return (
            u * radial + 2.0 * p1 * u * v + p2 * (square + 2.0 * u * u),
            v * radial + p1 * (square + 2.0 * v * v) + 2.0 * p2 * u * v,
        )

    def undistorted(self, image: np.ndarray, camera: Camera) -> np.ndarray:
        """The picture that a pinhole camera would have taken, sampled bilinearly; zero where this one saw nothing.

        Args:
            image: (H, W, C) float32 premultiplied, as the lens drew it.
            camera: its pixels, and those of the answer.

        Returns:
            (H, W, C) float32.
        """
        columns, rows = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
        with np.errstate(all="ignore"):
            x, y = self.distort((columns - camera.cx) / camera.fx, (rows - camera.cy) / camera.fy)
        return _sampled(image, camera.fx * x + camera.cx - 0.5, camera.fy * y + camera.cy - 0.5)

    def _profile(self, square: np.ndarray) -> np.ndarray:
        k = np.zeros(6)
        k[: len(self.radial)] = self.radial
        if self.fisheye:
            answer: np.ndarray = 1.0 + square * (k[0] + square * (k[1] + square * (k[2] + square * k[3])))
            return answer
        above = 1.0 + square * (k[0] + square * (k[1] + square * k[2]))
        return above / (1.0 + square * (k[3] + square * (k[4] + square * k[5])))

    def _reach(self, largest: float) -> float:
        """The size up to which a larger angle falls farther out; beyond it one pixel would show two directions."""
        sizes = np.linspace(0.0, largest, PROFILE_STEPS)
        with np.errstate(divide="ignore", invalid="ignore"):
            drawn = sizes * self._profile(sizes * sizes)
            back = np.flatnonzero(~(np.diff(drawn) > 0.0))
        return float(sizes[back[0]]) if len(back) and largest > 0.0 else largest


NO_LENS = Lens()
"""Of images without distortion."""


def _sampled(image: np.ndarray, columns: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """(H, W, C) at pixel centres counted from 0, bilinear; zero outside and where a coordinate is not finite."""
    height, width = image.shape[:2]
    padded = np.pad(image, ((1, 1), (1, 1), (0, 0)))
    # NaN is neither above nor below: it ends in the empty frame, too.
    x = np.clip(np.nan_to_num(columns + 1.0, nan=0.0), 0.0, width + 0.999)
    y = np.clip(np.nan_to_num(rows + 1.0, nan=0.0), 0.0, height + 0.999)
    x0, y0 = x.astype(np.intp), y.astype(np.intp)
    fx, fy = (x - x0).astype(np.float32)[..., None], (y - y0).astype(np.float32)[..., None]
    above = padded[y0, x0] * (1.0 - fx) + padded[y0, x0 + 1] * fx
    below = padded[y0 + 1, x0] * (1.0 - fx) + padded[y0 + 1, x0 + 1] * fx
    answer: np.ndarray = above * (1.0 - fy) + below * fy
    return answer
