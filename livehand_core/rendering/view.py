"""A request's hand and camera brought into the avatar's own frame: its side, its size, its wrist."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..cameras import Camera
from ..frames import HandInstance
from ..hand.data import ProxyModel
from ..lights import Light
from ..poses import HandPose
from ..rotations import axis_angle_to_matrix

SCALES = (1e-9, 1e9)
"""Between these a hand's scale is heeded: beyond, it is far smaller than a pixel, or larger than all that is seen, and
numbers would overflow."""

_REFLECTION = np.diag([-1.0, 1.0, 1.0])


@dataclass(frozen=True)
class View:
    """One hand seen by one camera, in the frame in which the avatar is evaluated.

    Attributes:
        camera: in that frame, metres of the hand model.
        pose: in that frame.
        mirrored: the images must be flipped left to right.
        normal_to_world: (3, 3) orthogonal matrix for normals, a reflection for mirrored hands.
        scale: factor from this frame's depth to the world's.
        turn, shift: (3, 3) orthogonal and (3,): a point of the world lies at turn @ point / scale + shift.
    """

    camera: Camera
    pose: HandPose
    mirrored: bool
    normal_to_world: np.ndarray
    scale: float
    turn: np.ndarray
    shift: np.ndarray

    def from_world(self, points: np.ndarray) -> np.ndarray:
        """(..., 3) points of the world in this frame, float64."""
        answer: np.ndarray = points.astype(np.float64) / self.scale @ self.turn.T + self.shift
        return answer

    def to_world(self, points: np.ndarray) -> np.ndarray:
        """(..., 3) points of this frame in the world, float64."""
        answer: np.ndarray = (points.astype(np.float64) - self.shift) @ self.turn * self.scale
        return answer

    def light_from_world(self, light: Light) -> Light:
        """A light of the world as it shines in this frame."""
        return light.moved(self.turn, self.shift, 1.0 / self.scale)


def mirror_pose(pose: HandPose) -> HandPose:
    """The pose of the other hand in a world reflected at x = 0, where left and right models are mirror images."""
    flip = np.array([1.0, -1.0, -1.0])
    return HandPose(
        pose.global_orient * flip,
        pose.hand_pose * flip,
        pose.betas,
        pose.transl * [-1.0, 1.0, 1.0],
        "left" if pose.side == "right" else "right",
    )


def mirror_camera(camera: Camera) -> Camera:
    """The camera in a world reflected at x = 0; its image is the original one flipped left to right."""
    matrix = camera.camera_to_world.copy()
    matrix[:3, :3] = _REFLECTION @ matrix[:3, :3] @ _REFLECTION
    matrix[:3, 3] = _REFLECTION @ matrix[:3, 3]
    return replace(camera, camera_to_world=matrix, cx=camera.width - 1.0 + 2.0 * camera.pixel_offset - camera.cx)


def scaled_camera(camera: Camera, scale: float) -> Camera:
    """The camera in a world shrunk by ``scale`` about its origin; depths there are 1/scale of the true ones."""
    if scale == 1.0:
        return camera
    matrix = camera.camera_to_world.copy()
    matrix[:3, 3] /= scale
    factor = scale if camera.projection == "orthographic" else 1.0
    return replace(camera, camera_to_world=matrix, fx=camera.fx * factor, fy=camera.fy * factor)


def view_of(instance: HandInstance, camera: Camera, hand: ProxyModel, to_wrist: bool, to_origin: bool) -> View:
    """Bring a hand and the camera into the avatar's frame.

    Args:
        instance: pose and scale.
        camera: of the request.
        hand: the model that the avatar was trained on; a pose of the other side is mirrored onto it.
        to_wrist: undo global_orient (avatars with wrist conditioning).
        to_origin: undo transl (all but world-coordinate avatars); also keeps float32 exact far from the origin.
    """
    pose, mirrored = instance.pose, instance.pose.side != hand.side
    scale = min(max(instance.scale, SCALES[0]), SCALES[1])
    camera = scaled_camera(camera, scale)
    if mirrored:
        pose, camera = mirror_pose(pose), mirror_camera(camera)
    rotation = axis_angle_to_matrix(pose.global_orient) if to_wrist else np.eye(3)
    shift = np.zeros(3)
    if to_wrist or to_origin:
        wrist = hand.rest_joints(pose.betas)[0]
        shift = wrist - rotation.T @ (wrist + pose.transl)
        camera = camera.moved(rotation.T, shift)
        orient = np.zeros(3) if to_wrist else pose.global_orient
        pose = replace(pose, global_orient=orient, transl=np.zeros(3))
    normal_to_world = _REFLECTION @ rotation if mirrored else rotation
    return View(camera, pose, mirrored, normal_to_world, scale, normal_to_world.T, shift)
