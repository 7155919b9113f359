"""Drivers that let the betas move a rig's joints and mesh: live, keyed, and on linked or overridden hands alike.

Others let the betas themselves follow the identity that a hand shows. Called by rig/armature and avatars/shape. The
drivers are plain sums, which Blender computes without Python, so they also work in files whose scripts are not trusted.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from livehand_core.hand.data import HandData
from livehand_core.poses import BETA_COUNT

from .layout import BoneNames, channel_shifts

SHAPE_KEYS = tuple(f"beta {index + 1}" for index in range(BETA_COUNT))
"""Names of the proxy mesh's shape keys."""

BLEND = "identity_blend"
"""Custom property of the rig: how far the hand has gone from its first identity to its second.

No member of ``object.livehand``: that is one node of the dependency graph, so the betas in it could not follow this.
"""
BLEND_PATH = f'["{BLEND}"]'


def drive_bones(rig: Any, data: HandData) -> None:
    """Make the location channels of the finger and deform bones follow the rig's betas."""
    names = BoneNames.of(data.side)
    for bones, shifts in zip((names.joints, names.deforms), channel_shifts(data), strict=True):
        for name, weights in list(zip(bones, shifts, strict=True))[1:]:
            for axis in range(3):
                _drive(rig.pose.bones[name].driver_add("location", axis), rig, weights[axis])


def drive_shape_keys(mesh: Any, rig: Any) -> None:
    """Make the proxy mesh's shape keys follow the rig's betas, in place of whatever they followed."""
    for index, name in enumerate(SHAPE_KEYS):
        mesh.data.shape_keys.key_blocks[name].driver_remove("value")
        _drive(mesh.data.shape_keys.key_blocks[name].driver_add("value"), rig, np.eye(BETA_COUNT)[index])


def add_blend(rig: Any) -> None:
    """Give a rig its identity blend, a slider from 0 to 1 that can be keyed; hands made before have none."""
    if BLEND in rig:
        return
    rig[BLEND] = 0.0
    rig.id_properties_ui(BLEND).update(
        min=0.0,
        max=1.0,
        soft_min=0.0,
        soft_max=1.0,
        step=0.01,
        precision=3,
        subtype="FACTOR",
        description="From the hand's identity (0) to the one that it blends to (1)",
    )
    rig.property_overridable_library_set(BLEND_PATH, True)


def blend_betas(rig: Any, start: np.ndarray, end: np.ndarray) -> None:
    """Let the betas run from one shape to another as the rig's identity blend goes from 0 to 1.

    Drivers do it, so that a keyed blend moves joints and mesh with it. A beta that the artist drives stays his.

    Args:
        start, end: (10,) betas.
    """
    release_betas(rig)
    taken = {curve.array_index for curve in _beta_drivers(rig)}
    for index, (low, high) in enumerate(zip(start, end, strict=True)):
        if index in taken:
            continue
        curve = rig.driver_add("livehand.betas", index)
        curve.keyframe_points.clear()
        driver = curve.driver
        driver.type = "SCRIPTED"
        variable = driver.variables.new()
        variable.name = "t"
        variable.targets[0].id = rig
        variable.targets[0].data_path = BLEND_PATH
        driver.expression = f"{low:.9f}{high - low:+.9f}*t"


def release_betas(rig: Any) -> None:
    """Take off what :func:`blend_betas` put on; the betas keep the values that they have."""
    for curve in _beta_drivers(rig):
        if _is_blend(curve):
            rig.driver_remove("livehand.betas", curve.array_index)


def blends_betas(rig: Any) -> bool:
    """Whether the betas run by the identity's blend."""
    return any(_is_blend(curve) for curve in _beta_drivers(rig))


def _beta_drivers(rig: Any) -> list[Any]:
    drivers = rig.animation_data.drivers if rig.animation_data is not None else ()
    return [curve for curve in drivers if curve.data_path == "livehand.betas"]


def _is_blend(curve: Any) -> bool:
    return any(target.data_path == BLEND_PATH for one in curve.driver.variables for target in one.targets)


def _drive(curve: Any, rig: Any, weights: np.ndarray) -> None:
    """value = sum of weight * beta; weights that move nothing are left out."""
    # From 5.0 on a new driver maps its value by two keys, and a key catches all values within 0.1 mm of it.
    curve.keyframe_points.clear()
    driver = curve.driver
    driver.type = "SCRIPTED"
    terms = []
    for index, weight in enumerate(weights):
        if abs(weight) < 1e-7:
            continue
        variable = driver.variables.new()
        variable.name = f"b{index}"
        variable.targets[0].id = rig
        variable.targets[0].data_path = f"livehand.betas[{index}]"
        terms.append(f"{weight:+.9f}*{variable.name}")
    driver.expression = "".join(terms) or "0.0"
