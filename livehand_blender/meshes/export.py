"""The operator that writes the active hand as a mesh with its rig: glTF, animated over the scene's frames."""

# Blender reads the annotations of these classes as values, so they are not postponed.

import json
from collections.abc import Sequence
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
from ..render.scene import avatar_path
from ..rig.armature import NO_HAND, active_hand
from ..rig.pose import read_pose
from .extraction import tell_progress
from .operators import MESH_KEY


class LIVEHAND_OT_export_rigged_mesh(TaskOperator, ExportHelper, bpy.types.Operator):
    """Write the active hand as a glTF mesh that keeps its bones, the avatar's colour as its texture"""

    bl_idname = "livehand.export_rigged_mesh"
    bl_label = "Export Rigged Mesh"
    bl_options = {"REGISTER"}
    task_key = MESH_KEY

    filename_ext = ".glb"
    check_extension = False
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
        """The file is asked for first."""
        return set(ExportHelper.invoke(self, context, event))

    def make_task(self, context: Any) -> Task[Path]:
        path = Path(bpy.path.abspath(self.filepath))
        if path.suffix.lower() not in (".glb", ".gltf"):
            path = path.with_name(path.name + ".glb")
        rig, scene, settings = active_hand(context), context.scene, context.scene.livehand_mesh
        avatar = avatar_path(rig)
        identity = chosen_identity(rig.livehand, avatar)
        frames = range(scene.frame_start, scene.frame_end + 1) if self.animated else ()
        hands = [HandInstance(pose, avatar, scale, identity).to_json() for pose, scale in shown(context, rig, frames)]
        words = ["--rig", "--surface", self.surface, "--texture", str(self.texture), "--light", self.light]
        words += ["--fps", f"{scene_rate(scene):g}", "--resolution", f"{settings.resolution * 1e3:g}"]
        words += ["--threshold", f"{settings.threshold:g}"] if settings.threshold > 0.0 else []
        preference, environment = interpreter_preference(), made_environment()

        def write(task: Task[Path]) -> Path:
            task.tell(0.0, "Starting Python")
            python = find_interpreter(preference, environment, "meshes").path
            with TemporaryDirectory(prefix="livehand-") as name:
                told = Path(name) / "hands.json"
                told.write_text(json.dumps(hands), encoding="utf-8")
                line = ["mesh", avatar, "--hand", str(told), "--out", str(path), "--machine", "--overwrite", *words]
                run_core(python, line, task, lambda step: tell_progress(step, task))
            return path

        return Task("The rigged mesh", write)

    def done_message(self, answer: Path) -> str:
        return f"{answer}: a mesh with bones"


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


register, unregister = registration(classes(LIVEHAND_OT_export_rigged_mesh))
