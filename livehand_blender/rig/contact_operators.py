"""Operators on what a hand touches: *Hold*, and the pose of *Push Apart* given to the bones."""

# Blender reads the annotations of these classes as values, so they are not postponed.

from typing import Any

import numpy as np
from bpy.props import StringProperty

from livehand_core.hand.holding import TOUCH, hold
from livehand_core.hand.limits import FINGERS
from livehand_core.hand.separation import Touching, separate

from ..registration import classes, registration
from .armature import is_hand, proxy_meshes
from .hand_operator import HandOperator, key_frame, key_property
from .hand_rig import HandRig
from .pose import apply_pose, shown_pose
from .pose_operators import finger_property
from .solid import TouchedSurface, chosen_objects


class LIVEHAND_OT_hold(HandOperator):
    """Close the active hand's fingers around a mesh until they touch it: the other selected ones, or a named one"""

    bl_idname = "livehand.hold"
    bl_label = "Hold"

    mesh: StringProperty(
        name="Mesh", description="What to hold; the other selected meshes by default", options={"SKIP_SAVE"}
    )
    fingers: finger_property("The fingers that close")
    keyframe: key_property()

    def draw(self, context: Any) -> None:
        layout = self.layout
        layout.use_property_split = True
        layout.prop_search(self, "mesh", context.scene, "objects", icon="MESH_DATA")
        layout.prop(self, "fingers")
        layout.prop(self, "keyframe")

    def apply(self, context: Any, rig: Any) -> None:
        objects = chosen_objects(context, rig, self.mesh, proxy_meshes(rig))
        context.view_layer.update()
        graph = context.evaluated_depsgraph_get()
        hand = HandRig.of(rig.evaluated_get(graph))
        pose, scale = shown_pose(hand)
        # The wrist and the knuckles: on their side of a sheet the hand is.
        palm = hand.ends()[0][[0, 1, 4, 7, 10]].mean(axis=0) / scale
        surface = TouchedSurface(objects, graph, scale, np.asarray(palm))
        name = repr(objects[0].name) if len(objects) == 1 else f"What is selected ({len(objects)} meshes)"
        chosen = [finger for finger in FINGERS if finger.upper() in self.fingers]
        held = hold(hand.data, pose, surface, chosen, name)
        apply_pose(rig, held.pose, key_frame(context, self.keyframe), wrist=False, fingers=held.touching)
        away = [finger for finger in chosen if finger not in held.touching]
        loose = [finger for finger in held.touching if held.tips[finger] > TOUCH]
        if away:
            self.report({"WARNING"}, f"{name} is out of reach of {_listed(away)}: these stay as they were.")
        elif loose:
            self.report({"INFO"}, f"The hand holds {name}; the tips of {_listed(loose)} do not touch it.")


class LIVEHAND_OT_apply_apart(HandOperator):
    """Give the bones the pose by which the hand does not go into other hands or itself, as Push Apart draws it"""

    bl_idname = "livehand.apply_apart"
    bl_label = "Apply Push Apart"

    keyframe: key_property()

    def apply(self, context: Any, rig: Any) -> None:
        context.view_layer.update()
        graph = context.evaluated_depsgraph_get()
        others = [obj for obj in context.view_layer.objects if is_hand(obj) and obj != rig and obj.visible_get()]
        hands = []
        for obj in (rig, *others):
            hand = HandRig.of(obj.evaluated_get(graph))
            hands.append(Touching(hand.data, *shown_pose(hand), moves=obj == rig))
        pose = separate(hands)[0]
        if pose is hands[0].pose:
            self.report({"INFO"}, "The hand goes into nothing: its pose stays as it is.")
        else:
            apply_pose(rig, pose, key_frame(context, self.keyframe))


def _listed(fingers: list[str]) -> str:
    named = ["the thumb" if finger == "thumb" else f"the {finger} finger" for finger in fingers]
    return named[0] if len(named) == 1 else f"{', '.join(named[:-1])} and {named[-1]}"


register, unregister = registration(classes(LIVEHAND_OT_hold, LIVEHAND_OT_apply_apart))
