"""Panoramas as lights: equirectangular pictures of the surroundings into harmonics and the suns in them. NumPy only.

Rows go from the zenith (+z) down, columns as Cycles' equirectangular mapping has them: the middle looks along +x, the
left half holds +y. Called by captures and Blender.
"""

from __future__ import annotations

import math

import numpy as np

from . import harmonics
from .errors import LightError
from .lights import BRIGHTEST, WHITE, Lamp, Light

FINE = 96
"""Rows that a small panorama is divided into, so that its pixels count as areas and not as points."""

PEAK = 0.25
"""Of a sun's brightest pixel: what is as bright and touches it belongs to the sun."""

SUN = math.radians(15.0)
"""Largest angular radius of what counts as a sun."""

CONTRAST = 8.0
"""How many times as bright as its surroundings a sun's brightest pixel is at least."""

SHARE = 0.05
"""Of all light: what a sun gives at least."""


def directions(height: int, width: int) -> np.ndarray:
    """(height, width, 3) unit directions of the pixels' centres."""
    down = (np.arange(height) + 0.5) * math.pi / height
    turn = (0.5 - (np.arange(width) + 0.5) / width) * 2.0 * math.pi
    ring = np.sin(down)[:, None]
    return np.stack(np.broadcast_arrays(ring * np.cos(turn), ring * np.sin(turn), np.cos(down)[:, None]), axis=-1)


def solid_angles(height: int, width: int) -> np.ndarray:
    """(height, 1) solid angle of a pixel of each row; they add up to 4 pi over the picture."""
    edges = np.cos(np.arange(height + 1) * math.pi / height)
    return ((edges[:-1] - edges[1:]) * 2.0 * math.pi / width)[:, None]


def panorama_light(radiance: np.ndarray, suns: int = 1) -> Light:
    """The light of a panorama.

    Args:
        radiance: (H, W, 3) linear Rec.709, W/(m2 sr).
        suns: how many small bright spots at most become lamps; they are cut out of the harmonics.

    Raises:
        LightError: it is no such picture, or holds values that are negative or not finite.
    """
    picture = np.asarray(radiance, dtype=np.float64)
    if picture.ndim != 3 or picture.shape[2] != 3 or min(picture.shape[:2]) < 2:
        raise LightError(f"A panorama has the shape {picture.shape}.", "Give rows, columns and three channels.")
    if not ((picture >= 0.0) & (picture <= BRIGHTEST)).all():
        raise LightError("A panorama holds values that are negative or not finite.", "Write the picture again.")
    lamps = []
    for _ in range(suns):
        found = _take_sun(picture)
        if found is None:
            break
        lamp, picture = found
        lamps.append(lamp)
    return Light(_project(picture), tuple(lamps))


def light_panorama(light: Light, height: int) -> np.ndarray:
    """(height, 2 height, 3) picture of a light, as seen from the world's origin; negative radiance is shown as none.

    Lamps are discs of at least one pixel.
    """
    rays = directions(height, 2 * height)
    picture = np.maximum(harmonics.basis(rays) @ light.harmonics, 0.0)
    for lamp in light.lamps:
        towards, facing, cosine = lamp.at(np.zeros(3))
        edge = min(float(cosine), math.cos(0.5 * math.pi / height))
        picture[rays @ towards >= edge] += facing / (math.pi * (1.0 - edge**2))
    return picture


def resized(panorama: np.ndarray, rows: int) -> np.ndarray:
    """(rows, 2 rows, 3) means of a larger panorama over whole pixels: as small, and as bright."""
    height, width = panorama.shape[:2]
    down, across = np.arange(rows) * height // rows, np.arange(2 * rows) * width // (2 * rows)
    total = np.add.reduceat(np.add.reduceat(panorama[..., :3], down, axis=0, dtype=np.float64), across, axis=1)
    count = np.diff([*down, height])[:, None] * np.diff([*across, width])[None, :]
    return np.asarray(total / count[..., None])


def turned(panorama: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """A panorama of the world after it is turned by ``rotation`` (3, 3); nearest pixels."""
    height, width = panorama.shape[:2]
    rays = directions(height, width) @ rotation
    row = np.arccos(np.clip(rays[..., 2], -1.0, 1.0)) / math.pi * height
    column = (0.5 - np.arctan2(rays[..., 1], rays[..., 0]) / (2.0 * math.pi)) * width
    return panorama[np.minimum(row.astype(int), height - 1), column.astype(int) % width]


def _project(picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape[:2]
    times = -(-FINE // height)
    fine = np.repeat(np.repeat(picture, times, axis=0), -(-2 * FINE // width), axis=1)
    # Row by row: a panorama of 8k columns has a basis of gigabytes.
    total = np.zeros((harmonics.COUNT, 3))
    rays, areas = directions(*fine.shape[:2]), solid_angles(*fine.shape[:2])
    for row, area, line in zip(rays, areas, fine, strict=True):
        total += harmonics.basis(row).T @ (line * area)
    return total


def _take_sun(picture: np.ndarray) -> tuple[Lamp, np.ndarray] | None:
    """The brightest spot as a lamp, and the picture with its surroundings' radiance there; None where there is none."""
    height, width = picture.shape[:2]
    grey = picture @ WHITE
    peak = np.unravel_index(int(np.argmax(grey)), grey.shape)
    rays, areas = directions(height, width), solid_angles(height, width)
    centre = rays[peak]
    near = rays @ centre >= math.cos(SUN)
    spot = near & (grey >= PEAK * grey[peak])
    ring = near & ~spot
    if not ring.any():
        return None
    around = np.median(picture[ring], axis=0)
    more = np.where(spot[..., None], np.maximum(picture - around, 0.0), 0.0) * areas[..., None]
    flux = more.sum(axis=(0, 1))
    if grey[peak] < CONTRAST * (around @ WHITE) or flux @ WHITE < SHARE * float((grey * areas).sum()):
        return None
    middle = np.tensordot(more @ WHITE, rays, axes=2)
    middle /= np.linalg.norm(middle)
    cosine = 1.0 - float(np.broadcast_to(areas, grey.shape)[spot].sum()) / (2.0 * math.pi)
    # A disc of the spot's solid angle and flux.
    colour = flux * 0.5 * (1.0 + cosine)
    lamp = Lamp(tuple(colour), direction=tuple(middle), size=2.0 * math.acos(cosine))
    return lamp, np.where(spot[..., None], np.minimum(picture, around), picture)
