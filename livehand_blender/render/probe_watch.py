"""When hands' surroundings are probed: beside the work in a window, and waited for by renders.

While a probe is under way, hands stand in the light that was known before. A final frame waits for one that it lacks,
up to a limit, and goes on with a warning. What was baked is kept as it is.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from typing import Any

import bpy
import numpy as np

from livehand_core.errors import LightError, LiveHandError

from ..background import Task, TaskCancelled, begin, is_running, task
from ..registration import handlers, in_the_window, registration, timer
from ..rig.armature import is_hand
from .animated import animated_values
from .light import SURFACES, answers, is_baked
from .probe import PROBE_KEY, Look, probe_task
from .scene import VisibleHand, avatar_path, scene_objects, visible_hands
from .shown import lit_scene, of_hand, shining_world, shown_objects

LOOK_SECONDS = 0.5
WAIT_SECONDS = 120.0
"""How long a final frame waits for its probe."""

_dirty: set[str] = set()
"""Names of scenes whose surroundings have changed since they were probed."""

_asked: dict[str, tuple[Look, threading.Event]] = {}
"""Scene -> what a render on another thread has asked the main one to probe, and whether it is under way."""

_seen: dict[str, str] = {}
"""Scene -> its surroundings at the last final frame."""

_given_up: set[str] = set()
"""Scenes whose probe failed in the render that goes on; it is not waited for again."""


def answers_to_light(scene: Any) -> bool:
    """Whether a hand of a scene has an avatar that stands in the scene's light."""
    if scene.livehand.light != "SCENE":
        return False
    return any(answers(avatar_path(rig)) for rig in scene_objects(scene) if is_hand(rig))


def hands_in_known_light(depsgraph: Any, cancelled: Callable[[], bool]) -> tuple[tuple[VisibleHand, ...], str]:
    """The hands of a final frame, and what went wrong, empty when all is well.

    What is lacking of their surroundings is probed before, and waited for.

    Args:
        depsgraph: of the render.
        cancelled: whether the render is given up.
    """
    scene, hands = lit_scene(depsgraph), visible_hands(depsgraph)
    if scene.name in _given_up or not any(hand.source for hand in hands):
        return hands, ""
    if all(hand.source in ("", "world") for hand in hands):
        _seen.setdefault(scene.name, "")
        return hands, ""
    state = _state(depsgraph)
    changed = _seen.setdefault(scene.name, state) != state
    if not _lacking(scene, hands, changed):
        return hands, ""
    _seen[scene.name] = state
    look = Look.of(hands, depsgraph.scene_eval.frame_current)
    problem = _probe_here(scene, look) if _on_main_thread() else _probe_there(scene, look, cancelled)
    if problem:
        _given_up.add(scene.name)
    return visible_hands(depsgraph), problem


def _on_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _probe_here(scene: Any, look: Look) -> str:
    """Probe at once; what went wrong."""
    try:
        new = probe_task(scene, [look])
        _dirty.discard(scene.name)
        clock = threading.Timer(WAIT_SECONDS, new.cancel)
        clock.start()
        try:
            new.run_here()
        finally:
            clock.cancel()
    except TaskCancelled:
        return _late()
    except LiveHandError as error:
        return str(error)
    return ""


def _probe_there(scene: Any, look: Look, cancelled: Callable[[], bool]) -> str:
    """Have the main thread probe, which alone may write the scene; what went wrong."""
    begun, until = threading.Event(), time.monotonic() + WAIT_SECONDS
    _asked[scene.name] = look, begun
    try:
        while not cancelled():
            known = task(PROBE_KEY)
            if begun.is_set() and (known is None or not known.running):
                return known.error if known is not None else ""
            if time.monotonic() > until:
                return _late()
            time.sleep(0.05)
    finally:
        _asked.pop(scene.name, None)
    return ""


def _late() -> str:
    return f"The light probe took more than {WAIT_SECONDS:g} s; the hand is rendered in the light known before."


def _lacking(scene: Any, hands: tuple[VisibleHand, ...], changed: bool = False) -> bool:
    """Whether what is known of some hand's surroundings is nothing, or of another place, or out of date.

    Args:
        scene: whose light they stand in.
        changed: whether something has moved since; what was edited is known without.
    """
    outdated = changed or scene.name in _dirty
    return any(
        not is_baked(scene, hand.label.name)
        and (hand.source in ("none", "old") or (hand.source == "probe" and outdated))
        for hand in hands
    )


def _state(depsgraph: Any) -> str:
    """What stands and shines around hands at a frame: equal as long as nothing moves or is animated."""
    digest = hashlib.blake2b(digest_size=16)
    frame, world = depsgraph.scene_eval.frame_current, shining_world(depsgraph)
    shining = {} if world is None else {world: None}
    for shown in shown_objects(depsgraph, SURFACES | {"LIGHT"}):
        if not of_hand(shown.object):
            digest.update(shown.object.name.encode())
            digest.update(np.round(np.array(shown.matrix_world), 3).tobytes())
            if shown.object.type == "LIGHT":
                digest.update(repr((shown.object.data.energy, *shown.object.data.color)).encode())
            shining.update((slot.material, None) for slot in shown.object.material_slots if slot.material is not None)
    digest.update(repr([animated_values(thing, frame) for thing in shining]).encode())
    return digest.hexdigest()


def _look() -> float:
    """Probe anew where something has changed, or where a render asks for it; a window's timer."""
    if is_running(PROBE_KEY):
        return LOOK_SECONDS
    for name, (look, begun) in list(_asked.items()):
        if not begun.is_set() and name in bpy.data.scenes:
            _begin(bpy.data.scenes[name], [look])
            begun.set()
            return LOOK_SECONDS
    scene = bpy.context.scene
    if scene is None or bpy.app.is_job_running("RENDER") or not answers_to_light(scene):
        return LOOK_SECONDS
    try:
        depsgraph = bpy.context.evaluated_depsgraph_get()
        hands = visible_hands(depsgraph)
        if _lacking(lit_scene(depsgraph), hands):
            _begin(lit_scene(depsgraph), [Look.of(hands, scene.frame_current)])
    except LiveHandError:
        # The frame itself says what is wrong with its hands.
        pass
    _dirty.discard(scene.name)
    return LOOK_SECONDS


def _begin(scene: Any, looks: list[Look]) -> None:
    _dirty.discard(scene.name)
    try:
        begin(PROBE_KEY, probe_task(scene, looks))
    except LightError as error:
        failure = error

        def fail(_: Task[Any]) -> Any:
            raise failure

        begin(PROBE_KEY, Task("The light probe", fail))


@bpy.app.handlers.persistent
def _changed(scene: Any, depsgraph: Any) -> None:
    """Note that surroundings have changed: worlds, materials, pictures, lamps, and whatever may stand around."""
    if any(_surrounds(update) for update in depsgraph.updates):
        _dirty.add(lit_scene(depsgraph).name)


def _surrounds(update: Any) -> bool:
    thing = update.id
    if isinstance(thing, bpy.types.Object):
        moved = update.is_updated_transform or update.is_updated_geometry or update.is_updated_shading
        return moved and thing.type in SURFACES | {"LIGHT"} and not of_hand(thing)
    return isinstance(thing, (bpy.types.World, bpy.types.Material, bpy.types.Image, bpy.types.NodeTree))


@bpy.app.handlers.persistent
def _render_begins(*_: Any) -> None:
    _given_up.clear()


register, unregister = registration(
    handlers(("depsgraph_update_post", _changed), ("render_init", _render_begins)),
    in_the_window(timer(_look, LOOK_SECONDS)),
)
