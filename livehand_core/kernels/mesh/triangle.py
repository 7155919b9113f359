"""Sixteen points and a triangle: distances, barycentric coordinates, sides. Called by the search and its shading.

The triangle's numbers are rows of ``PosedProxy.triangles`` and ``PosedProxy.shading``, made once a frame.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..compiling import inlined
from ..simd.lanes import absolute, maximum, minimum, where_less
from ..simd.memory import broadcast
from .proxy import (
    AB_HALF,
    AC_HALF,
    AC_MIDDLE,
    AC_OFFSET,
    AC_X,
    AC_Y,
    BC_HALF,
    BC_MIDDLE,
    BC_OFFSET,
    BC_X,
    BC_Y,
    CORNER_UV,
    EDGE_NORMALS,
    EDGE_UV,
    FACE_NORMAL,
    PLACE,
    VERTEX_NORMALS,
    N,
    U,
    V,
)

REGION_TOLERANCE = np.float32(1e-6)
"""Barycentric coordinate under which the nearest point counts as on an edge or a vertex."""

_ZERO, _HALF, _ONE = np.float32(0.0), np.float32(0.5), np.float32(1.0)


@inlined
def _affine(x: Any, y: Any, z: Any, values: np.ndarray, first: int) -> Any:
    """Sixteen points along a direction, less an offset: four numbers of ``values``."""
    inner = z * broadcast(values, first + 2) - broadcast(values, first + 3)
    return x * broadcast(values, first) + (y * broadcast(values, first + 1) + inner)


@inlined
def _plane(px: Any, py: Any, pz: Any, rows: np.ndarray, row: int) -> Any:
    """Sixteen points in the coordinates of a triangle's plane: x along ab, y across, z the height."""
    return _affine(px, py, pz, rows, row + U), _affine(px, py, pz, rows, row + V), _affine(px, py, pz, rows, row + N)


@inlined
def _edges(x: Any, y: Any, rows: np.ndarray, row: int) -> Any:
    """Of plane coordinates: the way along ac and bc from their middles, and both edge functions, positive inside."""
    along_ac = x * broadcast(rows, row + AC_X) + (y * broadcast(rows, row + AC_Y) - broadcast(rows, row + AC_MIDDLE))
    along_bc = x * broadcast(rows, row + BC_X) + (y * broadcast(rows, row + BC_Y) - broadcast(rows, row + BC_MIDDLE))
    side_ac = x * broadcast(rows, row + AC_Y) - (y * broadcast(rows, row + AC_X) - broadcast(rows, row + AC_OFFSET))
    side_bc = y * broadcast(rows, row + BC_X) - (x * broadcast(rows, row + BC_Y) - broadcast(rows, row + BC_OFFSET))
    return along_ac, along_bc, side_ac, side_bc


@inlined
def _edge_distances(x: Any, y: Any, edges: Any, rows: np.ndarray, row: int) -> Any:
    """Squared distances in the plane to the edges ab, ac and bc."""
    along_ac, along_bc, side_ac, side_bc = edges
    ab = maximum(absolute(x) - broadcast(rows, row + AB_HALF), _ZERO)
    ac = maximum(absolute(along_ac) - broadcast(rows, row + AC_HALF), _ZERO)
    bc = maximum(absolute(along_bc) - broadcast(rows, row + BC_HALF), _ZERO)
    return ab * ab + y * y, ac * ac + side_ac * side_ac, bc * bc + side_bc * side_bc


@inlined
def improve(px: Any, py: Any, pz: Any, rows: np.ndarray, row: int, best: Any, place: Any) -> Any:
    """Squared distances and places after one more triangle was tried."""
    x, y, z = _plane(px, py, pz, rows, row)
    edges = _edges(x, y, rows, row)
    ab, ac, bc = _edge_distances(x, y, edges, rows, row)
    outside = minimum(ab, minimum(ac, bc))
    inner = minimum(y, minimum(edges[2], edges[3]))
    distance = z * z + where_less(_ZERO, inner, _ZERO, outside)
    return minimum(distance, best), where_less(distance, best, broadcast(rows, row + PLACE), place)


@inlined
def _inverse(value: Any) -> Any:
    return where_less(_ZERO, value, _ONE / value, _ZERO)


@inlined
def closest_barycentric(px: Any, py: Any, pz: Any, rows: np.ndarray, row: int) -> Any:
    """Coordinates (at a, b, c) of a triangle's nearest points to sixteen points; exactly 0 away from an edge's ends."""
    x, y, _ = _plane(px, py, pz, rows, row)
    edges = _edges(x, y, rows, row)
    ab, ac, bc = _edge_distances(x, y, edges, rows, row)
    half_ab, half_ac, half_bc = (
        broadcast(rows, row + AB_HALF),
        broadcast(rows, row + AC_HALF),
        broadcast(rows, row + BC_HALF),
    )
    on_ab = _HALF + (_HALF * _inverse(half_ab)) * maximum(minimum(x, half_ab), _ZERO - half_ab)
    on_ac = _HALF + (_HALF * _inverse(half_ac)) * maximum(minimum(edges[0], half_ac), _ZERO - half_ac)
    on_bc = _HALF + (_HALF * _inverse(half_bc)) * maximum(minimum(edges[1], half_bc), _ZERO - half_bc)
    b, c = where_less(ac, ab, _ZERO, on_ab), where_less(ac, ab, on_ac, _ZERO)
    nearest = minimum(ab, ac)
    b, c = where_less(bc, nearest, _ONE - on_bc, b), where_less(bc, nearest, on_bc, c)
    inner = minimum(y, minimum(edges[2], edges[3]))
    inner_c = y * _inverse(half_ac * broadcast(rows, row + AC_Y)) * _HALF
    inner_b = x + half_ab - inner_c * (half_ac * broadcast(rows, row + AC_X) * np.float32(2.0))
    inner_b = inner_b * _inverse(half_ab) * _HALF
    b, c = where_less(_ZERO, inner, inner_b, b), where_less(_ZERO, inner, inner_c, c)
    b, c = maximum(b, _ZERO), maximum(c, _ZERO)
    return maximum(_ONE - b - c, _ZERO), b, c


@inlined
def mix(weights: Any, values: np.ndarray, first: int, step: int) -> Any:
    """A corner attribute at barycentric coordinates."""
    a, b, c = weights
    inner = b * broadcast(values, first + step) + c * broadcast(values, first + 2 * step)
    return a * broadcast(values, first) + inner


@inlined
def _along(x: Any, y: Any, z: Any, values: np.ndarray, first: int) -> Any:
    return x * broadcast(values, first) + (y * broadcast(values, first + 1) + z * broadcast(values, first + 2))


@inlined
def signed_side(x: Any, y: Any, z: Any, weights: Any, shading: np.ndarray, row: int, pseudo_normal: bool) -> Any:
    """How far sixteen offsets from the surface lie along the normal that decides their sign."""
    side = _along(x, y, z, shading, row + FACE_NORMAL)
    if pseudo_normal:
        a, b, c = weights
        side = where_less(REGION_TOLERANCE, a, side, _along(x, y, z, shading, row + EDGE_NORMALS))
        side = where_less(REGION_TOLERANCE, b, side, _along(x, y, z, shading, row + EDGE_NORMALS + 3))
        side = where_less(REGION_TOLERANCE, c, side, _along(x, y, z, shading, row + EDGE_NORMALS + 6))
        at_a = _along(x, y, z, shading, row + VERTEX_NORMALS)
        at_b = _along(x, y, z, shading, row + VERTEX_NORMALS + 3)
        at_c = _along(x, y, z, shading, row + VERTEX_NORMALS + 6)
        side = where_less(REGION_TOLERANCE, maximum(b, c), side, at_a)
        side = where_less(REGION_TOLERANCE, maximum(a, c), side, at_b)
        side = where_less(REGION_TOLERANCE, maximum(a, b), side, at_c)
    return side


@inlined
def seam_coordinate(weights: Any, seams: np.ndarray, row: int, axis: int, own: Any) -> Any:
    """u (axis 0) or v (axis 1) of sixteen nearest points: ``own`` inside the triangle, on edges and corners what the
    lowest face there says; ``row`` of ``ProxyTopology.seams``."""
    a, b, c = weights
    edge = row + EDGE_UV + axis
    own = where_less(REGION_TOLERANCE, a, own, b * broadcast(seams, edge) + c * broadcast(seams, edge + 2))
    own = where_less(REGION_TOLERANCE, b, own, a * broadcast(seams, edge + 4) + c * broadcast(seams, edge + 6))
    own = where_less(REGION_TOLERANCE, c, own, a * broadcast(seams, edge + 8) + b * broadcast(seams, edge + 10))
    corner = row + CORNER_UV + axis
    own = where_less(REGION_TOLERANCE, maximum(b, c), own, broadcast(seams, corner))
    own = where_less(REGION_TOLERANCE, maximum(a, c), own, broadcast(seams, corner + 2))
    return where_less(REGION_TOLERANCE, maximum(a, b), own, broadcast(seams, corner + 4))
