"""Blender's lamps as lamps of the core: units, shapes and colours as Cycles has them. Reads; registers nothing.

Cycles' units, which a rendered white ball confirms in the tests: a sun's strength is the irradiance facing it; a
point's or spot's watts over 4 pi are its intensity; an area's watts over pi are its intensity along its axis.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from livehand_core.errors import LightError
from livehand_core.lights import Lamp

POINT_INTENSITY = 1.0 / (4.0 * math.pi)
"""W/sr of a watt of a point or spot lamp."""

AREA_INTENSITY = 1.0 / math.pi
"""W/sr along the axis of a watt of an area lamp that spreads its light to all sides."""

LARGEST_PART = 0.5
"""Extent of an area lamp over its distance from the hand up to which it counts as one disc."""

LARGEST_DISC = 1.2
"""The same of a lamp that is a disc itself."""

PARTS = 6
"""Most parts along a side of an area lamp near the hand."""


def lamps_of(obj: Any, point: Sequence[float]) -> list[Lamp]:
    """What an evaluated light object shines with, in world axes and metres.

    Args:
        obj: of the type LIGHT.
        point: (3,) where the hand is: an area that is near it becomes several discs.

    Raises:
        LightError: a strength that is negative, not finite or too large; the message names the lamp.
    """
    try:
        return _lamps_of(obj, point)
    except LightError as error:
        if repr(obj.name) in error.message:
            raise
        raise LightError(f"The lamp {obj.name!r} is left out: {error.message}", error.remedy) from error


def _lamps_of(obj: Any, point: Sequence[float]) -> list[Lamp]:
    data = obj.data
    colour = _colour(data)
    if not (np.isfinite(colour).all() and colour.min() >= 0.0):
        raise LightError(
            f"The lamp {obj.name!r} has the strength {float(data.energy):g}.",
            "Give it a strength that is finite and not negative.",
        )
    if not colour.any():
        return []
    matrix = np.array(obj.matrix_world, dtype=np.float64)
    if not np.isfinite(matrix).all():
        raise LightError(f"The lamp {obj.name!r} stands at no finite place.", "Check its transform.")
    axis = -_unit(matrix[:3, 2])
    if data.type == "SUN":
        return [Lamp(_triple(colour), direction=_triple(-axis), size=min(float(data.angle), math.pi))]
    place = _triple(matrix[:3, 3])
    if data.type == "AREA":
        return _area(data, matrix, axis, colour, np.asarray(point, dtype=np.float64))
    # A lamp's radius is not scaled with its object.
    size = 2.0 * float(data.shadow_soft_size)
    colour = colour * POINT_INTENSITY * _normalised(data, math.pi * (0.5 * size) ** 2 if size > 0.0 else 1.0)
    if data.type == "SPOT":
        half, blend = 0.5 * float(data.spot_size), float(data.spot_blend)
        return [Lamp(_triple(colour), None, place, size, "cone", _triple(axis), half, blend)]
    return [Lamp(_triple(colour), position=place, size=size)]


def _area(data: Any, matrix: np.ndarray, axis: np.ndarray, colour: np.ndarray, point: np.ndarray) -> list[Lamp]:
    """An area lamp as one disc of its size, or as a grid of them where it is large for its distance."""
    round_shape, square = data.shape in ("DISK", "ELLIPSE"), data.shape in ("DISK", "SQUARE")
    sides = np.array([data.size, data.size if square else data.size_y]) * np.linalg.norm(matrix[:3, :2], axis=0)
    area = float(sides[0] * sides[1]) * (0.25 * math.pi if round_shape else 1.0)
    half = 0.5 * float(data.spread)
    if half < 0.5 * math.pi - 1e-4:
        # Cycles' own measure, which keeps a narrow spread about as bright in all.
        colour = colour * math.tan(half) / (math.tan(half) - half)
    colour = colour * AREA_INTENSITY * _normalised(data, area)
    distance = max(float(np.linalg.norm(matrix[:3, 3] - point)), 1e-3)
    largest = LARGEST_DISC if round_shape and sides.max() < 1.01 * sides.min() else LARGEST_PART
    # A narrow spread shades the lamp's parts differently, even one that is small.
    largest *= min(half / (0.5 * math.pi), 1.0) ** 2
    counts = np.clip(np.ceil(sides / (largest * distance)), 1, PARTS).astype(int)
    steps = [(np.arange(count) + 0.5) / count - 0.5 for count in counts]
    across, along = (axis.reshape(-1) for axis in np.meshgrid(*steps, indexing="ij"))
    inside = 4.0 * (across**2 + along**2) <= 1.0 if round_shape and len(across) > 1 else np.ones(len(across), bool)
    x, y = _unit(matrix[:3, 0]) * sides[0], _unit(matrix[:3, 1]) * sides[1]
    places = matrix[:3, 3] + across[inside, None] * x + along[inside, None] * y
    part = len(places)
    size = 2.0 * math.sqrt(area / part / math.pi)
    limit = min(half, 0.5 * math.pi)
    return [Lamp(_triple(colour / part), None, _triple(place), size, "disc", _triple(axis), limit) for place in places]


def _colour(data: Any) -> np.ndarray:
    """(3,) colour times strength, before the shape's units."""
    colour = np.array(data.color, dtype=np.float64) * float(data.energy)
    # Exposure and temperature are Blender 4.5's and later.
    colour = colour * 2.0 ** float(getattr(data, "exposure", 0.0))
    if getattr(data, "use_temperature", False):
        colour = colour * np.array(data.temperature_color, dtype=np.float64)
    return colour * _node_colour(data)


def _normalised(data: Any, area: float) -> float:
    """What a lamp's strength is multiplied by where it is told for each square metre (4.5 and later)."""
    return 1.0 if getattr(data, "normalize", True) else area


def _node_colour(data: Any) -> np.ndarray:
    """(3,) what a lamp's own nodes multiply it by, where that is one colour; Cycles alone heeds them."""
    if not data.use_nodes or data.node_tree is None:
        return np.ones(3)
    for node in data.node_tree.nodes:
        if node.type == "EMISSION" and not any(socket.is_linked for socket in node.inputs):
            strength = float(node.inputs["Strength"].default_value)
            return np.array(node.inputs["Color"].default_value[:3], dtype=np.float64) * strength
    return np.ones(3)


def _unit(vector: np.ndarray) -> np.ndarray:
    length = float(np.linalg.norm(vector))
    return vector / length if length > 1e-12 else np.array([0.0, 0.0, 1.0])


def _triple(vector: np.ndarray) -> tuple[float, float, float]:
    x, y, z = (float(number) for number in vector)
    return x, y, z
