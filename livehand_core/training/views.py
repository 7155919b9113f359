"""One training image made ready: target colours at both resolutions, the posed proxy, and the bounds of its rays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from ..cameras import Camera
from ..captures.capture import Capture, CaptureFrame
from ..hand.data import HandData
from ..hand.model import HandModel
from ..rendering import camera_rays, low_resolution, stratified
from ..rotations import axis_angle_to_matrix
from ..surface import (
    SurfaceNormals,
    canonical_coordinates,
    face_neighbours,
    lateral_kernel,
    nearest_surface,
    rasterise_depth,
    ray_bounds,
    smooth_normals,
)
from .losses import downsampled
from .tiles import Tile


@dataclass(frozen=True)
class HandMesh:
    """The proxy on a device: its skinning, faces (F, 3), corner texture coordinates (F, 3, 2), face neighbours."""

    model: HandModel
    faces: torch.Tensor
    face_uv: torch.Tensor
    neighbours: torch.Tensor

    @classmethod
    def of(cls, data: HandData, device: torch.device) -> HandMesh:
        """Raises HandModelError when smplx is not installed."""
        model = HandModel(data, device)
        return cls(model, model.faces, model.face_uv, face_neighbours(model.faces))


@dataclass(frozen=True)
class TileRays:
    """The rays of a tile that are evaluated, R of them with S samples.

    Attributes:
        pixels: (R,) int64 index into the tile's grown rectangle, row by row.
        depths: (R, S) metres.
        lengths: (R,) metres a ray advances per unit of depth.
        positions: (R, S, 6) canonical (u, v, d) and the unit normal of the nearest surface in the wrist's frame.
        directions: (R, 3) unit view directions in the wrist's frame.
    """

    pixels: torch.Tensor
    depths: torch.Tensor
    lengths: torch.Tensor
    positions: torch.Tensor
    directions: torch.Tensor


class View:
    """A frame of a capture as training sees it. Everything is prepared once, on first use, and kept.

    Attributes:
        name: path of its image in the capture.
        camera: of the image.
        low: of the feature image.
        camera_index: number of the camera among the capture's training cameras.
        pose: (45,) float32 joint angles.
    """

    def __init__(
        self,
        capture: Capture,
        frame: CaptureFrame,
        camera_index: int,
        mesh: HandMesh,
        factor: int,
        margins: tuple[float, float],
        device: torch.device,
    ) -> None:
        self.name = frame.image
        self.camera: Camera = frame.camera
        self.low = low_resolution(frame.camera, factor)
        self.camera_index = camera_index
        self._capture, self._frame, self._mesh, self._factor = capture, frame, mesh, factor
        self._bounds_margin, self._lateral_margin = margins
        self._device = device
        hand = capture.hand(frame)
        self.pose = torch.tensor(hand.hand_pose.reshape(-1), dtype=torch.float32, device=device)
        self._wrist = torch.tensor(axis_angle_to_matrix(hand.global_orient), dtype=torch.float32, device=device)

    @cached_property
    def vertices(self) -> torch.Tensor:
        """(V, 3) posed proxy, world space, metres."""
        vertices, _ = self._mesh.model([self._capture.hand(self._frame)])
        return vertices[0]

    @cached_property
    def bounds(self) -> tuple[torch.Tensor, torch.Tensor]:
        """(h, w) near and far of each low-resolution pixel; near < far where there is a ray."""
        depth = rasterise_depth(self.vertices, self._mesh.faces, self.low)
        kernel = lateral_kernel(self.low, self.vertices, self._lateral_margin)
        return ray_bounds(depth, kernel, self._bounds_margin)

    @cached_property
    def mask(self) -> np.ndarray:
        """(h, w) bool: which low-resolution pixels have a ray."""
        near, far = self.bounds
        mask: np.ndarray = (near < far).cpu().numpy()
        return mask

    @cached_property
    def _image(self) -> torch.Tensor:
        """(4, H, W) uint8 premultiplied: a whole capture stays in memory."""
        image = self._capture.image(self._frame)
        return torch.tensor(np.rint(image * 255.0).astype(np.uint8)).permute(2, 0, 1).contiguous().to(self._device)

    @cached_property
    def _low_image(self) -> torch.Tensor:
        """(4, h, w) float16, the image reduced."""
        return downsampled(self._image.float() / 255.0, self._factor).half()

    def target(self, tile: Tile) -> torch.Tensor:
        """(4, H', W') sRGB premultiplied under the tile at full resolution; odd images end before the tile does."""
        f = self._factor
        return self._image[:, tile.y0 * f : tile.y1 * f, tile.x0 * f : tile.x1 * f].float() / 255.0

    def low_target(self, tile: Tile) -> torch.Tensor:
        """(4, h', w') sRGB premultiplied under the tile at low resolution."""
        return self._low_image[:, tile.y0 : tile.y1, tile.x0 : tile.x1].float()

    def rays(self, tile: Tile, samples: int, generator: torch.Generator) -> TileRays:
        """Stratified samples on the rays inside ``tile`` (which may leave the image), in canonical coordinates."""
        near, far = self.bounds
        inside = tile.within(Tile(0, 0, self.low.width, self.low.height))
        window = (slice(inside.y0, inside.y1), slice(inside.x0, inside.x1))
        rows, columns = torch.nonzero(near[window] < far[window], as_tuple=True)
        rows, columns = rows + inside.y0, columns + inside.x0
        return self._sampled(rows, columns, (tile.x0, tile.y0, tile.x1 - tile.x0), samples, generator)

    def scattered_rays(self, count: int, samples: int, generator: torch.Generator) -> tuple[TileRays, torch.Tensor]:
        """``count`` rays from anywhere in the image, or all there are, and their (R, 4) low-resolution targets."""
        near, far = self.bounds
        rows, columns = torch.nonzero(near < far, as_tuple=True)
        chosen = torch.randperm(len(rows), generator=generator)[:count].to(self._device)
        rows, columns = rows[chosen], columns[chosen]
        rays = self._sampled(rows, columns, (0, 0, self.low.width), samples, generator)
        return rays, self._low_image[:, rows, columns].float().T

    def _sampled(
        self,
        rows: torch.Tensor,
        columns: torch.Tensor,
        window: tuple[int, int, int],
        samples: int,
        generator: torch.Generator,
    ) -> TileRays:
        """Stratified samples on the rays of these pixels; ``window``: left, top and width of the pixels' numbering."""
        near, far = self.bounds
        rays = camera_rays(self.low, columns, rows)
        jitter = torch.rand((len(rows), samples), generator=generator).to(self._device)
        depths = stratified(near[rows, columns], far[rows, columns], samples, jitter)
        points = rays.at(depths).reshape(-1, 3)
        nearest = nearest_surface(points, self.vertices, self._mesh.faces)
        normals = SurfaceNormals.of(self.vertices, self._mesh.faces, self._mesh.neighbours)
        positions = canonical_coordinates(
            points, self.vertices, self._mesh.faces, self._mesh.face_uv, nearest, normals=normals
        )
        facing = smooth_normals(self._mesh.faces, nearest, normals) @ self._wrist
        left, top, width = window
        return TileRays(
            (rows - top) * width + (columns - left),
            depths,
            rays.lengths,
            torch.cat([positions, facing], dim=-1).view(*depths.shape, 6),
            rays.view_directions @ self._wrist,
        )
