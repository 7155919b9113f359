"""Models by id: the built-in hand, the user's MANO files where LIVEHAND_MANO says, parts that files brought along."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from threading import Lock

import numpy as np

from ..errors import HandModelError
from ..poses import Side
from .data import HandData, ProxyModel
from .part import is_part, make_part

MANO_FOLDER_VARIABLE = "LIVEHAND_MANO"
"""Environment variable with the folder that holds MANO_RIGHT.pkl, MANO_LEFT.pkl and MANO_UV_right.obj, a folder above
it (``models/`` or ``mano/``), or one of the files."""

MANO = "mano"
"""MANO with the left hand's shape directions mirrored, as InterHand2.6M's fits and most others assume."""

MANO_UNFIXED = "mano-unfixed"
"""MANO with the left hand's shape directions as its file has them, as DexYCB's fits were made."""

_BELOW = ("", "models", "mano", "mano/models", "models/mano")


KEPT_PARTS = 32
"""Parts that are remembered, those that were asked for last."""

_parts: OrderedDict[str, ProxyModel] = OrderedDict()
_parts_lock = Lock()


def bring_part(
    name: str, arrays: Mapping[str, np.ndarray], joint_names: Sequence[str], licence: str = ""
) -> ProxyModel:
    """Remember the part that a file brought along, so that :func:`find_model` knows its id. The same id is the same
    part: it holds a digest of all that makes it.

    Raises:
        HandModelError: the arrays cannot be meant.
    """
    with _parts_lock:
        known = _parts.get(name)
        if known is None:
            known = make_part(name, arrays, joint_names, licence, name)
        return _remember(known)


def remember_part(model: ProxyModel) -> None:
    """As :func:`bring_part`, of one that is made already."""
    with _parts_lock:
        _remember(model)


def _remember(model: ProxyModel) -> ProxyModel:
    _parts[model.name] = model
    _parts.move_to_end(model.name)
    while len(_parts) > KEPT_PARTS:
        _parts.popitem(last=False)
    return model


def find_model(name: str, side: Side) -> ProxyModel:
    """The model that an avatar or a capture refers to: a hand's, or a part's that a file has brought along.

    Raises:
        HandModelError: an unknown id, a part that no file brought, or MANO files that are not there.
    """
    if not is_part(name):
        return find_hand(name, side)
    with _parts_lock:
        known = _parts.get(name)
    if known is None:
        raise HandModelError(
            f"The part {name!r} is in no file that was read.", "Read the avatar or the capture that holds it first."
        )
    if known.side == side:
        return known
    from .builtin import mirror_hand

    return mirror_hand(known)


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
