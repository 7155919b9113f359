"""A small hand made by code, so that the core's tests need neither the built-in hand nor MANO."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from livehand_core.avatars import Avatar
from livehand_core.cameras import Camera, look_at
from livehand_core.hand.data import HandData
from livehand_core.poses import JOINT_COUNT, PARENTS, HandPose, Side

RINGS, SPOKES = 18, 12
LENGTH, RADIUS = 0.16, 0.022


def tube_hand(side: Side = "right", name: str = "tube") -> HandData:
    """A flattened tube along -x, closed at the tip and open at the wrist, with joints strung along it."""
    along = np.linspace(0.0, LENGTH, RINGS)
    angle = np.linspace(0.0, 2.0 * np.pi, SPOKES, endpoint=False)
    taper = RADIUS * np.sqrt(np.clip(1.0 - (along / (1.05 * LENGTH)) ** 4, 0.05, None))
    ring = np.stack([np.zeros(SPOKES), 0.7 * np.sin(angle), np.cos(angle)], axis=-1)
    vertices = ring[None] * taper[:, None, None] + np.stack([-along, 0 * along, 0 * along], axis=-1)[:, None]
    vertices = np.concatenate([vertices.reshape(-1, 3), [[-LENGTH - 0.004, 0.0, 0.0]]])
    faces, uv, uv_faces = [], [], []
    for i in range(RINGS):
        uv += [[(k + 0.5) / (SPOKES + 1), 0.05 + 0.85 * i / (RINGS - 1)] for k in range(SPOKES + 1)]
    uv.append([0.5, 0.97])
    for i in range(RINGS - 1):
        for k in range(SPOKES):
            a, b = i * SPOKES + k, i * SPOKES + (k + 1) % SPOKES
            c, d = a + SPOKES, b + SPOKES
            ta = i * (SPOKES + 1) + k
            tc = ta + SPOKES + 1
            faces += [[a, c, b], [b, c, d]]
            uv_faces += [[ta, tc, ta + 1], [ta + 1, tc, tc + 1]]
    tip = len(vertices) - 1
    for k in range(SPOKES):
        a, b = (RINGS - 1) * SPOKES + k, (RINGS - 1) * SPOKES + (k + 1) % SPOKES
        ta = (RINGS - 1) * (SPOKES + 1) + k
        faces.append([a, tip, b])
        uv_faces.append([ta, len(uv) - 1, ta + 1])
    faces_array = np.array(faces)
    # Outwards: positive signed volume of the (nearly closed) tube.
    corners = vertices[faces_array]
    if np.einsum("fi,fi->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) < 0.0:
        faces_array, uv_faces = faces_array[:, [0, 2, 1]], [[a, c, b] for a, b, c in uv_faces]

    joint_x = np.zeros(JOINT_COUNT)
    for joint in range(1, JOINT_COUNT):
        joint_x[joint] = joint_x[PARENTS[joint]] - LENGTH / 5.0
    distance = np.abs(vertices[:, None, 0] - joint_x[None])
    regressor = np.exp(-((distance / 0.01) ** 2)).T
    regressor /= regressor.sum(axis=1, keepdims=True)
    weights = np.exp(-((distance / 0.02) ** 2))
    weights /= weights.sum(axis=1, keepdims=True)
    random = np.random.default_rng(3)
    shapedirs = 0.002 * np.stack([vertices * s for s in random.normal(size=(10, 3))], axis=-1) / RADIUS
    posedirs = 0.0005 * random.normal(size=(1, 3, 135)) * np.ones((len(vertices), 1, 1))
    if side == "left":
        mirror = np.array([-1.0, 1.0, 1.0])
        vertices = vertices * mirror
        shapedirs = shapedirs * mirror[:, None]
        posedirs = posedirs * mirror[:, None] * np.tile(np.outer(mirror, mirror).reshape(9), 15)
        faces_array, uv_faces = faces_array[:, [0, 2, 1]], [[a, c, b] for a, b, c in uv_faces]
    return HandData(
        name=name,
        side=side,
        v_template=vertices.astype(np.float32),
        shapedirs=shapedirs.astype(np.float32),
        posedirs=posedirs.astype(np.float32),
        joint_regressor=regressor.astype(np.float32),
        weights=weights.astype(np.float32),
        parents=np.array(PARENTS),
        hands_mean=np.zeros(45, np.float32),
        hands_components=np.eye(45, dtype=np.float32),
        faces=faces_array.astype(np.int64),
        uv=np.array(uv, np.float32),
        uv_faces=np.array(uv_faces, np.int64),
        licence="CC0-1.0",
    )


def solid(avatar: Avatar) -> Avatar:
    """The avatar with a density that rises from 0 at the surface to thousands a metre inside: a solid hand.

    One channel is handed through all layers: relu(-1000 d), which the density layer multiplies.
    """
    state = {name: value.clone() for name, value in avatar.field_state.items()}
    depth = avatar.metadata.architecture.field.depth
    for index in range(depth):
        weight, bias = state[f"layers.{index}.weight"], state[f"layers.{index}.bias"]
        weight[0], bias[0] = 0.0, 0.0
        weight[0, 2 if index == 0 else 0] = -1000.0 if index == 0 else 1.0
        weight[1:, 0] *= index == 0
    state["density.weight"].zero_()
    state["density.weight"][0, 0] = 5000.0 / avatar.metadata.architecture.field.density_scale
    state["density.bias"].zero_()
    state["feature.weight"][:, 0] = 0.0
    return replace(avatar, field_state=state)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def hand() -> HandData:
    return tube_hand()


@pytest.fixture
def bent_pose() -> HandPose:
    random = np.random.default_rng(0)
    return HandPose(
        [0.3, -0.4, 0.2], 0.15 * random.normal(size=(15, 3)), random.normal(size=10), [0.02, -0.01, 0.03], "right"
    )


def camera_at(
    eye: tuple[float, float, float], width: int = 96, height: int = 64, focal: float = 150.0, **changes: object
) -> Camera:
    """A camera at ``eye`` that looks at the middle of the tube."""
    matrix = look_at(np.array(eye), np.array([-0.08, 0.0, 0.0]), np.array([0.0, 1.0, 0.0]))
    values = {"fx": focal, "fy": focal, "cx": width / 2, "cy": height / 2} | changes
    return Camera(width, height, camera_to_world=matrix, **values)  # type: ignore[arg-type]
