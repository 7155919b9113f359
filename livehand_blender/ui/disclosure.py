"""Parts that several panels draw: a row that opens and closes what stands below it, a picture and its place."""

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


def draw_picture(layout: Any, icon: int, scale: float, waiting: str) -> None:
    """A picture, or its place while it is not there yet, so that nothing below moves when it comes.

    Args:
        icon: icon id, 0 while there is none.
        scale: height in rows.
        waiting: what stands in its place; a few words.
    """
    if icon:
        layout.template_icon(icon_value=icon, scale=scale)
        return
    place = layout.row()
    place.scale_y = scale
    place.alignment = "CENTER"
    place.active = False
    place.label(text=waiting)
