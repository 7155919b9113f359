"""Fingers that close around a thing until they touch it, joint by joint and within their limits. NumPy only.

First each finger curls as a whole; where a part of it touches, the joints before that part stop and those behind it go
on. Then each finger that came near settles: its tip is led onto the surface, and what lies inside is taken out.
Called by Blender's *Hold*.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..errors import PoseError
from ..poses import HandPose
from ..small_systems import solved
from .bending import FREEDOMS, Bent
from .data import HandData
from .limits import FINGERS, JOINT_AXES

Surface = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""(N, 3) points -> (N,) metres to a thing's surface, negative inside it, and (N, 3) unit vectors away from it."""

TOUCH = 0.002
"""Metres from the surface up to which a fingertip touches it."""

DEPTH = 0.001
"""Metres that skin may lie inside the thing: flesh yields."""

REACH = 0.02
"""Metres that a tip may be away when its finger has closed, and is led to the surface yet."""

_CURL = {False: (0.8, 1.0, 0.65), True: (0.5, 0.8, 1.0)}
"""Rates at which a finger's joints close, of the thumb where True."""

_ARM, _LEAST_STEP, _MOST_STEP, _ROUNDS = 0.1, np.radians(0.15), np.radians(5.0), 140
_SETTLING = 14


@dataclass(frozen=True)
class Held:
    """What came of it.

    Attributes:
        pose: with the fingers closed; those that do not reach the thing are as they were.
        tips: finger -> metres from its tip to the surface, of those that were to close.
        touching: fingers of which any part touches.
    """

    pose: HandPose
    tips: dict[str, float]
    touching: tuple[str, ...]


def hold(
    data: HandData, pose: HandPose, surface: Surface, fingers: Sequence[str] = FINGERS, name: str = "The mesh"
) -> Held:
    """Close fingers of a hand around a thing.

    Args:
        data, pose: the hand, not too far from the thing and open.
        surface: of the thing, in the pose's space.
        fingers: those that move.
        name: of the thing, for messages.

    Raises:
        PoseError: the thing lies in the palm, or no finger reaches it.
    """
    points = _SkinPoints(data)
    start = Bent(data, pose)
    _check_palm(points, start, surface, name)
    chosen = [FINGERS.index(finger) for finger in FINGERS if finger in fingers]
    opened = _opened(points, start, surface, chosen, name)
    closed, best = _closed(points, opened, surface, chosen)
    answer, tips, touching = start, {}, []
    for finger in chosen:
        rated = []
        for one in (closed, best):
            option = _settled(points, _with(start, one, finger), surface, finger)
            rated.append((_rating(points, option, surface, finger), option))
            if _cost(*rated[-1][0]) <= 0.0:
                break
        (tip, depth, nearest), option = min(rated, key=lambda entry: (_cost(*entry[0]), entry[0][0]))
        if nearest > TOUCH or depth > DEPTH:
            tip, _, _ = _rating(points, start, surface, finger)
        else:
            answer = _with(answer, option, finger)
            touching.append(FINGERS[finger])
        tips[FINGERS[finger]] = tip
    if not touching:
        distance = float(min(tips.values(), default=np.inf))
        raise PoseError(
            f"No finger reaches {name}: it is {100.0 * distance:.1f} cm from the nearest fingertip.",
            "Move the hand to it, palm ahead, or open the hand further.",
        )
    return Held(answer.pose, tips, tuple(touching))


class _SkinPoints:
    """Points of a hand's skin: its vertices and the middles of its triangles."""

    def __init__(self, data: HandData) -> None:
        self.data = data
        faces = np.asarray(data.faces, np.int64)
        self.corners = np.concatenate([np.repeat(np.arange(data.vertex_count)[:, None], 3, 1), faces])
        self.influence = data.weights.astype(np.float64)[self.corners].mean(axis=1)
        self.link = self.influence.argmax(axis=1)
        shares = self.influence[:, 1:].reshape(-1, 5, 3).sum(axis=2)
        self.finger = np.where(shares.max(axis=1) > 0.8, shares.argmax(axis=1), 5)

    @cached_property
    def pads(self) -> np.ndarray:
        """(N,) bool: on the side of a fingertip that touches things."""
        vertices = self.data.v_template.astype(np.float64)
        corners = vertices[np.asarray(self.data.faces)]
        area = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        normals = np.stack([np.bincount(self.data.faces.reshape(-1), np.repeat(area[:, k], 3)) for k in range(3)], 1)
        normals = np.concatenate([normals, area])
        normals = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-20)
        back = JOINT_AXES[:, 1] * ([-1.0, 1.0, 1.0] if self.data.side == "left" else [1.0, 1.0, 1.0])
        palmar = np.zeros(len(self.corners), bool)
        for finger in range(5):
            last = 3 * finger + 3
            palmar |= (self.link == last) & (normals @ back[last - 1] < -0.1)
        return palmar

    def of(self, bent: Bent, which: np.ndarray) -> np.ndarray:
        """(n, 3) places of chosen points."""
        answer: np.ndarray = bent.vertices[self.corners[which]].mean(axis=1)
        return answer


def _check_palm(points: _SkinPoints, start: Bent, surface: Surface, name: str) -> None:
    palm = points.finger == 5
    distance, _ = surface(points.of(start, palm))
    if distance.min() < -2.0 * DEPTH:
        raise PoseError(
            f"{name} lies {-1000.0 * distance.min():.0f} mm inside the palm.",
            "Move it out of the hand, or the hand back.",
        )


def _opened(points: _SkinPoints, start: Bent, surface: Surface, fingers: Sequence[int], name: str) -> Bent:
    """The hand with those fingers opened that lie inside the thing, as far as it takes."""
    answer = start
    for finger in fingers:
        which = points.finger == finger
        if _least(points, start, surface, which) > 0.0:
            continue
        clear = (option for option in _openings(start, finger) if _least(points, option, surface, which) > 0.0)
        found = next(clear, None)
        if found is None:
            called = "thumb" if FINGERS[finger] == "thumb" else f"{FINGERS[finger]} finger"
            raise PoseError(
                f"{name} lies inside the hand: the {called} cannot be opened out of it.",
                "Move it out of the hand, or the hand back.",
            )
        answer = _with(answer, found, finger)
    return answer


def _openings(start: Bent, finger: int) -> Iterator[Bent]:
    """A finger straightened and spread to either side, from the smallest change to the largest.

    The thumb goes aside as easily as it straightens; a finger that went aside would close beside the thing.
    """
    own = [(number, axis) for number, (joint, axis) in enumerate(FREEDOMS) if joint // 3 == finger]
    low, high = start.room
    dear = np.array([4.0 if axis == 1 and joint // 3 != FINGERS.index("thumb") else 1.0 for joint, axis in FREEDOMS])
    options = []
    for straight in np.linspace(0.0, 1.0, 6):
        for aside in np.linspace(-1.0, 1.0, 7):
            turns = np.zeros(len(FREEDOMS))
            for number, axis in own:
                joint = FREEDOMS[number][0]
                if axis == 0:
                    # To a flat finger, and a little beyond it.
                    turns[number] = straight * min(max(np.radians(-8.0) - start.angles[joint, 0], low[number]), 0.0)
                elif axis == 1:
                    turns[number] = aside * (high[number] if aside > 0.0 else -low[number])
            options.append(turns)
    for turns in sorted(options, key=lambda turns: float(np.linalg.norm(dear * turns))):
        yield start.bent(turns)


def _closed(points: _SkinPoints, start: Bent, surface: Surface, fingers: Sequence[int]) -> tuple[Bent, Bent]:
    """All fingers curled until they touch or can go no further; and each as it was when its tip was nearest."""
    turns = np.zeros(len(FREEDOMS))
    flexion = {joint: number for number, (joint, axis) in enumerate(FREEDOMS) if axis == 0}
    stopped = dict.fromkeys(fingers, -1)
    best = {finger: (np.inf, turns) for finger in fingers}
    now = start
    for _ in range(_ROUNDS):
        which = np.isin(points.finger, [finger for finger in fingers if stopped[finger] < 2])
        if not which.any():
            break
        distance = np.full(len(which), np.inf)
        distance[which], _ = surface(points.of(now, which))
        for finger in [finger for finger in fingers if stopped[finger] < 2]:
            tip = float(distance[points.pads & (points.finger == finger)].min())
            if tip < best[finger][0]:
                best[finger] = tip, turns.copy()
            links = [
                distance[(points.finger == finger) & (points.link == 3 * finger + part)].min() for part in (1, 2, 3)
            ]
            touched = [part for part, near in enumerate(links) if near < 0.5 * DEPTH]
            if touched:
                stopped[finger] = max(stopped[finger], touched[-1])
            free = [part for part in range(stopped[finger] + 1, 3) if _room(start, turns, flexion[3 * finger + part])]
            if not free:
                stopped[finger] = 2
                continue
            # No point goes farther than it is away, so that thin things are not passed through.
            step = np.clip((min(links[part] for part in range(free[0], 3))) / _ARM, _LEAST_STEP, _MOST_STEP)
            for part in free:
                number = flexion[3 * finger + part]
                turns[number] = min(turns[number] + _CURL[finger == 4][part] * step, start.room[1][number])
        now = start.bent(turns)
    nearest = turns.copy()
    for finger in fingers:
        for joint in range(3 * finger, 3 * finger + 3):
            nearest[flexion[joint]] = best[finger][1][flexion[joint]]
    return now, start.bent(nearest)


def _room(start: Bent, turns: np.ndarray, number: int) -> bool:
    return bool(turns[number] < start.room[1][number] - 1e-6)


def _settled(points: _SkinPoints, start: Bent, surface: Surface, finger: int) -> Bent:
    """A finger that is near led so that its tip touches and no part of it lies inside."""
    which = points.finger == finger
    pads = points.pads[which]
    columns = np.array([number for number, (joint, _) in enumerate(FREEDOMS) if joint // 3 == finger])
    low, high = (edge[columns] for edge in start.room)
    turns, now = np.zeros(len(columns)), start
    for _ in range(_SETTLING):
        places = points.of(now, which)
        distance, away = surface(places)
        tip = int(np.flatnonzero(pads)[distance[pads].argmin()])
        if distance[tip] > REACH:
            return start
        inside = np.flatnonzero(distance < 0.0)
        if not len(inside) and distance[tip] < 0.25 * TOUCH:
            break
        rows = np.concatenate([inside, [tip]])
        motion = now.motion(places[rows], points.influence[which][rows])[:, :, columns]
        slope = np.einsum("nx,nxd->nd", away[rows], motion)
        weight = np.concatenate([np.full(len(inside), 2.0), [1.0]])[:, None]
        wrong = np.concatenate([distance[inside], [distance[tip] - 0.1 * TOUCH]])[:, None]
        matrix = (weight * slope).T @ slope + 1e-5 * np.eye(len(columns))
        step = -solved(matrix, ((weight * slope).T @ wrong)[:, 0])
        largest = np.abs(step).max() / np.radians(6.0)
        turns = np.clip(turns + step / max(largest, 1.0), low, high)
        all_turns = np.zeros(len(FREEDOMS))
        all_turns[columns] = turns
        now = start.bent(all_turns)
    return now


def _rating(points: _SkinPoints, bent: Bent, surface: Surface, finger: int) -> tuple[float, float, float]:
    """Metres from a finger's tip to the surface, how deep it lies inside, and how far its nearest part is away."""
    which = points.finger == finger
    distance, _ = surface(points.of(bent, which))
    tip = float(distance[points.pads[which]].min())
    return max(tip, 0.0), max(float(-distance.min()), 0.0), max(float(distance.min()), 0.0)


def _cost(tip: float, depth: float, nearest: float) -> float:
    """By which of two ways to hold is better: first what lies too deep, then what does not touch."""
    return 4.0 * max(depth - 0.8 * DEPTH, 0.0) + max(tip - 0.5 * TOUCH, 0.0) + max(nearest - 0.5 * TOUCH, 0.0)


def _least(points: _SkinPoints, bent: Bent, surface: Surface, which: np.ndarray) -> float:
    return float(surface(points.of(bent, which))[0].min())


def _with(base: Bent, other: Bent, finger: int) -> Bent:
    """A hand with one finger of another."""
    rows = slice(3 * finger, 3 * finger + 3)
    fingers = base.pose.hand_pose.copy()
    fingers[rows] = other.pose.hand_pose[rows]
    return Bent(base.data, replace(base.pose, hand_pose=fingers))
