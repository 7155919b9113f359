"""Operators around the engine: use it in this scene, and a camera that sees the hand."""

# Blender reads the annotations of these classes as values, so they are not postponed.

from typing import Any

import bpy
from bpy.props import BoolProperty, EnumProperty

from livehand_core.errors import CameraError, LiveHandError

from ..compat import engine_name
from ..compositing.setup import is_set_up, remove
from ..polls import allowed
from ..registration import classes, registration
from ..rig.armature import active_hand, is_hand
from .engine import ENGINE_ID
from .hand_camera import NAME, aim, hands_to_show, keeps_its_place, make_camera, sees


class LIVEHAND_OT_use_engine(bpy.types.Operator):
    """Render this scene with LiveHand, and show the avatar's exact colours (view transform Standard)"""

    bl_idname = "livehand.use_engine"
    bl_label = "Render with LiveHand"
    bl_options = {"REGISTER", "UNDO"}

    camera: BoolProperty(
        name="Camera on the Hand",
        description="Make a camera that sees the hand when this scene's does not; the other one stays where it is",
        default=False,
        options={"SKIP_SAVE"},
    )

    remove_compositing: BoolProperty(
        name="Remove Compositing",
        description="Take LiveHand's compositing out of this scene first; its hands would be drawn twice with it",
        options={"SKIP_SAVE"},
    )

    def invoke(self, context: Any, event: Any) -> set[str]:
        """From a button the picture shall show the hand, and compositing is asked about; scripts choose themselves."""
        scene = context.scene
        hands = hands_to_show(scene, active_hand(context))
        if not self.properties.is_property_set("camera"):
            self.camera = bool(hands) and not sees(scene, hands)
        if not is_set_up(scene) or self.remove_compositing:
            return self.execute(context)
        self.remove_compositing = True
        message = f"{_composite(scene)} LiveHand draws nothing but hands, so compositing is removed from the scene."
        confirm = context.window_manager.invoke_confirm
        return set(confirm(self, event, title=self.bl_label, message=message, confirm_text="Remove and Switch"))

    def execute(self, context: Any) -> set[str]:
        if is_set_up(context.scene):
            if not self.remove_compositing:
                self.report({"ERROR"}, f"{_composite(context.scene)} Remove Compositing first.")
                return {"CANCELLED"}
            remove(context.scene)
        scene = context.scene
        scene.render.engine = ENGINE_ID
        scene.view_settings.view_transform = "Standard"
        hands = hands_to_show(scene, active_hand(context))
        if self.camera and hands and not sees(scene, hands):
            try:
                self.report({"INFO"}, f"{_camera_on(context, hands).name!r} sees the hand. F12 renders it.")
            except LiveHandError as error:
                self.report({"WARNING"}, f"The camera does not show the hand. {error}")
        return {"FINISHED"}


class LIVEHAND_OT_camera_on_hand(bpy.types.Operator):
    """Show the hand in the picture: make a camera for it, or move this scene's"""

    bl_idname = "livehand.camera_on_hand"
    bl_label = "Camera on the Hand"
    bl_options = {"REGISTER", "UNDO"}

    which: EnumProperty(
        name="Camera",
        description="Which camera is aimed at the hand, from where the 3D view looks at it",
        items=(
            ("NEW", "New", "A new one, which becomes the scene's; one that was made so before is moved again", 0),
            ("MOVE", "This Scene's", "Move the scene's camera; one that is animated or hangs on something stays", 1),
        ),
        default="NEW",
    )

    @classmethod
    def poll(cls, context: Any) -> bool:
        found = any(is_hand(obj) for obj in context.scene.objects)
        return allowed(cls, "" if found else "There is no LiveHand hand in this scene")

    def execute(self, context: Any) -> set[str]:
        try:
            hands = hands_to_show(context.scene, active_hand(context))
            if self.which == "MOVE":
                aim(context, _movable(context.scene.camera), hands)
            else:
                _camera_on(context, hands)
        except LiveHandError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


def _camera_on(context: Any, hands: list[Any]) -> Any:
    """A camera made for hands and aimed at them; the one that was made so before serves again."""
    camera = context.scene.camera
    if camera is None or not camera.name.startswith(NAME) or keeps_its_place(camera):
        camera = make_camera(context)
    aim(context, camera, hands)
    return camera


def _movable(camera: Any) -> Any:
    if camera is None:
        raise CameraError("This scene has no camera.", "Make a new one.")
    if why := keeps_its_place(camera):
        raise CameraError(f"The camera {camera.name!r} is not moved: {why}.", "Make a new one, or move it yourself.")
    return camera


def _composite(scene: Any) -> str:
    return f"The scene {scene.name!r} has its hands laid into the pictures of {engine_name(scene)}."


register, unregister = registration(classes(LIVEHAND_OT_use_engine, LIVEHAND_OT_camera_on_hand))
