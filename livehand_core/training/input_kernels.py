"""The loops that carry a loss's gradient from the field's input to the proxy: to samples, then to its vertices.

Called by ``march`` and ``refinement``. Every loop takes float32 or float64 and runs without Python's lock.
"""

from __future__ import annotations

import numpy as np

from ..kernels.compiling import compiled, inlined
from .ray_kernels import _HALF, _ONE, _ZERO, _corner

ON_EDGE = 1e-6
"""Barycentric coordinates up to this lie on an edge, docs/method.md 1.5."""

DISTANCE_EPSILON = 1e-8
"""Square metres under the root of d, as everywhere."""


@compiled
def encoding_backward(
    gradient: np.ndarray, rows: np.ndarray, begin: int, channels: int, frequencies: int, answer: np.ndarray, at: int
) -> None:
    """Gradient of what ``encode_rows`` was given, from that of what it wrote.

    Args:
        gradient, rows: (K, .) both from column ``begin`` on; the sines' slopes are the cosines that stand beside them.
        answer: (K, .), takes it from column ``at`` on.
    """
    for k in range(len(gradient)):
        for channel in range(channels):
            total = gradient[k, begin + channel]
            column, rate = begin + channels + channel, _ONE
            for _ in range(frequencies):
                sine, cosine = rows[k, column], rows[k, column + channels]
                total += rate * (gradient[k, column] * cosine - gradient[k, column + channels] * sine)
                column += 2 * channels
                rate *= np.float32(2.0)
            answer[k, at + channel] = total


@compiled
def texture_places_backward(gradient: np.ndarray, places: np.ndarray, begin: int, texture: np.ndarray,
                            answer: np.ndarray) -> None:  # fmt: skip
    """Add to (K, 2 or more) ``answer`` what u and v change of texels, whose gradient (K, .) has from ``begin`` on."""
    side, channels = texture.shape[0], texture.shape[2]
    limit = np.float32(side) - _HALF
    for k in range(len(gradient)):
        left, top, across, down = _corner(places[k, 0], places[k, 1], side)
        right, bottom = min(left + 1, side - 1), min(top + 1, side - 1)
        by_u, by_v = _ZERO * gradient[k, begin], _ZERO * gradient[k, begin]
        for c in range(channels):
            value = gradient[k, begin + c]
            above = texture[top, right, c] - texture[top, left, c]
            below = texture[bottom, right, c] - texture[bottom, left, c]
            before = texture[bottom, left, c] - texture[top, left, c]
            behind = texture[bottom, right, c] - texture[top, right, c]
            by_u += value * ((_ONE - down) * above + down * below)
            by_v += value * ((_ONE - across) * before + across * behind)
        # Beyond the middles of the outermost texels nothing changes.
        if _HALF < places[k, 0] * np.float32(side) < limit:
            answer[k, 0] += by_u * np.float32(side)
        if _HALF < places[k, 1] * np.float32(side) < limit:
            answer[k, 1] += by_v * np.float32(side)


@compiled
def positions_backward(
    gradient: np.ndarray,
    side: np.ndarray,
    points: np.ndarray,
    face: np.ndarray,
    weights: np.ndarray,
    faces: np.ndarray,
    neighbours: np.ndarray,
    face_uv: np.ndarray,
    vertices: np.ndarray,
    normals: np.ndarray,
    to_vertices: np.ndarray,
    to_normals: np.ndarray,
) -> None:
    """Gradient of the proxy from that of canonical positions, what is nearest (triangle, edge, vertex) staying so.

    With the nearest point c, its barycentric coordinates b and r = x - c: d|r| = -(r / |r|) . sum b_i dv_i, and inside
    a triangle of the edges E from its first corner, db = (E'E)^-1 (dE' r - E' sum b_i dv_i); on an edge the same with
    that edge alone.

    Args:
        gradient: (K, 6) of u, v, d and the unit normal.
        side: (K,) signs of d.
        points: (K, 3) samples, in the vertices' frame.
        face, weights: (K,) and (K, 3) nearest triangle and barycentric coordinates, of which it is told on what c lies.
        faces, neighbours, face_uv: see ``ProxyTopology``.
        vertices, normals: (V, 3); the normals in any frame, that of the positions'.
        to_vertices, to_normals: (V, 3) take what is added.
    """
    ids, texture = np.empty(3, np.int64), np.empty((3, 2), face_uv.dtype)
    share, by_share = np.empty(3, vertices.dtype), np.empty(3, vertices.dtype)
    away, mixed = np.empty(3, vertices.dtype), np.empty(3, vertices.dtype)
    first, second = np.empty(3, vertices.dtype), np.empty(3, vertices.dtype)
    for k in range(len(points)):
        count = _corners(face[k], weights[k], faces, neighbours, face_uv, ids, texture)
        _edges(vertices, ids, count, first, second)
        for axis in range(3):
            away[axis] = points[k, axis] - vertices[ids[0], axis]
        aa, ab, bb = _dot(first, first), _dot(first, second), _dot(second, second)
        along, across = _dot(first, away), _dot(second, away)
        determinant = aa * bb - ab * ab
        if count > 1 and (determinant if count == 3 else aa) < 1e-30:
            continue
        share[:] = 0.0
        if count == 3:
            share[1], share[2] = (bb * along - ab * across) / determinant, (aa * across - ab * along) / determinant
        elif count == 2:
            share[1] = along / aa
        share[0] = 1.0 - share[1] - share[2]
        mixed[:] = 0.0
        for axis in range(3):
            away[axis] -= share[1] * first[axis] + share[2] * second[axis]
            for corner in range(count):
                mixed[axis] += share[corner] * normals[ids[corner], axis]
        length = max(np.sqrt(_dot(mixed, mixed)), 1e-12)
        inward = gradient[k, 3] * mixed[0] + gradient[k, 4] * mixed[1] + gradient[k, 5] * mixed[2]
        for axis in range(3):
            mixed[axis] = (gradient[k, 3 + axis] - mixed[axis] * inward / (length * length)) / length
        pull = -gradient[k, 2] * side[k] / np.sqrt(_dot(away, away) + DISTANCE_EPSILON)
        for corner in range(count):
            by_share[corner] = gradient[k, 0] * texture[corner, 0] + gradient[k, 1] * texture[corner, 1]
            for axis in range(3):
                by_share[corner] += mixed[axis] * normals[ids[corner], axis]
                to_normals[ids[corner], axis] += share[corner] * mixed[axis]
                to_vertices[ids[corner], axis] += pull * share[corner] * away[axis]
        if count == 1:
            continue
        one = by_share[1] - by_share[0]
        two = by_share[2] - by_share[0] if count == 3 else _ZERO * one
        if count == 3:
            one, two = (bb * one - ab * two) / determinant, (aa * two - ab * one) / determinant
        else:
            one = one / aa
        for axis in range(3):
            slide = one * first[axis] + two * second[axis]
            for corner in range(count):
                to_vertices[ids[corner], axis] -= share[corner] * slide
            to_vertices[ids[1], axis] += one * away[axis]
            to_vertices[ids[0], axis] -= (one + two) * away[axis]
            if count == 3:
                to_vertices[ids[2], axis] += two * away[axis]


@inlined
def _dot(one: np.ndarray, other: np.ndarray) -> float:
    return one[0] * other[0] + one[1] * other[1] + one[2] * other[2]


@inlined
def _edges(vertices: np.ndarray, ids: np.ndarray, count: int, first: np.ndarray, second: np.ndarray) -> None:
    """From the first corner to the others; zero where there are none."""
    first[:], second[:] = 0.0, 0.0
    for axis in range(3):
        if count > 1:
            first[axis] = vertices[ids[1], axis] - vertices[ids[0], axis]
        if count > 2:
            second[axis] = vertices[ids[2], axis] - vertices[ids[0], axis]


@inlined
def _corners(
    face: int,
    weights: np.ndarray,
    faces: np.ndarray,
    neighbours: np.ndarray,
    face_uv: np.ndarray,
    ids: np.ndarray,
    texture: np.ndarray,
) -> int:
    """The one, two or three vertices that c lies between, their texture coordinates, and how many they are.

    On an edge the lower one of its two triangles speaks.
    """
    count, opposite = 0, 0
    for corner in range(3):
        if weights[corner] > ON_EDGE:
            ids[count] = faces[face, corner]
            count += 1
        else:
            opposite = corner
    speaks = min(face, neighbours[face, opposite]) if count == 2 else face
    for one in range(count):
        for corner in range(3):
            if faces[speaks, corner] == ids[one]:
                texture[one, 0], texture[one, 1] = face_uv[speaks, corner, 0], face_uv[speaks, corner, 1]
    return count
