"""Depth, normal and canonical passes of one hand at the image's own resolution."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from ...framing import Box
from ...kernels.compose import choose_depth
from ...kernels.mesh.nearest import nearest_points, ray_coordinates
from ...kernels.mesh.proxy import PosedProxy
from ...kernels.mesh.raster import Raster, rasterise
from ...kernels.mesh.rays import Rays, camera_rays
from ...kernels.mesh.skinning import PosedHandModel
from ...workers import Workers
from ..view import View

GEOMETRY = frozenset({"depth", "normal", "uvd"})
"""Passes that ask what the image's pixels see of the proxy."""

Geometry = tuple[np.ndarray, np.ndarray | None, np.ndarray | None]


class SeenSurface(NamedTuple):
    """The proxy drawn at the image's own size.

    Attributes:
        box: the pixels that were looked at, which hold all that the proxy covers.
        raster: of these.
    """

    box: Box
    raster: Raster

    def over(self, box: Box) -> Raster:
        """The same over another box: nothing is seen where the two do not overlap."""
        if box == self.box:
            return self.raster
        size = (box.height, box.width)
        depth, face = np.full(size, np.inf, np.float32), np.full(size, -1, np.int32)
        left, top = max(box.left, self.box.left), max(box.top, self.box.top)
        right, bottom = min(box.right, self.box.right), min(box.bottom, self.box.bottom)
        into = (slice(top - box.top, bottom - box.top), slice(left - box.left, right - box.left))
        out_of = (slice(top - self.box.top, bottom - self.box.top), slice(left - self.box.left, right - self.box.left))
        depth[into], face[into] = self.raster.depth[out_of], self.raster.face[out_of]
        barycentric = None
        if self.raster.barycentric is not None:
            barycentric = np.zeros((*size, 3), np.float32)
            barycentric[into] = self.raster.barycentric[out_of]
        return Raster(depth, face, barycentric)


def seen_surface(
    view: View, box: Box, vertices: np.ndarray, model: PosedHandModel, passes: frozenset[str]
) -> SeenSurface | None:
    """The proxy as the image's pixels see it, or None when no pass asks for that."""
    if not passes & GEOMETRY:
        return None
    raster = rasterise(vertices, model.topology.faces, box.of(view.camera), barycentric="normal" in passes)
    return SeenSurface(box, raster)


def geometry_passes(
    view: View,
    box: Box,
    rgba: np.ndarray,
    planes: np.ndarray,
    proxy: PosedProxy,
    surface: SeenSurface | None,
    sign: Literal["face_normal", "pseudo_normal"],
    passes: frozenset[str],
    workers: Workers,
) -> Geometry:
    """What the proxy mesh says about each drawn pixel.

    Depth and normals come from the proxy rasterised at full resolution, which is sharper than the field's expected
    depth; pixels that are drawn beyond its silhouette take the field's depth and the nearest surface point's normal.
    The canonical pass looks up the point at the field's depth, so its d shows how far the avatar leaves the proxy.

    Args:
        view: the avatar's frame.
        box: the pixels, (h, w).
        rgba: (h, w, 4) premultiplied; planes: (h, w, 2) weighted depth and weight.
        proxy: the posed mesh.
        surface: what :func:`seen_surface` answered.
        sign: of d.
        passes: which of depth, normal and uvd are needed.
        workers: where rows are worked on.

    Returns:
        depth (h, w) in the world, infinity where alpha is 0; normal and uvd (h, w, 3) or None.
    """
    camera = box.of(view.camera)
    middle = np.float32((view.camera.world_to_camera @ [*proxy.vertices.mean(axis=0).tolist(), 1.0])[2])
    depth = np.empty(rgba.shape[:2], dtype=np.float32)
    nowhere = np.zeros((0, 0), dtype=np.float32)
    scale = np.float32(view.scale)
    raster = None if surface is None else surface.over(box)
    seen = nowhere if raster is None else raster.depth
    workers.parallel_for(
        box.height, lambda first, last: choose_depth(rgba, planes, seen, middle, scale, first, last, depth)
    )
    if raster is None or not passes & {"normal", "uvd"}:
        return depth, None, None
    rows, columns = (index.astype(np.int32) for index in np.nonzero(rgba[..., 3] > 0.0))
    rays = camera_rays(camera, columns, rows)
    normal = uvd = None
    if "normal" in passes:
        assert raster.barycentric is not None
        face, barycentric = raster.face[rows, columns], raster.barycentric[rows, columns]
        beyond = face < 0
        points = rays.origins + rays.directions * (depth[rows, columns] / np.float32(view.scale))[:, None]
        face[beyond], barycentric[beyond], _ = nearest_points(proxy, points[beyond])
        local = (barycentric[..., None] * proxy.vertex_normals[proxy.topology.faces[face]]).sum(axis=1)
        local /= np.maximum(np.linalg.norm(local, axis=1, keepdims=True), 1e-12)
        # The inside of the open wrist is seen from behind; the face decides, as smooth normals turn at silhouettes.
        away = ((proxy.face_normals[face] * rays.directions).sum(axis=1) > 0.0) & ~beyond
        local[away] *= -1.0
        normal = np.zeros((*depth.shape, 3), dtype=np.float32)
        normal[rows, columns] = local @ view.normal_to_world.T.astype(np.float32)
    if "uvd" in passes:
        own = np.empty_like(depth)
        choose_depth(rgba, planes, nowhere, middle, np.float32(1.0), 0, box.height, own)
        uvd = np.zeros((*depth.shape, 3), dtype=np.float32)
        uvd[rows, columns] = _canonical(proxy, rays, own[rows, columns], sign == "pseudo_normal")
        uvd[..., 2] *= view.scale
    return depth, normal, uvd


def _canonical(proxy: PosedProxy, rays: Rays, depth: np.ndarray, pseudo_normal: bool) -> np.ndarray:
    """(R, 3) coordinates of one point on each ray."""
    answer = np.empty((len(depth), 1, 3), dtype=np.float32)
    # One sample of two is the one at ``near``.
    ray_coordinates(
        proxy, rays.origins, rays.directions, depth, depth, 2, pseudo_normal, False, answer, 0, len(depth)
    )  # fmt: skip
    return answer[:, 0]
