"""What changes from frame to frame, as one small vector: a single upload."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from ...cameras import Camera

SHAPES: dict[str, tuple[int, ...]] = {
    "betas": (10,),
    "correctives": (135,),
    "transforms": (16, 12),
    "feature_camera": (30,),
    "image_camera": (30,),
    "middle": (1,),
    "depth_scale": (1,),
}
"""All but the constants of the field's first layer, which come last: their number is the avatar's."""

VIEW = slice(0, 12)
PLACE = slice(12, 24)
FX, FY, CX, CY, WIDTH, HEIGHT = range(24, 30)


class FrameInputs(NamedTuple):
    """A frame, on the device.

    Attributes:
        betas: (10,) float32.
        correctives: (135,) float32, R - I of the finger joints.
        transforms: (16, 12) float32 rows [R | t] that carry rest vertices into the avatar's frame.
        feature_camera, image_camera: (30,) float64, see :func:`camera_numbers`.
        middle: (1,) float32 depth of the hand's middle.
        depth_scale: (1,) float32 factor from this frame's depth to the world's.
        constants: (latent_size + pose_size,) float32.
    """

    betas: torch.Tensor
    correctives: torch.Tensor
    transforms: torch.Tensor
    feature_camera: torch.Tensor
    image_camera: torch.Tensor
    middle: torch.Tensor
    depth_scale: torch.Tensor
    constants: torch.Tensor


def camera_numbers(camera: Camera) -> np.ndarray:
    """(30,) world to camera (3, 4), camera to world (3, 4), fx, fy, cx, cy of pixel (0, 0)'s ray, width, height."""
    centre = (camera.cx - camera.pixel_offset, camera.cy - camera.pixel_offset)
    lens = (camera.fx, camera.fy, *centre, camera.width, camera.height)
    return np.concatenate([camera.world_to_camera[:3].ravel(), camera.camera_to_world[:3].ravel(), lens])


def pack(parts: dict[str, np.ndarray], constants: np.ndarray) -> np.ndarray:
    """(N,) float64: every part of SHAPES, then the constants."""
    rows = []
    for name, shape in SHAPES.items():
        part = np.zeros(shape)
        values = np.asarray(parts[name], dtype=np.float64)
        # Hands with fewer shape directions leave the last betas at zero.
        part.reshape(-1)[: values.size] = values.reshape(-1)
        rows.append(part.reshape(-1))
    return np.concatenate([*rows, np.asarray(constants, dtype=np.float64)])


def unpack(vector: torch.Tensor) -> FrameInputs:
    """Inverse of :func:`pack` on the device; cameras stay float64, as pixel coordinates need the digits."""
    single = vector.float()
    values, start = {}, 0
    for name, shape in SHAPES.items():
        size = int(np.prod(shape))
        source = vector if name.endswith("camera") else single
        values[name] = source[start : start + size].view(shape)
        start += size
    return FrameInputs(**values, constants=single[start:])
