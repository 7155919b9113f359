"""F12 in the window; and the same frame from viewport, F12, background and plain Python."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import environment
import numpy as np
import pytest
from gui import look
from image_checks import describe, load_rgb

from tests.gui.stage import Stage

ONE_LEVEL = 1.5 / 255.0
"""Two pictures of 8 bits agree when no channel differs by more than one level."""

RIM = 48
"""Pixels of the view's rim that are left out of the comparison."""

SAVE_RESULT = (
    "scene = bpy.context.scene\n"
    "settings = scene.render.image_settings\n"
    "if hasattr(settings, 'media_type'):\n"
    "    settings.media_type = 'IMAGE'\n"
    "settings.file_format, settings.color_mode, settings.color_depth = 'PNG', 'RGB', '8'\n"
    "bpy.data.images['Render Result'].save_render(path, scene=scene)\n"
)

IN_THE_BACKGROUND = """
import sys
import bpy
bpy.context.scene.render.filepath = sys.argv[sys.argv.index("--") + 1]
bpy.ops.render.render(write_still=True)
"""

READ_REQUEST = """
import json
from bl_ext.user_default.livehand.render.camera import read_view
from bl_ext.user_default.livehand.render.scene import frame_request
graph = bpy.context.evaluated_depsgraph_get()
scene = graph.scene_eval
result = frame_request(graph, read_view(scene, scene.camera.evaluated_get(graph))).to_json()
"""


def test_f12_shows_the_hand(stage: Stage) -> None:
    stage.hand()
    stage.camera()
    stage.live()
    stage.python("render = bpy.context.scene.render\nrender.resolution_x, render.resolution_y = 512, 334")
    stage.display.move(*stage.middle())
    stage.display.key("F12")
    assert stage.happened("render_complete"), stage.blender.ask("history")
    stage.blender.still()
    image = stage.blender.shot("f12")
    box = stage.blender.ask("region_box", area="IMAGE_EDITOR")
    shown = look.skin(look.crop(image, box))
    assert shown.sum() > 8000, "the render's picture shows no hand"
    path = stage.blender.folder / "f12.png"
    stage.python(SAVE_RESULT, path=str(path))
    assert describe(path).shows_hand, describe(path)
    stage.display.key("Escape")


@pytest.fixture
def pictures_of_one_frame(stage: Stage) -> dict[str, np.ndarray]:
    """The same frame by every way, (H, W, 3) sRGB."""
    folder = stage.blender.folder / "parity"
    folder.mkdir(exist_ok=True)
    rig = stage.hand()
    stage.camera()
    stage.python(
        "bpy.ops.livehand.pose_preset(gesture='PINCH')\n"
        "bpy.ops.livehand.use_engine()\n"
        "scene = bpy.context.scene\n"
        "scene.render.dither_intensity = 0.0\n"
        "world = bpy.data.worlds.new('Black')\n"
        "world.color = (0.0, 0.0, 0.0)\n"
        "for node in world.node_tree.nodes if world.node_tree else ():\n"
        "    if node.type == 'BACKGROUND':\n"
        "        node.inputs['Color'].default_value = (0.0, 0.0, 0.0, 1.0)\n"
        "scene.world = world\n"
        "gradients = bpy.context.preferences.themes[0].view_3d.space.gradients\n"
        "gradients.background_type, gradients.high_gradient = 'SINGLE_COLOR', (0.0, 0.0, 0.0)\n"
    )
    stage.live()
    stage.blender.ask("frame_camera")
    # Nothing but the picture lies over the view.
    stage.python(
        "space = bpy.context.space_data\n"
        "for part in ('header', 'tool_header', 'toolbar', 'hud'):\n"
        "    setattr(space, f'show_region_{part}', False)\n"
    )
    size = stage.blender.ask("frame_camera")
    assert stage.shows(rig), stage.matched(rig)
    stage.blender.still(calm=3.0)
    pictures = {"viewport": look.crop(stage.blender.shot("parity_viewport"), stage.box())}
    assert pictures["viewport"].shape[:2] == (size[1], size[0])

    request = stage.python(READ_REQUEST)
    stage.display.move(*stage.middle())
    stage.display.key("F12")
    assert stage.happened("render_complete"), stage.blender.ask("history")
    stage.python(SAVE_RESULT, path=str(folder / "f12.png"))
    pictures["F12"] = load_rgb(folder / "f12.png")
    stage.display.key("Escape")

    stage.python("bpy.ops.wm.save_as_mainfile(filepath=path, copy=True)", path=str(folder / "frame.blend"))
    script = folder / "background.py"
    script.write_text(IN_THE_BACKGROUND, encoding="utf-8")
    out = folder / "background.png"
    blend = str(folder / "frame.blend")
    stage.blender.background(blend, "--python-exit-code", "1", "--python", str(script), "--", str(out))
    pictures["background"] = load_rgb(out)
    pictures["plain Python"] = _plain_python(request, folder)
    return pictures


def test_every_way_gives_the_same_picture(pictures_of_one_frame: dict[str, np.ndarray]) -> None:
    reference = pictures_of_one_frame.pop("plain Python")
    assert look.skin(reference).mean() > 0.03
    # Blender draws rounded corners and arrows over the view's rim.
    height, width = reference.shape[:2]
    inner = (RIM, RIM, width - RIM, height - RIM)
    found = {
        name: look.difference(look.crop(picture, inner), look.crop(reference, inner))
        for name, picture in pictures_of_one_frame.items()
    }
    print({name: f"{255 * largest:.1f}/255, {100 * part:.3f} %" for name, (largest, part) in found.items()})
    assert all(largest <= ONE_LEVEL for largest, _ in found.values()), found


def _plain_python(request: dict[str, object], folder: Path) -> np.ndarray:
    """The engine alone, in a Python without Blender, on black: 8-bit sRGB as (H, W, 3)."""
    code = (
        "import json, sys\n"
        "import numpy as np\n"
        "from livehand_core.engine.client import EngineClient\n"
        "from livehand_core.frames import FrameRequest\n"
        "request = FrameRequest.from_json(json.load(open(sys.argv[1])))\n"
        "client = EngineClient(sys.executable)\n"
        "np.save(sys.argv[2], client.render(request)['rgba'])\n"
        "client.close()\n"
    )
    (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
    target = folder / "plain.npy"
    python = str(environment.venv_python(environment.VENV))
    subprocess.run([python, "-c", code, str(folder / "request.json"), str(target)], check=True, cwd=environment.ROOT)
    rgba = np.load(target).astype(np.float64)
    linear = np.clip(rgba[..., :3], 0.0, 1.0)
    encoded = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1.0 / 2.4) - 0.055)
    return np.rint(encoded * 255.0) / 255.0
