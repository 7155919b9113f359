"""Scenes with a hand as accidents and other versions leave them in a .blend: what ``harness`` tries inside Blender.

    python tests/chaos/blend_mutants.py FOLDER FIRST COUNT

Without FIRST and COUNT the sound files are written into FOLDER. The damage is done to data of a sound file, which is
then saved and opened: a .blend whose very bytes are damaged is Blender's own affair.
"""

from __future__ import annotations

import io
import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
import harness
from harness import Kind
from mutations import ODD_VALUES, damaged_lines, damaged_text

import livehand_blender
from livehand_core.errors import LiveHandError

ODD_NUMBERS = (0.0, -1.0, 1e-30, 1e30, float("nan"), float("inf"), -0.5, 7.0)
ODD_TEXTS = ("", "\x01", "//", "//../a", "/", "default", "a" * 900, "\u00fc \u624b", "none.safetensors", "MANO", "..")


def write_sound(folder: Path) -> None:
    """A hand before a camera with compositing, and the catalogue of a library of poses."""
    from livehand_blender.compositing import setup
    from livehand_blender.rig.armature import create_hand

    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    scene = bpy.context.scene
    create_hand(bpy.context, "right", avatar="default")
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(camera)
    camera.location, camera.rotation_euler = (-0.09, -0.5, 0.0), (1.5707963, 0.0, 0.0)
    scene.camera = camera
    scene.render.engine = "CYCLES"
    setup.set_up(scene)
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "hand.blend"))
    (folder / "poses").mkdir()
    (folder / "poses" / "blender_assets.cats.txt").write_text("VERSION 1\n\nab:Some/Where:Some-Where\n")


def damaged_scene(data: bytes, rng: random.Random) -> bytes:
    """The file after one to three accidents."""
    path = Path("damaged.blend").resolve()
    path.write_bytes(data)
    bpy.ops.wm.open_mainfile(filepath=str(path))
    for _ in range(rng.choice([1, 1, 2, 3])):
        accident = rng.choice(ACCIDENTS)
        try:
            accident(rng)
        except (
            StopIteration,
            RuntimeError,
            TypeError,
            ValueError,
            AttributeError,
            KeyError,
            OverflowError,
            UnicodeError,
        ):
            # Blender itself does not let it happen, or an earlier accident took away what it is about.
            continue
    bpy.ops.wm.save_as_mainfile(filepath=str(path), check_existing=False)
    return path.read_bytes()


def _rig() -> Any:
    return next(thing for thing in bpy.data.objects if thing.type == "ARMATURE")


def _rig_setting(rng: random.Random) -> None:
    settings = _rig().livehand
    name = rng.choice(["avatar", "identity", "second_identity", "model", "is_hand", "side", "identity_blend"])
    odd = {"is_hand": False, "side": rng.choice(["LEFT", "RIGHT"]), "identity_blend": rng.choice(ODD_NUMBERS)}
    setattr(settings, name, odd.get(name, rng.choice(ODD_TEXTS)))


def _betas(rng: random.Random) -> None:
    _rig().livehand.betas[rng.randrange(10)] = rng.choice(ODD_NUMBERS)


def _stored(rng: random.Random) -> None:
    """What the add-on's own properties hold, past their declarations, as another version may write them."""
    holder = rng.choice([_rig(), bpy.context.scene, bpy.context.view_layer])
    group = holder["livehand"]
    # Half a letter Blender takes for an error only later, in whatever Python does next.
    odd = [value for value in ODD_VALUES if value is not None and value != "\ud800"]
    group[rng.choice(list(group.keys()) or ["side"])] = rng.choice(odd)


def _bones(rng: random.Random) -> None:
    rig = _rig()
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    bones = rig.data.edit_bones
    bone = bones[rng.randrange(len(bones))]
    kind = rng.randrange(4)
    if kind == 0:
        bones.remove(bone)
    elif kind == 1:
        bone.name = rng.choice(ODD_TEXTS)
    elif kind == 2:
        bone.tail = bone.head
    else:
        bone.parent = None
    bpy.ops.object.mode_set(mode="OBJECT")


def _pose(rng: random.Random) -> None:
    bone = rng.choice(list(_rig().pose.bones))
    kind = rng.randrange(4)
    if kind == 0:
        bone.rotation_mode = rng.choice(["XYZ", "AXIS_ANGLE", "ZYX", "QUATERNION"])
    elif kind == 1:
        bone.scale = [rng.choice(ODD_NUMBERS) for _ in range(3)]
    elif kind == 2:
        bone.rotation_quaternion = [rng.choice(ODD_NUMBERS) for _ in range(4)]
    else:
        bone.constraints.new(rng.choice(["COPY_ROTATION", "IK", "CHILD_OF", "TRACK_TO"])).target = _rig()


def _place(rng: random.Random) -> None:
    thing = rng.choice(list(bpy.data.objects))
    setattr(thing, rng.choice(["location", "scale", "rotation_euler"]), [rng.choice(ODD_NUMBERS) for _ in range(3)])


def _parents(rng: random.Random) -> None:
    thing, other = (rng.choice(list(bpy.data.objects)) for _ in range(2))
    thing.parent = other


def _camera(rng: random.Random) -> None:
    lens = bpy.context.scene.camera.data
    name = rng.choice(["type", "lens", "sensor_width", "clip_start", "clip_end", "ortho_scale", "shift_x"])
    setattr(lens, name, rng.choice(["PANO", "ORTHO", "PERSP"]) if name == "type" else rng.choice(ODD_NUMBERS))


def _picture(rng: random.Random) -> None:
    render = bpy.context.scene.render
    name = rng.choice(["resolution_x", "resolution_percentage", "pixel_aspect_x", "use_border", "border_max_x"])
    odd = {"use_border": True, "resolution_x": rng.choice([4, 65536]), "resolution_percentage": rng.choice([1, 32767])}
    setattr(render, name, odd.get(name, rng.choice(ODD_NUMBERS)))


def _removed(rng: random.Random) -> None:
    holder = rng.choice([bpy.data.objects, bpy.data.meshes, bpy.data.armatures, bpy.data.cameras, bpy.data.scenes])
    holder.remove(rng.choice(list(holder)))


def _renamed(rng: random.Random) -> None:
    rng.choice([*bpy.data.objects, *bpy.data.scenes, *bpy.data.meshes]).name = rng.choice(ODD_TEXTS) or "x"


def _mesh(rng: random.Random) -> None:
    mesh = rng.choice(list(bpy.data.meshes))
    if rng.random() < 0.5:
        mesh.clear_geometry()
    else:
        mesh.shape_keys.key_blocks[0].name = "x"


def _compositing(rng: random.Random) -> None:
    settings = bpy.context.scene.livehand
    known = json.loads(settings.before_compositing)
    kind = rng.randrange(3)
    if kind == 0:
        settings.before_compositing = damaged_text(known, rng).decode(errors="replace").replace("\x00", "")[:5000]
    elif kind == 1:
        settings.hand_scene = rng.choice([None, bpy.context.scene])
    else:
        settings.main_scene = rng.choice([None, bpy.context.scene])


def _keys(rng: random.Random) -> None:
    rig = _rig()
    rig.location[0] = rng.choice(ODD_NUMBERS)
    rig.keyframe_insert("location", frame=rng.choice([1, 3, 100000]))


def _copies(rng: random.Random) -> None:
    copy = rng.choice(list(bpy.data.objects)).copy()
    bpy.context.scene.collection.objects.link(copy)


ACCIDENTS: tuple[Callable[[random.Random], None], ...] = (
    *(_rig_setting, _betas, _stored, _bones, _pose, _place, _parents, _camera, _picture),
    *(_removed, _renamed, _mesh, _compositing, _keys, _copies),
)


def read_scene(path: Path) -> None:
    """Open the file and ask for its frames, as a render does; then use what its panels offer."""
    said, before = io.StringIO(), sys.stderr
    # What a handler raises Blender prints.
    sys.stderr = said
    try:
        bpy.ops.wm.open_mainfile(filepath=str(path))
        refusals = [error for step in STEPS if (error := _refused(step)) is not None]
    finally:
        sys.stderr = before
    assert "Traceback" not in said.getvalue(), said.getvalue()
    if refusals:
        raise refusals[0]


def _refused(step: Callable[[], object]) -> LiveHandError | None:
    try:
        step()
    except LiveHandError as error:
        return error
    return None


def _frames() -> None:
    from livehand_blender.render.scene import frame_request

    for frame in (1, 3):
        bpy.context.scene.frame_set(frame)
        frame_request(bpy.context.evaluated_depsgraph_get()).to_json()


def _merged() -> None:
    from livehand_blender.compositing import operators, setup

    operators.follow_all()
    if setup.is_set_up(bpy.context.scene):
        setup.remove(bpy.context.scene)
    setup.set_up(bpy.context.scene)


def _settled() -> None:
    from livehand_blender.avatars.shape import follow_identity
    from livehand_blender.rig.armature import is_hand
    from livehand_blender.rig.family import tidy

    tidy()
    for rig in filter(is_hand, list(bpy.data.objects)):
        follow_identity(rig, forced=True)


STEPS: tuple[Callable[[], object], ...] = (_frames, _settled, _merged)


def read_catalogue(path: Path) -> None:
    from livehand_blender.rig.pose_library import write_library

    action = bpy.data.actions.new("pose")
    try:
        write_library(path.parent, [action])
    finally:
        bpy.data.actions.remove(action)


KINDS = {
    "scene": Kind("hand.blend", damaged_scene, read_scene, named=False),
    "catalogue": Kind("poses/blender_assets.cats.txt", damaged_lines, read_catalogue),
}

if __name__ == "__main__":
    livehand_blender.register()
    if len(sys.argv) == 2:
        write_sound(Path(sys.argv[1]))
        raise SystemExit(0)
    raise SystemExit(harness.main(KINDS, sys.argv[1:]))
