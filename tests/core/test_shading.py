"""The light that a hand receives, against float64 sums and rays: visibility, scattering, frames, the pixel stage."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from livehand_core.cameras import Camera
from livehand_core.harmonics import basis, spread_axes, spread_directions
from livehand_core.kernels.mesh.raster import rasterise
from livehand_core.kernels.shading.material import EDGE_RADIUS
from livehand_core.kernels.shading.vertices import SKIN
from livehand_core.lights import Lamp, Light, clipped_cosine
from livehand_core.rendering.shading.mesh import ShadedMesh
from livehand_core.rendering.shading.pixels import SeenSurface, lit_pixels, turned
from livehand_core.rendering.shading.received import LAMPS, NORMAL, SCATTER, SKY, Standing, receive, wrapped_cosine
from livehand_core.rendering.shading.shadows import (
    SKY_SIDE,
    DepthMap,
    Occluders,
    Sphere,
    alone,
    drawn_map,
    map_rows,
    sharply_visible,
    skin_points,
    sky_sight,
    visible,
)
from livehand_core.rendering.torch.shading import LitTensors, encoded, harmonic_basis, light_features, shaded
from livehand_core.rotations import axis_angle_to_matrix

from .conftest import camera_at, tube_hand

UP = np.array([0.0, 0.0, 1.0])


def grid(side: int = 24, half: float = 0.1, height: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """A square of triangles at a height, its normals upwards."""
    line = np.linspace(-half, half, side)
    x, y = np.meshgrid(line, line)
    vertices = np.stack([x, y, np.full_like(x, height)], axis=-1).reshape(-1, 3).astype(np.float32)
    first = (np.arange(side - 1)[:, None] * side + np.arange(side - 1)).reshape(-1)
    lower = np.stack([first, first + 1, first + side], axis=1)
    upper = np.stack([first + 1, first + side + 1, first + side], axis=1)
    return vertices, np.concatenate([lower, upper]).astype(np.int32)


def hidden_share(points: np.ndarray, lamp: np.ndarray, radius: float, height: float, half: float) -> np.ndarray:
    """What share of a ball lamp a square of half side ``half`` at ``height`` lets through to points: by rays."""
    towards = lamp / np.linalg.norm(lamp)
    aside = np.cross(towards, [0.0, 1.0, 0.0])
    aside /= np.linalg.norm(aside)
    across = np.cross(towards, aside)
    count = 400
    ring, turn = radius * np.sqrt((np.arange(count) + 0.5) / count), np.arange(count) * 2.399963
    places = lamp + np.outer(ring * np.cos(turn), aside) + np.outer(ring * np.sin(turn), across)
    step = (height - points[:, None, 2]) / (places[:, 2] - points[:, None, 2])
    met = points[:, None] + step[..., None] * (places - points[:, None])
    return 1.0 - (np.abs(met[..., :2]).max(axis=-1) < half).mean(axis=1)


def depth_map(
    occluders: Occluders, sphere: Sphere, light: np.ndarray, near: bool, side: int, radius: float
) -> DepthMap:
    """Of a lamp at a place, or of light from a direction."""
    spread = radius / np.linalg.norm(light - sphere.middle) if near else 0.0
    return drawn_map(occluders, map_rows(sphere, light[None], np.array([near]), np.array([spread]), side)[0])


def test_a_plate_throws_its_shadow_and_a_wider_lamp_a_softer_one() -> None:
    floor, plate = grid(), grid(4, 0.03, 0.05)
    occluders, sphere = Occluders.of([floor, plate]), Sphere.around(floor[0])
    points, normals = floor[0], np.tile(UP, (len(floor[0]), 1))
    lamp = np.array([0.1, 0.0, 0.6])
    errors = []
    for radius in (0.03, 0.12):
        found = visible(depth_map(occluders, sphere, lamp, True, 192, radius), lamp, skin_points(points, normals))[
            : len(points)
        ]
        assert found.min() >= 0.0 and found.max() <= 1.0
        errors.append(np.abs(found - hidden_share(points.astype(np.float64), lamp, radius, 0.05, 0.03)).mean())
    assert max(errors) < 0.04
    sharp = sharply_visible(depth_map(occluders, sphere, UP, False, 192, 0.0), skin_points(points, normals))[
        : len(points)
    ]
    inside, outside = np.abs(points[:, :2]).max(axis=1) < 0.026, np.abs(points[:, :2]).max(axis=1) > 0.034
    assert sharp[inside].max() == 0.0 and sharp[outside].min() > 0.9999


def test_a_lamp_inside_the_hand_throws_no_shadow() -> None:
    mesh, vertices = tube()
    received = receive(mesh, vertices, Light(lamps=(Lamp((1.0, 1.0, 1.0), position=tuple(vertices.mean(axis=0))),)))
    assert np.isfinite(received.vertices).all() and (received.vertices[:, LAMPS] == 1.0).all()


def tube() -> tuple[ShadedMesh, np.ndarray]:
    hand = tube_hand()
    mesh = ShadedMesh.of(hand)
    return mesh, mesh.closed(hand.v_template)


def test_smoothing_keeps_what_is_even_and_spreads_what_is_not() -> None:
    mesh, vertices = tube()
    even = np.ones((len(vertices), 2))
    assert np.allclose(mesh.smoothed(even), 1.0, atol=1e-5)
    one = np.zeros((len(vertices), 1))
    one[100] = 1.0
    spread = mesh.smoothed(one)[:, 0]
    away = np.linalg.norm(vertices - vertices[100], axis=1)
    assert spread.min() >= 0.0 and spread[100] == spread.max() and spread[away > 0.025].max() == 0.0


def test_frames_follow_the_mesh_and_point_outwards() -> None:
    mesh, vertices = tube()
    normals, tangents = mesh.frames(vertices)
    assert np.allclose(np.linalg.norm(normals, axis=1), 1.0) and np.allclose((normals * tangents).sum(axis=1), 0.0)
    centre = vertices.mean(axis=0)
    side = np.abs(vertices[:, 0] - centre[0]) < 0.04
    assert ((vertices - centre) * normals * [0.0, 1.0, 1.0]).sum(axis=1)[side].min() > 0.0
    turn = axis_angle_to_matrix(np.array([0.4, -1.1, 0.3]))
    turned = mesh.frames((vertices @ turn.T).astype(np.float32))
    assert np.allclose(turned[0], normals @ turn.T, atol=1e-5)
    # At the poles of the tube no direction is that of u.
    assert np.allclose(turned[1][side], (tangents @ turn.T)[side], atol=1e-4)


def test_the_wrapped_cosine_is_near_the_exact_one() -> None:
    angles = np.linspace(-1.0, 1.0, 201)
    for radius in (0.01, 0.2, 0.5):
        exact = clipped_cosine(angles, np.full_like(angles, math.cos(radius)))
        assert np.abs(wrapped_cosine(angles, math.sin(radius)) - exact).max() < 0.02
    # Nothing is lost at its ends.
    assert wrapped_cosine(np.array([-0.3, 0.3]), 0.3).tolist() == pytest.approx([0.0, 0.3])


def test_an_even_sky_over_a_plate_gives_all_of_its_light_but_below_a_lid() -> None:
    vertices, faces = grid(12)
    mesh, tube_vertices = tube()
    free = receive(mesh, tube_vertices, Light.uniform((1.0, 2.0, 3.0)))
    # A tube hides no sky from its own skin; maps of 64 texels take some of what grazes it.
    assert np.median(free.vertices[:, SKY]) > 0.85
    middle = tube_vertices.mean(axis=0)
    lid = (vertices * 3.0 + middle + [0.0, 0.0, 0.05]).astype(np.float32), faces
    under = receive(mesh, tube_vertices, Light.uniform((1.0, 2.0, 3.0)), [lid])
    above = free.vertices[:, NORMAL][:, 2] > 0.9
    assert under.vertices[above, SKY].mean() < 0.35 < 0.85 < free.vertices[above, SKY].mean()
    assert np.allclose(under.vertices[:, SKY], under.vertices[:, [6, 6, 6]], atol=1e-6)


def test_a_lid_that_the_sky_was_seen_past_hides_lamps_alone() -> None:
    vertices, faces = grid(12)
    mesh, points = tube()
    light = Light.uniform((1.0, 1.0, 1.0), (Lamp((2.0, 2.0, 2.0), direction=(0.0, 0.0, 1.0)),))
    lid = (vertices * 3.0 + points.mean(axis=0) + [0.0, 0.0, 0.05]).astype(np.float32), faces
    free, under = receive(mesh, points, light), receive(mesh, points, light, (), [lid])
    np.testing.assert_array_equal(free.vertices[:, SKY], under.vertices[:, SKY])
    above = free.vertices[:, NORMAL][:, 2] > 0.9
    assert under.vertices[above, LAMPS].max() < 0.05 < 0.9 < free.vertices[above, LAMPS].mean()


def test_what_is_received_is_linear_in_the_light() -> None:
    mesh, vertices = tube()
    lamp = Lamp((3.0, 2.0, 1.0), direction=(0.6, 0.0, 0.8), size=0.3)
    sky = np.abs(np.random.default_rng(1).normal(size=(16, 3))) * 0.05 + np.eye(16, 3) * 2.0
    light = Light(sky, (lamp,))
    once, twice = (receive(mesh, vertices, light.scaled(factor)) for factor in (1.0, 2.0))
    assert np.allclose(twice.vertices[:, SCATTER], 2.0 * once.vertices[:, SCATTER], rtol=1e-5)
    assert np.allclose(twice.vertices[:, SKY], once.vertices[:, SKY], atol=1e-6)
    assert np.allclose(twice.irradiance, 2.0 * once.irradiance) and np.allclose(twice.lobes, 2.0 * once.lobes)
    assert np.array_equal(twice.vertices[:, LAMPS:], once.vertices[:, LAMPS:])


def pixels_of(light: Light, dtype: torch.dtype = torch.float32) -> LitTensors:
    mesh, vertices = tube()
    camera = camera_at((0.3, -0.35, 0.3))
    received = receive(mesh, vertices, light)
    surface = SeenSurface.of(mesh, vertices, camera, 0.003)
    places = np.flatnonzero(surface.place.reshape(-1) >= 0)
    beside = np.flatnonzero((surface.face.reshape(-1) < 0) & (surface.place.reshape(-1) >= 0))
    assert len(beside) > 20 and (surface.face.reshape(-1)[surface.place.reshape(-1)[beside]] >= 0).all()
    return LitTensors.of(
        lit_pixels(mesh, vertices, surface, received, camera, places), received, torch.device("cpu"), dtype
    )


def test_features_are_one_in_an_even_light() -> None:
    features = light_features(pixels_of(Light.uniform((1.0, 1.0, 1.0))))
    lit = pixels_of(Light.uniform((1.0, 1.0, 1.0)))
    share = lit.sky.clamp(min=0.2)
    assert torch.allclose(features[:, 0], lit.sky, atol=1e-4)
    assert torch.allclose(features[:, 3] / share, lit.sky / share, atol=1e-4)


def test_features_are_those_of_the_light_by_float64_sums() -> None:
    """Diffuse and lobes of lamps and sky, without shadows, against ``Light`` in float64."""
    sky = Light.uniform((0.5, 0.6, 0.7)).harmonics + 0.05 * np.random.default_rng(3).normal(size=(16, 3))
    lamps = (
        Lamp((3.0, 2.0, 1.0), direction=(0.6, -0.5, 0.62), size=0.2),
        Lamp((0.2, 0.3, 0.4), position=(0.2, -0.5, 0.4)),
    )
    light = Light(sky, lamps)
    lit = pixels_of(light, torch.float64)
    mesh, vertices = tube()
    seen = np.ones(len(lit.normal), bool)
    lit = lit._replace(sky=torch.ones_like(lit.sky))
    # Of lamps take what arrives where nothing is hidden: facing over its largest value by direction.
    features = light_features(lit).numpy()
    camera = camera_at((0.3, -0.35, 0.3))
    surface = SeenSurface.of(mesh, vertices, camera, 0.003)
    places = surface.place.reshape(-1)[np.flatnonzero(surface.place.reshape(-1) >= 0)]
    points = np.einsum(
        "pk,pkc->pc", surface.barycentric.reshape(-1, 3)[places], vertices[mesh.faces[surface.face.reshape(-1)[places]]]
    )
    for column, lamp in enumerate(lamps):
        share = lit.facing[:, column].numpy() / np.maximum(lamp.at(points)[1], 1e-9)
        seen &= share.min(axis=1) > 0.999
    assert seen.sum() > 100
    normals, view = lit.normal.numpy(), lit.view.numpy()
    mirrored = view - 2.0 * (view * normals).sum(axis=1, keepdims=True) * normals
    expected = light.shading(points, normals, mirrored)
    for found, wanted in ((0, 0), (3, 2), (4, 3)):
        error = np.abs(features[seen, found] - expected[seen, wanted])
        assert error.max() < 0.03 * expected[seen, wanted].max(), found


def test_the_pixel_stage_is_linear_and_differentiable() -> None:
    light = Light.uniform((0.5, 0.6, 0.7), (Lamp((3.0, 2.0, 1.0), direction=(0.6, -0.5, 0.62), size=0.2),))
    lit, double = (pixels_of(light.scaled(factor), torch.float64) for factor in (1.0, 2.0))
    generator = torch.Generator().manual_seed(0)
    alpha = torch.rand(len(lit.normal), generator=generator, dtype=torch.float64)
    material = torch.rand((len(alpha), 13), generator=generator, dtype=torch.float64) * alpha[:, None]
    assert torch.allclose(shaded(material, alpha, double), 2.0 * shaded(material, alpha, lit), rtol=1e-5)
    few = LitTensors(*(value[:6] for value in lit[:11]), *lit[11:])
    given = material[:6].clone().requires_grad_(), alpha[:6].clamp(min=0.2).clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda m, a: encoded(shaded(m, a, few), a[:, None]), given, atol=1e-6)


def test_what_is_hardly_there_shines_no_brighter_than_white_skin_and_still_learns() -> None:
    lit = pixels_of(Light.uniform((0.5, 0.6, 0.7)), torch.float64)
    alpha = torch.full((len(lit.normal),), 0.02, dtype=torch.float64)
    white = torch.cat([alpha[:, None].expand(-1, 11), 0.5 * alpha[:, None].expand(-1, 2)], dim=1)
    glaring = (white * torch.tensor([30.0] * 11 + [1.0] * 2)).requires_grad_()
    shown = shaded(glaring, alpha, lit)
    assert torch.allclose(shown, shaded(white, alpha, lit))
    (slope,) = torch.autograd.grad(shown.sum(), glaring)
    assert (slope[:, :3] > 0.0).any()


def test_a_pixel_at_the_edge_of_a_finger_has_the_mean_cosine_of_what_it_sees() -> None:
    size, view = np.array([4e-4]), np.array([[0.0, 0.0, 1.0]])
    t = (np.arange(10_000) + 0.5) / 10_000 * size
    mean = np.sqrt(2.0 * t / EDGE_RADIUS).mean()
    for before in (0.05, 0.0, -0.05):
        edge = turned(np.array([[math.sqrt(1.0 - before**2), 0.0, before]]), view, size)
        assert -edge[0, 2] == pytest.approx(mean, rel=0.05) and np.linalg.norm(edge) == pytest.approx(1.0)
    facing = np.array([[0.8, 0.0, -0.6]])
    np.testing.assert_allclose(turned(facing, view, size), facing)


def test_harmonics_are_those_of_the_light() -> None:
    directions = spread_directions(40)
    assert np.allclose(harmonic_basis(torch.from_numpy(directions)).numpy(), basis(directions))


def test_looking_from_behind_sees_the_back() -> None:
    """Light from behind a hand reaches its ``back`` feature and not its diffuse one."""
    lit = pixels_of(Light(lamps=(Lamp((1.0, 1.0, 1.0), direction=(-0.55, 0.64, -0.53)),)))
    features = light_features(lit)
    assert features[:, 2].mean() > 4.0 * features[:, 0].mean()


def test_the_sky_sees_what_each_directions_depth_map_shows() -> None:
    mesh, vertices = tube()
    lid = grid(6, 0.05, 0.06)
    occluders, sphere = Occluders.of([(vertices, mesh.faces), lid], solid=True), Sphere.around(vertices)
    both_sides = occluders._replace(solid=0)
    normals, _ = mesh.frames(vertices)
    axes = spread_axes()
    found = sky_sight(occluders, sphere, axes, skin_points(vertices, normals), alone)[:, : len(vertices)]
    for axis, seen in zip(axes, found, strict=True):
        for towards in (axis, -axis):
            facing = normals @ towards > 1e-3
            shown = depth_map(both_sides, sphere, towards, False, SKY_SIDE, 0.0)
            wanted = sharply_visible(shown, skin_points(vertices, normals))[: len(vertices)]
            assert np.abs(seen - wanted)[facing].max() < 0.02
    assert 0.2 < found[:, normals[:, 2] > 0.5].mean() < 0.8


def test_a_lamps_map_shows_what_the_general_rasteriser_does() -> None:
    """Also of triangles that reach behind the lamp, and of both sides of those that close nothing."""
    vertices, faces = grid(12)
    floor = vertices + np.float32([0.0, 0.0, -0.2]), faces
    wall = np.float32([[-1.0, 0.3, -1.0], [1.0, 0.3, -1.0], [0.0, 0.3, 3.0]]), np.int32([[0, 1, 2]])
    sphere, lamp = Sphere(np.zeros(3), 0.1), np.array([0.05, -0.1, 0.5])
    occluders = Occluders.of([floor, wall, (-vertices * 0.2, faces)])
    drawn = depth_map(occluders, sphere, lamp, True, 96, 0.01)
    camera_to_world = np.linalg.inv(np.vstack([drawn.row[:12].reshape(3, 4), [0.0, 0.0, 0.0, 1.0]]))
    focal = float(drawn.row[12])
    camera = Camera(96, 96, focal, focal, 48.0, 48.0, camera_to_world)
    wanted = rasterise(np.ascontiguousarray(occluders.places.T), np.ascontiguousarray(occluders.faces.T), camera).depth
    assert 0.6 < np.isfinite(wanted).mean() < 0.9 and (wanted[np.isfinite(wanted)] > 0.9).mean() > 0.1
    both = np.isfinite(wanted) & np.isfinite(drawn.depth)
    assert (np.isfinite(wanted) == np.isfinite(drawn.depth)).mean() > 0.995
    assert np.quantile(np.abs(wanted - drawn.depth)[both], 0.999) < 1e-4


def test_an_open_proxy_is_closed_by_flat_ends_of_their_own() -> None:
    hand = tube_hand()
    keep = hand.v_template[hand.faces][:, :, 0].min(axis=1) > -0.1
    cut = replace(hand, faces=hand.faces[keep], uv_faces=hand.uv_faces[keep])
    for data, ends in ((hand, 1), (cut, 2)):
        mesh = ShadedMesh.of(data)
        vertices = mesh.closed(data.v_template)
        assert mesh.solid and len(mesh.ends) == ends and len(mesh.faces) == len(data.faces) + len(mesh.rim)
        normals, tangents = mesh.frames(vertices)
        flat = normals[len(data.v_template) :, 0]
        assert not tangents[len(data.v_template) :].any() and tangents[mesh.rim].any(axis=1).all()
        assert np.abs(flat).min() > 0.99 and (flat < 0.0).any() == (ends == 2) and (flat > 0.0).any()
        # What enters beside an end leaves there, too.
        lit = np.zeros((len(vertices), 1), np.float32)
        lit[mesh.rim] = 1.0
        assert mesh.smoothed(lit)[len(data.v_template) : -ends].min() > 0.0
    inside_out = replace(hand, faces=hand.faces[:, ::-1], uv_faces=hand.uv_faces[:, ::-1])
    assert not ShadedMesh.of(inside_out).solid


def test_a_flat_end_is_lit_evenly_whatever_the_skin_at_its_rim_bends() -> None:
    """Materials bend the normals of skin; on an end, where they are those of its rim, none of them does."""
    mesh, vertices = tube()
    camera = camera_at((0.22, 0.08, 0.1))
    sun = Lamp((2.0, 2.0, 2.0), direction=(0.8, 0.0, 0.6))
    received = receive(mesh, vertices, Light.uniform((0.0, 0.0, 0.0), (sun,)))
    surface = SeenSurface.of(mesh, vertices, camera, 0.003)
    places = np.flatnonzero(surface.face.reshape(-1) >= 0)
    on_end = torch.as_tensor(surface.face.reshape(-1)[places] >= len(mesh.faces) - len(mesh.rim))
    assert on_end.sum() > 50 and (~on_end).sum() > 50
    pixels = lit_pixels(mesh, vertices, surface, received, camera, places)
    lit = LitTensors.of(pixels, received, torch.device("cpu"))
    straight = light_features(lit)[:, 0]
    for offset in ((-2.0, 1.0), (0.5, -2.0)):
        bent = light_features(lit, torch.tensor([offset]).expand(len(places), 2))[:, 0]
        assert torch.allclose(bent[on_end], straight[on_end], atol=1e-6)
        assert (bent - straight)[~on_end].abs().max() > 0.1
    # At its edge a pixel takes the mean of what is beside it.
    even = straight[on_end] / straight[on_end].median()
    assert ((even - 1.0).abs() < 0.02).float().mean() > 0.8


def test_what_is_known_of_a_pose_gives_the_same_light_as_a_new_look() -> None:
    mesh, vertices = tube()
    lid, cup = grid(6, 0.05, 0.06), grid(5, 0.02, -0.06)
    sun, bulb = Lamp((3.0, 2.0, 1.0), direction=(0.2, 0.3, 0.9)), Lamp((0.1, 0.1, 0.1), position=(0.0, 0.2, 0.3))
    standing = Standing(mesh, vertices, [lid], [cup])
    lights = [
        Light.uniform((1.0, 0.5, 0.2), (sun,)),
        Light(),
        Light.uniform((0.1, 0.1, 0.1), (bulb, sun.scaled(2.0), sun)),
        Light.uniform((1.0, 0.5, 0.2), (sun,)),
    ]
    for light in lights:
        known, fresh = standing.receive(light), receive(mesh, vertices, light, [lid], [cup])
        for name in ("vertices", "irradiance", "lobes"):
            np.testing.assert_array_equal(getattr(known, name), getattr(fresh, name))
        assert [lamp.lamp for lamp in known.lamps] == [lamp.lamp for lamp in fresh.lamps] == list(light.lamps)
    assert standing.is_of(vertices.copy(), [(lid[0].copy(), lid[1])], [cup])
    moved = (lid[0] + np.float32(0.01), lid[1])
    assert not standing.is_of(vertices, [moved], [cup]) and not standing.is_of(vertices, [lid, cup], [])
    assert not standing.is_of(vertices + np.float32(1e-3), [lid], [cup])


def test_another_hand_reflects_some_of_the_sky_that_it_hides() -> None:
    """By the fit of Jimenez et al. 2016, in float64; a thing of the same shape reflects nothing."""
    mesh, vertices = tube()
    lid, light, normals = grid(6, 0.05, 0.06), Light.uniform((1.0, 0.7, 0.4)), mesh.frames(vertices)[0]
    axes, around, points = spread_axes(), Sphere.around(vertices), skin_points(vertices, normals)
    shares = []
    for shapes in ([(vertices, mesh.faces)], [(vertices, mesh.faces), lid]):
        seen = sky_sight(Occluders.of(shapes, mesh.solid), around, axes, points, alone)[:, : len(vertices)]
        size = np.abs(axes @ normals.T).astype(np.float64)
        shares.append((seen * size).sum(axis=0) / size.sum(axis=0))
    without, beside = shares
    free = np.minimum(beside / np.maximum(without, 1e-9), 1.0)[:, None]
    albedo = np.array(SKIN)
    cube, square, once = 2.0404 * albedo - 0.3324, -4.7951 * albedo + 0.6417, 2.7552 * albedo + 0.6903
    wanted = without[:, None] * np.maximum(free, ((free * cube + square) * free + once) * free)
    hand, thing, nothing = (
        receive(mesh, vertices, light, others, (), hands).vertices[:, SKY]
        for others, hands in (((), [lid]), ([lid], ()), ((), ()))
    )
    np.testing.assert_allclose(hand, wanted, atol=2e-5)
    np.testing.assert_allclose(thing, np.repeat(beside[:, None], 3, axis=1), atol=2e-5)
    assert (hand >= thing).all() and (hand <= nothing + 1e-6).all()
    between = (free[:, 0] < 0.6) & (free[:, 0] > 0.1)
    assert between.sum() > 10 and (hand[between, 0] > hand[between, 2]).all()
