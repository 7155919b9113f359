"""Key lamps at a hand: how large they look, how they widen reflections, and their rows for the kernels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...kernels.shading import lamps as columns
from ...lights import LOBES, NEAREST, Lamp, widened_lobe
from .shadows import (
    LAMP_SIDE,
    NEAREST_LAMP,
    WIDE_SIDE,
    DepthMap,
    Occluders,
    Share,
    Sphere,
    drawn_map,
    map_rows,
    visible,
)

SHARP, WIDE = 0.05, 0.15
"""Angular radii in radians up to which a lamp's shadow is looked up at each pixel, and from which at vertices alone;
one fades into the other."""

_KINDS = {"all": columns.ALL, "disc": columns.DISC, "cone": columns.CONE}


@dataclass(frozen=True)
class ReceivedLamp:
    """A key lamp at a hand, metres and the hand's frame.

    Attributes:
        lamp: itself.
        sine: of its angular radius at the hand's middle.
        lobes: for each of LOBES, its sharpness widened by the lamp's size, and the largest density that it may have.
        flux: what its irradiance facing it is multiplied by to give its flux.
        sharpness: how far its shadow is looked up at each pixel in place of at the vertices, 0 to 1.
        shadow: what stands before it, where it is looked up at pixels; else None.
    """

    lamp: Lamp
    sine: float
    lobes: tuple[tuple[float, float], ...]
    flux: float
    sharpness: float
    shadow: DepthMap | None


def received_lamps(
    lamps: Sequence[Lamp], sphere: Sphere, occluders: Occluders, points: np.ndarray, share: Share
) -> list[tuple[ReceivedLamp, np.ndarray]]:
    """Lamps at a hand in ``sphere``, each with the (P,) share of it that reaches (6, P) points on the skin."""
    if not lamps:
        return []
    cosine = np.array([lamp.seen_from(sphere.middle) for lamp in lamps])
    sine = np.sqrt(np.maximum(1.0 - cosine * cosine, 0.0))
    radius = np.arcsin(np.minimum(sine, 1.0))
    part = np.clip((WIDE - radius) / (WIDE - SHARP), 0.0, 1.0)
    sharpness = part * part * (3.0 - 2.0 * part)
    lobes = np.stack([np.stack(widened_lobe(one, cosine), axis=-1) for one in LOBES], axis=1)
    places = np.array([lamp.direction or lamp.position for lamp in lamps])
    near = np.array([lamp.direction is None for lamp in lamps])
    distance = np.linalg.norm(places - sphere.middle, axis=1)
    spread = np.where(near, [0.5 * lamp.size for lamp in lamps] / distance, np.tan(np.minimum(radius, 1.4)))
    side = np.where(sharpness > 0.0, LAMP_SIDE, WIDE_SIDE)
    rows = map_rows(sphere, places, near, spread, side)
    shadowed = ~near | (distance >= NEAREST_LAMP * sphere.radius)
    found: dict[int, tuple[ReceivedLamp, np.ndarray]] = {}

    def work(first: int, last: int) -> None:
        for index in range(first, last):
            shadow, seen = None, np.ones(points.shape[1], np.float32)
            if shadowed[index]:
                shadow = drawn_map(occluders, rows[index])
                seen = visible(shadow, places[index], points)
            sharp, widened = float(sharpness[index]), tuple(map(tuple, lobes[index].tolist()))
            flux = 2.0 / (1.0 + float(cosine[index]))
            kept = shadow if sharp > 0.0 else None
            found[index] = ReceivedLamp(lamps[index], float(sine[index]), widened, flux, sharp, kept), seen

    share(len(lamps), work)
    return [found[index] for index in range(len(lamps))]


def lamp_rows(lamps: Sequence[ReceivedLamp]) -> np.ndarray:
    """(L, LAMP_COLUMNS) float32, without a shadow's number."""
    rows = np.zeros((len(lamps), columns.LAMP_COLUMNS), np.float32)
    for row, received in zip(rows, lamps, strict=True):
        _put_lamp(received, row)
    rows[:, columns.SHADOW] = -1.0
    return rows


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
