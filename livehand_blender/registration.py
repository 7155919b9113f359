"""Giving classes, properties and handlers to Blender, and taking them back: all of a module's, or after an error none.

A module of the add-on says what it has, in order; its ``register`` and ``unregister`` are made of that:

    register, unregister = registration(
        classes(LiveHandMesh, LIVEHAND_OT_mesh_from_avatar),
        properties((bpy.types.Scene, "livehand_mesh", PointerProperty(type=LiveHandMesh))),
    )
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import partial
from typing import Any, NamedTuple

import bpy

from livehand_core.errors import LiveHandError

_declared: list[tuple[Any, str]] = []


class Step(NamedTuple):
    """One thing that Blender is given."""

    what: str
    """Its name in an error."""
    do: Callable[[], object]
    undo: Callable[[], object]


def classes(*found: type) -> list[Step]:
    """Blender classes; one that another names as the type of a property comes first."""
    register, unregister = bpy.utils.register_class, bpy.utils.unregister_class
    return [Step(cls.__name__, partial(register, cls), partial(unregister, cls)) for cls in found]


def properties(*found: tuple[type, str, Any]) -> list[Step]:
    """Properties of Blender's own types: the type, the name, the property. After the classes they point to."""

    def give(owner: type, name: str, value: Any) -> None:
        setattr(owner, name, value)
        _declared.append((owner, name))

    def take(owner: type, name: str) -> None:
        _declared.remove((owner, name))
        delattr(owner, name)

    return [Step(name, partial(give, owner, name, value), partial(take, owner, name)) for owner, name, value in found]


def declared() -> tuple[tuple[Any, str], ...]:
    """The properties that Blender's own types have by LiveHand now: the type, the name."""
    return tuple(_declared)


def handlers(*found: tuple[str, Callable[..., None]]) -> list[Step]:
    """Functions that Blender calls at a moment: the name of the list in ``bpy.app.handlers``, the function."""
    lists = ((getattr(bpy.app.handlers, moment), function, moment) for moment, function in found)
    return [
        Step(moment, partial(known.append, function), partial(known.remove, function))
        for known, function, moment in lists
    ]


def menu_entries(*found: tuple[str, Callable[[Any, Any], None]]) -> list[Step]:
    """Entries of Blender's menus: the menu's name, the function that draws the entry."""

    def entry(name: str, draw: Callable[[Any, Any], None]) -> Step:
        return Step(name, lambda: getattr(bpy.types, name).append(draw), lambda: getattr(bpy.types, name).remove(draw))

    return [entry(name, draw) for name, draw in found]


def timer(function: Callable[[], float | None], first: float | None = None) -> list[Step]:
    """A timer that is stopped at the end, and goes on when another file is opened; started after ``first`` seconds, or
    by whoever needs it."""

    def start() -> None:
        if first is not None:
            bpy.app.timers.register(function, first_interval=first, persistent=True)

    def stop() -> None:
        if bpy.app.timers.is_registered(function):
            bpy.app.timers.unregister(function)

    return [Step(function.__name__, start, stop)]


def leaving(function: Callable[[], object]) -> list[Step]:
    """Something to do when the add-on leaves: after the steps below it are undone, before those above it are."""
    return [Step(function.__name__, lambda: None, function)]


def in_the_window(steps: Iterable[Step]) -> list[Step]:
    """Steps that a Blender in the background leaves out."""
    return [] if bpy.app.background else list(steps)


def registration(*parts: Iterable[Step]) -> tuple[Callable[[], None], Callable[[], None]]:
    """``register`` and ``unregister`` of a module: the steps in order, and undone in reverse.

    ``register`` raises LiveHandError, with what it had done undone, when Blender refuses a step. ``unregister`` undoes
    every step, also after one that fails, and then raises the failure; without a ``register`` before it does nothing.
    """
    undo = ExitStack()

    def register() -> None:
        with ExitStack() as done:
            for step in (step for part in parts for step in part):
                try:
                    step.do()
                except Exception as error:
                    raise LiveHandError(
                        f"Blender did not accept {step.what} of LiveHand ({error}).",
                        "LiveHand is switched off. Restart Blender and switch it on again.",
                    ) from error
                done.callback(step.undo)
            undo.push(done.pop_all())

    return register, undo.close
