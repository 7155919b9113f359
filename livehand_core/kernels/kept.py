"""Compiled kernels on disk: taken when they were made from these sources, versions and target, made anew otherwise.

Used by ``compiling``. Nothing that goes wrong with the disk stops a kernel from being compiled.
"""

from __future__ import annotations

import glob
import hashlib
import logging
import os
import pickle
import time
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import llvmlite
import numba
from numba.core.caching import (
    CompileResultCacheImpl,
    FunctionCache,
    IndexDataCacheFile,
    InTreeCacheLocator,
    NullCache,
    UserProvidedCacheLocator,
    UserWideCacheLocator,
)

from ..cache import cache_folder
from ..compilation import announce
from .target import instructions

log = logging.getLogger("livehand.kernels")

_HERE = Path(__file__).parent

_VERSIONS = f"numba {numba.__version__} llvmlite {llvmlite.__version__}"

SETTLED = 60.0
"""Seconds after which nobody is at work on a file any more that lies among the compiled kernels."""


@lru_cache(maxsize=8)
def sources_digest(folder: Path = _HERE) -> str:
    """Digest of all modules of a folder and the folders in it; of this one: what a compiled kernel on disk was made
    from."""
    return _digest(folder)


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _stamp(source: Path, digest: str) -> str:
    """What a module's kernels are made from and by: all of this folder, the module where it lies elsewhere, numba."""
    outside = _HERE not in source.parents
    sources = f"{digest} {hashlib.sha256(source.read_bytes()).hexdigest()}" if outside else digest
    return f"{sources} {_VERSIONS}"


class _OwnFolder(UserWideCacheLocator):  # type: ignore[misc]
    """LiveHand's cache, for sources in a folder that may not be written to."""

    def __init__(self, function: Callable[..., Any], source: str) -> None:
        super().__init__(function, source)
        self._cache_path = str(cache_folder() / "kernels" / self.get_suitable_cache_subpath(source))


class _Places(CompileResultCacheImpl):  # type: ignore[misc]
    """Where copies may lie: NUMBA_CACHE_DIR, beside the sources, LiveHand's cache."""

    _locator_classes = [UserProvidedCacheLocator, InTreeCacheLocator, _OwnFolder]  # noqa: RUF012


class _File(IndexDataCacheFile):  # type: ignore[misc]
    """A kernel's copies and their index, each behind a digest of its content: damaged machine code would crash."""

    def _dump(self, value: Any) -> bytes:
        content: bytes = super()._dump(value)
        return hashlib.sha256(content).digest() + content

    def _save_index(self, overloads: Any) -> None:
        with self._open_for_write(self._index_path) as stream:
            stream.write(self._dump((self._source_stamp, super()._dump(overloads))))

    def _load_index(self) -> Any:
        try:
            stamp, overloads = _unpacked(self._index_path)
        except OSError:
            return {}
        # Only what this very version wrote is unpickled further.
        return pickle.loads(overloads) if stamp == self._source_stamp else {}

    def _load_data(self, name: str) -> Any:
        return _unpacked(self._data_path(name))


def _unpacked(path: str) -> Any:
    """What :class:`_File` wrote. Raises OSError when it is missing or damaged."""
    content = Path(path).read_bytes()
    if hashlib.sha256(content[32:]).digest() != content[:32]:
        raise OSError(f"{path} is damaged")
    return pickle.loads(content[32:])


class Kept(FunctionCache):  # type: ignore[misc]
    """numba's copies on disk, which hold for these very sources.

    Left alone numba looks at the function's own module. Kernels take parts of others into themselves, so that after an
    edit or an upgrade a stale one would run; and those of older sources would stay on the disk for good.

    Raises:
        RuntimeError: there is no folder to keep them in.
    """

    _impl_class = _Places

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self._source = Path(function.__code__.co_filename)
        self._stamp = _stamp(self._source, sources_digest())
        self._cache_file = _File(
            cache_path=self._cache_path, filename_base=self._impl.filename_base, source_stamp=self._stamp
        )

    def load_overload(self, signature: Any, context: Any) -> Any:
        """The copy for a signature; None when there is none that serves, and then it is about to be compiled."""
        try:
            found = super().load_overload(signature, context)
        except Exception as error:
            log.info("A compiled kernel is made anew (%s)", error)
            found = None
        if found is None:
            announce()
        return found

    def save_overload(self, signature: Any, compiled: Any) -> None:
        """Keep a copy, where the disk lets it."""
        try:
            super().save_overload(signature, compiled)
        except OSError as error:
            say_unkept(f"{error.strerror or error}: {self._cache_path}")

    def _save_overload(self, signature: Any, compiled: Any) -> None:
        super()._save_overload(signature, compiled)
        _remove_stale(Path(self._cache_path), self._source, self._stamp)

    def _index_key(self, signature: Any, codegen: Any) -> Any:
        # numba tells targets apart; what the sources make of a target is said once more.
        return *super()._index_key(signature, codegen), instructions().name


class Unkept(NullCache):  # type: ignore[misc]
    """In place of :class:`Kept` where there is no folder to keep anything in."""

    def load_overload(self, signature: Any, context: Any) -> Any:
        """Nothing: the kernel is about to be compiled."""
        announce()


def copies_of(function: Callable[..., Any]) -> Kept | Unkept:
    """The copies of a function on disk, or none where no folder can be written."""
    try:
        return Kept(function)
    except RuntimeError:
        folder = os.path.dirname(function.__code__.co_filename)
        say_unkept(f"neither {folder} nor {cache_folder()} can be written")
        return Unkept()


_unkept = ""


def say_unkept(reason: str) -> None:
    """Say, once in a process, that compiled kernels are not kept."""
    global _unkept
    if not _unkept:
        _unkept = reason
        log.warning(
            "The compiled renderer cannot be kept (%s), so each start compiles it again. "
            "Make that folder writable, or name another in LIVEHAND_CACHE.",
            reason,
        )


@lru_cache(maxsize=64)
def _remove_stale(folder: Path, source: Path, stamp: str) -> None:
    """Delete a folder's copies of a module's kernels that were made from other sources, and those of lost modules.

    Once in a process that has compiled. Copies that bear ``stamp`` stay, whichever process, Python or processor made
    them; a process whose own sources are no longer on the disk deletes nothing.
    """
    with suppress(OSError):
        if _stamp(source, _digest(_HERE)) != stamp:
            return
        for index in folder.glob("*.nbi"):
            module = index.name.partition(".")[0]
            own = module == source.stem
            if own or not (source.parent / f"{module}.py").exists():
                _remove_unlisted(index, stamp.encode() if own else None)


def _remove_unlisted(index: Path, stamp: bytes | None) -> None:
    """Delete the copies that an index does not list, all of them and the index where it does not bear the stamp."""
    # Looked up before the index is read: a copy is entered there before it is written.
    copies = [path for path in index.parent.glob(f"{glob.escape(index.stem)}.*.nbc") if _settled(path)]
    entries = index.read_bytes()
    fresh = stamp is not None and stamp in entries
    if not fresh and _settled(index):
        index.unlink()
        entries = b""
    for copy in copies:
        if copy.name.encode() not in entries:
            copy.unlink()


def _settled(path: Path) -> bool:
    return time.time() - path.stat().st_mtime > SETTLED
