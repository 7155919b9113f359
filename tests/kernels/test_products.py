"""The kernels' arithmetic against numpy and against the networks they stand for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numba import njit

from livehand_core.kernels import resample
from livehand_core.kernels.networks import convolution
from livehand_core.kernels.networks.convolution import MARGIN, picture_channels
from livehand_core.kernels.networks.field import EmptySpace, FieldImages, FieldRays, densities, march, mean_depths
from livehand_core.kernels.networks.layers import list_active
from livehand_core.kernels.networks.texture import put_texels
from livehand_core.kernels.products.block import dot_block, dot_half_block, dot_listed_block
from livehand_core.kernels.products.packing import FULL, HALF, Shape, lane_group, pack
from livehand_core.kernels.target import instructions
from livehand_core.networks import FieldConfig, RadianceField, SuperResolution, SuperResolutionConfig
from livehand_core.networks.config import LIT_CHANNELS
from livehand_core.rendering.cpu.coverage import Coverage
from livehand_core.rendering.cpu.feature_image import FeatureImage
from livehand_core.rendering.cpu.field_weights import prepare_field
from livehand_core.rendering.cpu.quantisation import super_resolution as quantised
from livehand_core.rendering.cpu.quantisation.field import FieldArithmetic
from livehand_core.rendering.cpu.quantisation.super_resolution import SuperResolutionArithmetic
from livehand_core.rendering.cpu.quantisation.unit_order import paired, reordered
from livehand_core.rendering.cpu.super_resolution import SuperResolutionKernels
from livehand_core.rendering.torch.integration import integrate, intervals_between
from livehand_core.workers import Workers

INTEGER = bool(instructions().int16)
KINDS = ["float32", *(["int16"] if INTEGER else []), *(["uint8"] if instructions().uint8 else [])]


@njit  # type: ignore[misc]
def full_block(sums: np.ndarray, rows: np.ndarray, offsets: np.ndarray, taps: np.ndarray, weights: np.ndarray) -> None:
    dot_block(sums, rows, offsets, 0, taps, weights)


@njit  # type: ignore[misc]
def half_block(sums: np.ndarray, rows: np.ndarray, offsets: np.ndarray, taps: np.ndarray, weights: np.ndarray) -> None:
    dot_half_block(sums, rows, offsets, 0, taps, weights)


@pytest.mark.parametrize(("shape", "block"), [(FULL, full_block), (HALF, half_block)], ids=["full", "half"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_block_is_a_matrix_product(kind: str, shape: Shape, block: Callable[..., None]) -> None:
    rng = np.random.default_rng(0)
    inputs, outputs = 36, shape.columns
    low, high = {"float32": (-3, 3), "int16": (-4000, 4000), "uint8": (0, 256)}[kind]
    rows = rng.integers(low, high, (2 * shape.rows, inputs)).astype(kind)
    weights = rng.integers(-127, 128, (outputs, 1, inputs))
    sums = np.zeros((shape.rows, outputs), dtype=np.float32 if kind == "float32" else np.int32)
    packed = pack(weights, rows.dtype, shape)[0]
    block(sums, rows, np.arange(shape.rows) * inputs, np.array([shape.rows * inputs, inputs]), packed)
    np.testing.assert_array_equal(sums, rows[shape.rows :].astype(np.int64) @ weights[:, 0].T)


@njit  # type: ignore[misc]
def listed_block(sums: np.ndarray, rows: np.ndarray, offsets: np.ndarray, lanes: int, weights: np.ndarray) -> int:
    steps = np.zeros(lanes + 4, np.int64)
    list_active(rows, offsets, FULL.rows, lanes, steps, 3)
    dot_listed_block(sums, rows, offsets, FULL.rows, steps, 3, weights)
    return int((steps[3:] >= 0).argmin())


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 1.0])
@pytest.mark.parametrize("kind", KINDS)
def test_lanes_of_zeros_are_left_out(kind: str, share: float) -> None:
    rng = np.random.default_rng(3)
    group = lane_group(np.dtype(kind))
    lanes, width = 80, 80 * group
    rows = rng.integers(1, 100, (2 * FULL.rows, width)).astype(kind) * (rng.random((2 * FULL.rows, width)) < share)
    weights = rng.integers(-127, 128, (FULL.columns, 1, width))
    sums = np.ones((FULL.rows, FULL.columns), dtype=np.float32 if kind == "float32" else np.int32)
    rows, packed = rows.astype(kind), pack(weights, np.dtype(kind))[0]
    listed = listed_block(sums, rows, np.arange(2 * FULL.rows) * width, lanes, packed)
    own = rows[FULL.rows :]
    np.testing.assert_array_equal(sums, own.astype(np.int64) @ weights[:, 0].T)
    assert listed == own.reshape(FULL.rows, lanes, group).any(axis=(0, 2)).sum()


def test_units_at_rest_together_become_neighbours() -> None:
    rng = np.random.default_rng(4)
    active = np.repeat(rng.random((500, 20)) < rng.random(20), 2, axis=1)
    shuffled = rng.permutation(40)
    order = paired(np.concatenate([active[:, shuffled], np.zeros((500, 1), bool)], axis=1))
    assert sorted(order) == list(range(41))
    # Odd ones out but for one: each of the others has found its twin.
    twins = np.append(shuffled // 2, 20)[order]
    assert (twins[:40:2] == twins[1:40:2]).mean() > 0.7
    together = (active[:, shuffled][:, order[order < 40]].reshape(500, 20, 2)).any(axis=2)
    assert together.mean() < 1.1 * active.mean()


def test_the_order_of_units_changes_no_field() -> None:
    config = FieldConfig(depth=3, width=24, feature_channels=16, latent_size=4)
    field = trained_field(config, 5)
    state = {name: value.numpy() for name, value in field.state_dict().items()}
    orders = [np.random.default_rng(k).permutation(24) for k in range(3)]
    other = RadianceField(config)
    other.load_state_dict({name: torch.from_numpy(value) for name, value in reordered(config, state, orders).items()})
    points, directions = torch.rand(50, 1, 3), torch.nn.functional.normalize(torch.rand(50, 3), dim=1)
    pose, code = torch.rand(config.pose_size), torch.rand(4)
    for wanted, answer in zip(
        field(points, directions, pose, code), other(points, directions, pose, code), strict=True
    ):
        np.testing.assert_allclose(answer.detach(), wanted, rtol=1e-4, atol=1e-4 * float(wanted.abs().max()))


def trained_field(config: FieldConfig, seed: int) -> RadianceField:
    """Random weights whose densities are of both signs and of trained avatars' size."""
    torch.manual_seed(seed)
    field = RadianceField(config).requires_grad_(False)
    for texture in field.textures:
        texture.normal_()
    for layer in (*field.layers, field.view, field.colour):
        layer.bias += 0.1 * torch.randn_like(layer.bias)  # type: ignore[operator,arg-type]
        layer.weight *= 1.6  # type: ignore[operator]
    points = torch.rand(500, 3 if config.normal_frequencies == 0 else 6) * 2.0 - 1.0
    latent = torch.zeros(config.latent_size) if config.latent_size else None
    _, sigma = field.density_of(points, torch.zeros(config.pose_size), latent)
    field.density.weight *= 300.0 / sigma.std()
    field.density.bias.copy_((field.density.bias - sigma.mean() / config.density_scale) * 300.0 / sigma.std())
    return field


@pytest.mark.parametrize(
    "config",
    [
        FieldConfig(density_scale=100.0),
        FieldConfig(depth=2, width=40, feature_channels=16, normal_frequencies=2, distance_scale=64.0, latent_size=8),
        FieldConfig(depth=1, width=24, feature_channels=16, pose_size=48, view_width=20),
        FieldConfig(depth=3, width=72, normal_frequencies=2, texture_sizes=(2, 37, 64), texture_channels=6),
        FieldConfig(depth=3, width=32, position_frequencies=4, normal_frequencies=6, view_frequencies=0),
    ],
    ids=["published", "normals", "one layer", "textures", "waves"],
)
@pytest.mark.parametrize("kind", KINDS[:2])
def test_marching_is_the_field_and_the_integral(config: FieldConfig, kind: str) -> None:
    field = trained_field(config, 1)
    rng = np.random.default_rng(2)
    rays, samples, axes = 450, 7, 6 if config.normal_frequencies else 3
    places = rng.random((rays, samples, axes), dtype=np.float32)
    places[:2, :, :2] = np.round(places[:2, :, :2])
    places[..., 2] = np.linspace(0.005, -0.005, samples)
    if axes == 6:
        places[..., 3:] /= np.linalg.norm(places[..., 3:], axis=-1, keepdims=True)
    directions = rng.standard_normal((rays, 3)).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    near = rng.uniform(0.3, 0.4, rays).astype(np.float32)
    far, lengths = near + np.float32(0.02), rng.uniform(1.0, 1.2, rays).astype(np.float32)
    pose = rng.uniform(-1, 1, config.pose_size)
    code = rng.uniform(-1, 1, config.latent_size) if config.latent_size else None

    depths = torch.from_numpy(near[:, None] + (far - near)[:, None] * np.linspace(0, 1, samples, dtype=np.float32))
    latent = None if code is None else torch.tensor(code, dtype=torch.float32)
    colour, sigma = field(
        torch.from_numpy(places), torch.from_numpy(directions), torch.tensor(pose, dtype=torch.float32), latent
    )
    wanted = integrate(colour, sigma, depths, torch.from_numpy(lengths), last_interval=1e-3)
    assert 0.05 < float(wanted.opacity.mean()) < 0.99

    state = {name: value.numpy() for name, value in field.state_dict().items()}
    constants = np.concatenate([[] if code is None else code, pose])[None]
    stored = FieldArithmetic.exact(config)
    if kind != "float32":
        stored = FieldArithmetic.found(config, [state], constants, places.reshape(-1, axes))
    prepared = prepare_field(config, state, stored)
    features = np.zeros((rays, config.feature_channels), np.float32)
    opacity, depth = np.zeros(rays, np.float32), np.zeros(rays, np.float32)
    weights = prepared.of_frame(prepared.weights, pose, code)
    order = np.random.default_rng(0).permutation(rays)
    intervals, counts = intervals_between(depths, 1e-3).numpy(), np.full(rays, samples, np.int32)
    transmittance, turned = np.ones(rays, np.float32), directions * lengths[:, None]
    given = FieldRays(places, depths.numpy(), intervals, counts, transmittance, turned, lengths, order)
    images = FieldImages(features, opacity, depth)
    for start, stop in ((0, 100), (100, rays)):
        ticks = march(weights, EmptySpace.unknown(), given, np.float32(1e-4), images, start, stop)
        assert min(ticks) > 0
    mean_depths(images, near, far, order)
    features, opacity, depth = features[order], opacity[order], depth[order] * opacity[order]
    # Rays end when they let less than 1e-4 through; integers are good for three digits.
    tolerance = 2e-4 if kind == "float32" else 4e-3
    np.testing.assert_allclose(opacity, wanted.opacity, atol=tolerance)
    np.testing.assert_allclose(features, wanted.features, atol=tolerance)
    np.testing.assert_allclose(depth, wanted.depth, atol=tolerance)

    raw = np.empty(rays * samples, np.float32)
    densities(weights, places.reshape(-1, axes), raw, 0, len(raw))
    np.testing.assert_allclose(
        raw, sigma.reshape(-1), atol=(1e-4 if kind == "float32" else 4e-3) * float(sigma.std()) * 4
    )


def test_texels_at_the_border_stay_and_nothing_is_read_where_a_place_is_no_number() -> None:
    config = FieldConfig(depth=1, width=16, feature_channels=16, texture_sizes=(3,), texture_channels=1)
    field = trained_field(config, 0)
    state = {name: value.numpy() for name, value in field.state_dict().items()}
    weights = prepare_field(config, state, FieldArithmetic.exact(config)).weights

    @njit  # type: ignore[misc]
    def look(texels: np.ndarray, places: np.ndarray, u: float, v: float, answer: np.ndarray) -> None:
        put_texels(texels, places, u, v, answer, 0)

    def value(u: float, v: float) -> float:
        answer = np.zeros(4, np.float32)
        look(weights.texels, weights.texture_places, np.float32(u), np.float32(v), answer)
        assert (answer[1:] == 0.0).all()
        return float(answer[0])

    texture = state["textures.0"][..., 0]
    assert value(0.0, 0.0) == value(-7.0, 0.1) == texture[0, 0]
    assert value(1.0, 0.5) == value(1e9, 0.5) == texture[1, 2]
    assert value(0.5, 1.0) == pytest.approx(texture[2, 1], rel=1e-6)
    assert value(1.0 / 3.0, 0.5) == pytest.approx((texture[1, 0] + texture[1, 1]) / 2.0)
    assert value(float("nan"), float("nan")) == texture[0, 0]


def test_known_empty_space_is_skipped() -> None:
    config = FieldConfig(feature_channels=16)
    prepared = prepare_field(
        config,
        {name: value.numpy() for name, value in trained_field(config, 1).state_dict().items()},
        FieldArithmetic.exact(config),
    )
    places = np.full((2, 4, 3), 0.3, np.float32)
    places[..., 2] = np.linspace(0.006, -0.003, 4)
    near = np.full(2, 0.3, np.float32)
    weights = prepared.of_frame(prepared.weights, np.zeros(45), None)

    def opacity(beyond: float, count: int, known: float = 1.0) -> np.ndarray:
        answer = np.zeros(2, np.float32)
        depths = np.linspace(near, near + np.float32(0.003 * (count - 1)), count, axis=1, dtype=np.float32)
        rays = FieldRays(
            places[:, -count:].copy(),
            depths,
            intervals_between(torch.from_numpy(depths), 1e-3).numpy(),
            np.full(2, count, np.int32),
            np.ones(2, np.float32),
            np.eye(3, dtype=np.float32)[:2].copy(),
            np.ones(2, np.float32),
            np.arange(2),
        )
        empty = EmptySpace(np.full((3, 3), beyond, np.float32), np.float32(known))
        images = FieldImages(np.zeros((2, 16), np.float32), answer, np.zeros(2, np.float32))
        march(weights, empty, rays, np.float32(0.0), images, 0, 2)
        return answer

    np.testing.assert_allclose(opacity(0.001, 4), opacity(np.inf, 2), atol=1e-6)
    assert (opacity(-1.0, 4) == 0.0).all()
    # The first sample lies beyond what was looked at.
    np.testing.assert_array_equal(opacity(0.001, 4, 0.005), opacity(np.inf, 4))
    assert (opacity(0.001, 4, 0.005) > opacity(0.001, 4)).all()


def feature_image(features: np.ndarray, opacity: np.ndarray, valid: np.ndarray, factor: int) -> FeatureImage:
    """What calibration looks at."""
    return FeatureImage(valid, lambda: Coverage.of(valid, factor), features, opacity, opacity)


def arithmetic(
    config: SuperResolutionConfig, state: dict[str, np.ndarray], image: FeatureImage
) -> SuperResolutionArithmetic:
    """Integers that suit a feature image."""

    def drawn(stored: SuperResolutionArithmetic, shown: FeatureImage) -> np.ndarray:
        kernels = SuperResolutionKernels(config, state, stored)
        return kernels.upsample(shown.features, shown.opacity, shown.coverage(), Workers(2))

    return SuperResolutionArithmetic.found(config, state, [image], drawn)


@pytest.mark.skipif(not instructions().uint8, reason="no products of bytes here")
@pytest.mark.parametrize("channels", [3, 4])
def test_bytes_are_taken_where_they_do_not_show(channels: int) -> None:
    config = SuperResolutionConfig(2, 16, (24, 20), channels)
    torch.manual_seed(5)
    state = {name: value.numpy() for name, value in SuperResolution(config).state_dict().items()}
    rng = np.random.default_rng(5)
    opacity = rng.random((20, 24), dtype=np.float32)
    features, valid = rng.random((20, 24, 16), dtype=np.float32), np.pad(np.ones((12, 16), bool), MARGIN)
    image = feature_image(features, opacity, valid, 2)

    def bits(colours: float, opacities: float) -> list[int]:
        """Of input and activations, with colour heads of these strengths."""
        rows = np.array([colours] * 3 + [opacities] * (channels - 3), np.float32)[:, None, None, None]
        heads = {f"colour{k}.weight": np.ones_like(state[f"colour{k}.weight"]) * rows for k in (0, 1)}
        return arithmetic(config, state | heads, image).arrays()["ranges"][:, 0].astype(int).tolist()

    wide = 16 if instructions().int16 else 32
    assert bits(0.01, 0.01) == [8, 8, wide, wide]
    assert bits(0.01, 1.0) == ([wide] * 4 if channels == 4 else [8, 8, wide, wide])
    assert bits(1.0, 0.01) == ([wide] * 4 if channels == 3 else [8, 8, wide, wide])


@pytest.mark.skipif(not instructions().uint8, reason="no products of bytes here")
@pytest.mark.parametrize("telling", ["none", "gain", "offset", "opacity"])
def test_bytes_are_taken_where_no_part_of_a_material_shows_them(telling: str) -> None:
    config = SuperResolutionConfig(2, 16, (24, 20), LIT_CHANNELS)
    torch.manual_seed(5)
    state = {name: value.numpy() for name, value in SuperResolution(config).state_dict().items()}
    rng = np.random.default_rng(5)
    opacity = np.full((20, 24), 0.9, np.float32)
    features, valid = rng.random((20, 24, 16), dtype=np.float32), np.pad(np.ones((12, 16), bool), MARGIN)
    strength = np.full(LIT_CHANNELS, 0.003, np.float32)
    strength[{"none": [], "gain": [4], "offset": [11], "opacity": [13]}[telling]] = 1.0
    for name in ("colour0.weight", "colour1.weight"):
        state[name] = np.ones_like(state[name]) * strength[:, None, None, None]
    found = arithmetic(config, state, feature_image(features, opacity, valid, 2))
    assert (found.input.dtype is np.uint8) == (telling == "none")


@pytest.mark.parametrize(("factor", "hidden"), [(2, (24, 20)), (4, (24, 20)), (2, (72, 24)), (2, (20, 70))])
@pytest.mark.parametrize("channels", [4, LIT_CHANNELS])
@pytest.mark.parametrize(
    "kind", ["float32", *(["integers"] if INTEGER else []), *(["bytes"] if instructions().uint8 else [])]
)
def test_super_resolution_over_lists_is_the_network(
    factor: int, hidden: tuple[int, int], kind: str, channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "bytes":
        # As on Arm, which multiplies no int16.
        monkeypatch.setattr(quantised, "NARROW", (np.uint8, np.uint8, np.float32, np.float32))
        monkeypatch.setattr(quantised, "WIDE", (np.float32,) * 4)
        monkeypatch.setattr(quantised, "NARROW_ERROR", 1.0)
        monkeypatch.setattr(quantised, "NARROW_LIT_ERROR", 1.0)
    torch.manual_seed(factor)
    config = SuperResolutionConfig(factor, 16, hidden, channels if channels > 4 or factor == 2 else 3)
    network = SuperResolution(config).requires_grad_(False)
    for name, parameter in network.named_parameters():
        if name.endswith("bias"):
            parameter.normal_(std=0.1)
    height, width = 30, 41
    valid = np.zeros((height, width), dtype=bool)
    valid[4:17, 8:30], valid[20:, :5], valid[12, 12] = True, True, False
    rng = np.random.default_rng(factor)
    features = rng.random((height, width, 16), dtype=np.float32) * valid[..., None]
    opacity = rng.random((height, width), dtype=np.float32) * valid
    wanted = network(torch.from_numpy(features).permute(2, 0, 1)[None], torch.from_numpy(opacity)[None, None])
    wanted = wanted[0].permute(1, 2, 0).numpy()

    edges = ((MARGIN, MARGIN), (MARGIN, MARGIN))
    margined, covered = [np.pad(features, (*edges, (0, 0))), np.pad(opacity, edges)], np.pad(valid, edges)
    for image in margined:
        # Nobody looks there.
        image[~covered] = np.nan
    state = {name: value.numpy() for name, value in network.state_dict().items()}
    image = feature_image(*margined, covered, factor)
    stored = None if kind == "float32" else arithmetic(config, state, image)
    assert stored is None or SuperResolutionArithmetic.of_arrays(stored.arrays()) == stored
    assert kind != "bytes" or (stored is not None and stored.name == "int8")
    kernels = SuperResolutionKernels(config, state, stored)
    for workers in (Workers(1), Workers(2)):
        coverage = Coverage.of(covered, factor)
        large, drawn = kernels.upsample(*margined, coverage, workers), coverage.drawn
        inner = (slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
        np.testing.assert_array_equal(drawn[inner], np.kron(valid, np.ones((factor, factor), dtype=bool)))
        assert large.shape[2] == picture_channels(config.out_channels)
        difference = np.abs(large[inner][..., : config.out_channels] - wanted)[drawn[inner]]
        assert difference.max() < (2e-6 if stored is None else 0.02)
        assert np.sqrt(np.mean(difference**2)) < (1e-6 if stored is None else 0.003)


@pytest.mark.parametrize("size", [(7, 5), (64, 30), (31, 77), (1, 1)])
def test_resizing_is_antialiased_bilinear(size: tuple[int, int]) -> None:
    image = np.random.default_rng(0).random((23, 31, 3), dtype=np.float32)
    wanted = torch.nn.functional.interpolate(
        torch.from_numpy(image).permute(2, 0, 1)[None], size[::-1], mode="bilinear", antialias=True
    )
    np.testing.assert_allclose(resample.resize(image, *size), wanted[0].permute(1, 2, 0), atol=2e-6)


def test_masks_are_dilated_in_all_directions_and_stay_inside() -> None:
    mask = np.zeros((20, 18), dtype=bool)
    mask[MARGIN, MARGIN + 3] = True
    dilated = convolution.dilate(mask, 2, True)
    assert dilated.sum() == 3 * 5
    assert dilated[MARGIN : MARGIN + 3, MARGIN + 1 : MARGIN + 6].all()
    assert convolution.dilate(mask, 2, False).sum() == 25
