"""The extension's life in one Blender: for ``blender_matrix.py`` and tests/blender/test_extension.py.

    PYTHON_WITH_BPY scripts/matrix_lifecycle.py older.zip newer.zip changed.zip
    PYTHON_WITH_BPY scripts/matrix_lifecycle.py --install livehand.zip
    PYTHON_WITH_BPY scripts/matrix_lifecycle.py --enable

The first installs, upgrades, installs the same version with another content, disables, enables and uninstalls; the
last measures how long enabling takes in a Blender that has just started, after the second. BLENDER_USER_RESOURCES must
name a folder that is empty at first. The last line on standard output is JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

MODULE = "bl_ext.user_default.livehand"


def main(arguments: list[str]) -> dict[str, Any]:
    """Do what the command line says; what was seen."""
    if arguments[0] == "--enable":
        return enabling()
    if arguments[0] == "--install":
        _install(arguments[1])
        return {}
    return life(*arguments)


def life(older: str, newer: str, changed: str) -> dict[str, Any]:
    """Go through everything; what was seen at each station."""
    import bpy

    seen: dict[str, Any] = {"clean": _hooks()}
    _install(older)
    seen["older"] = _version()
    _add_hand()
    _install(newer)
    seen["newer"] = _version()
    _add_hand()
    _install(changed)
    seen["changed"] = _version()
    seen["hooks"] = _hooks()
    for _ in range(3):
        bpy.ops.preferences.addon_disable(module=MODULE)
        seen["disabled"] = _hooks()
        bpy.ops.preferences.addon_enable(module=MODULE)
    seen["again"] = _hooks()
    _add_hand()
    log = import_module(f"{MODULE}.preferences").log_path()
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("a log", encoding="utf-8")
    repositories = [repository.module for repository in bpy.context.preferences.extensions.repos]
    bpy.ops.extensions.package_uninstall(repo_index=repositories.index("user_default"), pkg_id="livehand")
    seen["uninstalled"] = _hooks()
    folder = Path(os.environ["BLENDER_USER_RESOURCES"])
    named = [path for path in folder.rglob("*livehand*") if "__pycache__" not in path.parts]
    seen["left"] = sorted(str(path.relative_to(folder)) for path in named)
    return seen


def enabling() -> dict[str, Any]:
    """Seconds that enabling takes (by the clock and of this thread), its files being there, and what it imported."""
    import bpy

    # Blender's own module, found only once Blender is imported.
    addon_utils = import_module("addon_utils")
    started, busy = time.perf_counter(), time.thread_time()
    addon_utils.enable(MODULE, default_set=True)
    seconds, processor = time.perf_counter() - started, time.thread_time() - busy
    heavy = sorted({"torch", "smplx", "scipy", "PIL", "numba", "safetensors"} & set(sys.modules))
    enabled = hasattr(bpy.types, "LIVEHAND_PT_hand")
    return {"seconds": round(seconds, 3), "processor": round(processor, 3), "enabled": enabled, "heavy": heavy}


def _install(archive: str) -> None:
    import bpy

    bpy.ops.extensions.package_install_files(filepath=archive, repo="user_default", enable_on_install=True)
    if MODULE not in bpy.context.preferences.addons:
        bpy.ops.preferences.addon_enable(module=MODULE)


def _version() -> list[str]:
    """Versions of the manifest on disk and of the core in memory, and the core's mark if it bears one."""
    import tomllib

    core = import_module("livehand_core")
    package = Path(str(sys.modules[MODULE].__file__)).parent
    manifest = tomllib.loads((package / "blender_manifest.toml").read_text(encoding="utf-8"))
    return [manifest["version"], core.__version__, getattr(core, "MARK", "")]


def _add_hand() -> None:
    import bpy

    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    assert bpy.ops.livehand.add_hand() == {"FINISHED"}


def _hooks() -> dict[str, int]:
    """What the add-on hangs into Blender: numbers of its classes, menu entries, handlers, loaded modules."""
    import bpy

    handlers = [getattr(bpy.app.handlers, name) for name in dir(bpy.app.handlers) if not name.startswith("_")]
    ours = [call for calls in handlers if isinstance(calls, list) for call in calls if "livehand" in call.__module__]
    menus = [getattr(getattr(kind, "draw", None), "_draw_funcs", ()) for kind in _menus()]
    engines = [
        panel for panel in bpy.types.Panel.__subclasses__() if "LIVEHAND" in getattr(panel, "COMPAT_ENGINES", ())
    ]
    return {
        "classes": len([name for name in dir(bpy.types) if "livehand" in name.lower()]),
        "operators": len([name for name in dir(bpy.ops.livehand) if not name.startswith("_")]),
        "panels of the engine": len({panel.__name__ for panel in engines if panel.is_registered}),
        "handlers": len(ours),
        "menu entries": sum("livehand" in call.__module__ for calls in menus for call in calls),
        "properties": sum(
            hasattr(kind, "livehand") for kind in (bpy.types.Object, bpy.types.ViewLayer, bpy.types.Scene)
        ),
    }


def _menus() -> list[Any]:
    import bpy

    kinds = [getattr(bpy.types, name) for name in dir(bpy.types)]
    return [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, (bpy.types.Menu, bpy.types.Panel))]


if __name__ == "__main__":
    try:
        print(json.dumps(main(sys.argv[1:])))
        status = 0
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        status = 1
    # The add-on sees to the end of a Blender that it was registered in.
    sys.exit(status)
