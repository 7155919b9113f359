"""Drivers that let the betas move a rig's joints and mesh: live, keyed, and on linked or overridden hands alike.

Called by rig/armature. The drivers are plain sums, which Blender computes without Python, so they also work in files
whose scripts are not trusted.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from livehand_core.hand.data import HandData
from livehand_core.poses import BETA_COUNT

from .conversion import bone_names
from .layout import channel_shifts, deform_names

SHAPE_KEYS = tuple(f"beta {index + 1}" for index in range(BETA_COUNT))
"""Names of the proxy mesh's shape keys."""


def drive_bones(rig: Any, data: HandData) -> None:
    """Make the location channels of the finger and deform bones follow the rig's betas."""
    for names, shifts in zip((bone_names(data.side), deform_names(data.side)), channel_shifts(data), strict=True):
        for name, weights in list(zip(names, shifts, strict=True))[1:]:
            for axis in range(3):
                _drive(rig.pose.bones[name].driver_add("location", axis), rig, weights[axis])


def drive_shape_keys(mesh: Any, rig: Any) -> None:
    """Make the proxy mesh's shape keys follow the rig's betas."""
    for index, name in enumerate(SHAPE_KEYS):
        _drive(mesh.data.shape_keys.key_blocks[name].driver_add("value"), rig, np.eye(BETA_COUNT)[index])


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
