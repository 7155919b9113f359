"""How the add-on leaves Blender: not in the middle of a render, and without a trace. Called by __init__."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import bpy

PATIENCE_SECONDS = 0.5
"""Between two looks whether the running render has ended."""

_timer: Any = None


def arrived(leave: Callable[[], None]) -> None:
    """The add-on is registered: see to it that it leaves before the interpreter ends.

    Blender as a module unloads after Python does; a render engine that is still registered then hangs it. A real
    Blender switches add-ons off before.
    """
    if not bpy.app.binary_path:
        atexit.register(leave)
        _end_before_blender()


def postponed(leave: Callable[[], None]) -> bool:
    """Whether a running render keeps the add-on; then ``leave`` is called once that has ended.

    The render job's thread is inside the render engine's class, which Blender frees with the registration.
    """
    global _timer
    if bpy.app.background or not bpy.app.is_job_running("RENDER"):
        return False
    _hold_engine(True)

    def look() -> float | None:
        global _timer
        if bpy.app.is_job_running("RENDER"):
            return PATIENCE_SECONDS
        _timer = None
        leave()
        return None

    _timer = look
    bpy.app.timers.register(look, first_interval=PATIENCE_SECONDS, persistent=True)
    _say("LiveHand is switched off as soon as the running render has ended.")
    return True


def stays() -> bool:
    """Whether the add-on was about to leave, is registered yet, and now stays."""
    global _timer
    if _timer is None:
        return False
    bpy.app.timers.unregister(_timer)
    _timer = None
    _hold_engine(False)
    return True


def gone(leave: Callable[[], None]) -> None:
    """The add-on is unregistered: leave no module behind that a newer version could meet.

    Blender forgets an extension's own modules on an upgrade, but not those of its wheel. All of them go together, since
    classes of two loads do not know each other.
    """
    atexit.unregister(leave)
    package = __package__ or ""
    if package.startswith("bl_ext."):
        for name in [name for name in sys.modules if name.startswith((package + ".", "livehand_core"))]:
            del sys.modules[name]


def _hold_engine(held: bool) -> None:
    from .render import session

    session.hold(held)


def _end_before_blender() -> None:
    """Have the process end, with its own status, before the library of Blender tears itself down.

    As a module, Blender 4.2 crashes there after any add-on that has a property with an update function, and 4.5 waits
    for ever for a thread of its own when Python's last garbage collection has left some of its objects alive.
    """
    if sys.platform != "linux":
        return
    import ctypes

    library = ctypes.CDLL(None)
    if hasattr(library, "on_exit"):
        # Runs before what was registered earlier, such as Blender's, and gets the status as its first argument.
        library.on_exit(library._exit, None)
        atexit.register(library.fflush, None)
        atexit.register(remove_session_folder)


def end_process(status: int) -> NoReturn:
    """End a Blender without a window at once, with nothing left behind.

    Blender's own way out is slow, and as a module it hangs or crashes with a render engine registered.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    remove_session_folder()
    os._exit(status)


def remove_session_folder() -> None:
    """Remove the folder that Blender made for this process in the system's temporary one; only for its last moment.

    Blender does so itself where it ends by itself, and nobody does where its process is ended before.
    """
    folder = Path(bpy.app.tempdir)
    # Where Blender could not make one of its own it names the one that all programs share.
    if folder.name.startswith("blender_"):
        shutil.rmtree(folder, ignore_errors=True)


def _say(text: str) -> None:
    print(text, flush=True)
    if bpy.context.window is not None:
        bpy.context.window_manager.popup_menu(lambda menu, _: menu.layout.label(text=text), title="LiveHand")
