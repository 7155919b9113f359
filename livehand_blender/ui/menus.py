"""The entries in Blender's own menus: Add > Armature, File > Import and File > Export."""

from typing import Any

from ..registration import menu_entries, registration


def _draw_add_hand(self: Any, _context: Any) -> None:
    self.layout.operator_context = "INVOKE_DEFAULT"
    self.layout.operator("livehand.add_hand", text="LiveHand Hand", icon="VIEW_PAN")


def _draw_import(self: Any, _context: Any) -> None:
    self.layout.operator("livehand.import_motion", text="LiveHand Motion (.npz, .json)")
    self.layout.operator("livehand.import_capture", text="LiveHand Capture (Data Set)")
    self.layout.operator("livehand.from_footage", text="LiveHand Capture (Videos)")
    self.layout.operator("livehand.avatar_browse", text="LiveHand Avatar (.safetensors, .tar)")


def _draw_export(self: Any, _context: Any) -> None:
    self.layout.operator("livehand.export_motion", text="LiveHand Motion (.npz, .json)")


_ENTRIES = (
    ("VIEW3D_MT_armature_add", _draw_add_hand),
    ("TOPBAR_MT_file_import", _draw_import),
    ("TOPBAR_MT_file_export", _draw_export),
)


register, unregister = registration(menu_entries(*_ENTRIES))
