"""Hands that go into each other, or into themselves, pushed apart a little: their poses change, their skin does not.

The smallest change of joint angles and of the wrists' places that takes skin out of skin, within bounds. It grows
steadily from nothing as hands begin to touch, so that a motion stays smooth, and poses that do not penetrate come
back as they are. NumPy only. Called by Blender for hands whose rig asks for it.

>>> from livehand_core.hand.builtin import builtin_hand
>>> hand = Touching(builtin_hand("right"), HandPose.rest())
>>> separate([hand])[0] is hand.pose
True
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..poses import HandPose
from ..small_systems import solved
from .bending import FREEDOMS, Bent
from .data import HandData
from .skin_distance import SkinTopology

MOST_TURN = np.radians(14.0)
MOST_SHIFT = 0.008
"""Metres, and radians above: bounds of what is changed."""

SOFTNESS = 0.0015
"""Metres by which parts of one hand may press into each other: flesh yields, and the proxy's does not."""

_ROUNDS = 4
_ARM = 0.05
"""Metres a radian: by what turns and shifts are weighed against each other."""
_STIFFNESS = 0.05
"""Of staying as it was, against a contact's depth."""
_REACH = 0.02


class Touching(NamedTuple):
    """A hand among others.

    Attributes:
        data: its model.
        pose: world space, in the model's own size.
        scale: uniform, about the world's origin.
        moves: whether its pose may be changed.
    """

    data: HandData
    pose: HandPose
    scale: float = 1.0
    moves: bool = True


class _Skin(NamedTuple):
    """(V, 3) posed vertices in the world and their unit normals."""

    vertices: np.ndarray
    normals: np.ndarray


@dataclass(frozen=True)
class _Contacts:
    """Points of hand ``one`` inside ``two``: (N,) depths, (N, 3) outward normals there, both places and weights."""

    one: int
    two: int
    depth: np.ndarray
    normal: np.ndarray
    points: np.ndarray
    influence: np.ndarray
    other_points: np.ndarray
    other_influence: np.ndarray


def separate(hands: Sequence[Touching]) -> list[HandPose]:
    """Poses of the hands that do not go into each other, or less deep; those that need no change are the same objects.

    A joint stays within its range, or where it has left that already. No joint turns by more than MOST_TURN, no wrist
    moves by more than MOST_SHIFT.
    """
    numbers = [number for number, hand in enumerate(hands) if hand.moves]
    start = [Bent(hand.data, hand.pose) for hand in hands]
    now, width = list(start), len(FREEDOMS) + 3
    change = np.zeros((len(hands), width))
    for _ in range(_ROUNDS):
        contacts = list(_found(hands, now))
        if not contacts:
            break
        change = _solved(hands, start, now, contacts, change, numbers)
        for number in numbers:
            now[number] = start[number].bent(*_bounded(start[number], change[number], hands[number].scale))
    return [bent.pose for bent in now]


def deepest(hands: Sequence[Touching]) -> float:
    """How deep in metres some skin lies inside another's, or its own beyond SOFTNESS; 0 where none does."""
    depths = [part.depth.max() for part in _found(hands, [Bent(hand.data, hand.pose) for hand in hands])]
    return float(max(depths, default=0.0))


def _bounded(start: Bent, change: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    turns, shift = _soft(change[:-3], MOST_TURN), _soft(change[-3:], MOST_SHIFT)
    low, high = start.room
    return np.clip(turns, low, high), shift / scale


def _soft(values: np.ndarray, most: float) -> np.ndarray:
    answer: np.ndarray = most * np.tanh(values / most)
    return answer


def _solved(
    hands: Sequence[Touching],
    start: Sequence[Bent],
    now: Sequence[Bent],
    contacts: Sequence[_Contacts],
    change: np.ndarray,
    numbers: Sequence[int],
) -> np.ndarray:
    """The changes after one step of Gauss and Newton."""
    width = change.shape[1]
    weigh = np.concatenate([np.full(width - 3, _ARM), np.ones(3)])
    slope = np.concatenate([1.0 / np.cosh(change[:, :-3] / MOST_TURN), 1.0 / np.cosh(change[:, -3:] / MOST_SHIFT)], 1)
    free = np.ones_like(change)
    for number in numbers:
        low, high = start[number].room
        turns = _soft(change[number, :-3], MOST_TURN)
        free[number, :-3] = (turns > low - 1e-9) & (turns < high + 1e-9)
    matrix, right = np.zeros((change.size, change.size)), np.zeros(change.size)
    for part in contacts:
        rows = np.zeros((len(part.depth), *change.shape))
        sides = (
            (part.one, part.points, part.influence, -1.0),
            (part.two, part.other_points, part.other_influence, 1.0),
        )
        for number, points, influence, sign in sides:
            if number not in numbers:
                continue
            motion = now[number].motion(points, influence) * hands[number].scale
            rows[:, number, :-3] += sign * np.einsum("nx,nxd->nd", part.normal, motion)
            if part.one != part.two:
                rows[:, number, -3:] += sign * part.normal
        rows = (rows * slope**2 * free).reshape(len(rows), -1) / np.tile(weigh, len(hands))
        matrix += rows.T @ rows
        right += rows.T @ (rows @ (change * weigh).reshape(-1) - part.depth)
    # Least in |depth + J step|^2 + stiffness |change + step|^2, over changes in metres at the arm's length.
    step = solved(matrix + _STIFFNESS * np.eye(change.size), right)
    answer: np.ndarray = step.reshape(change.shape) / weigh
    return answer


def _found(hands: Sequence[Touching], bents: Sequence[Bent]) -> Iterator[_Contacts]:
    """Where skin lies inside skin."""
    skins = []
    for bent, hand in zip(bents, hands, strict=True):
        vertices = bent.vertices * hand.scale
        skins.append(_Skin(vertices, _topology(hand.data).normals(vertices)))
    for one, hand in enumerate(hands):
        topology = _topology(hand.data)
        for finger in range(5) if hand.moves else ():
            mine = topology.finger == finger
            # Where fingers grow together they always touch; of the palm only ends of fingers come near.
            ends = mine & (hand.data.weights[:, 2 + 3 * finger : 4 + 3 * finger].sum(axis=1) > 0.95)
            for places, chosen in (
                (mine, (topology.finger != finger) & (topology.finger < 5)),
                (ends, _palm(hand.data)),
            ):
                yield from _between(one, one, hands, skins, places, chosen, SOFTNESS)
        for two in range(len(hands)):
            if two != one and (hand.moves or hands[two].moves):
                yield from _between(one, two, hands, skins, None, None, 0.0)


def _between(
    one: int,
    two: int,
    hands: Sequence[Touching],
    skins: Sequence[_Skin],
    places: np.ndarray | None,
    chosen: np.ndarray | None,
    allowed: float,
) -> Iterator[_Contacts]:
    """Points of ``one`` at ``places`` that lie inside the ``chosen`` skin of ``two`` by more than is ``allowed``."""
    skin, (other, normals) = skins[one].vertices, skins[two]
    part = other if chosen is None else other[chosen]
    near = ((skin >= part.min(axis=0)) & (skin <= part.max(axis=0))).all(axis=1)
    index = np.flatnonzero(near if places is None else near & places)
    if not len(index):
        return
    topology = _topology(hands[two].data)
    found = topology.nearest(other, normals, skin[index], chosen)
    inside = (found.distance < -allowed) & (np.abs(found.distance) < _REACH)
    if not inside.any():
        return
    corners = topology.faces[found.face[inside]]
    weights, index = found.weights[inside], index[inside]
    yield _Contacts(
        one,
        two,
        -found.distance[inside] - allowed,
        found.normal[inside],
        skin[index] / hands[one].scale,
        hands[one].data.weights[index].astype(np.float64),
        np.einsum("nc,ncx->nx", weights, other[corners]) / hands[two].scale,
        np.einsum("nc,ncj->nj", weights, hands[two].data.weights[corners].astype(np.float64)),
    )


def _palm(data: HandData) -> np.ndarray:
    """(V,) bool: of the palm and the ball of the thumb, without where fingers grow out of it."""
    answer: np.ndarray = data.weights[:, 0] + data.weights[:, 13] > 0.9
    return answer


_topologies: list[SkinTopology] = []
"""Of the hand models met last."""


def _topology(data: HandData) -> SkinTopology:
    known = next((topology for topology in _topologies if topology.data is data), None)
    if known is None:
        known = SkinTopology(data)
        _topologies[:] = [known, *_topologies[:3]]
    return known
