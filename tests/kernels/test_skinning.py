"""Compiled skinning against the torch model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from livehand_core.errors import PoseError
from livehand_core.hand.builtin import builtin_hand
from livehand_core.hand.model import HandModel
from livehand_core.kernels.mesh.skinning import PosedHandModel
from livehand_core.poses import HandPose

from .hands import random_pose


def test_vertices_are_those_of_the_torch_model() -> None:
    data = builtin_hand("right")
    model, truth = PosedHandModel(data), HandModel(data)
    first, second = random_pose(0), random_pose(1)
    # The same shape again, another shape, back: what is kept of a shape must not be taken for another's.
    poses = [HandPose.rest(), first, replace(first, hand_pose=second.hand_pose), second, first]
    tiny = replace(first, global_orient=np.full(3, 1e-6), hand_pose=np.full((15, 3), 3e-5))
    for pose in [*poses, tiny]:
        found = model.vertices(pose)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, truth([pose])[0][0].numpy(), atol=1e-6)


def test_left_hand_and_a_pose_of_the_other_side() -> None:
    data = builtin_hand("left")
    pose = replace(random_pose(2), side="left")
    np.testing.assert_allclose(PosedHandModel(data).vertices(pose), HandModel(data)([pose])[0][0].numpy(), atol=1e-6)
    with pytest.raises(PoseError, match="right"):
        PosedHandModel(data).vertices(random_pose(2))
