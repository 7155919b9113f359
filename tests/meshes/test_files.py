"""Mesh files: what is in them, by readers of their own; what Blender makes of them is in test_blender.py."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest

from livehand_core.errors import LiveHandError
from livehand_core.meshes import Mesh, write_mesh
from livehand_core.meshes.mesh import vertex_normals


@pytest.fixture
def mesh() -> Mesh:
    vertices = np.array([[0, 0, 0], [0.1, 0, 0], [0, 0.2, 0], [0, 0, 0.3]], np.float32)
    faces = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]], np.int32)
    colours = np.array([[0, 0, 0], [1, 0.5, 0.25], [0.2, 0.4, 0.6], [1, 1, 1]], np.float32)
    return Mesh(vertices, faces, vertex_normals(vertices, faces), colours)


def test_obj_has_y_up_and_srgb_colours(mesh: Mesh, tmp_path: Path) -> None:
    write_mesh(tmp_path / "hand.obj", mesh)
    lines = [line.split() for line in (tmp_path / "hand.obj").read_text().splitlines()]
    points = np.array([line[1:] for line in lines if line[0] == "v"], float)
    assert np.allclose(points[:, :3], mesh.vertices[:, [0, 2, 1]] * [1, 1, -1], atol=1e-6)
    assert np.allclose(points[:, 3:], mesh.colours, atol=1e-4)
    faces = np.array([[int(word.split("//")[0]) for word in line[1:]] for line in lines if line[0] == "f"])
    assert (faces - 1 == mesh.faces).all()


def test_ply_has_z_up_and_srgb_colours(mesh: Mesh, tmp_path: Path) -> None:
    write_mesh(tmp_path / "hand.ply", mesh)
    header, _, body = (tmp_path / "hand.ply").read_bytes().partition(b"end_header\n")
    assert b"element vertex 4\n" in header and b"element face 4\n" in header
    assert len(body) == 4 * (6 * 4 + 4) + 4 * (1 + 3 * 4)
    first = np.frombuffer(body[28:52], "<f4")
    assert np.allclose(first, [0.1, 0, 0, *mesh.normals[1]])
    assert list(body[52:56]) == [255, 128, 64, 255]
    assert struct.unpack("<Biii", body[112:125]) == (3, *mesh.faces[0])


def test_glb_has_y_up_linear_colours_and_whole_words(mesh: Mesh, tmp_path: Path) -> None:
    write_mesh(tmp_path / "hand.glb", mesh)
    content = (tmp_path / "hand.glb").read_bytes()
    magic, version, length, size, kind = struct.unpack("<4sIII4s", content[:20])
    assert (magic, version, length, kind) == (b"glTF", 2, len(content), b"JSON")
    document = json.loads(content[20 : 20 + size])
    body = content[28 + size :]
    views = document["bufferViews"]
    assert all(view["byteOffset"] % 4 == 0 for view in views)
    assert document["buffers"][0]["byteLength"] == len(body)

    def read(number: int, dtype: str) -> np.ndarray:
        start = views[number]["byteOffset"]
        return np.frombuffer(body[start : start + views[number]["byteLength"]], dtype)

    points = read(0, "<f4").reshape(-1, 3)
    assert np.allclose(points, mesh.vertices[:, [0, 2, 1]] * [1, 1, -1])
    assert document["accessors"][0]["min"] == points.min(axis=0).tolist()
    colours = read(2, "<u2").reshape(-1, 4) / 65535.0
    # 0.5 in sRGB is 0.2140 of the light.
    assert colours[1] == pytest.approx([1.0, 0.21404, 0.05088, 1.0], abs=1e-4)
    assert (read(3, "<u4").reshape(-1, 3) == mesh.faces).all()


def test_arrays_come_back(mesh: Mesh, tmp_path: Path) -> None:
    write_mesh(tmp_path / "hand.npz", mesh)
    with np.load(tmp_path / "hand.npz") as archive:
        back = Mesh(**archive)
    assert all(np.array_equal(getattr(back, name), value) for name, value in vars(mesh).items())


def test_an_unknown_suffix_names_those_that_are_known(mesh: Mesh, tmp_path: Path) -> None:
    with pytest.raises(LiveHandError, match=r"hand\.stl .* \.obj, \.ply, \.glb"):
        write_mesh(tmp_path / "hand.stl", mesh)
    assert not list(tmp_path.iterdir())
