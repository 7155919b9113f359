"""The light that a hand stands in, as data: harmonics of its surroundings, and key lamps. NumPy only, float64.

World axes, metres, linear Rec.709, physical units as Cycles has them: radiance in W/(m2 sr), irradiance in W/m2. All
that is computed here is linear in the light, and nothing casts shadows; that is the renderer's part. Called by the
frame request, captures, Blender and training.

>>> sun = Lamp((3.0, 3.0, 3.0), direction=(0.0, 0.0, 1.0))
>>> Light.uniform((0.1, 0.1, 0.2), (sun,)).irradiance((0.0, 0.0, 0.0), (0.0, 0.0, 1.0)).round(3).tolist()
[3.314, 3.314, 3.628]
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from . import harmonics
from .errors import LightError
from .records import build

KEY_LAMPS = 8
"""Lamps that are kept as lamps; of more of them the weaker ones go into the harmonics."""

NEAREST = 0.005
"""Metres: no lamp counts as nearer than this, so that one inside the hand is bright and not infinite."""

LOBES = (8.0, 48.0)
"""Sharpness of the two reflection lobes: about those of a rough and an oily skin."""

SHADINGS = ("diffuse", "ambient", "rough", "oily")
"""What :meth:`Light.shading` gives, in its order."""

WHITE = np.array([0.2126, 0.7152, 0.0722])
"""Luminance of linear Rec.709."""

BRIGHTEST = 1e9
"""Largest number that a light may hold; the sun's disc has a radiance of 2e7."""

Emission = Literal["all", "disc", "cone"]
Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Lamp:
    """A lamp, far away or near.

    Attributes:
        colour: (3,) linear RGB. Of a far lamp: irradiance of a surface that faces it, W/m2. Of a near lamp: radiant
            intensity along its axis, W/sr, so that the irradiance at r metres is colour / r2; of a disc of the radius s
            colour / (r2 + s2).
        direction: of a far lamp: unit vector towards it.
        position: of a near lamp: its middle, metres.
        size: of a far lamp: angular diameter in radians, up to pi. Of a near lamp: diameter in metres.
        emission: of a near lamp: alike to ``all`` sides, by the cosine to its axis as a lit ``disc``, or alike within
            a ``cone`` about its axis.
        axis: of a disc and a cone: unit vector along which it shines.
        half_angle: radians from the axis beyond which nothing is emitted; a disc's is pi/2 unless it is shaded.
        blend: of a cone: part of it, 0 to 1, over which its border fades.

    Raises:
        LightError: a colour that is negative or not finite, or a place or shape that cannot be meant.
    """

    colour: Triple
    direction: Triple | None = None
    position: Triple | None = None
    size: float = 0.0
    emission: Emission = "all"
    axis: Triple | None = None
    half_angle: float = 0.5 * math.pi
    blend: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "colour", _triple(self.colour, "colour"))
        for name in ("size", "half_angle", "blend"):
            object.__setattr__(self, name, float(getattr(self, name)))
        if min(self.colour) < 0.0:
            raise LightError(f"A lamp has the colour {self.colour}.", "Give it a strength that is not negative.")
        if (self.direction is None) == (self.position is None):
            raise LightError("A lamp needs a direction or a position, and not both.", "Give one of them.")
        for name in ("direction", "axis"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, _unit(_triple(getattr(self, name), name), name))
        if self.position is not None:
            object.__setattr__(self, "position", _triple(self.position, "position"))
        if self.emission not in ("all", "disc", "cone"):
            raise LightError(f"A lamp emits to {self.emission!r}.", "Choose all, disc or cone.")
        if self.emission != "all" and (self.axis is None or self.position is None):
            raise LightError(f"A lamp shaped as a {self.emission} lacks its axis or position.", "Give both.")
        largest = math.pi if self.direction is not None else 1e4
        if not 0.0 <= self.size <= largest:
            raise LightError(f"A lamp has the size {self.size}.", f"Give one from 0 to {largest:.4g}.")
        if not (0.0 < self.half_angle <= math.pi and 0.0 <= self.blend <= 1.0):
            raise LightError(
                f"A lamp's cone has the half angle {self.half_angle} and the blend {self.blend}.",
                "Give angles above 0 and up to pi, and a blend from 0 to 1.",
            )

    def at(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """How the lamp looks from (..., 3) points.

        Returns:
            (..., 3) unit directions to it, (..., 3) irradiance facing it, (...) cosine of its angular radius.
        """
        points = np.asarray(points, dtype=np.float64)
        colour = np.array(self.colour)
        if self.direction is not None:
            shape = points.shape[:-1]
            towards = np.broadcast_to(np.array(self.direction), points.shape)
            return towards, np.broadcast_to(colour, points.shape), np.full(shape, math.cos(0.5 * self.size))
        away = np.array(self.position) - points
        distance = np.linalg.norm(away, axis=-1, keepdims=True)
        towards = np.where(distance > 1e-12, away / np.maximum(distance, 1e-12), [0.0, 0.0, 1.0])
        square = self._square(distance[..., 0])
        strength = self._profile(towards) / square
        return towards, strength[..., None] * colour, np.sqrt(1.0 - (0.5 * self.size) ** 2 / square)

    def seen_from(self, point: Sequence[float] | np.ndarray) -> float:
        """Cosine of its angular radius at a (3,) point, as :meth:`at`."""
        if self.position is None:
            return math.cos(0.5 * self.size)
        return math.sqrt(1.0 - (0.5 * self.size) ** 2 / float(self._square(math.dist(self.position, point))))

    def moved(self, rotation: np.ndarray, translation: Sequence[float] | np.ndarray, scale: float = 1.0) -> Lamp:
        """The lamp after the world is turned (3, 3) about the origin, made ``scale`` times as large, then shifted.

        A point that moves along keeps its irradiance.
        """
        turn = np.asarray(rotation, dtype=np.float64)
        axis = None if self.axis is None else _plain(turn @ self.axis)
        if self.direction is not None:
            return replace(self, direction=_plain(turn @ self.direction))
        position = scale * turn @ np.array(self.position) + np.asarray(translation, dtype=np.float64)
        colour = _plain(np.array(self.colour) * scale**2)
        return replace(self, position=_plain(position), axis=axis, size=self.size * scale, colour=colour)

    def scaled(self, factor: float | Sequence[float]) -> Lamp:
        """The lamp ``factor`` times as bright; a factor a channel tints it."""
        return replace(self, colour=_plain(np.array(self.colour) * factor))

    def _square(self, distance: Any) -> Any:
        """Of the distances at which a near lamp counts.

        From within itself a ball looks as it does at its surface. A disc is flat: exact on its axis.
        """
        radius, flat = 0.5 * self.size, self.emission == "disc"
        return np.maximum(distance, NEAREST if flat else max(radius, NEAREST)) ** 2 + (radius**2 if flat else 0.0)

    def _profile(self, towards: np.ndarray) -> np.ndarray:
        """Share of the axis' intensity that is emitted against ``towards``, the direction from a point to the lamp."""
        if self.emission == "all":
            return np.ones(towards.shape[:-1])
        cosine = -(towards @ np.array(self.axis))
        if self.emission == "cone":
            # Blender's spot: a smooth step of the cosine, over a part of what the cone leaves of it.
            edge = math.cos(self.half_angle)
            x = np.clip((cosine - edge) / max((1.0 - edge) * self.blend, 1e-4), 0.0, 1.0)
            return np.asarray(x * x * (3.0 - 2.0 * x))
        shade = np.maximum(cosine, 0.0)
        if self.half_angle < 0.5 * math.pi:
            # Blender's spread: as a grid before the disc, which shades linearly by the tangent.
            tangent = np.sqrt(np.maximum(1.0 - cosine**2, 0.0)) / np.maximum(shade, 1e-9)
            shade = shade * np.maximum(1.0 - tangent / math.tan(self.half_angle), 0.0)
        return shade


def _black() -> np.ndarray:
    return np.zeros((harmonics.COUNT, 3))


@dataclass(frozen=True, eq=False)
class Light:
    """All light that reaches a place: radiance of the surroundings without the lamps, and the lamps.

    Attributes:
        harmonics: (16, 3) coefficients of the radiance by direction, in the order of the module ``harmonics``; not
            writeable.
        lamps: what shines beside it.

    Raises:
        LightError: coefficients of another number, not finite, or of a mean that is negative.
    """

    harmonics: np.ndarray = field(default_factory=_black)
    lamps: tuple[Lamp, ...] = ()

    def __post_init__(self) -> None:
        try:
            values = np.array(self.harmonics, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise LightError("A light's harmonics are not a table of numbers.", "Give 16 rows of 3.") from error
        if values.shape != (harmonics.COUNT, 3):
            raise LightError(f"A light's harmonics have the shape {values.shape}.", "Give 16 rows of 3 numbers.")
        if not (np.abs(values) <= BRIGHTEST).all():
            raise LightError("A light's harmonics are not finite.", "Check the world's strength and its picture.")
        if values[0].min() < 0.0:
            raise LightError("A light's surroundings have negative radiance.", "Check the world's strength.")
        values.flags.writeable = False
        object.__setattr__(self, "harmonics", values)
        object.__setattr__(self, "lamps", tuple(self.lamps))

    @classmethod
    def uniform(cls, radiance: Sequence[float] | np.ndarray, lamps: Iterable[Lamp] = ()) -> Light:
        """The same (3,) radiance from everywhere, and lamps."""
        values = _black()
        values[0] = np.asarray(radiance, dtype=np.float64) * math.sqrt(4.0 * math.pi)
        return cls(values, tuple(lamps))

    @property
    def is_dark(self) -> bool:
        """Nothing shines."""
        return not self.harmonics.any() and not any(max(lamp.colour) > 0.0 for lamp in self.lamps)

    def __add__(self, other: Light) -> Light:
        return Light(self.harmonics + other.harmonics, self.lamps + other.lamps)

    def scaled(self, factor: float | Sequence[float]) -> Light:
        """The light ``factor`` times as bright; a factor a channel tints it.

        Raises:
            LightError: a factor that is negative or not finite.
        """
        values = np.broadcast_to(np.asarray(factor, dtype=np.float64), 3)
        if not (np.isfinite(values).all() and values.min() >= 0.0):
            raise LightError(f"A light has the strength {factor}.", "Give one that is not negative.")
        return Light(self.harmonics * values, tuple(lamp.scaled(_plain(values)) for lamp in self.lamps))

    def moved(self, rotation: np.ndarray, translation: Sequence[float] | np.ndarray, scale: float = 1.0) -> Light:
        """The light after the world is turned (3, 3) about the origin, made ``scale`` times as large, then shifted."""
        turned = harmonics.rotation(rotation) @ self.harmonics
        return Light(turned, tuple(lamp.moved(rotation, translation, scale) for lamp in self.lamps))

    def limited(self, point: Sequence[float], lamps: int = KEY_LAMPS) -> Light:
        """At most so many lamps: those that are strongest at ``point`` (3,), and the rest in the harmonics as seen
        from there."""
        lit = [lamp for lamp in self.lamps if max(lamp.colour) > 0.0]
        if len(lit) <= lamps:
            return self if len(lit) == len(self.lamps) else Light(self.harmonics, tuple(lit))
        towards, facing, cosine = map(np.stack, zip(*(lamp.at(np.asarray(point)) for lamp in lit), strict=True))
        order = np.argsort(-(facing @ WHITE), kind="stable")
        kept = tuple(lit[index] for index in sorted(order[:lamps]))
        rest = order[lamps:]
        # As discs of even radiance, seen from the point.
        zonal = harmonics.by_degree(harmonics.cap(cosine[rest])) * harmonics.basis(towards[rest])
        folded = np.einsum("lk,lc->kc", zonal, _flux(facing[rest], cosine[rest]))
        return Light(self.harmonics + folded, kept)

    def irradiance(self, points: Any, normals: Any) -> np.ndarray:
        """(..., 3) irradiance in W/m2 of surfaces at (..., 3) points with unit normals (..., 3)."""
        points, normals = _pair(points, normals)
        total = harmonics.basis(normals) @ (harmonics.by_degree(harmonics.COSINE)[:, None] * self.harmonics)
        for lamp in self.lamps:
            towards, facing, cosine = lamp.at(points)
            total += clipped_cosine(np.sum(towards * normals, axis=-1), cosine)[..., None] * facing
        return total

    def ambient(self, points: Any) -> np.ndarray:
        """(..., 3) mean radiance from all around (..., 3) points."""
        points = np.asarray(points, dtype=np.float64)
        total = np.zeros(points.shape) + self.harmonics[0] / math.sqrt(4.0 * math.pi)
        for lamp in self.lamps:
            _, facing, cosine = lamp.at(points)
            total += _flux(facing, cosine) / (4.0 * math.pi)
        return total

    def lobe(self, points: Any, reflections: Any, sharpness: float) -> np.ndarray:
        """(..., 3) mean radiance about (..., 3) unit directions, weighted by exp(sharpness cos)."""
        points, reflections = _pair(points, reflections)
        total = harmonics.basis(reflections) @ (
            harmonics.by_degree(harmonics.lobe(sharpness))[:, None] * self.harmonics
        )
        for lamp in self.lamps:
            towards, facing, cosine = lamp.at(points)
            density = _lobe_density(np.sum(towards * reflections, axis=-1), sharpness, cosine)
            total += density[..., None] * _flux(facing, cosine)
        return total

    def shading(self, points: Any, normals: Any, reflections: Any) -> np.ndarray:
        """(..., 4, 3) what an avatar that answers to light scales by its gains; each is 1 in a uniform radiance of 1.

        Args:
            points: (..., 3) of the surface.
            normals: (..., 3) unit normals.
            reflections: (..., 3) unit directions of the mirrored view.

        Returns:
            ``SHADINGS``: irradiance over pi, mean radiance, and the two reflection lobes.
        """
        parts = [self.irradiance(points, normals) / math.pi, self.ambient(points)]
        parts += [self.lobe(points, reflections, sharpness) for sharpness in LOBES]
        return np.stack(np.broadcast_arrays(*parts), axis=-2)

    def to_json(self) -> dict[str, Any]:
        """Plain values, ready for JSON; a lamp's defaults are left out."""
        lamps = [
            {name: value for name, value in vars(lamp).items() if value != Lamp.__dataclass_fields__[name].default}
            for lamp in self.lamps
        ]
        return {"harmonics": self.harmonics.tolist(), "lamps": lamps}

    @classmethod
    def from_json(cls, document: Any) -> Light:
        """Inverse of :meth:`to_json`.

        Raises:
            LightError: a part is unknown or does not fit.
        """
        try:
            return build(cls, document)
        except ValueError as error:
            raise LightError(f"The light does not fit: {error}.", "Write it with Light.to_json.") from error


def clipped_cosine(cosine: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """What of a round lamp's irradiance facing it reaches a surface, the part below its horizon cut off; exact.

    Args:
        cosine: between the normal and the lamp's middle.
        radius: cosine of the lamp's angular radius, up to a right angle; 1 is a point.
    """
    cosine = np.clip(cosine, -1.0, 1.0)
    sine, size = np.sqrt(1.0 - cosine**2), np.sqrt(np.maximum(1.0 - radius**2, 0.0))
    whole, none = cosine >= size, cosine <= -size
    # Snyder's form of a cap that the horizon cuts; the other cases are set to what is harmless in it.
    cut = ~(whole | none)
    size, sine = np.where(cut, size, 1.0), np.where(cut, sine, 1.0)
    c, x = np.where(cut, cosine, 0.0), np.where(cut, radius, 0.0) / size
    y = np.clip(-x * c / sine, -1.0, 1.0)
    root = sine * np.sqrt(1.0 - y * y)
    part = (c * np.arccos(y) - x * root) / math.pi
    part += np.where(x > 0.0, np.arctan(root / np.maximum(x, 1e-300)), 0.5 * math.pi) / (math.pi * size**2)
    return np.where(whole, cosine, np.where(cut, part, 0.0))


def _flux(facing: np.ndarray, cosine: np.ndarray) -> np.ndarray:
    """Integral of a round lamp's radiance over its solid angle, from its irradiance facing it."""
    return 2.0 * facing / (1.0 + np.asarray(cosine)[..., None])


def widened_lobe(sharpness: float, radius: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sharpness of a lobe that a round lamp's size widens, and the density above which no mirror shows the lamp.

    The widened lobe has the mean cosine of the convolution of both. Within a tenth of the integral's peak up to a
    diameter of 60 degrees.

    Args:
        radius: (...) cosine of the lamp's angular radius.
    """
    k = harmonics.sharpness_of(harmonics.mean_cosine(sharpness) * 0.5 * (1.0 + np.asarray(radius)))
    return k, 1.0 / (2.0 * math.pi * np.maximum(1.0 - np.asarray(radius), 1e-12))


def _lobe_density(cosine: np.ndarray, sharpness: float, radius: np.ndarray) -> np.ndarray:
    """Density of a lobe at a round lamp, by the cosine between the lobe's axis and the lamp's middle."""
    k, most = widened_lobe(sharpness, radius)
    return np.minimum(k * np.exp(k * (cosine - 1.0)) / (2.0 * math.pi * -np.expm1(-2.0 * k)), most)


def _pair(points: Any, directions: Any) -> tuple[np.ndarray, np.ndarray]:
    first, second = np.broadcast_arrays(np.asarray(points, np.float64), np.asarray(directions, np.float64))
    return first, second


def _triple(value: Any, name: str) -> Triple:
    try:
        numbers = tuple(float(number) for number in value)
    except (TypeError, ValueError, OverflowError) as error:
        raise LightError(f"A lamp has the {name} {value!r}.", "Give three numbers.") from error
    if len(numbers) != 3 or not all(abs(number) <= BRIGHTEST for number in numbers):
        raise LightError(f"A lamp has the {name} {numbers}.", f"Give three finite numbers, up to {BRIGHTEST:g}.")
    return numbers


def _unit(vector: Triple, name: str) -> Triple:
    length = math.hypot(*vector)
    if length < 1e-9:
        raise LightError(f"A lamp has the {name} {vector}.", "Give a vector that has a length.")
    return _plain(np.array(vector) / length)


def _plain(vector: np.ndarray) -> Triple:
    x, y, z = (float(number) for number in vector)
    return x, y, z
