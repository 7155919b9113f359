"""The processor's renderer: fast against exact, without torch, with little memory."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from livehand_core.avatars import Architecture, Avatar, new_avatar
from livehand_core.benchmark.animation import AnimationSettings, animation
from livehand_core.cameras import Camera, look_at
from livehand_core.errors import DeviceError, LiveHandError
from livehand_core.frames import FrameRequest, HandInstance
from livehand_core.hand.gestures import gesture
from livehand_core.kernels.target import instructions
from livehand_core.networks import FieldConfig, SuperResolutionConfig
from livehand_core.poses import HandPose
from livehand_core.rendering import Renderer
from livehand_core.rendering.cpu import hand as cpu_hand
from livehand_core.rendering.cpu.hand import CpuHand

from .conftest import camera_at, solid, tube_hand


@pytest.fixture(scope="module")
def requests() -> list[FrameRequest]:
    return animation(AnimationSettings(frames=3, width=256, height=167))


@pytest.fixture(scope="module")
def fast() -> Renderer:
    return Renderer("cpu")


@pytest.fixture(scope="module")
def exact() -> Renderer:
    return Renderer("cpu", precision="exact")


def mean_square(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.mean((first - second) ** 2))


def test_fast_is_as_good_as_exact(fast: Renderer, exact: Renderer, requests: list[FrameRequest]) -> None:
    for request in requests:
        wanted, image = exact.render(request)["rgba"], fast.render(request)["rgba"]
        shown = wanted[..., 3] > 0.0
        assert shown.mean() > 0.05
        # Asked for are 45 dB over the frame; this is over the hand's pixels alone.
        assert -10.0 * np.log10(max(mean_square(image[shown], wanted[shown]), 1e-12)) > 55.0
        difference = 255.0 * np.abs(image[..., 3] - wanted[..., 3])[shown]
        assert difference.max() < 2.0
        assert not instructions().int16 or mean_square(image, wanted) > 0.0


@pytest.mark.parametrize("name", ["open", "fist", "pinch", "spread", "point"])
def test_no_opacity_is_off_by_two_steps_of_a_screen(fast: Renderer, exact: Renderer, name: str) -> None:
    middle = np.array([-0.085, 0.0, 0.006])
    hands = (HandInstance(HandPose(np.zeros(3), gesture(name), np.zeros(10), np.zeros(3)), "default"),)
    for angle, height in ((-1.0, 0.1), (0.3, -0.2), (1.3, 0.0), (2.6, 0.15), (3.6, 0.35)):
        eye = middle + 0.5 * np.array([np.sin(angle), -np.cos(angle), height])
        camera = Camera(256, 167, 400.0, 400.0, 128.0, 83.5, look_at(eye, middle, np.array([0.0, 0.0, 1.0])))
        request = FrameRequest(camera, hands)
        opacity, wanted = (renderer.render(request)["rgba"][..., 3] for renderer in (fast, exact))
        assert (wanted > 0.5).mean() > 0.04
        assert 255.0 * np.abs(opacity - wanted).max() < 2.0


def test_the_size_of_the_networks_image_can_be_forced(fast: Renderer, requests: list[FrameRequest]) -> None:
    request = requests[0]
    own = fast.render(request)["rgba"]
    same = fast.render(replace(request, internal_scale=1.0))["rgba"]
    larger = fast.render(replace(request, internal_scale=2.0))["rgba"]
    assert own.shape == same.shape == larger.shape
    assert mean_square(own, larger) < 2e-4
    assert mean_square(same, larger) > 0.0
    with pytest.raises(LiveHandError, match="internal scale"):
        replace(request, internal_scale=0.0)
    assert FrameRequest.from_json(replace(request, internal_scale=0.5).to_json()).internal_scale == 0.5


def test_the_networks_draw_no_more_than_their_limit(fast: Renderer, requests: list[FrameRequest]) -> None:
    """A picture so small that the avatar would be drawn larger for it."""
    camera = requests[0].camera
    request = replace(requests[0], camera=camera.resized(camera.width // 5, camera.height // 5))
    own, forced, limited, loose = (
        fast.render(replace(request, **sizes))["rgba"]
        for sizes in ({}, {"internal_scale": 1.0}, {"internal_limit": 1.0}, {"internal_limit": 100.0})
    )
    assert not np.array_equal(own, forced)
    np.testing.assert_array_equal(limited, forced)
    np.testing.assert_array_equal(loose, own)
    with pytest.raises(LiveHandError, match="internal limit"):
        replace(request, internal_limit=0.0)
    assert FrameRequest.from_json(replace(request, internal_limit=1.0).to_json()).internal_limit == 1.0


@pytest.mark.parametrize("precision", ["exact", "fast"])
def test_the_last_digits_of_a_camera_do_not_show(precision: str, requests: list[FrameRequest]) -> None:
    """At seams of the texture many samples are equally near to two faces; rounding must not choose between them.

    It may still decide whether a ray at a silhouette meets the proxy, and so where the ray begins and ends.
    """
    renderer = Renderer("cpu", precision=precision)  # type: ignore[arg-type]
    for request in requests:
        matrix = np.array(request.camera.camera_to_world)
        matrix[0, 3] += 1e-8
        moved = replace(request, camera=replace(request.camera, camera_to_world=matrix))
        difference = np.abs(renderer.render(request)["rgba"] - renderer.render(moved)["rgba"])
        assert 0.0 < difference.max() < 3.0 / 255.0


def test_textures_are_the_torch_renderers() -> None:
    architecture = Architecture(
        FieldConfig(depth=3, width=32, feature_channels=16, normal_frequencies=2, texture_sizes=(8, 50, 33)),
        SuperResolutionConfig(in_channels=16, hidden=(10, 6)),
        n_samples=8,
    )
    avatar = solid(new_avatar(tube_hand(), architecture))
    random = torch.Generator().manual_seed(1)
    for name, values in avatar.field_state.items():
        if name.startswith("textures."):
            values.normal_(std=20.0, generator=random)
    camera = camera_at((-0.06, 0.1, 0.33))

    def picture(kernels: str, precision: str, shown: Avatar = avatar) -> np.ndarray:
        renderer = Renderer(
            "cpu", {("tube", "right"): tube_hand()}, {"a": shown}, precision=precision, kernels=kernels,  # type: ignore[arg-type]
        )  # fmt: skip
        return renderer.render(FrameRequest(camera, (HandInstance(HandPose.rest(), "a"),)))["rgba"]

    wanted, exact, fast = picture("torch", "exact"), picture("auto", "exact"), picture("auto", "fast")
    flat = dict(avatar.field_state) | {"textures.1": torch.zeros(50, 50, 4)}
    assert np.abs(picture("auto", "exact", replace(avatar, field_state=flat)) - exact).max() > 0.01
    assert (wanted[..., 3] > 0.5).mean() > 0.05
    # Two triangles may be equally near to a sample, and their texture coordinates differ.
    assert np.quantile(np.abs(exact - wanted), 0.999) < 1e-4
    assert np.quantile(np.abs(fast - exact), 0.999) < 8e-3
    assert mean_square(fast, exact) < 1e-5


def test_less_memory_means_smaller_blocks(
    fast: Renderer, requests: list[FrameRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = fast.render(requests[0])
    assert wanted.warnings == ()
    march, limit = CpuHand._march, 700

    def short(self: CpuHand, proxy: object, rays: object, pixels: object, *others: object) -> object:
        if len(pixels.columns) > limit:  # type: ignore[attr-defined]
            raise MemoryError
        return march(self, proxy, rays, pixels, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(CpuHand, "_march", short)
    passes = fast.render(requests[0])
    np.testing.assert_allclose(passes["rgba"], wanted["rgba"], atol=2e-3)
    assert len(passes.warnings) == 1
    assert "Memory ran out" in passes.warnings[0]
    limit = 0
    with pytest.raises(DeviceError, match="out of memory"):
        fast.render(requests[0])
    monkeypatch.undo()
    assert fast.render(requests[0]).warnings == ()


def test_rays_in_parts_are_the_same_rays(
    fast: Renderer, requests: list[FrameRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = fast.render(requests[1])["rgba"]
    monkeypatch.setattr(cpu_hand, "RAYS_AT_ONCE", 480)
    np.testing.assert_allclose(fast.render(requests[1])["rgba"], wanted, atol=2e-3)


def test_a_frame_on_the_processor_needs_no_torch() -> None:
    code = (
        "import sys\n"
        "from livehand_core.benchmark.animation import AnimationSettings, animation\n"
        "from livehand_core.rendering import Renderer\n"
        "image = Renderer('cpu').render(animation(AnimationSettings(frames=1, width=128, height=84))[0])['rgba']\n"
        "assert image[..., 3].max() > 0.9\n"
        "print(sorted({'torch', 'smplx', 'bpy'} & set(sys.modules)))\n"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.strip() == "[]"
