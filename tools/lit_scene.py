"""A hand in a Cycles scene with a sky, a lamp and a cup: ours composited against the detailed hand that Cycles renders.

    .venv/bin/python tools/lit_scene.py --out out/lit --avatar AVATAR.safetensors

Prints PSNR in the hand's box for each picture and writes sheets: Cycles, ours, and four times their difference. ``cup``
is the cup's shadow on the hand under sky and lamp; ``turn`` a hand that turns in a fixed sun. What Blender does for a
user is done here, too: compositing is set up by its operator, light is probed, the cup goes to the engine.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
CASES = {"cup": (0.0,), "turn": (0.0, 60.0, 120.0, 180.0)}
"""Case -> angles in degrees by which the hand is turned about the vertical."""

SKY_SEED = 3
TILT = math.radians(52.0)
"""How far the fingers rise from the horizon, as in the demo."""


def main() -> int:
    """Render and compare; 0 when all is written."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--avatar", type=Path, help="avatar file in place of the one that ships inside")
    parser.add_argument("--cases", nargs="+", choices=sorted(CASES), default=sorted(CASES))
    parser.add_argument("--samples", type=int, default=64, help="of Cycles a pixel, denoised")
    parser.add_argument("--size", type=int, default=384, help="pixels along a side")
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("LIVEHAND_PYTHON", sys.executable)
    import livehand_blender
    from livehand_core.errors import LiveHandError

    try:
        livehand_blender.register()
        found = {case: compare(case, options) for case in options.cases}
    except (LiveHandError, RuntimeError) as error:
        print(f"\nThe comparison stopped: {error}", file=sys.stderr)
        return 2
    finally:
        livehand_blender.unregister()
    (options.out / "lit_scene.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0


def compare(case: str, options: argparse.Namespace) -> dict[str, float]:
    """Angle -> PSNR in the hand's box."""
    import bpy

    from livehand_blender.avatars.pictures import write_png

    options.out.mkdir(parents=True, exist_ok=True)
    found, rows = {}, []
    for angle in CASES[case]:
        scene, rig = build(case, angle, options)
        box = hand_box(scene, rig)
        ours = with_our_hand(scene, options.out / f"{case}_{angle:.0f}_ours.png")
        scene, rig = build(case, angle, options)
        truth = with_detailed_hand(scene, rig, options.out / f"{case}_{angle:.0f}_cycles.png")
        left, top, right, bottom = box
        error = (ours - truth)[top:bottom, left:right]
        found[f"{angle:.0f}"] = round(-10.0 * math.log10(max(float(np.mean(error**2)), 1e-12)), 2)
        print(f"{case} at {angle:.0f} degrees: {found[f'{angle:.0f}']:.2f} dB in the hand's box {box}", flush=True)
        rows.append(np.concatenate([truth, ours, np.clip(0.5 + 4.0 * (ours - truth), 0.0, 1.0)], axis=1))
    write_png(options.out / f"{case}.png", np.rint(255.0 * np.concatenate(rows)).astype(np.uint8))
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    return found


def build(case: str, angle: float, options: argparse.Namespace) -> tuple[Any, Any]:
    """The scene with a LiveHand hand in it."""
    import bpy

    from livehand_blender.capture.lighting import float_image
    from livehand_blender.capture.studio import configure_cycles
    from livehand_core.captures.lighting import sky

    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    scene = bpy.context.scene
    bpy.ops.livehand.add_hand(side="RIGHT", avatar=str(options.avatar.resolve()) if options.avatar else "")
    rig = bpy.context.object
    rig.rotation_euler = (math.radians(angle), TILT, 0.0)
    scene.world = bpy.data.worlds.new("Sky")
    scene.world.use_nodes = True
    tree = scene.world.node_tree
    background, texture = tree.nodes["Background"], tree.nodes.new("ShaderNodeTexEnvironment")
    texture.image = float_image("sky", sky(np.random.default_rng(SKY_SEED)))
    tree.links.new(texture.outputs["Color"], background.inputs["Color"])
    if case == "cup":
        background.inputs["Strength"].default_value = 0.6
        lamp(scene, "SPOT", (0.35, -0.65, 0.6), energy=18.0, shadow_soft_size=0.02, spot_size=1.2)
        cup(scene, (0.05, -0.16, 0.12))
        table(scene, -0.06)
    else:
        background.inputs["Strength"].default_value = 0.25
        lamp(scene, "SUN", (0.5, -0.6, 0.7), energy=3.0, angle=math.radians(5.0))
    eye = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(eye)
    eye.data.lens, eye.data.clip_start = 90.0, 0.01
    middle = (-0.095 * math.cos(TILT), 0.0, 0.095 * math.sin(TILT))
    eye.location = (middle[0], -0.75, middle[2] + 0.05)
    look_at(eye, middle)
    scene.camera = eye
    configure_cycles(scene, options.samples, (options.size, options.size))
    scene.render.engine = "CYCLES"
    scene.render.film_transparent = False
    scene.view_settings.view_transform = "Standard"
    bpy.context.view_layer.update()
    return scene, rig


def lamp(scene: Any, kind: str, place: tuple[float, float, float], **settings: Any) -> None:
    """A lamp that looks at the hand."""
    import bpy

    data = bpy.data.lights.new(kind.title(), kind)
    for name, value in settings.items():
        setattr(data, name, value)
    thing = bpy.data.objects.new(data.name, data)
    thing.location = place
    look_at(thing, (-0.058, 0.0, 0.075))
    scene.collection.objects.link(thing)


def look_at(thing: Any, place: tuple[float, float, float]) -> None:
    """Turn an object whose front is -Z."""
    from mathutils import Vector

    thing.rotation_euler = (Vector(place) - thing.location).to_track_quat("-Z", "Y").to_euler()


def cup(scene: Any, place: tuple[float, float, float]) -> None:
    """A white cup without a handle, 7 cm across."""
    import bpy

    bpy.ops.mesh.primitive_cylinder_add(vertices=48, radius=0.035, depth=0.08, end_fill_type="NOTHING", location=place)
    made = bpy.context.object
    made.name = "Cup"
    made.modifiers.new("Solidify", "SOLIDIFY").thickness = 0.004
    paint(made, (0.7, 0.7, 0.68))


def table(scene: Any, height: float) -> None:
    """A wooden brown plane."""
    import bpy

    bpy.ops.mesh.primitive_plane_add(size=1.2, location=(0.0, 0.0, height))
    paint(bpy.context.object, (0.25, 0.14, 0.08))


def paint(thing: Any, colour: tuple[float, float, float]) -> None:
    """A material of one colour."""
    import bpy

    material = bpy.data.materials.new(thing.name)
    material.use_nodes = True
    shader = next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    shader.inputs["Base Color"].default_value = (*colour, 1.0)
    thing.data.materials.append(material)


def hand_box(scene: Any, rig: Any) -> tuple[int, int, int, int]:
    """Left, top, right and bottom pixel of the hand's proxy."""
    import bpy

    from livehand_blender.render.camera import core_camera, read_view
    from livehand_blender.rig.armature import proxy_meshes

    graph = bpy.context.evaluated_depsgraph_get()
    (proxy,) = proxy_meshes(rig)
    shown = proxy.evaluated_get(graph)
    points = np.array([shown.matrix_world @ vertex.co for vertex in shown.data.vertices])
    camera = core_camera(read_view(scene, scene.camera.evaluated_get(graph)))
    pixels, _ = camera.project(points)
    size = np.array([camera.width, camera.height])
    low, high = np.clip(np.floor(pixels.min(axis=0)), 0, size), np.clip(np.ceil(pixels.max(axis=0)), 0, size)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def with_our_hand(scene: Any, path: Path) -> np.ndarray:
    """Through LiveHand's compositing."""
    import bpy

    assert bpy.ops.livehand.setup_compositing() == {"FINISHED"}
    return rendered(scene, path)


def with_detailed_hand(scene: Any, rig: Any, path: Path) -> np.ndarray:
    """By Cycles alone, the hand that avatars are trained on in the proxy's place."""
    import bpy

    from livehand_blender.capture.detail_hand import create_detail_hand, update_detail_hand
    from livehand_blender.rig.armature import proxy_meshes
    from livehand_blender.rig.pose import read_pose

    pose, _ = read_pose(rig.evaluated_get(bpy.context.evaluated_depsgraph_get()))
    for proxy in proxy_meshes(rig):
        proxy.hide_render = True
    update_detail_hand(create_detail_hand("right", scene), pose)
    return rendered(scene, path)


def rendered(scene: Any, path: Path) -> np.ndarray:
    """(H, W, 3) display colours from 0 to 1 of the scene's picture."""
    import bpy

    from livehand_blender import compat
    from livehand_core.captures.images import read_rgba8

    compat.set_image_format(scene.render.image_settings, "PNG")
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)
    return read_rgba8(path)[..., :3].astype(np.float64) / 255.0


if __name__ == "__main__":
    sys.exit(main())
