"""Every operator, parameter, setting and choice of the add-on tells what it is: its tooltip and ``help()``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

pytestmark = pytest.mark.bpy

BLENDERS_OWN = {"rna_type", "name", "filter_glob", "check_existing"}
"""Properties that Blender or its file browser brings along."""


def _below(cls: type) -> Iterator[Any]:
    for child in cls.__subclasses__():
        yield child
        yield from _below(child)


def _registered(base: type) -> list[Any]:
    found = {child for child in _below(base) if child.__module__.startswith("livehand_blender")}
    return sorted((cls for cls in found if getattr(cls, "is_registered", False)), key=lambda cls: str(cls.__name__))


def _silent(title: str, properties: Any) -> list[str]:
    """What says nothing of itself among some properties: without a description, or an unexplained choice."""
    found = []
    for prop in properties:
        if prop.identifier in BLENDERS_OWN:
            continue
        if not prop.description or not prop.name:
            found.append(f"{title}.{prop.identifier}")
        if prop.type == "ENUM":
            found += [
                f"{title}.{prop.identifier} {item.identifier}" for item in prop.enum_items if not item.description
            ]
    return found


def test_every_operator_and_each_of_its_parameters_is_described(addon) -> None:
    import bpy

    operators = _registered(bpy.types.Operator)
    assert len(operators) > 30
    silent = []
    for operator in operators:
        category, name = operator.bl_idname.split(".")
        told = getattr(getattr(bpy.ops, category), name).get_rna_type()
        if not told.description:
            silent.append(operator.bl_idname)
        silent += _silent(operator.bl_idname, told.properties.values())
    assert silent == []


def test_every_setting_and_each_of_its_choices_is_described(addon) -> None:
    import bpy

    silent = []
    for base in (bpy.types.PropertyGroup, bpy.types.AddonPreferences):
        inherited = {prop.identifier for prop in base.bl_rna.properties}
        classes = _registered(base)
        assert classes
        for cls in classes:
            own = [prop for prop in cls.bl_rna.properties if prop.identifier not in inherited]
            silent += _silent(cls.__name__, own)
    assert silent == []
