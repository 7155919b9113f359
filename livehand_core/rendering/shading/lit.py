"""The light at a hand as the pixel stages of processor and GPU take it: rows of numbers."""

from __future__ import annotations

import numpy as np

from ...kernels.shading.lamps import SHADOW
from ...kernels.shading.pixels import LAMPS, MOST_LAMPS, POSITION, VERTEX_COLUMNS, Lit
from .lamps import lamp_rows
from .received import Received
from .shadows import DepthMap


def lit_of(received: Received, vertices: np.ndarray) -> Lit:
    """The light at a hand of (V, 3) posed vertices, as kernels take it."""
    count = len(received.lamps)
    assert count <= MOST_LAMPS
    rows = np.zeros((len(vertices), VERTEX_COLUMNS), np.float32)
    rows[:, : LAMPS + count] = received.vertices[:, : LAMPS + count]
    rows[:, POSITION : POSITION + 3] = vertices
    lamps = lamp_rows(received.lamps)
    maps: list[DepthMap] = []
    for row, lamp in zip(lamps, received.lamps, strict=True):
        if lamp.shadow is not None:
            row[SHADOW] = len(maps)
            maps.append(lamp.shadow)
    nothing = [np.zeros(0, np.float32)]
    return Lit(
        rows.reshape(-1),
        received.irradiance.reshape(-1),
        received.lobes.reshape(-1),
        lamps.reshape(-1),
        np.concatenate([one.depth.reshape(-1) for one in maps] or nothing),
        len(maps[0].depth) if maps else 0,
        np.concatenate([one.row for one in maps] or nothing),
    )
