"""The capture's own Blender: opens the copy of the scene and photographs it. Run as a script by capture/process.

    blender -b --python child.py -- PACKAGE SCENE.blend SCENE RIG FOLDER

It tells its progress in lines that begin with "LIVEHAND", and ends when its standard input does.
"""

import importlib
import json
import os
import sys
import threading
from pathlib import Path
from typing import Any, NoReturn

import bpy


def main() -> int:
    """Photograph; 0 when all is there, 3 when it failed (the last line says why)."""
    package, blend, scene_name, rig_name, folder = sys.argv[sys.argv.index("--") + 1 :]
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    _enable(package)
    try:
        bpy.ops.wm.open_mainfile(filepath=blend, load_ui=False)
        scene, rig = bpy.data.scenes[scene_name], bpy.data.objects[rig_name]
        if bpy.context.window is not None:
            bpy.context.window.scene = scene
        capture = importlib.import_module(f"{package}.capture.process")
        made = capture.photograph(scene, rig, Path(folder), _say)
    except Exception as error:
        # Also what a bug raises must reach the Blender that waits.
        if not hasattr(error, "remedy"):
            import traceback

            traceback.print_exc()
        _say({"error": str(error) or type(error).__name__, "remedy": ""})
        return 3
    _say({"made": made})
    return 0


def _enable(package: str) -> None:
    if package.startswith("bl_ext."):
        import addon_utils

        if not addon_utils.check(package)[1]:
            addon_utils.enable(package, default_set=False)
        return
    # From a checkout: the folder that holds the package is shown to this Python.
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    importlib.import_module(package).register()


def _say(document: dict[str, Any]) -> None:
    print(f"\nLIVEHAND {json.dumps(document)}", flush=True)


def _end(status: int) -> NoReturn:
    lifecycle = sys.modules.get(f"{sys.argv[sys.argv.index('--') + 1]}.lifecycle")
    if lifecycle is not None:
        lifecycle.end_process(status)
    # The add-on could not be enabled: Blender has not begun anything.
    sys.stdout.flush()
    os._exit(status)


def _end_with_parent() -> None:
    while os.read(0, 4096):
        pass
    _end(4)


if __name__ == "__main__":
    _end(main())
