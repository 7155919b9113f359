"""From Shift A to a picture in a real window; hands that are duplicated and deleted there."""

from __future__ import annotations

from gui import look

from tests.gui.stage import Stage

CAMERA = (
    "camera = bpy.data.objects.new('Camera', bpy.data.cameras.new('Camera'))\n"
    "bpy.context.scene.collection.objects.link(camera)\n"
    "camera.location, camera.rotation_euler = (7.36, -6.93, 4.96), (1.11, 0.0, 0.815)\n"
    "bpy.context.scene.camera = camera\n"
)
"""Where Blender's first file has it: a hand is 35 pixels high there."""

NAMES = "result = sorted(obj.name for obj in bpy.context.scene.objects)"


def add(stage: Stage) -> None:
    """Shift A, what is looked for, Return."""
    stage.display.move(*stage.middle())
    stage.display.focus()
    stage.display.key("shift+a")
    stage.blender.still(10.0, 0.5)
    stage.display.type("livehand")
    stage.blender.still(10.0, 0.5)
    stage.display.key("Return")
    assert stage.blender.wait_for(lambda: stage.python("result = len(bpy.data.armatures)") == 1, 20.0)
    stage.blender.still()


def test_a_hand_is_seen_and_rendered_in_three_actions(stage: Stage) -> None:
    stage.python(CAMERA)
    add(stage)
    assert stage.skin_pixels() > 20000, "the hand that was added is not framed"
    stage.blender.shot("first_added")
    stage.python("bpy.context.scene.render.resolution_percentage = 40\nbpy.ops.livehand.use_engine('INVOKE_DEFAULT')")
    place = "result = [bpy.context.scene.camera.name, list(bpy.data.objects['Camera'].location)]"
    name, kept = stage.python(place)
    assert name == "LiveHand Camera" and abs(kept[0] - 7.36) < 1e-5
    stage.display.move(*stage.middle())
    stage.blender.ask("history", clear=True)
    stage.display.key("F12")
    assert stage.happened("render_complete", 300.0)
    stage.blender.still()
    stage.blender.shot("first_rendered")
    # The picture stands in the 3D view's place.
    assert look.skin(stage.display.look()).sum() > 5000, "the picture does not show the hand"
    stage.display.key("Escape")
    stage.blender.still()


def test_a_duplicate_has_a_proxy_and_a_kept_mesh_stays(stage: Stage) -> None:
    add(stage)
    stage.display.move(*stage.middle())
    stage.display.key("shift+d")
    stage.blender.still(10.0, 0.5)
    stage.display.click(*stage.middle())
    both = ["LiveHand Right", "LiveHand Right Proxy", "LiveHand Right.001", "LiveHand Right.001 Proxy"]
    assert stage.blender.wait_for(lambda: stage.python(NAMES) == both, 20.0), stage.python(NAMES)
    stage.python("bpy.data.objects['LiveHand Right Proxy'].parent = None")
    stage.blender.still()
    stage.python(
        "rig = bpy.data.objects['LiveHand Right']\n"
        "for obj in bpy.context.view_layer.objects:\n"
        "    obj.select_set(obj.name.startswith('LiveHand Right') and obj.type == 'ARMATURE')\n"
        "bpy.context.view_layer.objects.active = rig\n"
        "bpy.ops.object.delete()\n"
    )
    kept = ["LiveHand Right Proxy"]
    assert stage.blender.wait_for(lambda: stage.python(NAMES) == kept, 20.0), stage.python(NAMES)
