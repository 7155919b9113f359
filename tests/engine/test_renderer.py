"""The engine with the true renderer: same images as in this process, its errors, cancelling."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from livehand_core.avatars import new_avatar, save_avatar
from livehand_core.cameras import Camera, look_at
from livehand_core.engine.backend import RendererBackend
from livehand_core.engine.client import EngineClient
from livehand_core.errors import AvatarError, DeviceError, EngineError, LibraryError, RenderCancelled
from livehand_core.frames import FrameRequest, HandInstance
from livehand_core.hand.builtin import builtin_hand
from livehand_core.poses import HandPose
from livehand_core.rendering import Renderer
from tests.engine.helpers import MakeClient

PASSES = ("rgba", "depth", "normal", "uvd", "mask", "rgba_low")


@pytest.fixture(scope="module")
def avatar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an untrained avatar of the built-in hand."""
    path = tmp_path_factory.mktemp("avatars") / "untrained.safetensors"
    save_avatar(path, new_avatar(builtin_hand("right"), seed=3))
    return path


@pytest.fixture(scope="module")
def engine() -> object:
    with EngineClient(sys.executable, device="cpu") as client:
        yield client


def frame(avatar: Path, width: int = 96, height: int = 80, passes: tuple[str, ...] = PASSES) -> FrameRequest:
    eye = np.array([-0.09, -0.5, 0.1])
    camera_to_world = look_at(eye, np.array([-0.09, 0.0, 0.0]), np.array([0.0, 0.0, 1.0]))
    focal = 1.6 * width
    camera = Camera(width, height, focal, focal, width / 2, height / 2, camera_to_world)
    pose = replace(HandPose.rest(), hand_pose=np.full((15, 3), 0.1))
    return FrameRequest(camera, (HandInstance(pose, str(avatar)),), passes, linear=True)


def test_the_engine_gives_the_images_that_this_process_gives(engine: EngineClient, avatar: Path) -> None:
    request = frame(avatar)
    ours, theirs = Renderer("cpu").render(request), engine.render(request)
    assert set(theirs.images) == set(PASSES) and theirs.warnings == ours.warnings
    assert set(theirs.stage_seconds) == set(ours.stage_seconds) and sum(theirs.stage_seconds.values()) > 0.0
    assert (theirs["mask"] > 0).mean() > 0.05
    for name in PASSES:
        assert theirs[name].dtype == np.float32
        np.testing.assert_allclose(theirs[name], ours[name], rtol=1e-4, atol=1e-5, err_msg=name)


def test_the_renderers_errors_keep_their_class(engine: EngineClient, tmp_path: Path, avatar: Path) -> None:
    pid = engine.start().pid
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(avatar.read_bytes()[:5000])
    for path in (tmp_path / "missing.safetensors", damaged):
        with pytest.raises(AvatarError, match=path.stem) as caught:
            engine.render(frame(path))
        assert caught.value.remedy
    assert engine.render(frame(avatar))["rgba"].shape == (80, 96, 4) and engine.start().pid == pid


def test_a_large_frame_is_cancelled_and_the_engine_is_free_again(engine: EngineClient, avatar: Path) -> None:
    engine.render(frame(avatar))
    begun = time.monotonic()
    engine.render(frame(avatar))
    small = time.monotonic() - begun
    begun = time.monotonic()
    with pytest.raises(RenderCancelled):
        engine.render(frame(avatar, 3000, 2500), lambda: time.monotonic() - begun > 0.2)
    told = time.monotonic() - begun - 0.2
    engine.render(frame(avatar))
    free = time.monotonic() - begun - 0.2 - small
    # Uncancelled it takes a minute on one thread. The bounds leave room for a busy machine.
    assert told < 2.0 and free < 15.0


def test_live_frames_come_as_well(engine: EngineClient, avatar: Path) -> None:
    engine.submit(frame(avatar, passes=("rgba",)), "viewport")
    end = time.monotonic() + 60.0
    while (answer := engine.poll("viewport")) is None and time.monotonic() < end:
        time.sleep(0.01)
    assert answer is not None and not isinstance(answer, Exception)
    assert answer["rgba"].shape == (80, 96, 4)


def test_a_device_that_is_not_there_is_told_at_the_start(client_of: MakeClient) -> None:
    client = client_of(device="cuda:99", environment=None, arguments=())
    with pytest.raises(DeviceError, match="cuda:99"):
        client.start()


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB."), DeviceError, "ran out of memory"),
        (MemoryError(), DeviceError, "ran out of memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), DeviceError, "ran out of memory"),
        (ModuleNotFoundError("No module named 'igl'", name="igl"), LibraryError, "needs libigl"),
        (AvatarError("Broken.", "Mend it."), AvatarError, "Broken"),
        (ValueError("shapes differ\nand more"), EngineError, r"ValueError: shapes differ\)"),
    ],
)
def test_errors_are_told_in_a_users_terms(error: Exception, kind: type[Exception], message: str) -> None:
    told, usable = RendererBackend().explain(error)
    assert usable and type(told) is kind and told.remedy
    with pytest.raises(kind, match=message):
        raise told


def test_a_dead_device_ends_the_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "synchronize", fail)
    told, usable = RendererBackend().explain(RuntimeError("CUDA error: an illegal memory access was encountered"))
    assert not usable and "illegal memory access" in told.message and "anew" in told.remedy
