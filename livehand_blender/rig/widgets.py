"""Wire shapes that a rig's controls are drawn with: made once a file, in no scene, kept by the bones that use them."""

from __future__ import annotations

from typing import Any, Literal

import bpy
import numpy as np

NAME = "LiveHand Widget"
_SEGMENTS = 24


def widget(kind: Literal["ARC", "BALL"]) -> Any:
    """The object a pose bone takes as its ``custom_shape``; sizes count in bone lengths.

    ``ARC`` is a bow about the bone's X axis with a bar, to be turned; ``BALL`` three rings, to be moved.
    """
    name = f"{NAME} {kind.title()}"
    for shape in bpy.data.objects:
        # A linked character may bring its own of the same name.
        if shape.name.startswith(name) and shape.library is None and shape.type == "MESH":
            return shape
    points, edges = _arc() if kind == "ARC" else _ball()
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(points.tolist(), edges, [])
    return bpy.data.objects.new(name, mesh)


def put_away() -> None:
    """Take the shapes of hands' bones out of the scenes, into which Blender links them when a hand is appended."""
    for shape in bpy.data.objects:
        if shape.name.startswith(NAME) and shape.type == "MESH" and not shape.children:
            for collection in shape.users_collection:
                if collection.library is None:
                    collection.objects.unlink(shape)


def _arc() -> tuple[np.ndarray, list[tuple[int, int]]]:
    """A bow over the bone from its head to its tail, and a bar across its top."""
    angle = np.linspace(0.15 * np.pi, 0.85 * np.pi, _SEGMENTS)
    bow = np.stack([np.zeros_like(angle), 0.5 - 0.5 * np.cos(angle), 0.2 - 0.4 * np.sin(angle)], axis=1)
    bar = np.array([(-0.35, 0.5, -0.2), (0.35, 0.5, -0.2)])
    edges = [(i, i + 1) for i in range(_SEGMENTS - 1)] + [(_SEGMENTS, _SEGMENTS + 1)]
    return np.concatenate([bow, bar]), edges


def _ball() -> tuple[np.ndarray, list[tuple[int, int]]]:
    angle = np.linspace(0.0, 2.0 * np.pi, _SEGMENTS, endpoint=False)
    ring = 0.6 * np.stack([np.cos(angle), np.sin(angle), np.zeros_like(angle)], axis=1)
    points = np.concatenate([np.roll(ring, shift, axis=1) for shift in range(3)])
    edges = [
        (base + i, base + (i + 1) % _SEGMENTS) for base in range(0, 3 * _SEGMENTS, _SEGMENTS) for i in range(_SEGMENTS)
    ]
    return points, edges
