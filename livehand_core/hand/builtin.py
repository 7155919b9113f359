"""The hand that ships inside: our own geometry in MANO's format, CC0-1.0, read from ``livehand_core/assets``.

``builtin_hand("right")`` is as stored (fingers along -x, palm facing -y, thumb towards +z, wrist joint at the origin);
``builtin_hand("left")`` is its mirror in x.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TypeVar

import numpy as np

from ..errors import HandModelError
from ..files import ARCHIVE_ERRORS
from ..poses import PARENTS, Side
from .data import HandData, ProxyModel

Model = TypeVar("Model", bound=ProxyModel)

ASSETS = Path(__file__).resolve().parent.parent / "assets"
PROXY_FILE = "hand_right.npz"
MODEL_ID = "livehand-builtin-1"


def read_hand(path: Path) -> HandData:
    """The right hand from its asset file.

    Raises:
        HandModelError: the file is not there or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            stored = {key: archive[key] for key in archive.files}
        weights = stored["weights"].astype(np.float32)
        return HandData(
            name=MODEL_ID,
            side="right",
            v_template=stored["v_template"].astype(np.float32),
            shapedirs=stored["shapedirs"].astype(np.float32),
            posedirs=stored["posedirs"].astype(np.float32),
            joint_regressor=stored["joint_regressor"].astype(np.float32),
            # Stored in half precision: rows are made to sum to 1 again.
            weights=weights / weights.sum(axis=1, keepdims=True),
            parents=np.array(PARENTS, dtype=np.int64),
            hands_mean=stored["hands_mean"].astype(np.float32),
            hands_components=stored["hands_components"].astype(np.float32),
            faces=stored["faces"].astype(np.int64),
            uv=stored["uv"].astype(np.float32),
            uv_faces=stored["uv_faces"].astype(np.int64),
            licence="CC0-1.0",
        )
    except ARCHIVE_ERRORS as error:
        raise HandModelError(
            f"The built-in hand {path} cannot be read ({error}).",
            "Install LiveHand again, or run tools/build_hand.py from a source checkout.",
        ) from error


def mirror_hand(data: Model) -> Model:
    """The other side's model: everything reflected in x, triangles turned so that they still face outwards.

    A rotation R becomes M R M with M = diag(-1, 1, 1), so axis-angle (a, b, c) becomes (a, -b, -c), and entry (i, j) of
    R - I changes sign where exactly one of i, j is x.
    """
    flip = np.array([-1.0, 1.0, 1.0], dtype=np.float32)
    entries = np.tile(np.outer(flip, flip).reshape(-1), data.posedirs.shape[-1] // 9)
    mirrored = replace(
        data,
        side="left" if data.side == "right" else "right",
        v_template=data.v_template * flip,
        shapedirs=data.shapedirs * flip[:, None],
        posedirs=data.posedirs * flip[:, None] * entries,
        faces=np.ascontiguousarray(data.faces[:, ::-1]),
        uv_faces=np.ascontiguousarray(data.uv_faces[:, ::-1]),
    )
    if not isinstance(mirrored, HandData):
        return mirrored
    angles = np.tile(np.array([1.0, -1.0, -1.0], dtype=np.float32), 15)
    turned = mirrored.hands_mean * angles, mirrored.hands_components * angles
    return replace(mirrored, hands_mean=turned[0], hands_components=turned[1])


@cache
def builtin_hand(side: Side = "right") -> HandData:
    """The built-in hand of one side, read once a process. Its arrays are shared: do not write to them.

    Raises:
        HandModelError: the asset is missing or damaged.
    """
    hand = read_hand(ASSETS / PROXY_FILE)
    if side == "left":
        hand = mirror_hand(hand)
    for value in vars(hand).values():
        if isinstance(value, np.ndarray):
            value.flags.writeable = False
    return hand
