"""A copy of this livehand_core that stays where it is while processes run it. Used by ``interpreters``.

Blender takes an extension's core away the moment that the extension is switched off or upgraded. An engine in the
middle of a frame, or a training run that goes on without Blender, would then miss whatever it has not read yet; and
compiled kernels, which lie beside their sources, would have to be compiled again.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent
KEPT_COPIES = 3
"""Those that were used last: older ones may be in use by a training run."""

_place: Path | None = None


def keep_core_in(folder: Path | None) -> None:
    """Have all processes started from now on run a copy of this core below ``folder``; None: this very one."""
    global _place
    _place = folder


def core_folder() -> Path:
    """The folder that holds the package ``livehand_core`` which processes run; a copy is made on first use.

    Where none can be written, a full disk or a folder for reading only, it is this very core: better than no engine.
    """
    if _place is None:
        return PACKAGE.parent
    target = _place / _digest()
    if not (target / PACKAGE.name).is_dir():
        with suppress(OSError, shutil.Error):
            _copy(target)
    if not (target / PACKAGE.name).is_dir():
        return PACKAGE.parent
    with suppress(OSError):
        # The time of its last use, by which the oldest go.
        os.utime(target)
    return target


@lru_cache(maxsize=1)
def _digest() -> str:
    """What tells this core from another version: the content of all its files."""
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _copy(target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".copy", dir=target.parent))
    try:
        shutil.copytree(PACKAGE, temporary / PACKAGE.name)
        # Another Blender may have made it meanwhile; either is as good.
        with suppress(OSError):
            temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    _forget_older(target)


def _forget_older(newest: Path) -> None:
    with suppress(OSError):
        copies = [entry for entry in os.scandir(newest.parent) if entry.is_dir() and entry.name != newest.name]
        copies.sort(key=lambda entry: entry.stat().st_mtime, reverse=True)
        for entry in copies[KEPT_COPIES - 1 :]:
            shutil.rmtree(entry.path, ignore_errors=True)
