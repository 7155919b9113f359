"""The demo scene inside Blender: it is animated, and the camera keeps the whole hand in the picture."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PROBE = """
import json, sys
sys.path[:0] = [{root!r}, {scripts!r}]
import bpy
from bpy_extras.object_utils import world_to_camera_view
import livehand_blender, demo_scene
livehand_blender.register()
scene = demo_scene.build(side={side!r})
rig = next(thing for thing in scene.objects if thing.type == "ARMATURE")
proxy = next(child for child in rig.children if child.type == "MESH")
frames = []
for frame in range(1, demo_scene.FRAMES + 1, 5):
    scene.frame_set(frame)
    mesh = proxy.evaluated_get(bpy.context.evaluated_depsgraph_get())
    seen = [world_to_camera_view(scene, scene.camera, mesh.matrix_world @ v.co) for v in list(mesh.data.vertices)[::7]]
    frames.append([min(p.x for p in seen), max(p.x for p in seen), min(p.y for p in seen), max(p.y for p in seen)])
render = scene.render
print("PROBE " + json.dumps({{"frames": frames, "engine": render.engine, "format": render.image_settings.file_format,
    "size": [render.resolution_x, render.resolution_y], "range": [scene.frame_start, scene.frame_end]}}))
"""


@pytest.mark.bpy
@pytest.mark.parametrize("side", ["RIGHT", "LEFT"])
def test_scene(side: str) -> None:
    code = PROBE.format(root=str(ROOT), scripts=str(ROOT / "scripts"), side=side)
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    line = next((line for line in answer.stdout.splitlines() if line.startswith("PROBE ")), None)
    assert line is not None, answer.stdout + answer.stderr
    probe = json.loads(line.removeprefix("PROBE "))
    assert (probe["engine"], probe["format"]) == ("LIVEHAND", "FFMPEG")
    assert (probe["size"], probe["range"]) == ([512, 334], [1, 72])
    for left, right, bottom, top in probe["frames"]:
        assert min(left, bottom) > 0.02 and max(right, top) < 0.98
        assert top - bottom > 0.3
    heights = [top - bottom for _, _, bottom, top in probe["frames"]]
    assert max(heights) - min(heights) > 0.15, "the hand opens and closes"
