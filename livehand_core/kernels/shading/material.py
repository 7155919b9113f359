"""Scales of a relightable avatar's material, and its channels in the order of docs/method.md 1.12."""

from __future__ import annotations

LOBE_GAIN, BEND = 0.25, 2.0
"""Scales of the reflection lobes' gains and of the normal's offset: what channels from 0 to 1 reach."""

LEAST_ALPHA = 0.05
"""Opacity below which the normal's offset, which is divided by it, is taken back."""

LEAST_SOLID = 0.01
"""Opacity by which a colour is divided at least before it is encoded."""

LEAST_FACING = 0.25
"""Cosine between normal and view from which on a texture is seen as no more foreshortened."""

MILLIMETRE = 0.001
"""Metres that one unit of a detail texture's relief stands for."""

EDGE_RADIUS, STEEPEST = 0.008, 0.5
"""Metres: radius of a finger, whose edge turns away within a pixel; and the largest mean cosine to the view there."""

DIFFUSE, SCATTER, BACK, ROUGH, OILY, OFFSET, OPACITY = 0, 3, 6, 9, 10, 11, 13
"""First channel of each part; the first three are colours, the offset has two."""
