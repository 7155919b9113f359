"""Hand models by id: the built-in one, and the user's MANO files where LIVEHAND_MANO says."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cache
from pathlib import Path

from ..errors import HandModelError
from ..poses import Side
from .data import HandData

MANO_FOLDER_VARIABLE = "LIVEHAND_MANO"
"""Environment variable with the folder that holds MANO_RIGHT.pkl, MANO_LEFT.pkl and MANO_UV_right.obj, a folder above
it (``models/`` or ``mano/``), or one of the files."""

MANO = "mano"
"""MANO with the left hand's shape directions mirrored, as InterHand2.6M's fits and most others assume."""

MANO_UNFIXED = "mano-unfixed"
"""MANO with the left hand's shape directions as its file has them, as DexYCB's fits were made."""

_BELOW = ("", "models", "mano", "mano/models", "models/mano")


def find_hand(name: str, side: Side) -> HandData:
    """The hand model that an avatar, a capture or a motion refers to.

    Args:
        name: ``"livehand-builtin-1"``, ``"mano"`` or ``"mano-unfixed"``.
        side: which hand.

    Raises:
        HandModelError: an unknown id, or MANO files that are not there.
    """
    if name in (MANO, MANO_UNFIXED):
        return _mano(side, os.environ.get(MANO_FOLDER_VARIABLE, ""), name == MANO)
    hand = _builtin(side)
    if hand.name != name:
        raise HandModelError(
            f"The hand model {name!r} is unknown to this LiveHand.", "Update LiveHand, or choose another avatar."
        )
    return hand


@cache
def _builtin(side: Side) -> HandData:
    from .builtin import builtin_hand

    return builtin_hand(side)


@cache
def _mano(side: Side, named: str, fixed: bool = True) -> HandData:
    from .mano_reader import fix_left_shape, read_mano

    if not named:
        raise HandModelError(
            "This avatar needs the MANO hand model, which is not part of LiveHand.",
            f"Get it from mano.is.tue.mpg.de and set {MANO_FOLDER_VARIABLE} to its folder.",
        )
    file = _mano_file(Path(named), side)
    uv = next((p for p in (file.parent / f"MANO_UV_{s}.obj" for s in (side, "right")) if p.is_file()), None)
    hand = replace(read_mano(file, uv, side), name=MANO if fixed else MANO_UNFIXED)
    if side == "right" or not fixed:
        return hand
    try:
        return fix_left_shape(hand, read_mano(_mano_file(Path(named), "right"), side="right"))
    except HandModelError as error:
        raise HandModelError(
            f"The shape of MANO's left hand is known to be wrong and is corrected by the right hand's. {error.message}",
            f"Put MANO_RIGHT.pkl beside {file.name}.",
        ) from error


def _mano_file(named: Path, side: Side) -> Path:
    """The file of a side, from what LIVEHAND_MANO names.

    Raises:
        HandModelError: it is not there; the message lists where it was looked for.
    """
    base = named.parent if named.is_file() else named
    files = [
        base / below / f"{name}.{ending}"
        for below in _BELOW
        for name in (f"MANO_{side.upper()}", f"mano_{side}")
        for ending in ("pkl", "npz")
    ]
    found = next((file for file in files if file.is_file()), None)
    if found is None:
        places = ", ".join(str(base / below) for below in _BELOW[:3])
        raise HandModelError(
            f"The hand model MANO_{side.upper()}.pkl does not exist in {places}.",
            f"Set {MANO_FOLDER_VARIABLE} to the folder that holds it.",
        )
    return found
