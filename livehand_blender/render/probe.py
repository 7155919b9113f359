"""What surrounds the hands, found by small panoramas that a Blender of its own renders at each, at one frame or many.

The scene is written beside, rendered by render/probe_child, and what comes back is kept with the scene. Who asks for it
when is render/probe_watch's part; a person does by the operators here.
"""

# Blender reads the annotations of these classes as values, so they are not postponed.

import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from livehand_core.errors import LightError, LiveHandError
from livehand_core.panoramas import panorama_light

from ..background import Task, TaskOperator, redraw
from ..polls import allowed
from ..registration import classes, registration
from .light import Probe, keep_probes, probes
from .prober import prober
from .scene import VisibleHand, visible_hands
from .shown import lit_scene

PROBE_KEY = "light probe"
ROWS, SAMPLES = 32, 32
MOST_FRAMES = 500
"""Frames that are baked at most: each is a kilobyte of the file and a second's work."""

DONE = "LiveHand probe "
"""What the other Blender says before the number of panoramas that are done."""


class LIVEHAND_OT_probe_light(TaskOperator, bpy.types.Operator):
    """Look what light the hands' surroundings give them: a small panorama at each hand, kept with the file"""

    bl_idname = "livehand.probe_light"
    bl_label = "Probe Light"
    bl_options = {"REGISTER"}
    task_key = PROBE_KEY

    def make_task(self, context: Any) -> Task[Any]:
        depsgraph = context.evaluated_depsgraph_get()
        scene = lit_scene(depsgraph)
        return probe_task(scene, [Look.of(visible_hands(depsgraph), scene.frame_current)])

    def done_message(self, answer: Any) -> str:
        return f"Light probed at {len(answer)} hand{'s' if len(answer) != 1 else ''}"


class LIVEHAND_OT_bake_light(TaskOperator, bpy.types.Operator):
    """Probe the light around the hands over the whole animation and keep it with the file: frames between take their
    mean, and nothing is probed while it renders"""

    bl_idname = "livehand.bake_light"
    bl_label = "Bake Light"
    bl_options = {"REGISTER"}
    task_key = PROBE_KEY

    step: bpy.props.IntProperty(
        name="Every", description="Frames from one probe to the next; 0 takes the scene's setting", min=0, max=1000
    )

    def make_task(self, context: Any) -> Task[Any]:
        scene = context.scene
        step = self.step or scene.livehand.bake_step
        if len(range(scene.frame_start, scene.frame_end + 1, step)) > MOST_FRAMES:
            raise LightError(f"That is more than {MOST_FRAMES} probes.", "Probe fewer frames.")
        now = scene.frame_current, scene.frame_subframe
        looks = []
        try:
            for frame in sorted({*range(scene.frame_start, scene.frame_end + 1, step), scene.frame_end}):
                scene.frame_set(frame)
                looks.append(Look.of(visible_hands(context.evaluated_depsgraph_get()), frame))
        finally:
            scene.frame_set(now[0], subframe=now[1])
        return probe_task(scene, looks)

    def done_message(self, answer: Any) -> str:
        return f"Light baked at {max(map(len, answer.values()), default=0)} frames"


class LIVEHAND_OT_forget_light(bpy.types.Operator):
    """Forget what was probed or baked around the hands; it is probed anew when it is needed"""

    bl_idname = "livehand.forget_light"
    bl_label = "Forget Probed Light"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: Any) -> bool:
        return allowed(cls, "" if context.scene.livehand.light_probes else "Nothing is probed in this scene")

    def execute(self, context: Any) -> set[str]:
        keep_probes(context.scene, {})
        redraw()
        return {"FINISHED"}


@dataclass(frozen=True)
class Look:
    """A frame whose hands' surroundings are looked at.

    Attributes:
        frame: of the scene.
        points: (3,) middle of each hand by the name of its rig, world space.
    """

    frame: int
    points: dict[str, np.ndarray]

    @classmethod
    def of(cls, hands: Sequence[VisibleHand], frame: int) -> "Look":
        """At some hands."""
        return cls(frame, {hand.label.name: hand.points.mean(axis=0) for hand in hands})


def probe_task(scene: Any, looks: Sequence[Look]) -> Task[dict[str, list[Probe]]]:
    """The task that probes hands. On the main thread: it writes the scene beside.

    Raises:
        LightError: no hand is seen, or the scene cannot be written.
    """
    looks = [look for look in looks if look.points]
    if not looks:
        raise LightError("No hand is seen whose light could be probed.", "Add one, or show it.")
    folder = Path(tempfile.mkdtemp(prefix="livehand-probe-"))
    try:
        bpy.data.libraries.write(str(folder / "scene.blend"), {scene}, path_remap="ABSOLUTE", fake_user=True)
    except (OSError, RuntimeError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise LightError(f"The scene cannot be written to be probed ({error}).", "Free some space.") from error
    job = _job(scene, looks, folder)
    name = scene.name

    def settle(found: dict[str, list[Probe]]) -> None:
        known = bpy.data.scenes.get(name)
        if known is not None:
            keep_probes(known, {**probes(known), **found})
            redraw()

    def work(task: Task[dict[str, list[Probe]]]) -> dict[str, list[Probe]]:
        try:
            return _run(job, folder, looks, task)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    return Task("The light probe", work, settle)


def _job(scene: Any, looks: Sequence[Look], folder: Path) -> dict[str, Any]:
    own = {name: _meshes(name) for look in looks for name in look.points}
    return {
        "blend": str(folder / "scene.blend"),
        "scene": scene.name,
        "rows": ROWS,
        "samples": SAMPLES,
        "meshes": sorted({mesh for meshes in own.values() for mesh in meshes}),
        "shots": [
            {"frame": look.frame, "point": list(point), "file": str(_file(folder, look, number)), "own": own[name]}
            for look in looks
            for number, (name, point) in enumerate(look.points.items())
        ],
    }


def _file(folder: Path, look: Look, number: int) -> Path:
    return folder / f"{look.frame} {number}.exr"


def _run(
    job: dict[str, Any], folder: Path, looks: Sequence[Look], task: Task[dict[str, list[Probe]]]
) -> dict[str, list[Probe]]:
    """Render and read; on a thread."""
    task.tell(0.1, "Looking around the hands")
    (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
    count = len(job["shots"])

    def heard(line: str) -> None:
        if line.startswith(DONE):
            task.tell(0.1 + 0.9 * int(line.removeprefix(DONE)) / count)

    try:
        done, lines = prober.run(folder / "job.json", task.cancelled, heard)
    except LiveHandError:
        task.check()
        raise
    answer: dict[str, list[Probe]] = {}
    for look in looks:
        for number, (name, point) in enumerate(look.points.items()):
            file = _file(folder, look, number).with_suffix(".npy")
            if not (done and file.is_file()):
                last = next((line for line in reversed(lines) if line.strip()), "it said nothing")
                raise LightError(f"The light could not be probed ({last}).", "The hands keep the light that they had.")
            picture = np.maximum(np.nan_to_num(np.load(file)), 0.0)
            x, y, z = (float(place) for place in point)
            answer.setdefault(name, []).append(Probe(panorama_light(picture), (x, y, z), look.frame))
    return answer


def _meshes(rig_name: str) -> list[str]:
    rig = bpy.data.objects.get(rig_name)
    return [child.name for child in rig.children if child.type == "MESH"] if rig is not None else []


register, unregister = registration(classes(LIVEHAND_OT_probe_light, LIVEHAND_OT_bake_light, LIVEHAND_OT_forget_light))
