"""Where the pictures of an animation go: a pattern of names, and the video that is made of them. Standard library only.

Called by the batch and by farm jobs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ..errors import LiveHandError

FORMATS = {".png": "PNG", ".exr": "OPEN_EXR_MULTILAYER", ".mp4": "FFMPEG"}
SUFFIXES = {"png": ".png", "exr": ".exr", "mp4": ".mp4"}


@dataclass(frozen=True)
class Output:
    """Where pictures go.

    Attributes:
        pattern: path with a group of ``#`` where the frame number goes.
        file_format: Blender's name of the picture format.
        movie: path of the movie made from the pictures, None without one.
    """

    pattern: Path
    file_format: str
    movie: Path | None = None

    def path(self, frame: int) -> Path:
        """The picture of one frame."""
        name = re.sub("#+", lambda group: f"{frame:0{len(group[0])}d}", self.pattern.name, count=1)
        return self.pattern.with_name(name)

    def finished(self, frame: int, since: float = 0.0) -> bool:
        """Whether the picture is there, no older than ``since``. It is renamed into place when complete, so it is not
        looked into."""
        try:
            status = self.path(frame).stat()
        except OSError:
            return False
        return status.st_size > 0 and status.st_mtime >= since


def parse_output(pattern: Path, chosen: str | None) -> Output:
    """Output of a pattern and, unless its suffix tells, a format out of png, exr, mp4.

    Raises:
        LiveHandError: neither tells, or they contradict each other.
    """
    suffix = SUFFIXES.get(chosen, "") if chosen else pattern.suffix.lower()
    if suffix not in FORMATS:
        raise LiveHandError(f"The format of {pattern} is unknown.", "Give --format png, exr or mp4.")
    if pattern.suffix.lower() in FORMATS and pattern.suffix.lower() != suffix:
        raise LiveHandError(f"{pattern} and --format {chosen} contradict each other.", "Leave one of them out.")
    path = pattern if pattern.suffix.lower() == suffix else pattern.with_name(pattern.name + suffix)
    if suffix == ".mp4":
        # Blender would put the range of frames in place of the hashes.
        path = path.with_name((path.stem.rstrip("#").rstrip("._-") or "movie") + suffix)
        return Output(path.with_name(f"{path.stem}.frames") / "####.png", "PNG", path)
    if "#" not in path.name:
        path = path.with_name(f"{path.stem}####{path.suffix}")
    return Output(path, FORMATS[suffix])
