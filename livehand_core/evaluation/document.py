"""An evaluation as JSON: the bare figures for programs, and beside them all that is needed to look closer or repeat it.

``metrics``: ``{protocol: {metric: value}}`` and nothing else. ``details``: tables, frames, avatar, capture, versions.
"""

from __future__ import annotations

import hashlib
import math
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ..avatars.metadata import AvatarMetadata
from ..benchmark.machine import describe
from ..captures.capture import POSES, TRANSFORMS, Capture, Problem, Split
from .evaluate import Measured
from .metrics import PROTOCOLS
from .summary import Group, Table, by_split, camera_name, grouped, identity_name, light_name, pose_name, relit

FORMAT_VERSION = 1
TEMPORAL = "temporal"
"""Name of the protocol of ``steadiness``."""

REFITS = {
    "poses given": "in the poses of a file: of a run's refined poses those that were held out take what poses like "
    "them were corrected by, and none of their images was looked at",
    "poses fitted": "in poses that were fitted to these images through the avatar, first to the masks' outlines: turn, "
    "joint angles and place, nothing else; what the avatar can show, not what it foretells",
}
"""How frames are measured beside the capture's own poses: name of the row, and what it means."""

_PACKAGES = ("scikit-image", "pytorch-msssim", "lpips", "torch-fidelity", "torchvision")


@dataclass(frozen=True)
class Evaluation:
    """What was measured and how.

    Attributes:
        avatar: its file.
        metadata: what that says about itself.
        capture: what it was measured on, without what could not be used.
        rows: the frames measured.
        planned: how many were to be measured.
        temporal: film -> figures of ``steadiness``; empty where that was not asked for.
        problems: what was left out of the capture.
        unmeasured: frames that were to be measured and could not be.
        refits: the frames once more in other poses than the capture's, by a key of ``REFITS``.
        notes: what was not measured, and why.
        settings: device, precision, splits, limit, protocols, as given.
        command: that repeats it.
        began: local time, ISO 8601.
    """

    avatar: Path
    metadata: AvatarMetadata
    capture: Capture
    rows: tuple[Measured, ...]
    planned: int
    temporal: dict[str, dict[str, float]]
    problems: tuple[Problem, ...]
    unmeasured: tuple[Problem, ...]
    refits: dict[str, tuple[Measured, ...]]
    notes: tuple[str, ...]
    settings: dict[str, Any]
    command: str
    began: str

    @property
    def complete(self) -> bool:
        """Whether all frames were gone through."""
        return len(self.rows) + len(self.unmeasured) == self.planned

    @property
    def headline(self) -> tuple[Split, Group]:
        """The split whose means stand for the avatar: new camera and pose together, if that was measured."""
        return next(iter(by_split(self.rows).items()))

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the renderer said, each line once."""
        return tuple(dict.fromkeys(line for row in self.rows for line in row.warnings))


def metrics(evaluation: Evaluation) -> dict[str, dict[str, float | None]]:
    """``{protocol: {metric: value}}``: means over the headline's split. Equal images have no PSNR: None."""
    table: Table = {name: dict(values) for name, values in evaluation.headline[1].mean.items()}
    for group in relit(evaluation.rows):
        own = table.setdefault("relight", dict(by_split(evaluation.rows)["relight"].mean.get("relight", {})))
        own.update(
            {f"{group.name.replace(' ', '_')}_{key}": value for key, value in group.mean.get("relight", {}).items()}
        )
    if evaluation.temporal:
        table[TEMPORAL] = {
            f"{film}_{key}": value for film, values in evaluation.temporal.items() for key, value in values.items()
        }
    return {name: {key: _finite(value) for key, value in values.items()} for name, values in table.items()}


def details(evaluation: Evaluation) -> dict[str, Any]:
    """Everything else, as plain values ready for JSON."""
    rows = evaluation.rows
    split, group = evaluation.headline
    document = {
        "format_version": FORMAT_VERSION,
        "complete": evaluation.complete,
        "headline": {"split": split, "frames": len(group.rows)},
        "protocols": {
            name: PROTOCOLS[name].meaning
            for name in PROTOCOLS
            if any(name in some.mean for some in by_split(rows).values())
        },
        "notes": list(evaluation.notes),
        "warnings": list(evaluation.warnings),
        "left_out": [problem._asdict() for problem in evaluation.problems],
        "unmeasured": [problem._asdict() for problem in evaluation.unmeasured],
        "by_split": {name: members.to_json() for name, members in by_split(rows).items()},
        "refits": {
            label: {"meaning": REFITS[label]} | {name: group.to_json() for name, group in by_split(others).items()}
            for label, others in evaluation.refits.items()
        },
        "by_pose": _tables(grouped(rows, pose_name)),
        "by_camera": _tables(grouped(rows, camera_name)),
        "by_identity": _tables(grouped(rows, identity_name)),
        "by_light": _tables(grouped(rows, light_name)),
        TEMPORAL: evaluation.temporal,
        "frames": [_frame(row) for row in rows],
        "reproduce": reproduction(evaluation),
    }
    answer: dict[str, Any] = _plain(document)
    return answer


def reproduction(evaluation: Evaluation) -> dict[str, Any]:
    """Avatar, capture, settings, versions and machine, with hashes."""
    metadata, capture = evaluation.metadata, evaluation.capture
    return {
        "command": evaluation.command,
        "began": evaluation.began,
        "settings": evaluation.settings,
        "avatar": {
            "file": str(evaluation.avatar),
            "name": metadata.name,
            "content_hash": metadata.content_hash,
            "sha256": file_hash(evaluation.avatar),
            "licence": metadata.licence,
        },
        "capture": {
            "folder": str(capture.folder),
            "hand_model": capture.hand_model,
            "licence": capture.licence,
            "origin": capture.origin,
            "sha256": {
                str(Path(folder) / name): file_hash(Path(folder) / name)
                for folder in evaluation.settings["captures"]
                for name in (TRANSFORMS, POSES)
            },
        },
        "machine": describe(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "python": platform.python_version(),
    }


def file_hash(path: Path) -> str:
    """SHA-256 of a file; empty where it is not there."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return ""


def _tables(groups: Sequence[Group]) -> dict[str, Any]:
    ordered = sorted(groups, key=lambda group: (len(group.name), group.name))
    return {
        group.name: {"frames": len(group.rows), "splits": sorted({row.split for row in group.rows}), "mean": group.mean}
        for group in ordered
    }


def _frame(row: Measured) -> dict[str, Any]:
    frame = row.frame
    return {
        "image": frame.image,
        "split": row.split,
        "camera": frame.camera_name,
        "pose": frame.pose,
        "identity": frame.identity,
        "light": row.light,
        "seconds": row.seconds,
        "values": row.values,
    }


def _plain(value: Any) -> Any:
    """JSON knows no infinity."""
    if isinstance(value, dict):
        return {key: _plain(member) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(member) for member in value]
    return _finite(value) if isinstance(value, float) else value


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
