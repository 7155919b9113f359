"""Capture the built-in hand with Cycles: many cameras, many poses, in the capture format, ready for `livehand train`.

    .venv/bin/python scripts/capture.py captures/default
    blender -b --python scripts/capture.py -- captures/default

Images that are there already are kept, so a capture that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from livehand_blender.capture.detail_hand import create_detail_hand, update_detail_hand  # noqa: E402
from livehand_blender.capture.studio import add_studio, configure_cycles  # noqa: E402
from livehand_core.cameras import OPENGL_TO_OPENCV, Camera  # noqa: E402
from livehand_core.captures.capture import Capture, CaptureFrame, write_capture  # noqa: E402
from livehand_core.captures.plan import Rig, capture_order, capture_poses, make_rig  # noqa: E402
from livehand_core.hand.builtin import builtin_hand  # noqa: E402
from livehand_core.hand.skinning import pose_vertices  # noqa: E402
from livehand_core.poses import HandPose, PoseSequence  # noqa: E402

SENSOR_MM = 36.0
FOCAL_PIXELS = 1400.0
FILL = 0.97
WRITE_EVERY = 20
BORDER_PIXELS = 10
"""How far around the proxy's vertices the image is rendered: the detail hand is a little larger."""


@dataclass(frozen=True)
class Plan:
    """What is captured: the rig, the poses, which poses are held out, and (pose, camera) of each image in order."""

    rig: Rig
    poses: list[HandPose]
    held_out_poses: frozenset[int]
    order: list[tuple[int, int]]


def make_plan(options: argparse.Namespace) -> Plan:
    """The plan depends on nothing but the options, so a stopped capture finds the same one again."""
    poses = capture_poses(options.poses, options.seed)
    data = builtin_hand("right")
    points = np.concatenate([pose_vertices(data, pose) for pose in poses])
    rig = make_rig(
        points,
        options.cameras,
        options.held_out_cameras,
        options.width,
        options.height,
        FOCAL_PIXELS,
        FILL,
        options.seed,
    )
    # The last poses are drawn ones: no held-out pose is a named gesture or on the way between two.
    held_out = frozenset(range(len(poses) - options.held_out_poses, len(poses)))
    order = capture_order(rig, len(poses), held_out, options.cameras_per_pose, options.extra, options.seed)
    return Plan(rig, poses, held_out, order[: options.limit] if options.limit else order)


def image_name(pose: int, camera: str) -> str:
    """Path of an image in the capture's folder."""
    return f"images/pose{pose:03d}/{camera}.png"


def write_documents(folder: Path, plan: Plan, samples: int) -> int:
    """Write transforms.json and poses.npz for the images that are there; returns how many."""
    frames = []
    for pose, camera in sorted(plan.order):
        name = plan.rig.names[camera]
        frame = CaptureFrame(image_name(pose, name), plan.rig.cameras[camera], name, pose)
        if (folder / frame.image).is_file():
            frames.append(frame)
    write_capture(
        Capture(
            folder,
            tuple(frames),
            PoseSequence(tuple(plan.poses)),
            builtin_hand("right").name,
            plan.rig.held_out,
            plan.held_out_poses,
            licence="CC0-1.0",
            origin=f"Cycles, Blender {bpy.app.version_string}, {samples} samples, denoised; LiveHand's built-in hand",
        )
    )
    return len(frames)


def set_camera(scene: Any, camera: Camera) -> None:
    """Give the scene's camera the view of ``camera`` (principal point in the middle, square pixels)."""
    eye = scene.camera
    eye.data.sensor_fit = "HORIZONTAL"
    eye.data.sensor_width = SENSOR_MM
    eye.data.lens = camera.fx * SENSOR_MM / camera.width
    eye.matrix_world = Matrix((camera.camera_to_world @ OPENGL_TO_OPENCV).tolist())


def set_border(scene: Any, camera: Camera, vertices: np.ndarray) -> None:
    """Render only the rectangle around the hand; the rest of the image stays transparent."""
    pixels, _ = camera.project(vertices)
    size = np.array([camera.width, camera.height])
    low = np.clip((pixels.min(axis=0) - BORDER_PIXELS) / size, 0.0, 1.0)
    high = np.clip((pixels.max(axis=0) + BORDER_PIXELS) / size, 0.0, 1.0)
    render = scene.render
    render.use_border, render.use_crop_to_border = True, False
    render.border_min_x, render.border_max_x = low[0], high[0]
    # Blender counts rows from the bottom.
    render.border_min_y, render.border_max_y = 1.0 - high[1], 1.0 - low[1]


def set_up_scene(options: argparse.Namespace) -> tuple[Any, Any]:
    """(scene, detail hand): an empty file with hand, light and camera."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    scene = bpy.context.scene
    add_studio(scene)
    configure_cycles(scene, options.samples, (options.width, options.height))
    # Persistent data answers a changed camera or mesh one frame late, seen on 4.5, and one small mesh loads quickly.
    scene.render.use_persistent_data = False
    # The denoiser's quick network costs a third of its best one, and a small hand shows no difference.
    scene.cycles.denoising_quality = "FAST"
    hand = create_detail_hand("right", scene)
    eye = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    eye.data.clip_start = 0.01
    scene.collection.objects.link(eye)
    scene.camera = eye
    return scene, hand


def capture(options: argparse.Namespace) -> None:
    """Render every image of the plan that is not there yet."""
    folder: Path = options.folder
    plan = make_plan(options)
    scene, hand = set_up_scene(options)
    missing = [
        (pose, camera)
        for pose, camera in plan.order
        if not (folder / image_name(pose, plan.rig.names[camera])).is_file()
    ]
    print(
        f"{len(plan.rig.cameras)} cameras, {len(plan.poses)} poses, {len(plan.order)} images, {len(missing)} to render",
        flush=True,
    )
    began, last_pose = time.monotonic(), -1
    for done, (pose, camera) in enumerate(missing):
        if options.minutes and time.monotonic() - began > 60.0 * options.minutes:
            print(f"the time of {options.minutes:g} minutes is over", flush=True)
            break
        if pose != last_pose:
            update_detail_hand(hand, plan.poses[pose])
            vertices = pose_vertices(builtin_hand("right"), plan.poses[pose])
            last_pose = pose
        set_camera(scene, plan.rig.cameras[camera])
        set_border(scene, plan.rig.cameras[camera], vertices)
        # Each image gets its own noise; the same one everywhere would be learnt as texture.
        scene.cycles.seed = pose * len(plan.rig.names) + camera
        render_to(scene, folder / image_name(pose, plan.rig.names[camera]))
        if (done + 1) % WRITE_EVERY == 0:
            write_documents(folder, plan, options.samples)
            each = (time.monotonic() - began) / (done + 1)
            left = each * (len(missing) - done - 1) / 60.0
            print(f"{done + 1} of {len(missing)} images, {each:.2f} s each, {left:.1f} min left", flush=True)
    print(f"{write_documents(folder, plan, options.samples)} images in {folder}", flush=True)


def render_to(scene: Any, path: Path) -> None:
    """Render into a temporary name and rename, so that every image with its proper name is whole."""
    temporary = path.with_name(f".{path.name}")
    temporary.parent.mkdir(parents=True, exist_ok=True)
    scene.render.filepath = str(temporary)
    bpy.ops.render.render(write_still=True)
    os.replace(temporary, path)


def parse(arguments: list[str]) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the capture's folder")
    parser.add_argument("--cameras", type=int, default=34)
    parser.add_argument("--poses", type=int, default=92)
    parser.add_argument("--held-out-cameras", type=int, default=4)
    parser.add_argument("--held-out-poses", type=int, default=6)
    parser.add_argument("--cameras-per-pose", type=int, default=14, help="training cameras that see a training pose")
    parser.add_argument("--extra", type=int, default=3, help="views of each held-out pose or camera, new in that alone")
    parser.add_argument("--width", type=int, default=334)
    parser.add_argument("--height", type=int, default=512)
    parser.add_argument("--samples", type=int, default=10, help="paths a pixel before denoising")
    parser.add_argument("--minutes", type=float, default=0.0, help="stop after this long; 0 renders all")
    parser.add_argument("--limit", type=int, default=0, help="only the first images of the plan; 0 for all")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(arguments)


def main() -> None:
    """Under Blender the arguments follow ``--``; under the bpy module they are the process's own."""
    arguments = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else sys.argv[1:]
    capture(parse(arguments))


if __name__ == "__main__":
    main()
