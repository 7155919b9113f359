"""Which part of the image a hand can touch, and at which size the networks should see it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ..cameras import Camera
from ..surface import to_camera
from ..surface.raster import MIN_DEPTH

FOOTPRINT_RANGE = (0.5, 2.0)
"""Screen footprint over trained footprint within which a hand is rendered at the image's own size."""


@dataclass(frozen=True)
class Box:
    """Pixels [left, right) x [top, bottom)."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def empty(self) -> bool:
        return self.width <= 0 or self.height <= 0

    def grown(self, pixels: int, width: int, height: int) -> Box:
        """Larger by ``pixels`` on each side, cut to an image of ``width`` x ``height``."""
        return Box(
            max(self.left - pixels, 0),
            max(self.top - pixels, 0),
            min(self.right + pixels, width),
            min(self.bottom + pixels, height),
        )

    def of(self, camera: Camera) -> Camera:
        """The camera's view through this box."""
        return camera.crop(self.left, self.top, self.width, self.height)


def hand_box(vertices: torch.Tensor, camera: Camera, margin: int) -> Box:
    """Pixels that the mesh may touch, widened by ``margin`` and cut to the image; empty when it is out of view.

    A mesh that crosses the camera's plane may touch any pixel.
    """
    local = to_camera(vertices, camera).double()
    if camera.projection == "perspective":
        in_front = local[:, 2] > MIN_DEPTH
        if not bool(in_front.any()):
            return Box(0, 0, 0, 0)
        if not bool(in_front.all()):
            return Box(0, 0, camera.width, camera.height)
        plane = local[:, :2] / local[:, 2:]
    else:
        plane = local[:, :2]
    focal = torch.tensor([camera.fx, camera.fy], dtype=plane.dtype, device=plane.device)
    centre = torch.tensor([camera.cx, camera.cy], dtype=plane.dtype, device=plane.device) - camera.pixel_offset
    pixels = plane * focal + centre
    low = pixels.amin(dim=0).floor().clamp(-1e6, 1e6).tolist()
    high = pixels.amax(dim=0).ceil().clamp(-1e6, 1e6).tolist()
    return Box(int(low[0]), int(low[1]), int(high[0]) + 1, int(high[1]) + 1).grown(margin, camera.width, camera.height)


def screen_footprint(camera: Camera, vertices: torch.Tensor) -> float:
    """Pixels that a metre of the hand covers on screen, at the hand's centre."""
    focal = 0.5 * (camera.fx + camera.fy)
    if camera.projection == "orthographic":
        return focal
    centre = np.append(vertices.mean(dim=0).double().cpu().numpy(), 1.0)
    depth = float((camera.world_to_camera @ centre)[2])
    return focal / max(depth, 1e-2)


def resampling(camera: Camera, vertices: torch.Tensor, trained_footprint: float) -> float:
    """Factor on the image's size at which the networks run, 1 within FOOTPRINT_RANGE of the trained footprint."""
    if trained_footprint <= 0.0:
        return 1.0
    ratio = screen_footprint(camera, vertices) / trained_footprint
    return 1.0 if FOOTPRINT_RANGE[0] <= ratio <= FOOTPRINT_RANGE[1] else 1.0 / ratio
