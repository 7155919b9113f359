"""The light that a posed hand receives, for the pixel stage of every room: vertices' attributes, lamps, depth maps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ... import harmonics
from ...lights import LOBES, Lamp, Light, widened_lobe
from .mesh import ShadedMesh
from .shadows import LAMP_SIDE, DepthMap, Occluders, Share, Sphere, alone, far_map, near_map, sky_sight, visible

SKY_DIRECTIONS = harmonics.spread_directions(32)
"""From where the sky's light is looked for, in the frame of the hand."""

NORMAL, TANGENT, SKY, SCATTER, BACK = (slice(first, first + 3) for first in range(0, 15, 3))
"""Columns of ``Received.vertices``; their rest up to LAMPS is free."""

_OPPOSITE = harmonics.by_degree(np.array([1.0, -1.0, 1.0, -1.0]))
"""What the harmonics of a direction are multiplied by to be those of the opposite one."""

Shape = tuple[np.ndarray, np.ndarray]
"""(N, 3) float32 vertices and (M, 3) int32 faces."""

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


class Standing:
    """A posed hand among what stands in its light: what does not depend on the light is found once.

    Args:
        mesh: of the hand's model.
        vertices: (V, 3) float32 posed proxy, metres.
        others: further (vertices, faces) in the way of the light.
        before_lamps: such that are in the way of lamps alone.
    """

    def __init__(
        self, mesh: ShadedMesh, vertices: np.ndarray, others: Sequence[Shape] = (), before_lamps: Sequence[Shape] = ()
    ) -> None:
        self.mesh, self.vertices, self._around = mesh, vertices, (tuple(others), tuple(before_lamps))
        self._sphere = Sphere.around(vertices)
        self._occluders = Occluders.of([(vertices, mesh.faces), *others])
        self._before = Occluders.of([self._occluders, *before_lamps]) if before_lamps else self._occluders
        self._normals, self._tangents = mesh.frames(vertices)
        self._sight: np.ndarray | None = None
        self._lamps: dict[Lamp, tuple[ReceivedLamp, np.ndarray]] = {}

    def is_of(self, vertices: np.ndarray, others: Sequence[Shape], before_lamps: Sequence[Shape]) -> bool:
        """Whether all of it is still where it was."""
        now = tuple(others), tuple(before_lamps)
        if [len(part) for part in now] != [len(part) for part in self._around]:
            return False
        pairs = zip((*self._around[0], *self._around[1]), (*now[0], *now[1]), strict=True)
        arrays = ((one, two) for before, after in pairs for one, two in zip(before, after, strict=True))
        return np.array_equal(self.vertices, vertices) and all(np.array_equal(*pair) for pair in arrays)

    def receive(self, light: Light, share: Share = alone) -> Received:
        """What the hand receives of a light in its frame; ``share`` spreads work over threads."""
        light, normals = light.limited(tuple(self._sphere.middle)), self._normals
        points, lamps = self.vertices.astype(np.float64), self._received_lamps(light, share)
        sky = self._sky_share(light, share)
        around = harmonics.basis(normals)
        coefficients = harmonics.by_degree(harmonics.COSINE)[:, None] * light.harmonics
        front, behind = around @ coefficients * sky, around * _OPPOSITE @ coefficients
        seen = np.ones((len(points), len(lamps)), np.float32)
        for column, (lamp, visibility) in enumerate(lamps):
            seen[:, column] = visibility
            towards, facing, _ = lamp.lamp.at(points)
            cosine = np.sum(towards * normals, axis=1)
            front = front + (visibility * wrapped_cosine(cosine, lamp.sine))[:, None] * facing
            behind = behind + wrapped_cosine(-cosine, lamp.sine)[:, None] * facing
        spread = self.mesh.smoothed(np.maximum(np.concatenate([front, behind], axis=1), 0.0)) / math.pi
        parts = normals, self._tangents, sky, spread, np.zeros((len(points), 1)), seen
        rows = np.concatenate(parts, axis=1, dtype=np.float32, casting="same_kind")
        known = tuple(lamp if lamp.sharpness else replace(lamp, shadow=None) for lamp, _ in lamps)
        lobes = [harmonics.by_degree(harmonics.lobe(sharpness))[:, None] * light.harmonics for sharpness in LOBES]
        irradiance = harmonics.by_degree(harmonics.COSINE / math.pi)[:, None] * light.harmonics
        return Received(rows, irradiance.astype(np.float32), np.stack(lobes).astype(np.float32), known)

    def _sky_share(self, light: Light, share: Share) -> np.ndarray:
        """(V, 3) what share of the sky's light arrives at vertices, a colour; 1 where there is none."""
        radiance = np.maximum(harmonics.basis(SKY_DIRECTIONS) @ light.harmonics, 0.0)
        if not radiance.any():
            return np.ones((len(self.vertices), 3))
        if self._sight is None:
            around = self._occluders, self._sphere
            self._sight = sky_sight(*around, SKY_DIRECTIONS, self.vertices, self._normals, share)
        cosine = np.maximum(self._normals @ SKY_DIRECTIONS.T, 0.0)
        whole, seen = cosine @ radiance, (cosine * self._sight.T) @ radiance
        return np.where(whole > 1e-9, seen / np.maximum(whole, 1e-9), 1.0)

    def _received_lamps(self, light: Light, share: Share) -> list[tuple[ReceivedLamp, np.ndarray]]:
        """Each lamp, and its (V,) visibility; its colour changes neither."""
        places = [replace(lamp, colour=(1.0, 1.0, 1.0)) for lamp in light.lamps]
        known = self._lamps
        new = [place for place in dict.fromkeys(places) if place not in known]
        found: dict[Lamp, tuple[ReceivedLamp, np.ndarray]] = {}

        def work(first: int, last: int) -> None:
            for index in range(first, last):
                lamp = _received_lamp(new[index], self._sphere, self._before)
                seen = np.ones(len(self.vertices), np.float32)
                if lamp.shadow is not None:
                    seen = visible(lamp.shadow, self.vertices, self._normals)
                found[new[index]] = lamp, seen

        share(len(new), work)
        known = known | found
        self._lamps = {place: known[place] for place in places}
        of_place = zip(light.lamps, (known[place] for place in places), strict=True)
        return [(replace(received, lamp=lamp), seen) for lamp, (received, seen) in of_place]


def receive(
    mesh: ShadedMesh,
    vertices: np.ndarray,
    light: Light,
    others: Sequence[Shape] = (),
    before_lamps: Sequence[Shape] = (),
) -> Received:
    """Find what a hand receives: :meth:`Standing.receive` of one light."""
    return Standing(mesh, vertices, others, before_lamps).receive(light)


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
    lobes = [(float(k), float(most)) for k, most in (widened_lobe(sharpness, np.array(cosine)) for sharpness in LOBES)]
    part = float(np.clip((WIDE - radius) / (WIDE - SHARP), 0.0, 1.0))
    return ReceivedLamp(lamp, sine, tuple(lobes), 2.0 / (1.0 + cosine), part * part * (3.0 - 2.0 * part), shadow)
