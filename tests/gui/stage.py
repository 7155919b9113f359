"""What the window tests do again and again: a hand before the view, and the question whether the screen shows it."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from gui import look
from gui.window import ADDON, BlenderWindow

FRONT = [0.70710678, 0.70710678, 0.0, 0.0]
"""View from the front (-Y), as Numpad 1: quaternion (w, x, y, z)."""

MIDDLE = [-0.09, 0.0, 0.0]
"""Middle of a right hand at rest whose wrist lies in the origin, in metres."""

GREEN_PROXY = (
    "for mesh in bpy.data.objects[rig].children_recursive:\n"
    "    for material in mesh.data.materials if mesh.type == 'MESH' else ():\n"
    "        material.diffuse_color = (0.1, 0.6, 0.1, 1.0)\n"
    "        for node in material.node_tree.nodes if material.node_tree else ():\n"
    "            if node.type == 'BSDF_PRINCIPLED':\n"
    "                node.inputs['Base Color'].default_value = (0.1, 0.6, 0.1, 1.0)\n"
)
"""The proxy mesh bears the colour of skin; in these tests only the neural hand shall."""

WORLD = (
    "world = bpy.data.worlds.new('World')\n"
    "world.color = (value,) * 3\n"
    "for node in world.node_tree.nodes if world.node_tree else ():\n"
    "    if node.type == 'BACKGROUND':\n"
    "        node.inputs['Color'].default_value = (value, value, value, 1.0)\n"
    "bpy.context.scene.world = world\n"
)
"""An even light: in an empty file there is none, and hands that answer to light are black."""

FIRST_PICTURE_SECONDS = 300.0
"""A fresh engine may have to compile the renderer's loops first."""

FAILURE = re.compile(r"^Traceback|^Error: Python|^\S*Error: ", re.MULTILINE)


class Stage:
    """One open file of a Blender in a window.

    Args:
        blender: the window; its methods do what is not said here.
    """

    def __init__(self, blender: BlenderWindow) -> None:
        self.blender = blender
        self.display = blender.display
        self._read = len(blender.log)
        self._engine_read = len(blender.engine_log)

    def clear(self) -> None:
        """An empty file in an even light, the mouse in the middle of its 3D view."""
        self.blender.ask("new_file")
        # A test that failed may have left it switched off.
        self.blender.python(
            "if name not in bpy.context.preferences.addons:\n    bpy.ops.preferences.addon_enable(module=name)\n",
            name=ADDON,
        )
        self.blender.python(WORLD, value=0.5)
        self.blender.ask("sidebar", shown=False)
        self.blender.ask("history", clear=True)
        self.display.move(*self.middle())

    def hand(self, side: str = "RIGHT", location: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> str:
        """Add a hand, seen from the front; gives its armature's name."""
        self.blender.ask("look_at", location=MIDDLE, distance=0.5, rotation=FRONT)
        code = "bpy.ops.livehand.add_hand(side=side, location=place); result = bpy.context.object.name"
        rig = str(self.blender.python(code, side=side, place=location))
        self.blender.python(GREEN_PROXY, rig=rig)
        return rig

    def camera(self) -> None:
        """A camera before the hand, from the front."""
        self.blender.python(
            "camera = bpy.data.objects.new('Camera', bpy.data.cameras.new('Camera'))\n"
            "scene = bpy.context.scene\n"
            "scene.collection.objects.link(camera)\n"
            "camera.location, camera.rotation_euler = (-0.09, -0.5, 0.0), (1.5707963, 0.0, 0.0)\n"
            "scene.camera = camera\n"
        )

    def live(self, overlays: bool = False) -> None:
        """The 3D view shows the LiveHand engine."""
        self.blender.python("bpy.ops.livehand.use_engine()")
        self.blender.ask("shading", kind="RENDERED", overlays=overlays, gizmos=overlays)

    def box(self) -> list[float]:
        """The 3D view's rectangle on the display."""
        return list(self.blender.ask("region_box"))

    def middle(self) -> tuple[float, float]:
        """The middle of the 3D view."""
        left, top, right, bottom = self.box()
        return (left + right) / 2.0, (top + bottom) / 2.0

    def panel(self, name: str, at: tuple[float, float] | None = None) -> None:
        """Open a panel with its first button below the mouse, at a place or in the middle; one that is open goes."""
        x, y = self.middle()
        self.display.move(x + 250.0, y + 300.0)
        self.blender.still(20.0, 0.5)
        self.display.move(*(at or (x, y)))
        self.python("bpy.ops.wm.call_panel('INVOKE_DEFAULT', name=name)", name=name)
        self.blender.still(20.0, 0.5)

    def matched(self, rig: str, image: np.ndarray | None = None) -> look.Match:
        """How well skin on the display lies where the view projects that hand."""
        image = self.display.look() if image is None else image
        expected = look.silhouette(self.blender.ask("triangles", rig=rig), image.shape)
        inside = look.box_mask(image.shape, self.box())
        return look.match(look.skin(image) & inside, expected & inside)

    def shows(self, rig: str, seconds: float = FIRST_PICTURE_SECONDS) -> bool:
        """Wait until the view shows that hand where it is, and nowhere else; fails at once when the engine failed."""

        def seen() -> bool:
            if self.matched(rig).good:
                return True
            assert "Traceback" not in self.engine_log(), self.engine_log()[-3000:]
            return False

        return self.blender.wait_for(seen, seconds)

    def shows_none(self, seconds: float = 60.0) -> bool:
        """Wait until the view shows no skin."""
        return self.blender.wait_for(lambda: self.skin_pixels() < 200, seconds)

    def skin_pixels(self) -> int:
        """Pixels of the 3D view in the colour of skin."""
        return int(look.skin(look.crop(self.display.look(), self.box())).sum())

    def happened(self, name: str, seconds: float = 120.0) -> bool:
        """Wait for one of Blender's handlers, e.g. ``render_complete``."""
        return self.blender.wait_for(lambda: name in self.blender.ask("history"), seconds)

    def orbit(self, right: float, down: float, seconds: float = 1.0) -> None:
        """Turn the view by the middle mouse button, by a path in pixels."""
        x, y = self.middle()
        self.display.drag([(x + right * i / 20, y + down * i / 20) for i in range(21)], 2, seconds)

    def log(self) -> str:
        """What Blender printed since this file was opened."""
        return self.blender.log[self._read :]

    def check_log(self) -> None:
        """Fail where Blender or the add-on printed an error that nobody expected."""
        found = FAILURE.search(self.log())
        assert found is None, self.log()[max(0, found.start() - 200) : found.start() + 3000]

    def engine_log(self) -> str:
        """What the engine wrote since this file was opened."""
        return self.blender.engine_log[self._engine_read :]

    def forget_log(self) -> str:
        """Leave what was printed so far, and what the engine wrote, out of every judgement; gives the former."""
        text = self.log()
        self._read, self._engine_read = len(self.blender.log), len(self.blender.engine_log)
        return text

    def python(self, code: str, **names: Any) -> Any:
        """Run Python inside Blender; see :meth:`BlenderWindow.python`."""
        return self.blender.python(code, **names)
