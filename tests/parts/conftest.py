"""A toe on a foot on a leg: a bent tube of five joints whose texture lies in three islands, one of them mirrored."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from livehand_core.cameras import Camera, look_at
from livehand_core.captures.capture import Capture, CaptureFrame, write_capture
from livehand_core.captures.images import write_image
from livehand_core.hand.data import ProxyModel
from livehand_core.hand.library import remember_part
from livehand_core.hand.model import HandModel
from livehand_core.hand.part import make_part
from livehand_core.poses import HandPose, PoseSequence
from livehand_core.surface import rasterise, vertex_normals

RINGS, SIDES, JOINTS = 13, 10, 5
LENGTH, RADIUS = 0.18, 0.025


def part_arrays_of_a_tube() -> dict[str, np.ndarray]:
    """A closed tube along x. Islands: three thirds of its length, the middle one mirrored; ends are fans of their own
    island's rim."""
    along = np.linspace(0.0, LENGTH, RINGS)
    turn = 2.0 * np.pi * np.arange(SIDES) / SIDES
    ring = np.stack([np.zeros(SIDES), np.cos(turn), np.sin(turn)], axis=1)
    vertices = (along[:, None, None] * [1.0, 0.0, 0.0] + RADIUS * ring).reshape(-1, 3)
    faces, uv, uv_faces = [], [], []
    for row in range(RINGS - 1):
        island = min(3 * row // (RINGS - 1), 2)
        for side in range(SIDES):
            a, b = row * SIDES + side, row * SIDES + (side + 1) % SIDES
            c, d = a + SIDES, b + SIDES
            first = len(uv)
            for r, s in ((row, side), (row, side + 1), (row + 1, side), (row + 1, side + 1)):
                u = 0.04 + 0.32 * island + 0.26 * (r - 4 * island) / 4.0
                v = 0.05 + 0.9 * s / SIDES
                uv.append([0.04 + 0.32 * island + 0.26 - (u - 0.04 - 0.32 * island) if island == 1 else u, v])
            faces += [[a, c, b], [b, c, d]]
            uv_faces += [[first, first + 2, first + 1], [first + 1, first + 2, first + 3]]
    joints = np.stack([np.linspace(0.02, 0.15, JOINTS), np.zeros(JOINTS), np.zeros(JOINTS)], axis=1)
    distance = np.abs(vertices[:, None, 0] - (joints[None, :, 0] + 0.016))
    weights = np.exp(-((distance / 0.018) ** 2)) + 1e-9
    weights[weights < 0.02 * weights.max(axis=1, keepdims=True)] = 0.0
    return {
        "vertices": vertices,
        "faces": np.array(faces),
        "uv": np.array(uv),
        "uv_faces": np.array(uv_faces),
        "weights": weights,
        "joints": joints,
        "parents": np.arange(JOINTS) - 1,
    }


NAMES = ("leg", "shin", "ankle", "ball", "toe")


def bent(count: int, seed: int = 3) -> list[HandPose]:
    """Poses whose joints bend about y and z."""
    random = np.random.default_rng(seed)
    answer = []
    for _ in range(count):
        angles = np.zeros((JOINTS - 1, 3))
        angles[:, 1:] = random.uniform(-0.5, 0.5, (JOINTS - 1, 2))
        answer.append(HandPose(np.zeros(3), angles, np.zeros(10), np.zeros(3)))
    return answer


def camera_at(angle: float, width: int = 72, height: int = 56) -> Camera:
    """A camera beside the tube."""
    middle = np.array([0.09, 0.0, 0.0])
    eye = middle + 0.4 * np.array([0.2, np.cos(angle), np.sin(angle)])
    matrix = look_at(eye, middle, np.array([1.0, 0.0, 0.0]))
    return Camera(width, height, 1.4 * width, 1.4 * width, width / 2, height / 2, matrix)


def paint(model: HandModel, pose: HandPose, camera: Camera) -> np.ndarray:
    """(H, W, 4) premultiplied: bands along the tube, antialiased by 2 x 2 samples."""
    vertices = model([pose])[0][0]
    fine = rasterise(vertices, model.faces, camera.resized(2 * camera.width, 2 * camera.height))
    seen = fine.face >= 0
    face = fine.face.clamp(min=0)
    rest = torch.tensor(np.asarray(model.data.v_template))
    place = (fine.barycentric[..., None] * rest[model.faces[face]]).sum(dim=-2)
    normals = vertex_normals(vertices, model.faces)
    normal = (fine.barycentric[..., None] * normals[model.faces[face]]).sum(dim=-2)
    light = 0.6 + 0.4 * normal @ torch.tensor([0.3, 0.9, 0.3])
    wave = 0.5 + 0.3 * torch.stack([(90 * place[..., k]).sin() for k in (0, 1, 2)], -1)
    image = torch.cat([wave * light[..., None], torch.ones_like(light)[..., None]], -1) * seen[..., None]
    answer = image.clamp(0.0, 1.0).numpy()
    return answer.reshape(camera.height, 2, camera.width, 2, 4).mean(axis=(1, 3))


def make_capture(folder: Path, part: ProxyModel, cameras: int = 5, poses: int = 4) -> Capture:
    """A capture of the tube; the last camera and the last pose are held out."""
    model, shown, frames = HandModel(part), bent(poses), []
    for index in range(cameras):
        camera = camera_at(2.0 * np.pi * index / cameras + 0.3)
        for pose in range(poses):
            frame = CaptureFrame(f"images/pose{pose}/cam{index}.png", camera, f"cam{index}", pose)
            write_image(folder / frame.image, paint(model, shown[pose], camera))
            frames.append(frame)
    held_out = frozenset({f"cam{cameras - 1}"}), frozenset({poses - 1})
    capture = Capture(folder, tuple(frames), PoseSequence(tuple(shown)), part.name, *held_out, "CC0-1.0", "painted")
    write_capture(capture)
    return capture


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    return part_arrays_of_a_tube()


@pytest.fixture(scope="session")
def part() -> ProxyModel:
    model = make_part("foot", part_arrays_of_a_tube(), NAMES, "CC0-1.0")
    remember_part(model)
    return model


@pytest.fixture(scope="session")
def capture(tmp_path_factory: pytest.TempPathFactory, part: ProxyModel) -> Capture:
    return make_capture(tmp_path_factory.mktemp("capture"), part)


@pytest.fixture
def poses() -> Callable[..., list[HandPose]]:
    return bent


@pytest.fixture
def camera() -> Callable[..., Camera]:
    return camera_at
