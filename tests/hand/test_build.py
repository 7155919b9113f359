"""The builder's parts give the stored asset again, and its field and remesher do what the build relies on."""

from __future__ import annotations

import numpy as np
import pytest
from hand_builder import anatomy, field, noise, remesh, rigging, skin, texture

from livehand_core.hand import detail
from livehand_core.hand import skin as skin_maps
from livehand_core.hand.builtin import builtin_hand
from livehand_core.hand.data import HandData


@pytest.fixture(scope="module")
def hand() -> HandData:
    return builtin_hand("right")


@pytest.fixture(scope="module")
def texels(hand: HandData) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return texture.texel_points(hand, skin_maps.MAP_SIZE)


def test_vertices_lie_on_the_field(hand: HandData) -> None:
    assert np.abs(field.hand_distance(hand.v_template)).max() < 3e-4


def test_rigging_is_repeatable_and_equals_the_asset(hand: HandData) -> None:
    vertices = hand.v_template.astype(np.float64)
    weights = rigging.skinning_weights(vertices, hand.faces)
    np.testing.assert_array_equal(weights, rigging.skinning_weights(vertices, hand.faces))
    np.testing.assert_allclose(weights, hand.weights, atol=2e-3)
    np.testing.assert_allclose(rigging.shape_directions(vertices, weights), hand.shapedirs, atol=3e-5)
    np.testing.assert_allclose(rigging.pose_correctives(vertices, weights), hand.posedirs, atol=1e-4)
    np.testing.assert_allclose(hand.rest_joints(), anatomy.joints(), atol=1e-6)


def test_planes_are_repeatable_and_equal_the_asset(
    hand: HandData, texels: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> None:
    face, bary, overlap = texels
    assert overlap.max() == 1
    rows, columns = np.nonzero(face >= 0)
    pick = np.random.default_rng(8).choice(len(rows), 400, replace=False)
    rows, columns = rows[pick], columns[pick]
    points, normals = texture.surface_of(hand, face[rows, columns], bary[rows, columns])
    layers = skin.skin(points, normals)
    stored = skin_maps.stored_planes()
    for name in skin_maps.PLANES:
        made = skin_maps.encode(name, layers[name]).astype(int)
        # Another processor may round the last digit the other way.
        assert np.abs(made - stored[name][rows, columns]).max() <= 1, name


def test_texels_are_fine_enough_for_furrows(hand: HandData) -> None:
    corner = hand.uv[hand.uv_faces].astype(np.float64) * skin_maps.MAP_SIZE
    a, b = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
    texels = 0.5 * np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])
    solid = hand.v_template[hand.faces].astype(np.float64) * 1e3
    area = 0.5 * np.linalg.norm(np.cross(solid[:, 1] - solid[:, 0], solid[:, 2] - solid[:, 0]), axis=1)
    size = np.sqrt(area / texels)
    assert np.quantile(size, 0.98) < 0.3 and size.max() < 0.5


def test_every_finger_has_a_nail_on_its_back(hand: HandData, texels: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    nails = skin_maps.stored_planes()["nail"] > 128
    face = texels[0]
    owner = hand.weights[hand.faces[face[nails & (face >= 0)]]].mean(axis=1).argmax(axis=1)
    assert set(np.unique(owner)) == {3, 6, 9, 12, 15}
    normal = detail.vertex_normals(hand.v_template, hand.faces)[hand.faces[face[nails & (face >= 0)]]].mean(axis=1)
    assert normal[owner != 15, 1].mean() > 0.6


def test_noise_is_smooth_repeats_and_fills_its_range() -> None:
    points = np.random.default_rng(1).uniform(-40.0, 40.0, size=(4000, 3))
    value = noise.noise(points, 3.0, 1.0)
    np.testing.assert_array_equal(value, noise.noise(points, 3.0, 1.0))
    assert np.abs(value - noise.noise(points + 0.01, 3.0, 1.0)).max() < 0.05
    assert 0.85 < value.std() < 0.95 and abs(value.mean()) < 0.1
    assert abs(np.corrcoef(value, noise.noise(points, 3.0, 2.0))[0, 1]) < 0.1


def test_a_line_tells_its_sides_and_its_ends() -> None:
    points = np.array([[1.0, 0.5], [1.0, -0.5], [-3.0, 0.0], [6.0, 0.0]])
    distance, t = noise.line(points, [(0.0, 0.0), (1.0, 0.0), (2.0, 0.0)])
    np.testing.assert_allclose(distance, [0.5, -0.5, 3.0, 4.0], atol=0.01)
    np.testing.assert_allclose(t, [0.5, 0.5, 0.0, 1.0], atol=0.01)


def test_smooth_min_is_below_both_and_exact_far_away() -> None:
    a, b = np.random.default_rng(0).normal(0.0, 5.0, size=(2, 1000))
    low = field.smooth_min(a, b, 3.0)
    assert (low <= np.minimum(a, b) + 1e-12).all()
    far = np.abs(a - b) > 3.0
    np.testing.assert_allclose(low[far], np.minimum(a, b)[far])


def test_remesher_keeps_the_surface_closed_and_is_repeatable() -> None:
    vertices, faces = remesh.open_wrist(*remesh.extract(0.010))
    rim = remesh.boundary_vertices(faces, len(vertices))
    np.testing.assert_allclose(vertices[rim, 0], field.WRIST_CUT)

    def even(points: np.ndarray) -> np.ndarray:
        return np.full(len(points), 0.018)

    first = remesh.remesh(vertices, faces, even, rounds=1)
    again = remesh.remesh(vertices, faces, even, rounds=1)
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    edges = np.concatenate([first[1][:, [0, 1]], first[1][:, [1, 2]], first[1][:, [2, 0]]])
    _, uses = np.unique(np.sort(edges, axis=1), axis=0, return_counts=True)
    assert set(uses) <= {1, 2}
    assert len(first[0]) < len(vertices)
