"""The posed proxy mesh in torch: smplx's MANO layer, given arrays already read (no chumpy, no pickles)."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence

import numpy as np
import torch

from ..errors import PoseError
from ..libraries import explained
from ..poses import BETA_COUNT, HandPose
from .data import HandData


class HandModel:
    """Linear blend skinning of one hand.

    Example:
        >>> model = HandModel(builtin_hand("right"))
        >>> vertices, joints = model([HandPose.rest()])

    Attributes:
        data: the arrays it was made from.
        faces: (F, 3) int64 on the device.
        face_uv: (F, 3, 2) float32 on the device, v = 1 - v_obj.
    """

    def __init__(self, data: HandData, device: torch.device | str = "cpu") -> None:
        """Raises LibraryError when smplx is not installed."""
        self.data = data
        self.device = torch.device(device)
        self.faces = torch.tensor(np.asarray(data.faces), dtype=torch.int64, device=self.device)
        self.face_uv = torch.tensor(np.asarray(data.face_uv), dtype=torch.float32, device=self.device)
        self._layer = _mano_layer(data).to(self.device)

    @torch.no_grad()
    def __call__(self, poses: Sequence[HandPose]) -> tuple[torch.Tensor, torch.Tensor]:
        """Pose the hand.

        Args:
            poses: n poses of this hand's side.

        Returns:
            vertices (n, V, 3) and joints (n, 16, 3) in world space, metres, float32, on the device.

        Raises:
            PoseError: a pose of the other side.
        """
        for pose in poses:
            if pose.side != self.data.side:
                raise PoseError(
                    f"A {pose.side} hand's pose was given to a {self.data.side} hand model.", "Mirror the pose first."
                )

        def stack(name: str, size: int) -> torch.Tensor:
            rows = np.stack([getattr(pose, name).reshape(-1)[:size] for pose in poses])
            return torch.as_tensor(rows.astype(np.float32), device=self.device)

        answer = self._layer(
            betas=stack("betas", min(BETA_COUNT, self.data.shapedirs.shape[2])),
            global_orient=stack("global_orient", 3),
            hand_pose=stack("hand_pose", 45),
            transl=stack("transl", 3),
        )
        return answer.vertices, answer.joints


def _mano_layer(data: HandData) -> torch.nn.Module:
    try:
        import smplx
        from smplx.utils import Struct
    except ImportError as error:
        raise explained(error, "plain") from error
    arrays = Struct(
        v_template=data.v_template.astype(np.float64),
        shapedirs=data.shapedirs.astype(np.float64),
        posedirs=data.posedirs.astype(np.float64),
        J_regressor=data.joint_regressor.astype(np.float64),
        weights=data.weights.astype(np.float64),
        kintree_table=np.stack([data.parents, np.arange(len(data.parents))]).astype(np.int64),
        hands_mean=data.hands_mean.astype(np.float64),
        hands_components=data.hands_components.astype(np.float64),
        f=data.faces.astype(np.int64),
    )
    # smplx prints a line about the number of betas, and the engine speaks its protocol on standard output.
    with contextlib.redirect_stdout(io.StringIO()):
        layer: torch.nn.Module = smplx.MANO(
            model_path="",
            data_struct=arrays,
            is_rhand=data.side == "right",
            use_pca=False,
            flat_hand_mean=True,
            num_betas=min(BETA_COUNT, data.shapedirs.shape[2]),
        )
    return layer.eval()
