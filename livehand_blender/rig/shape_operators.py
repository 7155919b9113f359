"""Operators on a hand's shape: back to the model's own, or drawn at random."""

# Blender reads the annotations of these classes as values, so they are not postponed.

import random
from typing import Any

import numpy as np
from bpy.props import FloatProperty, IntProperty

from livehand_core.poses import BETA_COUNT

from ..registration import classes, registration
from .hand_operator import HandOperator, key_frame, key_property
from .proxy import BETA_RANGE

_SEEDS = 2**31 - 1
_WIDEST = 2.5
"""Standard deviations beyond which hands are too rare to be drawn."""


class LIVEHAND_OT_reset_shape(HandOperator):
    """Give the active hand the model's own shape: all coefficients zero"""

    bl_idname = "livehand.reset_shape"
    bl_label = "Reset Shape"

    keyframe: key_property()

    def apply(self, context: Any, rig: Any) -> None:
        set_shape(rig, np.zeros(BETA_COUNT), key_frame(context, self.keyframe))


class LIVEHAND_OT_random_shape(HandOperator):
    """Give the active hand a random shape, as people's hands differ"""

    bl_idname = "livehand.random_shape"
    bl_label = "Random Shape"

    seed: IntProperty(
        name="Seed",
        description="The same seed gives the same hand; the button takes a new one each time",
        default=0,
        min=0,
        max=_SEEDS,
        options={"SKIP_SAVE"},
    )
    spread: FloatProperty(
        name="Spread",
        description="How far hands differ: 1 as people do, 0 not at all",
        default=1.0,
        min=0.0,
        soft_max=1.0,
        max=2.0,
        subtype="FACTOR",
    )
    keyframe: key_property()

    def invoke(self, context: Any, _event: Any) -> set[str]:
        if not self.properties.is_property_set("seed"):
            self.seed = random.randrange(_SEEDS)
        return self.execute(context)

    def apply(self, context: Any, rig: Any) -> None:
        drawn = np.random.default_rng(self.seed).normal(size=BETA_COUNT)
        betas = self.spread * np.clip(drawn, -_WIDEST, _WIDEST)
        # As many digits as the panel shows.
        set_shape(rig, np.clip(betas.round(2), -BETA_RANGE, BETA_RANGE), key_frame(context, self.keyframe))


def set_shape(rig: Any, betas: np.ndarray, keyframe: float | None) -> None:
    """Set a hand's (10,) shape coefficients, and key them at a frame unless that is None."""
    rig.livehand.betas = tuple(float(beta) for beta in betas)
    if keyframe is not None:
        rig.keyframe_insert("livehand.betas", frame=keyframe)


register, unregister = registration(classes(LIVEHAND_OT_reset_shape, LIVEHAND_OT_random_shape))
