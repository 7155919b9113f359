"""Word of a GPU whose driver ends the process: after it has done so twice, it is left alone for a day.

A file is held from before a GPU's first frame until after it. One that nobody holds any more was left by a process that
did not come so far; it counts how often that was so.
"""

from __future__ import annotations

import hashlib
import time
from contextlib import suppress
from typing import IO

from ...cache import cache_folder
from ...files import try_lock
from .adapters import Adapter

MOST = 2
"""Processes that may end: the first one may have been ended by its user."""

FORGOTTEN = 86400.0
"""Seconds after which it is tried again."""


class Trial:
    """The first frame of a process on a GPU. Nothing is known where the cache folder cannot be written.

    Args:
        adapter: the GPU; another driver is another one.
    """

    def __init__(self, adapter: Adapter) -> None:
        name = hashlib.sha256(adapter.description.encode()).hexdigest()[:16]
        self._path = cache_folder() / "gpu" / f"{name}.trial"
        self._stream: IO[bytes] | None = None

    @property
    def failed(self) -> bool:
        """Whether as many processes as may be have ended in it lately."""
        try:
            # One of the future was written before the clock was set back.
            young = abs(time.time() - self._path.stat().st_mtime) < FORGOTTEN
            with self._path.open("rb+") as stream:
                return young and try_lock(stream, shared=False) and len(stream.read()) >= MOST
        except OSError:
            return False

    def begin(self) -> None:
        """Hold the file, a byte longer than it was; nothing while this or another process does."""
        if self._stream is not None:
            return
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            stream = self._path.open("ab+")
            if not try_lock(stream, shared=False):
                stream.close()
                return
            stream.write(b"x")
            stream.flush()
            self._stream = stream

    def end(self) -> None:
        """A frame has come out of it: nothing is remembered."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None
            with suppress(OSError):
                self._path.unlink()
