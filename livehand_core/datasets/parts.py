"""The parts of a capture in the making: what is known of one instant, in a JSON file beside its images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..cameras import Camera
from ..documents import Reader
from ..errors import CaptureError, LiveHandError
from ..poses import HandPose
from ..records import Unfit, build

PARTS = "parts"

PART = Reader("The part", CaptureError, "Remove it and prepare the data set again.")

_FIELDS: dict[str, Any] = {
    "name": str,
    "identity": str,
    "frames": tuple[dict[str, Any], ...],
    "left_out": tuple[tuple[str, str], ...],
    "pose": dict[str, Any],
}
"""What a part holds at least."""


def part_path(folder: Path, name: str) -> Path:
    """Where the part of an instant lies; its name may have slashes."""
    return folder / PARTS / f"{name.replace('/', '.')}.json"


def read_parts(folder: Path) -> Iterator[dict[str, Any]]:
    """All parts, by name. Raises CaptureError for one that is damaged."""
    for path in sorted((folder / PARTS).glob("*.json")):
        part = PART.json(path)
        try:
            for key, kind in _FIELDS.items():
                build(kind, part[key], key)
            for frame in part["frames"]:
                build(tuple[str, str], [frame["image"], frame["camera_name"]])
                Camera.from_json(frame["camera"])
            pose_of(part)
        except KeyError as error:
            raise PART.damaged(path, f"it has no {error}") from error
        except (TypeError, Unfit, LiveHandError) as error:
            raise PART.damaged(path, str(error).rstrip(".")) from error
        yield part


def is_there(folder: Path, path: Path, key: str) -> bool:
    """Whether an instant's part is made of what the key is of, with all of its images."""
    if not path.is_file():
        return False
    try:
        part = PART.json(path)
        return part["key"] == key and all((folder / frame["image"]).is_file() for frame in part["frames"])
    except (LiveHandError, KeyError, TypeError):
        return False


def pose_of(part: dict[str, Any]) -> HandPose:
    """The pose that a part tells. Raises PoseError."""
    return HandPose.from_json(part["pose"])
