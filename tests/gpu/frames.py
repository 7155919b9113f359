"""Poses, cameras and comparisons for the kernels' tests."""

from __future__ import annotations

import numpy as np

from livehand_core.avatars import Avatar
from livehand_core.cameras import Camera
from livehand_core.frames import HandInstance
from livehand_core.poses import HandPose
from livehand_core.rendering.gpu.device import Buffer, Gpu, Recorder
from livehand_core.rendering.gpu.hand import GpuHand
from livehand_core.rendering.layer import Layer
from livehand_core.rendering.plan import Plan, plan_hand
from livehand_core.rendering.setup import avatar_view
from tests.core.conftest import camera_at, tube_hand

VIEWS: dict[str, tuple[Camera, float | None]] = {
    "perspective": (camera_at((-0.06, 0.1, 0.33)), None),
    "orthographic": (camera_at((-0.06, 0.1, 0.33), focal=400.0, projection="orthographic"), None),
    "near and of odd size": (camera_at((-0.03, 0.05, 0.16), 97, 63), None),
    "at another size": (camera_at((-0.05, 0.12, 0.35)), 0.7),
    "from within reach": (camera_at((-0.05, 0.0, 0.018), 64, 48, 40.0), None),
}


def pose() -> HandPose:
    random = np.random.default_rng(0)
    angles = 0.15 * random.normal(size=(15, 3))
    return HandPose(np.array([0.3, -0.4, 0.2]), angles, random.normal(size=10), np.array([0.02, -0.01, 0.03]))


def planned(hand: GpuHand, camera: Camera, scale: float | None = None) -> Plan:
    view = avatar_view(hand.metadata, tube_hand(), HandInstance(pose()), camera)
    plan = plan_hand(hand.metadata, view, hand.model.vertices(view.pose), scale or 1.0)
    assert plan is not None
    return plan


def run(gpu: Gpu, record: Recorder, wanted: list[tuple[Buffer, int]]) -> list[np.ndarray]:
    """Submit; the float32 content of some buffers' first so many numbers."""
    data = gpu.submit(record, [(buffer, 4 * count) for buffer, count in wanted])
    flat = np.frombuffer(data, np.float32)
    ends = np.cumsum([count for _, count in wanted])
    return [part.copy() for part in np.split(flat, ends[:-1])]


def gpu_hand(gpu: Gpu, avatar: Avatar, half: bool = False) -> GpuHand:
    return GpuHand(avatar.arrays(), tube_hand(), gpu, half)


def differences(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Absolute differences; infinity against infinity is none."""
    return np.abs(np.nan_to_num(first, posinf=9.0) - np.nan_to_num(second, posinf=9.0))


def decibels(first: np.ndarray, second: np.ndarray) -> float:
    """Peak signal to noise, of the pixels that either draws."""
    drawn = (first[..., 3] > 0.0) | (second[..., 3] > 0.0)
    return float(-10.0 * np.log10(max(np.square(first - second)[drawn].mean(), 1e-20)))


def check_alike(ours: Layer | None, theirs: Layer | None, least: float = 60.0, most: float = 2e-4) -> None:
    """The same box; colours within ``least`` decibels, opacities within 2/255; nearly all depths, normals and uvd
    within ``most``."""
    assert ours is not None and theirs is not None
    assert ours.box == theirs.box and ours.rgba[..., 3].max() > 0.5
    assert decibels(ours.rgba, theirs.rgba) >= least
    assert differences(ours.rgba[..., 3], theirs.rgba[..., 3]).max() <= 2.0 / 255.0
    for name in ("depth", "normal", "uvd"):
        first, second = getattr(ours, name), getattr(theirs, name)
        assert (first is None) == (second is None)
        if first is not None:
            # Writeable, too: of others the processor's kernels would be compiled anew.
            assert first.flags["WRITEABLE"]
            assert first.dtype == np.float32 and first.flags["C_CONTIGUOUS"]
            assert np.quantile(differences(first, second), 0.998) <= most, name
    assert (ours.low is None) == (theirs.low is None)
    if ours.low is not None and theirs.low is not None:
        assert (ours.low.box, ours.low.size) == (theirs.low.box, theirs.low.size)
        assert decibels(ours.low.rgba, theirs.low.rgba) >= least
