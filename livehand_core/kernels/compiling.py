"""How the kernels are compiled: once a machine, free of Python's global lock."""

from __future__ import annotations

from typing import Any

from numba import njit

_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy"}

# Counting references takes atomic operations, on which threads wait for each other; no allocation, no need.
_UNCOUNTED: dict[str, Any] = _OPTIONS | {"_nrt": False}

_INNER: dict[str, Any] = _UNCOUNTED | {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}

_WITHIN: dict[str, Any] = _INNER | {"forceinline": True}

compiled: Any = njit(cache=True, **_OPTIONS)
"""A function that Python calls; kept on disk. Arrays are contiguous, offsets not negative, nothing checks them.

Its copy on disk knows when its own module changed, but not when one that it takes ``inlined`` functions from did.
"""

compiled_bare: Any = njit(cache=True, **_UNCOUNTED)
"""The same for a function that allocates nothing."""

inner: Any = njit(**_INNER)
"""A part of compiled functions that allocates nothing; called, not copied into them."""

inlined: Any = njit(**_WITHIN)
"""A part of compiled functions that allocates nothing: it has no way in from Python and no copy of its own on disk."""
