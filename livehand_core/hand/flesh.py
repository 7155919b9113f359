"""What the skin of the built-in hand does when the hand moves: tendons, bulges, knuckles; and how its folds stand.

A handful of stored maps over the detail mesh's vertices, weighted by functions of the joint angles. NumPy only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from ..errors import HandModelError
from ..files import ARCHIVE_ERRORS
from ..poses import HandPose
from .builtin import ASSETS
from .data import HandData
from .gestures import joint_angles, mirror_hand_pose
from .limits import FINGERS, JOINT_AXES
from .looks import HandLook
from .skinning import joint_transforms

FLESH_FILE = "hand_offset.npz"

_FULL_BEND = np.radians([80.0, 95.0, 65.0] * 4 + [35.0, 45.0, 70.0])
"""Flexion of joints 1 to 15 at which their folds are as flat, or as deep, as they get."""


@dataclass(frozen=True)
class Flesh:
    """Stored maps over the N vertices of the built-in hand's detail mesh.

    Attributes:
        still: (N,) metres along the normal in every pose: what subdivision rounds off, nails, the wrist's rounded end.
        veins: (N,) metres of veins, for a look's ``veins`` of 1.
        moves: for each name of ``MOVES`` (N,) metres at full strength.
        regions: (15, N) 0 to 1: how much the bend of joints 1 to 15 acts on the folds of the skin at a vertex.
        nails: (N,) 0 to 1: how far a vertex goes with the free edge of a nail that grows, 0 off the nails.
    """

    still: np.ndarray
    veins: np.ndarray
    moves: Mapping[str, np.ndarray]
    regions: np.ndarray
    nails: np.ndarray


def _joint(finger: str, part: int) -> int:
    """Row of joint ``part`` (1 to 3) of a finger in arrays of joints 1 to 15."""
    return 3 * FINGERS.index(finger) + part - 1


def _rise(value: float, low: float, high: float) -> float:
    """Smoothly from 0 at ``low`` degrees to 1 at ``high`` degrees of ``value`` radians; high below low falls."""
    x = float(np.clip((np.degrees(value) - low) / (high - low), 0.0, 1.0))
    return x * x * (3.0 - 2.0 * x)


def _tendon(finger: str) -> Callable[[np.ndarray], float]:
    """An extensor stands out when its finger is stretched, and under a bent knuckle not at all."""

    def strength(angles: np.ndarray) -> float:
        root, middle = angles[_joint(finger, 1), 0], angles[_joint(finger, 2), 0]
        return (
            0.22
            + 0.58 * _rise(root, 22.0, -4.0) * (0.6 + 0.4 * _rise(middle, 40.0, 5.0))
            + 0.35 * _rise(root, -2.0, -16.0)
        )

    return strength


def _bend(finger: str, part: int, low: float, high: float) -> Callable[[np.ndarray], float]:
    return lambda angles: _rise(angles[_joint(finger, part), 0], low, high)


def _moves() -> dict[str, Callable[[np.ndarray], float]]:
    table: dict[str, Callable[[np.ndarray], float]] = {}
    for finger in ("index", "middle", "ring", "pinky"):
        table[f"tendon_{finger}"] = _tendon(finger)
        table[f"head_{finger}"] = _bend(finger, 1, 15.0, 80.0)
    for finger in FINGERS:
        table[f"first_pad_{finger}"] = _bend(finger, 2, 15.0, 95.0 if finger != "thumb" else 50.0)
        table[f"second_pad_{finger}"] = _bend(finger, 3, 10.0, 65.0)
        table[f"knuckle_{finger}"] = _bend(finger, 2 if finger != "thumb" else 3, 35.0, 0.0)
    table["tendon_thumb"] = lambda angles: (
        0.15 + 0.85 * _rise(angles[_joint("thumb", 2), 0] + angles[_joint("thumb", 3), 0], 12.0, -22.0)
    )
    table["thenar"] = lambda angles: (
        0.5 * _rise(angles[_joint("thumb", 1), 0], -5.0, 26.0) + 0.5 * _rise(angles[_joint("thumb", 2), 0], 0.0, 40.0)
    )
    table["hypothenar"] = _bend("pinky", 1, 10.0, 80.0)
    table["wrist_tendon"] = lambda angles: float(
        np.mean([_rise(angles[_joint(finger, 2), 0], 15.0, 90.0) for finger in FINGERS[:4]])
    )
    return table


MOVES: Mapping[str, Callable[[np.ndarray], float]] = _moves()
"""Which maps there are, and each one's strength from the (15, 3) joint angles [flexion, spread, twist] in radians."""


@cache
def stored_flesh(folder: Path = ASSETS) -> Flesh:
    """The built-in hand's maps. Shared: do not write to them.

    Raises:
        HandModelError: the asset is missing or damaged.
    """
    path = folder / FLESH_FILE
    try:
        with np.load(path, allow_pickle=False) as archive:

            def metres(name: str) -> np.ndarray:
                return np.cumsum(archive[name], dtype=np.int16).astype(np.float64) * 1e-6

            return Flesh(
                metres("still"),
                metres("veins"),
                {name: metres(name) for name in MOVES},
                archive["regions"].astype(np.float64) / 255.0,
                archive["nails"].astype(np.float64) / 255.0,
            )
    except ARCHIVE_ERRORS as error:
        raise HandModelError(
            f"The built-in hand's relief {path} cannot be read ({error}).",
            "Install LiveHand again, or run tools/build_hand.py from a source checkout.",
        ) from error


def write_flesh(path: Path, flesh: Flesh) -> None:
    """Store the maps: lengths as differences of whole micrometres, which pack small."""

    def packed(metres: np.ndarray) -> np.ndarray:
        return np.diff(np.round(metres * 1e6).astype(np.int16), prepend=np.int16(0))

    arrays = {name: packed(values) for name, values in flesh.moves.items()}
    shares = {"regions": flesh.regions, "nails": flesh.nails}
    arrays |= {name: np.round(values * 255.0).astype(np.uint8) for name, values in shares.items()}
    with path.open("wb") as file:
        np.savez_compressed(file, still=packed(flesh.still), veins=packed(flesh.veins), **arrays)


def _right_angles(pose: HandPose) -> np.ndarray:
    """(15, 3) joint angles of a pose, or of its mirror image if it is a left hand's."""
    return joint_angles(mirror_hand_pose(pose.hand_pose) if pose.side == "left" else pose.hand_pose)


def offsets(flesh: Flesh, pose: HandPose, look: HandLook) -> np.ndarray:
    """(N,) metres along the normal that flesh and bones add to the subdivided proxy in a pose."""
    angles = _right_angles(pose)
    total = flesh.still + look.veins * flesh.veins
    for name, move in flesh.moves.items():
        lean = look.tendons if "tendon" in name else 1.0
        total = total + lean * MOVES[name](angles) * move
    return total


def nail_growth(flesh: Flesh, data: HandData, weights: np.ndarray, pose: HandPose, look: HandLook) -> np.ndarray:
    """(N, 3) metres by which a look's nails reach further than the default hand's, along their last bones.

    Args:
        data: the built-in hand of the pose's side.
        weights: (N, 16) skinning weights of the detail vertices.
    """
    tips = 3 + 3 * np.arange(len(FINGERS))
    along = JOINT_AXES[tips - 1, 2] * (np.array([-1.0, 1.0, 1.0]) if pose.side == "left" else 1.0)
    turned = np.einsum("jik,jk->ji", joint_transforms(data, pose)[tips, :3, :3], along)
    return 1e-3 * look.nail_length * flesh.nails[:, None] * (weights[:, tips] @ turned)


def fold_state(flesh: Flesh, pose: HandPose) -> np.ndarray:
    """(N, 3) how the folds of the skin stand in a pose, for the shader.

    The columns: strength of the dorsal folds (1 in the stretched hand, near 0 over a bent knuckle), of the palmar
    creases (1 in the open hand, more in a closed one), and how tightly skin is drawn over a bent joint (0 to 1).
    """
    bend = np.clip(_right_angles(pose)[:, 0] / _FULL_BEND, -0.3, 1.0) @ flesh.regions
    tight = np.clip(bend, 0.0, 1.0)
    dorsal = np.clip(1.0 - 1.15 * bend, 0.10, 1.3)
    palmar = np.clip(0.92 + 0.75 * bend, 0.7, 1.7)
    return np.stack([dorsal, palmar, tight * tight], axis=1)
