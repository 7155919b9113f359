"""How the kernels are compiled: once a machine and version of these sources, free of Python's global lock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit

from .kept import copies_of

# Said even where it is numba's default: what a part does not say it takes from the caller that is compiled first, so
# that the last bit of its answers would depend on the order in which kernels are first called.
_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": False, "forceinline": False}

_CONTRACTED: dict[str, Any] = {"fastmath": {"contract"}}

# Counting references takes atomic operations, on which threads wait for each other; no allocation, no need.
_UNCOUNTED: dict[str, Any] = _OPTIONS | {"_nrt": False}

_INNER: dict[str, Any] = _UNCOUNTED | {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}

_WITHIN: dict[str, Any] = _INNER | {"forceinline": True}


def _kept(**options: Any) -> Any:
    """Compile with numba's ``options`` and keep the outcome on disk."""
    compile_ = njit(**options)

    def decorate(function: Callable[..., Any]) -> Any:
        dispatcher = compile_(function)
        dispatcher._cache = copies_of(function)
        return dispatcher

    return decorate


compiled: Any = _kept(**_OPTIONS)
"""A function that Python calls; kept on disk. Arrays are contiguous, offsets not negative, nothing checks them."""

contracted: Any = _kept(**_OPTIONS | _CONTRACTED)
"""The same, where products and sums may fuse: that only makes them exacter."""

compiled_bare: Any = _kept(**_UNCOUNTED)
"""The same as ``compiled`` for a function that allocates nothing."""

inner: Any = njit(**_INNER)
"""A part of compiled functions that allocates nothing; called, not copied into them."""

inlined: Any = njit(**_WITHIN)
"""A part of compiled functions that allocates nothing: it has no way in from Python and no copy of its own on disk."""

contracted_inner: Any = njit(**_INNER | _CONTRACTED)
"""As ``inner``, where products and sums may fuse."""

allocating: Any = njit(**_OPTIONS | {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "forceinline": True})
"""A part of compiled functions that makes their scratch memory."""
