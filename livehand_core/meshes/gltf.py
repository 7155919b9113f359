"""A glTF 2.0 file put together part by part, and written as ``.glb`` or as one ``.gltf`` that holds all. NumPy only.

glTF has y up; :data:`Z_UP_TO_Y_UP` takes points and normals there.
"""

from __future__ import annotations

import base64
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import LiveHandError

Z_UP_TO_Y_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])

VERTEX_DATA, INDEX_DATA = 34962, 34963
"""What a buffer view is for, by glTF's numbers."""

GLTF_SUFFIXES = (".glb", ".gltf")

_COMPONENTS = {np.dtype("<f4"): 5126, np.dtype("<u4"): 5125, np.dtype("<u2"): 5123, np.dtype("u1"): 5121}
_SHAPES = {(): "SCALAR", (2,): "VEC2", (3,): "VEC3", (4,): "VEC4", (4, 4): "MAT4"}


def check_rig_suffix(path: Path) -> None:
    """Raises LiveHandError where a path's suffix is not one of a format that holds a rig."""
    if path.suffix.lower() not in GLTF_SUFFIXES:
        raise LiveHandError(f"{path.name} cannot hold a rig.", f"Name it {' or '.join(GLTF_SUFFIXES)}.")


class GltfFile:
    """A document and its one buffer.

    Attributes:
        document: the JSON as plain values; accessors, views and buffers are filled by the methods.
    """

    def __init__(self) -> None:
        self.document: dict[str, Any] = {"asset": {"version": "2.0", "generator": "LiveHand"}, "scene": 0}
        self._body = bytearray()

    def array(
        self, values: np.ndarray, target: int | None = None, *, bounds: bool = False, normalised: bool = False
    ) -> int:
        """Add values; the number of their accessor.

        Args:
            values: (N, ...) of float32, uint32, uint16 or uint8; an element takes whole words of four bytes. Matrices
                are told row by row and stored column by column.
            target: VERTEX_DATA, INDEX_DATA, or None for what is neither.
            bounds: state the least and greatest of each component, as positions and times must.
            normalised: integers that stand for 0 to 1.
        """
        values = np.ascontiguousarray(values)
        shape = values.shape[1:]
        accessor: dict[str, Any] = {
            "bufferView": self._view(
                values.swapaxes(-1, -2).tobytes() if shape == (4, 4) else values.tobytes(), target
            ),
            "componentType": _COMPONENTS[values.dtype],
            "count": len(values),
            "type": _SHAPES[shape],
        }
        if normalised:
            accessor["normalized"] = True
        if bounds:
            low, high = values.min(axis=0), values.max(axis=0)
            accessor |= {"min": np.atleast_1d(low).tolist(), "max": np.atleast_1d(high).tolist()}
        return self._add("accessors", accessor)

    def picture(self, png: bytes, name: str) -> int:
        """Add a PNG; the number of a texture that shows it, which does not repeat."""
        image = self._add("images", {"bufferView": self._view(png, None), "mimeType": "image/png", "name": name})
        # Linear, with mips; no repetition, since a chart's other end is another spot of skin.
        sampler = self._add("samplers", {"magFilter": 9729, "minFilter": 9987, "wrapS": 33071, "wrapT": 33071})
        return self._add("textures", {"sampler": sampler, "source": image})

    def write(self, path: Path, form: str = "") -> None:
        """Write the file.

        Args:
            form: ``".glb"`` or ``".gltf"``, by default the path's suffix; the latter has its buffer within, as base64.
        """
        self.document["buffers"] = [{"byteLength": len(self._body)}]
        if (form or path.suffix.lower()) == ".gltf":
            data = base64.b64encode(self._body).decode("ascii")
            self.document["buffers"][0]["uri"] = f"data:application/octet-stream;base64,{data}"
            path.write_text(json.dumps(self.document, separators=(",", ":"), allow_nan=False), encoding="utf-8")
            return
        text = json.dumps(self.document, separators=(",", ":"), allow_nan=False).encode("ascii")
        text += b" " * (-len(text) % 4)
        with path.open("wb") as stream:
            stream.write(struct.pack("<4sII", b"glTF", 2, 12 + 8 + len(text) + 8 + len(self._body)))
            stream.write(struct.pack("<I4s", len(text), b"JSON") + text)
            stream.write(struct.pack("<I4s", len(self._body), b"BIN\0") + self._body)

    def _view(self, content: bytes, target: int | None) -> int:
        """Add bytes to the buffer, filled up to whole words; the number of their view."""
        view: dict[str, Any] = {"buffer": 0, "byteOffset": len(self._body), "byteLength": len(content)}
        self._body += content + bytes(-len(content) % 4)
        return self._add("bufferViews", view if target is None else view | {"target": target})

    def _add(self, kind: str, part: dict[str, Any]) -> int:
        self.document.setdefault(kind, []).append(part)
        return len(self.document[kind]) - 1
