"""The capture's own Blender: opens the copy of the scene and photographs it. Run as a script by capture/process.

    blender -b --python child.py -- PACKAGE SCENE.blend SCENE RIG FOLDER

It lives by itself: files in the folder tell how far it is, and what it is told.
"""

import importlib
import os
import sys
from pathlib import Path
from typing import NoReturn


def main() -> int:
    """Photograph; 0 when all is there or it was stopped, 3 when it failed."""
    package, blend, scene, rig, folder = sys.argv[sys.argv.index("--") + 1 :]
    _enable(package)
    photographs = importlib.import_module(f"{package}.capture.photographs")
    return int(photographs.make(Path(blend), scene, rig, Path(folder)))


def _enable(package: str) -> None:
    if package.startswith("bl_ext."):
        import addon_utils

        if not addon_utils.check(package)[1]:
            addon_utils.enable(package, default_set=False)
        return
    # From a checkout: the folder that holds the package is shown to this Python.
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    importlib.import_module(package).register()


def _end(status: int) -> NoReturn:
    lifecycle = sys.modules.get(f"{sys.argv[sys.argv.index('--') + 1]}.lifecycle")
    if lifecycle is not None:
        lifecycle.end_process(status)
    # The add-on could not be enabled: Blender has not begun anything.
    sys.stdout.flush()
    os._exit(status)


if __name__ == "__main__":
    _end(main())
