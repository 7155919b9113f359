"""How the kernels are compiled: once a machine and version of these sources, free of Python's global lock."""

from __future__ import annotations

import glob
import hashlib
import time
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from numba import njit
from numba.core.caching import FunctionCache, IndexDataCacheFile

_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy"}

# Counting references takes atomic operations, on which threads wait for each other; no allocation, no need.
_UNCOUNTED: dict[str, Any] = _OPTIONS | {"_nrt": False}

_INNER: dict[str, Any] = _UNCOUNTED | {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}

_WITHIN: dict[str, Any] = _INNER | {"forceinline": True}

_HERE = Path(__file__).parent

SETTLED = 60.0
"""Seconds after which nobody is at work on a file any more that lies among the compiled kernels."""


@lru_cache(maxsize=8)
def sources_digest(folder: Path = _HERE) -> str:
    """Digest of all modules of a folder; of this one: what a compiled kernel on disk was made from."""
    return _digest(sorted(folder.glob("*.py")))


def _digest(paths: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _stamp(source: Path, digest: str) -> str:
    """What a module's kernels are made from: all of this folder, and the module where it lies elsewhere."""
    return digest if source.parent == _HERE else f"{digest} {_digest([source])}"


class _Kept(FunctionCache):  # type: ignore[misc]
    """numba's copies on disk, which hold for these very sources.

    Left alone numba looks at the function's own module. Kernels take parts of others into themselves, so that after an
    edit or an upgrade a stale one would run; and those of older sources would stay on the disk for good.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self._source = Path(function.__code__.co_filename)
        self._stamp = _stamp(self._source, sources_digest())
        self._cache_file = IndexDataCacheFile(
            cache_path=self._cache_path, filename_base=self._impl.filename_base, source_stamp=self._stamp
        )

    def _save_overload(self, sig: Any, data: Any) -> None:
        super()._save_overload(sig, data)
        _remove_stale(Path(self._cache_path), self._source, self._stamp)


@lru_cache(maxsize=64)
def _remove_stale(folder: Path, source: Path, stamp: str) -> None:
    """Delete a folder's copies of a module's kernels that were made from other sources, and those of lost modules.

    Once in a process that has compiled. Copies that bear ``stamp`` stay, whichever process, Python or processor made
    them; a process whose own sources are no longer on the disk deletes nothing.
    """
    with suppress(OSError):
        if _stamp(source, _digest(sorted(_HERE.glob("*.py")))) != stamp:
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


def _kept(**options: Any) -> Any:
    """Compile with numba's ``options`` and keep the outcome on disk."""
    compile_ = njit(**options)

    def decorate(function: Callable[..., Any]) -> Any:
        dispatcher = compile_(function)
        dispatcher._cache = _Kept(function)
        return dispatcher

    return decorate


compiled: Any = _kept(**_OPTIONS)
"""A function that Python calls; kept on disk. Arrays are contiguous, offsets not negative, nothing checks them."""

contracted: Any = _kept(fastmath={"contract"}, **_OPTIONS)
"""The same, where products and sums may fuse: that only makes them exacter."""

compiled_bare: Any = _kept(**_UNCOUNTED)
"""The same as ``compiled`` for a function that allocates nothing."""

inner: Any = njit(**_INNER)
"""A part of compiled functions that allocates nothing; called, not copied into them."""

inlined: Any = njit(**_WITHIN)
"""A part of compiled functions that allocates nothing: it has no way in from Python and no copy of its own on disk."""
