"""Panels drawn without a window: a stand-in for UILayout that checks what it is given."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any


class Layout:
    """Stands in for UILayout, which exists in a window only: checks what it is given and notes the texts."""

    def __init__(self, icons: set[str], texts: list[str]) -> None:
        self.icons, self.texts = icons, texts

    def _part(self, **options: Any) -> Layout:
        assert options.get("icon", "NONE") in self.icons, options
        self.texts.append(str(options.get("text", "")))
        return self

    def row(self, **options: Any) -> Layout:
        return self._part(**options)

    column = box = grid_flow = split = row

    def separator(self, **options: Any) -> None:
        self._part(**options)

    def progress(self, factor: float, **options: Any) -> None:
        assert 0.0 <= factor <= 1.0
        self._part(**options)

    def template_icon(self, icon_value: int, scale: float = 1.0) -> None:
        assert icon_value > 0 and scale > 0.0
        self.texts.append(f"picture {scale:g}")

    def template_list(self, kind: str, _id: str, owner: Any, items: str, chooser: Any, index: str, **_: Any) -> None:
        import bpy

        assert hasattr(bpy.types, kind) and hasattr(chooser, index)
        for item in getattr(owner, items):
            getattr(bpy.types, kind).draw_item(None, None, self, owner, item, 0, chooser, index)

    def label(self, **options: Any) -> None:
        self._part(**options)

    def prop(self, owner: Any, name: str, index: int = -1, **options: Any) -> None:
        if name.startswith('["'):
            assert name[2:-2] in owner, name
        else:
            assert name in owner.bl_rna.properties, name
            assert index < getattr(owner.bl_rna.properties[name], "array_length", 1)
        self._part(**options)

    def operator(self, name: str, **options: Any) -> Any:
        import bpy

        room, operator = name.split(".")
        known = {item.identifier for item in getattr(getattr(bpy.ops, room), operator).get_rna_type().properties}
        self._part(**options)
        return Given(known)

    def operator_menu_enum(self, name: str, enum: str, **options: Any) -> None:
        import bpy

        room, operator = name.split(".")
        properties = getattr(getattr(bpy.ops, room), operator).get_rna_type().properties
        assert properties[enum].enum_items
        self._part(**options)


class Given:
    """Takes the properties that an operator has, and no others."""

    def __init__(self, known: set[str]) -> None:
        object.__setattr__(self, "known", known)

    def __setattr__(self, name: str, value: Any) -> None:
        assert name in self.known, name


def draw(panel: Any, context: Any) -> list[str]:
    """Draw a panel where its poll allows it; the texts that were shown."""
    import bpy

    parameters = bpy.types.UILayout.bl_rna.functions["label"].parameters
    layout = Layout({item.identifier for item in parameters["icon"].enum_items}, [])
    if not hasattr(panel, "poll") or panel.poll(context):
        panel.draw(SimpleNamespace(layout=layout), context)
    return layout.texts


class Stored:
    """Preferences as they are before anything is set, where the add-on is registered without being enabled."""

    def __init__(self, kind: Any) -> None:
        self.bl_rna = kind.bl_rna

    def __getattr__(self, name: str) -> Any:
        return self.bl_rna.properties[name].default
