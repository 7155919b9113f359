"""Where frames go: a folder of PNGs, or one beside a video or sheet; which are there already, and of which render."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..documents import Reader
from ..errors import LiveHandError
from ..files import atomic_path
from .film import FORMATS, check_video
from .pictures import PASS_PICTURES

RECORD = "livehand_render.json"
"""In a folder of frames: what they show, so that a render goes on only with frames of its own."""
RECORDS = Reader("The record of the frames", limit=1 << 20)

ARRAYS = "arrays"
"""Folder of the passes as float32 arrays."""


@dataclass(frozen=True)
class Target:
    """Where a view goes.

    Attributes:
        out: what the user named: a folder, a video or a picture.
        frames: folder of the frames.
        passes: pictures beside the colour, by name of the pass.
        arrays: whether all passes are kept as arrays, too.
    """

    out: Path
    frames: Path
    passes: tuple[str, ...] = ()
    arrays: bool = False

    @classmethod
    def of(cls, out: Path, passes: Sequence[str] = (), arrays: bool = False) -> Target:
        """By the suffix of what the user named.

        Raises:
            LiveHandError: an unknown suffix, a pass without a picture, passes that no folder is there for, or no
                encoder for a video.
        """
        suffix = out.suffix.lower()
        unknown = [name for name in passes if name not in PASS_PICTURES]
        if unknown:
            raise LiveHandError(
                f"There is no picture of the pass {unknown[0]!r}.", f"Choose from {', '.join(PASS_PICTURES)}."
            )
        if out.is_dir() or not suffix:
            return cls(out, out, tuple(passes), arrays)
        if suffix in FORMATS:
            check_video()
        elif suffix != ".png":
            raise LiveHandError(
                f"Views cannot be written to a file named {out.name}.",
                f"Give a folder, a .png or a video ({', '.join(FORMATS)}).",
            )
        if passes or arrays:
            raise LiveHandError(f"Passes cannot be written to {out.name}.", "Give a folder instead.")
        return cls(out, out.with_name(out.name + ".frames"))

    @property
    def is_folder(self) -> bool:
        """Whether the frames themselves are what the user wants."""
        return self.out == self.frames

    @property
    def is_video(self) -> bool:
        """Whether the frames become a video; else, unless they are wanted themselves, a sheet."""
        return not self.is_folder and self.out.suffix.lower() in FORMATS

    def frame(self, number: int) -> Path:
        """The picture of frame ``number``, counted from 1."""
        return self.frames / f"{number:04d}.png"

    def pass_picture(self, name: str, number: int) -> Path:
        """The picture of a pass."""
        return self.frames / name / f"{number:04d}.png"

    def array(self, number: int) -> Path:
        """The arrays of a frame."""
        return self.frames / ARRAYS / f"{number:04d}.npz"

    def complete(self, number: int) -> bool:
        """Whether all files of a frame are there; each was written under another name first, so they are whole."""
        wanted = [self.frame(number), *(self.pass_picture(name, number) for name in self.passes)]
        if self.arrays:
            wanted.append(self.array(number))
        return all(path.is_file() for path in wanted)

    def prepare(self, record: Mapping[str, Any], count: int, overwrite: bool) -> list[int]:
        """Make the folder ready and tell which frames, counted from 1, are still to be rendered.

        Args:
            record: what decides how the frames look; those of an interrupted render with the same record are kept.
            count: number of frames.
            overwrite: replace what is there.

        Raises:
            LiveHandError: files are there that are not of this render, or the folder cannot be written.
        """
        if not self.is_folder and self.out.exists() and not overwrite:
            raise LiveHandError(f"{self.out} already exists.", "Give another name, or --overwrite.")
        document = json.loads(json.dumps(record))
        if overwrite:
            self._clear()
        else:
            self._check(document)
        with atomic_path(self.frames / RECORD) as temporary:
            temporary.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        return [number for number in range(1, count + 1) if not self.complete(number)]

    def _check(self, document: Mapping[str, Any]) -> None:
        """Raises LiveHandError unless the folder has no frames, or has those of this render."""
        try:
            known = RECORDS.json(self.frames / RECORD)
        except LiveHandError:
            known = None
        if not isinstance(known, dict):
            found = next(self._pictures(), None)
            if found is None:
                return
            raise LiveHandError(
                f"{self.frames} holds pictures ({found.name}) that this command did not make.",
                "Give another folder, or --overwrite.",
            )
        keys = document.keys() | known.keys()
        different = sorted(key for key in keys if known.get(key) != document.get(key))
        if different:
            raise LiveHandError(
                f"{self.frames} holds frames of another render (another {', '.join(different)}).",
                "Give another folder, the same settings to go on with it, or --overwrite.",
            )

    def _pictures(self):  # type: ignore[no-untyped-def]
        return (path for path in self.frames.glob("*.png") if path.stem.isdigit())

    def _clear(self) -> None:
        """Delete the frames that are there; nothing else in the folder."""
        for path in [*self._pictures(), *(self.frames / ARRAYS).glob("*.npz")]:
            path.unlink()
        for name in PASS_PICTURES:
            for path in (self.frames / name).glob("*.png"):
                path.unlink()

    def discard_frames(self) -> None:
        """Delete the frames once the video or sheet is made of them."""
        shutil.rmtree(self.frames, ignore_errors=True)
