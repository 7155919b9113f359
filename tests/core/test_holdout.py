"""Hands that cut a hole into the picture, and the depths that a camera sees at all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from livehand_core.errors import LiveHandError
from livehand_core.frames import FrameRequest, HandInstance
from livehand_core.passes import RenderPasses
from livehand_core.poses import HandPose
from livehand_core.rendering import Renderer

from .conftest import camera_at
from .test_renderer import EVERY_PASS, draw, one, renderer  # noqa: F401

CAMERA = camera_at((-0.08, 0.0, 0.5))


def at(away: float, holdout: bool = False) -> HandInstance:
    return one(replace(HandPose.rest(), transl=[0.0, 0.0, -away]), holdout=holdout)


def opaque(images: RenderPasses) -> np.ndarray:
    return np.asarray(images["rgba"][..., 3] > 0.99)


@pytest.mark.parametrize("linear", [False, True])
def test_a_hand_held_out_cuts_what_is_behind_it_and_not_what_is_before(renderer: Renderer, linear: bool) -> None:  # noqa: F811
    far, near = draw(renderer, CAMERA, at(0.05), linear=linear), draw(renderer, CAMERA, at(-0.05), linear=linear)
    assert opaque(far).any() and opaque(near).any()
    cut = draw(renderer, CAMERA, at(0.05), at(-0.05, holdout=True), linear=linear)
    assert np.abs(cut["rgba"][opaque(near)]).max() < 0.02
    np.testing.assert_allclose(cut["holdout"][..., 0], near["rgba"][..., 3], atol=1e-5)
    beside = (near["rgba"][..., 3] == 0.0) & (far["rgba"][..., 3] > 0.0)
    np.testing.assert_allclose(cut["rgba"][beside], far["rgba"][beside], atol=1e-5)
    for name in ("mask", "normal", "uvd"):
        assert not cut[name][cut["rgba"][..., 3] == 0.0].any(), name
    # The depth stays, so that a scene can be cut by it; the small picture has the hole as well.
    np.testing.assert_allclose(cut["depth"][opaque(near)], near["depth"][opaque(near)], atol=1e-5)
    assert cut["rgba_low"][..., 3].sum() < far["rgba_low"][..., 3].sum()

    behind = draw(renderer, CAMERA, at(0.05, holdout=True), at(-0.05), linear=linear)
    np.testing.assert_allclose(behind["rgba"][opaque(near)], near["rgba"][opaque(near)], atol=0.02)
    assert not behind["rgba"][near["rgba"][..., 3] == 0.0].any()


def test_without_a_hand_held_out_nothing_is(renderer: Renderer) -> None:  # noqa: F811
    assert not draw(renderer, CAMERA, at(0.0))["holdout"].any()
    assert not draw(renderer, CAMERA)["holdout"].any()


def test_only_what_lies_between_the_clip_distances_is_seen(renderer: Renderer) -> None:  # noqa: F811
    whole = draw(renderer, CAMERA, at(0.05), at(-0.05))
    depth = whole["depth"][..., 0]
    seen = np.isfinite(depth)
    middle = float(np.median(depth[seen]))

    def clipped(near: float, far: float) -> RenderPasses:
        return renderer.render(FrameRequest(CAMERA, (at(0.05), at(-0.05)), EVERY_PASS, clip=(near, far)))

    np.testing.assert_array_equal(clipped(0.01, 100.0)["rgba"], whole["rgba"])
    assert not clipped(5.0, 100.0)["rgba"].any() and not clipped(0.001, 0.01)["rgba"].any()
    front = clipped(0.01, middle)
    assert front["rgba"][seen & (depth < middle)].any()
    gone = np.isinf(front["depth"][..., 0])
    assert (seen & gone).any()
    for name in ("rgba", "normal", "uvd", "mask"):
        assert not front[name][gone].any(), name
    # What was hidden by what is cut comes into sight.
    back = clipped(middle, 100.0)
    alone = draw(renderer, CAMERA, at(0.05))
    both = (depth < middle) & (alone["depth"][..., 0] > middle) & (alone["rgba"][..., 3] > 0.99)
    assert both.any()
    np.testing.assert_allclose(back["rgba"][both], alone["rgba"][both], atol=1e-5)


def test_an_empty_clip_range_is_refused() -> None:
    with pytest.raises(LiveHandError, match="Nothing lies between"):
        FrameRequest(CAMERA, (), clip=(1.0, 1.0))
