"""The light that a posed hand receives, for the pixel stage of every room: vertices' attributes, lamps, depth maps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ... import harmonics
from ...kernels.shading.vertices import vertex_light
from ...lights import LOBES, Light
from .lamps import ReceivedLamp, lamp_rows, received_lamps
from .mesh import ShadedMesh
from .shadows import Occluders, Share, Sphere, alone, skin_points, sky_sight

SKY_AXES = harmonics.spread_axes()
"""(16, 3) unit vectors along which the sky's light is looked for, from both their ends, in the frame of the hand."""

_BY_DIRECTION = harmonics.basis(np.concatenate([SKY_AXES, -SKY_AXES]))
_BY_NORMAL = harmonics.by_degree(harmonics.COSINE / math.pi)[:, None]
_BY_LOBE = np.stack([harmonics.by_degree(harmonics.lobe(sharpness))[:, None] for sharpness in LOBES])

NORMAL, TANGENT, SKY, SCATTER, BACK = (slice(first, first + 3) for first in range(0, 15, 3))
"""Columns of ``Received.vertices``; their rest up to LAMPS is free."""

Shape = tuple[np.ndarray, np.ndarray]
"""(N, 3) float32 vertices and (M, 3) int32 faces."""

LAMPS = 16
"""First column of what of each key lamp is seen by the vertex."""


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
        vertices: (V, 3) float32 posed, metres, of ``ShadedMesh.closed``.
        others: further (vertices, faces) in the way of the light.
        before_lamps: such that are in the way of lamps alone.
        hands: such in the way of all light, and of skin, which reflects some of the sky's.
    """

    def __init__(
        self,
        mesh: ShadedMesh,
        vertices: np.ndarray,
        others: Sequence[Shape] = (),
        before_lamps: Sequence[Shape] = (),
        hands: Sequence[Shape] = (),
    ) -> None:
        self.mesh, self.vertices = mesh, vertices
        self._around = tuple(others), tuple(before_lamps), tuple(hands)
        self._sphere = Sphere.around(vertices)
        without = [(vertices, mesh.faces), *others]
        self._without = Occluders.of(without, mesh.solid) if hands else None
        self._occluders = Occluders.of([*without, *hands], mesh.solid)
        self._before = self._occluders
        if before_lamps:
            self._before = Occluders.of([*without, *hands, *before_lamps], mesh.solid)
        self._normals, self._tangents = mesh.frames(vertices)
        self._points = skin_points(vertices, self._normals)
        self._sights: tuple[np.ndarray, np.ndarray] | None = None
        self._lamps: dict[tuple[object, ...], tuple[ReceivedLamp, np.ndarray]] = {}

    def is_of(
        self,
        vertices: np.ndarray,
        others: Sequence[Shape],
        before_lamps: Sequence[Shape],
        hands: Sequence[Shape] = (),
    ) -> bool:
        """Whether all of it is still where it was."""
        now = tuple(others), tuple(before_lamps), tuple(hands)
        if [len(part) for part in now] != [len(part) for part in self._around]:
            return False
        pairs = zip(sum(self._around, ()), sum(now, ()), strict=True)
        arrays = ((one, two) for before, after in pairs for one, two in zip(before, after, strict=True))
        return np.array_equal(self.vertices, vertices) and all(np.array_equal(*pair) for pair in arrays)

    def receive(self, light: Light, share: Share = alone) -> Received:
        """What the hand receives of a light in its frame; ``share`` spreads work over threads."""
        light = light.limited(tuple(self._sphere.middle))
        found = self._received_lamps(light, share)
        lamps, count = tuple(lamp for lamp, _ in found), len(self.vertices)
        seen = np.array([visibility for _, visibility in found], np.float32).reshape(len(found), self._points.shape[1])
        irradiance = (_BY_NORMAL * light.harmonics).astype(np.float32)
        values = np.empty((count, 9), np.float32)
        sky = self._sight_and_radiance(light, share)
        vertex_light(self._points, *sky, irradiance.reshape(-1), lamp_rows(lamps).reshape(-1), seen, values)
        rows = np.zeros((count, LAMPS + len(lamps)), np.float32)
        rows[:, NORMAL], rows[:, TANGENT], rows[:, SKY] = self._normals, self._tangents, values[:, :3]
        rows[:, SCATTER.start : BACK.stop] = self.mesh.smoothed(values[:, 3:])
        rows[:, LAMPS:] = seen[:, :count].T
        return Received(rows, irradiance, (_BY_LOBE * light.harmonics).astype(np.float32), lamps)

    def _sight_and_radiance(self, light: Light, share: Share) -> tuple[np.ndarray, ...]:
        """What the vertices see along the sky's axes, with and without other hands, these axes, and what comes from
        there; none of a dark sky."""
        radiance = np.maximum(_BY_DIRECTION @ light.harmonics, 0.0)
        if not radiance.any():
            nothing = np.zeros((0, 3), np.float32)
            return (nothing,) * 4
        if self._sights is None:
            sight = sky_sight(self._occluders, self._sphere, SKY_AXES, self._points, share)
            without = sight[:0]
            if self._without is not None:
                without = sky_sight(self._without, self._sphere, SKY_AXES, self._points, share)
            self._sights = sight, without
        return *self._sights, SKY_AXES.astype(np.float32), (radiance / radiance.max()).astype(np.float32)

    def _received_lamps(self, light: Light, share: Share) -> list[tuple[ReceivedLamp, np.ndarray]]:
        """Each lamp, and its (V,) visibility; its colour changes neither."""
        places = [tuple(value for name, value in vars(lamp).items() if name != "colour") for lamp in light.lamps]
        known = self._lamps
        new = {place: lamp for place, lamp in zip(places, light.lamps, strict=True) if place not in known}
        found = received_lamps(list(new.values()), self._sphere, self._before, self._points, share)
        known = known | dict(zip(new, found, strict=True))
        self._lamps = {place: known[place] for place in places}
        of_place = zip(light.lamps, (known[place] for place in places), strict=True)
        return [(replace(received, lamp=lamp), seen) for lamp, (received, seen) in of_place]


def receive(
    mesh: ShadedMesh,
    vertices: np.ndarray,
    light: Light,
    others: Sequence[Shape] = (),
    before_lamps: Sequence[Shape] = (),
    hands: Sequence[Shape] = (),
) -> Received:
    """Find what a hand receives: :meth:`Standing.receive` of one light."""
    return Standing(mesh, vertices, others, before_lamps, hands).receive(light)


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
