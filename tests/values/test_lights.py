"""Lights: held to sums over the sphere in float64, and to what any light must do."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livehand_core import harmonics
from livehand_core.cameras import Camera
from livehand_core.errors import LightError, LiveHandError
from livehand_core.frames import FrameRequest, HandInstance
from livehand_core.lights import KEY_LAMPS, LOBES, NEAREST, Lamp, Light, clipped_cosine
from livehand_core.panoramas import directions, light_panorama, panorama_light, solid_angles
from livehand_core.poses import HandPose
from livehand_core.rotations import axis_angle_to_matrix

RAYS = directions(600, 1200)
AREAS = solid_angles(600, 1200)
UP = np.array([0.0, 0.0, 1.0])


def integral(values: np.ndarray) -> np.ndarray:
    """Over the sphere, of values at RAYS."""
    return np.tensordot(np.broadcast_to(AREAS, RAYS.shape[:2]), values, axes=2)


def some_light(seed: int, near: bool = True) -> Light:
    rng = np.random.default_rng(seed)
    lamps = [
        Lamp(tuple(rng.uniform(0, 5, 3)), direction=tuple(rng.normal(size=3)), size=rng.uniform(0, 2)),
    ]
    if near:
        axis = tuple(rng.normal(size=3))
        place = {"position": tuple(rng.normal(size=3)), "axis": axis, "size": 0.2}
        lamps += [
            Lamp(tuple(rng.uniform(0, 5, 3)), emission="disc", half_angle=1.2, **place),
            Lamp(tuple(rng.uniform(0, 5, 3)), emission="cone", half_angle=0.9, blend=0.5, **place),
            Lamp(tuple(rng.uniform(0, 5, 3)), position=place["position"]),
        ]
    return Light(np.concatenate([np.full((1, 3), 3.0), rng.normal(size=(15, 3))]), tuple(lamps))


def unit(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))


def test_the_basis_is_orthonormal() -> None:
    values = harmonics.basis(RAYS)
    np.testing.assert_allclose(integral(values[..., None] * values[..., None, :]), np.eye(16), atol=2e-5)


def test_kernels_do_to_the_harmonics_what_integrals_do() -> None:
    light = some_light(1, near=False)
    light = Light(light.harmonics)
    radiance = harmonics.basis(RAYS) @ light.harmonics
    for normal in unit(np.random.default_rng(2).normal(size=(5, 3))):
        cosine = RAYS @ normal
        exact = integral(np.maximum(cosine, 0.0)[..., None] * radiance)
        np.testing.assert_allclose(light.irradiance(np.zeros(3), normal), exact, rtol=1e-4, atol=1e-4)
        for sharpness in LOBES:
            kernel = np.exp(sharpness * (cosine - 1.0))
            exact = integral(kernel[..., None] * radiance) / integral(kernel)
            np.testing.assert_allclose(light.lobe(np.zeros(3), normal, sharpness), exact, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(light.ambient(np.zeros(3)), integral(radiance) / (4.0 * math.pi), rtol=1e-4)


@pytest.mark.parametrize("size", [0.0, 0.3, 1.0, 2.0, math.pi])
def test_a_round_lamp_gives_what_its_disc_gives(size: float) -> None:
    lamp = Lamp((2.0, 1.0, 0.5), direction=(0.0, 0.6, 0.8), size=size)
    light = Light(lamps=(lamp,))
    angles = np.linspace(0.0, math.pi, 13)
    normals = np.stack([np.zeros(13), np.sin(angles), np.cos(angles)], axis=-1)
    found = light.irradiance(np.zeros(3), normals)
    if size == 0.0:
        np.testing.assert_allclose(found, np.maximum(normals @ lamp.direction, 0.0)[:, None] * lamp.colour, atol=1e-12)
        return
    disc = RAYS @ np.array(lamp.direction) >= math.cos(0.5 * size)
    radiance = disc[..., None] * np.array(lamp.colour) / (math.pi * math.sin(0.5 * size) ** 2)
    exact = np.stack([integral(np.maximum(RAYS @ normal, 0.0)[..., None] * radiance) for normal in normals])
    np.testing.assert_allclose(found, exact, atol=0.012 if size < 0.5 else 0.004)
    np.testing.assert_allclose(light.ambient(np.zeros(3)), integral(radiance) / (4.0 * math.pi), rtol=0.01)
    for sharpness in LOBES:
        kernels = np.exp(sharpness * (RAYS @ normals[2] - 1.0)), np.exp(sharpness * (RAYS @ normals[8] - 1.0))
        exact = np.stack([integral(kernel[..., None] * radiance) / integral(kernel) for kernel in kernels])
        found = light.lobe(np.zeros(3), normals[[2, 8]], sharpness)
        # One lobe stands for lobe and disc together, which is rough for a lamp that fills half of the sky.
        np.testing.assert_allclose(found, exact, atol=(0.1 if size <= 1.0 else 0.5) * exact.max())


def test_the_clipped_cosine_is_even_in_halves() -> None:
    cosine, radius = np.linspace(-1, 1, 41)[:, None], np.cos(np.linspace(0.0, 0.5 * math.pi, 17))
    values = clipped_cosine(cosine, radius)
    # What is cut off above is what is left below.
    np.testing.assert_allclose(
        values - clipped_cosine(-cosine, radius), np.broadcast_to(cosine, values.shape), atol=1e-9
    )
    assert (np.diff(values, axis=0) >= -1e-12).all() and (values >= -1e-12).all()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), shift=st.floats(-2, 2), scale=st.floats(0.5, 4))
def test_a_world_that_moves_with_its_light_is_shaded_alike(seed: int, shift: float, scale: float) -> None:
    light, rng = some_light(seed), np.random.default_rng(seed + 5000)
    turn, by = axis_angle_to_matrix(rng.normal(size=3) * 2.0), np.array([shift, -shift, 1.0])
    points, normals, mirrored = rng.normal(size=(7, 3)), unit(rng.normal(size=(7, 3))), unit(rng.normal(size=(7, 3)))
    before = light.shading(points, normals, mirrored)
    after = light.moved(turn, by, scale).shading(scale * points @ turn.T + by, normals @ turn.T, mirrored @ turn.T)
    np.testing.assert_allclose(after, before, rtol=1e-9, atol=1e-9)


def test_a_mirrored_light_shades_a_mirrored_hand_alike() -> None:
    light, mirror = some_light(3), np.diag([-1.0, 1.0, 1.0])
    points, normals = np.array([0.1, 0.2, 0.3]), unit(np.array([1.0, 2.0, 3.0]))
    moved = light.moved(mirror, (0.0, 0.0, 0.0))
    np.testing.assert_allclose(moved.irradiance(mirror @ points, mirror @ normals), light.irradiance(points, normals))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), factor=st.floats(0, 100))
def test_shading_is_linear_in_the_light(seed: int, factor: float) -> None:
    first, second = some_light(seed), some_light(seed + 1)
    rng = np.random.default_rng(seed)
    points, normals, mirrored = rng.normal(size=(7, 3)), unit(rng.normal(size=(7, 3))), unit(rng.normal(size=(7, 3)))
    place = (points, normals, mirrored)
    together = (first.scaled(factor) + second).shading(*place)
    np.testing.assert_allclose(together, factor * first.shading(*place) + second.shading(*place), rtol=1e-9, atol=1e-9)


def test_even_radiance_of_one_gives_ones() -> None:
    shading = Light.uniform((1.0, 1.0, 1.0)).shading(np.zeros(3), UP, UP)
    np.testing.assert_allclose(shading, np.ones((4, 3)), rtol=1e-12)


def test_near_lamps_fall_off_and_keep_to_their_shape() -> None:
    disc = Lamp((9.0, 9.0, 9.0), position=(0.0, 0.0, 3.0), emission="disc", axis=(0.0, 0.0, -2.0))
    cone = Lamp((9.0, 9.0, 9.0), position=(0.0, 0.0, 3.0), emission="cone", axis=(0.0, 0.0, -1.0), half_angle=0.4)
    below, aside, above = np.zeros(3), np.array([3.0, 0.0, 0.0]), np.array([0.0, 0.0, 6.0])
    for lamp in (disc, cone):
        np.testing.assert_allclose(Light(lamps=(lamp,)).irradiance(below, UP), np.ones(3))
        np.testing.assert_allclose(Light(lamps=(lamp,)).irradiance(above, -UP), np.zeros(3))
    # Half the intensity by the cosine's root, an eighteenth by distance, and again the cosine at the surface.
    np.testing.assert_allclose(Light(lamps=(disc,)).irradiance(aside, UP), np.full(3, 0.25))
    np.testing.assert_allclose(Light(lamps=(cone,)).irradiance(aside, UP), np.zeros(3))


@pytest.mark.parametrize("emission", ["all", "disc", "cone"])
def test_a_lamp_inside_the_hand_is_bright_and_finite(emission: str) -> None:
    axis = None if emission == "all" else (0.0, 0.0, 1.0)
    lamp = Lamp((1.0, 1.0, 1.0), position=(0.1, 0.0, 0.0), emission=emission, axis=axis)  # type: ignore[arg-type]
    shading = Light(lamps=(lamp,)).shading(np.array([[0.1, 0.0, 0.0], [0.1, 0.0, 1e-9]]), UP, UP)
    # The sharper lobe looks straight at it: its density there times the flux of the nearest that a lamp comes.
    assert np.isfinite(shading).all() and shading.max() <= 1.01 * LOBES[1] / (2.0 * math.pi) / NEAREST**2


def test_of_a_thousand_lamps_the_strongest_stay_and_no_light_is_lost() -> None:
    rng = np.random.default_rng(5)
    lamps = tuple(
        Lamp(tuple(rng.uniform(0, 1, 3)), position=tuple(4.0 * unit(rng.normal(size=3))), size=0.5) for _ in range(1000)
    )
    light = Light.uniform((0.1, 0.1, 0.1), (*lamps, Lamp((0.0, 0.0, 0.0), direction=(0.0, 0.0, 1.0))))
    point = np.array([0.05, 0.0, 0.0])
    less = light.limited(point)
    assert len(less.lamps) == KEY_LAMPS
    strength = [lamp.at(point)[1].sum() for lamp in less.lamps]
    assert min(strength) > np.median([lamp.at(point)[1].sum() for lamp in lamps])
    np.testing.assert_allclose(less.ambient(point), light.ambient(point), rtol=1e-9)
    normals = unit(rng.normal(size=(20, 3)))
    np.testing.assert_allclose(less.irradiance(point, normals), light.irradiance(point, normals), rtol=0.01)
    assert less.limited(point) is less


def test_panoramas_and_lights_are_each_others_inverse() -> None:
    light = Light(np.concatenate([np.full((1, 3), 9.0), 0.2 * np.random.default_rng(0).normal(size=(15, 3))]))
    np.testing.assert_allclose(panorama_light(light_panorama(light, 128)).harmonics, light.harmonics, atol=1e-3)


def test_small_panoramas_count_by_area() -> None:
    small = np.random.default_rng(1).uniform(0, 1, (4, 8, 3))
    large = np.repeat(np.repeat(small, 64, axis=0), 64, axis=1)
    np.testing.assert_allclose(panorama_light(small).harmonics, panorama_light(large).harmonics, atol=2e-3)


def test_the_panorama_has_cycles_axes() -> None:
    picture = np.zeros((64, 128, 3))
    picture[32, 64] = 1.0
    np.testing.assert_allclose(panorama_light(picture).lamps[0].direction, [1.0, 0.0, 0.0], atol=0.05)
    picture = np.zeros((64, 128, 3))
    picture[32, 32] = 1.0
    np.testing.assert_allclose(panorama_light(picture).lamps[0].direction, [0.0, 1.0, 0.0], atol=0.05)
    np.testing.assert_allclose(directions(64, 128)[0, 0, 2], 1.0, atol=0.01)


def test_a_sun_in_a_panorama_becomes_a_lamp_and_no_light_is_lost() -> None:
    towards = unit(np.array([0.5, -0.4, 0.7]))
    sky = np.full((256, 512, 3), 0.3) + 0.2 * directions(256, 512)[..., 2:]
    bare = panorama_light(sky).harmonics
    sky[directions(256, 512) @ towards >= math.cos(math.radians(2.0))] += [4000.0, 3600.0, 3000.0]
    light = panorama_light(sky)
    (sun,) = light.lamps
    assert math.degrees(math.acos(min(float(np.dot(sun.direction, towards)), 1.0))) < 0.3  # type: ignore[arg-type]
    assert 3.0 < math.degrees(sun.size) < 5.0
    folded = panorama_light(sky, suns=0)
    np.testing.assert_allclose(light.ambient(np.zeros(3)), folded.ambient(np.zeros(3)), rtol=1e-3)
    np.testing.assert_allclose(light.harmonics, bare, atol=0.01)
    # A sky of soft clouds has no sun.
    assert not panorama_light(np.full((64, 128, 3), 0.3) + 0.2 * directions(64, 128)[..., 2:]).lamps


def test_lights_travel_as_json_in_a_frame_request() -> None:
    camera = Camera(32, 16, 40.0, 40.0, 16.0, 8.0, np.eye(4))
    hands = (HandInstance(HandPose.rest()), HandInstance(HandPose.rest("left"), light=some_light(8)))
    request = FrameRequest(camera, hands, light=some_light(7))
    document = json.loads(json.dumps(request.to_json(), allow_nan=False))
    again = FrameRequest.from_json(document)
    assert again.to_json() == request.to_json()
    for hand, twin in zip(hands, again.hands, strict=True):
        first, second = request.light_of(hand), again.light_of(twin)
        assert first is not None and second is not None
        np.testing.assert_array_equal(first.shading(UP, UP, UP), second.shading(UP, UP, UP))
    assert FrameRequest.from_json(FrameRequest(camera, hands[:1]).to_json()).light is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Lamp((-1.0, 0.0, 0.0), direction=(0, 0, 1)), "colour"),
        (lambda: Lamp((math.inf, 0.0, 0.0), direction=(0, 0, 1)), "colour"),
        (lambda: Lamp((math.nan, 0.0, 0.0), direction=(0, 0, 1)), "colour"),
        (lambda: Lamp((1.0, 1.0, 1.0)), "direction or a position"),
        (lambda: Lamp((1.0, 1.0, 1.0), direction=(0, 0, 0)), "direction"),
        (lambda: Lamp((1.0, 1.0, 1.0), position=(0, 0, 1), emission="disc"), "axis"),
        (lambda: Lamp((1.0, 1.0, 1.0), position=(0, 0, 1), size=-1.0), "size"),
        (lambda: Lamp((1.0, 1.0, 1.0), direction=(0, 0, 1), size=4.0), "size"),
        (lambda: Light(np.zeros((9, 3))), "shape"),
        (lambda: Light(np.full((16, 3), np.nan)), "finite"),
        (lambda: Light(np.full((16, 3), -1.0)), "negative radiance"),
        (lambda: Light().scaled(-1.0), "strength"),
        (lambda: Light().scaled(math.inf), "strength"),
        (lambda: panorama_light(np.full((8, 16, 3), np.nan)), "not finite"),
        (lambda: panorama_light(np.zeros((8, 16))), "shape"),
        (lambda: Light.from_json({"harmonics": [[0, 0, 0]] * 16, "lamp": []}), "unknown"),
        (lambda: Light.from_json({"harmonics": "bright"}), "not fit"),
        (lambda: Light.from_json({"lamps": [{"colour": [1, 1], "direction": [0, 0, 1]}]}), "not fit"),
    ],
)
def test_lights_that_cannot_be_meant_are_refused(make: object, message: str) -> None:
    with pytest.raises(LightError, match=message):
        make()  # type: ignore[operator]


def test_no_light_is_dark() -> None:
    assert Light().is_dark and Light(lamps=(Lamp((0.0, 0.0, 0.0), direction=(0, 0, 1)),)).is_dark
    assert not some_light(0).is_dark
    assert not Light().shading(UP, UP, UP).any()
    with pytest.raises(LiveHandError):
        FrameRequest.from_json({"camera": {}, "hands": [], "light": {"harmonics": []}})
