"""The plain formulation and the renderer draw the same pictures, in every variant of an avatar."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from scipy.ndimage import maximum_filter

from livehand_core.avatars import Architecture, Avatar, load_avatar, new_avatar
from livehand_core.benchmark.animation import AnimationSettings, animation
from livehand_core.benchmark.plain import PlainRenderer
from livehand_core.cameras import Camera, look_at
from livehand_core.frames import FrameRequest, HandInstance
from livehand_core.hand.builtin import builtin_hand
from livehand_core.hand.gestures import gesture
from livehand_core.networks import FieldConfig, RadianceField, SuperResolutionConfig
from livehand_core.poses import HandPose
from livehand_core.rendering import Renderer
from livehand_core.rendering.view import mirror_pose
from tests.core.conftest import camera_at, solid, tube_hand

FIELD = FieldConfig(depth=3, width=32, feature_channels=16)
ENLARGE = SuperResolutionConfig(in_channels=16, hidden=(20, 12))

VARIANTS = {
    "uvd": Architecture(FIELD, ENLARGE, n_samples=8),
    "by 4, three channels": Architecture(FIELD, replace(ENLARGE, factor=4, out_channels=3), n_samples=8),
    "normals": Architecture(replace(FIELD, normal_frequencies=2, distance_scale=64.0), ENLARGE, n_samples=8),
    "latent": Architecture(replace(FIELD, latent_size=8), ENLARGE, n_samples=8),
    "deep": Architecture(replace(FIELD, depth=7), ENLARGE, n_samples=8),
    "hierarchical": Architecture(FIELD, ENLARGE, n_samples=8, n_importance=6),
    "xyz": Architecture(replace(FIELD, coordinates="xyz"), ENLARGE, n_samples=8),
}


def made(architecture: Architecture) -> Avatar:
    """An avatar of the tube with some hand to see; its last samples do not hide what lies behind them."""
    avatar = new_avatar(tube_hand(), architecture, seed=4)
    avatar = replace(avatar, metadata=replace(avatar.metadata, last_interval=0.001))
    if architecture.field.coordinates == "xyz":
        state = dict(avatar.field_state)
        state["density.bias"] = state["density.bias"] + 100.0
        return replace(avatar, field_state=state)
    avatar = solid(avatar)
    return replace(avatar, fine_state=avatar.field_state) if architecture.n_importance else avatar


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("size", [(96, 64), (75, 51)])
def test_renderer_and_plain_formulation_agree(name: str, size: tuple[int, int], bent_pose: HandPose) -> None:
    avatar = made(VARIANTS[name])
    camera = camera_at((-0.06, 0.1, 0.33), *size, focal=1.5 * size[0])
    instance = HandInstance(bent_pose, "a")
    frame = PlainRenderer(avatar, tube_hand()).render(instance, camera)
    renderer = Renderer("cpu", hands={("tube", "right"): tube_hand()}, avatars={"a": avatar}, precision="exact")
    rgba = renderer.render(FrameRequest(camera, (instance,)))["rgba"]
    assert (frame.rgba[..., 3] > 0.3).mean() > 0.05
    assert frame.rgba.shape == rgba.shape == (size[1], size[0], 4)
    np.testing.assert_allclose(frame.rgba, rgba, atol=1e-4)


def test_a_left_hand_is_mirrored(bent_pose: HandPose) -> None:
    avatar = made(VARIANTS["uvd"])
    camera = camera_at((-0.06, 0.1, 0.33))
    instance = HandInstance(mirror_pose(bent_pose), "a")
    hands = {("tube", "right"): tube_hand()}
    renderer = Renderer("cpu", hands=hands, avatars={"a": avatar}, precision="exact")
    rgba = renderer.render(FrameRequest(camera, (instance,)))["rgba"]
    frame = PlainRenderer(avatar, tube_hand()).render(instance, camera)
    assert rgba.max() > 0.3
    np.testing.assert_allclose(frame.rgba, rgba, atol=1e-4)


@pytest.mark.parametrize("name", ["open", "spread"])
def test_exact_frames_are_the_plain_ones_but_where_rounding_decides(name: str) -> None:
    """A sample within rounding of a seam of the texture, or of the surface itself, may come out on either side.

    There the plain formulation differs from itself as soon as the camera moves by some tenths of a micrometre; a ray
    reaches no farther than the super-resolution sees.
    """
    middle, reach = np.array([-0.085, 0.0, 0.006]), 8
    hand = HandInstance(HandPose(np.zeros(3), gesture(name), np.zeros(10), np.zeros(3)), "default")
    plain, exact = PlainRenderer(load_avatar("default"), builtin_hand("right")), Renderer("cpu", precision="exact")
    for angle, height in ((-1.0, 0.17), (3.5, 0.6)):
        eye = middle + 0.5 * np.array([np.sin(angle), -np.cos(angle), height])
        matrix = look_at(eye, middle, np.array([0.0, 0.0, 1.0]))
        camera = Camera(225, 147, 350.0, 350.0, 112.0, 73.0, matrix)
        wanted = plain.render(hand, camera).rgba
        answer = exact.render(FrameRequest(camera, (hand,), internal_scale=1.0))["rgba"]
        unsure = np.zeros(wanted.shape[:2])
        for axis, metres in product(range(3), (-2e-7, -1e-7, -6e-8, 6e-8, 1e-7, 2e-7)):
            moved = matrix.copy()
            moved[axis, 3] += metres
            other = plain.render(hand, replace(camera, camera_to_world=moved)).rgba
            unsure = np.maximum(unsure, np.abs(other - wanted).max(axis=2))
        difference = np.abs(answer - wanted).max(axis=2)
        shown = wanted[..., 3] > 0.0
        assert shown.mean() > 0.05
        assert (difference[shown] > 1e-4).mean() < 1e-2 and difference.max() < 2.0 / 255.0
        sure = maximum_filter(unsure, 2 * reach + 1) < 1e-4
        assert (sure & shown).sum() > 0.2 * shown.sum()
        assert difference[sure].max() < 1e-4


def test_fast_frames_of_the_default_avatar_are_close() -> None:
    avatar = load_avatar("default")
    request = animation(AnimationSettings(width=256, height=167, frames=3))[1]
    request = replace(request, internal_scale=1.0)
    plain = PlainRenderer(avatar, builtin_hand("right")).render(request.hands[0], request.camera).rgba
    fast = Renderer("cpu", precision="fast").render(request)["rgba"]
    assert psnr(plain[..., :3], fast[..., :3]) > 45.0
    # Two steps of 8 bits, but for single pixels where triangles on both sides of a texture's seam are equally near.
    assert (np.abs(plain[..., 3] - fast[..., 3]) > 2.0 / 255.0).mean() < 1e-3


def psnr(first: np.ndarray, second: np.ndarray) -> float:
    return float(-10.0 * np.log10(np.square(first - second, dtype=np.float64).mean()))


def test_light_is_spent_along_each_ray(bent_pose: HandPose) -> None:
    frame = PlainRenderer(made(VARIANTS["uvd"]), tube_hand()).render(
        HandInstance(bent_pose), camera_at((0.0, 0.1, 0.4))
    )
    assert frame.weights.shape == frame.transmittance.shape == (frame.valid.sum(), 8)
    np.testing.assert_allclose(frame.transmittance[:, 0], 1.0)
    assert (np.diff(frame.transmittance, axis=1) <= 1e-6).all()
    # What a sample takes away is what the next one lacks.
    taken = frame.transmittance[:, :-1] - frame.transmittance[:, 1:]
    np.testing.assert_allclose(taken, frame.weights[:, :-1], atol=1e-6)


@pytest.mark.parametrize("depth", [3, 7])
def test_the_field_unfolded_is_the_field(depth: int) -> None:
    config = replace(FIELD, depth=depth, latent_size=8, normal_frequencies=2, distance_scale=8.0, density_scale=5.0)
    torch.manual_seed(1)
    field, plain = RadianceField(config), RadianceField(config, folded=False)
    plain.load_state_dict(field.state_dict())
    positions, directions = torch.rand(40, 1, 6), torch.nn.functional.normalize(torch.randn(40, 3), dim=-1)
    pose, latent = torch.rand(45), torch.rand(8)
    with torch.inference_mode():
        colour, sigma = field(positions, directions, pose, latent)
        plain_colour, plain_sigma = plain(positions, directions, pose, latent)
    torch.testing.assert_close(plain_colour, colour, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(plain_sigma, sigma, atol=1e-4, rtol=1e-5)
