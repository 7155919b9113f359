"""Fast mode draws published avatars, whose field depends on the hand's orientation, as exact mode does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from livehand_core.avatars import Architecture, Avatar, new_avatar
from livehand_core.frames import FrameRequest, HandInstance
from livehand_core.networks import FieldConfig, RadianceField, SuperResolution, SuperResolutionConfig
from livehand_core.poses import HandPose
from livehand_core.rendering import Renderer
from livehand_core.rendering.cpu.hand import CpuHand

from .conftest import camera_at, tube_hand

HANDS = {("tube", "right"): tube_hand()}


def stray_avatar(seed: int) -> Avatar:
    """A published avatar with random density, here or there beside the hand as orientation and pose will have it."""
    architecture = Architecture(
        FieldConfig(depth=3, width=32, feature_channels=16, pose_size=48),
        SuperResolutionConfig(in_channels=16, hidden=(10, 6), out_channels=3),
        n_samples=8,
    )
    made = new_avatar(tube_hand(), replace(architecture, field=replace(architecture.field, pose_size=45)))
    # A last sample that stands for everything behind it is opaque or not as the last digit of its density has it.
    metadata = replace(
        made.metadata,
        architecture=architecture,
        conditioning="published",
        pixel_offset=0.0,
        lateral_margin=0.0,
        last_interval=1e-3,
    )
    torch.manual_seed(seed)
    field = dict(RadianceField(architecture.field).state_dict())
    generator = torch.Generator().manual_seed(seed)
    for name, values in field.items():
        if name.startswith("layers.") and name.endswith("weight"):
            field[name] = 1.5 * torch.randn(values.shape, generator=generator) / values.shape[1] ** 0.5
    # A wave or two of the distance, no more: what is between two samples of a ray is seen by neither mode.
    field["layers.0.weight"][:, 9:63] *= 0.05
    field["layers.0.weight"][:, 2] *= 30.0
    density = torch.randn(field["density.weight"].shape, generator=generator)
    field["density.weight"] = 60.0 * density / metadata.architecture.field.density_scale
    field["density.bias"] = torch.full_like(field["density.bias"], -20.0 / metadata.architecture.field.density_scale)
    return Avatar(metadata, field, dict(SuperResolution(architecture.super_resolution).state_dict()))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_density_is_drawn_in_any_orientation(seed: int, monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setenv("LIVEHAND_CACHE", str(tmp_path))
    avatar = stray_avatar(seed)
    fast, exact = (Renderer("cpu", HANDS, {"a": avatar}, precision=precision) for precision in ("fast", "exact"))  # type: ignore[arg-type]
    random, seen = np.random.default_rng(seed), []
    for _ in range(16):
        axis = random.standard_normal(3)
        turn = axis / np.linalg.norm(axis) * random.uniform(0.0, np.pi)
        hand = HandInstance(HandPose(turn, 0.2 * random.standard_normal((15, 3)), np.zeros(10), np.zeros(3)), "a")
        request = FrameRequest(camera_at((-0.08, 0.1, 0.45), focal=130.0), (hand,))
        image, wanted = fast.render(request)["rgba"], exact.render(request)["rgba"]
        seen.append(float(wanted[..., 3].mean()))
        assert 255.0 * np.abs(image[..., 3] - wanted[..., 3]).max() < 2.0
        assert float(np.mean((image - wanted) ** 2)) < 10.0**-5
    assert max(seen) > 0.02 and max(seen) > 1.5 * min(seen), "there is some density, and it depends on the orientation"


def test_nothing_is_taken_for_empty(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setenv("LIVEHAND_CACHE", str(tmp_path))
    renderer = Renderer("cpu", HANDS, {"a": stray_avatar(0)})
    hand = renderer._hand("a", ())
    assert isinstance(hand, CpuHand)
    assert np.isinf(hand._empty.beyond).all()
