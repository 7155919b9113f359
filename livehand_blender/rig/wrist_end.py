"""The proxy mesh of a hand ends where its picture begins to fade. Called by compositing/setup.

A hidden proxy still throws shadows, and what of it lies over an arm that the hand fades into would leave that arm dark.
A Mask modifier cuts it, by drivers, so that keys on the settings of the wrist count on every frame of a render.
"""

from __future__ import annotations

from typing import Any

import numpy as np

NAME = "LiveHand Wrist"
"""Of the modifier and of the vertex group by which it cuts."""

SPAN = (-0.05, 0.05)
"""Metres from the wrist joint towards the elbow between which the group's weights fall from 1 to 0."""

_PATH = f'modifiers["{NAME}"]'
_DRIVEN = {
    f"{_PATH}.threshold": ("wrist_start", f"({SPAN[1]}-wrist_start)/{SPAN[1] - SPAN[0]}"),
    f"{_PATH}.show_render": ("wrist", "wrist > 0.0"),
    f"{_PATH}.show_viewport": ("wrist", "wrist > 0.0"),
}
"""What of the modifier follows which setting of the hand, and the formula, which Blender reads without Python."""


def end_at_wrist(mesh: Any, rig: Any) -> bool:
    """Let a proxy mesh end with its hand; whether it can, which linked mesh data does not let.

    Args:
        mesh: an editable object.
        rig: its hand.
    """
    if NAME not in mesh.vertex_groups:
        if not mesh.data.is_editable:
            return False
        _weigh(mesh, 1.0 if rig.livehand.side == "RIGHT" else -1.0)
    modifier = mesh.modifiers.get(NAME)
    if modifier is None:
        modifier = mesh.modifiers.new(NAME, "MASK")
        modifier.vertex_group, modifier.use_smooth = NAME, True
        modifier.show_expanded = False
    if len(curves := _curves(mesh)) < len(_DRIVEN) or any(_targets(curve) != {rig} for curve in curves):
        for path, (variable, expression) in _DRIVEN.items():
            _drive(mesh, path, rig, variable, expression)
    return True


def end_as_made(mesh: Any) -> None:
    """Take away what :func:`end_at_wrist` gave a mesh."""
    for curve in _curves(mesh):
        mesh.driver_remove(curve.data_path)
    kept = mesh.animation_data
    if kept is not None and not (kept.action or len(kept.drivers) or len(kept.nla_tracks)):
        mesh.animation_data_clear()
    if NAME in mesh.modifiers:
        mesh.modifiers.remove(mesh.modifiers[NAME])
    if NAME in mesh.vertex_groups and mesh.data.is_editable:
        mesh.vertex_groups.remove(mesh.vertex_groups[NAME])


def _weigh(mesh: Any, elbow: float) -> None:
    places = np.empty(3 * len(mesh.data.vertices), dtype=np.float32)
    mesh.data.vertices.foreach_get("co", places)
    weights = np.interp(elbow * places[::3], SPAN, (1.0, 0.0))
    group = mesh.vertex_groups.new(name=NAME)
    for vertex, weight in enumerate(weights.tolist()):
        group.add([vertex], weight, "REPLACE")


def _curves(mesh: Any) -> list[Any]:
    drivers = mesh.animation_data.drivers if mesh.animation_data is not None else ()
    return [curve for curve in drivers if curve.data_path in _DRIVEN]


def _targets(curve: Any) -> set[Any]:
    return {target.id for variable in curve.driver.variables for target in variable.targets}


def _drive(mesh: Any, path: str, rig: Any, name: str, expression: str) -> None:
    mesh.driver_remove(path)
    curve = mesh.driver_add(path)
    # From 5.0 on a new driver maps its value by two keys.
    curve.keyframe_points.clear()
    curve.driver.type = "SCRIPTED"
    variable = curve.driver.variables.new()
    variable.name = name
    variable.targets[0].id = rig
    variable.targets[0].data_path = f"livehand.{name}"
    curve.driver.expression = expression
