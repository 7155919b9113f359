"""Squares of a picture, turned as a hand is: from a palm or from a hand's points, cut out, and points put back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .networks import Palms

_PALM_POINTS = (0, 1, 2, 3, 5, 6, 9, 10, 13, 14, 17, 18)
"""Of the 21 points those that bound a hand's square steadily, however its fingers bend."""


@dataclass(frozen=True)
class Region:
    """A square of a picture.

    Attributes:
        centre: (2,) pixels.
        side: pixels.
        angle: radians by which its upright is turned clockwise, as seen in the picture.
    """

    centre: np.ndarray
    side: float
    angle: float

    @property
    def turn(self) -> np.ndarray:
        """(2, 2) from the square's axes (right, down) to the picture's."""
        cosine, sine = np.cos(self.angle), np.sin(self.angle)
        return np.array([[cosine, -sine], [sine, cosine]])

    def to_picture(self, points: np.ndarray, size: int) -> np.ndarray:
        """(n, 2) pixels of the square, cut out at ``size``, -> pixels of the picture."""
        return np.asarray((points / size - 0.5) * self.side @ self.turn.T + self.centre)

    def cut(self, picture: np.ndarray, size: int) -> np.ndarray:
        """(size, size, 3) of the picture inside the square; what lies outside the picture is black."""
        import cv2

        scale = size / self.side
        matrix = np.zeros((2, 3))
        matrix[:, :2] = scale * self.turn.T
        matrix[:, 2] = size / 2 - matrix[:, :2] @ self.centre
        return np.asarray(cv2.warpAffine(picture, matrix, (size, size), flags=cv2.INTER_LINEAR))


def whole(picture: np.ndarray) -> Region:
    """The square around a picture (H, W, ...)."""
    height, width = picture.shape[:2]
    return Region(np.array([width / 2, height / 2]), float(max(height, width)), 0.0)


def parts(picture: np.ndarray) -> list[Region]:
    """Overlapping squares that a picture consists of: as wide as its shorter side where it is not nearly square, then
    0.6 of that; of each size the middle ones first."""
    height, width = picture.shape[:2]
    short, middle = min(height, width), np.array([width / 2, 0.45 * height])
    found = []
    for side in ([float(short)] if max(height, width) > 1.25 * short else []) + [0.6 * short]:
        across, down = (_spread_out(length, side) for length in (width, height))
        centres = [np.array([x, y]) for y in down for x in across]
        centres.sort(key=lambda centre: float(np.linalg.norm(centre - middle)))
        found += [Region(centre, side, 0.0) for centre in centres]
    return found


def _spread_out(length: float, side: float) -> np.ndarray:
    """Centres of stretches of ``side`` that cover ``length`` and overlap by half at least."""
    count = max(1, int(np.ceil((length - side) / (side / 2.0))) + 1)
    return np.linspace(side / 2, length - side / 2, count)


def region_of_points(points: np.ndarray) -> Region:
    """The square of the next picture in which the hand with these (21, 2) points will be looked for."""
    middle = 0.25 * (points[5] + points[13]) + 0.5 * points[9]
    return _around(points[list(_PALM_POINTS)], _upright(points[0], middle), 2.0, -0.1)


def region_of_palm(box: np.ndarray, points: np.ndarray) -> Region:
    """The square around the hand of a palm: (4,) its box and (7, 2) its points, in pixels."""
    angle = _upright(points[0], points[2])
    centre, side = 0.5 * (box[:2] + box[2:]), float((box[2:] - box[:2]).max())
    up = np.array([np.sin(angle), -np.cos(angle)])
    return Region(centre + 0.5 * side * up, 2.6 * side, angle)


def distinct(palms: Palms, threshold: float, overlap: float = 0.3) -> list[tuple[np.ndarray, np.ndarray, float]]:
    """Palms that are probable, likeliest first; those that overlap are averaged, weighted by their scores.

    Returns:
        (box, points, score) of each, in the units of the network's picture.
    """
    rest = [int(i) for i in np.argsort(-palms.scores) if palms.scores[i] >= threshold]
    found = []
    while rest:
        same = [i for i in rest if _shared(palms.boxes[rest[0]], palms.boxes[i]) > overlap]
        weight = palms.scores[same] / palms.scores[same].sum()
        box, points = np.tensordot(weight, palms.boxes[same], 1), np.tensordot(weight, palms.points[same], 1)
        found.append((box, points, float(palms.scores[rest[0]])))
        rest = [i for i in rest if i not in same]
    return found


def overlapping(first: Region, second: Region) -> bool:
    """Whether two squares hold the same hand."""
    return bool(np.linalg.norm(first.centre - second.centre) < 0.25 * min(first.side, second.side))


def _upright(wrist: np.ndarray, finger: np.ndarray) -> float:
    """The angle by which a hand that points from ``wrist`` to ``finger`` is turned from upright."""
    across, down = finger - wrist
    return float(np.arctan2(across, -down))


def _around(points: np.ndarray, angle: float, factor: float, upwards: float) -> Region:
    turn = Region(np.zeros(2), 1.0, angle).turn
    local = points @ turn
    low, high = local.min(axis=0), local.max(axis=0)
    height = high[1] - low[1]
    centre = 0.5 * (low + high) + np.array([0.0, upwards * height])
    return Region(turn @ centre, factor * float((high - low).max()), angle)


def _shared(first: np.ndarray, second: np.ndarray) -> float:
    """Intersection over union of two boxes."""
    inside = np.clip(np.minimum(first[2:], second[2:]) - np.maximum(first[:2], second[:2]), 0.0, None).prod()
    both = (first[2:] - first[:2]).prod() + (second[2:] - second[:2]).prod() - inside
    return float(inside / max(both, 1e-12))
