"""How long a run takes and how often it shows what it has, by a name that an artist chooses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Length:
    """Minutes of training, and minutes between two checkpoints and two previews."""

    minutes: float
    checkpoint_minutes: float
    preview_minutes: float
    description: str


LENGTHS: dict[str, Length] = {
    "quick": Length(6.0, 0.5, 1.0, "Six minutes: tells whether the capture is good"),
    "standard": Length(40.0, 1.0, 4.0, "Forty minutes: an avatar for the middle distance"),
    "full": Length(180.0, 2.0, 10.0, "Three hours: all that the capture holds"),
}


def settings_of(name: str) -> dict[str, Any]:
    """The settings of a length beside the run's duration."""
    length = LENGTHS[name]
    return {"checkpoint_minutes": length.checkpoint_minutes, "preview_minutes": length.preview_minutes}
