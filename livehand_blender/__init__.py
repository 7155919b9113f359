"""LiveHand for Blender: photorealistic hands by a neural renderer. Registers the rooms; nothing else.

Importing this package needs no Blender; bpy is first imported by register().
"""

from contextlib import ExitStack
from importlib import import_module

_ROOMS = (
    "preferences",
    "ui.preferences_page",
    "background",
    "stored",
    "properties",
    "render.settings",
    "rig.operators",
    "rig.pose_operators",
    "rig.contact_operators",
    "rig.shape_operators",
    "rig.attach",
    "rig.pose_library",
    "rig.family",
    "motion.operators",
    "motion.from_armature",
    "render.engine",
    "render.operators",
    "render.overlay",
    "render.near",
    "render.wrist",
    "render.prober",
    "render.probe",
    "render.probe_watch",
    "render.world",
    "compositing.operators",
    "environment.operators",
    "environment.doctor",
    "avatars.pictures",
    "avatars.operators",
    "avatars.shape",
    "training.operators",
    "capture.settings",
    "capture.operators",
    "footage.operators",
    "meshes.operators",
    "meshes.export",
    "batch",
    "live.settings",
    "live.session",
    "live.operators",
    "farm.operators",
    "provenance.operators",
    "ui.panels",
    "ui.rig_panels",
    "ui.mesh_panels",
    "ui.live_panels",
    "ui.render_panels",
    "ui.light_panels",
    "ui.avatar_panels",
    "ui.capture_panels",
    "parts.operators",
    "ui.training_panels",
    "ui.farm_panels",
    "ui.provenance_panels",
    "ui.menus",
)

_registered = False
_undo = ExitStack()
"""Takes back what the rooms have registered, the last one first, also after a room that fails at it."""


def register() -> None:
    """Called by Blender when the add-on is switched on. All of it, or after an error nothing."""
    global _registered
    lifecycle = import_module(".lifecycle", __package__)
    if lifecycle.stays():
        return
    with ExitStack() as done:
        for name in _ROOMS:
            room = import_module(f".{name}", __package__)
            room.register()
            done.callback(room.unregister)
        _undo.push(done.pop_all())
    _registered = True
    lifecycle.arrived(_leave)


def unregister() -> None:
    """Called by Blender when the add-on is switched off."""
    if not import_module(".lifecycle", __package__).postponed(_leave):
        _leave()


def _leave() -> None:
    global _registered
    # At its exit Blender as a module switches add-ons off once more, after this was called.
    if not _registered:
        return
    _registered = False
    lifecycle = import_module(".lifecycle", __package__)
    try:
        _undo.close()
    finally:
        lifecycle.gone(_leave)
