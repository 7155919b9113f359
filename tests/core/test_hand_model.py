"""The torch hand model against linear blend skinning written plainly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from livehand_core.errors import PoseError
from livehand_core.hand.data import HandData
from livehand_core.hand.model import HandModel
from livehand_core.hand.skinning import pose_joints, pose_vertices
from livehand_core.poses import HandPose

from .conftest import tube_hand


def pose_plainly(hand: HandData, pose: HandPose) -> tuple[np.ndarray, np.ndarray]:
    shaped = hand.v_template.astype(float) + hand.shapedirs.astype(float) @ pose.betas
    joints = hand.joint_regressor.astype(float) @ shaped
    turns = Rotation.from_rotvec(pose.full_pose.reshape(16, 3)).as_matrix()
    posed = shaped + hand.posedirs.astype(float) @ (turns[1:] - np.eye(3)).reshape(-1)
    world = []
    for joint, parent in enumerate(hand.parents):
        local = np.eye(4)
        local[:3, :3] = turns[joint]
        local[:3, 3] = joints[joint] - (joints[parent] if joint else 0.0)
        world.append(local if joint == 0 else world[parent] @ local)
    answer = np.zeros_like(posed)
    for vertex, point in enumerate(posed):
        for joint in range(16):
            moved = world[joint][:3, :3] @ (point - joints[joint]) + world[joint][:3, 3]
            answer[vertex] += hand.weights[vertex, joint] * moved
    return answer + pose.transl, np.array([matrix[:3, 3] for matrix in world]) + pose.transl


@pytest.mark.parametrize("side", ["right", "left"])
def test_model_agrees(side: str) -> None:
    hand = tube_hand(side)  # type: ignore[arg-type]
    random = np.random.default_rng(1)
    poses = [
        HandPose(
            random.normal(size=3),
            0.5 * random.normal(size=(15, 3)),
            random.normal(size=10),
            random.normal(size=3),
            side,
        )  # type: ignore[arg-type]
        for _ in range(3)
    ]
    vertices, joints = HandModel(hand)(poses)
    assert vertices.shape == (3, hand.vertex_count, 3)
    for index, pose in enumerate(poses):
        truth = pose_plainly(hand, pose)
        np.testing.assert_allclose(vertices[index], truth[0], atol=2e-6)
        np.testing.assert_allclose(joints[index], truth[1], atol=2e-6)


def test_rest_pose_is_the_template(hand: HandData) -> None:
    np.testing.assert_allclose(HandModel(hand)([HandPose.rest()])[0][0], hand.v_template, atol=1e-6)


def tensors(pose: HandPose) -> list[torch.Tensor]:
    """Shape, angles and translation of one pose, float64."""
    values = (pose.betas, pose.full_pose.reshape(16, 3), pose.transl)
    return [torch.tensor(np.array(value)[None], dtype=torch.float64) for value in values]


def test_float64_is_the_numpy_skinning(hand: HandData, bent_pose: HandPose) -> None:
    vertices, joints = HandModel(hand).pose(*tensors(bent_pose))
    # That moves vertices by the sum of their float32 weights times transl, 1 within 1e-7.
    np.testing.assert_allclose(vertices[0], pose_vertices(hand, bent_pose), atol=1e-8)
    np.testing.assert_allclose(joints[0], pose_joints(hand, bent_pose), atol=1e-12)


@pytest.mark.parametrize("at_rest", [True, False])
def test_gradients_are_those_of_differences(hand: HandData, bent_pose: HandPose, at_rest: bool) -> None:
    model = HandModel(hand)
    inputs = [values.requires_grad_() for values in tensors(HandPose.rest() if at_rest else bent_pose)]
    weights = torch.randn(hand.vertex_count, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.autograd.gradcheck(lambda *values: (model.pose(*values)[0] * weights).sum(), inputs, atol=1e-6)


def test_a_model_of_fewer_shapes_ignores_the_rest(hand: HandData, bent_pose: HandPose) -> None:
    few = replace(hand, shapedirs=hand.shapedirs[..., :4])
    cut = replace(bent_pose, betas=np.concatenate([bent_pose.betas[:4], np.zeros(6)]))
    torch.testing.assert_close(HandModel(few)([bent_pose])[0], HandModel(hand)([cut])[0])


def test_other_side_is_refused(hand: HandData) -> None:
    with pytest.raises(PoseError, match="left hand's pose was given to a right"):
        HandModel(hand)([HandPose.rest("left")])


def test_moved_pose_moves_the_mesh(hand: HandData, bent_pose: HandPose) -> None:
    rotation = Rotation.from_rotvec([0.4, 1.1, -2.0]).as_matrix()
    shift = np.array([0.3, 0.1, -0.5])
    model = HandModel(hand)
    moved = bent_pose.moved(rotation, shift, hand.rest_joints(bent_pose.betas)[0])
    before, after = model([bent_pose, moved])[0]
    np.testing.assert_allclose(after, before.numpy() @ rotation.T + shift, atol=2e-6)
