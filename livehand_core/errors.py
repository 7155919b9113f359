"""The errors that a person meets. Each names the thing, the reason and the remedy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LONGEST_LINE = 800
"""Letters; a message quotes what it found in a file, and that may be a book."""


def _readable(message: str) -> str:
    """The message with the middle of overlong lines left out."""
    half = LONGEST_LINE // 2
    lines = message.split("\n")
    return "\n".join(line if len(line) <= LONGEST_LINE else f"{line[:half]} ... {line[-half:]}" for line in lines)


class LiveHandError(Exception):
    """Base of every error that is shown to a user.

    Args:
        message: what failed and why, one sentence, naming the file or object.
        remedy: what to do about it, one sentence; may be empty.
    """

    def __init__(self, message: str, remedy: str = "") -> None:
        message = _readable(message)
        super().__init__(f"{message} {remedy}".strip())
        self.message = message
        self.remedy = remedy

    def __reduce__(self) -> tuple[type[LiveHandError], tuple[str, str]]:
        return type(self), (self.message, self.remedy)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Within the block errors name this file, also those of values that do not know where they come from."""
    try:
        yield
    except LiveHandError as error:
        if path.name in error.message:
            raise
        raise type(error)(f"{path}: {error.message}", error.remedy) from error


class AvatarError(LiveHandError):
    """An avatar file that cannot be used: missing, damaged, foreign, for another hand."""


class HandModelError(LiveHandError):
    """A hand model (MANO file or array set) that cannot be used."""


class CameraError(LiveHandError):
    """A camera or image size that cannot be rendered."""


class LightError(LiveHandError):
    """A light that cannot be meant: negative, not finite, without a place."""


class OccluderError(LiveHandError):
    """A mesh in a hand's light that cannot be used: not finite, without its vertices, too large."""


class PoseError(LiveHandError):
    """A pose or motion that cannot be used: wrong shape, not finite, unknown format."""


class CaptureError(LiveHandError):
    """A capture folder that cannot be read or written."""


class TrainingError(LiveHandError):
    """A training run that cannot start, resume or go on."""


class EngineError(LiveHandError):
    """The engine process cannot be started, does not answer, or failed at a request."""


class RenderCancelled(LiveHandError):
    """The caller asked for the render to stop."""


class DeviceError(LiveHandError):
    """A compute device that is not there or is out of memory."""


class LibraryError(LiveHandError):
    """A library that a job needs is not installed, or cannot be loaded."""
