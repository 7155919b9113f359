"""The light on one training image: where its pixels lie on the skin, and what reaches them there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch

from ..cameras import Camera
from ..lights import Light
from ..rendering.shading.edges import among, edges_of
from ..rendering.shading.mesh import ShadedMesh
from ..rendering.shading.pixels import MOST_PIXELS, SeenSurface, lit_pixels
from ..rendering.shading.received import Received, receive
from ..rendering.torch.shading import LitEdges, LitTensors, LitTile, light_features
from .kept import Kept
from .tiles import Tile


class TileLight(NamedTuple):
    """The light on a tile: at the picture's pixels, and at the feature image's."""

    high: LitTile
    low: LitTile


@dataclass(frozen=True)
class LitView:
    """One training image in its light.

    Attributes:
        mesh: of the hand's model.
        vertices: (V, 3) float32 of ``mesh``, posed, in the frame in which the wrist rests.
        camera, low: of the image and of its feature image, in that frame.
        light: in that frame, its strength times the image's exposure.
        margin: metres that rays reach past the silhouette.
        device: where tensors go.
        kept: where what the skin receives stays while there is room.
        key: of what is kept: of views of one key, the light of one serves all.
    """

    mesh: ShadedMesh
    vertices: np.ndarray
    camera: Camera
    low: Camera
    light: Light
    margin: float
    device: torch.device
    kept: Kept = field(default_factory=Kept)
    key: object = field(default_factory=object)

    @property
    def received(self) -> Received:
        """What the skin receives."""
        return self.kept(self.key, lambda: receive(self.mesh, self.vertices, self.light), _bytes)

    def of_tile(self, tile: Tile, factor: int) -> TileLight:
        """The light on a tile of the feature image; the tile may leave the image.

        At its border pixels take nothing from neighbours beyond it, whose materials are not there."""
        large, received = Tile(*(factor * edge for edge in tile)), self.received
        return TileLight(self._lit(received, self.camera, large), self._lit(received, self.low, tile))

    def features_at(self, rows: np.ndarray, columns: np.ndarray) -> torch.Tensor:
        """(R, 5, 3) ``light_features`` of pixels of the feature image; 0 where they see no skin."""
        surface, received = SeenSurface.of(self.mesh, self.vertices, self.low, self.margin), self.received
        places = rows.astype(np.int64) * self.low.width + columns
        (seen,) = np.nonzero(surface.place.reshape(-1)[places] >= 0)
        pixels = lit_pixels(self.mesh, self.vertices, surface, received, self.low, places[seen])
        answer = torch.zeros((len(places), 5, 3), device=self.device)
        found = light_features(LitTensors.of(pixels, received, self.device))
        return answer.index_copy(0, torch.from_numpy(seen).to(self.device), found)

    def _lit(self, received: Received, camera: Camera, tile: Tile) -> LitTile:
        inside = tile.within(Tile(0, 0, camera.width, camera.height))
        # What is drawn beside the silhouette is looked for that far beyond the tile.
        wide = inside.grown(MOST_PIXELS).within(Tile(0, 0, camera.width, camera.height))
        seen = camera.crop(wide.x0, wide.y0, max(wide.x1 - wide.x0, 1), max(wide.y1 - wide.y0, 1))
        surface = SeenSurface.of(self.mesh, self.vertices, seen, self.margin)
        left, top = inside.x0 - wide.x0, inside.y0 - wide.y0
        own = surface.place[top : top + inside.y1 - inside.y0, left : left + inside.x1 - inside.x0]
        rows, columns = np.nonzero(own >= 0)
        of_surface = (rows + top) * seen.width + columns + left
        pixels = lit_pixels(self.mesh, self.vertices, surface, received, seen, of_surface)
        places = (rows + inside.y0 - tile.y0) * (tile.x1 - tile.x0) + columns + inside.x0 - tile.x0
        lit = LitTensors.of(pixels, received, self.device)
        edges = edges_of(self.mesh, self.vertices, seen, surface.depth, surface.face)
        within = LitEdges.of(among(edges, of_surface, surface.face.size), self.device)
        return LitTile(torch.from_numpy(places.astype(np.int64)).to(self.device), lit, within)


def _bytes(received: Received) -> int:
    shadows = [lamp.shadow.depth for lamp in received.lamps if lamp.shadow is not None]
    return sum(array.nbytes for array in (received.vertices, received.irradiance, received.lobes, *shadows))


def unclipped(colour: torch.Tensor, target: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
    """``colour`` with what is brighter than a picture can show counted as right where the picture is white.

    Args:
        colour: (3, H, W) premultiplied sRGB; target: of the same shape.
        alpha: (1, H, W) the target's.
    """
    return torch.where((colour > target) & (target >= 0.995 * alpha), target, colour)
