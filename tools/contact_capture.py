"""A capture of contacts: the detailed hand touches a second hand, simple solids, a cup and a pencil, as Cycles has it.

    .venv/bin/python tools/contact_capture.py captures/contacts
    livehand evaluate default captures/contacts --protocols contact

Each picture is of another pose, by another camera; two hands stand in the studio's light, things in lights that no
training has. Things are cut out of the picture, and told of in a file beside it (livehand_core/captures/contacts.py).
Pictures that are there are kept.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from livehand_core.captures.contacts import Contact  # noqa: E402
from livehand_core.captures.plan import make_rig, outermost  # noqa: E402
from livehand_core.captures.shooting import Shooting, Shot  # noqa: E402
from livehand_core.hand.builtin import MODEL_ID, builtin_hand  # noqa: E402
from livehand_core.hand.gestures import gesture  # noqa: E402
from livehand_core.hand.holding import hold  # noqa: E402
from livehand_core.hand.separation import Touching, deepest  # noqa: E402
from livehand_core.hand.skinning import pose_vertices  # noqa: E402
from livehand_core.occluders import Occluder  # noqa: E402
from livehand_core.poses import HandPose  # noqa: E402

THINGS = ("ball", "box", "cylinder", "cup", "pencil")
TOUCHING = 0.0005
"""Metres by which two hands press into each other."""


def main() -> int:
    """Render what is missing; 0 when all is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder of the capture")
    parser.add_argument("--count", type=int, default=24, help="pictures")
    parser.add_argument("--size", type=int, default=256, help="pixels along a side")
    parser.add_argument("--samples", type=int, default=64, help="of Cycles a pixel, denoised")
    parser.add_argument("--seed", type=int, default=5)
    options = parser.parse_args()
    import bpy

    from livehand_blender.capture.lighting import LightStage, read_panoramas
    from livehand_blender.capture.shoot import prepare_output, shoot
    from livehand_blender.capture.studio import CENTRE, configure_cycles, studio_light
    from livehand_core.captures.lighting import light_shots

    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    scene, random = bpy.context.scene, np.random.default_rng(options.seed)
    touches = [touch(scene, number, random) for number in range(options.count)]
    data = builtin_hand("right")
    poses = tuple(pose for pose, _, _ in touches)
    points = np.concatenate([outermost(pose_vertices(data, pose)) for pose in poses])
    rig = make_rig(points, options.count, 0, options.size, options.size, 2.2 * options.size, 0.75, options.seed)
    rig = replace(rig, held_out=frozenset(rig.names))
    cameras = random.permutation(options.count)
    everything = frozenset(range(options.count))
    shots = tuple(Shot(pose, int(cameras[pose])) for pose in range(options.count))
    plan = Shooting(rig, poses, everything, shots, MODEL_ID, "CC0-1.0", "tools/contact_capture.py")
    plan, lights = light_shots(plan, studio_light(), np.array(CENTRE), options.seed, read_panoramas())
    # One light for each picture: hands that touch in the studio's, things in lights that no training has.
    own = {shot.pose: shot for shot in sorted(plan.order, key=lambda shot: (shot.pose, shot.light or 999))}
    plan = replace(plan, order=tuple(own[pose] for pose in sorted(own)))
    for shot in plan.order:
        contact = Contact(tuple(touches[shot.pose][1]), tuple(_told(thing) for thing in touches[shot.pose][2]))
        image = options.out / plan.image(*shot)
        image.parent.mkdir(parents=True, exist_ok=True)
        contact.write(image)
    configure_cycles(scene, options.samples, (options.size, options.size))
    prepare_output(scene, (options.size, options.size))
    stage = LightStage(scene, plan, lights, options.samples, options.samples)

    def progress(done: int, count: int) -> bool:
        print(f"{done} of {count}", flush=True)
        return True

    shoot(scene, plan, options.out, Touched(scene, touches), data, progress=progress, light=stage)
    return 0


class Touched:
    """The detailed hand, a second one, and the thing that belongs to each pose."""

    fits_proxy, only_turns = False, False

    def __init__(self, scene: Any, touches: list[tuple[HandPose, list[HandPose], list[Any]]]) -> None:
        from livehand_blender.capture.detail_hand import create_detail_hand

        self._touches = touches
        self._hands = {side: create_detail_hand(side, scene) for side in ("right", "left")}  # type: ignore[arg-type]

    def pose(self, number: int, pose: HandPose) -> None:
        """Bring it into a pose."""
        from livehand_blender.capture.detail_hand import update_detail_hand

        update_detail_hand(self._hands["right"], pose)
        for count, (_, others, things) in enumerate(self._touches):
            for thing in things:
                thing.hide_render = count != number
            if count == number:
                self._hands["left"].hide_render = not others
                for other in others:
                    update_detail_hand(self._hands["left"], other)


def touch(scene: Any, number: int, random: np.random.Generator) -> tuple[HandPose, list[HandPose], list[Any]]:
    """The hand's pose, other hands, and objects of one picture."""
    rest = HandPose.rest()
    if number % 2 == 0:
        name = str(random.choice(["relaxed", "open", "cup"]))
        right = replace(rest, hand_pose=random.uniform(0.3, 0.8) * gesture(name))
        return right, [pressed(right, random)], []
    kind = THINGS[number // 2 % len(THINGS)]
    open_hand = replace(rest, hand_pose=random.uniform(0.6, 1.0) * gesture("relaxed"))
    obj = add_thing(kind, random)
    held = hold(builtin_hand("right"), open_hand, surface_of(obj, open_hand), name=kind)
    return held.pose, [], [obj]


def pressed(right: HandPose, random: np.random.Generator) -> HandPose:
    """A left hand that faces the right one's palm and touches it, its fingers across."""
    turn = float(random.choice([0.0, 0.35, 0.8, 1.5, -0.5]))
    fingers = random.uniform(0.2, 0.6) * gesture("relaxed", "left")
    place = np.array([-0.19 + 0.07 * abs(turn) / 1.5, 0.0, random.uniform(-0.02, 0.02)])
    near, far = 0.0, 0.12
    for _ in range(14):
        apart = 0.5 * (near + far)
        left = HandPose(np.array([np.pi - 0.06, 0.0, turn]), fingers, np.zeros(10), place - [0.0, apart, 0.0], "left")
        deep = deepest([Touching(builtin_hand(pose.side), pose) for pose in (right, left)])
        if deep > TOUCHING:
            near = apart
        else:
            far = apart
    return replace(left, transl=place - [0.0, far, 0.0])


def add_thing(kind: str, random: np.random.Generator) -> Any:
    """An object before the palm, its size a little at random."""
    import bpy

    size = random.uniform(0.9, 1.1)
    if kind == "ball":
        bpy.ops.mesh.primitive_uv_sphere_add(radius=0.034 * size, location=(-0.1, -0.026 - 0.034 * size, 0.0))
    elif kind == "box":
        bpy.ops.mesh.primitive_cube_add(size=0.05 * size, location=(-0.1, -0.024 - 0.025 * size, 0.0))
    elif kind in ("cylinder", "cup"):
        radius = (0.027 if kind == "cylinder" else 0.036) * size
        ends = "NGON" if kind == "cylinder" else "NOTHING"
        place = (-0.1, -0.023 - radius - (0.008 if kind == "cup" else 0.0), 0.0)
        bpy.ops.mesh.primitive_cylinder_add(vertices=48, radius=radius, depth=0.1, end_fill_type=ends, location=place)
        if kind == "cup":
            modifier = bpy.context.object.modifiers.new("Solidify", "SOLIDIFY")
            modifier.thickness, modifier.offset = 0.003, -1.0
    else:
        bpy.ops.mesh.primitive_cylinder_add(vertices=16, radius=0.004 * size, depth=0.18, location=(-0.122, -0.05, 0.0))
    made = bpy.context.object
    material = bpy.data.materials.new(kind)
    material.use_nodes = True
    shader = next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    shader.inputs["Base Color"].default_value = (*random.uniform(0.1, 0.6, 3), 1.0)
    made.data.materials.append(material)
    made.is_holdout = True
    return made


def surface_of(obj: Any, pose: HandPose) -> Any:
    """What fingers touch of an object."""
    import bpy

    from livehand_blender.rig.solid import TouchedSurface

    bpy.context.view_layer.update()
    return TouchedSurface([obj], bpy.context.evaluated_depsgraph_get(), 1.0, np.array(pose.transl))


def _told(obj: Any) -> Occluder:
    """An object's evaluated triangles in the world."""
    import bpy

    shown = obj.evaluated_get(bpy.context.evaluated_depsgraph_get())
    mesh = shown.to_mesh()
    mesh.calc_loop_triangles()
    vertices = np.array([shown.matrix_world @ vertex.co for vertex in mesh.vertices], np.float32)
    faces = np.array([list(triangle.vertices) for triangle in mesh.loop_triangles], np.int32)
    shown.to_mesh_clear()
    return Occluder(obj.name, vertices, faces)


if __name__ == "__main__":
    sys.exit(main())
