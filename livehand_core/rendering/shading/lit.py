"""The light at a hand as the pixel stages of processor and GPU take it: rows of numbers."""

from __future__ import annotations

import math

import numpy as np

from ...kernels.shading import lamps as columns
from ...kernels.shading.pixels import LAMPS, MOST_LAMPS, POSITION, VERTEX_COLUMNS, Lit
from ...lights import NEAREST
from .received import Received, ReceivedLamp
from .shadows import DepthMap

_KINDS = {"all": columns.ALL, "disc": columns.DISC, "cone": columns.CONE}


def lit_of(received: Received, vertices: np.ndarray) -> Lit:
    """The light at a hand of (V, 3) posed vertices, as kernels take it."""
    count = len(received.lamps)
    assert count <= MOST_LAMPS
    rows = np.zeros((len(vertices), VERTEX_COLUMNS), np.float32)
    rows[:, : LAMPS + count] = received.vertices[:, : LAMPS + count]
    rows[:, POSITION : POSITION + 3] = vertices
    lamps = np.zeros((count, columns.LAMP_COLUMNS), np.float32)
    maps: list[DepthMap] = []
    for row, lamp in zip(lamps, received.lamps, strict=True):
        _put_lamp(lamp, row)
        row[columns.SHADOW] = -1.0
        if lamp.sharpness > 0.0 and lamp.shadow is not None:
            row[columns.SHADOW] = len(maps)
            maps.append(lamp.shadow)
    nothing = [np.zeros(0, np.float32)]
    return Lit(
        rows.reshape(-1),
        received.irradiance.reshape(-1),
        received.lobes.reshape(-1),
        lamps.reshape(-1),
        np.concatenate([one.depth.reshape(-1) for one in maps] or nothing),
        len(maps[0].depth) if maps else 0,
        np.concatenate([one.row for one in maps] or nothing),
    )


def _put_lamp(received: ReceivedLamp, row: np.ndarray) -> None:
    lamp = received.lamp
    radius = 0.5 * lamp.size
    row[columns.COLOUR : columns.COLOUR + 3] = lamp.colour
    row[columns.PLACE : columns.PLACE + 3] = lamp.direction or lamp.position
    row[columns.SINE], row[columns.FLUX] = max(received.sine, 1e-4), received.flux
    row[columns.SHARPNESS] = received.sharpness
    for index, (sharpness, most) in enumerate(received.lobes):
        peak = sharpness / (2.0 * math.pi * -math.expm1(-2.0 * sharpness))
        row[columns.LOBES + 3 * index : columns.LOBES + 3 * index + 3] = sharpness, peak, most
    if lamp.direction is not None:
        row[columns.KIND] = columns.FAR
        return
    flat = lamp.emission == "disc"
    row[columns.KIND] = _KINDS[lamp.emission]
    row[columns.NEAREST] = NEAREST if flat else max(radius, NEAREST)
    row[columns.FLAT] = radius**2 if flat else 0.0
    if lamp.axis is not None:
        row[columns.AXIS : columns.AXIS + 3] = lamp.axis
    edge = math.cos(lamp.half_angle)
    row[columns.EDGE], row[columns.STEEP] = edge, 1.0 / max((1.0 - edge) * lamp.blend, 1e-4)
    row[columns.SPREAD] = 1.0 / math.tan(lamp.half_angle) if lamp.half_angle < 0.5 * math.pi else 0.0
