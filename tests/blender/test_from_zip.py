"""From the shipped zip and an empty folder to a picture, as a new user goes: nothing of the checkout takes part."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from build_extension import build

from tests.blender.helpers import run_python

pytestmark = [pytest.mark.bpy, pytest.mark.slow]

FIRST_CONTACT = """
import json, os, sys, time
import bpy

zip_path, base, out = sys.argv[1:]
bpy.context.preferences.system.use_online_access = True
bpy.ops.extensions.package_install_files(filepath=zip_path, repo="user_default", enable_on_install=True)
bpy.ops.preferences.addon_enable(module="bl_ext.user_default.livehand")
bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
began = time.monotonic()
print("MADE", bpy.ops.livehand.environment_make(base=base))
made = time.monotonic() - began
bpy.ops.livehand.add_hand(location=(0, 0, 0))
scene = bpy.context.scene
camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
scene.collection.objects.link(camera)
camera.location, camera.rotation_euler = (-0.09, -0.5, 0.0), (1.5707963, 0.0, 0.0)
scene.camera = camera
bpy.ops.livehand.use_engine()
scene.render.film_transparent = True
scene.render.resolution_x, scene.render.resolution_y = 128, 96
scene.render.filepath = out
began = time.monotonic()
rendered = bpy.ops.render.render(write_still=True)
first = time.monotonic() - began
from bl_ext.user_default.livehand.preferences import made_environment
from bl_ext.user_default.livehand.render import session
from bl_ext.user_default.livehand.environment.recipe import read_stamp
info, stamp = session.engine_client().info, read_stamp(made_environment())
print("SEEN " + json.dumps({
    "rendered": sorted(rendered), "made": made, "first": first, "interpreter": str(info.interpreter),
    "environment": str(made_environment()), "torch": info.torch_version, "megabytes": stamp.megabytes,
    "parts": [stamp.training, stamp.tracking],
}))
print("DOCTOR", bpy.ops.livehand.doctor())
bpy.ops.preferences.addon_disable(module="bl_ext.user_default.livehand")
sys.stdout.flush()
os._exit(0)
"""


@pytest.fixture(scope="module")
def index() -> None:
    """Leaves the test out, and says so, where pip finds no packages."""
    asked = ["install", "--dry-run", "--ignore-installed", "--no-deps", "--retries", "1", "--timeout", "20", "llvmlite"]
    done = subprocess.run([sys.executable, "-m", "pip", *asked], capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        pytest.skip(f"pip has no package index to install the engine's libraries from: {reason}")


@pytest.mark.timeout(1500)
def test_a_new_user_comes_from_the_zip_to_a_picture(index: None, tmp_path: Path) -> None:
    archive = build(tmp_path / "dist", tmp_path / "tree")
    script = tmp_path / "first_contact.py"
    script.write_text(FIRST_CONTACT)
    user = tmp_path / "user"
    user.mkdir()
    variables = {"BLENDER_USER_RESOURCES": str(user), "PYTHONPATH": "", "PYTHONSAFEPATH": "1", "LIVEHAND_PYTHON": ""}
    # No caches of this machine's either: they would have the kernels already.
    variables |= {"LIVEHAND_CACHE": str(tmp_path / "cache"), "NUMBA_CACHE_DIR": ""}
    base = Path(sys.base_prefix) / ("python.exe" if sys.platform == "win32" else "bin/python3")
    arguments = [script, archive, base, tmp_path / "out.png"]
    answer = run_python(*arguments, environment=variables, limit=1400.0, folder=tmp_path)
    assert answer.returncode == 0 and "MADE {'FINISHED'}" in answer.stdout, answer.stdout + answer.stderr
    seen = json.loads(next(line for line in answer.stdout.splitlines() if line.startswith("SEEN "))[5:])
    print(seen)
    assert seen["rendered"] == ["FINISHED"], answer.stdout + answer.stderr
    assert seen["interpreter"].startswith(seen["environment"]) and seen["environment"].startswith(str(user))
    # Nothing but rendering was asked for: neither torch nor the tracker comes.
    assert seen["torch"] == "" and seen["parts"] == [False, False] and seen["megabytes"] < 450, seen
    brought = {path.name for path in Path(seen["environment"]).rglob("site-packages/*")}
    assert "numba" in brought and not brought & {"torch", "cv2", "ai_edge_litert", "mediapipe", "scipy"}, brought
    assert "problem" not in answer.stdout.partition("DOCTOR")[0], answer.stdout
    from PIL import Image

    with Image.open(tmp_path / "out.png") as picture:
        alpha = np.asarray(picture.convert("RGBA"))[..., 3]
    assert 0.02 < (alpha > 128).mean() < 0.9
