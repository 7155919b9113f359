"""Scenes for these tests, and Blender scripts in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]

WORKER = """
import sys, time
from pathlib import Path
from livehand_core.training.control import RunStatus, locked
from livehand_core.training.monitor import Monitor
run = Path(sys.argv[sys.argv.index("--out") + 1])
with locked(run):
    monitor = Monitor(run, RunStatus("starting", "worker"), lambda: False)
    monitor.tell(state="training")
    while not monitor.stop_asked():
        monitor.point()
        time.sleep(0.05)
    monitor.close("stopped")
"""
"""In place of the training command: a process that only tells how it stands and obeys orders."""


def make_scene(avatar: str | Path, side: str = "right", width: int = 72, height: int = 48) -> tuple[Any, Any]:
    """One hand before a camera, LiveHand as engine; gives (scene, armature)."""
    import bpy

    from livehand_blender.rig.armature import create_hand

    scene = bpy.context.scene
    rig = create_hand(bpy.context, side, avatar=str(avatar))
    lens = bpy.data.cameras.new("Camera")
    camera = bpy.data.objects.new("Camera", lens)
    scene.collection.objects.link(camera)
    camera.location = (-0.09 if side == "right" else 0.09, -0.5, 0.0)
    camera.rotation_euler = (np.pi / 2, 0.0, 0.0)
    scene.camera = camera
    render = scene.render
    render.engine = "LIVEHAND"
    render.resolution_x, render.resolution_y, render.resolution_percentage = width, height, 100
    render.film_transparent = True
    scene.view_settings.view_transform = "Standard"
    return scene, rig


def flat_world(colour: tuple[float, float, float]) -> Any:
    """A new world of one colour: its own, or its nodes' where a world always has nodes."""
    import bpy

    from livehand_blender import compat

    world = bpy.data.worlds.new("World")
    node = compat.world_background(world)
    if node is None:
        world.color = colour
    else:
        node.inputs["Color"].default_value = (*colour, 1.0)
    return world


def index_pass() -> str:
    """Name of the object index pass in this Blender."""
    from livehand_blender import compat

    return compat.OBJECT_INDEX_PASS


def render_exr(scene: Any, path: Path) -> dict[str, np.ndarray]:
    """Render a frame to a multilayer EXR and read it back: channel -> (H, W), the view layer's name left out."""
    import bpy

    from livehand_blender import compat
    from tests.blender.exr import read_exr

    compat.set_image_format(scene.render.image_settings, "OPEN_EXR_MULTILAYER")
    scene.render.filepath = str(path)
    assert bpy.ops.render.render(write_still=True) == {"FINISHED"}
    return {name.split(".", 1)[1]: image for name, image in read_exr(path).items()}


def run_python(
    *arguments: str | Path,
    environment: Mapping[str, str] | None = None,
    limit: float = 180.0,
    folder: Path = ROOT,
    **options: Any,
) -> subprocess.CompletedProcess[str]:
    """Run this Python with arguments in a process of its own, in a folder."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=limit,
        cwd=folder,
        env={**os.environ, **(environment or {})},
        **options,
    )
