"""The proxy mesh in Blender has the surface that the hand's avatar was trained on, and gives it back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from livehand_core.hand.builtin import builtin_hand
from tests.blender.hands import create

pytestmark = [pytest.mark.bpy, pytest.mark.usefixtures("addon")]


@pytest.fixture(scope="module")
def refined(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, np.ndarray]:
    """An untrained avatar of a refined surface, and its offsets."""
    from dataclasses import replace

    import torch

    from livehand_core.avatars import new_avatar, save_avatar

    data = builtin_hand("right")
    offsets = 0.002 * np.sin(np.arange(data.vertex_count)).astype(np.float32)
    path = tmp_path_factory.mktemp("avatar") / "refined.safetensors"
    save_avatar(path, replace(new_avatar(data), proxy_offsets=torch.from_numpy(offsets)))
    return str(path), offsets


def rest_points(mesh: Any, key: str = "Basis") -> np.ndarray:
    points = np.empty(3 * len(mesh.data.vertices), dtype=np.float32)
    mesh.data.shape_keys.key_blocks[key].data.foreach_get("co", points)
    return points.reshape(-1, 3)


@pytest.mark.parametrize("side", ["right", "left"])
def test_the_proxy_follows_the_avatar(refined: tuple[str, np.ndarray], side: str) -> None:
    from livehand_blender.rig.armature import proxy_meshes
    from livehand_blender.rig.proxy import proxy_points

    path, offsets = refined
    rig = create(side)
    (mesh,) = proxy_meshes(rig)
    plain = rest_points(mesh)
    rig.livehand.avatar = path
    wanted = proxy_points(builtin_hand(side).with_offsets(offsets))
    assert np.abs(rest_points(mesh) - wanted).max() < 1e-6
    assert np.abs(rest_points(mesh) - plain).max() > 1e-3
    # A beta still adds what it did.
    data = builtin_hand(side)
    moved = data.shapedirs[..., 1] - data.joint_regressor[0] @ data.shapedirs[..., 1]
    key = mesh.data.shape_keys.key_blocks[2].name
    assert np.abs(rest_points(mesh, key) - rest_points(mesh) - moved).max() < 1e-6
    rig.livehand.avatar = "default"
    assert np.abs(rest_points(mesh) - plain).max() < 1e-6


def test_a_shaped_proxy_is_left_alone(refined: tuple[str, np.ndarray]) -> None:
    from livehand_blender.rig.armature import proxy_meshes

    rig = create()
    (mesh,) = proxy_meshes(rig)
    points = rest_points(mesh)
    points[5] += 0.01
    mesh.data.vertices.foreach_set("co", points.ravel())
    mesh.data.shape_keys.key_blocks[0].data.foreach_set("co", points.ravel())
    rig.livehand.avatar = refined[0]
    assert np.array_equal(rest_points(mesh), points)
