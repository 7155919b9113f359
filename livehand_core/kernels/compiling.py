"""How the kernels are compiled: once a machine and version of these sources, free of Python's global lock."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
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


@lru_cache(maxsize=8)
def sources_digest(folder: Path = Path(__file__).parent) -> str:
    """Digest of all modules of a folder; of this one: what a compiled kernel on disk was made from."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


class _Kept(FunctionCache):  # type: ignore[misc]
    """numba's copies on disk, which hold for these very sources.

    Left alone numba looks at the function's own module. Kernels take parts of others into themselves, so that after an
    edit or an upgrade a stale one would run.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self._cache_file = IndexDataCacheFile(
            cache_path=self._cache_path, filename_base=self._impl.filename_base, source_stamp=sources_digest()
        )


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
