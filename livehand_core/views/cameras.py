"""Camera paths around a hand: still, orbit, spiral, sway, as near as keeps the hand in the picture. NumPy only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from ..cameras import Camera, look_at
from ..errors import CameraError
from ..hand.data import ProxyModel

CameraKind = Literal["still", "orbit", "spiral", "sway"]
PATHS: tuple[CameraKind, ...] = get_args(CameraKind)

MARGIN = 0.06
"""Part of the image that stays free at each edge."""

NEAREST = 0.05
"""Metres between camera and hand at least."""


@dataclass(frozen=True)
class CameraPath:
    """How the camera moves. Angles in degrees.

    Attributes:
        kind: ``"still"``; ``"orbit"`` goes around at one height; ``"spiral"`` rises from below to above as it goes
            around; ``"sway"`` swings on a small ellipse about where it looks from.
        azimuth: where it begins: 0 before the palm (or from -y for hands that move in a world), 180 behind it.
        elevation: above the horizon; of a spiral, how far it goes below and above.
        turns: full turns of orbit and spiral; negative goes the other way.
        swing: half the width of a sway's ellipse.
        field_of_view: of the image's longer side.
        zoom: times closer than the whole hand fits; 1 fits.

    Raises:
        CameraError: a value that makes no picture.
    """

    kind: CameraKind = "still"
    azimuth: float = 0.0
    elevation: float = 10.0
    turns: float = 1.0
    swing: float = 15.0
    field_of_view: float = 24.0
    zoom: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in PATHS:
            raise CameraError(f"The camera path {self.kind!r} is unknown.", f"Choose one of {', '.join(PATHS)}.")
        if not 1.0 <= self.field_of_view <= 120.0:
            raise CameraError(f"A field of view of {self.field_of_view:g} degrees cannot be used.", "Give 1 to 120.")
        if not 0.05 <= self.zoom <= 50.0:
            raise CameraError(f"A zoom of {self.zoom:g} cannot be used.", "Give 0.05 to 50.")
        if not abs(self.elevation) <= 90.0:
            raise CameraError(f"An elevation of {self.elevation:g} degrees is beyond the zenith.", "Give up to 90.")

    @property
    def loops(self) -> bool:
        """Whether it comes back to where it began."""
        return self.kind == "sway" or (self.kind == "orbit" and float(self.turns).is_integer())

    def angles(self, time: float) -> tuple[float, float]:
        """Azimuth and elevation in radians at ``time``, 0 at the beginning and 1 at the end."""
        azimuth, elevation = self.azimuth, self.elevation
        if self.kind in ("orbit", "spiral"):
            azimuth += 360.0 * self.turns * time
        if self.kind == "spiral":
            elevation *= 2.0 * time - 1.0
        if self.kind == "sway":
            azimuth += self.swing * np.sin(2.0 * np.pi * time)
            elevation += 0.5 * self.swing * (np.cos(2.0 * np.pi * time) - 1.0)
        return float(np.radians(azimuth)), float(np.radians(elevation))


@dataclass(frozen=True)
class Axes:
    """What is up, and where azimuth 0 is; unit vectors at right angles, (3,) each."""

    up: np.ndarray
    front: np.ndarray

    def towards(self, azimuth: float, elevation: float) -> np.ndarray:
        """(3,) unit vector from the hand to a camera at these angles (radians)."""
        aside = np.cross(self.up, self.front)
        level = np.cos(azimuth) * self.front + np.sin(azimuth) * aside
        return np.asarray(np.cos(elevation) * level + np.sin(elevation) * self.up)


WORLD = Axes(np.array([0.0, 0.0, 1.0]), np.array([0.0, -1.0, 0.0]))
"""z up, seen from -y: as Blender's front view."""


def hand_axes(hand: ProxyModel) -> Axes:
    """Fingers up, seen from the palm: for hands whose wrist stays. A part stands as it was modelled."""
    if not hand.is_hand:
        return WORLD
    joints = hand.rest_joints()
    up = joints[4] - joints[0]
    up = up / np.linalg.norm(up)
    across = joints[1] - joints[7]
    palm = np.cross(across, up) if hand.side == "right" else np.cross(up, across)
    palm = palm - (palm @ up) * up
    return Axes(up, palm / np.linalg.norm(palm))


def cameras_around(
    path: CameraPath, times: Sequence[float], meshes: Sequence[np.ndarray], axes: Axes, width: int, height: int
) -> list[Camera]:
    """One camera a frame, all equally far from one place, so near that no frame's hand leaves the image at zoom 1.

    Args:
        path: how it moves.
        times: of the frames, 0 to 1.
        meshes: (V, 3) posed vertices of each frame, metres.
        axes: what is up and front.
        width, height: of the image.
    """
    focal = 0.5 * max(width, height) / np.tan(0.5 * np.radians(path.field_of_view))
    points = [np.asarray(mesh, np.float64) for mesh in meshes]
    low = np.min([mesh.min(axis=0) for mesh in points], axis=0)
    high = np.max([mesh.max(axis=0) for mesh in points], axis=0)
    target = 0.5 * (low + high)
    towards = [axes.towards(*path.angles(time)) for time in times]
    room = 0.5 * (1.0 - 2.0 * MARGIN) / focal
    distance = NEAREST
    for mesh, direction in zip(points, towards, strict=True):
        turn = look_at(target + direction, target, axes.up)[:3, :3]
        local = (mesh - target) @ turn
        # A point x beside the axis and z behind the target is in the picture if |x| / (distance + z) <= room * side.
        needed = np.abs(local[:, :2]) / (room * np.array([width, height])) - local[:, 2:]
        distance = max(distance, float(needed.max()), NEAREST - float(local[:, 2].min()))
    lens = focal * path.zoom
    return [
        Camera(
            width, height, lens, lens, width / 2, height / 2, look_at(target + distance * direction, target, axes.up)
        )
        for direction in towards
    ]
