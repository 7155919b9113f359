"""The camera: intrinsics, extrinsics, axis conventions, orbit paths.

Core cameras use OpenCV axes (x right, y down, z forward); pixel (0, 0) is the top left one and its centre lies at
(pixel_offset, pixel_offset), 0.5 except for the published checkpoints.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from .errors import CameraError
from .records import build

Projection = Literal["perspective", "orthographic"]

OPENGL_TO_OPENCV = np.diag([1.0, -1.0, -1.0, 1.0])
"""Right-multiply a camera-to-world matrix in OpenGL axes (x right, y up, looks along -z) to get OpenCV axes."""

MAX_IMAGE_SIDE = 16384

_IDENTITY = np.eye(3)

_PIXEL_NUMBERS = ("fx", "fy", "cx", "cy", "pixel_offset")


@dataclass(frozen=True)
class Camera:
    """A pinhole or orthographic camera.

    Perspective: u = fx x/z + cx. Orthographic: u = fx x + cx with fx in pixels a metre.

    Attributes:
        width, height: image size in pixels.
        fx, fy: focal lengths in pixels (orthographic: pixels a metre).
        cx, cy: principal point in pixels, the image's left upper corner being (0, 0).
        camera_to_world: (4, 4) float64 rigid transform, OpenCV axes, metres.
        projection: ``"perspective"`` or ``"orthographic"``.
        pixel_offset: where in its pixel a ray starts, in pixels of the image that is sampled.

    Raises:
        CameraError: an empty or oversized image, a value that is not finite, a transform that is not rigid.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    camera_to_world: np.ndarray
    projection: Projection = "perspective"
    pixel_offset: float = 0.5

    def __post_init__(self) -> None:
        matrix = np.array(self.camera_to_world, dtype=np.float64)
        object.__setattr__(self, "camera_to_world", matrix)
        matrix.flags.writeable = False
        self._check_image()
        if self.projection not in ("perspective", "orthographic"):
            raise CameraError(f"The projection {self.projection!r} is unknown.", "Use perspective or orthographic.")
        if matrix.shape != (4, 4):
            raise CameraError(
                f"The camera's transform has shape {matrix.shape}; (4, 4) is needed.", "Check its matrix."
            )
        if not np.isfinite(matrix).all():
            raise CameraError(
                "The camera holds values that are not finite: camera_to_world.", "Check its transform and lens."
            )
        if np.abs(matrix[:3, :3] @ matrix[:3, :3].T - _IDENTITY).max() > 1e-4:
            raise CameraError("The camera's transform is scaled or sheared.", "Apply the camera's scale.")

    def _check_image(self) -> None:
        """What a camera's pixels must be.

        Raises:
            CameraError: they are not.
        """
        if not (1 <= self.width <= MAX_IMAGE_SIDE and 1 <= self.height <= MAX_IMAGE_SIDE):
            raise CameraError(
                f"An image of {self.width} x {self.height} pixels cannot be rendered.",
                f"Give a width and a height from 1 to {MAX_IMAGE_SIDE}.",
            )
        wrong = [name for name in _PIXEL_NUMBERS if not math.isfinite(getattr(self, name))]
        if wrong:
            raise CameraError(
                f"The camera holds values that are not finite: {', '.join(wrong)}.", "Check its transform and lens."
            )
        if min(self.fx, self.fy) <= 0.0:
            raise CameraError("The camera's focal length is not positive.", "Check its lens.")

    def with_pixels(self, **numbers: float) -> Camera:
        """The camera in the same place with other pixels: sizes, focal lengths, principal point, pixel offset.

        A frame makes many of these; the transform, which has been looked at, is not looked at again.

        Raises:
            CameraError: as for a new camera.
        """
        assert numbers.keys() <= {"width", "height", *_PIXEL_NUMBERS}
        camera = object.__new__(type(self))
        camera.__dict__.update(self.__dict__, **numbers)
        camera._check_image()
        return camera

    def centred(self, pixel_offset: float) -> Camera:
        """The same rays through the same pixels, told with another ``pixel_offset``."""
        moved = pixel_offset - self.pixel_offset
        return self.with_pixels(pixel_offset=pixel_offset, cx=self.cx + moved, cy=self.cy + moved)

    @property
    def intrinsics(self) -> np.ndarray:
        """(3, 3) float64 matrix K."""
        return np.array([[self.fx, 0.0, self.cx], [0.0, self.fy, self.cy], [0.0, 0.0, 1.0]])

    @cached_property
    def world_to_camera(self) -> np.ndarray:
        """(4, 4) float64 inverse of camera_to_world, not writeable."""
        rotation, centre = self.camera_to_world[:3, :3], self.camera_to_world[:3, 3]
        matrix = np.eye(4)
        matrix[:3, :3] = rotation.T
        matrix[:3, 3] = -rotation.T @ centre
        matrix.flags.writeable = False
        return matrix

    def to_axes(self, points: np.ndarray) -> np.ndarray:
        """World points (..., 3) in the camera's axes: x right, y down, z away from it."""
        matrix = self.world_to_camera
        answer: np.ndarray = np.asarray(points, dtype=np.float64) @ matrix[:3, :3].T + matrix[:3, 3]
        return answer

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """World points (..., 3) -> pixel coordinates (..., 2) and depth along the optical axis (...)."""
        local = self.to_axes(points)
        depth = local[..., 2]
        scale = 1.0 / depth if self.projection == "perspective" else np.ones_like(depth)
        pixels = np.stack(
            [self.fx * local[..., 0] * scale + self.cx, self.fy * local[..., 1] * scale + self.cy], axis=-1
        )
        return pixels, depth

    def crop(self, x: int, y: int, width: int, height: int) -> Camera:
        """The same view through a window of the image whose upper left pixel is (x, y)."""
        return self.with_pixels(width=width, height=height, cx=self.cx - x, cy=self.cy - y)

    def resized(self, width: int, height: int) -> Camera:
        """The same view sampled by another number of pixels."""
        sx, sy = width / self.width, height / self.height
        return self.with_pixels(
            width=width, height=height, fx=self.fx * sx, fy=self.fy * sy, cx=self.cx * sx, cy=self.cy * sy
        )

    def moved(self, rotation: np.ndarray, translation: np.ndarray) -> Camera:
        """The camera after the world is turned by ``rotation`` (3, 3) about the origin, then shifted."""
        matrix = np.eye(4)
        matrix[:3, :3] = rotation
        matrix[:3, 3] = translation
        return replace(self, camera_to_world=matrix @ self.camera_to_world)

    def to_json(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        document = {key: getattr(self, key) for key in ("width", "height", "fx", "fy", "cx", "cy")}
        document.update(
            camera_to_world=self.camera_to_world.tolist(), projection=self.projection, pixel_offset=self.pixel_offset
        )
        return document

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Camera:
        """Inverse of :meth:`to_json`.

        Raises:
            CameraError: a key is missing, unknown or does not fit.
        """
        try:
            return build(cls, document)
        except ValueError as error:
            raise CameraError(
                f"The camera is incomplete or invalid: {error}.", "Write cameras with Camera.to_json."
            ) from error


def look_at(eye: np.ndarray, target: np.ndarray, up: np.ndarray) -> np.ndarray:
    """(4, 4) camera-to-world in OpenCV axes of a camera at ``eye`` that looks at ``target``, ``up`` being upwards.

    When the view direction is parallel to ``up`` another axis is taken for it.
    """
    forward = np.asarray(target, dtype=np.float64) - eye
    forward = forward / np.linalg.norm(forward)
    right = np.cross(forward, up)
    if np.linalg.norm(right) < 1e-8:
        right = np.cross(forward, np.roll(up, 1))
    right = right / np.linalg.norm(right)
    matrix = np.eye(4)
    matrix[:3, 0] = right
    matrix[:3, 1] = np.cross(forward, right)
    matrix[:3, 2] = forward
    matrix[:3, 3] = eye
    return matrix
