"""The names that tools give to what a motion file holds, and how they write sides, truths and rates."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import PoseError
from ..poses import Side

ROLES: dict[str, tuple[str, ...]] = {
    "full": ("poses", "pose", "fullpose", "manopose", "manoposes", "posem", "theta", "thetas", "poseparams"),
    "fingers": ("handpose", "handposes", "fingerpose", "fingerposes", "fingers", "manohandpose"),
    "both": ("posehand", "handsposes"),
    "orient": (
        "globalorient", "globalorientation", "rootorient", "rot", "rh", "orient", "globalrot", "rootrot", "wristrot",
        "handrot", "manorot", "handglobalorient", "manoglobalorient", "rootpose", "globalpose", "rootrotation",
        "globalrotation", "wristrotation", "handrotation", "wristorient", "handorient",
    ),
    "betas": (
        "betas", "beta", "shape", "shapes", "manoshape", "manobetas", "manobeta", "handbeta", "handbetas", "handshape",
        "shapeparams",
    ),
    "trans": (
        "trans", "transl", "translation", "th", "globalt", "handtranslation", "handtrans", "manotrans", "manotransl",
        "manotranslation", "roottrans", "globaltranslation", "roottranslation", "globaltransl", "handtransl",
        "wristtrans", "wristtranslation", "tsl", "handtsl",
    ),
    "rate": ("mocapframerate", "framerate", "fps", "mocapfps", "framespersecond", "samplingrate", "samplerate"),
    "side": ("side", "handside", "handtype", "handedness", "hand", "manoside", "manosides", "chirality"),
    "right": ("isright", "isrhand", "isrighthand", "righthand", "right"),
    "left": ("isleft", "islhand", "islefthand"),
    "pca": ("pca", "usepca"),
    "flat": ("flathandmean", "flatmean"),
    "up": ("upaxis", "up"),
    "model": ("model", "handmodel"),
}  # fmt: skip
"""What a value is for -> its names, in lower case without anything but letters and digits."""

BODY = ("bodypose", "posebody", "jawpose", "posejaw", "poseeye", "leyepose", "reyepose", "expression")
"""Names that only tables of whole bodies have."""

TRACKED = ("trackingcamera", "trackingconfidence")
"""What ``livehand track`` writes besides the motion, for whoever asks for it."""

PREFIXES = {"left": ("left", "lefthand", "l", "lhand", "lh"), "right": ("right", "righthand", "r", "rhand", "rh")}
"""What stands before a name that is of one hand: ``right_hand_pose``, ``lhand_betas``."""

SUFFIXES = {side: tuple(word for word in words if len(word) > 1) for side, words in PREFIXES.items()}
"""What stands behind such a name: ``hand_pose_right``. A single letter would be a part of ``transl``."""

_SIDES: dict[str, Side] = {
    **dict.fromkeys(("left", "l", "lh", "lhand", "lefthand", "manoleft"), "left"),
    **dict.fromkeys(("right", "r", "rh", "rhand", "righthand", "manoright"), "right"),
}  # type: ignore[dict-item]


def plain(key: object) -> str:
    """A key without case, marks and spaces: ``"Global_Orient"`` -> ``"globalorient"``."""
    return re.sub(r"[^a-z0-9]", "", str(key).lower())


def side_named(key: object) -> Side | None:
    """The hand that a word names, such as ``"left_hand"`` or ``"RH"``; None for another word."""
    return _SIDES.get(plain(key.decode("latin1") if isinstance(key, bytes) else key))


def sort_keys(table: Mapping[str, Any], side: Side) -> tuple[dict[str, str], list[str]]:
    """Which of a table's keys serves for what, for one hand.

    Returns:
        Role -> key; and the keys that have no role.
    """
    found: dict[str, str] = {}
    other = "right" if side == "left" else "left"
    own, foreign = (PREFIXES[side], SUFFIXES[side]), (PREFIXES[other], SUFFIXES[other])
    unused: list[str] = []
    ranked: dict[str, tuple[int, str]] = {}
    for key in table:
        word = plain(key)
        role, rank = _role(word, own)
        if role is None:
            if _role(word, foreign)[0] is None:
                unused.append(str(key))
            continue
        if role not in ranked or rank < ranked[role][0]:
            if role in ranked:
                unused.append(ranked[role][1])
            ranked[role] = rank, str(key)
        else:
            unused.append(str(key))
    found = {role: key for role, (_, key) in ranked.items()}
    return found, unused


def of_one_hand(key: str) -> bool:
    """Whether a key names the hand it is of, such as ``right_global_orient``."""
    word = plain(key)
    return any(_role(word, (PREFIXES[side], SUFFIXES[side]))[1] < 0 for side in PREFIXES)


def has_role(table: Mapping[str, Any], role: str) -> bool:
    """Whether a table tells something, of whichever hand."""
    return any(role in sort_keys(table, side)[0] for side in ("right", "left"))  # type: ignore[arg-type]


def _role(word: str, hand: tuple[tuple[str, ...], tuple[str, ...]]) -> tuple[str | None, int]:
    """The role of a word, and how far back in its list it stands; with a hand's name before it, the first of all."""
    for role, names in ROLES.items():
        if word in names:
            return role, names.index(word)
        for rest in _without(word, *hand):
            # ``left_hand_pose``: the word that is left, or with its "hand" again.
            if rest in names or f"hand{rest}" in names:
                return ("fingers" if rest in ("pose", "poses", "posehand") else role), -1
    return None, 0


def _without(word: str, prefixes: tuple[str, ...], suffixes: tuple[str, ...]) -> list[str]:
    """What is left of a word that begins or ends with a hand's name."""
    before = [word.removeprefix(prefix) for prefix in prefixes if word.startswith(prefix)]
    return before + [word.removesuffix(suffix) for suffix in suffixes if word.endswith(suffix)]


def truth(value: Any, name: str, key: str) -> bool:
    """A truth as programs write it. Raises PoseError for another value."""
    item = _first(value)
    if isinstance(item, str):
        word = item.strip().lower()
        if word in ("true", "yes", "1", "false", "no", "0"):
            return word in ("true", "yes", "1")
    elif isinstance(item, bool | int | float) and item in (0, 1):
        return bool(item)
    raise PoseError(f"{name} has {key} of {item!r}, which is neither true nor false.", "Write true or false.")


def sides_of(value: Any, name: str, key: str, asks: Side | None) -> list[Side]:
    """The side of each row, or one for all.

    Args:
        asks: the side of which the value tells whether the hand is of it; None where it names the side.

    Raises:
        PoseError: a side of an unknown name.
    """
    items = np.asarray(value, dtype=object).reshape(-1).tolist() if not isinstance(value, str | bytes) else [value]
    known = [item for item in items if item is not None]
    if known and all(item == known[0] for item in known):
        # A frame without a hand is of the side of all others.
        items = [known[0]] * len(items)
    if asks is not None:
        other: Side = "left" if asks == "right" else "right"
        return [asks if truth(item, name, key) else other for item in items]
    sides = [side_named(item) if isinstance(item, str | bytes) else None for item in items]
    if None in sides or not sides:
        wrong = items[sides.index(None)] if sides else "nothing"
        raise PoseError(f"{name} has {key} of {wrong!r}, which is not a side.", "Write left or right.")
    return [side for side in sides if side is not None]


def frames_a_second(value: Any, name: str) -> float | None:
    """A frame rate as a number, text with a unit, or one for each frame; None where it tells nothing.

    Raises:
        PoseError: no rate, or rates that differ.
    """
    items = value if isinstance(value, list | tuple) else np.asarray(value, dtype=object).reshape(-1).tolist()
    rates = set()
    for item in items:
        if item is None or (isinstance(item, str | bytes) and not item.strip()):
            continue
        text = item.decode("latin1") if isinstance(item, bytes) else str(item)
        match = re.fullmatch(r"\s*([0-9.eE+]+)\s*(fps|hz|frames.*)?\s*", text, re.IGNORECASE)
        try:
            rates.add(float(match[1]) if match else float(text))
        except ValueError as error:
            raise PoseError(f"{name} has a frame rate of {text!r}.", "Give the frames a second.") from error
    if not rates:
        return None
    rate = rates.pop()
    if rates or not (np.isfinite(rate) and rate > 0.0):
        told = "rates that differ from frame to frame" if rates else f"a frame rate of {rate:g}"
        raise PoseError(f"{name} has {told}.", "Give the frames a second.")
    return rate


def _first(value: Any) -> Any:
    array = np.asarray(value, dtype=object).reshape(-1)
    item = array[0] if len(array) else None
    item = item.decode("latin1") if isinstance(item, bytes) else item
    return item.item() if isinstance(item, np.generic) else item
