"""What surrounds the hands, found by a small panorama that a Blender of its own renders at each: never waited for.

The scene is written beside, rendered by render/probe_child, and what comes back is kept with the scene. While that
goes on, hands stand in the light that was known before.
"""

# Blender reads the annotations of these classes as values, so they are not postponed.

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from livehand_core.errors import LightError, LiveHandError
from livehand_core.panoramas import panorama_light

from ..background import Task, TaskOperator, begin, is_running, redraw
from ..environment.lines import run_lines
from ..registration import classes, handlers, in_the_window, registration, timer
from ..rig.armature import is_hand
from .light import Probe, answers, hand_light, keep_probes, of_hand, probes
from .scene import VisibleHand, avatar_path, visible_hands

PROBE_KEY = "light probe"
ROWS, SAMPLES = 32, 64
LOOK_SECONDS = 0.5

_dirty: set[str] = set()
"""Names of scenes whose surroundings have changed since they were probed."""


class LIVEHAND_OT_probe_light(TaskOperator, bpy.types.Operator):
    """Look what light the hands' surroundings give them: a small panorama at each hand, kept with the file"""

    bl_idname = "livehand.probe_light"
    bl_label = "Probe Light"
    bl_options = {"REGISTER"}
    task_key = PROBE_KEY

    def make_task(self, context: Any) -> Task[Any]:
        return probe_task(context.scene, context.evaluated_depsgraph_get())

    def done_message(self, answer: Any) -> str:
        return f"Light probed at {len(answer)} hand{'s' if len(answer) != 1 else ''}"


def probe_task(scene: Any, depsgraph: Any) -> Task[dict[str, Probe]]:
    """The task that probes all hands that are seen. On the main thread: it writes the scene beside.

    Raises:
        LightError: no hand is seen, or the scene cannot be written.
    """
    hands = visible_hands(depsgraph)
    if not hands:
        raise LightError("No hand is seen whose light could be probed.", "Add one, or show it.")
    folder = Path(tempfile.mkdtemp(prefix="livehand-probe-"))
    try:
        bpy.data.libraries.write(str(folder / "scene.blend"), {scene}, path_remap="ABSOLUTE", fake_user=True)
    except (OSError, RuntimeError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise LightError(f"The scene cannot be written to be probed ({error}).", "Free some space.") from error
    job = _job(scene, hands, folder)
    _dirty.discard(scene.name)
    name, points = scene.name, {hand.label.name: hand.points.mean(axis=0) for hand in hands}

    def settle(found: dict[str, Probe]) -> None:
        known = bpy.data.scenes.get(name)
        if known is not None:
            keep_probes(known, {**probes(known), **found})
            redraw()

    def work(task: Task[dict[str, Probe]]) -> dict[str, Probe]:
        try:
            return _run(job, folder, points, task)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    return Task("The light probe", work, settle)


def _job(scene: Any, hands: tuple[VisibleHand, ...], folder: Path) -> dict[str, Any]:
    own = {hand.label.name: _meshes(hand.label.name) for hand in hands}
    return {
        "blend": str(folder / "scene.blend"),
        "scene": scene.name,
        "frame": scene.frame_current,
        "rows": ROWS,
        "samples": SAMPLES,
        "meshes": sorted({mesh for meshes in own.values() for mesh in meshes}),
        "shots": [
            {
                "point": list(hand.points.mean(axis=0)),
                "file": str(folder / f"{number}.exr"),
                "own": own[hand.label.name],
            }
            for number, hand in enumerate(hands)
        ],
    }


def _run(
    job: dict[str, Any], folder: Path, points: dict[str, np.ndarray], task: Task[dict[str, Probe]]
) -> dict[str, Probe]:
    """Render and read; on a thread."""
    task.tell(0.1, "Looking around the hands")
    script = str(Path(__file__).with_name("probe_child.py"))
    program = [bpy.app.binary_path, "-b", "--factory-startup"] if bpy.app.binary_path else [sys.executable]
    words = [*program, *(["--python"] if bpy.app.binary_path else []), script, "--", json.dumps(job)]
    code, lines = run_lines(words, dict(os.environ), folder / "probe.log", task.cancelled, lambda line: None)
    files = [Path(shot["file"]).with_suffix(".npy") for shot in job["shots"]]
    if code != 0 or not all(file.is_file() for file in files):
        last = next((line for line in reversed(lines) if line.strip()), "it said nothing")
        raise LightError(f"The light could not be probed ({last}).", "The hands keep the light that they had.")
    answer = {}
    for name, file in zip(points, files, strict=True):
        picture = np.maximum(np.nan_to_num(np.load(file)), 0.0)
        x, y, z = (float(number) for number in points[name])
        answer[name] = Probe(panorama_light(picture), (x, y, z), int(job["frame"]))
    return answer


def _meshes(rig_name: str) -> list[str]:
    rig = bpy.data.objects.get(rig_name)
    return [child.name for child in rig.children if child.type == "MESH"] if rig is not None else []


def answers_to_light(scene: Any) -> bool:
    """Whether a hand of a scene has an avatar that stands in the scene's light."""
    return scene.livehand.light == "SCENE" and any(answers(avatar_path(rig)) for rig in scene.objects if is_hand(rig))


def _look() -> float:
    """Probe anew where something has changed; a window's timer."""
    scene = bpy.context.scene
    if scene is None or is_running(PROBE_KEY) or not answers_to_light(scene):
        return LOOK_SECONDS
    try:
        depsgraph = bpy.context.evaluated_depsgraph_get()
        if _wanted(scene, depsgraph):
            begin(PROBE_KEY, probe_task(scene, depsgraph))
    except LiveHandError:
        # The frame itself says what is wrong with its hands.
        pass
    _dirty.discard(scene.name)
    return LOOK_SECONDS


def _wanted(scene: Any, depsgraph: Any) -> bool:
    sources = [
        hand_light(depsgraph, bpy.data.objects[hand.label.name], hand.points.mean(axis=0)).source
        for hand in visible_hands(depsgraph)
        if hand.label.name in bpy.data.objects
    ]
    return any(source in ("none", "old") or (source == "probe" and scene.name in _dirty) for source in sources)


@bpy.app.handlers.persistent
def _changed(scene: Any, depsgraph: Any) -> None:
    """Note that surroundings have changed: worlds, materials, pictures, and whatever is no hand."""
    if any(_surrounds(update.id) for update in depsgraph.updates):
        _dirty.add(scene.name)


def _surrounds(thing: Any) -> bool:
    if isinstance(thing, bpy.types.Object):
        return not of_hand(thing)
    return isinstance(thing, (bpy.types.World, bpy.types.Material, bpy.types.Image, bpy.types.NodeTree))


register, unregister = registration(
    classes(LIVEHAND_OT_probe_light),
    handlers(("depsgraph_update_post", _changed)),
    in_the_window(timer(_look, LOOK_SECONDS)),
)
