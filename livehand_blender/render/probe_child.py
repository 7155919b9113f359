"""A Blender of its own that renders small panoramas from where hands are. Run as a script by render/prober.

    blender -b --python probe_child.py

It reads the names of jobs from its input, one a line, until that ends. A job, a file of JSON, names a .blend file and
its scene, and for each panorama a frame, a point, a file and what is not to be seen.
"""

import json
import math
import os
import sys
import traceback
from pathlib import Path
from typing import Any

import bpy
import numpy as np


def main() -> None:
    """Do one job after another."""
    for line in sys.stdin:
        render_panoramas(Path(line.strip()))
        # What render/prober waits for.
        print("LiveHand probe over", flush=True)


def render_panoramas(path: Path) -> None:
    """Do a job."""
    # render/probe wrote it a moment ago into a folder of its own.
    text = path.read_text(encoding="utf-8")
    job = json.loads(text)
    bpy.ops.wm.open_mainfile(filepath=job["blend"], load_ui=False)
    scene = bpy.data.scenes[job["scene"]]
    if bpy.context.window is not None:
        bpy.context.window.scene = scene
    eye = set_up(scene, job)
    meshes = {obj: obj.hide_render for obj in map(bpy.data.objects.get, job["meshes"]) if obj is not None}
    for number, shot in enumerate(job["shots"]):
        scene.frame_set(shot["frame"])
        for mesh, hidden in meshes.items():
            # Not the hand itself, but the other hands, which compositing may have hidden from cameras.
            mesh.hide_render, mesh.visible_camera = hidden or mesh.name in shot["own"], True
        eye.location = shot["point"]
        scene.render.filepath = shot["file"]
        bpy.ops.render.render(write_still=True, scene=scene.name)
        write_numbers(shot["file"])
        # What render/probe takes for progress.
        print(f"LiveHand probe {number + 1}", flush=True)


def write_numbers(file: str) -> None:
    """The picture as a NumPy file (H, W, 3), first row on top, which the other side reads without Blender's help."""
    image = bpy.data.images.load(file, check_existing=False)
    width, height = image.size
    pixels = np.empty(width * height * image.channels, dtype=np.float32)
    image.pixels.foreach_get(pixels)
    np.save(Path(file).with_suffix(".npy"), pixels.reshape(height, width, image.channels)[::-1, :, :3])
    bpy.data.images.remove(image)


def set_up(scene: Any, job: dict[str, Any]) -> Any:
    """A panoramic camera whose middle looks along +x, and Cycles without lamps in its sight."""
    lens = bpy.data.cameras.new("LiveHand probe")
    eye = bpy.data.objects.new("LiveHand probe", lens)
    scene.collection.objects.link(eye)
    lens.type = "PANO"
    # A property of the camera since Blender 5.0, of Cycles' part of it before.
    owner = lens if hasattr(lens, "panorama_type") else lens.cycles
    owner.panorama_type = "EQUIRECTANGULAR"
    lens.clip_start = 0.001
    eye.rotation_euler = (0.5 * math.pi, 0.0, -0.5 * math.pi)
    scene.camera = eye
    for obj in scene.objects:
        if obj.type == "LIGHT":
            # What it lights is seen, it is not: lamps are known by their own measures.
            obj.visible_camera = False
    render = scene.render
    render.engine = "CYCLES"
    scene.cycles.device = "CPU"
    scene.cycles.samples, scene.cycles.use_denoising, scene.cycles.use_adaptive_sampling = job["samples"], False, False
    scene.cycles.seed = 1
    render.resolution_x, render.resolution_y, render.resolution_percentage = 2 * job["rows"], job["rows"], 100
    render.use_border = render.film_transparent = render.use_compositing = render.use_sequencer = False
    render.use_motion_blur = render.use_multiview = render.use_stamp = False
    settings = render.image_settings
    if hasattr(settings, "media_type"):
        settings.media_type = "IMAGE"
    settings.file_format, settings.color_depth, settings.color_mode = "OPEN_EXR", "32", "RGB"
    return eye


if __name__ == "__main__":
    status = 0
    try:
        main()
    except Exception:
        traceback.print_exc(file=sys.stdout)
        status = 1
    sys.stdout.flush()
    # Blender's own way out is slow, and as a module not safe.
    os._exit(status)
