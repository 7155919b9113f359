"""The builder's parts give the stored asset again, and its field and remesher do what the build relies on."""

from __future__ import annotations

import numpy as np
import pytest
from hand_builder import anatomy, field, remesh, rigging, skin, texture
from PIL import Image

from livehand_core.hand import builtin, detail
from livehand_core.hand.builtin import builtin_hand
from livehand_core.hand.data import HandData


@pytest.fixture(scope="module")
def hand() -> HandData:
    return builtin_hand("right")


@pytest.fixture(scope="module")
def texels(hand: HandData) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return texture.texel_points(hand, texture.SIZE)


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


def test_maps_equal_the_stored_images(hand: HandData, texels: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    face, bary, overlap = texels
    assert overlap.max() == 1
    rows, columns = np.nonzero(face >= 0)
    pick = np.random.default_rng(8).choice(len(rows), 400, replace=False)
    rows, columns = rows[pick], columns[pick]
    corner = hand.faces[face[rows, columns]]
    share = bary[rows, columns]
    points = np.einsum("nk,nkc->nc", share, hand.v_template[corner].astype(np.float64))
    normals = np.einsum("nk,nkc->nc", share, detail.vertex_normals(hand.v_template, hand.faces)[corner])
    points = field.project(points, 2)
    look = skin.skin(points, normals / np.linalg.norm(normals, axis=1, keepdims=True))
    height = np.asarray(Image.open(builtin.ASSETS / detail.HEIGHT_FILE).convert("RGB"))[rows, columns] / 255.0
    np.testing.assert_allclose(height[:, 0], 0.5 + 0.5 * np.clip(look.fine / texture.HEIGHT_RANGE, -1, 1), atol=0.004)
    np.testing.assert_allclose(height[:, 1], look.nail, atol=0.004)
    colour = np.asarray(Image.open(builtin.ASSETS / detail.COLOUR_FILE).convert("RGB"))[rows, columns] / 255.0
    # The colour is stored with loss.
    assert np.abs(colour - look.colour).mean() < 0.01


def test_every_finger_has_a_nail_on_its_back(hand: HandData, texels: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    nails = np.asarray(Image.open(builtin.ASSETS / detail.HEIGHT_FILE).convert("RGB"))[..., 1] > 128
    face = texels[0]
    owner = hand.weights[hand.faces[face[nails & (face >= 0)]]].mean(axis=1).argmax(axis=1)
    assert set(np.unique(owner)) == {3, 6, 9, 12, 15}
    normal = detail.vertex_normals(hand.v_template, hand.faces)[hand.faces[face[nails & (face >= 0)]]].mean(axis=1)
    assert normal[owner != 15, 1].mean() > 0.6


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
