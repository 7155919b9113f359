"""Builds a foot with toes, nails and lower leg, rigged, in three UV islands: ``python tools/build_foot.py foot.blend``.

The subject of the demonstration of *Make Avatar from Rigged Mesh* (docs/parts.md): an ordinary Blender file, our own
geometry and skin, CC0-1.0, deterministic. ``--capture FOLDER`` photographs it by that operator with the figures of the
demonstration. Needs bpy and scikit-image. About two minutes of one core.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import bpy

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

from foot_builder import rig, shape  # noqa: E402

import livehand_blender  # noqa: E402
from livehand_blender.parts.rigged import model_of  # noqa: E402


def build() -> Any:
    """The foot in a scene of its own."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    scene = bpy.context.scene
    vertices, faces = shape.build_mesh()
    mesh, _ = rig.add_foot(scene, vertices, faces)
    rig.add_material(mesh, *rig.images(model_of(mesh)[0], vertices))
    rig.add_light(scene)
    return mesh


def capture(folder: Path, samples: int) -> None:
    """*Make Avatar from Rigged Mesh*, as its button does it."""
    settings = bpy.context.scene.livehand_capture
    settings.camera_count, settings.pose_count, settings.cameras_per_pose = 72, 54, 6
    settings.held_out_cameras, settings.held_out_poses = 6, 6
    settings.width = settings.height = 352
    settings.samples, settings.licence = samples, "CC0-1.0"
    bpy.ops.livehand.part_capture(folder=str(folder))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="file to write")
    parser.add_argument("--capture", type=Path, help="folder to photograph it into")
    parser.add_argument("--samples", type=int, default=8, help="of Cycles, before denoising")
    args = parser.parse_args()
    start = time.monotonic()
    livehand_blender.register()
    if args.out.is_file():
        bpy.ops.wm.open_mainfile(filepath=str(args.out.resolve()))
    else:
        mesh = build()
        bpy.ops.wm.save_as_mainfile(filepath=str(args.out.resolve()))
        print(f"{len(mesh.data.vertices)} vertices, {len(mesh.data.polygons)} faces: {time.monotonic() - start:.0f} s")
    if args.capture is not None:
        bpy.context.view_layer.objects.active = bpy.data.objects["Foot"]
        capture(args.capture.resolve(), args.samples)
    livehand_blender.unregister()
    return 0


if __name__ == "__main__":
    sys.exit(main())
