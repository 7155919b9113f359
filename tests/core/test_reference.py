"""The reference in float64: its gradients are the oracle's differences, in every form of avatar."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from livehand_core.avatars import Architecture, Avatar, new_avatar
from livehand_core.frames import HandInstance
from livehand_core.hand.model import HandModel
from livehand_core.networks import FieldConfig, RadianceField, SuperResolution, SuperResolutionConfig
from livehand_core.poses import HandPose
from livehand_core.rendering import integrate
from livehand_core.rendering.clock import Clock
from livehand_core.rendering.plan import plan_hand
from livehand_core.rendering.torch.features import feature_image
from livehand_core.rendering.torch.hand import TorchHand
from livehand_core.rendering.torch.picture import upsampled
from livehand_core.rendering.torch.proxy import Proxy
from livehand_core.rendering.torch.volume import Conditioning
from livehand_core.surface import canonical_coordinates, nearest_surface

from . import oracle
from .conftest import camera_at, solid, tube_hand

CPU = torch.device("cpu")
NARROW = {"width": 12, "view_width": 9, "feature_channels": 5, "position_frequencies": 4, "view_frequencies": 2}
FIELDS = {
    "uvd": FieldConfig(depth=4, **NARROW),
    "ours": FieldConfig(
        depth=3, latent_size=3, normal_frequencies=2, density_scale=40.0, distance_scale=8.0, texture_sizes=(2, 7),
        texture_channels=2, **NARROW,
    ),
    "xyz": FieldConfig(coordinates="xyz", depth=7, latent_size=2, pose_size=48, **NARROW),
}  # fmt: skip
NO_CODE, NO_OPACITY = np.zeros(0), np.zeros((0, 4, 5))
Tensors = dict[str, torch.Tensor]


def arrays(tensors: Tensors) -> dict[str, np.ndarray]:
    return {name: value.detach().numpy() for name, value in tensors.items()}


def check_slopes(
    ours: torch.Tensor, inputs: Tensors, theirs: Callable[..., float], step: float = 1e-6, seed: int = 0
) -> None:
    """The value is the oracle's, and so is its slope along some direction in each of the inputs."""
    values, random = arrays(inputs), np.random.default_rng(seed)
    assert ours.item() == pytest.approx(theirs(**values), rel=1e-9)
    gradients = torch.autograd.grad(ours, list(inputs.values()))
    for (name, value), gradient in zip(values.items(), gradients, strict=True):
        direction = random.standard_normal(value.shape)
        found, wanted = float((gradient.numpy() * direction).sum()), oracle.slope(theirs, values, name, direction, step)
        scale = float(np.linalg.norm(gradient)) or abs(wanted)
        assert scale > 0.0, name
        assert abs(found - wanted) <= 1e-5 * scale, name


@pytest.mark.parametrize("folded", [False, True])
@pytest.mark.parametrize("form", FIELDS)
def test_gradients_of_field_and_integral_are_the_oracles(form: str, folded: bool) -> None:
    config, random = FIELDS[form], np.random.default_rng(1)
    rays, samples = 5, 4
    torch.manual_seed(3)
    field = RadianceField(config, folded).double()
    with torch.no_grad():
        # So loud that every input matters.
        for name, value in field.named_parameters():
            value.normal_(std=1.4 / value.shape[-1] ** 0.5 if name.endswith("weight") else 0.3)
        field.density.weight *= 100.0 / config.density_scale
    depths = np.sort(0.3 + 0.02 * random.random((rays, samples)), axis=1)
    lengths, gain = 1.0 + random.random(rays), random.standard_normal((rays, config.feature_channels + 1))
    views = random.standard_normal((rays, 3))
    views /= np.linalg.norm(views, axis=1, keepdims=True)
    inputs = {name.replace(".", "__"): value for name, value in field.named_parameters()}
    axes = 6 if config.normal_frequencies else 3
    inputs |= {
        "points": torch.tensor(random.random((rays, samples, axes)), requires_grad=True),
        "pose": torch.tensor(random.standard_normal(config.pose_size), requires_grad=True),
    }
    if config.latent_size:
        inputs["latent"] = torch.tensor(random.standard_normal(config.latent_size), requires_grad=True)

    with torch.no_grad():
        # Dense in most places, empty in some.
        _, sigma = field.density_of(inputs["points"], inputs["pose"], inputs.get("latent"))
        field.density.bias += (60.0 - sigma.median()) / config.density_scale

    def theirs(points: np.ndarray, pose: np.ndarray, latent: np.ndarray = NO_CODE, **state: np.ndarray) -> float:
        state = {name.replace("__", "."): value for name, value in state.items()}
        seen = np.repeat(views, samples, axis=0)
        raw = oracle.avatar_field(state, config, points.reshape(-1, axes), seen, latent, pose)
        features, opacity, *_ = oracle.integrate(raw.reshape(rays, samples, -1), depths, lengths, 0.002)
        return float((features * gain[:, :-1]).sum() + (opacity * gain[:, -1]).sum())

    colour, sigma = field(inputs["points"], torch.tensor(views), inputs["pose"], inputs.get("latent"))
    seen = integrate(colour, sigma, torch.tensor(depths), torch.tensor(lengths), last_interval=0.002)
    assert seen.opacity.min() > 0.01 and seen.opacity.max() < 0.999999
    ours = (torch.cat([seen.features, seen.opacity[:, None]], dim=-1) * torch.tensor(gain)).sum()
    check_slopes(ours, inputs, theirs)


@pytest.mark.parametrize(("factor", "channels"), [(2, 4), (2, 3), (4, 3), (4, 4)])
def test_gradients_of_super_resolution_are_the_oracles(factor: int, channels: int) -> None:
    config = SuperResolutionConfig(factor=factor, in_channels=6, hidden=(5, 4), out_channels=channels)
    torch.manual_seed(2)
    network = SuperResolution(config).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.2 * torch.randn_like(parameter)
    inputs = {name.replace(".", "__"): value for name, value in network.named_parameters()}
    inputs["features"] = torch.randn(6, 4, 5, dtype=torch.float64, requires_grad=True)
    if channels == 4:
        inputs["opacity"] = torch.rand(1, 4, 5, dtype=torch.float64, requires_grad=True)
    gain = np.random.default_rng(0).standard_normal((channels, 4 * factor, 5 * factor))

    def theirs(features: np.ndarray, opacity: np.ndarray = NO_OPACITY, **state: np.ndarray) -> float:
        state = {name.replace("__", "."): value for name, value in state.items()}
        image = np.concatenate([features[:3], opacity])
        return float((oracle.upsample(state, features, image, factor) * gain).sum())

    opacity = inputs["opacity"][None] if channels == 4 else None
    answer = network(inputs["features"][None], opacity)[0]
    check_slopes((answer * torch.tensor(gain)).sum(), inputs, theirs)


def test_gradients_of_canonical_coordinates_are_the_oracles() -> None:
    """In the points and in the mesh, inside and outside, near faces, edges and corners."""
    hand, random = tube_hand(), np.random.default_rng(5)
    corners = hand.v_template[hand.faces[random.integers(len(hand.faces), size=12)]].astype(np.float64)
    points = torch.tensor(corners.mean(axis=1) + 0.006 * random.standard_normal((12, 3)), requires_grad=True)
    vertices = torch.tensor(hand.v_template.astype(np.float64), requires_grad=True)
    faces, face_uv = torch.from_numpy(hand.faces), torch.from_numpy(hand.face_uv).double()
    gain = random.standard_normal((12, 3)) * [1.0, 1.0, 20.0]

    def theirs(points: np.ndarray, vertices: np.ndarray) -> float:
        return float((oracle.canonical(points, vertices, hand.faces, face_uv.numpy())[0] * gain).sum())

    nearest = nearest_surface(points, vertices, faces)
    found = canonical_coordinates(points, vertices, faces, face_uv, nearest, "face_normal")
    assert 2 < int((found[:, 2] > 0.0).sum()) < 12
    check_slopes((found * torch.tensor(gain)).sum(), {"points": points, "vertices": vertices}, theirs, 1e-8)


SMALL = FieldConfig(depth=3, width=24, feature_channels=8)
FORMS: dict[str, tuple[FieldConfig, int]] = {
    "uvd": (SMALL, 0),
    "normals, textures, identities": (
        replace(SMALL, latent_size=4, normal_frequencies=2, texture_sizes=(4, 9)),
        0,
    ),
    "deep": (replace(SMALL, depth=7), 0),
    "hierarchical": (SMALL, 5),
    "xyz": (replace(SMALL, coordinates="xyz"), 0),
}


def made(form: str, factor: int, channels: int) -> Avatar:
    network = SuperResolutionConfig(factor=factor, in_channels=8, hidden=(10, 6), out_channels=channels)
    field, importance = FORMS[form]
    avatar = new_avatar(tube_hand(), Architecture(field, network, 6, importance), seed=4)
    avatar = replace(avatar, metadata=replace(avatar.metadata, last_interval=0.001))
    if form == "xyz":
        bias = avatar.field_state["density.bias"] + 100.0
        return replace(avatar, field_state=dict(avatar.field_state) | {"density.bias": bias})
    avatar = solid(avatar)
    return replace(avatar, fine_state=avatar.field_state) if form == "hierarchical" else avatar


@pytest.mark.parametrize(("factor", "channels"), [(2, 4), (4, 3)])
@pytest.mark.parametrize("form", FORMS)
def test_float64_draws_what_float32_draws(form: str, factor: int, channels: int, bent_pose: HandPose) -> None:
    avatar, camera, every = made(form, factor, channels), camera_at((-0.06, 0.1, 0.33)), frozenset({"depth"})
    with torch.inference_mode():
        layers = [
            hand.render(HandInstance(bent_pose), camera, every, Clock())
            for hand in (
                TorchHand(avatar, tube_hand(), CPU),
                TorchHand(avatar, tube_hand(), CPU, plain=True),
                TorchHand(avatar, tube_hand(), CPU, plain=True, dtype=torch.float64),
            )
        ]
    quick, plain, wide = (layer for layer in layers if layer is not None)
    assert wide.rgba.dtype == np.float32 and wide.rgba[..., 3].max() > 0.5
    assert plain.box == wide.box and plain.box.width > quick.box.width
    assert np.quantile(np.abs(plain.rgba - wide.rgba), 0.999) < 1e-4
    assert np.quantile(np.abs(plain.rgba[quick.box.window] - quick.rgba), 0.999) < 1e-4


@pytest.mark.parametrize("form", FORMS)
def test_a_picture_has_gradients_in_all_that_made_it(form: str, bent_pose: HandPose) -> None:
    """Weights, conditioning and the hand's pose, through skinning, coordinates, field and super-resolution."""
    hand = TorchHand(made(form, 2, 4), tube_hand(), CPU, plain=True, dtype=torch.float64)
    clock, camera = Clock(), camera_at((-0.06, 0.1, 0.33), 48, 32, 80.0)
    view, vertices = hand.seen(HandInstance(bent_pose), camera, clock)
    plan = plan_hand(hand.metadata, view, vertices, crop=False)
    assert plan is not None
    angles = torch.tensor(view.pose.full_pose.reshape(1, -1, 3), requires_grad=True)
    betas, transl = (torch.tensor(values[None]) for values in (view.pose.betas, view.pose.transl))
    model = HandModel(tube_hand())
    posed = model.pose(betas, angles, transl)[0][0]
    np.testing.assert_allclose(posed.detach().numpy(), vertices, atol=1e-6)
    sizes = hand.metadata.architecture.field
    pose = torch.zeros(sizes.pose_size, dtype=torch.float64, requires_grad=True)
    latent = torch.zeros(sizes.latent_size, dtype=torch.float64, requires_grad=True) if sizes.latent_size else None
    networks = [network for network in (hand.fine or hand.field, hand.super_resolution)]
    parameters = [parameter.requires_grad_() for network in networks for parameter in network.parameters()]
    low = feature_image(
        (hand.field, hand.fine), hand.metadata, Proxy.of(posed, model.faces, model.face_uv), plan.low, plan.kernel,
        Conditioning(pose, latent), clock, plain=True,
    )  # fmt: skip
    assert low is not None
    image = upsampled(hand.super_resolution, low, hand.metadata.pixel_offset, clock, plain=True)
    assert image.dtype == torch.float64
    inputs = [pose, *(() if latent is None else (latent,)), *parameters]
    if form != "xyz":
        # World coordinates of samples do not follow the skin.
        inputs.append(angles)
    gradients = torch.autograd.grad(image[..., :4].square().sum(), inputs, allow_unused=True)
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)
    assert sum(bool(gradient.any()) for gradient in gradients) >= len(gradients) - 3
