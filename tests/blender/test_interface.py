"""Panels and menus draw: icons, properties and operators that they name are there."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.blender.helpers import make_scene

pytestmark = pytest.mark.bpy


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

    column = box = grid_flow = row

    def label(self, **options: Any) -> None:
        self._part(**options)

    def prop(self, owner: Any, name: str, index: int = -1, **options: Any) -> None:
        assert name in owner.bl_rna.properties, name
        assert index < getattr(owner.bl_rna.properties[name], "array_length", 1)
        self._part(**options)

    def operator(self, name: str, **options: Any) -> Any:
        import bpy

        room, operator = name.split(".")
        known = {item.identifier for item in getattr(getattr(bpy.ops, room), operator).get_rna_type().properties}
        self._part(**options)
        return _Properties(known)


    def operator_menu_enum(self, name: str, enum: str, **options: Any) -> None:
        import bpy

        room, operator = name.split(".")
        properties = getattr(getattr(bpy.ops, room), operator).get_rna_type().properties
        assert properties[enum].enum_items
        self._part(**options)


class _Properties:
    def __init__(self, known: set[str]) -> None:
        object.__setattr__(self, "known", known)

    def __setattr__(self, name: str, value: Any) -> None:
        assert name in self.known, name


def _draw(panel: Any, context: Any) -> list[str]:
    import bpy

    parameters = bpy.types.UILayout.bl_rna.functions["label"].parameters
    layout = Layout({item.identifier for item in parameters["icon"].enum_items}, [])
    if not hasattr(panel, "poll") or panel.poll(context):
        panel.draw(SimpleNamespace(layout=layout), context)
    return layout.texts


def test_every_panel_draws_with_and_without_a_hand(addon) -> None:
    import bpy

    from livehand_blender.ui import panels, render_panels, rig_panels

    shown = [panel for module in (panels, rig_panels, render_panels) for panel in module.CLASSES]

    def texts() -> list[str]:
        context = SimpleNamespace(
            object=bpy.context.object,
            scene=bpy.context.scene,
            view_layer=bpy.context.view_layer,
            engine=bpy.context.scene.render.engine,
        )
        return [text for panel in shown for text in _draw(panel, context)]

    assert "Select a hand to see its settings." in texts()
    scene, rig = make_scene("")
    drawn = texts()
    assert f"{rig.name} (right)" in drawn and "Apply Gesture" in drawn and "Pinky" in drawn and "Beta 10" in drawn and "Transparent" in drawn
    # The proxy mesh is the hand, too.
    bpy.context.view_layer.objects.active = rig.children[0]
    assert f"{rig.name} (right)" in texts()
    scene.view_settings.view_transform = "AgX"
    assert any("Standard" in text for text in texts())


def test_menu_and_preferences_draw(addon) -> None:
    from livehand_blender.preferences import LiveHandPreferences
    from livehand_blender.ui import menus

    assert "LiveHand Hand" in _draw(SimpleNamespace(draw=menus._draw_add_hand), None)
    panel = SimpleNamespace(bl_rna=LiveHandPreferences.bl_rna)

    def draw(holder: Any, context: Any) -> None:
        panel.layout = holder.layout
        LiveHandPreferences.draw(panel, context)

    assert any(text.startswith("Log: ") for text in _draw(SimpleNamespace(draw=draw), None))
