"""The GPU's pictures lie where the proxy does, and one size fades into the next as the processor's do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from livehand_core.frames import HandInstance
from livehand_core.poses import HandPose
from livehand_core.rendering.clock import Clock
from livehand_core.rendering.gpu.device import Gpu
from livehand_core.rendering.torch.hand import TorchHand
from tests.core.conftest import camera_at, tube_hand
from tests.core.test_alignment import avatar_of, displacement, view

from .frames import check_alike, gpu_hand, pose


@pytest.mark.parametrize("published", [True, False])
@pytest.mark.parametrize("factor", [2, 4])
def test_alpha_lies_on_the_silhouette(gpu: Gpu, published: bool, factor: int) -> None:
    hand = gpu_hand(gpu, avatar_of(factor, published))
    found = []
    for shift in (np.arange(4) + 0.5) / 4 * factor:
        camera = view(0, 128, 96, 200.0)
        camera = replace(camera, cx=camera.cx + shift, cy=camera.cy + shift)
        layer = hand.render(HandInstance(HandPose.rest()), camera, frozenset(), Clock())
        assert layer is not None
        alpha = np.zeros((camera.height, camera.width))
        alpha[layer.box.window] = layer.rgba[..., 3]
        found.append(displacement(alpha, camera, 0))
    assert abs(np.mean(found)) < 0.1


@pytest.mark.parametrize("footprint", [420.0 / 2.2, 420.0 / 0.45])
def test_two_sizes_are_mixed_as_torch_mixes_them(gpu: Gpu, footprint: float) -> None:
    made = avatar_of(2, False)
    avatar = replace(made, metadata=replace(made.metadata, pixels_per_metre=footprint))
    camera, every = camera_at((-0.06, 0.1, 0.33)), frozenset({"depth", "normal"})
    ours = gpu_hand(gpu, avatar).render(HandInstance(pose()), camera, every, Clock())
    check_alike(
        ours, TorchHand(avatar, tube_hand(), torch.device("cpu")).render(HandInstance(pose()), camera, every, Clock())
    )
