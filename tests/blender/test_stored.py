"""Lists of LiveHand's that a .blend holds in a form that Blender reads past its end: empty, and said so; no hang."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.blender.helpers import run_python

pytestmark = pytest.mark.bpy

PROGRAM = """
import faulthandler, logging, sys
import bpy
# What goes wrong here never comes back.
faulthandler.dump_traceback_later(100, exit=True)
import livehand_blender
livehand_blender.register()
from livehand_blender import stored
from livehand_blender.compositing import setup
from livehand_blender.registration import declared
from livehand_blender.rig.armature import create_hand

PATH = sys.argv[1]
ODD = ([[]], [[1]], ["a"], [[1, 2], [3]], [[[1]]], [1, 2], {"a": 1}, {}, "a", 1, 0.5, True)

def lists(owner, path):
    "Every collection of LiveHand's under a property: the struct that has it, its name."
    for prop in [one for one in owner.bl_rna.properties if one.identifier == path]:
        if prop.type == "COLLECTION":
            yield owner, path
        elif prop.type == "POINTER":
            inner = getattr(owner, path)
            for part in [one for one in inner.bl_rna.properties if one.is_runtime and one.type == "COLLECTION"]:
                yield inner, part.identifier

def found():
    owners = {"Scene": lambda: bpy.context.scene, "WindowManager": lambda: bpy.data.window_managers[0]}
    for kind, name in declared():
        if kind.__name__ in owners:
            yield from lists(owners[kind.__name__](), name)

def store(owner):
    return stored.stores(owner)[-1]

def scene_with_hand():
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    create_hand(bpy.context, "right")
    scene = bpy.context.scene
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(camera)
    scene.camera, scene.render.engine = camera, "CYCLES"
    setup.set_up(scene)

scene_with_hand()
names = sorted(name for _owner, name in found())
assert {"hidden_proxies", "livehand_avatars", "livehand_runs", "more_captures"} <= set(names), names
for number, odd in enumerate(ODD):
    for owner, name in found():
        store(owner)[name] = odd
    # As it is saved, a handler of the add-on reads it.
    bpy.ops.wm.save_as_mainfile(filepath=PATH, check_existing=False)
    # A file that was left so by a Blender without the add-on.
    livehand_blender.unregister()
    # From 5.0 on no script comes by what add-ons registered.
    if bpy.app.version < (5, 0, 0):
        bpy.context.scene["livehand"]["hidden_proxies"] = odd
    bpy.ops.wm.save_as_mainfile(filepath=PATH, check_existing=False)
    livehand_blender.register()
    bpy.ops.wm.open_mainfile(filepath=PATH)
    for owner, name in found():
        items = getattr(owner, name)
        assert len(items) <= 1 and not [item for item in items if not item.bl_rna], (name, odd)
    setup.remove(bpy.context.scene)
    setup.set_up(bpy.context.scene)
    mesh = next(thing for thing in bpy.data.objects if thing.type == "MESH" and thing.parent)
    assert [entry.mesh for entry in bpy.context.scene.livehand.hidden_proxies] == [mesh], odd
    setup.remove(bpy.context.scene)
    scene_with_hand()
print("all read")
"""


def test_a_list_of_another_form_is_empty_and_said_so(tmp_path: Path) -> None:
    answer = run_python("-c", PROGRAM, str(tmp_path / "odd.blend"))
    assert answer.returncode == 0 and "all read" in answer.stdout, answer.stdout + answer.stderr
    assert "'hidden_proxies' of 'Scene' was stored in a form that Blender cannot read" in answer.stdout + answer.stderr
