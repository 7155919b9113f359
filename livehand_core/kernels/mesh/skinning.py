"""Linear blend skinning for the CPU renderer: ``hand/skinning.py`` that keeps what only the shape decides."""

from __future__ import annotations

import numpy as np

from ...hand.data import ProxyModel
from ...hand.local import LocalPose
from ...hand.skinning import shaped_vertices
from ...poses import HandPose
from ..compiling import compiled, inlined
from .placement import corner_rows
from .proxy import PosedProxy, ProxyTopology


class PosedHandModel:
    """A hand model that is posed many times. One thread at a time.

    Example:
        >>> model = PosedHandModel(builtin_hand("right"))
        >>> vertices = model.vertices(HandPose.rest())

    Args:
        data: the model's arrays.
        local: whether its posed meshes tell the local pose.

    Attributes:
        data: the same.
        topology: of its mesh, for ``PosedProxy.of``.
    """

    def __init__(self, data: ProxyModel, local: bool = False) -> None:
        self.data = data
        self._local = LocalPose(data) if local else None
        self.topology = ProxyTopology.of(data)
        self._correctives = np.array(
            data.posedirs.reshape(3 * len(data.posedirs), data.posedirs.shape[-1]).T, np.float32, order="C"
        )
        self._weights = np.array(data.weights, np.float32, order="C")
        self._regressor = data.joint_regressor.astype(np.float64)
        self._parents = np.array(data.parents, np.int64)
        self._betas = np.full(0, np.nan)
        self._shaped = np.empty(0, np.float32)
        self._rest_joints = np.empty(0)

    def vertices(self, pose: HandPose) -> np.ndarray:
        """(V, 3) float32 posed vertices in metres, world space.

        Raises:
            PoseError: a pose of the other side, or of other joints.
        """
        features, transforms = self.joints(pose)
        answer = np.empty((len(self._weights), 3), np.float32)
        _apply(self._correctives, features[: len(self._correctives)], self._shaped, self._weights, transforms, answer)
        return answer

    def proxy(self, vertices: np.ndarray, pose: HandPose) -> PosedProxy:
        """The posed mesh of (V, 3) vertices, ready for queries."""
        if self._local is None:
            return PosedProxy.of(vertices, self.topology)
        return PosedProxy.of(vertices, self.topology, corner_rows(self._local.numbers(pose.hand_pose), self.topology))

    def joints(self, pose: HandPose) -> tuple[np.ndarray, np.ndarray]:
        """What moves the vertices: (9 (J - 1),) R - I of all joints but the root, and (J, 12) rows [R | t]
        from rest to world.

        Raises:
            PoseError: a pose of the other side, or of other joints.
        """
        self.data.check_pose(pose)
        if not np.array_equal(pose.betas, self._betas):
            shaped = shaped_vertices(self.data, pose.betas)
            self._rest_joints = self._regressor @ shaped
            self._shaped = shaped.astype(np.float32).reshape(-1)
            self._betas = pose.betas
        joints = len(self._parents)
        features = np.empty(9 * (joints - 1), np.float32)
        transforms = np.empty((joints, 12), np.float32)
        _pose_joints(pose.full_pose, self._rest_joints, self._parents, np.array(pose.transl), features, transforms)
        return features, transforms


@inlined
def _rotation(x: float, y: float, z: float, answer: np.ndarray) -> None:
    """Rodrigues' formula for a rotation vector; fills (3, 3)."""
    angle = np.sqrt(x * x + y * y + z * z)
    # Taylor series near 0, where the quotients lose their digits.
    if angle > 1e-4:
        sine, versine = np.sin(angle) / angle, (1.0 - np.cos(angle)) / (angle * angle)
    else:
        sine, versine = 1.0 - angle * angle / 6.0, 0.5 - angle * angle / 24.0
    answer[0, 0], answer[1, 1], answer[2, 2] = (
        1.0 - versine * (y * y + z * z),
        1.0 - versine * (x * x + z * z),
        1.0 - versine * (x * x + y * y),
    )
    answer[0, 1], answer[1, 0] = versine * x * y - sine * z, versine * x * y + sine * z
    answer[0, 2], answer[2, 0] = versine * x * z + sine * y, versine * x * z - sine * y
    answer[1, 2], answer[2, 1] = versine * y * z - sine * x, versine * y * z + sine * x


@compiled
def _pose_joints(
    angles: np.ndarray,
    rest: np.ndarray,
    parents: np.ndarray,
    transl: np.ndarray,
    features: np.ndarray,
    transforms: np.ndarray,
) -> None:
    """Fill (9 (J - 1),) R - I of the joints but the root, and (J, 12) rows [R | t] that carry rest vertices into the
    world."""
    turn = np.empty((3, 3))
    frames = np.empty((len(parents), 3, 4))
    for joint in range(len(parents)):
        _rotation(angles[3 * joint], angles[3 * joint + 1], angles[3 * joint + 2], turn)
        parent = parents[joint]
        for i in range(3):
            if joint:
                for k in range(3):
                    features[9 * (joint - 1) + 3 * i + k] = turn[i, k] - (1.0 if i == k else 0.0)
            place = rest[joint, i]
            if parent >= 0:
                place = frames[parent, i, 3]
                for k in range(3):
                    place += frames[parent, i, k] * (rest[joint, k] - rest[parent, k])
            frames[joint, i, 3] = place
            for k in range(3):
                value = turn[i, k]
                if parent >= 0:
                    value = 0.0
                    for m in range(3):
                        value += frames[parent, i, m] * turn[m, k]
                frames[joint, i, k] = value
    for joint in range(len(parents)):
        for i in range(3):
            offset = frames[joint, i, 3] + transl[i]
            for k in range(3):
                offset -= frames[joint, i, k] * rest[joint, k]
                transforms[joint, 4 * i + k] = frames[joint, i, k]
            transforms[joint, 4 * i + 3] = offset


@compiled
def _apply(
    correctives: np.ndarray,
    features: np.ndarray,
    shaped: np.ndarray,
    weights: np.ndarray,
    transforms: np.ndarray,
    answer: np.ndarray,
) -> None:
    """Fill (V, 3) with the corrected vertices, each moved by its own mixture of the joints' transforms.

    Loops in place of matrix products: those would wake the threads of a mathematics library, which then spin for
    milliseconds on the processors that the rest of the frame needs.
    """
    corrected = shaped.copy()
    for feature in range(len(features)):
        factor, row = features[feature], correctives[feature]
        if factor != 0.0:
            for k in range(len(corrected)):
                corrected[k] += factor * row[k]
    mixed = np.empty(12, np.float32)
    for vertex in range(len(answer)):
        mixed[:] = 0.0
        for joint in range(len(transforms)):
            weight = weights[vertex, joint]
            if weight != 0.0:
                for k in range(12):
                    mixed[k] += weight * transforms[joint, k]
        x, y, z = corrected[3 * vertex], corrected[3 * vertex + 1], corrected[3 * vertex + 2]
        for i in range(3):
            answer[vertex, i] = mixed[4 * i] * x + mixed[4 * i + 1] * y + mixed[4 * i + 2] * z + mixed[4 * i + 3]
