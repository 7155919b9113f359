"""What the capture's own Blender does: it opens the copy of the scene, photographs it, and tells how far it is."""

from __future__ import annotations

import os
import time
import traceback
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import bpy

from livehand_core.captures.going import CaptureStatus, locked, write_status
from livehand_core.errors import LiveHandError
from livehand_core.processes import clear_order, read_order

from ..parts.capture import PartPlan, PartSubject, make_part_plan
from .lighting import many_lights, told_studio
from .planning import ScenePlan, make_plan
from .shoot import Subject, shoot
from .subjects import prepare_scene, show_alone

TELL_SECONDS = 0.5


class Teller:
    """Writes the status of a capture, at most twice a second while it goes on.

    Args:
        folder: of the capture, whose lock is held.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._status = CaptureStatus("going", pid=os.getpid())
        self._told = 0.0

    def say(self, message: str) -> None:
        """Say what is being done."""
        self._status = replace(self._status, message=message)
        write_status(self._folder, self._status)

    def count(self, made: int, planned: int) -> None:
        """Say how many pictures there are."""
        self._status = replace(self._status, made=made, planned=planned)
        if time.monotonic() - self._told >= TELL_SECONDS or made == planned:
            self._told = time.monotonic()
            # A full disk is found by the next picture; the status is not worth ending the capture.
            with suppress(LiveHandError):
                write_status(self._folder, self._status)

    def end(self, state: Any, message: str = "", made: int | None = None) -> None:
        """Say how it ended."""
        made = self._status.made if made is None else made
        write_status(self._folder, replace(self._status, state=state, message=message, made=made))


def make(blend: Path, scene_name: str, rig_name: str, folder: Path) -> int:
    """Photograph what the file shows; 0 when all is there or it was stopped, 3 when it failed."""
    try:
        with locked(folder):
            teller = Teller(folder)
            try:
                _make(blend, scene_name, rig_name, folder, teller)
            except Exception as error:
                # Also what a bug raises must reach whoever follows.
                if not isinstance(error, LiveHandError):
                    traceback.print_exc()
                teller.end("failed", str(error) or type(error).__name__)
                return 3
            finally:
                for name in (blend.name, f"{blend.name}1"):
                    with suppress(OSError):
                        blend.with_name(name).unlink(missing_ok=True)
    except LiveHandError as error:
        print(f"livehand: {error}", flush=True)
        return 3
    return 0


def _make(blend: Path, scene_name: str, rig_name: str, folder: Path, teller: Teller) -> None:
    teller.say("Opening the scene")
    bpy.ops.wm.open_mainfile(filepath=str(blend), load_ui=False)
    scene, rig = bpy.data.scenes[scene_name], bpy.data.objects[rig_name]
    if bpy.context.window is not None:
        bpy.context.window.scene = scene
    teller.say("Choosing cameras and poses")
    plan: ScenePlan | PartPlan
    subject: Subject
    light = None
    if rig.type == "MESH":
        plan = make_part_plan(scene, rig)
        teller.say("Making the scene ready")
        show_alone(scene, [rig], plan)
        subject = PartSubject(scene, rig, plan)
    else:
        plan = make_plan(scene, rig)
        teller.say("Making the scene ready")
        subject = prepare_scene(scene, rig, plan)
    if scene.livehand_capture.many_lights:
        shooting, light = many_lights(scene, plan, plan.data)
        plan = replace(plan, shooting=shooting)
    elif scene.livehand_capture.studio:
        plan = replace(plan, shooting=told_studio(plan.shooting, plan.data))
    whole = len(plan.shooting.order)
    teller.say("Taking the first picture")
    asked = False

    def progress(done: int, count: int) -> bool:
        nonlocal asked
        teller.count(whole - count + done, whole)
        asked = asked or read_order(folder) == "stop"
        return not asked

    made = shoot(scene, plan.shooting, folder, subject, plan.data, plan.scale, progress, light)
    clear_order(folder)
    teller.end("stopped" if asked and made < whole else "done", made=made)
