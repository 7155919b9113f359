"""The published code's ``config.txt``: its training and validation folders, prepared as one capture.

Lines ``key = value``; understood are ``expname``, ``basedir``, ``data_fol`` and ``val_data_fol``; the other keys
are told, since settings of that code's trainer are not this one's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ..captures.capture import Capture
from ..documents import MEBIBYTE, Reader
from ..errors import CaptureError
from ..poses import Side
from .conventions import SETS
from .livehand_folder import read_instants
from .merge import merge
from .prepare import Settings, prepare
from .source import Choice, Instant, Notes

CONFIG = Reader("The configuration", CaptureError, "Give the published code's config.txt.", limit=MEBIBYTE)

ROW = SETS["livehand"]
VALIDATION = "validation."
"""What the names of held-out instants begin with."""

KNOWN = ("expname", "basedir", "data_fol", "val_data_fol")


@dataclass(frozen=True)
class PublishedConfig:
    """What a ``config.txt`` says of data and run.

    Attributes:
        run: folder of the run, ``basedir``/``expname``.
        training, validation: folders of frames; validation may be None.
        unused: keys that have no counterpart here.
    """

    run: Path
    training: Path
    validation: Path | None
    unused: tuple[str, ...]


def read_config(path: Path) -> PublishedConfig:
    """Read a ``config.txt``; relative folders are looked for from where it lies, then from here.

    Raises:
        CaptureError: it is not there, says no ``data_fol``, or a folder is not there.
    """
    values = {}
    for line in CONFIG.text(path).splitlines():
        key, equals, value = line.partition("#")[0].partition("=")
        if equals:
            values[key.strip()] = value.strip().strip("\"'")
    if not values.get("data_fol"):
        raise CaptureError(f"{path} has no line 'data_fol = ...'.", "Give the published code's config.txt.")
    validation = values.get("val_data_fol")
    return PublishedConfig(
        Path(values.get("basedir", "logs")) / values.get("expname", path.parent.name or "livehand"),
        _folder(path, values["data_fol"]),
        _folder(path, validation) if validation and validation != "None" else None,
        tuple(sorted(set(values) - set(KNOWN))),
    )


def capture_of(config: PublishedConfig, side: Side, done: Callable[[int], None]) -> Capture:
    """The capture of a configuration's folders, in its run's folder; poses of the validation folder are held out.

    Raises:
        CaptureError: a folder holds no frames that can be used, or no MANO is there.
    """
    folder = config.run / "capture"
    notes = Notes()
    prepare(folder, _instants(config, side, notes), Settings(ROW.hand_model, refine=False), 1, done)
    capture = merge(folder, ROW, notes.left_out, held_out=lambda name: name.startswith(VALIDATION))
    if config.validation is not None and not capture.held_out_poses:
        raise CaptureError(f"No image of {config.validation} could be used.", f"{folder / 'left_out.json'} says why.")
    return capture


def _instants(config: PublishedConfig, side: Side, notes: Notes) -> Iterator[Instant]:
    yield from read_instants(config.training, ROW, Choice(side), notes)
    if config.validation is not None:
        for instant in read_instants(config.validation, ROW, Choice(side), notes):
            yield replace(instant, name=VALIDATION + instant.name)


def _folder(config: Path, told: str) -> Path:
    places = [(config.parent / told), Path(told)]
    found = next((place for place in places if place.is_dir()), None)
    if found is None:
        raise CaptureError(f"{config} names the folder {told}, which is not there.", "Correct its path.")
    return found
