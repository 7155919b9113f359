"""What a capture is told, as ``scene.livehand_capture``."""

# Blender reads the annotations of these classes as values, so they are not postponed.

from typing import Any

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, PointerProperty, StringProperty

from livehand_core.hand.looks import DEFAULT_LOOK, LOOKS

from .. import compat
from ..registration import classes, properties, registration
from ..rig.armature import is_hand


def _is_hand(_settings: Any, obj: Any) -> bool:
    return bool(is_hand(obj))


class LiveHandCapture(bpy.types.PropertyGroup):
    """Settings of a capture."""

    folder: StringProperty(
        name="Folder",
        description="Where the capture goes; empty for a folder named after the file and the hand, in the add-on's own",
        subtype="DIR_PATH",
        options=compat.PATH_OPTIONS,
    )
    hand: PointerProperty(
        name="Hand",
        description="The rig that is captured; empty for the active one",
        type=bpy.types.Object,
        poll=_is_hand,
    )
    look: EnumProperty(
        name="Look",
        description="What is photographed",
        items=(
            ("BUILTIN", "Built-in Skin", "The detailed hand that ships inside, in this scene's light", 0),
            ("MESHES", "Its Own Meshes", "The meshes that follow the rig, with their materials", 1),
        ),
        default="BUILTIN",
    )
    identity: EnumProperty(
        name="Identity",
        description="Whose skin, nails and shape the built-in hand has; betas that you have set on the rig stay",
        items=tuple((name, name.title(), look.about, number) for number, (name, look) in enumerate(LOOKS.items())),
        default=DEFAULT_LOOK,
    )
    cameras_from: EnumProperty(
        name="Cameras",
        description="Where the pictures are taken from",
        items=(
            ("DOME", "Dome", "Evenly spread all round, without those that would look into the wrist", 0),
            ("COLLECTION", "Own", "The cameras of a collection", 1),
        ),
        default="DOME",
    )
    camera_count: IntProperty(name="Count", description="Cameras of the dome", default=40, min=2, max=500)
    radius: FloatProperty(
        name="Radius",
        description="Distance of the dome's cameras; 0 chooses it so that a long lens shows the whole hand",
        default=0.0,
        min=0.0,
        unit="LENGTH",
    )
    camera_collection: PointerProperty(
        name="Collection", description="Cameras to capture with", type=bpy.types.Collection
    )
    poses_from: EnumProperty(
        name="Poses",
        description="What the hand does",
        items=(
            ("SAMPLED", "Sampled", "Gestures, ways between them, and poses drawn within the joint limits", 0),
            ("ANIMATION", "Animation", "Frames of the rig's own animation", 1),
        ),
        default="SAMPLED",
    )
    pose_count: IntProperty(name="Count", description="Poses that are sampled", default=48, min=2, max=5000)
    frame_step: IntProperty(
        name="Every", description="Take every n-th frame of the scene's range", default=4, min=1, max=1000
    )
    cameras_per_pose: IntProperty(
        name="Cameras per Pose", description="Cameras that see each training pose", default=8, min=1, max=500
    )
    held_out_cameras: IntProperty(
        name="Test Cameras",
        description="Cameras kept for measuring the avatar and never trained on; a third of all at most",
        default=4,
        min=0,
        max=100,
    )
    held_out_poses: IntProperty(
        name="Test Poses",
        description="Poses kept for measuring the avatar and never trained on; a third of all at most",
        default=4,
        min=0,
        max=100,
    )
    width: IntProperty(name="Width", description="Pixels of a picture", default=334, min=16, max=8192, subtype="PIXEL")
    height: IntProperty(
        name="Height", description="Pixels of a picture", default=512, min=16, max=8192, subtype="PIXEL"
    )
    renderer: EnumProperty(
        name="Renderer",
        description="Blender's engine that takes the pictures",
        items=(
            ("CYCLES", "Cycles", "Path tracing, with the scene's device", 0),
            ("EEVEE", "EEVEE", "Fast; needs a display or a GPU", 1),
        ),
        default="CYCLES",
    )
    samples: IntProperty(name="Samples", description="Samples a pixel, before denoising", default=8, min=1, max=4096)
    studio: BoolProperty(
        name="Studio Light",
        description="Take soft studio light around the hand in place of this scene's own lamps and world",
        default=False,
    )
    many_lights: BoolProperty(
        name="Many Lights",
        description="Take each picture in a light of its own, soft lamps, skies and suns, in place of the scene's: "
        "material for avatars that answer to light. Tests are taken in lights of other kinds",
        default=False,
    )
    licence: StringProperty(
        name="Licence",
        description="Terms of the pictures, which avatars that are trained on them inherit: an SPDX id such as "
        "CC-BY-4.0, or a short statement such as own use only. Pictures of the built-in skin are CC0-1.0",
    )
    seed: IntProperty(name="Seed", description="Seed of sampled poses and camera rolls", default=0, min=0)
    show_more: BoolProperty(name="More", description="Show more settings of the capture", default=False)


register, unregister = registration(
    classes(LiveHandCapture), properties((bpy.types.Scene, "livehand_capture", PointerProperty(type=LiveHandCapture)))
)
