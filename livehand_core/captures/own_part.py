"""The part ``livehand`` of a capture's document: hand model, poses, what is held out; and keys that nobody reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import CaptureError
from .transforms import Misread, like, text, unused_keys, whole

FORMAT_VERSION = 1
OWN_KEYS = frozenset(
    {
        "format_version",
        "hand_model",
        "model",
        "poses",
        "held_out_cameras",
        "held_out_poses",
        "licence",
        "origin",
        "consent",
        "identity",
        "lights",
        "held_out_lights",
    }
)
"""Of the part ``livehand``."""

Found = tuple[str, str]
"""Where something is wrong, and what, without a full stop."""


def own_part(path: Path, document: Mapping[str, Any]) -> dict[str, Any]:
    """The part ``livehand`` of a document."""
    extra = document.get("livehand")
    if not isinstance(extra, dict):
        raise CaptureError(
            f"{path} holds no hand poses (no 'livehand' part).",
            "Make the capture with `python -m livehand_blender.capture`, or add the poses to it.",
        )
    if extra.get("format_version", FORMAT_VERSION) != FORMAT_VERSION:
        raise CaptureError(
            f"{path} has format version {extra.get('format_version')}; {FORMAT_VERSION} is needed.",
            "Use the LiveHand version that wrote it.",
        )
    return extra


def held_out(
    path: Path, extra: Mapping[str, Any], entries: Sequence[Any], pose_count: int
) -> tuple[frozenset[str], frozenset[int], list[Found]]:
    """Cameras and poses that are held out, and those of them that do not exist.

    A name that is in no frame holds nothing out: what was meant to be kept would be trained on.

    Raises:
        CaptureError: they are no lists of names and numbers.
    """
    lists = {key: extra.get(key) or [] for key in ("held_out_cameras", "held_out_poses")}
    try:
        for key, values in lists.items():
            if not isinstance(values, list):
                raise Misread(f"{key} is {values!r}, which is not a list")
        cameras = {text({"held_out_cameras": name}, "held_out_cameras") for name in lists["held_out_cameras"]}
        poses = {whole({"held_out_poses": pose}, "held_out_poses") for pose in lists["held_out_poses"]}
    except Misread as error:
        raise CaptureError(f"{path} does not say what is held out: {error}.", "Write the capture again.") from error
    known = {str(entry.get("camera")) for entry in entries if isinstance(entry, dict)}
    wrong = [
        ("held_out_cameras", f"no frame is of the camera {name!r}{_meant(name, known)}")
        for name in sorted(cameras - known)
    ]
    wrong += [
        ("held_out_poses", f"pose {pose} of {pose_count} poses") for pose in sorted(poses) if not 0 <= pose < pose_count
    ]
    return frozenset(cameras), frozenset(poses), wrong


def unread(document: Mapping[str, Any], extra: Mapping[str, Any]) -> tuple[list[str], list[Found]]:
    """What nobody reads: a line about keys of other programs, and problems for keys that seem to be slips."""
    slips = [
        ("livehand", f"the key {key!r} is unknown{_meant(key, OWN_KEYS)}") for key in sorted(extra.keys() - OWN_KEYS)
    ]
    idle = []
    for where, key, meant in unused_keys(document):
        if meant:
            slips.append((where, f"the key {key!r} is unknown; is {meant!r} meant?"))
        else:
            idle.append(key)
    return ([f"Not used of the document: {', '.join(sorted(set(idle)))}."] if idle else []), slips


def _meant(name: str, known: Iterable[str]) -> str:
    meant = like(name, known)
    return f"; is {meant!r} meant?" if meant else ""
