"""Names that rigs give to the bones of a hand, and which of the hand's points each bone begins at.

Known are Mixamo, Rokoko, Rigify, MPFB (MakeHuman), Unreal, VRM and this add-on; another naming is told by a mapping.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping

from ..documents import Reader
from ..errors import PoseError
from ..poses import Side
from .points import POINT_NAMES

_MAPPING = Reader("The mapping of bones", PoseError, 'Write {"wrist": "Hand_R", "index1": "Index_R_1", ...}.')

_SIDES = {"right": "R", "left": "L"}

PRESETS: dict[str, dict[str, str]] = {
    "Mixamo": {"wrist": "{Side}Hand", "finger": "{Side}Hand{Finger}{n}", "tip": "{Side}Hand{Finger}4"},
    "Rokoko": {
        "wrist": "{Side}Hand", "finger": "{Side}Finger{number}{phalanx}", "tip": "{Side}Finger{number}Tip",
        "thumb": "{Side}Finger1{thumbphalanx}",
    },
    "Rigify": {"wrist": "hand.{S}", "finger": "f_{finger}.0{n}.{S}", "thumb": "thumb.0{n}.{S}"},
    "Rigify deform": {"wrist": "DEF-hand.{S}", "finger": "DEF-f_{finger}.0{n}.{S}", "thumb": "DEF-thumb.0{n}.{S}"},
    "MPFB": {"wrist": "wrist.{S}", "finger": "finger{number}-{n}.{S}"},
    "Unreal": {"wrist": "hand_{s}", "finger": "{finger}_0{n}_{s}"},
    "VRM": {"wrist": "{side}Hand", "finger": "{side}{Finger}{phalanx}", "thumb": "{side}Thumb{thumbphalanx}"},
    "LiveHand": {"wrist": "wrist.{S}", "finger": "{finger}{n}.{S}"},
}  # fmt: skip
"""Tool -> how it names the wrist's bone, a finger's bones and the end of a finger. ``Little`` stands for ``Pinky``
where a rig has that; prefixes such as ``mixamorig:`` do not count."""

_PHALANX = {"1": "Proximal", "2": "Intermediate", "3": "Distal"}
_THUMB_PHALANX = {"1": "Metacarpal", "2": "Proximal", "3": "Distal"}
_FINGERS = ("thumb", "index", "middle", "ring", "pinky")


def preset_mapping(preset: str, side: Side, little: str = "Pinky") -> dict[str, str]:
    """Point -> name of the bone that begins there (of a tip: the bone or end there), as a tool names them.

    Raises:
        PoseError: no tool of that name is known.
    """
    if preset not in PRESETS:
        raise PoseError(f"The bone names {preset!r} are unknown.", f"Choose from {', '.join(PRESETS)}.")
    form = PRESETS[preset]
    words = {"Side": side.title(), "side": side, "S": _SIDES[side], "s": _SIDES[side].lower()}
    mapping = {"wrist": form["wrist"].format(**words)}
    for number, finger in enumerate(_FINGERS, 1):
        shown = little if finger == "pinky" else finger.title()
        words |= {"Finger": shown, "finger": shown.lower(), "number": str(number)}
        pattern = form.get("thumb", form["finger"]) if finger == "thumb" else form["finger"]
        for part in "123":
            own = {"n": part, "phalanx": _PHALANX[part], "thumbphalanx": _THUMB_PHALANX[part]}
            mapping[f"{finger}{part}"] = pattern.format(**words, **own)
        if "tip" in form:
            mapping[f"{finger}tip"] = form["tip"].format(**words)
    return mapping


def find_mapping(names: Iterable[str], side: Side, given: Mapping[str, str] | None = None) -> dict[str, str]:
    """Point -> the bone of a rig, by the naming of which most is there.

    Args:
        names: of the rig's bones.
        given: a mapping of one's own: names of points (``wrist``, ``index1`` ... ``pinky3``, ``indextip``) -> bones.

    Raises:
        PoseError: a given bone or point is unknown, or the wrist or a knuckle is found by no naming.
    """
    there = {_bare(name): name for name in names}
    if given is not None:
        unknown = [point for point in given if point not in POINT_NAMES]
        missing = [bone for bone in given.values() if _bare(bone) not in there]
        if unknown or missing:
            raise PoseError(
                f"The mapping names {', '.join(unknown or missing)}, which the "
                f"{'hand' if unknown else 'rig'} does not have.",
                f"Points are {', '.join(POINT_NAMES)}.",
            )
        return {point: there[_bare(bone)] for point, bone in given.items()}
    candidates = [preset_mapping(preset, side, little) for preset in PRESETS for little in ("Pinky", "Little")]
    found = [{point: there[_bare(bone)] for point, bone in one.items() if _bare(bone) in there} for one in candidates]
    best = max(found, key=len)
    needed = {"wrist", *(f"{finger}1" for finger in _FINGERS[1:])}
    if not needed <= set(best):
        raise PoseError(
            f"The bones of a {side} hand were not found; {', '.join(sorted(needed - set(best)))} are missing of what "
            f"{', '.join(PRESETS)} call them.",
            'Give a mapping: a JSON file as {"wrist": "Hand_R", "index1": ...}.',
        )
    return best


def read_mapping(path: str | os.PathLike[str]) -> dict[str, str]:
    """A mapping from a JSON file: ``{"wrist": "Hand_R", "index1": "Index_R_1", ...}``.

    Raises:
        PoseError: it is not there, or is no such mapping.
    """
    document = _MAPPING.json(path)
    if not isinstance(document, dict) or not all(isinstance(bone, str) for bone in document.values()):
        raise _MAPPING.damaged(path, "it is no table of names")
    return document


def _bare(name: str) -> str:
    """A name without what programs put before it, and without regard to case and marks."""
    return re.sub(r"[^a-z0-9]", "", re.split(r"[:|]", name)[-1].lower())
