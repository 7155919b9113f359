"""What the kernels of shading take: the light at a hand, the proxy at a camera's pixels, and an identity's detail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ...avatars.metadata import AvatarMetadata
from ...cameras import Camera
from ...kernels.mesh.raster import rasterise
from ...kernels.mesh.visibility import nearest_in_rows
from ...kernels.products.packing import fill_up
from ...kernels.shading.detail import GROUP, SIDES, Detail
from ...kernels.shading.edges import Edges
from ...kernels.shading.pixels import Lit, Seen
from ...kernels.simd.lanes import WIDTH
from ..plan import Plan
from ..shading.detail import halvings, mixed
from ..shading.edges import edges_of
from ..shading.lit import lit_of
from ..shading.mesh import ShadedMesh
from ..shading.pixels import reach
from .quantisation.packing import stored_texels


class Skin(NamedTuple):
    """The light at a hand, and the skin that the pixels of a plan's picture see.

    Attributes:
        lit, seen, edges: for the kernels.
    """

    lit: Lit
    seen: Seen
    edges: Edges

    @classmethod
    def of(cls, mesh: ShadedMesh, metadata: AvatarMetadata, plan: Plan) -> Skin:
        """Of a plan that has a light."""
        assert plan.received is not None
        vertices = mesh.closed(plan.vertices)
        seen = seen_skin(mesh, vertices, plan.picture_camera, metadata.lateral_margin)
        return cls(lit_of(plan.received, vertices), *seen)


def seen_skin(mesh: ShadedMesh, vertices: np.ndarray, camera: Camera, margin: float) -> tuple[Seen, Edges]:
    """The mesh of (V, 3) vertices at a camera's pixels, with a reach of ``margin`` metres beside its silhouette; and
    where a part of it passes in front of another."""
    raster = rasterise(vertices, mesh.faces, camera, barycentric=True)
    assert raster.barycentric is not None
    radius = reach(camera, vertices, margin)
    beside = np.empty_like(raster.face)
    nearest_in_rows(raster.face, radius, beside)
    matrix, near = camera.camera_to_world, camera.projection == "perspective"
    row = [*matrix[:3, 3], *matrix[:3, 2], 2.0 / (camera.fx + camera.fy), float(near)]
    flat = raster.face.reshape(-1), raster.barycentric.reshape(-1)
    seen = Seen(*flat, beside, radius, mesh.faces, mesh.face_uv, np.array(row, np.float32))
    return seen, edges_of(mesh, vertices, camera, raster.depth, raster.face)


def no_detail() -> Detail:
    """Of avatars without, and of pictures that do not take it."""
    nothing = np.zeros((0, 0), np.int64), np.zeros((0, WIDTH), np.float32)
    flat = np.zeros(0, np.float32), np.int64(0)
    return Detail(stored_texels(np.zeros(0))[0], *nothing, np.float32(1.0), np.float32(0.0), SIDES, *flat)


class DetailChain:
    """The detail textures of an avatar, of which one identity, or a blend, is shown at a time.

    Args:
        parts: ``texture`` (S, S, C), ``head`` (13, C) and ``relief`` (R, R); empty without a texture.
        residuals: (identities, R, R, C) added to it, R a part of S; None without identities.
        span: texture coordinates that a metre of skin spans.
    """

    def __init__(self, parts: Mapping[str, np.ndarray], residuals: np.ndarray | None, span: float) -> None:
        self._texture, self._residuals, self._span = parts.get("texture"), residuals, np.float32(span)
        self._head, relief = parts.get("head"), parts.get("relief")
        # Flat skin need not be looked up.
        self._relief = relief if relief is not None and relief.any() else np.zeros((0, 0), np.float32)
        self.shown = no_detail() if self._texture is None or residuals is not None else self._chain(self._texture)

    def show(self, shares: np.ndarray) -> None:
        """Let ``shown`` be the textures mixed by (identities,) shares."""
        if self._texture is not None and self._residuals is not None:
            self.shown = self._chain(mixed(self._texture, self._residuals, shares))

    def _chain(self, texture: np.ndarray) -> Detail:
        assert self._head is not None
        side, channels = len(texture), texture.shape[2]
        groups = -(-channels // GROUP)
        levels = halvings(fill_up(texture, groups * GROUP))
        parts = [one[..., k * GROUP : (k + 1) * GROUP] for k in range(groups) for one in levels]
        starts = np.cumsum([0, *(part.size for part in parts)])[:-1].reshape(groups, len(levels))
        flat = [part.reshape(-1) for part in parts]
        texels, unit = stored_texels(np.concatenate([*flat, np.zeros(WIDTH, np.float32)]))
        head = fill_up(fill_up(self._head * unit, groups * GROUP).T, WIDTH)
        relief = np.ascontiguousarray(self._relief, np.float32).reshape(-1), np.int64(len(self._relief))
        return Detail(texels, starts, head, np.float32(side), self._span, SIDES, *relief)
