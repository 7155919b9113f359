"""Where a hand lies in a frame: its view, the camera that its networks work for, and the boxes. Decided on the host."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..avatars.metadata import AvatarMetadata
from ..cameras import Camera
from ..framing import Box, hand_box, networks_view
from .setup import feature_camera, filter_size, reach
from .shading.received import Received
from .view import View


@dataclass(frozen=True)
class Plan:
    """One hand seen by one camera.

    The feature image is made of ``low_box``. Super-resolution makes the picture of it, which fills ``picture`` in a
    canvas of ``canvas`` pixels. Resized where ``stretched`` or ``scale`` say so, it becomes the layer's ``box``.

    Attributes:
        view: the camera and the pose in the avatar's frame.
        vertices: (V, 3) float32 posed mesh in that frame, metres.
        outline: pixels of the view's image that the hand may touch.
        box: of the hand's layer in the view's image.
        working: the camera whose picture the networks make; the view's own, or the box at another size.
        scale: of that size over the image's.
        low: the whole feature image's camera.
        low_box: the part of the feature image that is drawn.
        kernel: side of the depth filter in pixels of the feature image.
        stretched: whether the networks' picture is resized to the working camera's (published odd sizes).
        canvas: (width, height) of the whole picture that the networks would make.
        picture: the part of it that they make.
        received: the light at the hand, of relightable avatars; None for the others.
    """

    view: View
    vertices: np.ndarray
    outline: Box
    box: Box
    working: Camera
    scale: float
    low: Camera
    low_box: Box
    kernel: int
    stretched: bool
    canvas: tuple[int, int]
    picture: Box
    received: Received | None = None

    @property
    def picture_camera(self) -> Camera:
        """The camera of the picture's pixels."""
        return self.picture.of(self.working)

    @property
    def resized(self) -> bool:
        """Whether the picture's pixels are not the layer's."""
        return self.stretched or self.scale != 1.0


def plan_hand(
    metadata: AvatarMetadata,
    view: View,
    vertices: np.ndarray,
    scale: float = 1.0,
    crop: bool = True,
    received: Received | None = None,
) -> Plan | None:
    """Plan; None when the hand is out of view.

    Args:
        metadata: of the avatar.
        view: see ``setup.avatar_view``.
        vertices: (V, 3) posed in the view's frame.
        scale: size at which the networks run over the image's.
        crop: make no more of the feature image than the hand's picture depends on.
        received: the light at the hand.
    """
    outline = hand_box(vertices, view.camera, reach(metadata, view.camera, vertices))
    if outline.empty:
        return None
    working, box = networks_view(view.camera, outline, scale)
    low = feature_camera(metadata, working)
    kernel = filter_size(metadata, low, vertices)
    low_box = Box(0, 0, low.width, low.height)
    if crop:
        # Rays lie within half a kernel of the mesh, and what they are drawn from within the receptive radius of them.
        margin = kernel // 2 + metadata.architecture.super_resolution.receptive_radius
        low_box = hand_box(vertices, low, margin)
    if low_box.empty:
        return None
    factor = metadata.architecture.super_resolution.factor
    canvas = size = (working.width, working.height)
    if metadata.pixel_offset == 0.0:
        canvas = (low.width * factor, low.height * factor)
    picture = low_box.times(factor).grown(0, *canvas)
    stretched = canvas != size
    if scale == 1.0 and not stretched:
        box = picture
    boxes = kernel, stretched, canvas, picture
    return Plan(view, vertices, outline, box, working, scale, low, low_box, *boxes, received)
