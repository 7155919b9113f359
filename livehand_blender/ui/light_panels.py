"""The Light panel: which light the hands stand in, what is known of it, and a picture of it."""

import hashlib
import tempfile
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from livehand_core.errors import LiveHandError
from livehand_core.lights import Light
from livehand_core.panoramas import light_panorama
from livehand_core.passes import linear_to_srgb

from ..avatars.choice import metadata_of
from ..avatars.pictures import icon_of_file, write_png
from ..background import draw_task, draw_text
from ..registration import Step, classes, registration
from ..render.light import HandLight, answers, hand_light, hand_middle, probes
from ..render.probe import PROBE_KEY
from ..render.scene import avatar_path
from ..rig.armature import active_hand
from .disclosure import draw_picture

ROWS = 64
STATES = {
    "world": "Lamps and world, exact.",
    "probe": "Lamps, and what the probe saw around the hand.",
    "old": "The hand has moved on from where it was probed.",
    "none": "What stands around the hand is not probed yet.",
}
"""Source of a hand's light -> what the panel says."""

_pictures: tempfile.TemporaryDirectory[str] | None = None
"""Where the last picture lies; it goes with the add-on."""


class LIVEHAND_PT_light(bpy.types.Panel):
    """The light that hands stand in."""

    bl_label = "Light"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "LiveHand"
    bl_order = 13
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Any) -> None:
        layout, settings = self.layout, context.scene.livehand
        layout.row().prop(settings, "light", expand=True)
        rig = active_hand(context)
        if rig is not None:
            _draw_avatar(layout, rig)
        if settings.light != "SCENE":
            return
        layout.prop(settings, "light_strength")
        if rig is not None:
            _draw_light(layout, context, rig)
        if draw_task(layout, PROBE_KEY):
            return
        row = layout.row(align=True)
        row.operator("livehand.probe_light", text="Probe Light", icon="WORLD")
        if settings.light_probes:
            row.operator("livehand.forget_light", text="", icon="X")
        row = layout.row(align=True)
        row.operator("livehand.bake_light", text="Bake", icon="RENDER_ANIMATION")
        row.prop(settings, "bake_step")


def _draw_avatar(layout: Any, rig: Any) -> None:
    """Say it where the hand's avatar does not stand in the scene's light."""
    try:
        avatar = avatar_path(rig)
    except LiveHandError:
        # The Avatar panel says what is wrong with it.
        return
    metadata = metadata_of(avatar)
    if metadata is not None and not answers(avatar):
        draw_text(layout, f"{metadata.name} brings its own light along: no light of this scene changes it.")


def _draw_light(layout: Any, context: Any, rig: Any) -> None:
    try:
        found = light_here(context, rig)
    except LiveHandError as error:
        draw_text(layout, str(error), alert=True)
        return
    for note in found.notes:
        draw_text(layout, note, alert=True)
    icon = icon_of_light(found.light.moved(np.eye(3), -hand_middle(rig)))
    draw_picture(layout, icon, 6.0, "No picture yet")
    draw_text(layout, STATES[found.source])
    frames = [probe.frame for probe in probes(context.scene).get(rig.name, ())]
    if len(frames) > 1:
        draw_text(layout, f"Baked at {len(frames)} frames, {frames[0]} to {frames[-1]}.")


def light_here(context: Any, rig: Any) -> HandLight:
    """The light of a hand as the panel shows it.

    Raises:
        LiveHandError: the rig is no whole hand.
    """
    return hand_light(context.evaluated_depsgraph_get(), rig, hand_middle(rig))


def icon_of_light(light: Light) -> int:
    """Icon id of a panorama of a light as seen from the origin, exposed so that its mean is a middle grey."""
    name = hashlib.sha256(light.harmonics.tobytes() + repr(light.lamps).encode()).hexdigest()[:16]
    path = _folder() / f"{name}.png"
    if not path.exists():
        for old in _folder().iterdir():
            old.unlink()
        picture = light_panorama(light, ROWS)
        mean = float(picture.mean())
        shown = linear_to_srgb(np.clip(0.2 * picture / mean if mean > 0.0 else picture, 0.0, 1.0))
        write_png(path, np.rint(255.0 * shown).astype(np.uint8))
    return icon_of_file(path)


def _folder() -> Path:
    global _pictures
    if _pictures is None:
        _pictures = tempfile.TemporaryDirectory(prefix="livehand-lights-")
    return Path(_pictures.name)


def _forget() -> None:
    global _pictures
    if _pictures is not None:
        _pictures.cleanup()
        _pictures = None


register, unregister = registration(classes(LIVEHAND_PT_light), [Step("pictures of lights", lambda: None, _forget)])
