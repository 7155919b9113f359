"""What live tracking is told: ``scene.livehand_live``."""

# Blender reads the annotations of these classes as values, so they are not postponed.

import math
from typing import Any

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, PointerProperty, StringProperty

from livehand_core.tracking.values import TrackingOptions

from ..registration import classes, properties, registration

_HANDS = (
    ("ACTIVE", "Active Hand", "One hand moves the active rig, mirrored where it is of the other side", 0),
    ("BOTH", "Both Hands", "Each hand moves the rig of its side: the active one, and the other hand there is", 1),
)


def _smooth(settings: Any, _context: Any) -> None:
    from . import session

    session.set_smoothing(settings.smoothing)


class LiveHandLive(bpy.types.PropertyGroup):
    """Where pictures come from, which hands they move and how."""

    source: EnumProperty(
        name="Source",
        description="Where the pictures come from",
        items=(
            ("CAMERA", "Camera", "A camera of this computer; it is on only between Start and Stop", 0),
            ("FILE", "Video", "A video file or a folder of pictures, played as a camera would", 1),
        ),
    )
    camera: IntProperty(name="Camera", description="Number of the camera, from 0", default=0, min=0, max=63)
    path: StringProperty(name="Video", description="Video file, or folder of pictures", subtype="FILE_PATH")
    loop: BoolProperty(name="Loop", description="Begin the video again at its end", default=True)
    hands: EnumProperty(name="Hands", description="Which hands move", items=_HANDS)
    mirror: BoolProperty(
        name="Mirrored",
        description="The pictures are mirrored, as many programs show their user. Right and left are told by it",
        default=False,
    )
    detail: EnumProperty(
        name="Detail",
        description="Which network finds the hand's points",
        items=(("FULL", "Full", "The exact one", 0), ("LITE", "Fast", "At half the cost, a little less exact", 1)),
    )
    smoothing: FloatProperty(
        name="Smoothing",
        description="0 as measured, 1 very calm",
        default=0.5,
        min=0.0,
        max=1.0,
        subtype="FACTOR",
        update=_smooth,
    )
    fov: FloatProperty(
        name="Field of View",
        description="Of the camera that films, across the longer side of its picture",
        default=1.0471976,
        min=0.0872665,
        max=2.7925268,
        subtype="ANGLE",
    )
    wrist: BoolProperty(
        name="Wrist Follows",
        description="The wrist turns and moves with the hand, from where it is now; otherwise only the fingers move",
        default=True,
    )
    onto: EnumProperty(
        name="Record Onto",
        description="What a take keys",
        items=(
            ("FK", "Finger Bones", "The finger bones' rotations", 0),
            ("IK", "Finger Tips", "The tips' IK targets as well, with Tip IK on", 1),
        ),
    )
    take: StringProperty(name="Take", description="Name of the recorded actions; a number is added", default="Take")

    def source_text(self) -> str:
        """The source as the tracker takes it."""
        return f"camera:{self.camera}" if self.source == "CAMERA" else bpy.path.abspath(self.path)

    def options(self) -> TrackingOptions:
        """The tracker's options."""
        return TrackingOptions(
            hands="both" if self.hands == "BOTH" else "auto",
            mirror=self.mirror,
            smoothing=self.smoothing,
            fov=math.degrees(self.fov),
            detail="lite" if self.detail == "LITE" else "full",
        )


register, unregister = registration(
    classes(LiveHandLive),
    properties((bpy.types.Scene, "livehand_live", PointerProperty(type=LiveHandLive, name="LiveHand Live"))),
)
