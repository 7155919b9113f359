"""Which Python the add-on's processes run on, as the preferences say: looked up later, on another thread."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from livehand_core.engine.interpreters import find_interpreter

from .preferences import interpreter_preference, made_environment


def tracker_python() -> Callable[[], Path]:
    """What finds the Python that has what tracking needs; raises EngineError with what to install."""
    preference, made = interpreter_preference(), made_environment()
    return lambda: find_interpreter(preference, made, "tracking").path
