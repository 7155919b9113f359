"""The errors that a person meets. Each names the thing, the reason and the remedy."""

from __future__ import annotations


class LiveHandError(Exception):
    """Base of every error that is shown to a user.

    Args:
        message: what failed and why, one sentence, naming the file or object.
        remedy: what to do about it, one sentence; may be empty.
    """

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(f"{message} {remedy}".strip())
        self.message = message
        self.remedy = remedy

    def __reduce__(self) -> tuple[type[LiveHandError], tuple[str, str]]:
        return type(self), (self.message, self.remedy)


class AvatarError(LiveHandError):
    """An avatar file that cannot be used: missing, damaged, foreign, for another hand."""


class HandModelError(LiveHandError):
    """A hand model (MANO file or array set) that cannot be used."""


class CameraError(LiveHandError):
    """A camera or image size that cannot be rendered."""


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
