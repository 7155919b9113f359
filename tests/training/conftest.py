"""A hand of six tubes, and a capture of it painted by the rasteriser: small enough to train on in a test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from livehand_core.cameras import Camera, look_at
from livehand_core.captures.capture import Capture, CaptureFrame, write_capture
from livehand_core.captures.images import write_image
from livehand_core.hand.data import HandData
from livehand_core.hand.model import HandModel
from livehand_core.poses import PARENTS, HandPose, PoseSequence
from livehand_core.surface import rasterise, vertex_normals

RINGS, SIDES = 7, 8


def tube_hand() -> HandData:
    """A palm and five fingers, each a closed tube with its own strip of the texture."""
    joints = np.zeros((16, 3))
    for finger in range(5):
        across = 0.02 * (finger - 2)
        for part in range(3):
            joints[1 + 3 * finger + part] = [-0.05 - 0.025 * part, 0.0, across]
    bones = [(joints[0] - [0.01, 0, 0], np.array([-0.05, 0.0, 0.0]), 0.02)]
    bones += [(joints[1 + 3 * f], joints[3 + 3 * f] - [0.025, 0, 0], 0.007) for f in range(5)]
    vertices, weights, uv, faces, uv_faces = [], [], [], [], []
    for number, (start, end, radius) in enumerate(bones):
        base, uv_base = len(vertices), len(uv)
        for ring in range(RINGS):
            along = ring / (RINGS - 1)
            swell = radius * np.sqrt(max(1.0 - (2.0 * along - 1.0) ** 6, 0.02))
            for side in range(SIDES + 1):
                angle = 2.0 * np.pi * side / SIDES
                uv.append([(number + 0.05 + 0.9 * side / SIDES) / 6.0, 0.05 + 0.9 * along])
                if side < SIDES:
                    centre = start + along * (end - start)
                    vertices.append(centre + swell * np.array([0.0, np.cos(angle), np.sin(angle)]))
                    joint = 0 if number == 0 else 3 * (number - 1) + 1 + min(int(3.0 * along), 2)
                    weights.append(np.eye(16)[joint])
        for ring in range(RINGS - 1):
            for side in range(SIDES):
                a, b = base + ring * SIDES + side, base + ring * SIDES + (side + 1) % SIDES
                c, d = a + SIDES, b + SIDES
                ua = uv_base + ring * (SIDES + 1) + side
                ub, uc, ud = ua + 1, ua + SIDES + 1, ua + SIDES + 2
                faces += [[a, b, d], [a, d, c]]
                uv_faces += [[ua, ub, ud], [ua, ud, uc]]
    template = np.array(vertices, dtype=np.float32)
    weights_array = np.array(weights, dtype=np.float32)
    # A regressor that reproduces the joints exactly: least squares over all vertices.
    system = np.concatenate([template.astype(np.float64), np.ones((len(template), 1))], axis=1)
    regressor = np.concatenate([joints, np.ones((16, 1))], axis=1) @ np.linalg.pinv(system)
    count = len(template)
    return HandData(
        name="test-tubes",
        side="right",
        v_template=template,
        shapedirs=np.zeros((count, 3, 10), dtype=np.float32),
        posedirs=np.zeros((count, 3, 135), dtype=np.float32),
        joint_regressor=regressor.astype(np.float32),
        weights=weights_array,
        parents=np.array(PARENTS, dtype=np.int64),
        hands_mean=np.zeros(45, dtype=np.float32),
        hands_components=np.eye(45, dtype=np.float32),
        faces=np.array(faces, dtype=np.int64),
        uv=np.array(uv, dtype=np.float32),
        uv_faces=np.array(uv_faces, dtype=np.int64),
        licence="CC0-1.0",
    )


def paint(model: HandModel, pose: HandPose, camera: Camera) -> np.ndarray:
    """(H, W, 4) premultiplied: a pattern in texture space under one light, antialiased by 2 x 2 samples."""
    vertices = model([pose])[0][0]
    fine = rasterise(vertices, model.faces, camera.resized(2 * camera.width, 2 * camera.height))
    seen = fine.face >= 0
    face = fine.face.clamp(min=0)
    uv = (fine.barycentric[..., None] * model.face_uv[face]).sum(dim=-2)
    normals = vertex_normals(vertices, model.faces)
    normal = (fine.barycentric[..., None] * normals[model.faces[face]]).sum(dim=-2)
    light = 0.6 + 0.4 * normal @ torch.tensor([0.3, 0.9, 0.3])
    wave = 0.5 + 0.25 * torch.stack([(40 * uv[..., 0]).sin(), (25 * uv[..., 1]).sin(), (9 * uv).sum(-1).cos()], -1)
    image = torch.cat([wave * light[..., None], torch.ones_like(light)[..., None]], -1) * seen[..., None]
    image = image.clamp(0.0, 1.0).numpy()
    return image.reshape(camera.height, 2, camera.width, 2, 4).mean(axis=(1, 3))


def make_capture(
    folder: Path, data: HandData, cameras: int = 4, poses: int = 3, width: int = 64, height: int = 96
) -> Capture:
    """A capture of the tube hand; the last camera and the last pose are held out."""
    model, random = HandModel(data), np.random.default_rng(3)
    hands = []
    for _ in range(poses):
        angles = np.zeros((15, 3))
        angles[:, 2] = random.uniform(0.0, 0.5, size=15)
        hands.append(HandPose(np.zeros(3), angles, np.zeros(10), np.zeros(3)))
    frames = []
    for index in range(cameras):
        angle = 2.0 * np.pi * index / cameras + 0.3
        eye = np.array([-0.06, 0.4 * np.cos(angle), 0.4 * np.sin(angle)])
        camera_to_world = look_at(eye, np.array([-0.06, 0.0, 0.0]), np.array([-1.0, 0.0, 0.0]))
        camera = Camera(width, height, 1.5 * height, 1.5 * height, width / 2, height / 2, camera_to_world)
        for pose in range(poses):
            frame = CaptureFrame(f"images/pose{pose}/cam{index}.png", camera, f"cam{index}", pose)
            write_image(folder / frame.image, paint(model, hands[pose], camera))
            frames.append(frame)
    held_out = frozenset({f"cam{cameras - 1}"}), frozenset({poses - 1})
    capture = Capture(folder, tuple(frames), PoseSequence(tuple(hands)), data.name, *held_out, "CC0-1.0", "painted")
    write_capture(capture)
    return capture


@pytest.fixture(scope="session")
def tubes() -> HandData:
    torch.set_num_threads(1)
    return tube_hand()


@pytest.fixture(scope="session")
def capture(tmp_path_factory: pytest.TempPathFactory, tubes: HandData) -> Capture:
    return make_capture(tmp_path_factory.mktemp("capture"), tubes)


@pytest.fixture(scope="session")
def capture_maker() -> Callable[..., Capture]:
    """``make_capture``, for tests that damage a capture of their own."""
    return make_capture
