"""Many lights for a capture: soft lamps, skies and suns drawn at random, and which picture is taken in which.

Lights are drawn about the origin, in the wrist's frame. Called by Blender's capture; NumPy only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ..lights import Lamp, Light
from ..panoramas import directions, panorama_light, turned
from .light_part import CaptureLight, level
from .shooting import Shooting, Shot

SKY_ROWS = 32
"""Rows of a drawn sky's panorama."""

TRAINING = (("lamps", 0.55), ("sky", 0.25), ("sun", 0.1), ("studio", 0.1))
"""Kinds of light to train in, and the share of the pictures that each has."""

HELD_OUT = ("hdri", "soft lamps", "hard sun")
"""Kinds of light that only pictures of new poses by new cameras are taken in."""

LIGHTS_A_TEST = 2
"""Held-out lights that each of those views is seen in; every other one is also seen in the studio's."""

SPREAD_STOPS = 1.0
"""Lights are up to so many stops weaker or stronger than the studio's, so that none is told by its strength."""

JITTER_STOPS = 0.3
"""Pictures are exposed for their light up to this."""

WARM, COOL = np.array([1.0, 0.55, 0.25]), np.array([0.66, 0.82, 1.0])
"""Whites between which lamps are drawn: about 2500 and 10000 kelvin."""


@dataclass(frozen=True)
class Lighting:
    """One light as it is shown to the hand.

    Attributes:
        light: as data: what the capture tells of it.
        kind: what sort of light it is.
        panorama: (H, 2 H, 3) radiance that stands for all that is not ``lamps``; None where the light's own harmonics
            are even.
        lamps: those that stand beside the panorama.
        turn: (3, 3) rotation from the panorama's frame to the world.
    """

    light: Light
    kind: str
    panorama: np.ndarray | None = None
    lamps: tuple[Lamp, ...] = ()
    turn: np.ndarray = field(default_factory=lambda: np.eye(3))

    def moved(self, rotation: np.ndarray, translation: np.ndarray, scale: float = 1.0) -> Lighting:
        """As ``Light.moved``."""
        lamps = tuple(lamp.moved(rotation, translation, scale) for lamp in self.lamps)
        light = self.light.moved(rotation, translation, scale)
        return replace(self, light=light, lamps=lamps, turn=rotation @ self.turn)


def light_shots(
    plan: Shooting,
    studio: Light,
    centre: np.ndarray,
    seed: int,
    hdris: Sequence[np.ndarray] = (),
) -> tuple[Shooting, tuple[Lighting, ...]]:
    """The plan with a light for each picture, and those lights.

    Training pictures have one light each. Pictures of new poses by new cameras are taken in two held-out lights and
    half of them in the studio's; those that are new in one respect only, in the studio's. Tests are spread over the
    order, so that any first part of it is good for training and for measuring.

    Args:
        plan: of which ``order`` names no lights; its hand stands still at the origin.
        studio: the light that captures of one light have.
        centre: (3,) middle of the hand.
        seed: of the lights.
        hdris: (H, 2 H, 3) panoramas of real places, for tests alone; drawn skies take their place where there are none.
    """
    random = np.random.default_rng([seed, 1])
    target = level(studio, centre)
    lights, shots = [Lighting(studio, "studio", None, studio.lamps)], []
    exposures, kept = [0.0], set[int]()

    def add(kind: str) -> int:
        lighting = _draw(kind, random, centre, hdris, len(lights))
        strength = level(lighting.light, centre) / (target * 2.0 ** random.uniform(-SPREAD_STOPS, SPREAD_STOPS))
        lighting = _scaled(lighting, 1.0 / strength)
        stops = math.log2(target / level(lighting.light, centre)) + random.uniform(-JITTER_STOPS, JITTER_STOPS)
        lights.append(lighting)
        exposures.append(round(stops, 3))
        return len(lights) - 1

    kinds, shares = [kind for kind, _ in TRAINING], [share for _, share in TRAINING]
    tests = 0
    for shot in _interleaved(plan):
        if not plan.is_test(shot):
            kind = str(random.choice(kinds, p=shares))
            shots.append(shot._replace(light=0 if kind == "studio" else add(kind)))
            continue
        if shot.pose not in plan.held_out_poses or plan.rig.names[shot.camera] not in plan.rig.held_out:
            shots.append(shot._replace(light=0))
            continue
        for turn in range(LIGHTS_A_TEST):
            number = add(HELD_OUT[(tests + turn) % len(HELD_OUT)])
            kept.add(number)
            shots.append(shot._replace(light=number))
        if tests % 2 == 0:
            shots.append(shot._replace(light=0))
        tests += 1
    lit = replace(
        plan,
        order=tuple(shots),
        lights=tuple(CaptureLight(lighting.light, lighting.kind) for lighting in lights),
        exposures=tuple(exposures),
        held_out_lights=frozenset(kept),
    )
    return lit, tuple(lights)


def lit_tests(grid: int) -> int:
    """How many test pictures a grid of new poses by new cameras becomes."""
    return LIGHTS_A_TEST * grid + (grid + 1) // 2


def _interleaved(plan: Shooting) -> list[Shot]:
    """The plan's pictures, tests among the others from beginning to end."""
    tests = [shot for shot in plan.order if plan.is_test(shot)]
    others = [shot for shot in plan.order if not plan.is_test(shot)]
    places = [((count + 0.5) / len(some), shot) for some in (tests, others) for count, shot in enumerate(some)]
    return [shot for _, shot in sorted(places, key=lambda entry: entry[0])]


def moved_lights(
    plan: Shooting, lights: Sequence[Lighting], rotation: np.ndarray, translation: np.ndarray
) -> tuple[Shooting, tuple[Lighting, ...]]:
    """Plan and lights with the lights taken from the wrist's frame to the world's; cameras and poses are there."""
    moved = tuple(lighting.moved(rotation, translation) for lighting in lights)
    told = tuple(CaptureLight(lighting.light, lighting.kind) for lighting in moved)
    return replace(plan, lights=told), moved


def _draw(
    kind: str, random: np.random.Generator, centre: np.ndarray, hdris: Sequence[np.ndarray], number: int
) -> Lighting:
    if kind in ("lamps", "soft lamps"):
        return _lamps(kind, random, centre)
    if kind in ("sun", "hard sun"):
        return _sun(kind, random)
    if kind == "hdri" and hdris:
        panorama = turned(np.asarray(hdris[number % len(hdris)], dtype=np.float64), _rotation(random))
        return Lighting(panorama_light(panorama), kind, panorama)
    panorama = sky(random)
    return Lighting(panorama_light(panorama), kind, panorama)


def _lamps(kind: str, random: np.random.Generator, centre: np.ndarray) -> Lighting:
    """One to three soft lamps and a dim sky."""
    lamps = []
    for towards in _directions(random, int(random.integers(1, 4))):
        distance = random.uniform(0.5, 2.0)
        colour = _white(random) * 2.0 ** random.uniform(-2.0, 0.0) * distance**2
        lamps.append(
            Lamp(
                tuple(colour),
                position=tuple(centre + distance * towards),
                size=distance * random.uniform(0.2, 0.8),
                emission="disc",
                axis=tuple(-towards),
            )
        )
    return _beside(kind, tuple(lamps), random, centre)


def _sun(kind: str, random: np.random.Generator) -> Lighting:
    """A sun of 2 to 30 degrees and a dim sky."""
    size = math.radians(2.0 * 15.0 ** random.uniform())
    (towards,) = _directions(random, 1)
    return _beside(kind, (Lamp(tuple(_white(random)), direction=tuple(towards), size=size),), random, np.zeros(3))


def _beside(kind: str, lamps: tuple[Lamp, ...], random: np.random.Generator, centre: np.ndarray) -> Lighting:
    """Lamps and a sky that gives 3 to 20 hundredths of the light."""
    share = 0.03 * (0.2 / 0.03) ** random.uniform()
    mean = Light(lamps=lamps).ambient(centre).mean()
    panorama = _gradient(random)
    panorama *= share / (1.0 - share) * mean / panorama.mean()
    around = panorama_light(panorama, suns=0)
    return Lighting(Light(around.harmonics, lamps), kind, panorama, lamps)


def sky(random: np.random.Generator) -> np.ndarray:
    """(32, 64, 3) radiance: a gradient from zenith to ground, soft clouds and lit walls, some bright windows."""
    panorama = _gradient(random)
    rays = directions(*panorama.shape[:2])
    for towards in _directions(random, int(random.integers(2, 7))):
        sharpness = 3.0 * 20.0 ** random.uniform()
        blob = np.exp(sharpness * (rays @ towards - 1.0))
        panorama += blob[..., None] * _white(random) * random.uniform(0.3, 6.0)
    for _ in range(int(random.integers(0, 4))):
        row, column = int(random.integers(4, 24)), int(random.integers(0, 64))
        high, wide = int(random.integers(2, 8)), int(random.integers(2, 10))
        columns = (column + np.arange(wide)) % 64
        panorama[row : row + high, columns] += _white(random) * random.uniform(2.0, 15.0)
    return turned(panorama, _rotation(random))


def _gradient(random: np.random.Generator) -> np.ndarray:
    height = directions(SKY_ROWS, 2 * SKY_ROWS)[..., 2:]
    zenith, horizon, ground = (_white(random) * random.uniform(0.1, 1.0) for _ in range(3))
    above = horizon + (zenith - horizon) * np.maximum(height, 0.0) ** 0.5
    below = ground + (horizon - ground) * np.exp(8.0 * np.minimum(height, 0.0))
    return turned(np.where(height >= 0.0, above, below), _rotation(random))


def _white(random: np.random.Generator) -> np.ndarray:
    """A white between warm and cool of luminance about 1; one in six is a colour of its own."""
    colour = COOL + (WARM - COOL) * random.uniform() ** 1.5
    if random.uniform() < 1.0 / 6.0:
        colour = colour * random.uniform(0.15, 1.0, 3)
    return np.asarray(colour / colour.mean())


def _directions(random: np.random.Generator, count: int) -> np.ndarray:
    vectors = random.normal(size=(count, 3))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))


def _rotation(random: np.random.Generator) -> np.ndarray:
    """A (3, 3) rotation, all of them alike probable."""
    q, r = np.linalg.qr(random.normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    return np.asarray(q * np.array([1.0, 1.0, np.linalg.det(q)]))


def _scaled(lighting: Lighting, factor: float) -> Lighting:
    panorama = None if lighting.panorama is None else lighting.panorama * factor
    lamps = tuple(lamp.scaled(factor) for lamp in lighting.lamps)
    return replace(lighting, light=lighting.light.scaled(factor), panorama=panorama, lamps=lamps)
