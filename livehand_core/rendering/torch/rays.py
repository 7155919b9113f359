"""Rays of a camera at the resolution of the feature image, as pure functions on tensors."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from ...cameras import Camera


class Rays(NamedTuple):
    """R rays in world space, x(t) = origin + t direction, t being depth along the optical axis.

    Attributes:
        origins: (R, 3) metres.
        directions: (R, 3), component 1 along the optical axis.
        lengths: (R,) norm of directions.
    """

    origins: torch.Tensor
    directions: torch.Tensor
    lengths: torch.Tensor

    def at(self, depths: torch.Tensor) -> torch.Tensor:
        """(R, S, 3) points at (R, S) depths."""
        return self.origins[:, None] + self.directions[:, None] * depths[..., None]

    @property
    def view_directions(self) -> torch.Tensor:
        """(R, 3) unit vectors."""
        return self.directions / self.lengths[:, None]


def camera_rays(camera: Camera, columns: torch.Tensor, rows: torch.Tensor, dtype: torch.dtype = torch.float32) -> Rays:
    """Rays through pixels of the camera's own grid.

    Args:
        camera: for a feature image pass ``framing.low_resolution(camera, factor)``.
        columns, rows: (R,) pixel indices; ``camera.pixel_offset`` is added to them.

    Returns:
        Rays on the device of ``columns``.
    """
    device = columns.device
    x = (columns.to(dtype) + (camera.pixel_offset - camera.cx)) / camera.fx
    y = (rows.to(dtype) + (camera.pixel_offset - camera.cy)) / camera.fy
    rotation = torch.tensor(np.asarray(camera.camera_to_world[:3, :3]), dtype=dtype, device=device)
    centre = torch.tensor(np.asarray(camera.camera_to_world[:3, 3]), dtype=dtype, device=device)
    if camera.projection == "orthographic":
        directions = rotation[:, 2].expand(len(x), 3)
        origins = centre + x[:, None] * rotation[:, 0] + y[:, None] * rotation[:, 1]
        return Rays(origins, directions, torch.ones_like(x))
    directions = torch.stack([x, y, torch.ones_like(x)], dim=-1) @ rotation.T
    return Rays(centre.expand(len(x), 3), directions, torch.sqrt(x * x + y * y + 1.0))
