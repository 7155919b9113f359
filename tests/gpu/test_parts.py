"""Avatars of a part on the GPU: their pose is told at each place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from livehand_core.cameras import Camera
from livehand_core.frames import FrameRequest, HandInstance
from livehand_core.hand.data import ProxyModel
from livehand_core.poses import HandPose
from livehand_core.rendering import Renderer
from tests.parts.conftest import camera, part, poses  # noqa: F401
from tests.parts.test_part_avatars import PASSES, solid_part

from .frames import decibels


@pytest.mark.parametrize("sampling", ["surface", "linear"])
def test_a_part_is_drawn_as_the_reference_draws_it(
    device: str,
    part: ProxyModel,  # noqa: F811
    poses: Callable[..., list[HandPose]],  # noqa: F811
    camera: Callable[..., Camera],  # noqa: F811
    sampling: str,
) -> None:
    avatars = {"foot": solid_part(part, sampling)}
    ours = Renderer(device, avatars=avatars, precision="exact", threads=1)
    theirs = Renderer("cpu", avatars=avatars, kernels="torch", threads=1)
    shown = []
    for pose in poses(2):
        moved = replace(pose, global_orient=[0.2, -0.3, 0.1], transl=[0.01, 0.02, -0.01])
        request = FrameRequest(camera(0.7), (HandInstance(moved, "foot"),), PASSES)
        first, second = ours.render(request), theirs.render(request)
        assert first.warnings == second.warnings
        assert (second["rgba"][..., 3] > 0.5).mean() > 0.05
        assert decibels(first["rgba"], second["rgba"]) > 60.0
        # Points as near to one chart as to another may have either's coordinates.
        assert (np.abs(first["uvd"] - second["uvd"]).max(axis=-1) > 2e-3).mean() < 0.001
        shown.append(first["rgba"])
    assert np.abs(shown[0] - shown[1]).max() > 0.02
