"""*Make Avatar from Rigged Mesh* clicked: a Blender of its own captures the mesh, and the window tells so."""

from __future__ import annotations

import inspect
import json
import shutil

import environment

from tests.blender import rigged
from tests.gui.stage import Stage

READY = """
scene = bpy.context.scene
mesh, armature = add_foot(scene)
key_range(scene, armature)
scene.collection.objects.link(bpy.data.objects.new("Sun", bpy.data.lights.new("Sun", "SUN")))
settings = scene.livehand_capture
settings.camera_count, settings.pose_count, settings.cameras_per_pose = 4, 3, 2
settings.held_out_cameras = settings.held_out_poses = 1
settings.width = settings.height = 64
settings.samples, settings.licence, settings.folder = 1, "CC0-1.0", folder
for other in scene.objects:
    other.select_set(other == mesh)
bpy.context.view_layer.objects.active = mesh
"""
PANEL = "LIVEHAND_PT_part"


def test_the_button_captures_a_rigged_mesh(stage: Stage) -> None:
    folder = environment.ROOT / "out" / "gui" / "part_capture"
    shutil.rmtree(folder, ignore_errors=True)
    stage.python(inspect.getsource(rigged) + READY, folder=str(folder))
    stage.blender.ask("look_at", location=[0.0, -0.06, 0.1], distance=0.7, rotation=[0.83, 0.41, 0.17, 0.33])
    # The panel opens with its first button, which is that operator's, below the mouse.
    stage.panel(PANEL)
    stage.blender.shot("part_panel")
    stage.display.click(*stage.middle())
    status = folder / "capture.json"

    def state() -> str:
        return str(json.loads(status.read_text("utf-8"))["state"]) if status.is_file() else ""

    assert stage.blender.wait_for(lambda: state() == "going", 120.0), "the button started no capture"
    # Away from the panel, which closes then: ESC would cancel the capture.
    x, y = stage.middle()
    stage.display.move(x - 380.0, y + 250.0)
    for _ in range(2):
        stage.blender.ask("sidebar", category="LiveHand")
        stage.blender.still(5.0, 0.3)
    stage.blender.shot("part_capturing")
    assert stage.blender.wait_for(lambda: state() == "done", 240.0), status.read_text("utf-8")
    stage.blender.still(10.0, 0.5)
    stage.blender.shot("part_captured")
    assert stage.python("result = bpy.context.scene.livehand_training.capture") == str(folder)
    assert len(list(folder.glob("images/*/*.png"))) >= 8
    # A mesh that cannot be used leaves the button grey, says why, and no capture begins.
    shutil.rmtree(folder)
    stage.python("bpy.context.object.modifiers.clear()")
    stage.blender.ask("sidebar", shown=False)
    stage.panel(PANEL)
    stage.display.click(*stage.middle())
    stage.blender.still(5.0, 0.5)
    stage.blender.shot("part_refused")
    assert not folder.exists()
