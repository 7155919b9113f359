"""The entry in Add > Armature."""

from typing import Any

import bpy


def _draw_add_hand(self: Any, _context: Any) -> None:
    self.layout.operator("livehand.add_hand", text="LiveHand Hand", icon="VIEW_PAN")


def register() -> None:
    bpy.types.VIEW3D_MT_armature_add.append(_draw_add_hand)


def unregister() -> None:
    bpy.types.VIEW3D_MT_armature_add.remove(_draw_add_hand)
