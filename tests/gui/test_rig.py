"""A hand posed in a real window, by mouse and keys: blending to a gesture, turning a control, dragging a tip, undo."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.gui.stage import Stage

BENDS = (
    "rig = bpy.context.object\n"
    "pose = rig.evaluated_get(bpy.context.evaluated_depsgraph_get()).pose\n"
    "result = [pose.bones[f'LIM-{name}.R'].matrix_channel.to_quaternion().angle for name in names]\n"
)


def bend(stage: Stage, name: str = "middle1") -> float:
    """Degrees that a finger bone is turned against the wrist's rest."""
    return math.degrees(stage.python(BENDS, names=[name])[0])


def posing(stage: Stage, bone: str = "") -> None:
    """A hand in Pose Mode, one bone selected, everything so far in the undo history; the mouse in the view."""
    stage.hand()
    stage.python(
        "bpy.ops.object.mode_set(mode='POSE')\n"
        "bones = bpy.context.object.data.bones\n"
        "bpy.ops.pose.select_all(action='DESELECT')\n"
        "if name:\n"
        "    bones.active = bones[name]\n"
        "    (bones[name] if hasattr(bones[name], 'select') else bpy.context.object.pose.bones[name]).select = True\n"
        "bpy.ops.ed.undo_push(message='ready')\n",
        name=bone,
    )
    stage.blender.still()
    stage.display.move(*stage.middle())
    stage.display.focus()


def until(stage: Stage, true: Any) -> bool:
    return bool(stage.blender.wait_for(true, 20.0))


@pytest.mark.parametrize("confirm", [True, False])
def test_dragging_blends_to_a_gesture(stage: Stage, confirm: bool) -> None:
    posing(stage)
    x, y = stage.middle()
    stage.python("bpy.ops.livehand.blend_pose('INVOKE_DEFAULT', True, gesture='FIST')")
    for step in range(1, 6):
        stage.display.move(x + 40.0 * step, y)
    assert until(stage, lambda: bend(stage) > 30.0)
    stage.blender.still()
    stage.blender.shot("rig_blend")
    if not confirm:
        stage.display.key("Escape")
        assert until(stage, lambda: bend(stage) < 1.0)
        return
    stage.display.click(x + 200.0, y)
    assert until(stage, lambda: stage.python("result = not bpy.context.window.modal_operators"))
    assert bend(stage) > 30.0
    stage.display.key("ctrl+z")
    assert until(stage, lambda: bend(stage) < 1.0)


def test_a_control_turned_by_keys_curls_its_finger(stage: Stage) -> None:
    posing(stage, "middle_control.R")
    stage.display.key("r", "x", "x", "4", "0", "Return")
    assert until(stage, lambda: bend(stage, "middle2") > 60.0)
    assert bend(stage, "ring2") < bend(stage, "middle2") - 40.0
    stage.blender.still()
    stage.blender.shot("rig_curl")
    stage.display.key("ctrl+z")
    assert until(stage, lambda: bend(stage, "middle2") < 20.0)


def test_a_dragged_target_takes_the_finger_tip_along(stage: Stage) -> None:
    posing(stage, "index_ik.R")
    stage.python("bpy.ops.livehand.set_ik(); bpy.ops.ed.undo_push(message='ik')")
    gap = (
        "pose = bpy.context.object.evaluated_get(bpy.context.evaluated_depsgraph_get()).pose\n"
        "tip, target = pose.bones['LIM-index3.R'].tail, pose.bones['index_ik.R'].head\n"
        "result = [(tip - target).length, *target]\n"
    )
    before = stage.python(gap)
    assert before[0] < 5e-4
    # Towards the palm, then back by the mouse, which moves it across the view.
    stage.display.key("g", "y", "minus", "0", "period", "0", "3", "Return")
    assert until(stage, lambda: stage.python(gap)[2] < before[2] - 0.02)
    x, y = stage.middle()
    stage.display.key("g")
    for step in range(1, 9):
        stage.display.move(x + 6.0 * step, y)
    stage.display.click(x + 48.0, y)
    assert until(stage, lambda: stage.python(gap)[1] > before[1] + 0.01)
    stage.blender.still()
    stage.blender.shot("rig_ik")
    after = stage.python(gap)
    assert after[0] < 3e-3, "the tip stayed behind"
    stage.display.key("ctrl+z", "ctrl+z")
    assert until(stage, lambda: abs(stage.python(gap)[2] - before[2]) < 1e-4)
