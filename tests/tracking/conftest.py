"""The tracker's tests need the libraries of the job ``tracking``."""

from __future__ import annotations

import pytest

from livehand_core.tracking.landmarks import LandmarkTracker


@pytest.fixture(scope="session")
def lite() -> LandmarkTracker:
    """The networks of half the cost, for two hands; call ``forget`` first."""
    return LandmarkTracker(2, "lite", threads=1)
