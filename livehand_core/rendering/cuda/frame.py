"""One frame on the device: a function of fixed shapes, with nothing that waits for the host."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

from ...avatars.file import Avatar
from ...hand.data import HandData
from ...surface import ray_bounds
from ..integration import integrate
from ..sampling import stratified
from ..torch_hand import OPACITY_FLOOR, enlarge, support_mask, to_rgba
from .canonical import canonical
from .capacities import Capacities
from .field import FoldedField
from .inputs import CX, CY, FX, FY, HEIGHT, PLACE, WIDTH, FrameInputs, unpack
from .nearest import nearest_faces
from .proxy import DeviceMesh, ProxyMesh
from .raster import depth_image
from .super_resolution import FoldedSuperResolution
from .tiles import SIDE, Tiles, pack_tiles, unpack_image

TILES_AT_ONCE = 1024
"""Tiles whose samples are in memory at once: 262,144 samples of the usual 16 a ray."""

PAIRS_AT_ONCE = 1 << 26
"""(sample, candidate triangle) pairs in memory at once: 2 GB of planes."""


class FrameOutputs(NamedTuple):
    """What a frame leaves on the device; rows and columns beyond the box hold anything.

    Attributes:
        picture: (factor h, factor w, 6) premultiplied RGBA, weighted depth, weight; where the capacities say direct,
            (factor h, factor w, 5) RGBA and depth in the world.
        surface: (H, W) depth of the proxy at the image's size, or of no rows.
        low: (h, w, 5) low-resolution RGBA and expected depth, infinity where no ray was evaluated.
        needs: (4,) int64 in the order of :class:`Needs`.
        middle, depth_scale: (1,) for :func:`compose`.
    """

    picture: torch.Tensor
    surface: torch.Tensor
    low: torch.Tensor
    needs: torch.Tensor
    middle: torch.Tensor
    depth_scale: torch.Tensor


class DeviceRays(NamedTuple):
    """(T, 16, 3) origins and directions, (T, 16) lengths; see ``rays.Rays``."""

    origins: torch.Tensor
    directions: torch.Tensor
    lengths: torch.Tensor


class Frame(nn.Module):
    """An avatar and its hand on a device.

    Args:
        avatar: of (u, v, d) form, without skip connection or hierarchical pass.
        hand: the model it was trained on.
        dtype: of the networks' products.
    """

    def __init__(self, avatar: Avatar, hand: HandData, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.metadata = avatar.metadata
        field, _, network = avatar.networks()
        self.proxy = ProxyMesh(hand)
        self.field = FoldedField(field, dtype)
        self.enlarge = FoldedSuperResolution(network, dtype)
        samples = avatar.metadata.architecture.n_samples
        # Samples of a cluster's rays: neighbours in depth share candidates, too.
        self._slab = max(size for size in (1, 2, 3, 4) if samples % size == 0)

    @torch.no_grad()
    def forward(self, vector: torch.Tensor, room: Capacities) -> FrameOutputs:
        """Draw.

        Args:
            vector: see ``inputs.pack``.
            room: sizes of everything.
        """
        inputs = unpack(vector)
        mesh = self.proxy(inputs)
        size = (room.height, room.width, room.pairs)
        camera = inputs.feature_camera
        depth, pairs = depth_image(mesh.vertices, self.proxy.faces, camera, size, room.perspective)
        near, far = ray_bounds(depth, room.kernel, self.metadata.depth_margin)
        inside = _inside(camera, room.height, room.width)
        tiles = pack_tiles(near.clamp(min=0.0), far, (near < far) & inside, room.tiles)
        values, candidates = self._march(inputs, mesh, tiles, room)
        low = unpack_image(values, tiles, room.height, room.width)
        surface, surface_pairs = depth.new_zeros(0, 0), torch.zeros_like(pairs)
        if room.surface is not None:
            surface, surface_pairs = depth_image(
                mesh.vertices, self.proxy.faces, inputs.image_camera, room.surface, room.perspective
            )
        picture = self._picture(low, inside, camera)
        if room.direct:
            picture = compose(picture, surface, inputs.middle, inputs.depth_scale)
        valid = low[..., -1:] > 0.0
        small = torch.cat([low[..., :3], low[..., -3:-2], low[..., -2:-1].masked_fill(~valid, torch.inf)], dim=-1)
        needs = torch.stack([tiles.needed, candidates, pairs, surface_pairs])
        return FrameOutputs(picture, surface, small, needs, inputs.middle, inputs.depth_scale)

    def _march(
        self, inputs: FrameInputs, mesh: DeviceMesh, tiles: Tiles, room: Capacities
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(T, 16, F + 3): features, opacity, expected depth, 1; and how many candidates the fullest cluster had."""
        parts, needs = [], []
        pairs = SIDE * SIDE * self.metadata.architecture.n_samples * room.candidates
        step = min(TILES_AT_ONCE, max(PAIRS_AT_ONCE // pairs, 1))
        for start in range(0, room.tiles, step):
            row, column, near, far, live = (value[start : start + step] for value in tiles[:-1])
            some = Tiles(row, column, near, far, live, tiles.needed)
            values, needed = self._march_tiles(inputs, mesh, some, room)
            parts.append(values)
            needs.append(needed)
        return torch.cat(parts), torch.stack(needs).amax()

    def _march_tiles(
        self, inputs: FrameInputs, mesh: DeviceMesh, tiles: Tiles, room: Capacities
    ) -> tuple[torch.Tensor, torch.Tensor]:
        metadata = self.metadata
        samples = metadata.architecture.n_samples
        rays = _rays(inputs.feature_camera, tiles.row, tiles.column, room.perspective)
        near, far = tiles.near.reshape(-1), tiles.far.reshape(-1)
        depths = stratified(near, far, samples)
        along = depths.view(-1, SIDE * SIDE, samples, 1)
        points = rays.origins[..., None, :] + rays.directions[..., None, :] * along
        faces, needed = self._nearest(points, tiles.live, mesh, room.candidates)
        with_normals = metadata.architecture.field.normal_frequencies > 0
        positions = canonical(points.reshape(-1, 3), faces.reshape(-1), mesh, self.proxy, metadata.sign, with_normals)
        lengths = rays.lengths.reshape(-1)
        towards = rays.directions.reshape(-1, 3) / lengths[:, None]
        colour, sigma = self.field(positions.view(len(near), samples, -1), towards, inputs.constants)
        marched = integrate(colour, sigma, depths, lengths, last_interval=metadata.last_interval)
        opacity = marched.opacity
        expected = torch.where(
            opacity > OPACITY_FLOOR, marched.depth / opacity.clamp(min=OPACITY_FLOOR), 0.5 * (near + far)
        )
        parts = [marched.features, opacity[:, None], expected[:, None], torch.ones_like(opacity)[:, None]]
        return torch.cat(parts, dim=-1).view(-1, SIDE * SIDE, marched.features.shape[-1] + 3), needed

    def _nearest(
        self, points: torch.Tensor, live: torch.Tensor, mesh: DeviceMesh, candidates: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(T, 16, S, 3) samples -> (T, 16, S) nearest faces."""
        count, rays, samples = points.shape[:3]
        slab = self._slab
        split = points.view(count, rays, samples // slab, slab, 3).transpose(1, 2)
        clusters = split.reshape(-1, rays * slab, 3)
        alive = live[:, None, :, None].expand(count, samples // slab, rays, slab).reshape(-1, rays * slab)
        faces, needed = nearest_faces(clusters, alive, mesh, candidates)
        return faces.view(count, samples // slab, rays, slab).transpose(1, 2).reshape(count, rays, samples), needed

    def _picture(self, low: torch.Tensor, inside: torch.Tensor, camera: torch.Tensor) -> torch.Tensor:
        """(h, w, F + 3) -> (factor h, factor w, 6) premultiplied RGBA, weighted depth, weight."""
        factor = self.metadata.architecture.super_resolution.factor
        features, opacity = low[..., :-3], low[..., -3]
        planes = features.movedim(-1, 0)[None]
        # Exact means float32: TensorFloat-32, which cuDNN takes unless told otherwise, keeps three digits.
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            large = self.enlarge(planes, opacity[None, None], inside[None, None])
        # Enlarging keeps to the box's edge pixels at the edge, as it does where the box is the whole array.
        edge = _to_edge(low[..., -3:], camera)
        valid = edge[..., 2] > 0.0
        weight = (edge[..., 0] + OPACITY_FLOOR) * valid
        rgba = to_rgba(large, edge[..., 0], support_mask(valid & inside, factor))
        weighted = torch.stack([weight * edge[..., 1], weight])
        return torch.cat([rgba, enlarge(weighted, factor).movedim(0, -1)], dim=-1)


def compose(
    picture: torch.Tensor, surface: torch.Tensor, middle: torch.Tensor, depth_scale: torch.Tensor
) -> torch.Tensor:
    """RGBA and depth of an image: the proxy's depth where it is seen, else the field's.

    Args:
        picture: (H, W, 6), see FrameOutputs.
        surface: (H', W') at least as large, infinity beside the proxy; of no rows for the field's depth everywhere.
        middle: (1,) depth where the field says nothing.
        depth_scale: (1,) to the world's metres.

    Returns:
        (H, W, 5), depth infinity where alpha is 0.
    """
    weighted, weight = picture[..., 4], picture[..., 5]
    depth = torch.where(weight > 0.0, weighted / weight.clamp(min=1e-12), middle)
    if surface.numel():
        seen = surface[: picture.shape[0], : picture.shape[1]]
        depth = torch.where(torch.isfinite(seen), seen, depth)
    depth = (depth * depth_scale).masked_fill(picture[..., 3] <= 0.0, torch.inf)
    return torch.cat([picture[..., :4], depth[..., None]], dim=-1)


def _inside(camera: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """(height, width) bool: pixels of the camera's picture."""
    rows = torch.arange(height, device=camera.device) < camera[HEIGHT]
    columns = torch.arange(width, device=camera.device) < camera[WIDTH]
    return rows[:, None] & columns


def _to_edge(image: torch.Tensor, camera: torch.Tensor) -> torch.Tensor:
    """(h, w, C) with the camera's last row and column repeated beyond its picture."""
    height, width = image.shape[:2]
    rows = torch.arange(height, device=image.device).minimum(camera[HEIGHT].long() - 1)
    columns = torch.arange(width, device=image.device).minimum(camera[WIDTH].long() - 1)
    return image.index_select(0, rows).index_select(1, columns)


def _rays(camera: torch.Tensor, row: torch.Tensor, column: torch.Tensor, perspective: bool) -> DeviceRays:
    """Rays through (T, 16) pixels."""
    x = ((column - camera[CX]) / camera[FX]).float()
    y = ((row - camera[CY]) / camera[FY]).float()
    place = camera[PLACE].view(3, 4).float()
    rotation, centre = place[:, :3], place[:, 3]
    if perspective:
        directions = torch.stack([x, y, torch.ones_like(x)], dim=-1) @ rotation.T
        return DeviceRays(centre.expand_as(directions), directions, torch.sqrt(x * x + y * y + 1.0))
    origins = centre + x[..., None] * rotation[:, 0] + y[..., None] * rotation[:, 1]
    return DeviceRays(origins, rotation[:, 2].expand_as(origins), torch.ones_like(x))
