"""A texture over a hand's (u, v) from pictures of it: each texel takes what the views that face it see there."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ..cameras import Camera
from ..hand.data import ProxyModel
from ..kernels.mesh.raster import rasterise
from .mesh import vertex_normals
from .portraits import Portrait

LEAST_FACING = 0.25
"""Cosine between a texel's normal and a view below which the view is too flat to count."""

SHARPNESS = 4
"""Power of that cosine by which a view counts."""

HIDDEN = 2e-3
"""Metres behind the nearest surface at which a texel is hidden."""

OPAQUE = 0.98
"""Opacity below which a pixel shows something of what is behind the skin."""

FARTHEST = 4e-3
"""Metres by which the skin may lie off the proxy."""


class Texels:
    """The texels of a square texture that lie on a hand's charts, and what is gathered for them.

    Args:
        data: the hand model, with texture coordinates.
        side: texels.

    Attributes:
        places: (N,) flat indices of the texels in the texture, row by row.
        face: (N,) int32 triangle of each.
        barycentric: (N, 3) float32 where in it.
        offset: (N,) float32 metres by which the skin lies outside the proxy.
    """

    def __init__(self, data: ProxyModel, side: int) -> None:
        self.side, self._data, self._faces = side, data, data.faces.astype(np.int32)
        corners = data.face_uv.reshape(-1, 3, 2).reshape(-1, 2)
        flat = np.concatenate([corners * side, np.ones((len(corners), 1))], axis=1).astype(np.float32)
        flat_faces = np.arange(len(corners), dtype=np.int32).reshape(-1, 3)
        camera = Camera(side, side, 1.0, 1.0, 0.0, 0.0, np.eye(4), "orthographic")
        raster = rasterise(flat, flat_faces, camera, barycentric=True)
        assert raster.barycentric is not None
        self.places = np.flatnonzero(raster.face.reshape(-1) >= 0)
        self.face = raster.face.reshape(-1)[self.places]
        self.barycentric = raster.barycentric.reshape(-1, 3)[self.places]
        self.offset = np.zeros(len(self.places), np.float32)
        self._colour = np.zeros((len(self.places), 3), np.float64)
        self._weight = np.zeros(len(self.places), np.float64)

    def at(self, vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(N, 3) places of the texels on the skin and (N, 3) unit normals, for (V, 3) posed vertices."""
        points = self._mixed(vertices)
        normals = self._mixed(vertex_normals(vertices, self._faces))
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
        return points + self.offset[:, None] * normals, normals

    def find_offset(self, vertices: np.ndarray, pictures: Iterable[Portrait]) -> None:
        """Find how far the skin lies off the proxy, from the pictures' depth."""
        points, normals = self.at(vertices)
        total, weight = np.zeros(len(points)), np.zeros(len(points))
        for picture in pictures:
            seen, share, pixels = self._seen(vertices, points, normals, picture.camera)
            where = np.rint(pixels - picture.camera.pixel_offset).astype(int)
            depth = picture.depth[where[:, 1], where[:, 0]]
            solid = picture.rgba[where[:, 1], where[:, 0], 3] > OPAQUE
            eye, axis = picture.camera.camera_to_world[:3, 3], picture.camera.camera_to_world[:3, 2]
            ray = points[seen] - eye
            own = ray @ axis
            # What lies on the same ray at the picture's depth, as a distance from the texel's tangent plane.
            beyond = (np.where(solid, depth, own) / own - 1.0) * np.einsum("nc,nc->n", ray, normals[seen])
            near = solid & (np.abs(beyond) < FARTHEST)
            total[seen[near]] += share[near] * beyond[near]
            weight[seen[near]] += share[near]
        self.offset = self.offset + (total / np.maximum(weight, 1e-9)).astype(np.float32)

    def gather(self, vertices: np.ndarray, camera: Camera, rgba: np.ndarray) -> None:
        """Add what one picture shows, (H, W, 4) display-referred sRGB, premultiplied."""
        points, normals = self.at(vertices)
        seen, share, pixels = self._seen(vertices, points, normals, camera)
        sampled = bilinear(rgba, pixels - camera.pixel_offset)
        solid = sampled[:, 3] > OPAQUE
        places = seen[solid]
        self._colour[places] += share[solid, None] * sampled[solid, :3] / sampled[solid, 3:]
        self._weight[places] += share[solid]

    @property
    def gathered(self) -> tuple[np.ndarray, np.ndarray]:
        """(N, 3) and (N,) float64: colour by weight and weight, summed over pictures; to be kept and filled anew."""
        return self._colour, self._weight

    def texture(self) -> np.ndarray:
        """(side, side, 3) float32 sRGB in [0, 1]: the weighted mean of what was gathered; what no view saw, and what
        lies between the charts, takes the nearest colour that is known."""
        from scipy.ndimage import distance_transform_edt

        answer = np.zeros((self.side * self.side, 3), np.float32)
        known = np.zeros(self.side * self.side, bool)
        seen = self._weight > 1e-3
        answer[self.places[seen]] = np.clip(self._colour[seen] / self._weight[seen, None], 0.0, 1.0)
        known[self.places[seen]] = True
        if not known.any():
            return answer.reshape(self.side, self.side, 3)
        nearest = distance_transform_edt(~known.reshape(self.side, -1), return_distances=False, return_indices=True)
        return answer.reshape(self.side, self.side, 3)[tuple(nearest)]

    def _mixed(self, values: np.ndarray) -> np.ndarray:
        corners = np.asarray(values, np.float32)[self._faces[self.face]]
        return np.asarray(np.einsum("nk,nkc->nc", self.barycentric, corners))

    def _seen(
        self, vertices: np.ndarray, points: np.ndarray, normals: np.ndarray, camera: Camera
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The texels that a camera sees: (M,) which, (M,) by how much they count, (M, 2) the pixels they fall on."""
        towards = camera.camera_to_world[:3, 3].astype(np.float32) - points
        towards /= np.linalg.norm(towards, axis=1, keepdims=True)
        facing = np.einsum("nc,nc->n", towards, normals)
        chosen = np.flatnonzero(facing > LEAST_FACING)
        pixels, depth = camera.project(points[chosen])
        shifted = pixels - camera.pixel_offset
        inside = (depth > 0.0) & (shifted >= 0.0).all(axis=1)
        inside &= (shifted[:, 0] <= camera.width - 1) & (shifted[:, 1] <= camera.height - 1)
        chosen, pixels, depth, shifted = chosen[inside], pixels[inside], depth[inside], shifted[inside]
        nearest = rasterise(np.asarray(vertices, np.float32), self._faces, camera).depth
        column, row = np.rint(shifted).astype(int).T
        visible = depth < nearest[row, column] + HIDDEN
        chosen = chosen[visible]
        return chosen, facing[chosen] ** SHARPNESS, pixels[visible]


def bilinear(image: np.ndarray, places: np.ndarray) -> np.ndarray:
    """(N, C) values of an (H, W, C) image between its pixels' middles, at (N, 2) columns and rows inside it."""
    height, width = image.shape[:2]
    low = np.clip(np.floor(places).astype(int), 0, [width - 2, height - 2])
    part = (places - low).astype(np.float32)
    column, row = low.T
    across, down = part[:, :1], part[:, 1:]
    above = image[row, column] * (1.0 - across) + image[row, column + 1] * across
    below = image[row + 1, column] * (1.0 - across) + image[row + 1, column + 1] * across
    return np.asarray(above * (1.0 - down) + below * down)
