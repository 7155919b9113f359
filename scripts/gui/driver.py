"""Runs inside Blender: ``blender -P driver.py -- FOLDER``. A timer takes requests from FOLDER and answers them there.

A request is ``N.request.json`` {"step": name, "values": {...}}, its answer ``N.answer.json`` {"result": ...} or
{"error": text}. Steps are the public functions of ``steps.py``. Uses nothing but Blender's own Python.
"""

from __future__ import annotations

import inspect
import json
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import bpy

sys.path.insert(0, str(Path(__file__).resolve().parent))
import steps

POLL_SECONDS = 0.02
WATCHED = ("render_init", "render_complete", "render_cancel", "load_post", "undo_post")

folder = Path(sys.argv[sys.argv.index("--") + 1])
expected = 1


def look() -> float:
    """Answer the next request if it is there."""
    global expected
    request = folder / f"{expected}.request.json"
    if request.exists():
        number, expected = expected, expected + 1
        answer = perform(json.loads(request.read_text(encoding="utf-8")))
        temporary = folder / f"{number}.tmp"
        temporary.write_text(json.dumps(answer), encoding="utf-8")
        temporary.replace(folder / f"{number}.answer.json")
    return POLL_SECONDS


def perform(request: dict[str, Any]) -> dict[str, Any]:
    """Run one step; whatever goes wrong is part of the answer."""
    name = request["step"]
    function = getattr(steps, name, None)
    if name.startswith("_") or not inspect.isfunction(function):
        return {"error": f"there is no step {name!r}"}
    started = time.perf_counter()
    try:
        result = function(**request["values"])
    except Exception:
        return {"error": traceback.format_exc()}
    return {"result": result, "seconds": time.perf_counter() - started}


def watch(name: str) -> None:
    """Have Blender's handler of that name leave a line in ``steps.events``."""

    @bpy.app.handlers.persistent
    def note(*_: object) -> None:
        steps.events.append({"name": name, "at": time.time()})

    getattr(bpy.app.handlers, name).append(note)


for handler in WATCHED:
    watch(handler)
view = bpy.context.preferences.view
view.show_splash = False
view.render_display_type = "AREA"
if hasattr(view, "use_save_prompt"):
    view.use_save_prompt = False
bpy.context.preferences.use_preferences_save = False
bpy.app.timers.register(look, first_interval=0.5, persistent=True)
(folder / "started").write_text(str(os.getpid()), encoding="utf-8")
