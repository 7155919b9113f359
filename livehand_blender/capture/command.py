"""Capture the built-in hand with Cycles: many cameras, many poses, in the capture format, ready for `livehand train`.

    .venv/bin/python -m livehand_blender.capture captures/default
    blender -b --python livehand_blender/capture/__main__.py -- captures/default

Images that are there already are kept, so a capture that was stopped goes on where it was. The add-on need not be
switched on.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from livehand_core.captures.light_part import CaptureLight
from livehand_core.captures.lighting import light_shots
from livehand_core.captures.plan import (
    capture_order,
    capture_poses,
    first_part,
    held_out_count,
    make_rig,
)
from livehand_core.captures.shooting import Shooting, Shot
from livehand_core.hand.builtin import builtin_hand
from livehand_core.hand.looks import DEFAULT_LOOK, DRAWN, LICENCE, LOOKS, look_of
from livehand_core.hand.skinning import pose_vertices
from livehand_core.poses import HandPose

from .detail_hand import create_detail_hand, update_detail_hand
from .lighting import LightStage, read_panoramas
from .shoot import prepare_output, shoot
from .studio import CENTRE, add_studio, configure_cycles, studio_light

FOCAL_PIXELS = 1400.0
FILL = 0.97
TELL_EVERY = 20


class StudioHand:
    """The detail hand in its studio, which stands still since the wrist does."""

    fits_proxy, only_turns = True, False

    def __init__(self, scene: Any, look: str) -> None:
        self._hand = create_detail_hand("right", scene, look)

    def pose(self, number: int, pose: HandPose) -> None:
        """Bring it into a pose."""
        update_detail_hand(self._hand, pose)


def make_plan(options: argparse.Namespace) -> Shooting:
    """The plan depends on nothing but the options, so a stopped capture finds the same one again."""
    betas = look_of(options.identity).shape
    poses = [replace(pose, betas=betas) for pose in capture_poses(options.poses, options.seed)]
    data = builtin_hand("right")
    points = np.concatenate([pose_vertices(data, pose) for pose in poses])
    rig = make_rig(
        points,
        options.cameras,
        held_out_count(options.held_out_cameras, options.cameras),
        options.width,
        options.height,
        FOCAL_PIXELS,
        FILL,
        options.seed,
    )
    # The last poses are drawn ones: no held-out pose is a named gesture or on the way between two.
    held_out = frozenset(range(len(poses) - held_out_count(options.held_out_poses, len(poses)), len(poses)))
    order = capture_order(rig, len(poses), held_out, options.cameras_per_pose, options.extra, options.seed)
    return Shooting(
        rig,
        tuple(poses),
        held_out,
        tuple(Shot(*entry) for entry in first_part(order, rig, held_out, options.limit)),
        data.name,
        licence=LICENCE,
        origin=f"Cycles, Blender {bpy.app.version_string}, {options.samples} samples, denoised; "
        f"LiveHand's built-in hand, identity {options.identity}",
        identity=options.identity,
    )


def set_up_scene(options: argparse.Namespace) -> Any:
    """An empty file with studio light."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    scene = bpy.context.scene
    add_studio(scene)
    configure_cycles(scene, options.samples, (options.width, options.height))
    prepare_output(scene, (options.width, options.height))
    # The denoiser's quick network costs a third of its best one, and a small hand shows no difference.
    scene.cycles.denoising_quality = "FAST"
    return scene


def capture(options: argparse.Namespace) -> None:
    """Render every image of the plan that is not there yet."""
    folder: Path = options.folder
    plan = make_plan(options)
    scene = set_up_scene(options)
    light = None
    if options.many_lights:
        studio = studio_light()
        plan, lights = light_shots(plan, studio, np.array(CENTRE), options.seed, read_panoramas(options.hdris))
        light = LightStage(scene, plan, lights, options.samples, options.test_samples)
    else:
        plan = replace(plan, lights=(CaptureLight(studio_light(), "studio"),))
    began = time.monotonic()
    kept = sum(plan.is_test(shot) for shot in plan.order)
    print(
        f"{len(plan.rig.cameras)} cameras, {len(plan.poses)} poses, {len(plan.order)} images: "
        f"{len(plan.order) - kept} to train on, {kept} to test with",
        flush=True,
    )

    def progress(done: int, count: int) -> bool:
        spent = time.monotonic() - began
        if done and done % TELL_EVERY == 0:
            each = spent / done
            left = each * (count - done) / 60.0
            print(f"{done} of {count} images, {each:.2f} s each, {left:.1f} min left", flush=True)
        if options.minutes and spent > 60.0 * options.minutes:
            print(f"the time of {options.minutes:g} minutes is over", flush=True)
            return False
        return True

    hand = StudioHand(scene, options.identity)
    made = shoot(scene, plan, folder, hand, builtin_hand("right"), progress=progress, light=light)
    print(f"{made} images in {folder}", flush=True)


def parse(arguments: list[str]) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m livehand_blender.capture",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="the capture's folder")
    parser.add_argument(
        "--identity",
        default=DEFAULT_LOOK,
        help=f"whose hand: skin, nails and shape: {', '.join(LOOKS)}, or {DRAWN}N for one that is drawn",
    )
    parser.add_argument("--cameras", type=int, default=100)
    parser.add_argument("--poses", type=int, default=112)
    parser.add_argument("--held-out-cameras", type=int, default=6)
    parser.add_argument("--held-out-poses", type=int, default=8)
    parser.add_argument("--cameras-per-pose", type=int, default=12, help="training cameras that see a training pose")
    parser.add_argument("--extra", type=int, default=3, help="views of each held-out pose or camera, new in that alone")
    parser.add_argument("--width", type=int, default=334)
    parser.add_argument("--height", type=int, default=512)
    parser.add_argument("--samples", type=int, default=8, help="paths a pixel before denoising")
    parser.add_argument(
        "--many-lights",
        action="store_true",
        help="each picture in a light of its own: soft lamps, skies, suns; tests in lights that are not trained in",
    )
    parser.add_argument(
        "--hdris", type=Path, help="folder of panoramas (.exr, .hdr) for tests; by default those that Blender brings"
    )
    parser.add_argument("--test-samples", type=int, default=64, help="of test pictures under many lights")
    parser.add_argument("--minutes", type=float, default=0.0, help="stop after this long; 0 renders all")
    parser.add_argument("--limit", type=int, default=0, help="only the first images of the plan; 0 for all")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(arguments)
