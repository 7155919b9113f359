"""Mesh files with vertex colours: OBJ, PLY, glTF binary, and arrays for programs. NumPy only.

Axes and colour spaces are each format's own, so that Blender's importers, with their defaults, give the same object:
OBJ and glTF have y up, PLY here has z up; glTF colours are linear, OBJ's and PLY's sRGB.
"""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from pathlib import Path

import numpy as np

from ..errors import LiveHandError
from ..files import atomic_path, write_arrays
from ..passes import srgb_to_linear
from .gltf import INDEX_DATA, VERTEX_DATA, Z_UP_TO_Y_UP, GltfFile
from .mesh import Mesh


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
    file = GltfFile()
    colours = np.full((len(mesh.vertices), 4), 65535, "<u2")
    colours[:, :3] = np.rint(srgb_to_linear(mesh.colours) * 65535.0)
    attributes = {
        "POSITION": file.array((mesh.vertices @ Z_UP_TO_Y_UP.T).astype("<f4"), VERTEX_DATA, bounds=True),
        "NORMAL": file.array((mesh.normals @ Z_UP_TO_Y_UP.T).astype("<f4"), VERTEX_DATA),
        "COLOR_0": file.array(colours, VERTEX_DATA, normalised=True),
    }
    indices = file.array(mesh.faces.astype("<u4").reshape(-1), INDEX_DATA)
    file.document |= {
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": "hand"}],
        "meshes": [
            {
                "name": "hand",
                "primitives": [{"attributes": attributes, "indices": indices, "material": 0, "mode": 4}],
            }
        ],
        "materials": [{"name": "skin", "pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 0.6}}],
    }
    file.write(path)


def _write_npz(path: Path, mesh: Mesh) -> None:
    write_arrays(path, vars(mesh), compressed=False)


WRITERS: dict[str, Callable[[Path, Mesh], None]] = {
    ".obj": _write_obj,
    ".ply": _write_ply,
    ".glb": _write_glb,
    ".npz": _write_npz,
}
"""Suffix -> writer."""
