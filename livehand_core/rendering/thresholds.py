"""What the rooms that draw fast agree on: where rays end, and how many are at work at once."""

from __future__ import annotations

from typing import Literal

Precision = Literal["fast", "exact"]

EARLY_TERMINATION = {"fast": 1.0 / 512.0, "exact": 2e-5}
"""Transmittance below which a ray ends (docs/method.md 1.11): half, and a two-hundredth, of an 8-bit step of any colour
are left out at most."""

RAYS_AT_ONCE = 1 << 15
"""Rays whose samples' coordinates are in memory at once."""
