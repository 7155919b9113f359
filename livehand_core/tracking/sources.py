"""Where pictures come from: a camera, a video file, a folder of pictures, or whatever yields frames.

A recorded source gives every frame in order, and its times are its own. ``Newest`` makes a live one of any: it reads
on a thread of its own and keeps the newest frame only.
"""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ..errors import LiveHandError
from ..libraries import require
from .values import SourceFrame

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff")
USUAL_FPS = 30.0
LARGEST_CAMERA_NUMBER = 63

_SILENCE_SECONDS = 3.0
"""Without a picture for so long a camera counts as unplugged."""


class SourceError(LiveHandError):
    """A source of pictures that is not there, is in use, or ended before its time."""


class Source(Protocol):
    """What yields frames: iterate over it once, then close it."""

    @property
    def name(self) -> str:
        """For people."""

    @property
    def fps(self) -> float:
        """Frames a second, about."""

    @property
    def count(self) -> int | None:
        """How many frames there are; None when nobody knows."""

    @property
    def live(self) -> bool:
        """Whether frames come at their own time, as a camera's do."""

    @property
    def warnings(self) -> list[str]:
        """What a person should know about what was read so far."""

    def __iter__(self) -> Iterator[SourceFrame]: ...

    def close(self) -> None:
        """Let go of the camera or file."""


@dataclass
class FrameSource:
    """A source made of anything that yields ``SourceFrame``."""

    frames: Iterator[SourceFrame]
    name: str = "frames"
    fps: float = USUAL_FPS
    count: int | None = None
    live: bool = False
    warnings: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[SourceFrame]:
        return self.frames

    def close(self) -> None:
        """Nothing is open."""


def open_source(text: str | Path, fps: float | None = None) -> Source:
    """The source that a text names.

    Args:
        text: ``camera`` or ``camera:1``, a video file, a folder of pictures, or one picture.
        fps: frames a second of a folder, or that a camera is asked for.

    Raises:
        SourceError: it is not there or cannot be opened; the message says why and what to do.
        LibraryError: OpenCV is missing.
    """
    require("tracking")
    match = re.fullmatch(r"(?:camera|cam|webcam)(?::(\d+))?|(\d{1,2})", str(text).strip(), re.IGNORECASE)
    if match and not Path(text).exists():
        return CameraSource(int(match[1] or match[2] or 0), fps)
    path = Path(text).expanduser()
    if path.is_dir():
        return FolderSource(path, fps or USUAL_FPS)
    if not path.exists():
        raise SourceError(
            f"The source {path} does not exist.", "Give a video file, a folder of pictures, or camera:NUMBER."
        )
    if path.suffix.lower() in PICTURES:
        return FolderSource(path, fps or USUAL_FPS)
    return VideoSource(path)


class VideoSource:
    """A video file; turned as its metadata say, timed as its frames are."""

    live = False

    def __init__(self, path: Path) -> None:
        import cv2

        self.name, self._path = path.name, path
        if path.stat().st_size == 0:
            raise SourceError(f"The video {path} is empty.", "Record or copy it again.")
        self._capture: Any = cv2.VideoCapture(str(path))
        if not self._capture.isOpened():
            raise SourceError(
                f"The video {path} cannot be read: it is damaged, cut off, or no video.",
                "Try to play it; convert it to an .mp4 (H.264) with another program.",
            )
        self._capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1.0)
        rate, count = self._capture.get(cv2.CAP_PROP_FPS), self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.fps = float(rate) if 0.5 <= rate <= 1000.0 else USUAL_FPS
        self.count: int | None = int(count) if 0 < count < 1e8 else None
        self.warnings: list[str] = []

    def __iter__(self) -> Iterator[SourceFrame]:
        import cv2

        number, last = 0, -1.0
        while True:
            good, picture = self._capture.read()
            if not good:
                break
            at = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1e3
            # Some containers tell no times, or the same twice: then frames are evenly spaced.
            at = at if at > last else last + 1.0 / self.fps
            last = max(at, 0.0)
            yield SourceFrame(np.ascontiguousarray(picture[..., ::-1]), last, number)
            number += 1
        if number == 0:
            raise SourceError(f"The video {self._path} holds no picture that can be read.", "Convert it to an .mp4.")
        if self.count is not None and number < 0.98 * self.count - 1:
            self.warnings.append(f"{self.name} ends after {number} of {self.count} frames: it is cut off or damaged.")

    def close(self) -> None:
        """Let go of the file."""
        self._capture.release()


class FolderSource:
    """The pictures of a folder, in the order of the numbers in their names."""

    live = False

    def __init__(self, path: Path, fps: float) -> None:
        self.name, self.fps = path.name, fps
        files = [path] if path.is_file() else [file for file in path.iterdir() if file.suffix.lower() in PICTURES]
        self._files = sorted((file for file in files if not file.name.startswith(".")), key=_natural)
        if not self._files:
            raise SourceError(
                f"The folder {path} holds no pictures.", f"Give one with {', '.join(PICTURES[:3])} files."
            )
        self.count: int | None = len(self._files)
        self.warnings: list[str] = []

    def __iter__(self) -> Iterator[SourceFrame]:
        for number, file in enumerate(self._files):
            picture = _picture(file)
            if picture is None:
                self.warnings.append(f"{file.name} cannot be read as a picture and was left out.")
                continue
            yield SourceFrame(picture, number / self.fps, number)

    def close(self) -> None:
        """Nothing is open."""


class CameraSource:
    """A camera of this machine. It is opened here and nowhere else, and closed with :meth:`close`."""

    live = True
    count = None

    def __init__(self, number: int, fps: float | None = None) -> None:
        import cv2

        self.name = f"camera {number}"
        self.warnings: list[str] = []
        if number > LARGEST_CAMERA_NUMBER:
            raise SourceError(f"There is no camera {number}.", "Cameras are numbered from 0.")
        _check_permission(number)
        kind = {"win32": cv2.CAP_DSHOW, "darwin": cv2.CAP_AVFOUNDATION}.get(sys.platform, cv2.CAP_V4L2)
        with _quiet():
            self._capture: Any = cv2.VideoCapture(number, kind)
        if not self._capture.isOpened():
            raise SourceError(
                f"Camera {number} cannot be opened: there is none of that number, another program uses it, or the "
                "system does not permit it.",
                "Plug it in, close programs that show it, permit camera access in the system's privacy settings, or "
                "choose another number.",
            )
        # A queue of one: an old picture is of no use.
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        self._capture.set(cv2.CAP_PROP_FPS, fps or USUAL_FPS)
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = float(rate) if 1.0 <= rate <= 1000.0 else USUAL_FPS

    def __iter__(self) -> Iterator[SourceFrame]:
        began = last = time.monotonic()
        number = 0
        while True:
            good, picture = self._capture.read()
            now = time.monotonic()
            if good and picture is not None:
                last = now
                yield SourceFrame(np.ascontiguousarray(picture[..., ::-1]), now - began, number)
                number += 1
            elif now - last > _SILENCE_SECONDS or not self._capture.isOpened():
                raise SourceError(f"{self.name} gives no more pictures.", "Plug it in again, then start again.")
            else:
                time.sleep(0.02)

    def close(self) -> None:
        """Switch the camera off."""
        self._capture.release()


def paced(source: Source, loop: bool = False, reopen: Callable[[], Source] | None = None) -> Iterator[SourceFrame]:
    """A recorded source as a camera would give it: each frame at its time, over and over with ``loop``.

    Args:
        source: what is played.
        loop: begin again at the end; ``reopen`` gives the source anew.
    """
    began, offset, number = time.monotonic(), 0.0, 0
    while True:
        last = offset
        for frame in source:
            last = offset + frame.time
            wait = last - (time.monotonic() - began)
            if wait > 0.0:
                time.sleep(wait)
            yield SourceFrame(frame.picture, last, number)
            number += 1
        source.close()
        if not loop or reopen is None:
            return
        offset = last + 1.0 / source.fps
        source = reopen()


class Newest:
    """Reads frames on a thread and keeps the newest one: nothing queues, however slow the one who takes them is.

    Args:
        frames: are read until they end or :meth:`close`.
        close: called on the thread when it is over.
    """

    def __init__(self, frames: Iterator[SourceFrame], close: Callable[[], None] = lambda: None) -> None:
        self._frames, self._close = frames, close
        self._changed = threading.Condition()
        self._newest: tuple[SourceFrame, float] | None = None
        self._over = False
        self.error: LiveHandError | None = None
        self.dropped = 0
        self._thread = threading.Thread(target=self._read, name="livehand-source", daemon=True)
        self._thread.start()

    def take(self, timeout: float = 0.5) -> tuple[SourceFrame, float] | None:
        """The newest frame that was not taken yet, with the moment (``time.monotonic``) of its arrival; None when
        none came within ``timeout`` seconds, or the source is over (see :attr:`over`).

        Raises:
            LiveHandError: reading failed, and all frames before have been taken.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._newest is not None or self._over, timeout)
            newest, self._newest = self._newest, None
            if newest is None and self.error is not None:
                raise self.error
            return newest

    @property
    def over(self) -> bool:
        """Whether the source has ended and its last frame was taken; one that failed has :meth:`take` say so."""
        with self._changed:
            return self._over and self._newest is None and self.error is None

    def close(self, patience: float = 2.0) -> None:
        """Stop reading and let go of the source."""
        with self._changed:
            self._over = True
            self._changed.notify_all()
        self._thread.join(patience)

    def _read(self) -> None:
        try:
            for frame in self._frames:
                with self._changed:
                    if self._over:
                        break
                    self.dropped += self._newest is not None
                    self._newest = (frame, time.monotonic())
                    self._changed.notify_all()
        except LiveHandError as error:
            self.error = error
        except Exception as error:
            # Whatever a driver does, the one who waits must hear of it.
            self.error = SourceError(f"The source failed ({error!r}).", "Start again.")
        finally:
            with self._changed:
                self._over = True
                self._changed.notify_all()
            with suppress(Exception):
                self._close()


def _picture(file: Path) -> np.ndarray | None:
    """(H, W, 3) uint8 RGB, turned as its metadata say; None when it is none."""
    import cv2

    try:
        content = np.fromfile(file, np.uint8)
    except OSError:
        return None
    # Not cv2.imread: that fails on paths that are not plain ASCII on some systems.
    with _quiet():
        picture = cv2.imdecode(content, cv2.IMREAD_COLOR) if len(content) else None
    return None if picture is None else np.ascontiguousarray(picture[..., ::-1])


def _natural(file: Path) -> list[tuple[int, str]]:
    """frame2 before frame10."""
    return [(int(part), "") if part.isdigit() else (-1, part.lower()) for part in re.split(r"(\d+)", file.name) if part]


def _check_permission(number: int) -> None:
    """Raises SourceError where Linux tells plainly what is wrong; OpenCV does not tell it."""
    device = Path(f"/dev/video{number}")
    if not sys.platform.startswith("linux"):
        return
    if not device.exists():
        others = sorted(path.name.removeprefix("video") for path in Path("/dev").glob("video*"))
        there = f"There are {', '.join(others)}." if others else "None is plugged in."
        raise SourceError(f"There is no camera {number}. {there}", "Plug one in, or give a video file as the source.")
    try:
        with open(device, "rb"):
            pass
    except PermissionError as error:
        raise SourceError(
            f"Camera {number} may not be used ({error.strerror}).", "Add yourself to the group video, and log in anew."
        ) from error
    except OSError as error:
        raise SourceError(
            f"Camera {number} cannot be opened ({error.strerror}).", "Close other programs that use it."
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """OpenCV's own warnings left out while the block runs; what went wrong is told in our words."""
    import cv2

    # OpenCV 5 has moved these.
    place = cv2 if hasattr(cv2, "setLogLevel") else cv2.utils.logging  # type: ignore[attr-defined,unused-ignore]
    level = place.setLogLevel(0)
    try:
        yield
    finally:
        place.setLogLevel(level)
