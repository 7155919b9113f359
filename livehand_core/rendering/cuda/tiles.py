"""Tiles of 4 x 4 rays that have anything to evaluate, packed into a fixed number of places by a prefix sum."""

from __future__ import annotations

from typing import NamedTuple

import torch

SIDE = 4
"""Rays of a tile, each way. Neighbours share their candidate triangles."""


class Tiles(NamedTuple):
    """T tiles of 16 rays.

    Attributes:
        row, column: (T, 16) int64 pixels of the feature image.
        near, far: (T, 16) metres along the optical axis; of rays that are not evaluated, their tile's.
        live: (T, 16) bool, rays that are evaluated.
        needed: 0-dim int64, how many tiles there were.
    """

    row: torch.Tensor
    column: torch.Tensor
    near: torch.Tensor
    far: torch.Tensor
    live: torch.Tensor
    needed: torch.Tensor


def pack_tiles(near: torch.Tensor, far: torch.Tensor, valid: torch.Tensor, capacity: int) -> Tiles:
    """Pack.

    Args:
        near, far: (H, W) bounds; H and W multiples of SIDE.
        valid: (H, W) bool.
        capacity: T.
    """
    width = valid.shape[1]
    device = valid.device
    tiled = _tiled(valid)
    anything = tiled.any(dim=1)
    count = anything.long().cumsum(0)
    rank = count - 1
    place = torch.where(anything & (rank < capacity), rank, capacity)
    number = torch.arange(len(tiled), device=device)
    which = torch.zeros(capacity + 1, dtype=torch.int64, device=device).scatter(0, place, number)[:capacity]
    used = torch.arange(capacity, device=device) < count[-1]
    live = tiled[which] & used[:, None]
    inner = torch.arange(SIDE * SIDE, device=device)
    row = torch.div(which, width // SIDE, rounding_mode="floor")[:, None] * SIDE + torch.div(
        inner, SIDE, rounding_mode="floor"
    )
    column = (which % (width // SIDE))[:, None] * SIDE + inner % SIDE
    begin, end = _tiled(near)[which], _tiled(far)[which]
    first = begin.masked_fill(~live, torch.inf).amin(dim=1, keepdim=True).nan_to_num(posinf=0.0)
    last = end.masked_fill(~live, -torch.inf).amax(dim=1, keepdim=True).nan_to_num(neginf=0.0)
    return Tiles(row, column, torch.where(live, begin, first), torch.where(live, end, last), live, count[-1])


def _tiled(image: torch.Tensor) -> torch.Tensor:
    """(H, W) -> (tiles, 16)."""
    height, width = image.shape
    split = image.view(height // SIDE, SIDE, width // SIDE, SIDE)
    return split.transpose(1, 2).reshape(-1, SIDE * SIDE)


def unpack_image(values: torch.Tensor, tiles: Tiles, height: int, width: int) -> torch.Tensor:
    """(T, 16, C) values of the rays -> (H, W, C), 0 where no ray was evaluated."""
    pixel = torch.where(tiles.live, tiles.row * width + tiles.column, height * width)
    image = values.new_zeros(height * width + 1, values.shape[-1])
    image = image.index_copy(0, pixel.reshape(-1), values.reshape(-1, values.shape[-1]))
    return image[:-1].view(height, width, -1)
