"""How the geometry's functions are compiled: once a machine, free of Python's global lock."""

from __future__ import annotations

from typing import Any

from numba import njit

_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy"}

compiled: Any = njit(cache=True, **_OPTIONS)
"""A function that Python calls; kept on disk. Arrays are contiguous, offsets not negative, nothing checks them.

Its copy on disk knows when its own module changed, but not when one that it takes ``inlined`` functions from did.
"""

_WITHIN: dict[str, Any] = {"forceinline": True, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}

inlined: Any = njit(**_WITHIN, **_OPTIONS)
"""A part of compiled functions: it has no way in from Python and no copy of its own on disk."""
