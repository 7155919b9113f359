"""Under compositing a proxy ends where its hand's picture begins to fade, so that it keeps no light from an arm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.blender.hands import SIDES, create, evaluated, mesh_points

pytestmark = pytest.mark.bpy

END = 0.034
"""Metres from the wrist joint at which the built-in hand ends."""


def proxy(rig: Any) -> Any:
    from livehand_blender.rig.armature import proxy_meshes

    (mesh,) = proxy_meshes(rig)
    return mesh


def reach(rig: Any) -> float:
    """Metres from the wrist joint towards the elbow that the proxy goes, as it is rendered."""
    elbow = 1.0 if rig.livehand.side == "RIGHT" else -1.0
    return float((elbow * mesh_points(rig)[:, 0]).max())


@pytest.mark.parametrize("side", SIDES)
def test_the_proxy_ends_where_the_fade_begins(addon, side: str) -> None:
    """By settings, by keys, and not at all where the hand is shown to its end."""
    import bpy

    from livehand_blender.rig.wrist_end import NAME, end_as_made, end_at_wrist

    rig = create(side)
    assert end_at_wrist(proxy(rig), rig) and reach(rig) == pytest.approx(END, abs=1e-6)
    before = len(evaluated(proxy(rig)).data.vertices)
    rig.livehand.wrist = "ARM"
    assert reach(rig) == pytest.approx(rig.livehand.wrist_start, abs=1e-6)
    for frame, start in ((1, -0.01), (9, 0.02)):
        rig.livehand.wrist_start = start
        rig.keyframe_insert("livehand.wrist_start", frame=frame)
    for frame, start in ((1, -0.01), (9, 0.02)):
        bpy.context.scene.frame_set(frame)
        assert reach(rig) == pytest.approx(start, abs=1e-6)
    assert proxy(rig).modifiers[NAME].show_render
    rig.livehand.wrist = "CUT"
    assert reach(rig) == pytest.approx(END, abs=1e-6) and not proxy(rig).modifiers[NAME].show_render
    end_as_made(proxy(rig))
    assert [one.type for one in proxy(rig).modifiers] == ["ARMATURE"] and proxy(rig).animation_data is None
    assert len(evaluated(proxy(rig)).data.vertices) == before and NAME not in proxy(rig).vertex_groups


def test_a_copied_hand_follows_its_own_settings(addon) -> None:
    """Drivers of a copy aim at the copy's rig, be it that only the mesh was given to another."""
    from livehand_blender.rig.wrist_end import end_at_wrist

    rig, other = create(), create()
    mesh = proxy(rig)
    end_at_wrist(mesh, rig)
    rig.livehand.wrist = "ARM"
    mesh.parent = other
    mesh.modifiers["Armature"].object = other
    end_at_wrist(mesh, other)
    points = np.array([vertex.co.x for vertex in evaluated(mesh).data.vertices])
    assert points.max() == pytest.approx(END, abs=1e-6)


def test_compositing_cuts_and_gives_back(addon, tmp_path: Path) -> None:
    """Also of a hand that came later, and from a file that an earlier version composited."""
    import bpy

    from livehand_blender.compositing.setup import keep_up
    from livehand_blender.rig.wrist_end import NAME, end_as_made

    rig = create()
    rig.livehand.wrist = "SLEEVE"
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    assert bpy.ops.livehand.setup_compositing() == {"FINISHED"}
    assert reach(rig) == pytest.approx(rig.livehand.wrist_start, abs=1e-6)
    end_as_made(proxy(rig))
    later = create("left")
    later.livehand.wrist = "ARM"
    keep_up(scene)
    for hand in (rig, later):
        assert reach(hand) == pytest.approx(hand.livehand.wrist_start, abs=1e-6)
    bpy.ops.livehand.remove_compositing()
    assert all(NAME not in proxy(hand).modifiers for hand in (rig, later))
    assert reach(rig) == pytest.approx(END, abs=1e-6)


@pytest.mark.parametrize("whole", [True, False], ids=["hierarchy", "object"])
def test_linked_hands_are_cut_or_told_of(addon, tmp_path: Path, whole: bool) -> None:
    """An overridden hand is cut where its mesh is overridden as well; a linked mesh has no group to be cut by."""
    import bpy

    from livehand_blender.compositing.setup import set_up

    path = tmp_path / "hand.blend"
    create().livehand.wrist = "ARM"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    with bpy.data.libraries.load(str(path), link=True) as (found, wanted):
        wanted.objects = found.objects
    scene = bpy.context.scene
    linked = list(wanted.objects)
    for obj in linked:
        scene.collection.objects.link(obj)
    if whole:
        next(obj for obj in linked if obj.type == "ARMATURE").override_hierarchy_create(scene, bpy.context.view_layer)
    else:
        for obj in linked:
            obj.override_create(remap_local_usages=True)
    for obj in [obj for obj in scene.objects if obj.library is not None]:
        scene.collection.objects.unlink(obj)
    (rig,) = [obj for obj in scene.objects if obj.type == "ARMATURE"]
    assert rig.override_library is not None and proxy(rig).override_library is not None
    scene.render.engine = "CYCLES"
    told = set_up(scene)
    cut = reach(rig) == pytest.approx(rig.livehand.wrist_start, abs=1e-6)
    assert cut if whole else cut or "Of linked meshes" in told[0]


def test_workbench_shows_no_proxy(addon) -> None:
    """It knows nothing of what cameras are not to see; what an artist has hidden stays hidden under any engine."""
    import bpy

    from livehand_blender.compositing.setup import keep_up

    rig, scene = create(), bpy.context.scene
    scene.render.engine = "BLENDER_WORKBENCH"
    assert bpy.ops.livehand.setup_compositing() == {"FINISHED"}
    assert proxy(rig).hide_render
    scene.render.engine = "CYCLES"
    keep_up(scene)
    assert not proxy(rig).hide_render and not proxy(rig).visible_camera
    proxy(rig).hide_render = True
    for engine in ("BLENDER_WORKBENCH", "CYCLES"):
        scene.render.engine = engine
        keep_up(scene)
        assert proxy(rig).hide_render
    proxy(rig).hide_render = False
    scene.render.engine = "BLENDER_WORKBENCH"
    keep_up(scene)
    bpy.ops.livehand.remove_compositing()
    assert proxy(rig).visible_camera and not proxy(rig).hide_render
