"""Operators that read motion files onto a hand and write what hands do."""

# Blender reads the annotations of these classes as values, so they are not postponed.

from dataclasses import replace
from pathlib import Path
from typing import Any

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, StringProperty
from bpy_extras.io_utils import ExportHelper, ImportHelper

from livehand_core.avatars.identities import reenacted
from livehand_core.poses import BETA_COUNT, PoseSequence

from ..polls import allowed
from ..registration import classes, registration
from ..rig.armature import NO_HAND, active_hand, is_hand
from ..rig.hand_operator import HandOperator
from ..rig.hand_rig import HandRig
from ..rig.pose import set_limits
from ..rig.shape import blends_betas
from .actions import exceeds_limits, motion_action, play, record_motion, scene_rate

_UP_ITEMS = (
    ("Z", "Z Up", "Blender's world", 1),
    ("Y", "Y Up", "The world of most animation tools", 2),
    ("-Y", "-Y Up", "The world of a camera, whose y axis points down", 3),
)
_MODEL_ITEMS = (
    ("MANO", "MANO", "MANO's mean pose and components, from the files that you bring (see the manual)", 1),
    ("BUILTIN", "Built-in Hand", "Those of the hand that ships inside, which differ a little from MANO's", 2),
)
_MODELS = {"AUTO": None, "MANO": "mano", "BUILTIN": "livehand-builtin-1"}


def _automatic(description: str) -> tuple[str, str, str, int]:
    return ("AUTO", "As the File Says", description, 0)


class LIVEHAND_OT_import_motion(HandOperator, ImportHelper):
    """Read a motion file (.npz, .json, .npy, .pkl, .bvh) onto the active hand as a new action"""

    bl_idname = "livehand.import_motion"
    bl_label = "Import Hand Motion"

    filename_ext = ".npz"
    filter_glob: StringProperty(
        description="Files to choose from", default="*.npz;*.json;*.npy;*.pkl;*.bvh", options={"HIDDEN"}
    )
    filepath: StringProperty(
        name="File",
        description="Motion file (.npz, .json, .npy, .pkl, .bvh)",
        subtype="FILE_PATH",
        options={"HIDDEN", "SKIP_SAVE"},
    )

    up: EnumProperty(
        name="Up",
        description="Which axis of the file's world points up",
        items=(_automatic("Z up unless the file tells otherwise; -Y in InterHand2.6M files"), *_UP_ITEMS),
        default="AUTO",
    )
    form: EnumProperty(
        name="Fingers",
        description="How the file holds finger poses",
        items=(
            _automatic("Components when there are fewer than 45 numbers, else angles"),
            ("ANGLES", "Joint Angles", "45 axis-angle numbers", 1),
            ("PCA", "Principal Components", "Up to 45 components", 2),
        ),
        default="AUTO",
    )
    mean: EnumProperty(
        name="Relative To",
        description="Which pose counts as zero (flat_hand_mean)",
        items=(
            _automatic("Components and InterHand2.6M against the mean pose, angles against the flat hand"),
            ("FLAT", "Flat Hand", "flat_hand_mean=True", 1),
            ("MEAN", "Mean Pose", "flat_hand_mean=False", 2),
        ),
        default="AUTO",
    )
    model: EnumProperty(
        name="Hand Model",
        description="Whose mean pose and components the file means",
        items=(_automatic("MANO unless the file tells otherwise"), *_MODEL_ITEMS),
        default="AUTO",
    )
    side: EnumProperty(
        name="Hand in the File",
        description="Which hand to read; a motion of the other side is mirrored onto the rig",
        items=(
            ("AUTO", "The Rig's Side", "The hand of the rig's own side, or the only one that is there", 0),
            ("RIGHT", "Right", "The right hand", 1),
            ("LEFT", "Left", "The left hand", 2),
        ),
        default="AUTO",
    )
    bridge: BoolProperty(
        name="Bridge Gaps",
        description="Interpolate frames without numbers, as trackers write where they lost the hand",
        default=False,
    )
    capture: StringProperty(name="Capture", description="Capture of an InterHand2.6M file; the first when empty")
    wrist: BoolProperty(
        name="Wrist", description="Place the wrist as the file does; otherwise only the fingers move", default=True
    )
    shape: BoolProperty(
        name="Shape", description="Take the betas too, if they belong to the rig's hand model", default=True
    )
    start: IntProperty(name="Start Frame", description="Frame of the first pose", default=1)
    frame_rate: FloatProperty(
        name="Frame Rate", description="Poses a second in the file; 0 for what the file says", default=0.0, min=0.0
    )
    keep_time: BoolProperty(
        name="Keep Time",
        description="Keys at the times of the file, between frames if need be; otherwise one pose a frame",
        default=True,
    )
    set_range: BoolProperty(name="Set Frame Range", description="Fit the scene's frame range", default=False)

    def invoke(self, context: Any, event: Any) -> set[str]:
        """A file that was dropped is known already: only its settings are asked for."""
        if not self.filepath:
            return set(super().invoke(context, event))
        title = Path(self.filepath).name
        return set(context.window_manager.invoke_props_dialog(self, title=title, confirm_text="Import"))

    def apply(self, context: Any, rig: Any) -> None:
        from livehand_core.motion import ReadOptions, read_motion

        path = Path(bpy.path.abspath(self.filepath))
        hand = HandRig.of(rig)
        own = hand.side
        options = ReadOptions(
            side={"RIGHT": "right", "LEFT": "left"}.get(self.side),  # type: ignore[arg-type]
            prefer=own,
            bridge=self.bridge,
            up=None if self.up == "AUTO" else self.up.lower(),
            pca=None if self.form == "AUTO" else self.form == "PCA",
            flat_mean=None if self.mean == "AUTO" else self.mean == "FLAT",
            model=_MODELS[self.model],
            fps=self.frame_rate or None,
            capture=self.capture or None,
        )
        motion = read_motion(path, options)
        sequence, notes = motion.sequence, list(motion.notes)
        if sequence.poses[0].side != own:
            sequence = PoseSequence(tuple(pose.mirrored() for pose in sequence.poses), sequence.fps)
        context.view_layer.update()
        followed = blends_betas(rig)
        shape = self.shape and motion.model == hand.model and not followed
        if shape:
            rig.livehand.betas = tuple(sequence.poses[0].betas)
        elif self.shape and any(pose.betas.any() for pose in sequence.poses):
            reason = "the hand has that of its identity" if followed else "it belongs to another hand model"
            notes.append(f"The shape was left out: {reason}.")
        if followed and motion.model == hand.model:
            sequence = replace(sequence, poses=tuple(reenacted(pose, hand.betas, hand.data) for pose in sequence.poses))
        step = scene_rate(context.scene) / sequence.fps if self.keep_time else 1.0
        wrist = self.wrist and motion.has_wrist
        action = motion_action(rig, sequence, path.stem, self.start, step, wrist, shape)
        play(rig, action)
        if exceeds_limits(sequence):
            set_limits(rig, False)
            notes.append("It exceeds the joint limits, which were switched off.")
        if self.set_range:
            context.scene.frame_start = self.start
            context.scene.frame_end = int(self.start + step * (len(sequence.poses) - 1) + 0.999)
        self.report({"INFO"}, " ".join([f"{len(sequence.poses)} poses onto {rig.name!r}.", *notes]))


class LIVEHAND_OT_export_motion(HandOperator, ExportHelper):
    """Write what the active hand shows over the frame range as a motion file; .json takes all selected hands"""

    bl_idname = "livehand.export_motion"
    bl_label = "Export Hand Motion"
    bl_options = {"REGISTER"}

    filename_ext = ".npz"
    check_extension = False
    filter_glob: StringProperty(description="Files to choose from", default="*.npz;*.json", options={"HIDDEN"})

    filepath: StringProperty(
        name="File",
        description="Motion file (.npz, .json); by default named after the hand's action",
        subtype="FILE_PATH",
        options={"HIDDEN", "SKIP_SAVE"},
    )

    up: EnumProperty(
        name="Up",
        description="Which axis of the file's world points up",
        items=(("AUTO", "Usual", "-Y in InterHand2.6M files, whose world is a camera's, else Z", 0), *_UP_ITEMS),
        default="AUTO",
    )
    components: IntProperty(
        name="Components",
        description="Number of principal components of a .npz file; 0 for joint angles, which lose nothing",
        default=0,
        min=0,
        max=45,
    )
    mean: EnumProperty(
        name="Relative To",
        description="Which pose counts as zero (flat_hand_mean)",
        items=(
            ("AUTO", "Usual", "The mean pose for InterHand2.6M and for components, else the flat hand", 0),
            ("FLAT", "Flat Hand", "flat_hand_mean=True", 1),
            ("MEAN", "Mean Pose", "flat_hand_mean=False", 2),
        ),
        default="AUTO",
    )
    model: EnumProperty(
        name="Hand Model",
        description="Whose mean pose, components and wrist the file means",
        items=_MODEL_ITEMS,
        default="BUILTIN",
    )
    frame_start: IntProperty(name="First Frame", description="0 for the scene's first frame", default=0)
    frame_end: IntProperty(name="Last Frame", description="0 for the scene's last frame", default=0)
    frame_step: IntProperty(name="Step", description="Export every n-th frame", default=1, min=1)

    @classmethod
    def poll(cls, context: Any) -> bool:
        """A linked hand may be exported, too."""
        return allowed(cls, NO_HAND if active_hand(context) is None else "")

    def invoke(self, context: Any, event: Any) -> set[str]:
        """The file is named after the hand's action, or the hand, unless a name is known already."""
        if not self.filepath:
            rig = active_hand(context)
            action = rig.animation_data.action if rig.animation_data is not None else None
            name = bpy.path.clean_name((action or rig).name)
            self.filepath = str(Path(bpy.data.filepath).parent / f"{name}.npz") if bpy.data.filepath else f"{name}.npz"
        return set(super().invoke(context, event))

    def apply(self, context: Any, rig: Any) -> None:
        from livehand_core.motion import WriteOptions, write_motion

        path = Path(bpy.path.abspath(self.filepath))
        if path.suffix.lower() not in (".npz", ".json"):
            path = path.with_name(path.name + ".npz")
        others = [obj for obj in context.selected_objects if is_hand(obj) and obj != rig]
        rigs = [rig, *others] if path.suffix.lower() == ".json" else [rig]
        scene = context.scene
        frames = range(self.frame_start or scene.frame_start, (self.frame_end or scene.frame_end) + 1, self.frame_step)
        manager = context.window_manager
        manager.progress_begin(0.0, 1.0)
        try:
            sequences = record_motion(context, rigs, frames, manager.progress_update)
        finally:
            manager.progress_end()
        options = WriteOptions(
            up=None if self.up == "AUTO" else self.up.lower(),  # type: ignore[arg-type]
            components=self.components or None,
            flat_mean=None if self.mean == "AUTO" else self.mean == "FLAT",
            model=str(_MODELS[self.model]),
            first_frame=frames[0],
        )
        if self.model == "MANO":
            # Betas of one model's shape space mean nothing in another's.
            sequences = [_without_shape(sequence) for sequence in sequences]
        write_motion(path, sequences, options)
        self.report({"INFO"}, f"{len(frames)} poses of {len(rigs)} hand(s) in {path}.")


def _without_shape(sequence: PoseSequence) -> PoseSequence:
    if sequence.poses[0].betas.any():
        sequence = PoseSequence(
            tuple(replace(pose, betas=[0.0] * BETA_COUNT) for pose in sequence.poses),  # type: ignore[arg-type]
            sequence.fps,
        )
    return sequence


class LIVEHAND_FH_motion(bpy.types.FileHandler):
    """Motion files dropped into a 3D view."""

    bl_idname = "LIVEHAND_FH_motion"
    bl_label = "LiveHand motion"
    bl_import_operator = "livehand.import_motion"
    bl_file_extensions = ".npz"

    @classmethod
    def poll_drop(cls, context: Any) -> bool:
        return context.area is not None and context.area.type == "VIEW_3D"


register, unregister = registration(classes(LIVEHAND_OT_import_motion, LIVEHAND_OT_export_motion, LIVEHAND_FH_motion))
