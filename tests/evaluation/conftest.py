"""A small capture whose truth is the default avatar's own picture, so that every error in it is known."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from livehand_core.avatars.metadata import read_metadata
from livehand_core.cameras import Camera, look_at
from livehand_core.captures.capture import Capture, CaptureFrame, write_capture
from livehand_core.captures.images import read_image, write_image
from livehand_core.evaluation.evaluate import render_frame
from livehand_core.hand.gestures import gesture
from livehand_core.poses import HandPose, PoseSequence
from livehand_core.rendering import Renderer

WIDTH, HEIGHT = 168, 176
ERROR = 0.1
"""Added to all of the truth of the one frame that is wrong."""


def make_capture(folder: Path) -> Capture:
    """Three cameras, three poses; the last of each is held out. Truth is rounded to 8 bits as in any capture."""
    metadata = read_metadata("default")
    names = ("open", "relaxed", "fist")
    poses = tuple(HandPose(np.zeros(3), gesture(name), np.zeros(10), np.zeros(3), metadata.side) for name in names)
    middle, frames = np.array([-0.085, 0.0, 0.006]), []
    for number in range(3):
        angle = 0.6 * number - 0.4
        eye = middle + 0.5 * np.array([0.0, -np.cos(angle), np.sin(angle)])
        view = Camera(WIDTH, HEIGHT, 380.0, 380.0, WIDTH / 2, HEIGHT / 2, look_at(eye, middle, np.array([1.0, 0, 0])))
        frames += [
            CaptureFrame(f"images/pose{pose}/cam{number}.png", view, f"cam{number}", pose, identity="default")
            for pose in range(3)
        ]
    held_out = frozenset({"cam2"}), frozenset({2})
    capture = Capture(folder, tuple(frames), PoseSequence(poses), metadata.hand_model, *held_out, "CC0-1.0", "a test")
    renderer = Renderer("cpu")
    for frame in frames:
        write_image(capture.path(frame), render_frame(renderer, "default", capture, frame)["rgba"])
    write_capture(capture)
    return capture


@pytest.fixture(scope="session")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Capture:
    """Of nine frames: 'both' has one, 'camera' and 'pose' have two, 'train' has four."""
    return make_capture(tmp_path_factory.mktemp("evaluation") / "capture")


@pytest.fixture(scope="session")
def spoilt(capture: Capture, tmp_path_factory: pytest.TempPathFactory) -> Capture:
    """The same with one training image brighter by ``ERROR`` within the hand."""
    folder = tmp_path_factory.mktemp("spoilt")
    for frame in capture.frames:
        target = folder / frame.image
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(capture.path(frame).read_bytes())
    for name in ("transforms.json", "poses.npz"):
        (folder / name).write_bytes((capture.folder / name).read_bytes())
    frame = capture.frames_of("train")[1]
    image = read_image(capture.path(frame))
    image[..., :3] = np.clip(image[..., :3] - ERROR * image[..., 3:], 0.0, 1.0)
    write_image(folder / frame.image, image)
    return Capture(folder, *(getattr(capture, name) for name in ("frames", "poses", "hand_model")))


@pytest.fixture
def fidelity(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """torch-fidelity; it imports torchvision, of which nothing used here is a part, and which may not fit torch."""
    try:
        import torchvision  # noqa: F401
    except (ImportError, RuntimeError):
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            monkeypatch.delitem(sys.modules, name)
        stubs = ("", ".datasets", ".transforms", ".transforms.functional")
        modules = {f"torchvision{name}": ModuleType(f"torchvision{name}") for name in stubs}
        for name in ("CIFAR10", "STL10", "CIFAR100"):
            setattr(modules["torchvision.datasets"], name, object)
        modules["torchvision.transforms"].functional = modules["torchvision.transforms.functional"]  # type: ignore[attr-defined]
        modules["torchvision"].transforms = modules["torchvision.transforms"]  # type: ignore[attr-defined]
        for name, module in modules.items():
            monkeypatch.setitem(sys.modules, name, module)
    return importlib.import_module("torch_fidelity")
