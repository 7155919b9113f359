"""What every test shares: one thread a process, and the markers' rules."""

from __future__ import annotations

import os
from tempfile import TemporaryDirectory

import pytest

# Before any test imports NumPy or torch. Tests are small; more threads only make their times uneven.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

# Tests leave nothing in the user's cache, and find nothing there.
_CACHE = TemporaryDirectory(prefix="livehand_cache_")
os.environ["LIVEHAND_CACHE"] = _CACHE.name


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests that import Blender last: the module cannot be unloaded, and it changes the process."""
    items.sort(key=lambda item: item.get_closest_marker("bpy") is not None)
