"""A hand of joints and finger tips that bends by anatomical angles, with the derivatives that a fit needs.

``fit`` and ``calibration`` call this. Angles are those of ``hand.limits``: flexion, spread and twist of each joint,
R = R_flexion R_spread R_twist; those that a joint does not have are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from ..hand.data import HandData
from ..hand.library import find_hand
from ..hand.limits import JOINT_AXES, JOINT_RANGES
from ..hand.skinning import joint_transforms, pose_vertices, shaped_vertices
from ..poses import BETA_COUNT, JOINT_COUNT, PARENTS, HandPose, Side
from ..rotations import axis_angle_to_matrix, matrix_to_axis_angle

TIP = JOINT_COUNT
"""Points 16 to 20 are the tips of index, middle, little, ring finger and thumb; 0 to 15 the joints."""

LANDMARK_POINTS = (0, 13, 14, 15, TIP + 4, 1, 2, 3, TIP, 4, 5, 6, TIP + 1, 10, 11, 12, TIP + 3, 7, 8, 9, TIP + 2)
"""Which of the 21 points each of MediaPipe's 21 landmarks is."""

_POINT_PARENTS = (*PARENTS, *range(3, JOINT_COUNT, 3))
_CARRIERS = tuple(max(_POINT_PARENTS[point], 0) for point in LANDMARK_POINTS)
"""The joint whose frame carries each landmark."""

PALM_LANDMARKS = (0, 1, 5, 9, 13, 17)
"""Landmarks that keep their distances, more or less, however the fingers bend."""

_FROM_JOINTS_MM = np.array(
    [
        (-1.9, -1.4, -0.6),
        (-4.5, -7.2, 6.4), (1.2, 0.5, -0.7), (3.6, -0.1, -1.6), (7.0, -0.6, -4.2),
        (-2.0, 0.9, -0.7), (0.7, -0.7, -0.1), (3.0, -1.3, 0.2), (6.2, 0.7, -1.4),
        (0.2, 1.9, -0.4), (1.7, 0.7, -0.6), (4.2, -0.8, -0.3), (6.4, 1.7, 0.5),
        (-0.6, 1.6, 0.2), (1.6, 0.4, -0.2), (4.7, -1.8, 0.4), (7.2, -0.2, -0.8),
        (-0.7, -0.1, 0.6), (2.2, -0.8, -0.2), (3.4, -1.6, 0.2), (6.1, 1.7, 2.9),
    ]
)  # fmt: skip
"""Where the networks see each landmark, from the joint or tip that it is named after: (21, 3) mm in the right hand's
rest frame, fixed to the bone before the joint. Measured on 275 pictures of the built-in hand in known poses: the tips'
landmarks lie in the nail, 6 to 7 mm from the end, the outer joints' 3 to 5 mm towards the palm, the thumb's first one
beside its joint."""


@dataclass(frozen=True)
class Placement:
    """Where a hand is and how it bends.

    Attributes:
        rotation: (3, 3) from the hand's rest frame to the camera's.
        wrist: (3,) metres, in the camera's axes.
        angles: (D,) radians.
    """

    rotation: np.ndarray
    wrist: np.ndarray
    angles: np.ndarray

    def stepped(self, step: np.ndarray, longest: float = np.inf) -> Placement:
        """Turned, moved and bent by a step of (6 + D,): a rotation in the camera's axes, metres, radians.

        Args:
            longest: most that an angle may change, radians.
        """
        angles = self.angles + np.clip(step[6:], -longest, longest)
        return Placement(axis_angle_to_matrix(step[:3]) @ self.rotation, self.wrist + step[3:6], angles)


@dataclass(frozen=True)
class Posed:
    """A bent hand in the camera's frame.

    Attributes:
        points: (21, 3) metres, where the landmarks are seen.
        origins: (16, 3) the joints.
        tips: (5, 3) the finger tips.
        frames: (16, 3, 3) what each joint's rotation makes of the rest frame.
        axes: (D, 3) about which each angle turns.
    """

    points: np.ndarray
    origins: np.ndarray
    tips: np.ndarray
    frames: np.ndarray
    axes: np.ndarray


class Skeleton:
    """The joints of one hand model with one shape.

    Args:
        data: the hand model, of either side.
        betas: (10,) its shape; the mean shape by default.
        networks: the points are where the networks see the landmarks; otherwise the joints and tips themselves.

    Attributes:
        data, side, betas: as given.
        rest: (16, 3) joints at rest, metres.
        joints, kinds: (D,) the joint of each angle, and 0 flexion, 1 spread or 2 twist.
        low, high: (D,) range of each angle, radians.
        palm_length: of the model's mean shape, as :func:`palm_length` measures it.
    """

    def __init__(self, data: HandData, betas: np.ndarray | None = None, networks: bool = True) -> None:
        self.data, self._networks = data, networks
        self.side: Side = data.side
        self.betas = np.zeros(BETA_COUNT) if betas is None else np.asarray(betas, dtype=np.float64)
        mirror = np.array([1.0, -1.0, -1.0]) if data.side == "left" else np.ones(3)
        self._axes = JOINT_AXES * mirror
        bends = np.argwhere(JOINT_RANGES[..., 1] > JOINT_RANGES[..., 0])
        self.joints, self.kinds = bends[:, 0] + 1, bends[:, 1]
        self.low, self.high = JOINT_RANGES[tuple(bends.T)].T
        tips = tip_vertices(data)
        regressor = data.joint_regressor.astype(np.float64)
        shaped = shaped_vertices(data, self.betas)
        rest = np.concatenate([regressor @ shaped, shaped[tips]])
        self.rest = rest[:JOINT_COUNT]
        directions = data.shapedirs.astype(np.float64)
        moved = np.concatenate([np.einsum("jv,vab->jab", regressor, directions), directions[tips]])
        self._locals, self._shape_locals = _from_parent(rest), _from_parent(moved)
        self.palm_length = _usual_palm(data)
        flip = np.array([-1.0, 1.0, 1.0]) if data.side == "left" else np.ones(3)
        self._offsets = networks * 1e-3 * _FROM_JOINTS_MM * flip

    @property
    def count(self) -> int:
        """D, the number of angles."""
        return len(self.joints)

    def with_shape(self, betas: np.ndarray) -> Skeleton:
        """The same hand model with another shape."""
        return Skeleton(self.data, betas, self._networks)

    def posed(self, at: Placement) -> Posed:
        """Forward kinematics."""
        every = np.zeros((15, 3))
        every[self.joints - 1, self.kinds] = at.angles
        turns = axis_angle_to_matrix(every[..., None] * self._axes)
        first = turns[:, 0]
        second = first @ turns[:, 1]
        own = second @ turns[:, 2]
        frames, origins = np.empty((JOINT_COUNT, 3, 3)), np.empty((JOINT_COUNT + 5, 3))
        frames[0], origins[0] = at.rotation, at.wrist
        parents = np.zeros((15, 3, 3))
        for part in range(3):
            joints = np.arange(1 + part, JOINT_COUNT, 3)
            above = np.zeros(5, np.int64) if part == 0 else joints - 1
            parents[joints - 1] = frames[above]
            origins[joints] = origins[above] + _turned(frames[above], self._locals[joints])
            frames[joints] = frames[above] @ own[joints - 1]
        last = np.arange(3, JOINT_COUNT, 3)
        origins[TIP:] = origins[last] + _turned(frames[last], self._locals[TIP:])
        local = np.stack([self._axes[:, 0], _turned(first, self._axes[:, 1]), _turned(second, self._axes[:, 2])], 1)
        axes = np.einsum("jab,jkb->jka", parents, local)[self.joints - 1, self.kinds]
        points = origins[list(LANDMARK_POINTS)] + _turned(frames[list(_CARRIERS)], self._offsets)
        return Posed(points, origins[:JOINT_COUNT], origins[TIP:], frames, axes)

    def jacobian(self, posed: Posed) -> np.ndarray:
        """(21, 3, 6 + D) derivatives of the points by a step of the placement."""
        answer = np.zeros((21, 3, 6 + self.count))
        from_wrist = posed.points - posed.origins[0]
        answer[:, :, :3] = -_cross_matrix(from_wrist)
        answer[:, :, 3:6] = np.eye(3)
        lever = posed.points[:, None] - posed.origins[self.joints]
        answer[:, :, 6:] = (np.cross(posed.axes, lever) * self._moves[..., None]).transpose(0, 2, 1)
        return answer

    def shape_jacobian(self, posed: Posed) -> np.ndarray:
        """(21, 3, B) derivatives of the points by the betas, the wrist kept where it is."""
        moved = np.zeros((TIP + 5, *self._shape_locals.shape[1:]))
        for point, parent in enumerate(_POINT_PARENTS):
            if parent >= 0:
                moved[point] = moved[parent] + posed.frames[parent] @ self._shape_locals[point]
        return moved[list(LANDMARK_POINTS)]

    def pose(self, at: Placement) -> HandPose:
        """The placement as a pose, in the camera's axes."""
        every = np.zeros((15, 3))
        every[self.joints - 1, self.kinds] = at.angles
        turns = axis_angle_to_matrix(every[..., None] * self._axes)
        hand = matrix_to_axis_angle(turns[:, 0] @ turns[:, 1] @ turns[:, 2])
        orient = matrix_to_axis_angle(at.rotation)
        return HandPose(orient, hand, self.betas, at.wrist - self.rest[0], self.side)

    @cached_property
    def _moves(self) -> np.ndarray:
        """(21, D): 1 where an angle moves a point."""
        above = np.zeros((TIP + 5, JOINT_COUNT), bool)
        for point, parent in enumerate(_POINT_PARENTS):
            if parent >= 0:
                above[point] = above[parent]
                above[point, parent] = True
        return above[list(LANDMARK_POINTS)][:, self.joints].astype(np.float64)


def _usual_palm(data: HandData) -> float:
    return palm_length(data.rest_joints()[[max(point, 0) if point < TIP else 0 for point in LANDMARK_POINTS]])


def palm_length(points: np.ndarray) -> float:
    """The distances of the four knuckles from the wrist together, of (21, 3) landmarks."""
    return float(np.linalg.norm(points[[5, 9, 13, 17]] - points[0], axis=1).sum())


def tip_vertices(data: HandData) -> np.ndarray:
    """(5,) the vertex of each finger that lies farthest along its last bone."""
    rest = data.rest_joints()
    tips = []
    for joint in range(3, JOINT_COUNT, 3):
        bone = np.flatnonzero(data.weights[:, joint] > 0.5)
        along = (data.v_template[bone] - rest[joint]) @ (rest[joint] - rest[joint - 1])
        tips.append(bone[np.argmax(along)])
    return np.array(tips)


def seen_points(data: HandData, pose: HandPose, vertices: np.ndarray | None = None) -> np.ndarray:
    """(21, 3) where the networks see the landmarks of a posed hand, metres, in the pose's world.

    Args:
        vertices: (V, 3) of the posed hand, where they are known already.
    """
    posed = pose_vertices(data, pose) if vertices is None else vertices
    return seen_on(data, joint_transforms(data, pose), posed)


def seen_on(data: HandData, frames: np.ndarray, vertices: np.ndarray) -> np.ndarray:
    """(..., 21, 3) as :func:`seen_points`, of (..., 16, 4, 4) joints and (..., V, 3) vertices."""
    points = np.concatenate([frames[..., :3, 3], vertices[..., _tips(data.name, data.side), :]], axis=-2)
    flip = np.array([-1.0, 1.0, 1.0]) if data.side == "left" else np.ones(3)
    offsets = 1e-3 * _FROM_JOINTS_MM * flip
    carried = _turned(frames[..., list(_CARRIERS), :3, :3], offsets)
    return np.asarray(points[..., list(LANDMARK_POINTS), :] + carried)


@cache
def _tips(name: str, side: Side) -> np.ndarray:
    return tip_vertices(find_hand(name, side))


def _from_parent(points: np.ndarray) -> np.ndarray:
    """Joints and tips (21, ...) as seen from what they hang from; the wrist's own entry is zero."""
    return np.asarray(points - points[np.maximum(_POINT_PARENTS, 0)])


def _turned(frames: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    return np.asarray((frames @ vectors[..., None])[..., 0])


def _cross_matrix(vectors: np.ndarray) -> np.ndarray:
    """(n, 3) -> (n, 3, 3), each times a vector being the cross product with it."""
    x, y, z = vectors.T
    zero = np.zeros_like(x)
    return np.stack([np.stack([zero, -z, y], 1), np.stack([z, zero, -x], 1), np.stack([-y, x, zero], 1)], axis=1)
