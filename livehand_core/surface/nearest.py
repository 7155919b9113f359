"""Nearest point on the proxy mesh, by a tree over its faces on the CPU: FCPW's on all cores, or libigl's on one."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import NamedTuple

import numpy as np
import torch

_HAS_FCPW = find_spec("fcpw") is not None

_Query = Callable[[np.ndarray], np.ndarray]
"""(N, 3) points -> (N,) int64 nearest triangles."""


class NearestSurface(NamedTuple):
    """The nearest point on a mesh for each of N points.

    Attributes:
        face: (N,) int64 triangle.
        barycentric: (N, 3) coordinates of the nearest point in it, none negative.
        closest: (N, 3) the point itself.
    """

    face: torch.Tensor
    barycentric: torch.Tensor
    closest: torch.Tensor


class SurfaceTree:
    """A posed mesh prepared for many queries."""

    def __init__(self, vertices: torch.Tensor, faces: torch.Tensor) -> None:
        """
        Args:
            vertices: (V, 3) metres.
            faces: (F, 3) int64, same device.
        """
        self._vertices, self._faces = vertices, faces
        exact = vertices.dtype != torch.float32
        arrays = vertices.detach().cpu().numpy(), faces.cpu().numpy()
        self._query = (_igl_query if exact or not _HAS_FCPW else _fcpw_query)(*arrays)

    def nearest(self, points: torch.Tensor) -> NearestSurface:
        """Nearest triangle, and the nearest point in it, for each of (N, 3) points.

        Differentiable in the points and the vertices while the triangle stays. A GPU's points come to the CPU for it,
        which is faster than trying all triangles there.
        """
        if len(points):
            face = torch.from_numpy(self._query(points.detach().cpu().numpy())).to(points.device)
        else:
            face = torch.zeros(0, dtype=torch.int64, device=points.device)
        corners = self._vertices[self._faces[face]]
        barycentric = closest_barycentric(points, corners)
        return NearestSurface(face, barycentric, (barycentric[..., None] * corners).sum(dim=-2))


def nearest_surface(points: torch.Tensor, vertices: torch.Tensor, faces: torch.Tensor) -> NearestSurface:
    """Nearest triangle, and the nearest point in it, for each of (N, 3) points; see :class:`SurfaceTree`."""
    return SurfaceTree(vertices, faces).nearest(points)


def closest_barycentric(points: torch.Tensor, triangles: torch.Tensor) -> torch.Tensor:
    """Barycentric coordinates of the point of a triangle that is nearest to a point (Ericson 2005, section 5.1.5).

    Args:
        points: (..., 3).
        triangles: (..., 3, 3) corners, broadcast against ``points``; degenerate triangles are allowed.

    Returns:
        (..., 3) coordinates, none negative, sum 1.
    """
    a, b, c = triangles.unbind(-2)
    ab, ac = b - a, c - a
    ap, bp, cp = points - a, points - b, points - c
    d1, d2 = (ab * ap).sum(-1), (ac * ap).sum(-1)
    d3, d4 = (ab * bp).sum(-1), (ac * bp).sum(-1)
    d5, d6 = (ab * cp).sum(-1), (ac * cp).sum(-1)
    # A triangle without area has no inside: what is left of its area is rounding, which must not say otherwise.
    va, vb, vc = _difference(d3 * d6, d5 * d4), _difference(d5 * d2, d1 * d6), _difference(d1 * d4, d3 * d2)
    total = va + vb + vc
    inverse = 1.0 / torch.where(total.abs() > 0.0, total, 1.0)
    v, w = vb * inverse, vc * inverse

    def edge(numerator: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        length = numerator + other
        return numerator / torch.where(length > 0.0, length, 1.0)

    # Regions are tested from the face inwards to the corners, each overriding what came before it.
    on_bc = (va <= 0) & (d4 - d3 >= 0) & (d5 - d6 >= 0)
    along = edge(d4 - d3, d5 - d6)
    v, w = torch.where(on_bc, 1.0 - along, v), torch.where(on_bc, along, w)
    on_ac = (vb <= 0) & (d2 >= 0) & (d6 <= 0)
    v, w = torch.where(on_ac, 0.0, v), torch.where(on_ac, edge(d2, -d6), w)
    on_ab = (vc <= 0) & (d1 >= 0) & (d3 <= 0)
    v, w = torch.where(on_ab, edge(d1, -d3), v), torch.where(on_ab, 0.0, w)
    at_c = (d6 >= 0) & (d5 <= d6)
    v, w = torch.where(at_c, 0.0, v), torch.where(at_c, 1.0, w)
    at_b = (d3 >= 0) & (d4 <= d3)
    v, w = torch.where(at_b, 1.0, v), torch.where(at_b, 0.0, w)
    at_a = (d1 <= 0) & (d2 <= 0)
    v, w = torch.where(at_a, 0.0, v), torch.where(at_a, 0.0, w)
    return torch.stack([1.0 - v - w, v, w], dim=-1).clamp(min=0.0)


def _difference(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """a - b, 0 where it is no more than rounding of the products that a and b are."""
    difference = a - b
    return torch.where(difference.abs() > 4.0 * torch.finfo(a.dtype).eps * (a.abs() + b.abs()), difference, 0.0)


def _fcpw_query(vertices: np.ndarray, faces: np.ndarray) -> _Query:
    import fcpw

    scene = fcpw.scene_3D()
    scene.set_object_count(1)
    scene.set_object_vertices(np.ascontiguousarray(vertices, dtype=np.float32), 0)
    scene.set_object_triangles(np.ascontiguousarray(faces, dtype=np.int32), 0)
    scene.build(fcpw.aggregate_type.bvh_surface_area, True)

    def query(points: np.ndarray) -> np.ndarray:
        answers = fcpw.interaction_3D_list()
        limit = np.full(len(points), np.inf, dtype=np.float32)
        scene.find_closest_points(np.asfortranarray(points, dtype=np.float32), limit, answers)
        return np.fromiter((answer.primitive_index for answer in answers), np.int64, len(points))

    return query


def _igl_query(vertices: np.ndarray, faces: np.ndarray) -> _Query:
    import igl

    corners, triangles = np.ascontiguousarray(vertices, dtype=np.float64), np.ascontiguousarray(faces)

    def query(points: np.ndarray) -> np.ndarray:
        _, face, _ = igl.point_mesh_squared_distance(points.astype(np.float64, order="C"), corners, triangles)
        return np.ascontiguousarray(face, dtype=np.int64).reshape(-1)

    return query
