"""The loops of splats' pictures and of their gradients (Kerbl et al. 2023), hand-written; called by ``drawing``.

A splat is seen as a Gaussian of the picture with the inverse extent (A, B, C): its opacity at a pixel that lies
(x, y) off its middle is ``o exp(-q / 2)``, ``q = A x x + 2 B x y + C y y``. Pictures are cut into tiles; each tile has
its splats from the nearest on. Loops run without Python's lock, tiles side by side.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..kernels.compiling import compiled, inlined

TILE = 16
"""Pixels of a tile's side."""

BLUR = 0.3
"""Square pixels added to each splat's extent on the picture, so that none falls between the pixels."""

LEAST, MOST = 1.0 / 255.0, 0.99
"""Opacity below which a splat does not count at a pixel, and the highest that it has there."""

NEAREST = 0.01
"""Metres before the camera from which on splats are drawn."""

ENDED = 1e-4
"""Transmittance below which nothing more is added to a pixel."""

# Columns of a splat on the picture: its middle, (A, B, C), opacity, colour, the largest q that counts, how far it
# reaches across and down.
MIDDLE, INVERSE, ALPHA, COLOUR, FARTHEST, REACH = 0, 2, 5, 6, 9, 10
COLUMNS = 12

SLOPES = 9
"""Of the first columns a gradient is taken."""

_HALF, _ONE = np.float32(0.5), np.float32(1.0)


@compiled
def project(
    places: np.ndarray, turns: np.ndarray, logs: np.ndarray, opacity: np.ndarray, colours: np.ndarray,
    camera: np.ndarray, lens: np.ndarray, flat: np.ndarray, depth: np.ndarray,
) -> None:  # fmt: skip
    """Fill (N, COLUMNS) ``flat`` and (N,) ``depth``, which is infinite for a splat that is not seen.

    Args:
        places, turns, logs, opacity, colours: of N splats; quaternions of any length, logarithms of their scales.
        camera: (3, 4) float64 from the world's axes to the camera's.
        lens: focal lengths and middle in pixels, the offset of a pixel's middle taken off.
    """
    for n in range(len(places)):
        x, y, z = _local(places, n, camera)
        depth[n] = np.inf
        if z < NEAREST or opacity[n] <= LEAST:
            continue
        xx, xy, yy = _extent(turns, logs, n, camera, lens, x, y, z)
        size = xx * yy - xy * xy
        flat[n, 0], flat[n, 1] = lens[0] * x / z + lens[2], lens[1] * y / z + lens[3]
        flat[n, 2], flat[n, 3], flat[n, 4] = yy / size, -xy / size, xx / size
        flat[n, ALPHA] = opacity[n]
        for c in range(3):
            flat[n, COLOUR + c] = max(colours[n, c], np.float32(0.0))
        farthest = 2.0 * math.log(opacity[n] / LEAST)
        flat[n, FARTHEST] = farthest
        flat[n, REACH], flat[n, REACH + 1] = math.sqrt(farthest * xx), math.sqrt(farthest * yy)
        depth[n] = z


@compiled
def count_tiles(flat: np.ndarray, order: np.ndarray, across: int, down: int, starts: np.ndarray) -> None:
    """Add to ``starts[t + 1]`` how many splats tile t has."""
    for n in order:
        left, right, top, bottom = _tiles(flat[n], across, down)
        for row in range(top, bottom):
            for column in range(left, right):
                starts[row * across + column + 1] += 1


@compiled
def sort_into_tiles(
    flat: np.ndarray, order: np.ndarray, across: int, down: int, filled: np.ndarray, entries: np.ndarray
) -> None:
    """Fill ``entries`` with each tile's splats in the order given; ``filled``: where each tile's begin, moved on."""
    for n in order:
        left, right, top, bottom = _tiles(flat[n], across, down)
        for row in range(top, bottom):
            for column in range(left, right):
                tile = row * across + column
                entries[filled[tile]] = n
                filled[tile] += 1


@compiled
def draw_tiles(
    first: int, last: int, across: int, starts: np.ndarray, entries: np.ndarray, flat: np.ndarray,
    image: np.ndarray, left: np.ndarray, ends: np.ndarray,
) -> None:  # fmt: skip
    """Draw tiles first to last: (H, W, 4) ``image`` premultiplied, (H, W) ``left`` transmittance, (H, W) ``ends``
    behind the last entry that counted."""
    height, width = left.shape
    for tile in range(first, last):
        y0, x0 = tile // across * TILE, tile % across * TILE
        y1, x1 = min(y0 + TILE, height), min(x0 + TILE, width)
        image[y0:y1, x0:x1] = np.float32(0.0)
        left[y0:y1, x0:x1] = _ONE
        ends[y0:y1, x0:x1] = 0
        for entry in range(starts[tile], starts[tile + 1]):
            splat = flat[entries[entry]]
            top, bottom = _rows(splat, y0, y1)
            for row in range(top, bottom):
                y = np.float32(row) - splat[1]
                begin, end = _columns(splat, y, x0, x1)
                for column in range(begin, end):
                    let = left[row, column]
                    if let < np.float32(ENDED):
                        continue
                    alpha, _ = _alpha(splat, np.float32(column) - splat[0], y)
                    share = let * alpha
                    for c in range(3):
                        image[row, column, c] += share * splat[COLOUR + c]
                    image[row, column, 3] += share
                    left[row, column] = let * (_ONE - alpha)
                    ends[row, column] = entry + 1


@compiled
def draw_tiles_backward(
    first: int, last: int, across: int, starts: np.ndarray, entries: np.ndarray, flat: np.ndarray,
    left: np.ndarray, ends: np.ndarray, gradient: np.ndarray, slopes: np.ndarray,
) -> None:  # fmt: skip
    """What a loss's (H, W, 4) ``gradient`` is of each entry's first columns: (E, SLOPES) ``slopes``.

    From the last entry to the first; the transmittance before an entry is that behind it over 1 - alpha. ``left`` is
    spent.
    """
    height, width = left.shape
    behind = np.empty((TILE, TILE), np.float32)
    for tile in range(first, last):
        y0, x0 = tile // across * TILE, tile % across * TILE
        y1, x1 = min(y0 + TILE, height), min(x0 + TILE, width)
        behind[:] = np.float32(0.0)
        for entry in range(starts[tile + 1] - 1, starts[tile] - 1, -1):
            splat, slope = flat[entries[entry]], slopes[entry]
            slope[:] = np.float32(0.0)
            top, bottom = _rows(splat, y0, y1)
            for row in range(top, bottom):
                y = np.float32(row) - splat[1]
                begin, end = _columns(splat, y, x0, x1)
                for column in range(begin, end):
                    if entry >= ends[row, column]:
                        continue
                    x = np.float32(column) - splat[0]
                    alpha, shape = _alpha(splat, x, y)
                    let = left[row, column] / (_ONE - alpha)
                    left[row, column] = let
                    wanted = gradient[row, column, 3]
                    for c in range(3):
                        wanted += gradient[row, column, c] * splat[COLOUR + c]
                        slope[COLOUR + c] += let * alpha * gradient[row, column, c]
                    hidden = behind[row - y0, column - x0]
                    behind[row - y0, column - x0] = hidden + let * alpha * wanted
                    if alpha >= np.float32(MOST):
                        continue
                    by_alpha = let * wanted - hidden / (_ONE - alpha)
                    slope[ALPHA] += by_alpha * shape
                    by_power = -_HALF * alpha * by_alpha
                    slope[2] += by_power * x * x
                    slope[3] += by_power * (x + x) * y
                    slope[4] += by_power * y * y
                    slope[0] -= by_power * (splat[2] * x + splat[3] * y) * np.float32(2.0)
                    slope[1] -= by_power * (splat[3] * x + splat[4] * y) * np.float32(2.0)


@compiled
def gather(entries: np.ndarray, slopes: np.ndarray, answer: np.ndarray) -> None:
    """Add each entry's slopes to its splat's, (N, SLOPES) ``answer``."""
    for entry in range(len(entries)):
        for column in range(SLOPES):
            answer[entries[entry], column] += slopes[entry, column]


@compiled
def project_backward(
    places: np.ndarray, turns: np.ndarray, logs: np.ndarray, camera: np.ndarray, lens: np.ndarray, depth: np.ndarray,
    slopes: np.ndarray, by_place: np.ndarray, by_turn: np.ndarray, by_log: np.ndarray,
) -> None:  # fmt: skip
    """Gradients of places, turns and logarithms of scales, from (N, SLOPES) those of ``project``'s columns."""
    columns = np.empty((3, 3))
    for n in range(len(places)):
        by_place[n, :], by_turn[n, :], by_log[n, :] = np.float32(0.0), np.float32(0.0), np.float32(0.0)
        if not depth[n] < np.inf:
            continue
        x, y, z = _local(places, n, camera)
        xx, xy, yy = _extent(turns, logs, n, camera, lens, x, y, z)
        size = xx * yy - xy * xy
        a, b, c = yy / size, -xy / size, xx / size
        # The inverse K of an extent E: dE = -K dK K, where B stands in K twice.
        ka, kb, kc = float(slopes[n, 2]), 0.5 * float(slopes[n, 3]), float(slopes[n, 4])
        left, middle = ka * a + kb * b, ka * b + kb * c
        right, last = kb * a + kc * b, kb * b + kc * c
        e00, e01, e11 = -(a * left + b * right), -(a * middle + b * last), -(b * middle + c * last)
        j00, j11 = lens[0] / z, lens[1] / z
        j02, j12 = -lens[0] * x / (z * z), -lens[1] * y / (z * z)
        length = math.sqrt(_square(turns, n))
        w, i, j, k = turns[n, 0] / length, turns[n, 1] / length, turns[n, 2] / length, turns[n, 3] / length
        turn = _turned(w, i, j, k)
        p00 = p02 = p11 = p12 = 0.0
        for axis in range(3):
            scale = math.exp(float(logs[n, axis]))
            l0, l1, l2 = turn[0][axis] * scale, turn[1][axis] * scale, turn[2][axis] * scale
            u0, u1, u2 = _seen(camera, l0, l1, l2)
            m0, m1 = j00 * u0 + j02 * u2, j11 * u1 + j12 * u2
            # E = M M': dM = 2 dE M.
            d0, d1 = 2.0 * (e00 * m0 + e01 * m1), 2.0 * (e01 * m0 + e11 * m1)
            p00, p02, p11, p12 = p00 + d0 * u0, p02 + d0 * u2, p11 + d1 * u1, p12 + d1 * u2
            v0, v1, v2 = j00 * d0, j11 * d1, j02 * d0 + j12 * d1
            w0 = camera[0, 0] * v0 + camera[1, 0] * v1 + camera[2, 0] * v2
            w1 = camera[0, 1] * v0 + camera[1, 1] * v1 + camera[2, 1] * v2
            w2 = camera[0, 2] * v0 + camera[1, 2] * v1 + camera[2, 2] * v2
            by_log[n, axis] = w0 * l0 + w1 * l1 + w2 * l2
            columns[axis, 0], columns[axis, 1], columns[axis, 2] = w0 * scale, w1 * scale, w2 * scale
        _turn_backward(columns, w, i, j, k, length, by_turn, n)
        gx, gy = float(slopes[n, 0]), float(slopes[n, 1])
        square = z * z
        lx = gx * j00 - p02 * lens[0] / square
        ly = gy * j11 - p12 * lens[1] / square
        lz = gx * j02 + gy * j12 - (p00 * lens[0] + p11 * lens[1]) / square
        lz += 2.0 * (p02 * lens[0] * x + p12 * lens[1] * y) / (square * z)
        for axis in range(3):
            by_place[n, axis] = camera[0, axis] * lx + camera[1, axis] * ly + camera[2, axis] * lz


@compiled
def descend(
    values: np.ndarray, gradient: np.ndarray, mean: np.ndarray, square: np.ndarray, rates: np.ndarray, step: int
) -> None:
    """A step of Adam (Kingma and Ba 2015) on (N, C) ``values``, each column at its own rate."""
    first, second = 0.9, 0.999
    one, other = 1.0 / (1.0 - first**step), 1.0 / (1.0 - second**step)
    for n in range(values.shape[0]):
        for column in range(values.shape[1]):
            slope = float(gradient[n, column])
            m = first * mean[n, column] + (1.0 - first) * slope
            v = second * square[n, column] + (1.0 - second) * slope * slope
            mean[n, column], square[n, column] = m, v
            values[n, column] -= rates[column] * m * one / (math.sqrt(v * other) + 1e-15)


@inlined
def _local(places: np.ndarray, n: int, camera: np.ndarray) -> Any:
    a, b, c = float(places[n, 0]), float(places[n, 1]), float(places[n, 2])
    x = camera[0, 0] * a + camera[0, 1] * b + camera[0, 2] * c + camera[0, 3]
    y = camera[1, 0] * a + camera[1, 1] * b + camera[1, 2] * c + camera[1, 3]
    z = camera[2, 0] * a + camera[2, 1] * b + camera[2, 2] * c + camera[2, 3]
    return x, y, z


@inlined
def _square(turns: np.ndarray, n: int) -> Any:
    w, i, j, k = float(turns[n, 0]), float(turns[n, 1]), float(turns[n, 2]), float(turns[n, 3])
    return w * w + i * i + j * j + k * k


@inlined
def _seen(camera: np.ndarray, x: Any, y: Any, z: Any) -> Any:
    """A direction of the world in the camera's frame."""
    return (
        camera[0, 0] * x + camera[0, 1] * y + camera[0, 2] * z,
        camera[1, 0] * x + camera[1, 1] * y + camera[1, 2] * z,
        camera[2, 0] * x + camera[2, 1] * y + camera[2, 2] * z,
    )


@inlined
def _turned(w: Any, i: Any, j: Any, k: Any) -> Any:
    """The matrix of a unit quaternion, row by row."""
    return (
        (1.0 - 2.0 * (j * j + k * k), 2.0 * (i * j - w * k), 2.0 * (i * k + w * j)),
        (2.0 * (i * j + w * k), 1.0 - 2.0 * (i * i + k * k), 2.0 * (j * k - w * i)),
        (2.0 * (i * k - w * j), 2.0 * (j * k + w * i), 1.0 - 2.0 * (i * i + j * j)),
    )


@inlined
def _turn_backward(
    columns: np.ndarray, w: Any, i: Any, j: Any, k: Any, length: Any, answer: np.ndarray, n: int
) -> None:
    """Gradient of a quaternion of any length from that of its matrix, given column by column."""
    g00, g10, g20 = columns[0, 0], columns[0, 1], columns[0, 2]
    g01, g11, g21 = columns[1, 0], columns[1, 1], columns[1, 2]
    g02, g12, g22 = columns[2, 0], columns[2, 1], columns[2, 2]
    dw = 2.0 * (i * (g21 - g12) + j * (g02 - g20) + k * (g10 - g01))
    di = 2.0 * (j * (g01 + g10) + k * (g02 + g20) + w * (g21 - g12) - 2.0 * i * (g11 + g22))
    dj = 2.0 * (i * (g01 + g10) + k * (g12 + g21) + w * (g02 - g20) - 2.0 * j * (g00 + g22))
    dk = 2.0 * (i * (g02 + g20) + j * (g12 + g21) + w * (g10 - g01) - 2.0 * k * (g00 + g11))
    along = dw * w + di * i + dj * j + dk * k
    answer[n, 0], answer[n, 1] = (dw - along * w) / length, (di - along * i) / length
    answer[n, 2], answer[n, 3] = (dj - along * j) / length, (dk - along * k) / length


@inlined
def _extent(
    turns: np.ndarray, logs: np.ndarray, n: int, camera: np.ndarray, lens: np.ndarray, x: Any, y: Any, z: Any
) -> Any:
    """Entries xx, xy, yy of a splat's extent on the picture."""
    length = math.sqrt(_square(turns, n))
    turn = _turned(turns[n, 0] / length, turns[n, 1] / length, turns[n, 2] / length, turns[n, 3] / length)
    xx, xy, yy = BLUR, 0.0, BLUR
    for axis in range(3):
        scale = math.exp(float(logs[n, axis]))
        u0, u1, u2 = _seen(camera, turn[0][axis] * scale, turn[1][axis] * scale, turn[2][axis] * scale)
        m0, m1 = lens[0] * (u0 - u2 * x / z) / z, lens[1] * (u1 - u2 * y / z) / z
        xx, xy, yy = xx + m0 * m0, xy + m0 * m1, yy + m1 * m1
    return xx, xy, yy


@inlined
def _tiles(splat: np.ndarray, across: int, down: int) -> Any:
    """The tiles that a splat may reach: from column and row, up to before column and row."""
    left = max(math.floor((splat[0] - splat[REACH]) / TILE), 0)
    right = min(math.floor((splat[0] + splat[REACH]) / TILE) + 1, across)
    top = max(math.floor((splat[1] - splat[REACH + 1]) / TILE), 0)
    bottom = min(math.floor((splat[1] + splat[REACH + 1]) / TILE) + 1, down)
    return left, right, top, bottom


@inlined
def _rows(splat: np.ndarray, y0: int, y1: int) -> Any:
    top = max(math.ceil(splat[1] - splat[REACH + 1]), y0)
    return top, min(math.floor(splat[1] + splat[REACH + 1]) + 1, y1)


@inlined
def _columns(splat: np.ndarray, y: Any, x0: int, x1: int) -> Any:
    """The columns of a row, y off the middle, where q does not go beyond what counts."""
    a, b, c = splat[2], splat[3], splat[4]
    inside = b * b * y * y - a * (c * y * y - splat[FARTHEST])
    if inside <= np.float32(0.0):
        return x0, x0
    half, middle = math.sqrt(inside) / a, splat[0] - b * y / a
    return max(math.ceil(middle - half), x0), min(math.floor(middle + half) + 1, x1)


@inlined
def _alpha(splat: np.ndarray, x: Any, y: Any) -> Any:
    """Opacity at (x, y) off the middle, and of that the part that is not the splat's own."""
    shape = math.exp(-_HALF * (splat[2] * x * x + splat[3] * (x + x) * y + splat[4] * y * y))
    return min(splat[ALPHA] * shape, np.float32(MOST)), shape
