"""The live viewport under a real mouse: the hand is where the view projects it, and follows view, pose and time."""

from __future__ import annotations

import numpy as np
import pytest
from gui import look

from tests.gui.stage import FRONT, GREEN_PROXY, MIDDLE, Stage


def test_a_hand_from_the_menu_shows_itself(stage: Stage) -> None:
    """As an artist starts: Shift A, the name, Enter; then the engine, and rendered shading."""
    stage.blender.ask("look_at", location=MIDDLE, distance=0.5, rotation=FRONT)
    stage.display.move(*stage.middle())
    stage.display.key("shift+a")
    stage.blender.still(10.0, 0.5)
    stage.display.type("livehand")
    stage.blender.still(10.0, 0.5)
    stage.blender.shot("live_add_menu")
    stage.display.key("Return")
    assert stage.blender.wait_for(lambda: stage.python("result = bpy.context.object is not None"), 30.0)
    rig = stage.python("result = bpy.context.object.name")
    stage.python(GREEN_PROXY, rig=rig)
    stage.live()
    assert stage.shows(rig), stage.matched(rig)
    stage.blender.shot("live_start")


def test_the_picture_follows_an_orbit_by_the_mouse(stage: Stage) -> None:
    rig = stage.hand()
    stage.live()
    assert stage.shows(rig), stage.matched(rig)
    before, view = stage.blender.still(), stage.blender.ask("view_matrix")
    stage.orbit(right=180.0, down=90.0)
    assert stage.blender.ask("view_matrix") != view, "the mouse did not turn the view"
    assert stage.shows(rig), stage.matched(rig)
    after = stage.blender.still()
    assert look.changed(before, after).mean() > 0.01
    assert stage.matched(rig, after).good
    stage.blender.shot("live_orbited")


@pytest.mark.parametrize("perspective", ["ORTHO", "CAMERA"])
def test_orthographic_and_camera_views(stage: Stage, perspective: str) -> None:
    rig = stage.hand()
    stage.camera()
    stage.live()
    stage.blender.ask("look_at", location=MIDDLE, distance=0.5, rotation=FRONT, perspective=perspective)
    assert stage.shows(rig), stage.matched(rig)
    stage.blender.still()
    stage.blender.shot(f"live_{perspective.lower()}")


def test_the_hand_follows_the_timeline(stage: Stage) -> None:
    """Keys on two frames, then the playhead dragged by the mouse."""
    rig = stage.hand()
    stage.python(
        "scene = bpy.context.scene\n"
        "scene.frame_start, scene.frame_end = 1, 40\n"
        "for frame, gesture in ((1, 'OPEN'), (40, 'FIST')):\n"
        "    scene.frame_set(frame)\n"
        "    bpy.ops.livehand.pose_preset(gesture=gesture, keyframe=True)\n"
        "scene.frame_set(1)\n"
    )
    stage.live()
    assert stage.shows(rig), stage.matched(rig)
    before = stage.blender.still()
    left, top, right, _ = stage.blender.ask("region_box", area="DOPESHEET_EDITOR")
    y = top + 10.0
    # From the first frame's playhead, which stands near the left end, far to the right.
    stage.display.drag([(left + (right - left) * (0.1 + 0.02 * i), y) for i in range(36)], 1, 1.5)
    assert stage.blender.wait_for(lambda: stage.python("result = bpy.context.scene.frame_current") > 5, 20.0)
    assert stage.shows(rig), stage.matched(rig)
    after = stage.blender.still()
    stage.blender.shot("live_scrubbed")
    box = stage.box()
    moved = look.changed(look.crop(before, box), look.crop(after, box))
    assert moved.sum() > 2000, "the fingers did not move"


def test_playback_moves_the_hand_and_blocks_nothing(stage: Stage) -> None:
    rig = stage.hand()
    stage.python(
        "scene, rig = bpy.context.scene, bpy.context.object\n"
        "scene.frame_start, scene.frame_end = 1, 48\n"
        "for frame, turn in ((1, -0.6), (24, 0.6), (48, -0.6)):\n"
        "    rig.rotation_euler.y = turn\n"
        "    rig.keyframe_insert('rotation_euler', frame=frame)\n"
        "scene.frame_set(1)\n"
    )
    stage.live()
    assert stage.shows(rig), stage.matched(rig)
    box = stage.box()
    stage.display.move(*stage.middle())
    stage.display.key("space")
    rows: list[float] = []

    def moved() -> bool:
        mask = look.skin(look.crop(stage.display.look(), box))
        assert mask.sum() > 2000, "the hand vanished while playing"
        rows.append(float(np.nonzero(mask)[0].mean()))
        return max(rows) - min(rows) > 10.0

    assert stage.blender.wait_for(moved, 30.0), f"the hand did not move: rows {rows}"
    stage.display.move(*stage.middle())
    stage.display.key("Escape")
    assert stage.shows(rig), stage.matched(rig)
