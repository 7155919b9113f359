"""MANO parameters as files hold them, read and posed by our skinning, against smplx given the raw parameters."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import numpy as np
import pytest

from livehand_core.hand.builtin import MODEL_ID, builtin_hand
from livehand_core.hand.model import HandModel
from livehand_core.hand.skinning import pose_vertices
from livehand_core.motion import ReadOptions, read_motion

torch = pytest.importorskip("torch")
smplx = pytest.importorskip("smplx")


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("flat_mean", [True, False])
@pytest.mark.parametrize("components", [None, 6, 30])
def test_vertices_are_those_of_smplx(tmp_path: Path, side: str, flat_mean: bool, components: int | None) -> None:
    from smplx.utils import Struct

    data = builtin_hand(side)
    arrays = Struct(
        v_template=data.v_template,
        shapedirs=data.shapedirs,
        posedirs=data.posedirs,
        J_regressor=data.joint_regressor,
        weights=data.weights,
        kintree_table=np.stack([data.parents, np.arange(16)]),
        hands_mean=data.hands_mean,
        hands_components=data.hands_components,
        f=data.faces,
    )
    with contextlib.redirect_stdout(io.StringIO()):
        layer = smplx.MANO(
            model_path="",
            data_struct=arrays,
            is_rhand=side == "right",
            use_pca=components is not None,
            num_pca_comps=components or 45,
            flat_hand_mean=flat_mean,
        )
    rng = np.random.default_rng(0)
    raw = {
        "global_orient": rng.normal(size=(2, 3)),
        "hand_pose": rng.normal(0, 0.4, (2, components or 45)),
        "betas": np.repeat(rng.normal(size=(1, 10)), 2, axis=0),
        "transl": rng.normal(size=(2, 3)),
    }
    with torch.no_grad():
        wanted = layer(**{name: torch.tensor(value, dtype=torch.float32) for name, value in raw.items()}).vertices
    np.savez(tmp_path / "mano.npz", side=side, **raw)
    options = ReadOptions(up="y", pca=components is not None, flat_mean=flat_mean, model=MODEL_ID)
    motion = read_motion(tmp_path / "mano.npz", options)
    for pose, points in zip(motion.sequence.poses, wanted.numpy(), strict=True):
        # Y up becomes z up: (x, y, z) -> (x, -z, y).
        turned = np.stack([points[:, 0], -points[:, 2], points[:, 1]], axis=1)
        np.testing.assert_allclose(pose_vertices(data, pose), turned, atol=2e-5)
        np.testing.assert_allclose(HandModel(data)([pose])[0][0], turned, atol=2e-5)
