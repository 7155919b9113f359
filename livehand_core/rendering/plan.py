"""Where a hand lies in a frame: its view, the camera that its networks work for, and the boxes. Decided on the host."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..avatars.metadata import AvatarMetadata
from ..cameras import Camera
from ..framing import Box, hand_box, networks_view
from .setup import feature_camera, filter_size, reach
from .view import View


@dataclass(frozen=True)
class Plan:
    """One hand seen by one camera.

    Attributes:
        view: the camera and the pose in the avatar's frame.
        vertices: (V, 3) float32 posed mesh in that frame, metres.
        box: of the hand's layer in the view's image.
        working: the camera whose picture the networks make; the view's own, or the box at another size.
        scale: of that size over the image's.
        low: the whole feature image's camera.
        low_box: the part of the feature image that is drawn.
        kernel: side of the depth filter in pixels of the feature image.
        stretched: whether the networks' picture is resized to the working camera's (published odd sizes).
    """

    view: View
    vertices: np.ndarray
    box: Box
    working: Camera
    scale: float
    low: Camera
    low_box: Box
    kernel: int
    stretched: bool


def plan_hand(metadata: AvatarMetadata, view: View, vertices: np.ndarray, scale: float) -> Plan | None:
    """Plan; None when the hand is out of view.

    Args:
        metadata: of the avatar.
        view: see ``setup.avatar_view``.
        vertices: (V, 3) posed in the view's frame.
        scale: size at which the networks run over the image's.
    """
    box = hand_box(vertices, view.camera, reach(metadata, view.camera, vertices))
    if box.empty:
        return None
    working, placed = networks_view(view.camera, box, scale)
    low = feature_camera(metadata, working)
    kernel = filter_size(metadata, low, vertices)
    # The outer half of the receptive field only feeds pixels that are not drawn.
    low_box = hand_box(vertices, low, kernel // 2 + 2 + metadata.architecture.super_resolution.receptive_radius)
    if low_box.empty:
        return None
    times = metadata.architecture.super_resolution.factor
    stretched = metadata.pixel_offset == 0.0 and (low.width * times, low.height * times) != _size(working)
    if scale == 1.0 and not stretched:
        edges = (low_box.left, low_box.top, low_box.right, low_box.bottom)
        placed = Box(*(edge * times for edge in edges)).grown(0, placed.width, placed.height)
    return Plan(view, vertices, placed, working, scale, low, low_box, kernel, stretched)


def _size(camera: Camera) -> tuple[int, int]:
    return camera.width, camera.height
