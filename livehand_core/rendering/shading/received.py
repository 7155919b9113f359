"""The light that a posed hand receives, for the pixel stage of every room: vertices' attributes, lamps, depth maps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ... import harmonics
from ...lights import LOBES, Lamp, Light
from .mesh import ShadedMesh
from .shadows import LAMP_SIDE, SKY_SIDE, DepthMap, Occluders, Sphere, far_map, near_map, sharply_visible, visible

SKY_DIRECTIONS = harmonics.spread_directions(32)
"""From where the sky's light is looked for, in the frame of the hand."""

NORMAL, TANGENT, SKY, SCATTER, BACK = (slice(first, first + 3) for first in range(0, 15, 3))
"""Columns of ``Received.vertices``; their rest up to LAMPS is free."""

LAMPS = 16
"""First column of what of each key lamp is seen by the vertex."""

SHARP, WIDE = 0.05, 0.15
"""Angular radii in radians up to which a lamp's shadow is looked up at each pixel, and from which at vertices alone;
one fades into the other."""


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


@dataclass(frozen=True)
class Received:
    """The light of one frame at one hand.

    Attributes:
        vertices: (V, 16 + L) float32 by vertex: unit normal, unit tangent along u, and a colour each of what share of
            the sky's light arrives, of scattered light and of light from behind, both as irradiance over pi; then the
            visibility of each of the L lamps.
        irradiance: (16, 3) float32 harmonics of the sky's irradiance over pi by normal.
        lobes: (2, 16, 3) float32 of its reflection lobes by mirrored view.
        lamps: key lamps.
    """

    vertices: np.ndarray
    irradiance: np.ndarray
    lobes: np.ndarray
    lamps: tuple[ReceivedLamp, ...]


def receive(
    mesh: ShadedMesh,
    vertices: np.ndarray,
    light: Light,
    others: Sequence[tuple[np.ndarray, np.ndarray]] = (),
    before_lamps: Sequence[tuple[np.ndarray, np.ndarray]] = (),
) -> Received:
    """Find what a hand receives.

    Args:
        mesh: of the hand's model.
        vertices: (V, 3) float32 posed proxy, metres.
        light: in its frame.
        others: further (vertices, faces) in the way of the light.
        before_lamps: such that are in the way of lamps alone.
    """
    sphere = Sphere.around(vertices)
    light = light.limited(tuple(sphere.middle))
    occluders = Occluders.of([(vertices, mesh.faces), *others])
    normals, tangents = mesh.frames(vertices)
    points = vertices.astype(np.float64)
    sky = Light(light.harmonics)
    before = Occluders.of([occluders, *before_lamps]) if before_lamps else occluders
    lamps = tuple(_received_lamp(lamp, sphere, before) for lamp in light.lamps)
    share = _sky_share(sky, occluders, sphere, vertices, normals)
    seen = np.ones((len(vertices), len(lamps)), np.float32)
    front, behind = sky.irradiance(points, normals) * share, sky.irradiance(points, -normals)
    for column, lamp in enumerate(lamps):
        if lamp.shadow is not None:
            seen[:, column] = visible(lamp.shadow, vertices, normals)
        towards, facing, _ = lamp.lamp.at(points)
        cosine = np.sum(towards * normals, axis=1)
        front = front + (seen[:, column] * wrapped_cosine(cosine, lamp.sine))[:, None] * facing
        behind = behind + wrapped_cosine(-cosine, lamp.sine)[:, None] * facing
    spread = mesh.smoothed(np.concatenate([np.maximum(front, 0.0), np.maximum(behind, 0.0)], axis=1)) / math.pi
    free = np.zeros((len(vertices), 1))
    rows = np.concatenate([normals, tangents, share, spread, free, seen], axis=1, dtype=np.float32, casting="same_kind")
    lamps = tuple(lamp if lamp.sharpness else replace(lamp, shadow=None) for lamp in lamps)
    lobes = [harmonics.by_degree(harmonics.lobe(sharpness))[:, None] * light.harmonics for sharpness in LOBES]
    irradiance = harmonics.by_degree(harmonics.COSINE / math.pi)[:, None] * light.harmonics
    return Received(rows, irradiance.astype(np.float32), np.stack(lobes).astype(np.float32), lamps)


def wrapped_cosine(cosine: np.ndarray, sine: float) -> np.ndarray:
    """What of a round lamp's irradiance facing it reaches a surface: 0 below its horizon, the cosine above, and a
    parabola between.

    Args:
        cosine: between the normal and the lamp's middle.
        sine: of the lamp's angular radius.
    """
    sine = max(sine, 1e-4)
    between = np.clip(cosine + sine, 0.0, 2.0 * sine) ** 2 / (4.0 * sine)
    answer: np.ndarray = between + np.maximum(cosine - sine, 0.0)
    return answer


def _sky_share(
    sky: Light, occluders: Occluders, sphere: Sphere, vertices: np.ndarray, normals: np.ndarray
) -> np.ndarray:
    """(V, 3) what share of the sky's light arrives at vertices, a colour; 1 where there is none."""
    radiance = np.maximum(harmonics.basis(SKY_DIRECTIONS) @ sky.harmonics, 0.0)
    if not radiance.any():
        return np.ones((len(vertices), 3))
    whole, seen = np.zeros((len(vertices), 3)), np.zeros((len(vertices), 3))
    for towards, colour in zip(SKY_DIRECTIONS, radiance, strict=True):
        cosine = np.maximum(normals @ towards, 0.0)[:, None] * colour
        share = sharply_visible(far_map(occluders, sphere, towards, SKY_SIDE), vertices, normals)
        whole += cosine
        seen += share[:, None] * cosine
    return np.where(whole > 1e-9, seen / np.maximum(whole, 1e-9), 1.0)


def _received_lamp(lamp: Lamp, sphere: Sphere, occluders: Occluders) -> ReceivedLamp:
    cosine = float(lamp.at(sphere.middle)[2])
    sine = math.sqrt(max(1.0 - cosine * cosine, 0.0))
    radius = math.asin(min(sine, 1.0))
    if lamp.direction is not None:
        shadow: DepthMap | None = far_map(
            occluders, sphere, np.array(lamp.direction), LAMP_SIDE, math.tan(min(radius, 1.4))
        )
    else:
        shadow = near_map(occluders, sphere, np.array(lamp.position), LAMP_SIDE, 0.5 * lamp.size)
    most = 1.0 / (2.0 * math.pi * max(1.0 - cosine, 1e-12))
    lobes = []
    for sharpness in LOBES:
        wide = harmonics.sharpness_of(np.array(harmonics.mean_cosine(sharpness) * 0.5 * (1.0 + cosine)))
        lobes.append((float(wide), most))
    part = float(np.clip((WIDE - radius) / (WIDE - SHARP), 0.0, 1.0))
    return ReceivedLamp(lamp, sine, tuple(lobes), 2.0 / (1.0 + cosine), part * part * (3.0 - 2.0 * part), shadow)
