"""Meshes in a hand's light as data: what they are, what is refused, and how they travel."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from livehand_core.cameras import Camera
from livehand_core.errors import LiveHandError, OccluderError
from livehand_core.frames import FrameRequest
from livehand_core.occluders import MOST_FACES, Occluder

CORNERS = [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.1]]
FACE = [[0, 1, 2]]
FRAME = FrameRequest(Camera(32, 16, 40.0, 40.0, 16.0, 8.0, np.eye(4)), ())


def strip(faces: int) -> Occluder:
    """So many triangles beside each other."""
    points = np.random.default_rng(0).normal(size=(faces + 2, 3))
    return Occluder("strip", points, np.arange(faces)[:, None] + np.arange(3))


def test_a_mesh_is_kept_in_its_own_memory_and_small_types() -> None:
    corners = np.array(CORNERS)
    mesh = Occluder("cup", corners, np.array(FACE, dtype=np.int64))
    corners[:] = 7.0
    assert (mesh.vertices.dtype, mesh.faces.dtype) == (np.float32, np.int32)
    np.testing.assert_array_equal(mesh.vertices, np.float32(CORNERS))
    with pytest.raises(ValueError, match="read-only"):
        mesh.vertices[0] = 0.0


def test_it_comes_back_from_json_bit_by_bit_within_a_frame() -> None:
    frame = replace(FRAME, occluders=(strip(500), Occluder("empty", [], [], sky=False)))
    document = json.loads(json.dumps(frame.to_json(), allow_nan=False))
    again = FrameRequest.from_json(document)
    assert again.occluders == frame.occluders and again.to_json() == frame.to_json()
    assert [occluder.sky for occluder in again.occluders] == [True, False]
    np.testing.assert_array_equal(again.occluders[0].vertices, frame.occluders[0].vertices)
    plain = {"name": "cup", "vertices": CORNERS, "faces": FACE}
    assert FrameRequest.from_json({**document, "occluders": [plain]}).occluders == (Occluder("cup", CORNERS, FACE),)
    del document["occluders"]
    assert FrameRequest.from_json(document).occluders == ()


def test_equal_meshes_and_no_others_have_one_key() -> None:
    mesh = Occluder("cup", CORNERS, FACE)
    others = [
        Occluder("pot", CORNERS, FACE),
        Occluder("cup", np.array(CORNERS) + 1e-6, FACE),
        Occluder("cup", CORNERS, [[1, 0, 2]]),
        Occluder("cup", CORNERS, FACE * 2),
        Occluder("cup", CORNERS, FACE, sky=False),
    ]
    assert mesh == Occluder("cup", CORNERS, FACE) and len({mesh, *others}) == 6


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: Occluder("cup", [[0.0, np.nan, 0.0]], [[0, 0, 0]]), "'cup' has vertices that are not finite"),
        (lambda: Occluder("cup", [[0.0, np.inf, 0.0]], [[0, 0, 0]]), "not finite"),
        (lambda: Occluder("cup", [[2e6, 0.0, 0.0]], [[0, 0, 0]]), "beyond 1e"),
        (lambda: Occluder("cup", CORNERS, [[0, 1, 3]]), "not there. Give indices from 0 to 2"),
        (lambda: Occluder("cup", CORNERS, [[0, 1, -1]]), "not there"),
        (lambda: Occluder("cup", CORNERS, [[0, 1, 2**40]]), "not there"),
        (lambda: Occluder("cup", [], FACE), "not there"),
        (lambda: Occluder("cup", CORNERS, [[0.0, 1.0, 2.0]]), "faces of the occluder 'cup' have the shape"),
        (lambda: Occluder("cup", [[0.0, 1.0]], FACE), r"shape \(1, 2\)"),
        (lambda: Occluder("cup", [["a", "b", "c"]], FACE), "vertices of the occluder"),
        (lambda: Occluder("cup", [[0.0], [1.0, 2.0]], FACE), "vertices of the occluder"),
        (lambda: Occluder(3, CORNERS, FACE), "the name 3"),  # type: ignore[arg-type]
        (lambda: Occluder("cup", np.zeros((MOST_FACES + 1, 3)), FACE), "100001 vertices"),
        (lambda: Occluder("cup", CORNERS, np.zeros((MOST_FACES + 1, 3), int)), "100001 triangles"),
        (lambda: replace(FRAME, occluders=(strip(MOST_FACES - 2), strip(3))), "occluders have 100001 triangles"),
        (lambda: replace(FRAME, occluders=(3,)), "an object with name"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_meant_is_refused(make: Callable[[], Any], reason: str) -> None:
    with pytest.raises(OccluderError, match=reason):
        make()


@pytest.mark.parametrize(
    "change",
    [
        {"vertices": "####"},
        {"vertices": "AAAA"},
        {"faces": "AAAAAA=="},
        {"more": 1},
        {"name": None},
        {"faces": {}},
        {"sky": 1},
    ],
)
def test_documents_that_are_none(change: dict[str, Any]) -> None:
    document = {**Occluder("cup", CORNERS, FACE).to_json(), **change}
    with pytest.raises(LiveHandError):
        FrameRequest.from_json({**FRAME.to_json(), "occluders": [document]})
    with pytest.raises(LiveHandError, match="not a list"):
        FrameRequest.from_json({**FRAME.to_json(), "occluders": document})
