"""The arrays that define a parametric hand, in MANO's terms, without torch.

Everything that deforms or draws the proxy mesh starts from a ``HandData``: the torch hand model, the
numpy skinning that Blender uses, the built-in hand and MANO files brought by the user.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..poses import JOINT_COUNT, Side


@dataclass(frozen=True)
class HandData:
    """A parametric hand: rest mesh, blend shapes, skinning, texture coordinates.

    Metres; the rest pose is flat (all joint rotations zero). V vertices, F triangles, B shape directions.

    Attributes:
        name: model id that avatars refer to, e.g. ``"livehand-builtin-1"`` or ``"mano"``.
        side: ``"right"`` or ``"left"``.
        v_template: (V, 3) float32 rest vertices for betas = 0.
        shapedirs: (V, 3, B) float32 vertex offsets per unit of each beta.
        posedirs: (V, 3, 135) float32 vertex offsets per entry of ``R(joint) - I``, joints 1 to 15, row-major.
        joint_regressor: (16, V) float32, rest joints = joint_regressor @ shaped vertices.
        weights: (V, 16) float32 skinning weights, rows sum to 1.
        parents: (16,) int64, -1 for the wrist.
        hands_mean: (45,) float32 mean pose, axis-angle.
        hands_components: (45, 45) float32 principal components of pose, one a row.
        faces: (F, 3) int64 vertex indices, counter-clockwise seen from outside.
        uv: (T, 2) float32 texture coordinates in [0, 1], v upwards as in OBJ files.
        uv_faces: (F, 3) int64 indices into ``uv``, corner by corner with ``faces``.
        licence: SPDX id or a short statement.
    """

    name: str
    side: Side
    v_template: np.ndarray
    shapedirs: np.ndarray
    posedirs: np.ndarray
    joint_regressor: np.ndarray
    weights: np.ndarray
    parents: np.ndarray
    hands_mean: np.ndarray
    hands_components: np.ndarray
    faces: np.ndarray
    uv: np.ndarray
    uv_faces: np.ndarray
    licence: str

    @property
    def vertex_count(self) -> int:
        return int(self.v_template.shape[0])

    @property
    def has_texture(self) -> bool:
        """Whether it has texture coordinates: MANO's come in a file of their own."""
        return bool(np.ptp(self.uv, axis=0).min() > 0.0)

    @property
    def face_uv(self) -> np.ndarray:
        """(F, 3, 2) float32 texture coordinates of each corner in the method's convention, v = 1 - v_obj."""
        corner = self.uv[self.uv_faces].astype(np.float32)
        return np.stack([corner[..., 0], 1.0 - corner[..., 1]], axis=-1)

    def rest_joints(self, betas: np.ndarray | None = None) -> np.ndarray:
        """(16, 3) float64 rest joint positions for (B,) betas (all zero when None)."""
        joints, directions = self._joint_shapes
        if betas is None:
            return joints.copy()
        count = min(len(betas), directions.shape[2])
        moved: np.ndarray = joints + directions[..., :count] @ np.asarray(betas, dtype=np.float64)[:count]
        return moved

    @cached_property
    def _joint_shapes(self) -> tuple[np.ndarray, np.ndarray]:
        """(16, 3) rest joints for betas = 0 and (16, 3, B) what a unit of each beta adds, float64."""
        regressor = self.joint_regressor.astype(np.float64)
        assert len(regressor) == JOINT_COUNT
        return regressor @ self.v_template, np.einsum("jv,vab->jab", regressor, self.shapedirs.astype(np.float64))
