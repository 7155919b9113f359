"""Operators that put a hand on an existing character's wrist and take it off again."""

# Blender reads the annotations of these classes as values, so they are not postponed.

from typing import Any

import bpy
import numpy as np
from bpy.props import BoolProperty, FloatProperty, StringProperty
from mathutils import Matrix

from livehand_core.errors import PoseError
from livehand_core.poses import JOINT_NAMES

from ..polls import allowed
from ..registration import classes, registration
from .armature import active_hand, is_hand
from .hand_operator import HandOperator
from .hand_rig import HandRig
from .placement import find_knuckles, guess_wrist, placement, side_of_name
from .pose import set_channels


class LIVEHAND_OT_attach(HandOperator):
    """Attach the active hand to the wrist bone of a character, which it then follows"""

    bl_idname = "livehand.attach"
    bl_label = "Attach to a Character"

    armature: StringProperty(
        name="Character", description="Armature object; the other selected armature by default", options={"SKIP_SAVE"}
    )
    bone: StringProperty(
        name="Bone", description="Wrist or hand bone; found by its name by default", options={"SKIP_SAVE"}
    )
    align: BoolProperty(
        name="Align",
        description="Put the hand's wrist at the bone's head, turned as the character's fingers say; otherwise the "
        "hand stays where it is",
        default=True,
    )
    fit_size: BoolProperty(
        name="Fit Size", description="Scale the hand to the character's, measured from wrist to knuckles", default=True
    )
    roll: FloatProperty(
        name="Roll", description="Additional turn about the hand's long axis", subtype="ANGLE", options={"SKIP_SAVE"}
    )

    def invoke(self, context: Any, event: Any) -> set[str]:
        self._guess(context, active_hand(context))
        return context.window_manager.invoke_props_dialog(self)

    def draw(self, context: Any) -> None:
        layout = self.layout
        layout.use_property_split = True
        layout.prop_search(self, "armature", context.scene, "objects", icon="ARMATURE_DATA")
        character = context.scene.objects.get(self.armature)
        if character is not None and character.type == "ARMATURE":
            layout.prop_search(self, "bone", character.data, "bones", icon="BONE_DATA")
        for name in ("align", "fit_size", "roll"):
            layout.prop(self, name)

    def apply(self, context: Any, rig: Any) -> None:
        self._guess(context, rig)
        character = context.scene.objects.get(self.armature)
        if character is None or character.type != "ARMATURE" or character == rig:
            raise PoseError(
                f"There is no character {self.armature!r} in the scene.",
                "Select the character's armature, then the hand, or name the armature.",
            )
        ancestor = character
        while ancestor is not None:
            if ancestor == rig:
                raise PoseError(f"{character.name!r} is already attached to {rig.name!r}.", "Clear its parent first.")
            ancestor = ancestor.parent
        if self.bone not in character.pose.bones:
            raise PoseError(
                f"{character.name!r} has no bone {self.bone!r}.", "Give the name of its hand or wrist bone."
            )
        hand, meant = HandRig.of(rig), side_of_name(self.bone)
        if meant is not None and meant != hand.side:
            raise PoseError(
                f"{self.bone!r} is a {meant} hand's bone and {rig.name!r} a {hand.side} hand.",
                f"Add a {meant} hand, or choose the other bone.",
            )
        context.view_layer.update()
        graph = context.evaluated_depsgraph_get()
        evaluated = character.evaluated_get(graph)
        world = Matrix(rig.matrix_world)
        if self.align:
            scale = self._scale(hand, evaluated) if self.fit_size else rig.matrix_world.median_scale
            along, thumbwards = _directions(evaluated, self.bone)
            wrist = np.array(evaluated.matrix_world @ evaluated.pose.bones[self.bone].head)
            matrix = placement(wrist, along, thumbwards, hand.side, scale, self.roll, repr(character.name))
            world = Matrix(matrix.tolist())
            set_channels(hand.joint_bones[0], np.eye(4), with_location=True)
        if not hang(rig, character, self.bone, world):
            self.report({"WARNING"}, f"The constraints of {rig.name!r} hold it elsewhere: remove or mute them.")

    def _guess(self, context: Any, rig: Any) -> None:
        if not self.armature:
            others = [
                obj for obj in context.selected_objects if obj.type == "ARMATURE" and obj != rig and not is_hand(obj)
            ]
            self.armature = others[0].name if others else ""
        character = context.scene.objects.get(self.armature)
        if not self.bone and character is not None and character.type == "ARMATURE":
            self.bone = guess_wrist([bone.name for bone in character.data.bones], HandRig.of(rig).side)

    def _scale(self, rig: HandRig, character: Any) -> float:
        """The character's hand against the rig's own, wrist to knuckles; the rig's own scale if that cannot be told."""
        knuckles = _knuckles(character, self.bone)
        if knuckles is None:
            return float(rig.obj.matrix_world.median_scale)
        wrist = np.array(character.matrix_world @ character.pose.bones[self.bone].head)
        own = [np.array(rig.joint_bones[JOINT_NAMES.index(name)].bone.head_local) for name in ("index1", "pinky1")]
        return float(np.linalg.norm(np.mean(knuckles, axis=0) - wrist) / np.linalg.norm(np.mean(own, axis=0)))


class LIVEHAND_OT_detach(HandOperator):
    """Detach the active hand from its bone; it stays where it is"""

    bl_idname = "livehand.detach"
    bl_label = "Detach"

    @classmethod
    def poll(cls, context: Any) -> bool:
        if not super().poll(context):
            return False
        return allowed(cls, "The hand is not attached" if active_hand(context).parent is None else "")

    def apply(self, context: Any, rig: Any) -> None:
        context.view_layer.update()
        world = Matrix(rig.matrix_world)
        rig.parent = None
        rig.matrix_world = world


def hang(rig: Any, character: Any, bone: str, world: Any) -> bool:
    """Parent a rig to a bone so that its world matrix is ``world`` now, however the bone is posed, scaled or related.

    Returns:
        Whether it is there; constraints of the rig may hold it elsewhere.

    Raises:
        PoseError: the bone is scaled to nothing.
    """
    carrier = _carrier(character, bone)
    if abs(carrier.to_3x3().determinant()) < 1e-18:
        raise PoseError(f"The bone {bone!r} of {character.name!r} is scaled to nothing.", "Give it a scale first.")
    rig.parent, rig.parent_type, rig.parent_bone = character, "BONE", bone
    # As Blender's own parenting does: whatever shear a scaled bone brings is taken out here and nowhere else.
    rig.matrix_parent_inverse = carrier.inverted()
    bpy.context.view_layer.update()
    rig.matrix_world = world
    bpy.context.view_layer.update()
    miss = np.abs(np.array(rig.matrix_world) - np.array(world)).max()
    return bool(miss < 1e-4 * max(1.0, float(np.abs(np.array(world)).max())))


def _carrier(character: Any, bone: str) -> Any:
    """The world matrix by which a bone carries what hangs on it, as Blender has it; an empty tells."""
    probe = bpy.data.objects.new("LiveHand Probe", None)
    try:
        bpy.context.scene.collection.objects.link(probe)
        probe.parent, probe.parent_type, probe.parent_bone = character, "BONE", bone
        bpy.context.view_layer.update()
        return probe.matrix_world.copy()
    finally:
        bpy.data.objects.remove(probe)


def _knuckles(character: Any, bone: str) -> tuple[np.ndarray, np.ndarray] | None:
    below = character.pose.bones[bone].children_recursive
    world = character.matrix_world
    heads = {child.name: np.array(world @ child.head) for child in below}
    return find_knuckles(heads, np.array(world @ character.pose.bones[bone].head))


def _directions(character: Any, bone: str) -> tuple[np.ndarray, np.ndarray]:
    """(3,) along the hand and (3,) towards the thumb's side; without finger bones, the hand bone's own axes tell."""
    pose_bone = character.pose.bones[bone]
    axes = np.array(character.matrix_world.to_3x3() @ pose_bone.matrix.to_3x3())
    knuckles = _knuckles(character, bone)
    if knuckles is None:
        return axes[:, 1], axes[:, 0]
    index, pinky = knuckles
    wrist = np.array(character.matrix_world @ pose_bone.head)
    return 0.5 * (index + pinky) - wrist, index - pinky


register, unregister = registration(classes(LIVEHAND_OT_attach, LIVEHAND_OT_detach))
