"""LiveHand for Blender: photorealistic hands by a neural renderer. Registers the rooms; nothing else.

Importing this package needs no Blender; bpy is first imported by register().
"""

from importlib import import_module

_ROOMS = ("preferences", "properties", "rig.operators", "render.engine", "render.operators", "ui.panels", "ui.menus")


def register() -> None:
    """Called by Blender when the add-on is switched on."""
    for room in _ROOMS:
        import_module(f".{room}", __package__).register()


def unregister() -> None:
    """Called by Blender when the add-on is switched off."""
    for room in reversed(_ROOMS):
        import_module(f".{room}", __package__).unregister()
