"""The benchmark's tests draw with the core's small hand made by code."""

from __future__ import annotations

from tests.core.conftest import bent_pose

__all__ = ["bent_pose"]
