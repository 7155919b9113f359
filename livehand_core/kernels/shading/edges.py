"""Edges of the proxy before itself: where they run between pixels, and what pixels there take from their neighbours.

After the antialiasing of Laine et al. (2020): the picture is sampled once a pixel, the share that a surface covers of a
pixel at its edge is known from its geometry.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..compiling import compiled, inlined, inner
from ..compose import LIT_RAMP, decoded, encoded
from ..networks.convolution import MARGIN
from ..simd.lanes import WIDTH, absolute, bits_less, fused, lowest_bit, minimum, splat
from ..simd.memory import load

STEEP = 3.0
"""Pixels of depth between neighbouring pixels from which on an edge is looked for: of those at flatter skin it would
show less than it takes to find."""

MOST_TRIANGLES = 8
"""That are crossed from a pixel to its neighbour: smaller ones have no edge that could be told."""

NOWHERE = 2.0
"""In place of a part of the way from one pixel to the next: on it there is no edge."""

_LEAST, _OPAQUE = np.float32(LIT_RAMP[0]), np.float32(1.0)


class Edges(NamedTuple):
    """Pixels that an edge leaves partly to a neighbour, a row for each such neighbour.

    Attributes:
        into, source: (N,) int32 flat index of the pixel, and of the neighbour that it takes some colour from.
        share: (N,) float32 of it, up to 1/2; of one pixel they sum to 1 at most.
    """

    into: np.ndarray
    source: np.ndarray
    share: np.ndarray


class Scene(NamedTuple):
    """What :func:`find` looks at.

    Attributes:
        points: (V, 3) float64 in the camera's axes; faces, neighbours: (F, 3) int32 of ``ShadedMesh``.
        lens: (4,) float64 focal lengths, and the pixel coordinates of the axis.
        perspective: whether the camera is.
        depth, face: (H W,) float32 and int32 of its raster.
    """

    points: np.ndarray
    faces: np.ndarray
    neighbours: np.ndarray
    lens: np.ndarray
    perspective: bool
    depth: np.ndarray
    face: np.ndarray


@inlined
def _corner(scene, face, corner, x, y):
    """A corner's offset from the ray through a point of the plane at depth 1, times its weight, and that."""
    vertex = scene.faces[face, corner]
    weight = scene.points[vertex, 2] if scene.perspective else 1.0
    return scene.points[vertex, 0] - weight * x, scene.points[vertex, 1] - weight * y, weight


@inlined
def _way(scene, face, x, y, upright, step, size):
    """How far it is from a pixel to where the surface that it sees turns away, in steps to a neighbour.

    NOWHERE where that is beyond the neighbour, or the edge runs more along the step than across it: on such an edge
    neighbours of the other axis are blended.

    Args:
        face: that the pixel at (x, y) of the plane at depth 1 sees.
        upright: whether the neighbour lies above or below; step: to it in the plane; size: of a pixel the other way.
    """
    sign, before, way, across, along = 0.0, face, 0.0, 0.0, 0.0
    for number in range(MOST_TRIANGLES + 1):
        ax, ay, a = _corner(scene, face, 0, x, y)
        bx, by, b = _corner(scene, face, 1, x, y)
        cx, cy, c = _corner(scene, face, 2, x, y)
        # Of the side opposite each corner: twice the area that it spans with the ray.
        areas = bx * cy - by * cx, cx * ay - cy * ax, ax * by - ay * bx
        facing = a * areas[0] + b * areas[1] + c * areas[2]
        if number == 0:
            sign = np.sign(facing)
        elif sign * facing <= 0.0:
            return way if across > along or (across == along and not upright) else NOWHERE
        # And how these change along the step and the other way.
        slopes = (c * by - b * cy) * step, (a * cy - c * ay) * step, (b * ay - a * by) * step
        others = (b * cx - c * bx) * size, (c * ax - a * cx) * size, (a * bx - b * ax) * size
        if upright:
            slopes, others = (
                ((b * cx - c * bx) * step, (c * ax - a * cx) * step, (a * bx - b * ax) * step),
                ((c * by - b * cy) * size, (a * cy - c * ay) * size, (b * ay - a * by) * size),
            )
        nearest, other = 1.0, -1
        for corner in range(3):
            fall, value = -sign * slopes[corner], sign * areas[corner]
            if fall > 0.0 and value < nearest * fall:
                beyond = scene.neighbours[face, corner]
                # The way does not go back through the side that it came in by.
                if number == 0 or beyond != before:
                    nearest, other, across, along = value / fall, beyond, fall, abs(others[corner])
        if other < 0:
            return NOWHERE
        way = max(way, nearest)
        if other == face:
            return way if across > along or (across == along and not upright) else NOWHERE
        before, face = face, other
    return NOWHERE


@inlined
def _edge(scene, pixel, other, width, upright):
    """Which of two neighbours gives how much to the other: source, into, share; 0 where there is no edge."""
    one, two = scene.depth[pixel], scene.depth[other]
    front, back = (pixel, other) if one < two else (other, pixel)
    lens = scene.lens
    size_x, size_y = 1.0 / lens[0], 1.0 / lens[1]
    x, y = (front % width - lens[2]) * size_x, (front // width - lens[3]) * size_y
    step, size = (size_y, size_x) if upright else (size_x, size_y)
    way = _way(scene, scene.face[front], x, y, upright, step if back > front else -step, size)
    if way == NOWHERE:
        return front, back, 0.0
    return (back, front, 0.5 - way) if way < 0.5 else (front, back, way - 0.5)


@inlined
def _apart(one, other, times, most):
    """A bit for each of sixteen pixels that are farther apart in depth than times the nearer one, and more."""
    return bits_less(fused(minimum(one, other), times, most), absolute(one - other))


@inner
def _look(scene, depth, first, last, width, count, edges):
    """Add the edges between pixels, and those to their right and below, to the list.

    Args:
        depth: of the pixels from ``first`` on up to ``last``, and a row and WIDTH more.
    """
    size, none = np.float32(STEEP * 2.0 / (scene.lens[0] + scene.lens[1])), np.float32(0.0)
    times, most = splat(size if scene.perspective else none), splat(none if scene.perspective else size)
    for start in range(0, last - first, WIDTH):
        here = load(depth, start)
        right = _apart(here, load(depth, start + 1), times, most)
        below = _apart(here, load(depth, start + width), times, most)
        while right | below:
            upright = right == 0
            bits = below if upright else right
            pixel = first + start + lowest_bit(bits)
            other = pixel + (width if upright else 1)
            if upright:
                below &= below - 1
            else:
                right &= right - 1
            if other >= len(scene.face) or (not upright and other % width == 0):
                continue
            one, two = scene.face[pixel], scene.face[other]
            if one < 0 or two < 0 or one == two:
                continue
            source, into, share = _edge(scene, pixel, other, width, upright)
            if share > 0.0:
                edges.into[count], edges.source[count], edges.share[count] = into, source, share
                count += 1
    return count


@compiled
def find(scene, width, edges):
    """Fill Edges, which have room for two rows a pixel, and answer how many there are.

    Args:
        scene: Scene, of (H, W) pixels; width: W.
    """
    total = len(scene.depth)
    # Below the last row, and behind it, there is nothing.
    begin = max(total - width - WIDTH, 0) // WIDTH * WIDTH
    rest = np.full(total - begin + width + WIDTH, np.float32(np.inf), np.float32)
    rest[: total - begin] = scene.depth[begin:]
    count = _look(scene, scene.depth, 0, begin, width, 0, edges)
    count = _look(scene, rest, begin, total, width, count, edges)
    sums = np.zeros(total, np.float32)
    for k in range(count):
        sums[edges.into[k]] += edges.share[k]
    for k in range(count):
        edges.share[k] /= max(sums[edges.into[k]], np.float32(1.0))
    return count


@inlined
def _straight(answer, place, channel, alpha):
    """Scene-linear colour of a pixel, not premultiplied."""
    return decoded(answer[place + channel] / alpha)


@compiled
def blend(edges, width, drawn, answer):
    """Let pixels of a shaded picture take from their neighbours what edges between them say.

    The colours are scene-linear ones, by the opacity that both have.

    Args:
        edges: Edges; width: pixels in a row of what they were found in.
        drawn, answer: as for ``pixels.shade``, which has filled ``answer``.
    """
    count, pitch = len(edges.share), answer.shape[1]
    flat, shown = answer.reshape(-1), drawn.reshape(-1)
    change, places = np.zeros((count, 3), np.float32), np.zeros(count, np.int64)
    for k in range(count):
        row = (edges.into[k] // width + MARGIN) * pitch + edges.into[k] % width + MARGIN
        other = (edges.source[k] // width + MARGIN) * pitch + edges.source[k] % width + MARGIN
        if not (shown[row] and shown[other]):
            continue
        own, its = min(flat[4 * row + 3], _OPAQUE), min(flat[4 * other + 3], _OPAQUE)
        if min(own, its) <= _LEAST:
            continue
        places[k] = 4 * row
        share = edges.share[k] * min(_OPAQUE, its / own)
        for channel in range(3):
            colour = _straight(flat, 4 * row, channel, own)
            change[k, channel] = share * (_straight(flat, 4 * other, channel, its) - colour)
    for k in range(count):
        if places[k]:
            own = min(flat[places[k] + 3], _OPAQUE)
            for channel in range(3):
                colour = _straight(flat, places[k], channel, own) + change[k, channel]
                flat[places[k] + channel] = encoded(max(colour, np.float32(0.0))) * own
