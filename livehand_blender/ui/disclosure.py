"""A row that opens and closes what stands below it, as Blender draws its own."""

from typing import Any


def draw_disclosure(layout: Any, data: Any, name: str, text: str | None = None) -> tuple[Any, bool]:
    """The row of a switch that shows more: a triangle and its name, at the left.

    Args:
        data: has the switch ``name``, a boolean property.
        text: in place of the property's name.

    Returns:
        The row, and whether it is open.
    """
    opened = bool(getattr(data, name))
    row = layout.row()
    row.use_property_split = False
    row.alignment = "LEFT"
    icon = "DISCLOSURE_TRI_DOWN" if opened else "DISCLOSURE_TRI_RIGHT"
    words = {} if text is None else {"text": text}
    row.prop(data, name, icon=icon, emboss=False, **words)
    return row, opened
