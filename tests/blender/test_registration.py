"""Registration: what the add-on gives to Blender is there once, taken back whole, and after a failure not there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from livehand_core.errors import LiveHandError

pytestmark = pytest.mark.bpy
OWNERS = ("Object", "Scene", "ViewLayer", "WindowManager")


def given() -> dict[str, Any]:
    """What an add-on can leave in Blender: types, properties, handlers, menu entries, engines of panels."""
    import bpy

    panels = bpy.types.Panel.__subclasses__()
    menus = [getattr(bpy.types, name) for name in dir(bpy.types) if "_MT_" in name]
    lists = [name for name in dir(bpy.app.handlers) if isinstance(getattr(bpy.app.handlers, name), list)]
    return {
        "types": sorted(dir(bpy.types)),
        "registered": sorted(
            cls.__name__
            for base in (bpy.types.Panel, bpy.types.Operator, bpy.types.PropertyGroup, bpy.types.UIList)
            for cls in base.__subclasses__()
            if cls.is_registered
        ),
        "properties": [(name, sorted(dir(getattr(bpy.types, name)))) for name in OWNERS],
        "handlers": {name: [each.__name__ for each in getattr(bpy.app.handlers, name)] for name in lists},
        "menus": {
            menu.__name__: [draw.__name__ for draw in menu._dyn_ui_initialize()]
            for menu in menus
            if hasattr(menu, "_dyn_ui_initialize")
        },
        "panels": {panel.__name__: sorted(getattr(panel, "COMPAT_ENGINES", ())) for panel in panels},
        "engines": sorted(cls.__name__ for cls in bpy.types.RenderEngine.__subclasses__() if cls.is_registered),
    }


@pytest.fixture
def switched_off(addon) -> Iterator[None]:
    import livehand_blender

    livehand_blender.unregister()
    yield
    livehand_blender.register()


def test_switched_on_and_off_and_on_blender_is_as_before(switched_off) -> None:
    import livehand_blender

    off = given()
    livehand_blender.register()
    on = given()
    livehand_blender.unregister()
    assert given() == off
    livehand_blender.register()
    again = given()
    livehand_blender.unregister()
    assert again == on
    assert "LIVEHAND_OT_add_hand" in on["types"] and "LIVEHAND_OT_add_hand" not in off["types"]
    assert on["menus"]["TOPBAR_MT_file_import"] != off["menus"]["TOPBAR_MT_file_import"]
    assert all(on[part] != off[part] for part in ("types", "registered", "properties", "handlers", "panels", "engines"))


@pytest.mark.parametrize("room", ["preferences", "rig.pose_library", "ui.menus"])
def test_a_room_that_fails_leaves_nothing_of_the_others(room: str, switched_off, monkeypatch) -> None:
    import importlib

    import livehand_blender

    def fail() -> None:
        raise LiveHandError("no more")

    off = given()
    monkeypatch.setattr(importlib.import_module(f"livehand_blender.{room}"), "register", fail)
    with pytest.raises(LiveHandError, match="no more"):
        livehand_blender.register()
    assert given() == off
    livehand_blender.unregister()
    assert given() == off


def test_a_class_that_blender_refuses_is_named_and_leaves_nothing_registered() -> None:
    import bpy

    from livehand_blender.registration import classes, handlers, properties, registration

    class LIVEHAND_OT_sound(bpy.types.Operator):
        """Sound."""

        bl_idname = "livehand.sound"
        bl_label = "Sound"

    class LIVEHAND_OT_broken(bpy.types.Operator):
        """It has no name."""

    def ticked(*_: Any) -> None:
        pass

    register, unregister = registration(
        classes(LIVEHAND_OT_sound),
        handlers(("load_post", ticked)),
        properties((bpy.types.Scene, "livehand_test", bpy.props.IntProperty())),
        classes(LIVEHAND_OT_broken),
    )
    before = given()
    with pytest.raises(LiveHandError, match=r"did not accept LIVEHAND_OT_broken of LiveHand \(.*bl_label"):
        register()
    assert given() == before
    unregister()
    assert given() == before


def test_steps_are_undone_in_reverse_also_after_one_that_fails() -> None:
    from livehand_blender.registration import Step, leaving, registration

    done: list[str] = []

    def fail() -> None:
        raise OSError("the second is stuck")

    def step(name: str) -> Step:
        return Step(name, lambda: done.append(name), lambda: done.append(f"not {name}"))

    stuck = Step("stuck", lambda: None, fail)
    register, unregister = registration([step("first")], [stuck], leaving(lambda: done.append("bye")), [step("last")])
    unregister()
    assert done == []
    register()
    assert done == ["first", "last"]
    with pytest.raises(OSError, match="second is stuck"):
        unregister()
    assert done == ["first", "last", "not last", "bye", "not first"]
    unregister()
    assert len(done) == 5


def test_a_timer_goes_on_when_another_file_is_opened_and_ends_with_its_module() -> None:
    """Without it no light would be probed by itself in any file but the one that Blender began with."""
    import bpy

    from livehand_blender.registration import registration, timer

    def look() -> float:
        return 3600.0

    register, unregister = registration(timer(look, first=3600.0))
    register()
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    assert bpy.app.timers.is_registered(look)
    unregister()
    assert not bpy.app.timers.is_registered(look)
