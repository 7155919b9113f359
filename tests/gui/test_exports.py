"""Splats are written beside a window that stays usable, and ESC cancels them."""

from __future__ import annotations

from tests.gui.stage import Stage

WRITE = (
    "from pathlib import Path\n"
    "path = Path(bpy.app.tempdir) / 'hand.ply'\n"
    "bpy.ops.livehand.export_splats('EXEC_DEFAULT', filepath=str(path), count=2000, steps=100000)\n"
)
"""As Blender runs the operator when a file was chosen."""

STATE = (
    "import sys\n"
    "from pathlib import Path\n"
    "task = sys.modules[f'{name}.background'].task('mesh')\n"
    "result = [task.running, task.text, task.was_cancelled, (Path(bpy.app.tempdir) / 'hand.ply').exists()]\n"
)


def test_splats_are_fitted_in_the_background_until_escape(stage: Stage) -> None:
    from gui.window import ADDON

    stage.hand()
    stage.python(WRITE)
    assert stage.python(STATE, name=ADDON)[0], "the window waited for the splats"
    fitting = "Fitting splats"
    assert stage.blender.wait_for(lambda: stage.python(STATE, name=ADDON)[1] == fitting, 400.0)
    stage.blender.shot("exports_splats")
    stage.display.move(*stage.middle())
    stage.display.focus()
    stage.display.key("Escape")
    assert stage.blender.wait_for(lambda: not stage.python(STATE, name=ADDON)[0], 30.0)
    assert stage.python(STATE, name=ADDON)[2:] == [True, False]
