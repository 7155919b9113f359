"""The demo scene, made with the add-on's own operators: an animated hand, a moving camera, the LiveHand engine.

    blender -b --python scripts/demo_scene.py -- --save demo.blend [--avatar FILE] [--side LEFT]
    blender -b demo.blend -a

Runs in every Blender that has the add-on enabled; ``scripts/demo.py`` calls :func:`build` in the bpy module.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import Any

import bpy
from mathutils import Vector

FRAMES = 72
WIDTH, HEIGHT = 512, 334
FPS = 24

GESTURES = (
    (1, "OPEN"),
    (6, "OPEN"),
    (16, "FIST"),
    (20, "FIST"),
    (29, "POINT"),
    (33, "POINT"),
    (42, "PINCH"),
    (47, "PINCH"),
    (57, "OPEN"),
)
"""(frame, gesture) of each key; Blender interpolates between them."""

TURN = ((47, 0.0), (72, -165.0))
"""(frame, degrees about the forearm): the palm turns away from the camera at the end."""

SHEET_FRAMES = {4: "open", 18: "fist", 31: "point", 45: "pinch", 61: "turning", 72: "back"}
"""Frames of the contact sheet and what they show."""

TILT = 52.0
"""How far the fingers rise from the horizon, degrees."""

LAMPS = (
    ("Key", (-0.75, -0.80, 0.95), 0.45, 21.0, (1.0, 0.94, 0.86)),
    ("Fill", (0.95, -0.75, 0.15), 0.60, 6.0, (0.86, 0.93, 1.0)),
    ("Rim", (0.40, 0.95, 0.60), 0.40, 12.0, (1.0, 0.90, 0.80)),
)
"""Name, place and diameter in metres, power in watts and colour of the lamps: what a relightable avatar stands in."""

BACKDROP = (0.018, 0.021, 0.026)
"""Scene-linear colour behind the hand."""


def build(avatar: str = "", side: str = "RIGHT") -> Any:
    """Replace the open scene by the demo scene and return it. The add-on must be registered.

    Args:
        avatar: path of an avatar file, empty for the one that ships inside.
        side: ``"RIGHT"`` or ``"LEFT"``.
    """
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    scene = bpy.context.scene
    bpy.ops.livehand.add_hand(side=side, avatar=avatar, location=(0.0, 0.0, 0.0))
    rig = bpy.context.object
    animate_hand(scene, rig)
    animate_camera(scene, rig)
    add_lamps(scene)
    set_output(scene)
    scene.frame_set(1)
    return scene


def animate_hand(scene: Any, rig: Any) -> None:
    """Key the gestures on the bones, and the turn of the whole hand on the armature."""
    for frame, gesture in GESTURES:
        scene.frame_set(frame)
        bpy.ops.livehand.pose_preset(gesture=gesture, keyframe=True)
    # At rest the fingers point along -X and the palm faces -Y; a left hand is the mirror image.
    tilt = TILT if rig.livehand.side == "RIGHT" else -TILT
    for frame, turn in TURN:
        rig.rotation_euler = (math.radians(turn), math.radians(tilt), 0.0)
        rig.keyframe_insert("rotation_euler", frame=frame)


def animate_camera(scene: Any, rig: Any) -> None:
    """A camera on an arm that swings about the middle of the hand."""
    side = -1.0 if rig.livehand.side == "RIGHT" else 1.0
    arm = bpy.data.objects.new("Camera Arm", None)
    arm.empty_display_size = 0.03
    tilt = math.radians(TILT)
    arm.location = (side * 0.095 * math.cos(tilt), 0.0, 0.095 * math.sin(tilt))
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    camera.data.lens = 90.0
    camera.data.clip_start = 0.01
    camera.parent = arm
    camera.location = (0.0, -0.99, 0.0)
    camera.rotation_euler = (math.pi / 2.0, 0.0, 0.0)
    for thing in (arm, camera):
        scene.collection.objects.link(thing)
    for frame, swing, lift in ((1, -24.0, -6.0), (FRAMES // 2, 8.0, -12.0), (FRAMES, 26.0, -4.0)):
        arm.rotation_euler = (math.radians(lift), 0.0, math.radians(swing))
        arm.keyframe_insert("rotation_euler", frame=frame)
    scene.camera = camera


def add_lamps(scene: Any) -> None:
    """Soft lamps that stay where they are while the hand turns."""
    for name, place, size, power, colour in LAMPS:
        data = bpy.data.lights.new(name, "AREA")
        data.shape, data.size, data.energy, data.color = "DISK", size, power, colour
        lamp = bpy.data.objects.new(name, data)
        lamp.location = place
        lamp.rotation_euler = (-Vector(place)).to_track_quat("-Z", "Y").to_euler()
        scene.collection.objects.link(lamp)


def set_output(scene: Any) -> None:
    """The LiveHand engine, size and length of the film, plain sRGB colours, a dark backdrop, H.264."""
    render = scene.render
    render.engine = "LIVEHAND"
    render.resolution_x, render.resolution_y, render.resolution_percentage = WIDTH, HEIGHT, 100
    render.fps = FPS
    scene.frame_start, scene.frame_end = 1, FRAMES
    # Avatars are trained on display-referred sRGB: the standard view shows them as they were seen.
    scene.view_settings.view_transform = "Standard"
    scene.world = bpy.data.worlds.new("Backdrop")
    scene.world.color = BACKDROP
    for node in scene.world.node_tree.nodes if scene.world.node_tree else ():
        if node.type == "BACKGROUND":
            node.inputs["Color"].default_value = (*BACKDROP, 1.0)
    settings = render.image_settings
    if hasattr(settings, "media_type"):  # Blender 5.0 and later ask for the kind first.
        settings.media_type = "VIDEO"
    settings.file_format = "FFMPEG"
    render.ffmpeg.format = "MPEG4"
    render.ffmpeg.codec = "H264"
    render.ffmpeg.constant_rate_factor = "HIGH"
    render.filepath = "//demo.mp4"


def main() -> None:
    """Command line inside Blender: what follows ``--``."""
    own = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else []
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--save", type=Path, required=True, help="the .blend file to write")
    parser.add_argument("--avatar", default="", help="avatar file in place of the one that ships inside")
    parser.add_argument("--side", choices=("RIGHT", "LEFT"), default="RIGHT")
    options = parser.parse_args(own)
    build(str(Path(options.avatar).resolve()) if options.avatar else "", options.side)
    options.save.parent.mkdir(parents=True, exist_ok=True)
    bpy.ops.wm.save_as_mainfile(filepath=str(options.save.resolve()))


if __name__ == "__main__":
    main()
