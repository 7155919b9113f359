"""What the kernels of shading take: the light at a hand, the proxy at a camera's pixels, and an identity's detail."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ...avatars.metadata import AvatarMetadata
from ...cameras import Camera
from ...kernels.mesh.raster import Raster, rasterise
from ...kernels.mesh.visibility import nearest_in_rows
from ...kernels.products.packing import fill_up
from ...kernels.shading import lamps as columns
from ...kernels.shading.detail import GROUP, SIDES, Detail
from ...kernels.shading.pixels import LAMPS, MOST_LAMPS, POSITION, VERTEX_COLUMNS, Lit, Seen
from ...kernels.simd.lanes import WIDTH
from ...lights import NEAREST
from ..plan import Plan
from ..shading.mesh import ShadedMesh
from ..shading.pixels import reach
from ..shading.received import Received, ReceivedLamp
from ..shading.shadows import DepthMap
from .geometry import SeenSurface
from .quantisation.packing import stored_texels

_KINDS = {"all": columns.ALL, "disc": columns.DISC, "cone": columns.CONE}


class Skin(NamedTuple):
    """The light at a hand, and the skin that the pixels of a plan's picture see.

    Attributes:
        lit, seen: for the kernels.
        surface: the same pixels, for the passes that show geometry.
    """

    lit: Lit
    seen: Seen
    surface: SeenSurface

    @classmethod
    def of(cls, mesh: ShadedMesh, metadata: AvatarMetadata, plan: Plan) -> Skin:
        """Of a plan that has a light."""
        assert plan.received is not None
        camera, vertices = plan.picture_camera, plan.vertices
        raster = rasterise(vertices, mesh.faces, camera, barycentric=True)
        seen = seen_skin(mesh, vertices, camera, raster, metadata.lateral_margin)
        return cls(lit_of(plan.received, vertices), seen, SeenSurface(plan.picture, raster))


def lit_of(received: Received, vertices: np.ndarray) -> Lit:
    """The light at a hand of (V, 3) posed vertices, as kernels take it."""
    count = len(received.lamps)
    assert count <= MOST_LAMPS
    rows = np.zeros((len(vertices), VERTEX_COLUMNS), np.float32)
    rows[:, : LAMPS + count] = received.vertices[:, : LAMPS + count]
    rows[:, POSITION : POSITION + 3] = vertices
    lamps = np.zeros((count, columns.LAMP_COLUMNS), np.float32)
    maps: list[DepthMap] = []
    for row, lamp in zip(lamps, received.lamps, strict=True):
        _put_lamp(lamp, row)
        row[columns.SHADOW] = -1.0
        if lamp.sharpness > 0.0 and lamp.shadow is not None:
            row[columns.SHADOW] = len(maps)
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


def _put_lamp(received: ReceivedLamp, row: np.ndarray) -> None:
    lamp = received.lamp
    radius = 0.5 * lamp.size
    row[columns.COLOUR : columns.COLOUR + 3] = lamp.colour
    row[columns.PLACE : columns.PLACE + 3] = lamp.direction or lamp.position
    row[columns.SINE], row[columns.FLUX] = max(received.sine, 1e-4), received.flux
    row[columns.SHARPNESS] = received.sharpness
    for index, (sharpness, most) in enumerate(received.lobes):
        peak = sharpness / (2.0 * math.pi * -math.expm1(-2.0 * sharpness))
        row[columns.LOBES + 3 * index : columns.LOBES + 3 * index + 3] = sharpness, peak, most
    if lamp.direction is not None:
        row[columns.KIND] = columns.FAR
        return
    flat = lamp.emission == "disc"
    row[columns.KIND] = _KINDS[lamp.emission]
    row[columns.NEAREST] = NEAREST if flat else max(radius, NEAREST)
    row[columns.FLAT] = radius**2 if flat else 0.0
    if lamp.axis is not None:
        row[columns.AXIS : columns.AXIS + 3] = lamp.axis
    edge = math.cos(lamp.half_angle)
    row[columns.EDGE], row[columns.STEEP] = edge, 1.0 / max((1.0 - edge) * lamp.blend, 1e-4)
    row[columns.SPREAD] = 1.0 / math.tan(lamp.half_angle) if lamp.half_angle < 0.5 * math.pi else 0.0


def seen_skin(mesh: ShadedMesh, vertices: np.ndarray, camera: Camera, raster: Raster, margin: float) -> Seen:
    """The proxy of (V, 3) vertices at a camera's pixels, with a reach of ``margin`` metres beside its silhouette."""
    assert raster.barycentric is not None
    radius = reach(camera, vertices, margin)
    beside = np.empty_like(raster.face)
    nearest_in_rows(raster.face, radius, beside)
    matrix, near = camera.camera_to_world, camera.projection == "perspective"
    row = [*matrix[:3, 3], *matrix[:3, 2], 2.0 / (camera.fx + camera.fy), float(near)]
    flat = raster.face.reshape(-1), raster.barycentric.reshape(-1)
    return Seen(*flat, beside, radius, mesh.faces, mesh.face_uv, np.array(row, np.float32))


def no_detail() -> Detail:
    """Of avatars without, and of pictures that do not take it."""
    nothing = np.zeros((0, 0), np.int64), np.zeros((0, WIDTH), np.float32)
    return Detail(stored_texels(np.zeros(0))[0], *nothing, np.float32(1.0), np.float32(0.0), SIDES)


class DetailChain:
    """The detail textures of an avatar, of which one identity, or a blend, is shown at a time.

    Args:
        parts: ``texture`` (S, S, C) and ``head`` (13, C); empty without a texture.
        residuals: (identities, R, R, C) added to it, R a part of S; None without identities.
        span: texture coordinates that a metre of skin spans.
    """

    def __init__(self, parts: Mapping[str, np.ndarray], residuals: np.ndarray | None, span: float) -> None:
        self._texture, self._residuals, self._span = parts.get("texture"), residuals, np.float32(span)
        self._head = parts.get("head")
        self.shown = no_detail() if self._texture is None or residuals is not None else self._chain(self._texture)

    def show(self, shares: np.ndarray) -> None:
        """Let ``shown`` be the textures mixed by (identities,) shares."""
        if self._texture is not None and self._residuals is not None:
            mixed = np.tensordot(shares.astype(np.float32), self._residuals, axes=1)
            self.shown = self._chain(self._texture + enlarged(mixed, len(self._texture)))

    def _chain(self, texture: np.ndarray) -> Detail:
        assert self._head is not None
        side, channels = len(texture), texture.shape[2]
        groups = -(-channels // GROUP)
        level = fill_up(texture, groups * GROUP)
        levels = [level]
        while len(level) > 1:
            half = len(level) // 2
            level = level.reshape(half, 2, half, 2, -1).mean(axis=(1, 3), dtype=np.float32)
            levels.append(level)
        parts = [one[..., k * GROUP : (k + 1) * GROUP] for k in range(groups) for one in levels]
        starts = np.cumsum([0, *(part.size for part in parts)])[:-1].reshape(groups, len(levels))
        flat = [part.reshape(-1) for part in parts]
        texels, unit = stored_texels(np.concatenate([*flat, np.zeros(WIDTH, np.float32)]))
        head = fill_up(fill_up(self._head * unit, groups * GROUP).T, WIDTH)
        return Detail(texels, starts, head, np.float32(side), self._span, SIDES)


def enlarged(texture: np.ndarray, side: int) -> np.ndarray:
    """(S, S, C) float32 of an (R, R, C) texture, linear between the middles of its texels."""
    for axis in (0, 1):
        count = texture.shape[axis]
        place = np.clip((np.arange(side) + 0.5) * (count / side) - 0.5, 0.0, count - 1.0)
        first = place.astype(np.intp)
        share = (place - first).astype(np.float32).reshape((-1, *(1,) * (2 - axis)))
        second = np.minimum(first + 1, count - 1)
        texture = (1.0 - share) * texture.take(first, axis) + share * texture.take(second, axis)
    return texture
