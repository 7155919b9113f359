"""The operators that write the active hand for other programs: a mesh with its rig (glTF), Gaussian splats (.ply)."""

# Blender reads the annotations of these classes as values, so they are not postponed.

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import bpy
from bpy.props import BoolProperty, EnumProperty, IntProperty, StringProperty
from bpy_extras.io_utils import ExportHelper

from livehand_core.engine.interpreters import find_interpreter
from livehand_core.frames import HandInstance
from livehand_core.poses import HandPose

from ..avatars.choice import chosen_identity
from ..background import Task, TaskOperator
from ..environment.lines import run_core
from ..motion.actions import scene_rate
from ..polls import allowed
from ..preferences import interpreter_preference, made_environment
from ..registration import classes, registration
from ..render.scene import avatar_path, wrist_fade
from ..rig.armature import NO_HAND, active_hand
from ..rig.pose import read_pose
from .extraction import tell_progress, tell_splats
from .operators import MESH_KEY


class _ExportHand(TaskOperator, ExportHelper):
    """What the operators that write the active hand to a file share."""

    bl_options = {"REGISTER"}
    task_key = MESH_KEY
    check_extension = False

    light: EnumProperty(
        name="Light",
        description="What a relightable avatar's colour is shown in",
        items=(
            ("even", "Even", "White from everywhere: the colour of the skin, ready to be lit"),
            ("trained", "As Trained", "The light that most of the avatar's pictures were taken in"),
        ),
        default="even",
    )

    @classmethod
    def poll(cls, context: Any) -> bool:
        return allowed(cls, NO_HAND if active_hand(context) is None else "")

    def invoke(self, context: Any, event: Any) -> set[str]:
        """The file is asked for first; the work begins when it is chosen."""
        return set(ExportHelper.invoke(self, context, event))

    def execute(self, context: Any) -> set[str]:
        """In a window the work goes on in the background; in scripts and in the background it is done at once."""
        if bpy.app.background or context.window is None:
            return TaskOperator.execute(self, context)
        return TaskOperator.invoke(self, context, None)

    def named(self, *suffixes: str) -> Path:
        """The file that was chosen, with the first suffix where it has none of them."""
        path = Path(bpy.path.abspath(self.filepath))
        return path if path.suffix.lower() in suffixes else path.with_name(path.name + suffixes[0])

    def task(
        self, context: Any, label: str, path: Path, words: Sequence[str], tell: Callable[[dict[str, Any], Any], None]
    ) -> Task[Path]:
        """The task of a command of the core, of the hand as it stands or over the scene's frames.

        Args:
            words: the command, and its arguments beside avatar, hands, file and light.
            tell: takes the progress that it tells, and the task.
        """
        rig, scene = active_hand(context), context.scene
        avatar = avatar_path(rig)
        identity = chosen_identity(rig.livehand, avatar)
        frames = range(scene.frame_start, scene.frame_end + 1) if self.animated else ()
        fade, tint = wrist_fade(rig.livehand), tuple(rig.livehand.tint)
        # There is no arm that the hand would have to lie over.
        fade = fade and replace(fade, cover=0.0)
        hands = [
            HandInstance(pose, avatar, scale, identity, tint=tint, wrist=fade).to_json()
            for pose, scale in shown(context, rig, frames)
        ]
        preference, environment = interpreter_preference(), made_environment()
        command, *further = [*words, "--light", self.light]

        def write(task: Task[Path]) -> Path:
            task.tell(0.0, "Starting Python")
            python = find_interpreter(preference, environment, "meshes").path
            with TemporaryDirectory(prefix="livehand-") as name:
                told = Path(name) / "hands.json"
                told.write_text(json.dumps(hands), encoding="utf-8")
                line = [command, avatar, "--hand", str(told), "--out", str(path), "--machine", "--overwrite", *further]
                run_core(python, line, task, lambda step: tell(step, task))
            return path

        return Task(label, write)


class LIVEHAND_OT_export_rigged_mesh(_ExportHand, bpy.types.Operator):
    """Write the active hand as a glTF mesh that keeps its bones, the avatar's colour as its texture"""

    bl_idname = "livehand.export_rigged_mesh"
    bl_label = "Export Rigged Mesh"

    filename_ext = ".glb"
    filter_glob: StringProperty(description="Files to choose from", default="*.glb;*.gltf", options={"HIDDEN"})
    animated: BoolProperty(
        name="Animated", description="With the motion of the scene's frames; else this frame's pose", default=True
    )
    surface: EnumProperty(
        name="Surface",
        description="Which mesh",
        items=(
            ("proxy", "Proxy", "The hand model's mesh, posed exactly, with a texture"),
            ("density", "Avatar", "What Mesh from Avatar makes, moved by the hand model's rig, with vertex colours"),
        ),
        default="proxy",
    )
    texture: IntProperty(name="Texture", description="Texels a side", default=1024, min=64, max=4096)

    def make_task(self, context: Any) -> Task[Path]:
        scene, settings = context.scene, context.scene.livehand_mesh
        words = ["mesh", "--rig", "--surface", self.surface, "--texture", str(self.texture)]
        words += ["--fps", f"{scene_rate(scene):g}", "--resolution", f"{settings.resolution * 1e3:g}"]
        words += ["--threshold", f"{settings.threshold:g}"] if settings.threshold > 0.0 else []
        return self.task(context, "The rigged mesh", self.named(".glb", ".gltf"), words, tell_progress)

    def done_message(self, answer: Path) -> str:
        return f"{answer}: a mesh with bones"


class LIVEHAND_OT_export_splats(_ExportHand, bpy.types.Operator):
    """Write the active hand as Gaussian splats, fitted to the avatar's own pictures of it"""

    bl_idname = "livehand.export_splats"
    bl_label = "Export Splats"

    filename_ext = ".ply"
    filter_glob: StringProperty(description="Files to choose from", default="*.ply", options={"HIDDEN"})
    animated: BoolProperty(
        name="Animated",
        description="A folder with a file for each of the scene's frames; else this frame's pose",
        default=False,
    )
    count: IntProperty(name="Splats", description="About how many", default=40_000, min=1000, max=500_000)
    steps: IntProperty(
        name="Steps",
        description="Of the fit: more take longer and come nearer to the avatar",
        default=1000,
        min=1,
        max=100_000,
    )

    def make_task(self, context: Any) -> Task[Path]:
        path = self.named(".ply")
        words = ["splats", "--count", str(self.count), "--steps", str(self.steps)]
        return self.task(
            context, "The file of splats", path.with_suffix("") if self.animated else path, words, tell_splats
        )

    def done_message(self, answer: Path) -> str:
        return f"{answer}: {'splats, a file a frame' if self.animated else 'splats'}"


def shown(context: Any, rig: Any, frames: Sequence[int]) -> list[tuple[HandPose, float]]:
    """Pose and scale of a hand over frames, or without any as it stands now; the scene goes back to its frame.

    Raises:
        PoseError: a rig with a transform that a hand cannot have.
    """

    def look() -> tuple[HandPose, float]:
        return read_pose(rig.evaluated_get(context.evaluated_depsgraph_get()))

    if not frames:
        return [look()]
    scene = context.scene
    before = scene.frame_current, scene.frame_subframe
    answer = []
    try:
        for frame in frames:
            scene.frame_set(frame)
            answer.append(look())
    finally:
        scene.frame_set(before[0], subframe=before[1])
    return answer


register, unregister = registration(classes(LIVEHAND_OT_export_rigged_mesh, LIVEHAND_OT_export_splats))
