"""The arrays that define a skinned proxy, in MANO's terms, without torch.

Everything that deforms or draws the proxy mesh starts from a ``ProxyModel``: the torch model and the NumPy skinning
that Blender uses. A hand's is a ``HandData``: the built-in hand, and MANO files brought by the user. Any other part of
a body is made by ``hand.part``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np

from ..errors import PoseError
from ..poses import JOINT_COUNT, JOINT_NAMES, HandPose, Side


@dataclass(frozen=True, kw_only=True)
class ProxyModel:
    """A skinned mesh: rest mesh, joint tree, weights, texture coordinates, and blend shapes where it has any.

    Metres; in the rest pose all joint rotations are zero. V vertices, F triangles, J joints, B shape directions.
    Texture coordinates are by corner: charts may be many, mirrored or not, as long as no two of them overlap.

    Attributes:
        name: model id that avatars refer to, e.g. ``"livehand-builtin-1"`` or ``"mano"``.
        side: ``"right"`` or ``"left"``; a part of a body is ``"right"`` as it was modelled and ``"left"`` mirrored.
        v_template: (V, 3) float32 rest vertices for betas = 0.
        shapedirs: (V, 3, B) float32 vertex offsets per unit of each beta.
        posedirs: (V, 3, 9 (J - 1)) float32 vertex offsets per entry of ``R(joint) - I``, joints 1 to J - 1, row-major;
            or (V, 3, 0) for none.
        joint_regressor: (J, V) float32, rest joints = joint_regressor @ shaped vertices.
        weights: (V, J) float32 skinning weights, rows sum to 1.
        parents: (J,) int64, each smaller than the joint's own number, -1 for the root, which is joint 0.
        faces: (F, 3) int64 vertex indices, counter-clockwise seen from outside.
        uv: (T, 2) float32 texture coordinates in [0, 1], v upwards as in OBJ files.
        uv_faces: (F, 3) int64 indices into ``uv``, corner by corner with ``faces``.
        licence: SPDX id or a short statement.
        joint_names: of each joint.
    """

    name: str
    side: Side
    v_template: np.ndarray
    shapedirs: np.ndarray
    posedirs: np.ndarray
    joint_regressor: np.ndarray
    weights: np.ndarray
    parents: np.ndarray
    faces: np.ndarray
    uv: np.ndarray
    uv_faces: np.ndarray
    licence: str
    joint_names: tuple[str, ...] = JOINT_NAMES

    @property
    def vertex_count(self) -> int:
        return int(self.v_template.shape[0])

    @property
    def joint_count(self) -> int:
        """Joints, the root among them."""
        return len(self.parents)

    @property
    def is_hand(self) -> bool:
        """Whether its joints are a hand's, in MANO's order."""
        return False

    @property
    def has_texture(self) -> bool:
        """Whether it has texture coordinates: MANO's come in a file of their own."""
        return bool(np.ptp(self.uv, axis=0).min() > 0.0)

    @property
    def face_uv(self) -> np.ndarray:
        """(F, 3, 2) float32 texture coordinates of each corner in the method's convention, v = 1 - v_obj."""
        corner = self.uv[self.uv_faces].astype(np.float32)
        return np.stack([corner[..., 0], 1.0 - corner[..., 1]], axis=-1)

    def check_pose(self, pose: HandPose) -> None:
        """Raises PoseError for a pose of the other side, or of another number of joints."""
        if pose.side != self.side:
            raise PoseError(
                f"A {pose.side} hand's pose was given to a {self.side} hand model.", "Mirror the pose first."
            )
        self.check_joints(pose)

    def check_joints(self, pose: HandPose) -> None:
        """Raises PoseError for a pose of another number of joints."""
        if len(pose.hand_pose) != self.joint_count - 1:
            raise PoseError(
                f"A pose of {1 + len(pose.hand_pose)} joints was given to the model {self.name!r}, which has "
                f"{self.joint_count}.",
                "Give each of its joints a rotation.",
            )

    def rest_joints(self, betas: np.ndarray | None = None) -> np.ndarray:
        """(J, 3) float64 rest joint positions for (B,) betas (all zero when None)."""
        joints, directions = self._joint_shapes
        if betas is None:
            return joints.copy()
        count = min(len(betas), directions.shape[2])
        moved: np.ndarray = joints + directions[..., :count] @ np.asarray(betas, dtype=np.float64)[:count]
        return moved

    @cached_property
    def rest_normals(self) -> np.ndarray:
        """(V, 3) float64 unit normals of the rest mesh, each face weighted by its angle at the vertex."""
        vertices = self.v_template.astype(np.float64)
        corners = vertices[self.faces]
        ahead, behind = np.roll(corners, -1, axis=1) - corners, np.roll(corners, 1, axis=1) - corners
        lengths = np.linalg.norm(ahead, axis=-1) * np.linalg.norm(behind, axis=-1)
        angles = np.arccos(np.clip((ahead * behind).sum(axis=-1) / np.maximum(lengths, 1e-30), -1.0, 1.0))
        across = np.cross(ahead[:, 0], behind[:, 0])
        across /= np.maximum(np.linalg.norm(across, axis=-1, keepdims=True), 1e-30)
        total = np.zeros_like(vertices)
        np.add.at(total, self.faces.reshape(-1), (angles[..., None] * across[:, None]).reshape(-1, 3))
        answer: np.ndarray = total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-30)
        return answer

    def with_offsets(self, offsets: np.ndarray) -> Self:
        """The same hand whose rest mesh is moved along its normals by (V,) metres: a person's own surface."""
        moved = self.v_template.astype(np.float64) + np.asarray(offsets, np.float64)[:, None] * self.rest_normals
        return replace(self, v_template=moved.astype(np.float32))

    @cached_property
    def _joint_shapes(self) -> tuple[np.ndarray, np.ndarray]:
        """(J, 3) rest joints for betas = 0 and (J, 3, B) what a unit of each beta adds, float64."""
        regressor = self.joint_regressor.astype(np.float64)
        return regressor @ self.v_template, np.einsum("jv,vab->jab", regressor, self.shapedirs.astype(np.float64))


@dataclass(frozen=True, kw_only=True)
class HandData(ProxyModel):
    """A parametric hand: 16 joints in MANO's order.

    Attributes:
        hands_mean: (45,) float32 mean pose, axis-angle.
        hands_components: (45, 45) float32 principal components of pose, one a row.
    """

    hands_mean: np.ndarray
    hands_components: np.ndarray

    def __post_init__(self) -> None:
        assert len(self.joint_regressor) == JOINT_COUNT

    @property
    def is_hand(self) -> bool:
        """See the base class."""
        return True
