"""Meshes of the scene that stand in a hand's light, such as a cup that it holds. NumPy only.

World axes, metres. A frame request carries them; the engine's client sends each once, under its key. Called by
Blender, the frame request and the engine.

>>> floor = Occluder("floor", [[-1, -1, 0], [1, -1, 0], [0, 1, 0]], [[0, 1, 2]])
>>> floor.vertices.dtype, floor.faces.shape, Occluder.from_json(floor.to_json()) == floor
(dtype('float32'), (1, 3), True)
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .errors import OccluderError

MOST_FACES = 100_000
"""Triangles that all occluders of a frame have at most; and vertices of one of them."""

FARTHEST = 1e6
"""Metres from the world's origin beyond which no vertex lies."""


@dataclass(frozen=True, eq=False)
class Occluder:
    """A mesh of triangles that keeps light from hands.

    Two are equal when all that they hold is.

    Attributes:
        name: whose it is, for messages.
        vertices: (V, 3) float32, world space, metres; not writeable.
        faces: (F, 3) int32 indices of vertices; not writeable. Either side of a face casts shadows.
        sky: whether it keeps the surroundings' light from hands as well as the lamps'. False where the light's
            harmonics were found with the mesh standing there, e.g. by a probe, and hold what it shows of itself.

    Raises:
        OccluderError: vertices that are not finite, faces that name none of them, too many, or other shapes.
    """

    name: str
    vertices: np.ndarray
    faces: np.ndarray
    sky: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise OccluderError(f"An occluder has the name {self.name!r}.", "Give it one as text.")
        if not isinstance(self.sky, bool):
            raise OccluderError(f"The occluder {self.name!r} has sky = {self.sky!r}.", "Give true or false.")
        vertices, faces = self._array("vertices", "iuf"), self._array("faces", "iu")
        with np.errstate(invalid="ignore"):
            if not (np.abs(vertices) <= FARTHEST).all():
                raise OccluderError(
                    f"The occluder {self.name!r} has vertices that are not finite, or beyond {FARTHEST:g} m.",
                    "Leave them out, or move them nearer.",
                )
        for values, what in ((vertices, "vertices"), (faces, "triangles")):
            if len(values) > MOST_FACES:
                raise OccluderError(
                    f"The occluder {self.name!r} has {len(values)} {what}; {MOST_FACES} are the limit.", "Reduce it."
                )
        if faces.size and not (faces.min() >= 0 and faces.max() < len(vertices)):
            raise OccluderError(
                f"The occluder {self.name!r} has faces of vertices that are not there.",
                f"Give indices from 0 to {len(vertices) - 1}.",
            )
        for name, values, kind in (("vertices", vertices, np.float32), ("faces", faces, np.int32)):
            kept = np.array(values, dtype=kind, order="C")
            kept.flags.writeable = False
            object.__setattr__(self, name, kept)

    def _array(self, name: str, kinds: str) -> np.ndarray:
        try:
            found = np.asarray(getattr(self, name))
        except ValueError:
            found = np.empty(0, dtype=object)
        found = found.reshape(0, 3).astype(kinds[0]) if found.shape == (0,) and found.dtype != object else found
        if found.ndim != 2 or found.shape[1] != 3 or found.dtype.kind not in kinds:
            raise OccluderError(
                f"The {name} of the occluder {self.name!r} have the shape {found.shape} and the type {found.dtype}.",
                f"Give rows of three {'indices' if name == 'faces' else 'numbers'}.",
            )
        return found

    @cached_property
    def key(self) -> str:
        """What tells it from every other one: equal for equal contents."""
        shape = self.name, self.sky, self.vertices.shape, self.faces.shape
        digest = hashlib.blake2b(repr(shape).encode(), digest_size=16)
        digest.update(self.vertices.tobytes())
        digest.update(self.faces.tobytes())
        return digest.hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Occluder) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def to_json(self) -> dict[str, Any]:
        """Plain values, ready for JSON: the numbers as base64 of little-endian float32 and int32."""
        vertices, faces = self.vertices.astype("<f4"), self.faces.astype("<i4")
        texts = (base64.b64encode(values.tobytes()).decode() for values in (vertices, faces))
        return {"name": self.name, **dict(zip(("vertices", "faces"), texts, strict=True)), "sky": self.sky}

    @classmethod
    def from_json(cls, document: Any) -> Occluder:
        """Inverse of :meth:`to_json`; the numbers may be nested lists as well.

        Raises:
            OccluderError: a part is missing, unknown or does not fit.
        """
        if not isinstance(document, Mapping) or set(document) - {"sky"} != {"name", "vertices", "faces"}:
            raise OccluderError("An occluder is an object with name, vertices and faces.", "Write it with to_json.")
        name, vertices, faces = document["name"], document["vertices"], document["faces"]
        return cls(name, _numbers(name, vertices, "<f4"), _numbers(name, faces, "<i4"), document.get("sky", True))


def checked_occluders(values: Any) -> tuple[Occluder, ...]:
    """Occluders of a frame, each one itself or as :meth:`Occluder.to_json` gives it.

    Raises:
        OccluderError: one is none, or all together have too many triangles.
    """
    if not isinstance(values, list | tuple):
        raise OccluderError(f"The occluders are {type(values).__name__}, not a list.", "Give a list of them.")
    found = tuple(value if isinstance(value, Occluder) else Occluder.from_json(value) for value in values)
    count = sum(len(occluder.faces) for occluder in found)
    if count > MOST_FACES:
        raise OccluderError(
            f"The frame's occluders have {count} triangles; {MOST_FACES} are the limit.",
            "Give only what is near hands, or reduce it.",
        )
    return found


def _numbers(name: str, value: Any, kind: str) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return np.frombuffer(base64.b64decode(value, validate=True), dtype=kind).reshape(-1, 3)
    except ValueError as error:
        raise OccluderError(
            f"The occluder {name!r} holds what is no base64 of rows of three numbers ({error}).",
            "Write it with Occluder.to_json.",
        ) from error
