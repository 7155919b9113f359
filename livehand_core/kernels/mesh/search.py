"""Which triangles of the posed proxy are nearest to sixteen neighbouring points.

Triangles that were nearest close by are tried first; hardly anything else is then within reach. Whole groups of leaves
are ruled out by the distance of the points' middle, leaves point by point. Exact: no approximation is made.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..compiling import inlined
from ..simd.lanes import (
    WIDTH,
    WIDTH_BITS,
    any_less,
    bits_less,
    largest,
    load,
    lowest_bit,
    magnitude,
    maximum,
    splat,
    spread,
    square_root,
)
from .proxy import BOX_COLUMNS, LEAF_SIZE, TRIANGLE_COLUMNS
from .triangle import improve

_ZERO, _INFINITY = np.float32(0.0), np.float32(np.inf)

_ROUNDING = np.float32(1.0001)
"""What squared reaches are stretched by, so that rounding never rules out a triangle."""


@inlined
def _list_boxes(
    x: Any, y: Any, z: Any, reach: Any, boxes: np.ndarray, part: int, answer: np.ndarray, count: int
) -> int:
    """Append those of a point's sixteen boxes that are within its squared reach; returns the new length."""
    first = BOX_COLUMNS * part
    dx = maximum(magnitude(x - load(boxes, first)) - load(boxes, first + 3 * WIDTH), _ZERO)
    dy = maximum(magnitude(y - load(boxes, first + WIDTH)) - load(boxes, first + 4 * WIDTH), _ZERO)
    dz = maximum(magnitude(z - load(boxes, first + 2 * WIDTH)) - load(boxes, first + 5 * WIDTH), _ZERO)
    bits = bits_less(dx * dx + (dy * dy + dz * dz), reach)
    while bits != 0:
        answer[count] = WIDTH * part + lowest_bit(bits)
        bits &= bits - 1
        count += 1
    return count


@inlined
def _list_leaves(
    middle: Any, reach: Any, leaf_boxes: np.ndarray, group_boxes: np.ndarray, groups: np.ndarray, leaves: np.ndarray
) -> int:
    """Fill ``leaves`` with those within the squared reach of a point; returns how many."""
    x, y, z = splat(middle[0]), splat(middle[1]), splat(middle[2])
    count = 0
    for block in range(len(group_boxes) // BOX_COLUMNS):
        count = _list_boxes(x, y, z, reach, group_boxes, block, groups, count)
    number = 0
    for i in range(count):
        number = _list_boxes(x, y, z, reach, leaf_boxes, groups[i], leaves, number)
    return number


@inlined
def _keep_leaves(px: Any, py: Any, pz: Any, best: Any, leaf_boxes: np.ndarray, leaves: np.ndarray, number: int) -> int:
    """Keep the leaves that may hold something nearer for any of sixteen points; returns how many."""
    kept = 0
    for i in range(number):
        leaf = leaves[i]
        # Shifts, since division of numbers that might be negative takes longer than the test.
        box = BOX_COLUMNS * (leaf >> WIDTH_BITS) + (leaf & (WIDTH - 1))
        dx = maximum(magnitude(px - spread(leaf_boxes, box)) - spread(leaf_boxes, box + 3 * WIDTH), _ZERO)
        dy = maximum(magnitude(py - spread(leaf_boxes, box + WIDTH)) - spread(leaf_boxes, box + 4 * WIDTH), _ZERO)
        dz = maximum(magnitude(pz - spread(leaf_boxes, box + 2 * WIDTH)) - spread(leaf_boxes, box + 5 * WIDTH), _ZERO)
        # Written always, counted when it counts: a branch here would be guessed wrong half of the time.
        leaves[kept] = leaf
        kept += any_less(dx * dx + (dy * dy + dz * dz), best)
    return kept


@inlined
def search(
    px: Any,
    py: Any,
    pz: Any,
    middle: Any,
    mesh: Any,
    winners: np.ndarray,
    winner_count: int,
    groups: np.ndarray,
    leaves: np.ndarray,
) -> Any:
    """Squared distances of sixteen points to the mesh, and the places of the nearest triangles, both in lanes.

    Args:
        px, py, pz: the points.
        middle: any point near them.
        mesh: triangles, boxes of leaves, boxes of groups.
        winners, winner_count: places of triangles to try first, at least one.
        groups, leaves: room for a list of all of them.
    """
    rows, leaf_boxes, group_boxes = mesh
    best, place = splat(_INFINITY), splat(_ZERO)
    for i in range(winner_count):
        best, place = improve(px, py, pz, rows, winners[i] * TRIANGLE_COLUMNS, best, place)
    dx, dy, dz = px - middle[0], py - middle[1], pz - middle[2]
    reach = largest(square_root(best) + square_root(dx * dx + (dy * dy + dz * dz)))
    number = _list_leaves(middle, reach * reach * _ROUNDING, leaf_boxes, group_boxes, groups, leaves)
    for i in range(_keep_leaves(px, py, pz, best, leaf_boxes, leaves, number)):
        first = leaves[i] * (LEAF_SIZE * TRIANGLE_COLUMNS)
        for member in range(LEAF_SIZE):
            best, place = improve(px, py, pz, rows, first + member * TRIANGLE_COLUMNS, best, place)
    return best, place
