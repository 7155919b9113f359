"""What an engine process says on its error output, kept in a file for people and for the message of its end.

Used by ``connection`` only.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import IO

MAX_LOG_BYTES = 1 << 20


class EngineLog:
    """A file that one engine's words are appended to.

    Args:
        path: of the file, begun anew when it has become long; None, or one that cannot be written, keeps them for the
            message only.

    Attributes:
        stream: for the process to write to.
    """

    def __init__(self, path: Path | None) -> None:
        self.stream = _opened(path)
        # What earlier engines said stands before it.
        self._begin = self.stream.seek(0, os.SEEK_END)

    def last_line(self) -> str:
        """The last line that this engine said; empty without one."""
        size = self.stream.seek(0, os.SEEK_END)
        self.stream.seek(max(0, size - 4096, min(self._begin, size)))
        lines = self.stream.read().decode(errors="replace").strip().splitlines()
        return lines[-1].strip()[:300] if lines else ""

    def close(self) -> None:
        """Close the file."""
        self.stream.close()


def _opened(path: Path | None) -> IO[bytes]:
    if path is None:
        return tempfile.TemporaryFile()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        too_long = path.exists() and path.stat().st_size > MAX_LOG_BYTES
        return open(path, "w+b" if too_long else "a+b")
    except OSError:
        # A log that cannot be written is no reason not to render.
        return tempfile.TemporaryFile()
