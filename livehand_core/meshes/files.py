"""Mesh files with vertex colours: OBJ, PLY, glTF binary, and arrays for programs. NumPy only.

Axes and colour spaces are each format's own, so that Blender's importers, with their defaults, give the same object:
OBJ and glTF have y up, PLY here has z up; glTF colours are linear, OBJ's and PLY's sRGB.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from os import PathLike
from pathlib import Path

import numpy as np

from ..errors import LiveHandError
from ..files import atomic_path, write_arrays
from ..passes import srgb_to_linear
from .mesh import Mesh

Z_UP_TO_Y_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])


def write_mesh(path: str | PathLike[str], mesh: Mesh) -> None:
    """Write by the suffix: ``.obj``, ``.ply``, ``.glb`` or ``.npz`` (the arrays of ``Mesh`` by name).

    Raises:
        LiveHandError: an unknown suffix, a full disk, a folder that cannot be written.
    """
    path = Path(path)
    check_suffix(path)
    with atomic_path(path) as temporary:
        WRITERS[path.suffix.lower()](temporary, mesh)


def check_suffix(path: Path) -> None:
    """Raises LiveHandError when no writer has the path's suffix."""
    if path.suffix.lower() not in WRITERS:
        raise LiveHandError(f"{path.name} is not a mesh file that can be written.", f"Name it {', '.join(WRITERS)}.")


def _write_obj(path: Path, mesh: Mesh) -> None:
    """Wavefront OBJ; colours follow the coordinates, as most programs that know them expect."""
    vertices, normals = mesh.vertices @ Z_UP_TO_Y_UP.T, mesh.normals @ Z_UP_TO_Y_UP.T
    faces = mesh.faces + 1
    with path.open("w", encoding="ascii", newline="\n") as stream:
        stream.write("# LiveHand: metres, y up, vertex colours sRGB\no hand\n")
        np.savetxt(stream, np.concatenate([vertices, mesh.colours], axis=1), "v %.6f %.6f %.6f %.4f %.4f %.4f")
        np.savetxt(stream, normals, "vn %.4f %.4f %.4f")
        np.savetxt(stream, np.repeat(faces, 2, axis=1), "f %d//%d %d//%d %d//%d")


def _write_ply(path: Path, mesh: Mesh) -> None:
    """Binary PLY, z up; colours as 8 bit sRGB."""
    header = [
        "ply",
        "format binary_little_endian 1.0",
        "comment LiveHand: metres, z up, vertex colours sRGB",
        f"element vertex {len(mesh.vertices)}",
        *(f"property float {name}" for name in ("x", "y", "z", "nx", "ny", "nz")),
        *(f"property uchar {name}" for name in ("red", "green", "blue", "alpha")),
        f"element face {len(mesh.faces)}",
        "property list uchar int vertex_indices",
        "end_header\n",
    ]
    points = np.empty(len(mesh.vertices), np.dtype([("place", "<f4", 6), ("colour", "u1", 4)]))
    points["place"] = np.concatenate([mesh.vertices, mesh.normals], axis=1)
    points["colour"][:, :3] = np.rint(mesh.colours * 255.0)
    points["colour"][:, 3] = 255
    triangles = np.empty(len(mesh.faces), np.dtype([("count", "u1"), ("corners", "<i4", 3)]))
    triangles["count"], triangles["corners"] = 3, mesh.faces
    path.write_bytes("\n".join(header).encode("ascii") + points.tobytes() + triangles.tobytes())


def _write_glb(path: Path, mesh: Mesh) -> None:
    """glTF 2.0 binary: y up, colours linear in 16 bits, since 8 would show steps in the shadows."""
    vertices = (mesh.vertices @ Z_UP_TO_Y_UP.T).astype("<f4")
    normals = (mesh.normals @ Z_UP_TO_Y_UP.T).astype("<f4")
    colours = np.full((len(vertices), 4), 65535, "<u2")
    colours[:, :3] = np.rint(srgb_to_linear(mesh.colours) * 65535.0)
    parts = [vertices.tobytes(), normals.tobytes(), colours.tobytes(), mesh.faces.astype("<u4").tobytes()]
    offsets = np.cumsum([0, *(len(part) for part in parts)])
    count = len(vertices)
    low, high = vertices.min(axis=0).tolist(), vertices.max(axis=0).tolist()
    document = {
        "asset": {"version": "2.0", "generator": "LiveHand"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": "hand"}],
        "meshes": [
            {
                "name": "hand",
                "primitives": [
                    {"attributes": {"POSITION": 0, "NORMAL": 1, "COLOR_0": 2}, "indices": 3, "material": 0, "mode": 4}
                ],
            }
        ],
        "materials": [
            {"name": "skin", "pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 0.6}}
        ],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": count, "type": "VEC3", "min": low, "max": high},
            {"bufferView": 1, "componentType": 5126, "count": count, "type": "VEC3"},
            {"bufferView": 2, "componentType": 5123, "count": count, "type": "VEC4", "normalized": True},
            {"bufferView": 3, "componentType": 5125, "count": int(mesh.faces.size), "type": "SCALAR"},
        ],
        "bufferViews": [
            {"buffer": 0, "byteOffset": int(offset), "byteLength": len(part), "target": target}
            for offset, part, target in zip(offsets[:-1], parts, (34962, 34962, 34962, 34963), strict=True)
        ],
        "buffers": [{"byteLength": int(offsets[-1])}],
    }  # fmt: skip
    text = json.dumps(document, separators=(",", ":")).encode("ascii")
    text += b" " * (-len(text) % 4)
    # Every part's length is a multiple of four, and so is the buffer's.
    body = b"".join(parts)
    with path.open("wb") as stream:
        stream.write(struct.pack("<4sII", b"glTF", 2, 12 + 8 + len(text) + 8 + len(body)))
        stream.write(struct.pack("<I4s", len(text), b"JSON") + text)
        stream.write(struct.pack("<I4s", len(body), b"BIN\0") + body)


def _write_npz(path: Path, mesh: Mesh) -> None:
    write_arrays(path, vars(mesh), compressed=False)


WRITERS: dict[str, Callable[[Path, Mesh], None]] = {
    ".obj": _write_obj,
    ".ply": _write_ply,
    ".glb": _write_glb,
    ".npz": _write_npz,
}
"""Suffix -> writer."""
