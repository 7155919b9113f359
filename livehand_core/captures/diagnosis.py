"""Why masks and poses of a capture do not go together: what is usually mistaken is tried, and what fits is named."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ..cameras import OPENGL_TO_OPENCV, Camera
from ..errors import CameraError, LiveHandError
from ..hand.data import HandData, ProxyModel
from ..hand.library import find_model
from ..hand.skinning import pose_vertices
from ..poses import HandPose
from ..rotations import axis_angle_to_matrix
from .silhouettes import SIDE, overlap

if TYPE_CHECKING:
    from PIL.Image import Image

BETTER = 0.6
"""A cause is believed when what is left of the overlap to 1 shrinks to this part of it."""

CLEARLY = 0.08
"""And the overlap grows by this much at least."""

FINE = 960
"""Side of the window in which the little that a lens changes is compared."""

LENS_GAIN = 0.002
LENS_SHARE = 0.8
"""What the overlap has to lose in the mean, and in which part of the images, before a lens is not believed."""


@dataclass(frozen=True)
class View:
    """A mask, and what the capture says of it.

    Attributes:
        mask: 8 bit grey, undistorted.
        camera: of the frame.
        pose: of the hand.
        data: hand model of the pose's side.
        others: the poses before and after it.
    """

    mask: Image
    camera: Camera
    pose: HandPose
    data: ProxyModel
    others: tuple[HandPose, ...] = ()

    def overlap(self, side: int = SIDE) -> float:
        """Of the mask and the posed hand's silhouette, 0 to 1, in a window of ``side`` pixels."""
        return overlap(self.mask, pose_vertices(self.data, self.pose), self.data.faces, self.camera, side)


Change = Callable[[View], View]


def likely_cause(views: Sequence[View], given: float, changes: Iterable[tuple[str, Change]] = ()) -> tuple[str, float]:
    """What was probably mistaken, and the mean overlap without that mistake; empty when nothing tried fits.

    Args:
        views: some of the frames.
        given: mean overlap of these as the capture gives them.
        changes: what is tried; all of ``CAUSES`` by default, of a part ``PART_CAUSES``.
    """
    best, cause = given, ""
    for name, change in changes or (CAUSES if views[0].data.is_hand else PART_CAUSES):
        mean = _mean(views, change, best)
        if mean > best:
            best, cause = mean, name
    believed = 1.0 - best < BETTER * (1.0 - given) and best - given >= CLEARLY
    return (cause, best) if believed else ("", given)


def lens_is_gone(undistorted: Sequence[View], raw: Sequence[View]) -> tuple[float, float] | None:
    """The mean overlaps with and without the lens, if images that are told to be distorted fit better as they are.

    Args:
        undistorted: some of the frames that have a lens.
        raw: the same with their masks as they lie on the disk.
    """
    straight = np.array([view.overlap(FINE) for view in undistorted])
    bent = np.array([view.overlap(FINE) for view in raw])
    gone = np.mean(bent - straight) > LENS_GAIN and np.mean(bent > straight) >= LENS_SHARE
    return (float(straight.mean()), float(bent.mean())) if gone else None


def _mean(views: Sequence[View], change: Change, least: float) -> float:
    """The mean overlap of changed views; it is given up as soon as it cannot exceed ``least``."""
    total = 0.0
    for number, view in enumerate(views):
        with suppress(LiveHandError):
            total += change(view).overlap()
        if total + (len(views) - number - 1) <= least * len(views):
            return 0.0
    return total / len(views)


def _place(matrix: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    return lambda camera: matrix @ camera


def _camera(change: Callable[[np.ndarray], np.ndarray]) -> Change:
    """Cameras whose (4, 4) camera-to-world matrix, OpenCV axes, is another."""

    def changed(view: View) -> View:
        try:
            return replace(view, camera=replace(view.camera, camera_to_world=change(view.camera.camera_to_world)))
        except (CameraError, np.linalg.LinAlgError):
            return replace(view, mask=view.mask.point([0] * 256))

    return changed


def _scaled(factor: float) -> Change:
    """Cameras whose positions are multiplied."""
    return _camera(lambda matrix: np.hstack([matrix[:, :3], matrix[:, 3:] * [[factor], [factor], [factor], [1.0]]]))


def _mirrored(axis: int) -> Change:
    """A world that is mirrored in an axis: cameras stay cameras, so their pictures are mirrored, too."""
    world, picture = np.eye(4), np.diag([-1.0, 1.0, 1.0, 1.0])
    world[axis, axis] = -1.0
    return _camera(lambda matrix: world @ matrix @ picture)


def _turned_world(angle: float) -> Change:
    turn = np.eye(4)
    turn[:3, :3] = axis_angle_to_matrix(np.array([angle, 0.0, 0.0]))
    return _camera(_place(turn))


def _transposed(matrix: np.ndarray) -> np.ndarray:
    # The file's axes are OpenGL's.
    told = matrix @ OPENGL_TO_OPENCV
    told[:3, :3] = told[:3, :3].T
    answer: np.ndarray = told @ OPENGL_TO_OPENCV
    return answer


def _inverted(matrix: np.ndarray) -> np.ndarray:
    answer: np.ndarray = np.linalg.inv(matrix @ OPENGL_TO_OPENCV) @ OPENGL_TO_OPENCV
    return answer


def _inverted_cv(matrix: np.ndarray) -> np.ndarray:
    answer: np.ndarray = np.linalg.inv(matrix @ OPENGL_TO_OPENCV)
    return answer


def _pose(change: Callable[[HandPose, ProxyModel], HandPose]) -> Change:
    return lambda view: replace(view, pose=change(view.pose, view.data))


def _fingers(order: Sequence[int]) -> Change:
    """Joint rotations that stand in another order."""
    return _pose(lambda pose, data: replace(pose, hand_pose=pose.hand_pose[list(order)]))


def _mean_pose(sign: float) -> Change:
    def changed(pose: HandPose, data: ProxyModel) -> HandPose:
        assert isinstance(data, HandData)
        return replace(pose, hand_pose=pose.hand_pose + sign * np.reshape(data.hands_mean, (15, 3)))

    return _pose(changed)


def _moved(sign: float, turned: bool) -> Change:
    """Translations that mean something else: the wrist's place, or a turn about the origin."""

    def changed(pose: HandPose, data: ProxyModel) -> HandPose:
        wrist = data.rest_joints(pose.betas)[0]
        shift = axis_angle_to_matrix(pose.global_orient) @ wrist - wrist if turned else sign * wrist
        return replace(pose, transl=pose.transl + shift)

    return _pose(changed)


def _other_side(mirrored: bool) -> Change:
    def changed(view: View) -> View:
        pose = view.pose.mirrored()
        if not mirrored:
            pose = replace(view.pose, side=pose.side)
        return replace(view, pose=pose, data=find_model(view.data.name, pose.side))

    return changed


def _picture(name: str) -> Change:
    """Masks that are turned by one of Pillow's transpositions, where that keeps their size."""

    def changed(view: View) -> View:
        from PIL import Image as library

        mask = view.mask.transpose(library.Transpose[name])
        return replace(view, mask=mask if mask.size == view.mask.size else view.mask)

    return changed


def _inside_out(view: View) -> View:
    return replace(view, mask=view.mask.point([255 - value for value in range(256)]))


def _neighbour(number: int) -> Change:
    return lambda view: replace(view, pose=view.others[number] if number < len(view.others) else view.pose)


# The order of the field's other hand models: thumb first.
_THUMB_FIRST = [3, 4, 5, 6, 7, 8, 12, 13, 14, 9, 10, 11, 0, 1, 2]
_LITTLE_AND_RING = [0, 1, 2, 3, 4, 5, 9, 10, 11, 6, 7, 8, 12, 13, 14]
_TIP_FIRST = [finger + joint for finger in range(0, 15, 3) for joint in (2, 1, 0)]

PICTURES: tuple[tuple[str, Change], ...] = (
    ("the images are upside down", _picture("FLIP_TOP_BOTTOM")),
    ("the images are mirrored left to right", _picture("FLIP_LEFT_RIGHT")),
    ("the images are turned by 180 degrees", _picture("ROTATE_180")),
    ("the images are turned by 90 degrees", _picture("ROTATE_90")),
    ("the images are turned by 270 degrees", _picture("ROTATE_270")),
    ("the masks are inverted: the hand is transparent", _inside_out),
    ("the images are of the pose before", _neighbour(0)),
    ("the images are of the pose after", _neighbour(1)),
)
"""What may be wrong with single images, too."""

_CAMERAS: tuple[tuple[str, Change], ...] = (
    *PICTURES,
    ("the cameras' positions are in millimetres; metres are needed", _scaled(0.001)),
    ("the cameras' positions are in centimetres; metres are needed", _scaled(0.01)),
    ("the cameras' positions are in decimetres; metres are needed", _scaled(0.1)),
    (
        "the poses' translations are in millimetres; metres are needed",
        _pose(lambda pose, data: replace(pose, transl=0.001 * pose.transl)),
    ),
    (
        "the poses' translations are in centimetres; metres are needed",
        _pose(lambda pose, data: replace(pose, transl=0.01 * pose.transl)),
    ),
    ("the matrices are world-to-camera; camera-to-world is needed", _camera(_inverted)),
    ("the matrices are world-to-camera in OpenCV's axes; camera-to-world in OpenGL's is needed", _camera(_inverted_cv)),
    ("the cameras have OpenCV's axes; OpenGL's are needed", _camera(lambda matrix: matrix @ OPENGL_TO_OPENCV)),
    ("the cameras' rotations are transposed", _camera(_transposed)),
    ("the cameras are mirrored in x", _mirrored(0)),
    ("the cameras are mirrored in y", _mirrored(1)),
    ("the cameras are mirrored in z", _mirrored(2)),
    ("the cameras' world has another axis upwards than the poses'", _turned_world(0.5 * np.pi)),
    ("the cameras' world has another axis upwards than the poses'", _turned_world(-0.5 * np.pi)),
)
_HAND: tuple[tuple[str, Change], ...] = (
    ("the poses are of the other hand", _other_side(False)),
    ("the poses are of the other hand, mirrored", _other_side(True)),
    ("the joints are in reversed order", _fingers(range(14, -1, -1))),
    ("the thumb's joints stand first; MANO's order is index, middle, little, ring, thumb", _fingers(_THUMB_FIRST)),
    ("the ring and the little finger are exchanged", _fingers(_LITTLE_AND_RING)),
    ("each finger's joints begin at its tip", _fingers(_TIP_FIRST)),
)
_TURNS: tuple[tuple[str, Change], ...] = (
    (
        "the joints' rotations are inverted",
        _pose(lambda pose, data: replace(pose, hand_pose=-pose.hand_pose)),
    ),
    (
        "the wrist's rotation is inverted",
        _pose(lambda pose, data: replace(pose, global_orient=-pose.global_orient)),
    ),
)
_MEAN: tuple[tuple[str, Change], ...] = (
    ("the finger poses are relative to the mean pose (flat_hand_mean false)", _mean_pose(1.0)),
    ("the mean pose has been added although the file says otherwise", _mean_pose(-1.0)),
)
_PLACES: tuple[tuple[str, Change], ...] = (
    ("the translations say where the wrist is", _moved(-1.0, False)),
    ("the poses turn about the origin, not about the wrist", _moved(0.0, True)),
)
CAUSES = (*_CAMERAS, *_HAND, *_TURNS, *_MEAN, *_PLACES)
"""What is tried for a whole capture: what went wrong, and the view as it should have been given."""

PART_CAUSES = (*_CAMERAS, *_TURNS, *_PLACES)
"""Those that have nothing to do with a hand's joints."""
