"""A right foot with its lower leg as a signed distance field, and the mesh that is drawn from it.

Millimetres and anatomical axes here: (forward, medial, up), the ankle above the origin, the sole at up = 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hand_builder import remesh
from hand_builder.field import ellipsoid, smooth_min
from hand_builder.noise import step
from scipy.interpolate import PchipInterpolator
from skimage.measure import marching_cubes

TOP = 222.0
"""Where the leg ends, closed by a flat cap."""
ANKLE = np.array([0.0, 0.0, 74.0])
LOW, HIGH = np.array([-76.0, -64.0, -4.0]), np.array([206.0, 62.0, TOP + 6.0])


@dataclass(frozen=True)
class Toe:
    """One toe: its knots from the ball to the tip, half widths there, half height by half width, and its nail."""

    name: str
    knots: tuple[tuple[float, float, float], ...]
    widths: tuple[float, ...]
    flat: float
    nail: tuple[float, float]

    def line(self) -> tuple[np.ndarray, np.ndarray]:
        """(n,) millimetres along and (n, 3) places of a fine line through the knots."""
        knots = np.array(self.knots)
        along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(knots, axis=0), axis=1))])
        fine = np.linspace(0.0, along[-1], 60)
        return fine, PchipInterpolator(along, knots)(fine)

    @property
    def length(self) -> float:
        return float(self.line()[0][-1])


TOES = (
    Toe(
        "big",
        ((122, 27, 19), (150, 27.5, 17.5), (170, 26, 15.5), (189, 23.5, 13.0)),
        (13.5, 12.4, 13.6, 12.2),
        0.86,
        (8.6, 14.0),
    ),
    Toe(
        "second",
        ((128, 7, 20), (152, 5.2, 18.5), (170, 4.2, 15.5), (188, 3.8, 9.6)),
        (8.0, 7.3, 7.0, 7.7),
        0.95,
        (4.9, 8.0),
    ),
    Toe(
        "third",
        ((122, -9, 18), (144, -10.8, 17.5), (162, -11.6, 14.4), (178, -11.4, 9.0)),
        (7.8, 7.0, 6.7, 7.3),
        0.95,
        (4.5, 7.3),
    ),
    Toe(
        "fourth",
        ((113, -24, 16), (134, -26.2, 16), (150, -26.8, 13.2), (164, -26.0, 8.6)),
        (7.6, 6.8, 6.5, 7.1),
        0.95,
        (4.2, 6.6),
    ),
    Toe(
        "little",
        ((102, -37, 14), (121, -41.5, 13.5), (135, -42.6, 11.4), (148, -40.6, 8.4)),
        (7.6, 7.0, 6.7, 7.2),
        0.94,
        (3.7, 5.4),
    ),
)


def place(points: np.ndarray) -> np.ndarray:
    """(n, 3) metres in Blender's axes, toes towards -y, from anatomical millimetres."""
    return np.stack([points[..., 1], -points[..., 0], points[..., 2]], axis=-1) * 1e-3


def anatomical(points: np.ndarray) -> np.ndarray:
    """The way back from :func:`place`."""
    return np.stack([-points[..., 1], points[..., 0], points[..., 2]], axis=-1) * 1e3


def toe_coordinates(p: np.ndarray, toe: Toe) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(n,) millimetres along a toe from its first knot (going on beyond both ends), to its medial side, and upwards."""
    along, line = toe.line()
    ahead = np.gradient(line, along, axis=0)
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    nearest = np.argmin(((p[:, None] - line[None, ::3]) ** 2).sum(axis=-1), axis=1) * 3
    best = np.argmin(
        np.stack([((p - line[np.clip(nearest + k, 0, 59)]) ** 2).sum(axis=1) for k in range(-2, 3)]), axis=0
    )
    nearest = np.clip(nearest + best - 2, 0, 59)
    away, axis = p - line[nearest], ahead[nearest]
    over = (away * axis).sum(axis=1)
    side = np.cross(np.array([0.0, 0.0, 1.0]), axis)
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    up = np.cross(axis, side)
    return along[nearest] + over, (away * side).sum(axis=1), (away * up).sum(axis=1)


def toe_distance(p: np.ndarray, toe: Toe) -> np.ndarray:
    """(n,) to a toe: a tube with a waist before its bulb."""
    along, side, up = toe_coordinates(p, toe)
    stops = np.linspace(0.0, toe.length, len(toe.widths))
    cap = 1.05 * toe.widths[-1]
    width = PchipInterpolator(stops, toe.widths)(np.clip(along, 0.0, toe.length))
    height = width * toe.flat
    over = np.clip((along - (toe.length - 0.35 * cap)) / cap, 0.0, None)
    under = np.clip(-along / 8.0, 0.0, None)
    section = (np.abs(side / width) ** 2.2 + np.abs(up / height) ** 2.2) ** (1.0 / 2.2)
    return (np.sqrt(section**2 + over**2 + under**2) - 1.0) * height * 0.97


_UP = np.array([30.0, 60.0, 78.0, 100.0, 130.0, 165.0, 200.0, 240.0])
_LEG_WIDTH = PchipInterpolator(_UP, [31.0, 32.0, 30.0, 28.5, 31.0, 38.0, 44.5, 48.0])
_LEG_FRONT = PchipInterpolator(_UP, [34.0, 38.0, 37.0, 32.0, 31.5, 34.0, 37.0, 39.0])
_LEG_BACK = PchipInterpolator(_UP, [40.0, 40.0, 38.0, 38.5, 42.0, 50.0, 57.0, 60.0])
_LEG_MIDDLE = PchipInterpolator(_UP, [-12.0, -10.0, -9.0, -9.5, -10.0, -9.0, -8.0, -8.0])
_TENDON = PchipInterpolator(_UP, [0.34, 0.45, 0.56, 0.54, 0.40, 0.18, 0.06, 0.04])

_ON = np.array([-50.0, -20.0, 10.0, 40.0, 70.0, 100.0, 125.0, 145.0])
_WIDTH = PchipInterpolator(_ON, [29.0, 31.0, 33.0, 35.5, 38.0, 43.5, 47.0, 45.0])
_MIDDLE = PchipInterpolator(_ON, [-1.0, -1.0, -1.0, -2.0, -2.0, -2.5, -2.0, 0.0])
_HEIGHT = PchipInterpolator(_ON, [60.0, 76.0, 78.0, 70.0, 58.0, 44.5, 33.5, 27.0])
_RIDGE = PchipInterpolator(_ON, [0.0, 0.0, 2.0, 7.0, 11.0, 14.0, 16.0, 14.0])
_ARCH = PchipInterpolator(_ON, [0.0, 0.0, 9.0, 19.0, 17.0, 5.0, 0.0, 0.0])


def _leg(p: np.ndarray) -> np.ndarray:
    up = np.clip(p[:, 2], _UP[0], _UP[-1])
    ahead = p[:, 0] - _LEG_MIDDLE(up)
    deep = np.where(ahead > 0.0, _LEG_FRONT(up), _LEG_BACK(up))
    back = np.clip(-ahead / deep, 0.0, 1.1)
    # Behind the ankle only the tendon is left; the shin's edge lies a little medial.
    width = _LEG_WIDTH(up) * (1.0 - _TENDON(up) * step(1.5 * back - 0.25)) * (1.0 - 0.12 * step(ahead / deep))
    section = np.sqrt((ahead / deep) ** 2 + ((p[:, 1] - 0.04 * ahead) / width) ** 2)
    below = np.clip((_UP[0] - p[:, 2]) / 20.0, 0.0, None)
    return (np.sqrt(section**2 + below**2) - 1.0) * np.minimum(width, deep) * 0.92


def _sole(p: np.ndarray) -> np.ndarray:
    """(n,) height of the underside: the arch rises on the medial side."""
    on = np.clip(p[:, 0], _ON[0], _ON[-1])
    return _ARCH(on) * step((p[:, 1] + 16.0) / 48.0) + 1.5 * step((p[:, 0] - 146.0) / 30.0)


def _body(p: np.ndarray) -> np.ndarray:
    on = np.clip(p[:, 0], _ON[0], _ON[-1])
    width, top, low = _WIDTH(on), _HEIGHT(on), _sole(p)
    side = (p[:, 1] - _MIDDLE(on)) / width
    # The ridge of the instep runs towards the big toe, and the outer side slopes off.
    ridge = _RIDGE(on) / width
    slope = np.where(side > ridge, (side - ridge) / (1.0 - ridge), (side - ridge) / (1.0 + ridge))
    middle = 0.36 * (top + low)
    up = (p[:, 2] - middle) / np.where(p[:, 2] > middle, top - middle, middle - low + 2.0)
    power = np.where(p[:, 2] > middle, 1.9, 2.8)
    section = (np.abs(slope) ** power + np.abs(up) ** power) ** (1.0 / power)
    over = np.clip((p[:, 0] - _ON[-1]) / 10.0, 0.0, None)
    under = np.clip((-p[:, 0] - 38.0) / 16.0, 0.0, None)
    return (np.sqrt(section**2 + over**2 + under**2) - 1.0) * np.minimum(width, 0.5 * (top - low)) * 0.9


def foot_distance(points: np.ndarray) -> np.ndarray:
    """(n,) metres, negative inside, for (n, 3) metres in Blender's axes."""
    p = anatomical(np.asarray(points, dtype=np.float64))
    d = smooth_min(_leg(p), _body(p), 20.0)
    d = smooth_min(d, ellipsoid(p, (-25.0, -1.0, 27.0), (33.0, 30.0, 28.0)), 16.0)
    d = smooth_min(d, ellipsoid(p, (4.0, 26.0, 84.0), (12.0, 8.0, 14.0)), 13.0)
    d = smooth_min(d, ellipsoid(p, (-9.0, -26.5, 70.0), (9.5, 8.0, 15.0)), 13.0)
    d = smooth_min(d, ellipsoid(p, (124.0, 28.0, 17.0), (22.0, 16.5, 16.0)), 14.0)
    d = smooth_min(d, ellipsoid(p, (108.0, -37.0, 15.0), (19.0, 13.0, 14.5)), 12.0)
    d = smooth_min(d, ellipsoid(p, (62.0, -35.0, 14.0), (22.0, 8.0, 11.0)), 12.0)
    toes = np.full(len(p), np.inf)
    for toe in TOES:
        toes = np.minimum(toes, toe_distance(p, toe))
    d = smooth_min(d, toes, 9.0)
    # Flesh is flat where it stands, and the leg ends in a flat cap.
    d = -smooth_min(-d, p[:, 2] - _sole(p), 5.0)
    return -smooth_min(-d, TOP - p[:, 2], 4.0) * 1e-3


SURFACE = remesh.Surface(foot_distance)


def edge_length(points: np.ndarray) -> np.ndarray:
    """(n,) wanted edge length in metres: fine at the toes, coarse on the leg."""
    p = anatomical(points)
    fine = 3.0 + 3.2 * step((138.0 - 0.5 * np.clip(-p[:, 1] - 10.0, 0.0, None) - p[:, 0]) / 40.0)
    return (fine + 2.4 * step((p[:, 2] - 70.0) / 60.0)) * 1e-3


def build_mesh() -> tuple[np.ndarray, np.ndarray]:
    """(V, 3) vertices in metres, Blender's axes, and (F, 3) faces, outwards; closed. Needs bpy."""
    spacing = 1.5
    low, high = place(LOW), place(HIGH)
    low, high = np.minimum(low, high), np.maximum(low, high)
    ticks = [np.arange(low[i], high[i], spacing * 1e-3) for i in range(3)]
    grid = np.stack(np.meshgrid(*ticks, indexing="ij"), -1).reshape(-1, 3)
    values = np.concatenate([foot_distance(part) for part in np.array_split(grid, 40)])
    vertices, faces, _, _ = marching_cubes(
        values.reshape([len(axis) for axis in ticks]), 0.0, spacing=(spacing * 1e-3,) * 3
    )
    vertices, faces = remesh.decimate(vertices + low, faces.astype(np.int64), 9000)
    return remesh.remesh(vertices, faces, edge_length, 6, SURFACE)
