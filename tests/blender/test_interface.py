"""Panels and menus draw: icons, properties and operators that they name are there."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from tests.blender.helpers import make_scene
from tests.blender.layout import Stored, draw

pytestmark = pytest.mark.bpy


def test_every_panel_draws_with_and_without_a_hand(addon) -> None:
    import bpy

    from livehand_blender.ui import panels, render_panels, rig_panels

    rooms = {module.__name__ for module in (panels, rig_panels, render_panels)}
    shown = [panel for panel in bpy.types.Panel.__subclasses__() if panel.__module__ in rooms and panel.is_registered]

    def texts() -> list[str]:
        context = SimpleNamespace(
            object=bpy.context.object,
            scene=bpy.context.scene,
            view_layer=bpy.context.view_layer,
            engine=bpy.context.scene.render.engine,
        )
        return [text for panel in shown for text in draw(panel, context)]

    assert "Select a hand to see its settings." in texts()
    scene, rig = make_scene("")
    drawn = texts()
    assert (
        f"{rig.name} (right)" in drawn
        and "Apply Gesture" in drawn
        and "Pinky" in drawn
        and "Thumb Thickness" in drawn
        and "Transparent" in drawn
    )
    # The proxy mesh is the hand, too.
    bpy.context.view_layer.objects.active = rig.children[0]
    assert f"{rig.name} (right)" in texts()
    scene.view_settings.view_transform = "AgX"
    assert any("Standard" in text for text in texts())


def test_menu_and_preferences_draw(addon) -> None:
    from livehand_blender.ui import menus
    from livehand_blender.ui.preferences_page import LiveHandPreferences
    from livehand_blender.ui.setup_panels import draw_preferences

    assert "LiveHand Hand" in draw(SimpleNamespace(draw=menus._draw_add_hand), None)
    stored = Stored(LiveHandPreferences)
    page = SimpleNamespace(draw=lambda holder, context: draw_preferences(holder.layout, stored, context))
    assert any(text.startswith("Log: ") for text in draw(page, None))
    for name in ("show_options", "show_log"):
        setattr(stored, name, True)
    assert "Make" in draw(page, None) and "Examine" in draw(page, None)


def test_the_device_of_the_preferences_is_the_engines(addon, monkeypatch) -> None:
    from livehand_blender import preferences
    from livehand_blender.render import session
    from livehand_blender.ui.preferences_page import LiveHandPreferences

    stored = Stored(LiveHandPreferences)
    monkeypatch.setattr(preferences, "preferences", lambda: stored)
    monkeypatch.setattr(session, "shared_client", lambda *_, device, **__: device)
    monkeypatch.setattr(session, "_held", None)
    asked = []
    for choice in ("AUTO", "GPU", "CPU"):
        stored.render_device = choice
        asked.append(session.engine_client())
    assert asked == ["auto", "gpu", "cpu"]
    monkeypatch.setattr(preferences, "preferences", lambda: None)
    assert session.engine_client() == "auto", "registered without being enabled"


def test_the_panels_around_an_avatar_draw(folder, tiny_avatar) -> None:
    """Avatars, capture and training, with nothing there and with something to show."""
    import bpy

    from livehand_blender.avatars import pictures
    from livehand_blender.training.operators import _sync, watcher
    from livehand_blender.training.runs import look
    from livehand_blender.ui import avatar_panels, capture_panels, training_panels
    from livehand_core.training.control import RunStatus, locked, write_status

    panels = (avatar_panels.LIVEHAND_PT_avatars, capture_panels.LIVEHAND_PT_capture)
    panels += (training_panels.LIVEHAND_PT_training, training_panels.LIVEHAND_PT_runs)

    def texts() -> list[str]:
        return [text for panel in panels for text in draw(panel, bpy.context)]

    drawn = texts()
    assert "No hand to capture is chosen." in " ".join(drawn) and "No runs yet." in drawn and "Use on Hand" in drawn

    scene, rig = make_scene(tiny_avatar)
    bpy.ops.livehand.avatar_refresh()
    scene.livehand_capture.cameras_from = "COLLECTION"
    scene.livehand_training.show_advanced = scene.livehand_capture.show_more = True
    bpy.ops.livehand.pose_preset(gesture="FIST")
    run = folder / "runs" / "first"
    status = RunStatus("training", "first", progress=0.5, seconds=60.0, seconds_left=60.0, loss=0.01, psnr=30.0)
    with locked(run):
        write_status(run, status)
        pictures.write_png(run / "curves.png", np.zeros((8, 8, 3), np.uint8))
        watcher.runs = look(folder / "runs")
    _sync()
    drawn = texts()
    assert "Outside the poses it was trained on" in drawn and f"Use on {rig.name}" in drawn
    assert "50 %, 1 min left" in drawn and "Pause" in drawn, drawn[-30:]
    assert any(text.startswith("Capture ") and text.endswith(" Pictures") for text in drawn)
    # Its process has gone meanwhile.
    watcher.runs = look(folder / "runs")
    drawn = texts()
    assert "Start Again" in drawn and any("unexpectedly" in text for text in drawn)
    rig.livehand.avatar = "/gone.safetensors"
    assert any("does not exist" in text.replace("\n", " ") for text in [" ".join(texts())])
    watcher.runs = []


def test_the_list_marks_the_avatar_in_use(folder, tiny_avatar) -> None:
    import bpy

    from livehand_blender.ui import avatar_panels
    from livehand_core.avatars.metadata import DEFAULT_AVATAR_PATH

    assert avatar_panels._in_use(bpy.context) is None
    _, rig = make_scene("")
    assert avatar_panels._in_use(bpy.context) == DEFAULT_AVATAR_PATH
    rig.livehand.avatar = str(tiny_avatar)
    assert avatar_panels._in_use(bpy.context) == tiny_avatar
    rig.livehand.avatar = "//unsaved.safetensors"
    assert avatar_panels._in_use(bpy.context) is None


def test_no_label_is_cut_beside_its_field(folder) -> None:
    """In the sidebar as it opens a label has two fifths of the width, which is 13 letters."""
    from types import SimpleNamespace

    import bpy

    from livehand_blender.ui import capture_panels, training_panels
    from tests.blender.layout import Layout

    labels = []

    class Labels(Layout):
        def _part(self, **options) -> Layout:
            return self

        def prop(self, owner, name: str, index: int = -1, **options) -> None:
            kind = owner.bl_rna.properties[name]
            if kind.type != "BOOLEAN":
                labels.append(options.get("text", kind.name))

    make_scene("")
    scene = bpy.context.scene
    scene.livehand_capture.show_more = scene.livehand_training.show_advanced = True
    for panel in (capture_panels.LIVEHAND_PT_capture, training_panels.LIVEHAND_PT_training):
        panel.draw(SimpleNamespace(layout=Labels(set(), [])), bpy.context)
    assert len(labels) > 15
    assert [label for label in labels if len(label) > 13] == []
