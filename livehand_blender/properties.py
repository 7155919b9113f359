"""What LiveHand stores in a .blend file: a hand's settings on its armature, the passes on the view layer."""

# Blender reads the annotations of these classes as values, so they are not postponed.

from typing import Any

import bpy
from bpy.props import (
    BoolProperty,
    EnumProperty,
    FloatProperty,
    FloatVectorProperty,
    PointerProperty,
    StringProperty,
)

from livehand_core.poses import BETA_COUNT

from . import compat
from .registration import classes, properties, registration
from .rig.model import BUILTIN_MODEL
from .rig.proxy import BETA_RANGE
from .rig.shape import BLEND, add_blend, blends_betas
from .rig.shape_names import shape_description

_OVERRIDABLE = {"LIBRARY_OVERRIDABLE"}


def _betas_changed(settings: Any, _context: Any) -> None:
    """Drivers move joints and mesh; what is set from Python must be told to the dependency graph.

    Betas that follow the identity and are set all the same no longer follow it.
    """
    settings.id_data.update_tag()
    if blends_betas(settings.id_data):
        settings.identity_shape = False


def _drawing_changed(settings: Any, _context: Any) -> None:
    """What is set from Python must be told to the dependency graph, and with it to the views."""
    settings.id_data.update_tag()


def _identity_changed(settings: Any, _context: Any) -> None:
    from .avatars.shape import follow_identity

    settings.id_data.update_tag()
    follow_identity(settings.id_data)


def _identity_shape_changed(settings: Any, _context: Any) -> None:
    from .avatars.shape import follow_identity

    follow_identity(settings.id_data, forced=True)


def _get_blend(settings: Any) -> float:
    return float(settings.id_data.get(BLEND, 0.0))


def _set_blend(settings: Any, value: float) -> None:
    add_blend(settings.id_data)
    settings.id_data[BLEND] = value
    settings.id_data.update_tag()


def _identity_search(settings: Any, _context: Any, _text: str) -> list[str]:
    """The names of the hand's avatar, for the drop-down list."""
    from livehand_core.errors import LiveHandError

    from .avatars.choice import identity_names, metadata_of
    from .render.scene import avatar_path

    try:
        return list(identity_names(metadata_of(avatar_path(settings.id_data))))
    except LiveHandError:
        return []


class LiveHandRig(bpy.types.PropertyGroup):
    """Settings of one hand, on the armature object as ``object.livehand``."""

    is_hand: BoolProperty(
        name="Is a LiveHand Hand", description="The LiveHand engine renders this armature", default=False, options=set()
    )
    side: EnumProperty(
        name="Side",
        description="Which hand it is; fixed when the hand is added",
        items=(("RIGHT", "Right", "A right hand", 0), ("LEFT", "Left", "A left hand", 1)),
        default="RIGHT",
        options=set(),
    )
    avatar: StringProperty(
        name="Avatar",
        description="Avatar file (.safetensors) that gives the hand its look; empty for the one that ships inside",
        subtype="FILE_PATH",
        options=compat.PATH_OPTIONS,
        override=_OVERRIDABLE,
        update=_identity_changed,
    )
    identity: StringProperty(
        name="Identity",
        description="Whose hand an avatar of several identities shows; empty for its first",
        search=_identity_search,
        override=_OVERRIDABLE,
        update=_identity_changed,
    )
    second_identity: StringProperty(
        name="Blend To",
        description="The identity at the other end of the blend; empty for no blend",
        search=_identity_search,
        override=_OVERRIDABLE,
        update=_identity_changed,
    )
    identity_blend: FloatProperty(
        name="Blend",
        description="From the first identity (0) to the second (1); for scripts, keys go on the object's own property",
        subtype="FACTOR",
        min=0.0,
        max=1.0,
        get=_get_blend,
        set=_set_blend,
        options=set(),
    )
    identity_shape: BoolProperty(
        name="Shape of the Identity",
        description="Let the betas follow the identity, where the avatar knows its shape; off, you set them yourself",
        default=True,
        override=_OVERRIDABLE,
        update=_identity_shape_changed,
    )
    betas: FloatVectorProperty(
        name="Shape",
        description=f"In standard deviations; those of the built-in hand:\n{shape_description()}",
        size=BETA_COUNT,
        default=(0.0,) * BETA_COUNT,
        min=-BETA_RANGE,
        max=BETA_RANGE,
        step=10,
        precision=2,
        override=_OVERRIDABLE,
        update=_betas_changed,
    )
    tint: FloatVectorProperty(
        name="Tint",
        description="Factors of the skin's linear colours, e.g. to match an arm's",
        size=3,
        default=(1.0, 1.0, 1.0),
        min=0.0,
        soft_max=2.0,
        step=1,
        precision=3,
        override=_OVERRIDABLE,
        update=_drawing_changed,
    )
    wrist: EnumProperty(
        name="Wrist",
        description="How the hand ends towards the elbow",
        items=(
            ("CUT", "As It Ends", "Shown to its end", 0),
            ("ARM", "Fade into Arm", "It fades out over an arm's skin, which lies where the hand's does", 1),
            ("SLEEVE", "Fade in Sleeve", "It fades out inside a sleeve, which hides it", 2),
        ),
        default="CUT",
        override=_OVERRIDABLE,
        update=_drawing_changed,
    )
    wrist_start: FloatProperty(
        name="Start",
        description="Where it begins to fade: from the wrist joint towards the elbow, of a hand of life size",
        default=0.006,
        soft_min=-0.02,
        soft_max=0.03,
        step=0.1,
        precision=4,
        subtype="DISTANCE",
        override=_OVERRIDABLE,
        update=_drawing_changed,
    )
    wrist_length: FloatProperty(
        name="Length",
        description="Over which it fades",
        default=0.022,
        min=0.001,
        soft_max=0.05,
        step=0.1,
        precision=4,
        subtype="DISTANCE",
        override=_OVERRIDABLE,
        update=_drawing_changed,
    )
    push_apart: BoolProperty(
        name="Push Apart",
        description="Draw the hand a little beside its pose where it goes into another hand or into itself, by up to "
        "8 mm and 14 degrees; bones and keys stay as they are",
        default=False,
        override=_OVERRIDABLE,
        update=_drawing_changed,
    )
    model: StringProperty(
        name="Model", description="Id of the hand model the rig was made from", default=BUILTIN_MODEL, options=set()
    )


class LiveHandPasses(bpy.types.PropertyGroup):
    """Passes beside Combined, on the view layer as ``view_layer.livehand``."""

    use_depth: BoolProperty(name="Depth", description="Metres along the view axis", default=True)
    use_mask: BoolProperty(
        name="Object Index",
        description="Pass Index of the front-most hand's armature; the number of the hand where none has one",
        default=True,
    )
    use_cryptomatte: BoolProperty(
        name="Cryptomatte Object", description="Name and coverage of the front-most hand, for the Cryptomatte node"
    )
    use_normal: BoolProperty(name="Normal", description="Surface normal in world space", default=False)
    use_uv: BoolProperty(name="UV", description="Texture coordinates on the hand, for the Map UV node")
    use_uvd: BoolProperty(
        name="Canonical", description="Texture coordinates u and v and distance d to the surface", default=False
    )
    use_low: BoolProperty(
        name="Low Resolution", description="The volume-rendered image before super-resolution", default=False
    )
    use_holdout: BoolProperty(
        name="Holdout", description="How much of each pixel is cut out by hands that are holdouts", default=False
    )


register, unregister = registration(
    classes(LiveHandRig, LiveHandPasses),
    properties(
        (bpy.types.Object, "livehand", PointerProperty(type=LiveHandRig, override=_OVERRIDABLE)),
        (bpy.types.ViewLayer, "livehand", PointerProperty(type=LiveHandPasses)),
    ),
)
