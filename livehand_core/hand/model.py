"""The posed proxy mesh in torch: MANO's linear blend skinning on any device, differentiable in shape and pose.

Loper et al., "SMPL", 2015, and Romero et al., "Embodied Hands" (MANO), 2017; ``skinning.py`` is the same in NumPy.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ..poses import BETA_COUNT, HandPose
from .data import ProxyModel

SMALL_ANGLE = 1e-4
"""Radians below which Rodrigues' quotients lose their digits and their series are taken."""


class HandModel:
    """Linear blend skinning of one hand.

    Example:
        >>> model = HandModel(builtin_hand("right"))
        >>> vertices, joints = model([HandPose.rest()])

    Args:
        data: the hand's arrays.
        device: where to pose.

    Attributes:
        data: the arrays it was made from.
        faces: (F, 3) int64 on the device.
        face_uv: (F, 3, 2) float32 on the device, v = 1 - v_obj.
    """

    def __init__(self, data: ProxyModel, device: torch.device | str = "cpu") -> None:
        self.data = data
        self.device = torch.device(device)
        self.faces = torch.tensor(np.asarray(data.faces), dtype=torch.int64, device=self.device)
        self.face_uv = torch.tensor(np.asarray(data.face_uv), dtype=torch.float32, device=self.device)
        self._template, self._shapes = self._tensor(data.v_template), self._tensor(data.shapedirs[..., :BETA_COUNT])
        self._correctives, self._weights = self._tensor(data.posedirs), self._tensor(data.weights)
        self._regressor, self._normals = self._tensor(data.joint_regressor), self._tensor(data.rest_normals)
        self._parents = [int(parent) for parent in data.parents]

    @torch.no_grad()
    def __call__(self, poses: Sequence[HandPose]) -> tuple[torch.Tensor, torch.Tensor]:
        """Pose the hand.

        Args:
            poses: n poses of this hand's side.

        Returns:
            vertices (n, V, 3) and joints (n, J, 3) in world space, metres, float32, on the device. They are rounded
            once, so that no order of sums moves a sample from one face to the next.

        Raises:
            PoseError: a pose of the other side, or of other joints.
        """
        for pose in poses:
            self.data.check_pose(pose)
        betas, angles, transl = (
            self._tensor(np.stack([getattr(pose, name) for pose in poses])) for name in ("betas", "full_pose", "transl")
        )
        vertices, joints = self.pose(betas, angles.view(len(poses), -1, 3), transl)
        return vertices.float(), joints.float()

    def pose(
        self,
        betas: torch.Tensor,
        angles: torch.Tensor,
        transl: torch.Tensor,
        offsets: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Pose the hand by tensors, in float64. Differentiable in every argument, also at angle 0.

        Args:
            betas: (n, B) shape; directions that the model does not have are ignored.
            angles: (n, J, 3) axis-angle of the wrist in the world and of each joint in its parent's frame, radians.
            transl: (n, 3) metres.
            offsets: (V,) metres by which the rest mesh is moved along its normals, as ``HandData.with_offsets`` does.

        Returns:
            vertices (n, V, 3) and joints (n, J, 3) in world space, metres, float64.
        """
        count = min(betas.shape[-1], self._shapes.shape[-1])
        template = self._template if offsets is None else self._template + offsets[:, None] * self._normals
        shaped = template + torch.einsum("vkb,nb->nvk", self._shapes[..., :count], betas[:, :count])
        rest = self._regressor @ shaped
        turns = axis_angle_to_matrix(angles)
        corrected = shaped
        if self._correctives.shape[-1]:
            features = turns[:, 1:] - torch.eye(3, dtype=turns.dtype, device=turns.device)
            corrected = shaped + torch.einsum("vkf,nf->nvk", self._correctives, features.flatten(1))
        rotation, joints = self._chain(turns, rest)
        # Each joint carries rest vertices x to R x + t with t = joint - R rest.
        offset = joints - (rotation @ rest[..., None])[..., 0]
        turn = torch.einsum("vj,njkl->nvkl", self._weights, rotation)
        vertices = (turn @ corrected[..., None])[..., 0] + self._weights @ offset
        return vertices + transl[:, None], joints + transl[:, None]

    def _chain(self, turns: torch.Tensor, rest: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(n, J, 3, 3) local rotations and (n, J, 3) rest joints -> rotations and places in the hand's frame."""
        rotations, places = [turns[:, 0]], [rest[:, 0]]
        for joint, parent in enumerate(self._parents[1:], start=1):
            bone = (rest[:, joint] - rest[:, parent])[..., None]
            places.append(places[parent] + (rotations[parent] @ bone)[..., 0])
            rotations.append(rotations[parent] @ turns[:, joint])
        return torch.stack(rotations, dim=1), torch.stack(places, dim=1)

    def _tensor(self, values: np.ndarray) -> torch.Tensor:
        return torch.tensor(np.asarray(values, dtype=np.float64), dtype=torch.float64, device=self.device)


def axis_angle_to_matrix(axis_angle: torch.Tensor) -> torch.Tensor:
    """Rodrigues' formula, R = I + sin(a)/a K + (1 - cos(a))/a^2 K^2, differentiable also at angle a = 0.

    Args:
        axis_angle: (..., 3) radians.

    Returns:
        (..., 3, 3) rotation matrices.
    """
    square = (axis_angle * axis_angle).sum(dim=-1)
    small = square < SMALL_ANGLE**2
    angle = torch.where(small, torch.ones_like(square), square).sqrt()
    sine = torch.where(small, 1.0 - square / 6.0, angle.sin() / angle)
    versine = torch.where(small, 0.5 - square / 24.0, 2.0 * ((0.5 * angle).sin() / angle) ** 2)
    x, y, z = axis_angle.unbind(dim=-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).unflatten(-1, (3, 3))
    eye = torch.eye(3, dtype=axis_angle.dtype, device=axis_angle.device)
    return eye + sine[..., None, None] * cross + versine[..., None, None] * (cross @ cross)
