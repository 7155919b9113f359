"""Panels of a hand's pose, fingers, IK, shape and motion, below the panel "Hand" of the tab."""

from typing import Any

import bpy

from livehand_core.errors import LiveHandError
from livehand_core.hand.limits import FINGERS

from ..avatars.choice import identity_names, metadata_of
from ..avatars.shape import knows_shape
from ..background import draw_text
from ..registration import classes, registration
from ..render.scene import avatar_path
from ..rig.armature import active_hand
from ..rig.controls import IK_NAME
from ..rig.hand_rig import HandRig
from ..rig.shape import BLEND, BLEND_PATH
from ..rig.shape_names import shape_label

_ROWS = ("thumb", "index", "middle", "ring", "pinky")
"""Fingers in the order in which a hand shows them."""


class _HandPanel:
    """Where all panels of a hand are, and when."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "LiveHand"
    bl_parent_id = "LIVEHAND_PT_hand"

    @classmethod
    def poll(cls, context: Any) -> bool:
        return active_hand(context) is not None


class LIVEHAND_PT_pose(_HandPanel, bpy.types.Panel):
    """Gestures, blending, and one hand's pose onto others."""

    bl_label = "Pose"

    def draw(self, context: Any) -> None:
        layout = self.layout
        rig = active_hand(context)
        if not rig.is_editable:
            draw_text(layout, "Linked: make a library override to pose it.", icon="LINKED")
        layout.operator_menu_enum("livehand.pose_preset", "gesture", text="Apply Gesture", icon="POSE_HLT")
        row = layout.row()
        row.operator_context = "INVOKE_DEFAULT"
        row.operator_menu_enum("livehand.blend_pose", "gesture", text="Blend to Gesture", icon="ARROW_LEFTRIGHT")
        layout.operator("livehand.copy_pose", icon="PASTEFLIPDOWN")
        layout.operator("livehand.hold", icon="VIEW_PAN")


class LIVEHAND_PT_fingers(_HandPanel, bpy.types.Panel):
    """Curl, spread and IK of each finger, keyed as any other property."""

    bl_label = "Fingers"

    def draw(self, context: Any) -> None:
        layout = self.layout
        layout.use_property_decorate = True
        rig = active_hand(context)
        hand = HandRig.of(rig)
        grid = layout.grid_flow(row_major=True, columns=4, even_columns=True, align=True)
        for title in ("", "Curl", "Spread", "Tip IK"):
            grid.label(text=title)
        for finger in ("fingers", *_ROWS):
            control = hand.control(finger)
            grid.label(text="All four" if finger == "fingers" else finger.title())
            for axis in (0, 2):
                if control is None:
                    grid.label(text="")
                else:
                    grid.prop(control, "rotation_euler", index=axis, text="")
            last = hand.last(finger) if finger in FINGERS else None
            constraint = last.constraints.get(IK_NAME) if last is not None else None
            if constraint is None:
                grid.label(text="")
            else:
                grid.prop(constraint, "influence", text="", slider=True)
        row = layout.row(align=True)
        row.operator("livehand.set_ik", text="IK On").influence = 1.0
        row.operator("livehand.set_ik", text="IK Off").influence = 0.0
        layout.operator("livehand.apply_controls")
        row = layout.row(align=True)
        row.operator("livehand.set_limits", text="Limits On").active = True
        row.operator("livehand.set_limits", text="Limits Off").active = False
        row = layout.row(align=True)
        row.prop(rig.livehand, "push_apart", toggle=True)
        row.operator("livehand.apply_apart", text="Apply")


class LIVEHAND_PT_identity(_HandPanel, bpy.types.Panel):
    """Which identity of its avatar the hand shows, and a blend towards another."""

    bl_label = "Identity"

    @classmethod
    def poll(cls, context: Any) -> bool:
        hand = active_hand(context)
        return hand is not None and bool(_identities(hand) or hand.livehand.identity or hand.livehand.second_identity)

    def draw(self, context: Any) -> None:
        layout = self.layout
        layout.use_property_split = layout.use_property_decorate = True
        hand = active_hand(context)
        settings, names = hand.livehand, _identities(hand)
        layout.prop(settings, "identity", placeholder=names[0] if names else "")
        layout.prop(settings, "second_identity", placeholder="None")
        if BLEND in hand:
            row = layout.row()
            row.enabled = bool(settings.second_identity)
            row.prop(hand, BLEND_PATH, text="Blend", slider=True)
        for name in {settings.identity.strip(), settings.second_identity.strip()} - {"", *names}:
            draw_text(layout.box(), f"The avatar has no identity {name!r}", alert=True)
        if knows_shape(hand):
            layout.prop(settings, "identity_shape")


def _identities(hand: Any) -> tuple[str, ...]:
    """The names that a hand's identity can be chosen from."""
    try:
        return identity_names(metadata_of(avatar_path(hand)))
    except LiveHandError:
        return ()


class LIVEHAND_PT_shape(_HandPanel, bpy.types.Panel):
    """The ten shape coefficients."""

    bl_label = "Shape"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Any) -> None:
        settings = active_hand(context).livehand
        if knows_shape(active_hand(context)):
            self.layout.prop(settings, "identity_shape")
        column = self.layout.column(align=True)
        for index in range(len(settings.betas)):
            column.prop(settings, "betas", index=index, text=shape_label(settings.model, index), slider=True)
        row = self.layout.row(align=True)
        row.operator("livehand.reset_shape", text="Reset", icon="LOOP_BACK")
        row.operator("livehand.random_shape", text="Random", icon="FILE_REFRESH")


class LIVEHAND_PT_wrist(_HandPanel, bpy.types.Panel):
    """How the hand sits on an arm or in a sleeve: its end, and its colour."""

    bl_label = "Wrist and Colour"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Any) -> None:
        layout = self.layout
        layout.use_property_split = layout.use_property_decorate = True
        settings = active_hand(context).livehand
        layout.prop(settings, "wrist")
        column = layout.column(align=True)
        column.enabled = settings.wrist != "CUT"
        column.prop(settings, "wrist_start")
        column.prop(settings, "wrist_length")
        layout.prop(settings, "tint")
        layout.operator("livehand.match_colour", icon="EYEDROPPER")


class LIVEHAND_PT_motion(_HandPanel, bpy.types.Panel):
    """Motion files, the pose library, and a character's wrist."""

    bl_label = "Motion and Library"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Any) -> None:
        layout = self.layout
        row = layout.row(align=True)
        row.operator("livehand.import_motion", text="Import", icon="IMPORT")
        row.operator("livehand.export_motion", text="Export", icon="EXPORT")
        layout.operator("livehand.make_pose_library", icon="ASSET_MANAGER")
        rig = active_hand(context)
        if rig.parent_type == "BONE" and rig.parent is not None:
            draw_text(layout, f"On {rig.parent.name}, {rig.parent_bone}", icon="BONE_DATA")
            layout.operator("livehand.detach", icon="UNLINKED")
        else:
            layout.operator("livehand.attach", icon="LINKED")


register, unregister = registration(
    classes(
        LIVEHAND_PT_pose,
        LIVEHAND_PT_identity,
        LIVEHAND_PT_fingers,
        LIVEHAND_PT_shape,
        LIVEHAND_PT_wrist,
        LIVEHAND_PT_motion,
    )
)
