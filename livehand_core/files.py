"""Writing files so that a crash or a full disk never damages what was there before."""

from __future__ import annotations

import errno
import io
import os
import pickle
import re
import secrets
import struct
import time
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from .errors import LiveHandError

LONGEST_NAME = 200
"""Bytes of a name that is made of a text; with what is appended to it, systems take 255."""
DEVICES = frozenset(["CON", "PRN", "AUX", "NUL", *(f"{kind}{n}" for kind in ("COM", "LPT") for n in "0123456789")])
RENAME_SECONDS = 2.0
_TEMPORARY = re.compile(r"\.(.*)\.[0-9a-f]{8}\.tmp(\.[^.]*)?")

ARCHIVE_ERRORS = (
    *(OSError, ValueError, TypeError, LookupError, AttributeError, EOFError, ArithmeticError, MemoryError),
    # RecursionError and NotImplementedError are of the first kind; headers are parsed as Python source.
    *(RuntimeError, SyntaxError, tokenize.TokenError),
    # Of text whose numbers are no letters.
    SystemError,
    *(zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, struct.error, pickle.UnpicklingError),
)
"""All that reading an archive raises which is missing, truncated, damaged or foreign, or lacks a key: ``.npz`` and
``.npy`` by NumPy, checkpoints by torch, both without unpickling objects."""


@contextmanager
def atomic_path(target: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside ``target`` which is renamed onto it when the block succeeds.

    The temporary name keeps the suffix, since image and array writers choose their format by it.
    On any error the temporary file is removed and ``target`` stays as it was.

    Raises:
        LiveHandError: the disk is full or the folder cannot be written.
    """
    target = Path(target)
    # Systems take names of 255 bytes, and the target's may be as long.
    temporary = target.with_name(f".{target.stem[:32]}.{secrets.token_hex(4)}.tmp{target.suffix[:32]}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _rename(temporary, target)
    except OSError as error:
        raise unwritable(error, target) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def write_arrays(target: str | os.PathLike[str], arrays: Mapping[str, Any], compressed: bool = True) -> None:
    """Write an ``.npz`` of arrays by name, whole or not at all. Raises LiveHandError as :func:`atomic_path` does."""
    import numpy as np

    # By way of memory: NumPy's archive tries to go on writing after a full disk, on standard error.
    content = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(content, **arrays)
    with atomic_path(target) as temporary:
        temporary.write_bytes(content.getbuffer())


def safe_name(text: str, otherwise: str) -> str:
    """A name for a file or folder that every system takes, as near to a text as can be.

    Args:
        otherwise: the name where nothing of the text can be used.
    """
    name = re.sub(r'[<>:"/\\|?*\x00-\x1f\ud800-\udfff]', "_", text).strip(" .")
    name = name.encode()[:LONGEST_NAME].decode(errors="ignore").rstrip(" .")
    if name.partition(".")[0].rstrip().upper() in DEVICES:
        # On Windows they mean devices, with any suffix.
        return f"_{name}"
    return name or otherwise


def _rename(temporary: Path, target: Path) -> None:
    """Rename onto the target; Windows refuses that for as long as any program reads it, which is a moment."""
    end = time.monotonic() + RENAME_SECONDS
    while True:
        try:
            os.replace(temporary, target)
            return
        except PermissionError:
            if os.name != "nt" or time.monotonic() >= end:
                raise
            time.sleep(0.05)


def remove_leftovers(folder: Path, *but: str) -> None:
    """Remove what processes that were killed while they wrote have left in a folder.

    Args:
        folder: nobody may be writing into it.
        but: names of files that others may write all the same.
    """
    for path in folder.glob(".*.tmp*"):
        match = _TEMPORARY.fullmatch(path.name)
        if match is not None and f"{match[1]}{match[2]}" not in but:
            with suppress(OSError):
                path.unlink()


def check_writable(*targets: str | os.PathLike[str] | None) -> None:
    """Notice before long work that its files could not be written: make and remove a small one beside each.

    Args:
        targets: files that will be written, in folders that may have to be made; a folder that exists stands for a
            file in it, and None for nothing.

    Raises:
        LiveHandError: a folder cannot be made or written, or the disk is full.
    """
    for target in [Path(target) for target in targets if target is not None]:
        folder = target if target.is_dir() else target.absolute().parent
        while not os.path.lexists(folder) and folder != folder.parent:
            folder = folder.parent
        probe = folder / f".{secrets.token_hex(8)}.check"
        try:
            probe.write_bytes(bytes(4096))
        except OSError as error:
            raise unwritable(error, target) from error
        finally:
            with suppress(OSError):
                probe.unlink()


def unwritable(error: OSError, target: Path) -> LiveHandError:
    """What to raise when the system does not let a file be written."""
    if error.errno == errno.ENOSPC:
        return LiveHandError(
            f"The disk is full while writing {target}.", "Free some space; nothing that was there has been changed."
        )
    if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
        return LiveHandError(f"{target} cannot be written ({error.strerror}).", "Choose a folder you may write to.")
    return LiveHandError(f"{target} cannot be written ({error}).", "Check the folder and the disk.")


def try_lock(stream: IO[bytes], shared: bool) -> bool:
    """Lock an open file until it is closed, or its process ends; False when another process holds it.

    Args:
        stream: open for writing.
        shared: only look whether it could be held; several may at once.
    """
    try:
        if os.name == "nt":
            import msvcrt

            stream.seek(0)
            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
            if shared:
                stream.seek(0)
                msvcrt.locking(stream.fileno(), msvcrt.LK_UNLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl

            fcntl.flock(stream, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
