"""Hand models by id: the built-in one, and the user's MANO files in the folder that LIVEHAND_MANO names."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from ..errors import HandModelError
from ..poses import Side
from .data import HandData

MANO_FOLDER_VARIABLE = "LIVEHAND_MANO"
"""Environment variable with the folder that holds MANO_RIGHT.pkl, MANO_LEFT.pkl and MANO_UV_right.obj."""


def find_hand(name: str, side: Side) -> HandData:
    """The hand model that an avatar refers to.

    Args:
        name: ``"livehand-builtin-1"`` or ``"mano"``.
        side: which hand.

    Raises:
        HandModelError: an unknown id, or MANO files that are not there.
    """
    if name == "mano":
        return _mano(side, os.environ.get(MANO_FOLDER_VARIABLE, ""))
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
def _mano(side: Side, folder: str) -> HandData:
    from .mano_reader import read_mano

    if not folder:
        raise HandModelError(
            "This avatar needs the MANO hand model, which is not part of LiveHand.",
            f"Get it from mano.is.tue.mpg.de and set {MANO_FOLDER_VARIABLE} to its folder.",
        )
    uv = next((p for p in (Path(folder) / f"MANO_UV_{s}.obj" for s in (side, "right")) if p.is_file()), None)
    return read_mano(Path(folder) / f"MANO_{side.upper()}.pkl", uv)
