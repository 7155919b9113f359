"""What a 3D view has to say of its hands, written into its lower left corner: errors, or why nothing is shown yet.

Blender's own line for a view's engine is cut where the view is narrow, and gone with the overlays. Filled by
render/viewport, drawn by render/overlay's handlers.
"""

from __future__ import annotations

import textwrap
from typing import Any

_notes: dict[int, str] = {}


def keep(region: Any, text: str) -> None:
    """What the view of a region has to say from now on; nothing when empty."""
    if text:
        _notes[region.as_pointer()] = text
    else:
        _notes.pop(region.as_pointer(), None)


def kept(region: Any) -> str:
    """What was kept for a region."""
    return _notes.get(region.as_pointer(), "")


def forget() -> None:
    """Nothing is to be said any more."""
    _notes.clear()


def lines(text: str, width: float) -> list[str]:
    """A text as lines that fit into so many unscaled pixels."""
    return textwrap.wrap(text, max(int((width - 40.0) / 7.0), 20))


def write(context: Any, text: str) -> None:
    """Write a text into the context's region, the last line at the bottom. Inside a POST_PIXEL handler."""
    import blf

    scale = context.preferences.system.ui_scale
    blf.size(0, 12.0 * scale)
    blf.enable(0, blf.SHADOW)
    blf.shadow(0, 3, 0.0, 0.0, 0.0, 0.8)
    blf.color(0, 1.0, 1.0, 1.0, 1.0)
    for number, line in enumerate(reversed(lines(text, context.region.width / scale))):
        blf.position(0, 20.0 * scale, (24.0 + 16.0 * number) * scale, 0.0)
        blf.draw(0, line)
    blf.disable(0, blf.SHADOW)
