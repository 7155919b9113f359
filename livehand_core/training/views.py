"""One training image made ready: target colours at both resolutions, the posed proxy, and the bounds of its rays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch

from ..cameras import Camera
from ..captures.capture import Capture, CaptureFrame
from ..framing import lateral_kernel, low_resolution
from ..hand.data import ProxyModel
from ..hand.local import LocalPose
from ..hand.model import HandModel
from ..kernels.mesh.bounds import ray_bounds
from ..kernels.mesh.nearest import ray_coordinates
from ..kernels.mesh.placement import MOST_PARTS, Placed, Trace, corner_rows, place_samples
from ..kernels.mesh.proxy import PosedProxy, ProxyTopology
from ..kernels.mesh.raster import rasterise
from ..kernels.mesh.rays import Pixels, Rays, camera_rays, valid_pixels
from ..kernels.simd.lanes import WIDTH
from ..poses import HandPose
from ..rendering import stratified
from ..rendering.setup import pose_numbers
from ..rendering.shading.mesh import ShadedMesh
from ..rendering.torch.integration import intervals_between
from ..rotations import axis_angle_to_matrix
from .config import TrainingConfig
from .kept import Kept
from .lit import LitView
from .losses import downsampled
from .seams import Seams
from .tiles import Tile
from .workers import shared

STILL = 0.0005
"""Metres that vertices of a hand that is refined may move before what reaches them of the light is found anew."""


@dataclass(frozen=True)
class HandMesh:
    """The proxy: its skinning, and what all of its poses share; of a part how its pose is told at each vertex."""

    model: HandModel
    topology: ProxyTopology
    local: LocalPose | None = None

    @classmethod
    def of(cls, data: ProxyModel) -> HandMesh:
        """Of a model's arrays, on the processor."""
        return cls(HandModel(data), ProxyTopology.of(data), None if data.is_hand else LocalPose(data))

    @property
    def local_joints(self) -> int:
        """Slots of the local pose; 0 for a hand."""
        return 0 if self.local is None else self.local.slots

    @property
    def seams(self) -> Seams | None:
        """What ties texels past a part's charts to theirs; None for a hand."""
        return None if self.local is None else Seams(self.model.data.face_uv)

    def told(self, pose: HandPose) -> np.ndarray:
        """(V, L) float32 the local pose; (V, 0) for a hand."""
        if self.local is None:
            return np.zeros((self.model.data.vertex_count, 0), np.float32)
        return self.local.numbers(pose.hand_pose)


class TileRays(NamedTuple):
    """The rays of a tile that are evaluated, R of them with S samples.

    Attributes:
        pixels: (R,) int64 index into the tile's grown rectangle, row by row.
        depths: (R, S) metres.
        intervals: (R, S) length that each stands for, in units of depth; 0 where a ray needs fewer samples.
        lengths: (R,) metres a ray advances per unit of depth.
        positions: (R, S, 6) canonical (u, v, d) and the unit normal of the nearest surface in the wrist's frame, and
            behind them of a part its local pose, or (R, S, 3) coordinates in metres, of the frame in which the wrist
            rests, or in the published conditioning of the world.
        directions: (R, 3) unit view directions in the wrist's frame.
        origins: (1 or R, 3) metres, where the rays begin in the world.
    """

    pixels: torch.Tensor
    depths: torch.Tensor
    intervals: torch.Tensor
    lengths: torch.Tensor
    positions: torch.Tensor
    directions: torch.Tensor
    origins: torch.Tensor


class View:
    """A frame of a capture as training sees it. Images are read on first use, and kept while there is room.

    Attributes:
        name: path of its image in the capture.
        camera: of the image.
        low: of the feature image.
        camera_index: number of the camera among the capture's training cameras.
        identity: number of the identity among those that are trained.
        number: of its pose in the capture.
        pose: (45 or 48,) float32 angles, as :func:`pose_numbers`.
        wrist: (3, 3) the frame in the world that directions and normals are given in: the wrist's, or the world's own
            in the published conditioning; wrist_frame: which.
        mesh: the proxy.
        margins: metres that rays begin in front of and end behind the surface, and that they reach past its silhouette.
        coordinates: ``"uvd"`` or ``"xyz"``, in which samples are given.
        last_interval: depth that the last sample of a ray stands for.
        levels: of surface sampling, see ``placement.corner_rows``; None samples from bound to bound.
        lit: the image's light, of relightable avatars; else None.
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
        identity: int = 0,
        coordinates: str = "uvd",
        conditioning: str = "wrist",
        last_interval: float = TrainingConfig.last_interval,
        shaded: ShadedMesh | None = None,
        kept: Kept | None = None,
    ) -> None:
        """``shaded``: of the hand's model, where the image's light is wanted; the capture tells of it. ``kept``: what
        the run's images share."""
        self.coordinates = coordinates
        self.name = frame.image
        self.camera: Camera = frame.camera
        self.low = low_resolution(frame.camera, factor)
        self.camera_index, self.identity, self.number = camera_index, identity, frame.pose
        self._capture, self._frame, self.mesh, self._factor = capture, frame, mesh, factor
        self.margins, self.last_interval = margins, last_interval
        self.levels: np.ndarray | None = None
        self._device = device
        hand = capture.hand(frame)
        self.pose = torch.tensor(pose_numbers(hand, conditioning), dtype=torch.float32, device=device)
        self.wrist_frame = conditioning != "published"
        turn = axis_angle_to_matrix(hand.global_orient) if self.wrist_frame else np.eye(3)
        self.wrist = turn.astype(np.float32)
        self._rest = self._placed = np.zeros(3)
        if self.wrist_frame:
            # As ``rendering.view.view_of`` brings a hand into the avatar's frame.
            self._rest = mesh.model.data.rest_joints(hand.betas)[0]
            self._placed = self._rest + hand.transl
        self._shaded, self._kept = shaded, kept or Kept()
        self._lit_at: np.ndarray | None = None
        self._light_key = object()

    @cached_property
    def vertices(self) -> np.ndarray:
        """(V, 3) float32 posed proxy, world space, metres."""
        vertices, _ = self.mesh.model([self._capture.hand(self._frame)])
        answer: np.ndarray = vertices[0].cpu().numpy()
        return answer

    @property
    def told(self) -> np.ndarray:
        """(V, L) float32 the local pose at each vertex; (V, 0) of a hand."""
        return self.mesh.told(self._capture.hand(self._frame))

    @cached_property
    def lit(self) -> LitView | None:
        """The light on the image; None where none is wanted."""
        told = self._capture.light(self._frame)
        if self._shaded is None or told is None:
            return None
        turn, shift = self.wrist.T.astype(np.float64), self._rest - self.wrist.T.astype(np.float64) @ self._placed
        light = told.light.scaled(2.0**self._frame.exposure).moved(turn, shift)
        camera, low = (camera.moved(turn, shift) for camera in (self.camera, self.low))
        vertices, margin = self._shaded.closed(self.at_rest(self.vertices)), self.margins[1]
        return LitView(self._shaded, vertices, camera, low, light, margin, self._device, self._kept, self._light_key)

    def follow(self, vertices: np.ndarray, wrist: np.ndarray, angles: np.ndarray, place: np.ndarray) -> None:
        """Take another pose than the capture's: (V, 3) vertices, (3, 3) the frame of directions, (48,) angles, (3,) the
        wrist's place; float32."""
        self.__dict__.pop("lit", None)
        if self._lit_at is None or np.abs(vertices - self._lit_at).max() > STILL:
            self._lit_at, self._light_key = vertices, object()
        self.vertices, self.wrist = vertices, wrist
        self.pose = torch.from_numpy(angles[-self.pose.numel() :]).to(self.pose)
        if self.wrist_frame:
            self._placed = place.astype(np.float64)
        self.__dict__.pop("mask", None)

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """(h, w) near and far of each low-resolution pixel; near < far where there is a ray.

        Found anew each time: that takes less than a thousandth of a second, and a capture's would fill much memory.
        """
        depth = rasterise(self.vertices, self.mesh.topology.faces, self.low).depth
        kernel = lateral_kernel(self.low, self.vertices, self.margins[1])
        return ray_bounds(depth, kernel, self.margins[0])

    @cached_property
    def mask(self) -> np.ndarray:
        """(h, w) bool: which low-resolution pixels have a ray."""
        near, far = self.bounds
        mask: np.ndarray = near < far
        return mask

    @property
    def _image(self) -> torch.Tensor:
        """(4, H, W) uint8 premultiplied."""
        return self._kept((self, "image"), self._read_image, _bytes)

    def _read_image(self) -> torch.Tensor:
        image = self._capture.image(self._frame)
        return torch.tensor(np.rint(image * 255.0).astype(np.uint8)).permute(2, 0, 1).contiguous().to(self._device)

    @property
    def opaque(self) -> np.ndarray:
        """(H, W) bool: where the hand is in the image."""
        answer: np.ndarray = (self._image[3] >= 128).cpu().numpy()
        return answer

    @property
    def _low_image(self) -> torch.Tensor:
        """(4, h, w) float16, the image reduced."""
        return self._kept((self, "low"), lambda: downsampled(self._image.float() / 255.0, self._factor).half(), _bytes)

    def target(self, tile: Tile) -> torch.Tensor:
        """(4, H', W') sRGB premultiplied under the tile at full resolution; odd images end before the tile does."""
        f = self._factor
        return self._image[:, tile.y0 * f : tile.y1 * f, tile.x0 * f : tile.x1 * f].float() / 255.0

    def low_target(self, tile: Tile) -> torch.Tensor:
        """(4, h', w') sRGB premultiplied under the tile at low resolution."""
        return self._low_image[:, tile.y0 : tile.y1, tile.x0 : tile.x1].float()

    def rays(self, tile: Tile, samples: int, generator: torch.Generator) -> TileRays:
        """Stratified samples on the rays inside ``tile`` (which may leave the image), in canonical coordinates.

        With ``levels``, ``samples`` are those of a straight way through the layer, and a ray has room for several.
        """
        near, far = self.bounds
        inside = tile.within(Tile(0, 0, self.low.width, self.low.height))
        window = (slice(inside.y0, inside.y1), slice(inside.x0, inside.x1))
        # The rest of the image has no rays; the order of those of the tile is that in the whole image.
        of_tile = np.full_like(near, np.inf)
        of_tile[window] = near[window]
        pixels = valid_pixels(of_tile, far)
        return self._sampled(pixels, (tile.x0, tile.y0, tile.x1 - tile.x0), samples, generator)

    def scattered_rays(
        self, count: int, samples: int, generator: torch.Generator
    ) -> tuple[TileRays, torch.Tensor, torch.Tensor]:
        """``count`` rays from anywhere in the image, or all there are, their (R, 4) low-resolution targets, and the
        (R, 5, 3) features of their light, (R, 0, 3) where none is wanted."""
        found = valid_pixels(*self.bounds)
        # In their old order: neighbours find their nearest points faster.
        chosen = torch.randperm(len(found.rows), generator=generator)[:count].sort().values.numpy()
        pixels = Pixels(*(values[chosen] for values in found))
        rays = self._sampled(pixels, (0, 0, self.low.width), samples, generator)
        rows, columns = (torch.from_numpy(value).long().to(self._device) for value in (pixels.rows, pixels.columns))
        features = torch.zeros((len(rows), 0, 3), device=self._device)
        if self.lit is not None:
            features = self.lit.features_at(pixels.rows, pixels.columns)
        return rays, self._low_image[:, rows, columns].float().T, features

    def at_rest(self, points: np.ndarray) -> np.ndarray:
        """(..., 3) float32 points of the world in the frame in which the wrist rests, or in the published conditioning
        as they are."""
        answer: np.ndarray = ((points - self._placed) @ self.wrist + self._rest).astype(np.float32)
        return answer

    def _sampled(
        self, pixels: Pixels, window: tuple[int, int, int], samples: int, generator: torch.Generator
    ) -> TileRays:
        """Stratified samples on the rays of these pixels; ``window``: left, top and width of the pixels' numbering."""
        rays = camera_rays(self.low, pixels.columns, pixels.rows)
        left, top, width = window
        wrist = torch.from_numpy(self.wrist)
        numbers = torch.from_numpy(pixels.rows - top).long() * width + torch.from_numpy(pixels.columns - left)
        if self.levels is not None:
            depths, intervals, positions = self._in_the_layer(pixels, rays, wrist, samples, generator)
        else:
            near, far = torch.from_numpy(pixels.near), torch.from_numpy(pixels.far)
            depths = stratified(near, far, samples, torch.rand((len(near), samples), generator=generator))
            intervals, positions = intervals_between(depths, self.last_interval), self._positions(rays, depths, wrist)
        answer = TileRays(
            numbers,
            depths,
            intervals,
            torch.from_numpy(rays.lengths),
            positions,
            torch.from_numpy(rays.directions / rays.lengths[:, None]) @ wrist,
            torch.from_numpy(np.ascontiguousarray(rays.origins, np.float32).reshape(-1, 3)),
        )
        return TileRays(*(value.to(self._device) for value in answer))

    def _positions(self, rays: Rays, depths: torch.Tensor, wrist: torch.Tensor) -> torch.Tensor:
        """What the field takes of samples at the depths, see ``TileRays.positions``."""
        if self.coordinates == "uvd":
            return self._canonical(rays, depths, wrist)
        points = rays.origins[:, None] + depths.numpy()[..., None] * rays.directions[:, None]
        return torch.from_numpy(self.at_rest(points))

    def _in_the_layer(
        self, pixels: Pixels, rays: Rays, wrist: torch.Tensor, parts: int, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Depths, intervals (R, S) and positions (R, S, 6) of samples around the skin, one in each interval."""
        proxy, levels = self._proxy(), self.levels
        assert levels is not None
        count, room = len(pixels.near), MOST_PARTS * parts
        trace, placed = Trace.from_near(pixels.near), Placed.room(count, room, 6 + proxy.local_columns)
        jitter = torch.rand((count, room), generator=generator).numpy()

        def place(part: int, of: int) -> None:
            start, stop = (_group_end(count, index, of) for index in (part, part + 1))
            lines = rays.origins, rays.directions, rays.lengths, pixels.far
            place_samples(proxy, levels, *lines, trace, parts, True, placed, start, stop, jitter)

        shared(place)
        positions = _turned(torch.from_numpy(placed.coordinates), wrist)
        return torch.from_numpy(placed.depths), torch.from_numpy(placed.intervals), positions

    def _canonical(self, rays: Rays, depths: torch.Tensor, wrist: torch.Tensor) -> torch.Tensor:
        """(R, S, 6) canonical coordinates at the depths, and the normals in the wrist's frame."""
        proxy = self._proxy()
        count, samples = depths.shape
        found = np.empty((samples, count, 1, 6 + proxy.local_columns), np.float32)
        layers = depths.T.contiguous().numpy()

        def locate(part: int, parts: int) -> None:
            ends = [_group_end(count, index, parts) for index in (part, part + 1)]
            for depth, places in zip(layers, found, strict=True):
                ray_coordinates(proxy, rays.origins, rays.directions, depth, depth, 1, True, True, places, *ends)

        shared(locate)
        return _turned(torch.from_numpy(found[:, :, 0]).transpose(0, 1), wrist)

    def _proxy(self) -> PosedProxy:
        """The posed mesh, ready for queries."""
        local = corner_rows(self.told, self.mesh.topology) if self.mesh.local_joints else None
        return PosedProxy.of(self.vertices, self.mesh.topology, local)


def _bytes(value: torch.Tensor) -> int:
    return value.nbytes


def _turned(positions: torch.Tensor, wrist: torch.Tensor) -> torch.Tensor:
    """(R, S, 6 or more) with the normals in the wrist's frame."""
    facing = positions[..., 3:6].reshape(-1, 3) @ wrist
    return torch.cat([positions[..., :3], facing.view(*positions.shape[:2], 3), positions[..., 6:]], dim=-1)


def _group_end(rays: int, part: int, parts: int) -> int:
    """Where a part of the rays begins that are located sixteen at a time."""
    return min(-(-rays * part // (parts * WIDTH)) * WIDTH, rays)
