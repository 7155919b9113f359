"""The light's stage on a GPU: what the skin that a picture's pixels see makes of the light, by materials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ...avatars.metadata import AvatarMetadata
from ...cameras import Camera
from ...framing import Box
from ...kernels.compose import LIT_RAMP
from ...kernels.mesh.visibility import LIFT, SOFTNESS
from ...kernels.shading.edges import MOST_TRIANGLES, STEEP
from ...kernels.shading.lamps import LAMP_COLUMNS, MAP_COLUMNS
from ...kernels.shading.material import (
    BEND,
    EDGE_RADIUS,
    LEAST_ALPHA,
    LEAST_FACING,
    LEAST_SOLID,
    LOBE_GAIN,
    MILLIMETRE,
    STEEPEST,
)
from ...kernels.shading.pixels import LAMPS, MOST_LAMPS, POSITION, VERTEX_COLUMNS
from ..shading.detail import halvings, mixed
from ..shading.lit import lit_of
from ..shading.mesh import ShadedMesh
from ..shading.pixels import reach
from ..shading.received import Received
from .device import Buffer, Gpu, Recorder, packed, tiles
from .field import fours, texels
from .raster import Triangles, camera_bytes, image_tiles
from .shaders import Constant

NOTHING = np.float32(1e30)
"""Depth of a map where nothing stands in the way, as in ``common.wgsl``."""

CONSTANTS: Mapping[str, Constant] = {
    "SOFTNESS": float(SOFTNESS),
    "LIFT": float(LIFT),
    "BEND": BEND,
    "EDGE_RADIUS": EDGE_RADIUS,
    "STEEPEST": STEEPEST,
    "LEAST_ALPHA": LEAST_ALPHA,
    "LEAST_FACING": LEAST_FACING,
    "LEAST_SOLID": LEAST_SOLID,
    "LOBE_GAIN": LOBE_GAIN,
    "MILLIMETRE": MILLIMETRE,
    "MOST_LAMPS": MOST_LAMPS,
    "MOST_TRIANGLES": MOST_TRIANGLES,
    "STEEP": STEEP,
    "LEAST": LIT_RAMP[0],
    "ROW4": VERTEX_COLUMNS // 4,
    "LAMPS4": LAMPS // 4,
    "POSITION4": POSITION // 4,
}


@dataclass(frozen=True)
class Surface:
    """The skin at a camera's pixels: depths, triangles, and columns to the nearest one within a reach, see
    ``beside.wgsl``."""

    buffer: Buffer
    camera: Camera
    reach: int


@dataclass(frozen=True)
class Materials:
    """Materials and opacity of a tile of a picture: a buffer, and whether that is the feature image."""

    buffer: Buffer
    tile: Box
    of_features: bool = False


class Uploaded:
    """Numbers that stay on the GPU until others take their place.

    Attributes:
        buffer: where they are; another one where they have become more.
    """

    def __init__(self, gpu: Gpu) -> None:
        self._gpu, self._values = gpu, np.zeros(0, np.float32)
        self.buffer = gpu.buffer(16)

    def show(self, values: np.ndarray) -> None:
        """Let it be these; nothing moves while they stay the same."""
        if not np.array_equal(values, self._values):
            # Of neither, should it not come about.
            self._values = np.zeros(0, np.float32)
            if values.nbytes > self.buffer.size:
                self.buffer = self._gpu.buffer(values.nbytes)
            self._gpu.upload(values, self.buffer)
            self._values = values


class Shading:
    """An avatar's part in shading, and the light that its hand stands in.

    Args:
        gpu: where.
        metadata: of a relightable avatar.
        mesh: its hand model's part.
        detail: ``texture`` (S, S, C), ``head`` (13, C) and ``relief`` (R, R); empty without a texture.
        residuals: (identities, R, R, C) added to it, R a part of S; None without identities.
        half: keep the texture in float16.
    """

    def __init__(
        self,
        gpu: Gpu,
        metadata: AvatarMetadata,
        mesh: ShadedMesh,
        detail: Mapping[str, np.ndarray],
        residuals: np.ndarray | None,
        half: bool,
    ) -> None:
        self._gpu, self._metadata = gpu, metadata
        self._dtype = np.dtype(np.float16 if half else np.float32)
        self._texture, self._residuals = detail.get("texture", np.zeros((1, 1, 1), np.float32)), residuals
        self._texels = Uploaded(gpu)
        self._shares = np.zeros(0)
        self.detailed = bool(detail)
        if self.detailed and residuals is None:
            self._show(self._texture)
        head = detail.get("head", np.zeros((13, 1), np.float32))
        relief = detail.get("relief", np.zeros((1, 1), np.float32))
        parts = _corners(mesh), _head(head).view(np.uint32), _in_fours(relief).view(np.uint32)
        self._corners = gpu.upload(np.concatenate(parts))
        self._drawn: dict[str, Constant] = {
            "F": len(mesh.faces),
            "FACES": 0,
            "CORNER": 4,
            "VERTICES": POSITION // 4,
            "VERTEX4": VERTEX_COLUMNS // 4,
        }
        channels = fours(self._texture.shape[2])
        self._constants: dict[str, Constant] = {
            **CONSTANTS,
            "real": "f16" if half else "f32",
            "F": len(mesh.faces),
            "HEAD": 3 * len(mesh.faces),
            "RELIEF": len(parts[0]) + len(parts[1]),
            "RELIEF_SIDE": len(relief),
            "RAISED": bool(relief.any()),
            "SPAN": mesh.uv_a_metre,
            "DETAIL_SIDE": len(self._texture),
            "DETAIL_LEVELS": len(self._texture).bit_length(),
            "TEXEL4": channels,
            "C4": fours(metadata.architecture.field.feature_channels),
        }
        self._vertices, self._maps = Uploaded(gpu), Uploaded(gpu)
        self._light = b""

    def show(self, shares: np.ndarray) -> None:
        """Let the detail be that of an identity or a blend; nothing moves while it stays the same."""
        if self._residuals is not None and not np.array_equal(shares, self._shares):
            self._show(mixed(self._texture, self._residuals, shares))
            self._shares = np.array(shares)

    def _show(self, texture: np.ndarray) -> None:
        chain = [texels(level) for level in halvings(texture)]
        self._texels.show(np.concatenate(chain).astype(self._dtype))

    def receive(self, received: Received, vertices: np.ndarray) -> None:
        """Let the light be what a hand of (V, 3) posed vertices receives."""
        lit, self._posed = lit_of(received, vertices), vertices
        self._lamp_count, self._map_side = len(received.lamps), lit.side
        self._vertices.show(lit.vertices)
        self._maps.show(np.minimum(lit.maps, NOTHING))
        sky = np.concatenate([lit.irradiance, lit.lobes]).reshape(-1, 3)
        self._light = packed(
            sky=np.pad(sky, ((0, 0), (0, 1))),
            lamps=_filled(lit.lamps, MOST_LAMPS * LAMP_COLUMNS),
            map_rows=_filled(lit.map_rows, MOST_LAMPS * MAP_COLUMNS),
        )

    def surface(self, record: Recorder, camera: Camera, name: str) -> Surface:
        """The hand that receives the light at a camera's pixels, in the scratch buffer of a name."""
        buffer = Triangles(self._gpu, self._drawn, self._corners, self._vertices.buffer).seen(record, camera, name)
        radius = reach(camera, self._posed, self._metadata.lateral_margin)
        kernel = self._gpu.kernel(["beside"], "find", "w", {"F": self._constants["F"], "real": "f32"})
        size = packed(width=camera.width, height=camera.height, reach=radius)
        record.run(kernel, size, (buffer,), image_tiles(camera))
        return Surface(buffer, camera, radius)

    def shade(self, record: Recorder, surface: Surface, materials: Materials, answer: Buffer, pitch: int) -> None:
        """Premultiplied sRGB, which goes on above 1, and the same opacity, a group of four a pixel.

        Args:
            record: takes the dispatch.
            surface: at the picture's pixels; materials: of a tile of these.
            answer: of the picture; pitch: its pixels in a row.
        """
        tile = materials.tile
        parameters = camera_bytes(surface.camera) + packed(
            size=(tile.width, tile.height),
            place=(tile.left, tile.top),
            pitch=pitch,
            reach=surface.reach,
            lamps=self._lamp_count,
            map_side=self._map_side,
            least=0.0 if materials.of_features else float(LIT_RAMP[0]),
            unused=np.zeros(3),
        )
        constants = self._constants | {
            "FROM_FEATURES": materials.of_features,
            "DETAILED": self.detailed and not materials.of_features,
        }
        files = ["triangle", "harmonics", "lamps", "detail", "srgb", "shade"]
        kernel = self._gpu.kernel(files, "shade", "rrrrrrw", constants)
        skin = self._corners, self._vertices.buffer, surface.buffer
        buffers = (*skin, materials.buffer, self._maps.buffer, self._texels.buffer, answer)
        record.run(kernel, parameters + self._light, buffers, tiles(tile.width, tile.height))

    def blend(self, record: Recorder, surface: Surface, shaded: Buffer, width: int, height: int, name: str) -> Buffer:
        """A shaded picture with the edges of what is in front smoothed, in the scratch buffer of a name.

        Args:
            record: takes the dispatch.
            surface: at the picture's pixels.
            shaded: as :meth:`shade` leaves it, of all tiles; width, height: its pixels.
        """
        answer = self._gpu.scratch(name, width * height * 16)
        kernel = self._gpu.kernel(["triangle", "srgb", "edges"], "blend", "rrrrw", self._constants)
        buffers = self._corners, self._vertices.buffer, surface.buffer, shaded, answer
        parameters = camera_bytes(surface.camera) + packed(width=width, height=height)
        record.run(kernel, parameters, buffers, tiles(width, height))
        return answer


def _corners(mesh: ShadedMesh) -> np.ndarray:
    """(3 F, 4) uint32 vertex, bits of u and v, and the triangle across the side opposite, of each corner."""
    rows = np.zeros((3 * len(mesh.faces), 4), np.uint32)
    rows[:, 0], rows[:, 1:3] = mesh.faces.reshape(-1), mesh.face_uv.reshape(-1, 2).view(np.uint32)
    rows[:, 3] = mesh.neighbours.reshape(-1)
    return rows


def _in_fours(relief: np.ndarray) -> np.ndarray:
    """(N, 4) float32: the (R, R) texels one after the other, filled up."""
    flat = relief.astype(np.float32).reshape(-1)
    return np.pad(flat, (0, -len(flat) % 4)).reshape(-1, 4)


def _head(head: np.ndarray) -> np.ndarray:
    """(13, C) -> (16 ceil(C / 4), 4): what four channels add to each of the material, filled up."""
    filled = np.pad(head, ((0, 16 - len(head)), (0, -head.shape[1] % 4))).astype(np.float32)
    return filled.reshape(16, -1, 4).transpose(1, 0, 2).reshape(-1, 4)


def _filled(values: np.ndarray, count: int) -> np.ndarray:
    return np.pad(values, (0, count - len(values)))
