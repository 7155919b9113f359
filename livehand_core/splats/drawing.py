"""Pictures of splats and the gradients of a loss on them, by the loops in ``kernels``. Called by ``fit``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..cameras import Camera
from ..workers import Workers
from . import kernels
from .cloud import BANDS, Splats, basis


@dataclass
class Shape:
    """What of N splats is fitted, each free to take any value. float32.

    Attributes:
        places: (N, 3) metres.
        turns: (N, 4) quaternions of any length, w first.
        logs: (N, 3) logarithms of the standard deviations.
        logits: (N, 1) of the opacities.
        colours: (N, B, 3) the first B harmonics of each colour.
    """

    places: np.ndarray
    turns: np.ndarray
    logs: np.ndarray
    logits: np.ndarray
    colours: np.ndarray

    @classmethod
    def of(cls, splats: Splats, bands: int) -> Shape:
        """That of splats, whose further harmonics are left out."""
        opacity = np.clip(splats.opacity.astype(np.float64), 1e-6, 1.0 - 1e-6)
        return cls(
            splats.places.astype(np.float32),
            splats.turns.astype(np.float32),
            np.log(splats.scales).astype(np.float32),
            np.log(opacity / (1.0 - opacity)).astype(np.float32)[:, None],
            np.ascontiguousarray(splats.harmonics[:, :bands], np.float32),
        )

    def splats(self) -> Splats:
        """The splats; harmonics that were not fitted are 0."""
        whole = np.zeros((len(self.places), BANDS, 3), np.float32)
        whole[:, : self.colours.shape[1]] = self.colours
        turns = self.turns / np.linalg.norm(self.turns, axis=1, keepdims=True)
        return Splats(self.places, whole, self.opacity, np.exp(self.logs), turns)

    @property
    def opacity(self) -> np.ndarray:
        """(N,) float32."""
        answer: np.ndarray = 1.0 / (1.0 + np.exp(-self.logits[:, 0]))
        return answer


class Drawn(NamedTuple):
    """A picture, and what its gradient needs.

    Attributes:
        image: (H, W, 4) float32 display-referred sRGB, premultiplied, over black.
        flat, depth: the splats on it, see ``kernels.project``.
        starts, entries: each tile's splats, from the nearest on.
        left, ends: of each pixel, see ``kernels.draw_tiles``.
        towards: (N, B) the harmonics towards which the camera looks at each splat.
    """

    image: np.ndarray
    flat: np.ndarray
    depth: np.ndarray
    starts: np.ndarray
    entries: np.ndarray
    left: np.ndarray
    ends: np.ndarray
    towards: np.ndarray


def draw(shape: Shape, camera: Camera, workers: Workers) -> Drawn:
    """A picture by a perspective camera."""
    assert camera.projection == "perspective"
    count = len(shape.places)
    away: np.ndarray = shape.places - camera.camera_to_world[:3, 3].astype(np.float32)
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    towards = basis(away)[:, : shape.colours.shape[1]]
    colours = 0.5 + np.einsum("nb,nbc->nc", towards, shape.colours)
    flat, depth = np.zeros((count, kernels.COLUMNS), np.float32), np.empty(count, np.float32)
    kernels.project(
        shape.places, shape.turns, shape.logs, shape.opacity, colours.astype(np.float32), *_camera(camera), flat, depth
    )
    seen = np.flatnonzero(np.isfinite(depth))
    order = seen[np.argsort(depth[seen], kind="stable")]
    across, down = -(-camera.width // kernels.TILE), -(-camera.height // kernels.TILE)
    starts = np.zeros(across * down + 1, np.int64)
    kernels.count_tiles(flat, order, across, down, starts)
    np.cumsum(starts, out=starts)
    entries = np.empty(starts[-1], np.int64)
    kernels.sort_into_tiles(flat, order, across, down, starts[:-1].copy(), entries)
    image = np.zeros((camera.height, camera.width, 4), np.float32)
    left, ends = np.ones(image.shape[:2], np.float32), np.zeros(image.shape[:2], np.int64)
    workers.parallel_rows(
        np.diff(starts),
        lambda first, last: kernels.draw_tiles(first, last, across, starts, entries, flat, image, left, ends),
    )
    return Drawn(image, flat, depth, starts, entries, left, ends, towards)


def gradients(shape: Shape, camera: Camera, drawn: Drawn, gradient: np.ndarray, workers: Workers) -> Shape:
    """What a loss changes by with each value of a shape. A view's direction to a splat is taken as given: a splat
    moves by a thousandth of its distance.

    Args:
        drawn: of this shape by this camera; its ``left`` is spent.
        gradient: (H, W, 4) float32 of the loss by the picture.
    """
    across = -(-camera.width // kernels.TILE)
    slopes = np.empty((len(drawn.entries), kernels.SLOPES), np.float32)
    workers.parallel_rows(
        np.diff(drawn.starts),
        lambda first, last: kernels.draw_tiles_backward(
            first, last, across, drawn.starts, drawn.entries, drawn.flat, drawn.left, drawn.ends, gradient, slopes
        ),
    )
    flat = np.zeros((len(shape.places), kernels.SLOPES), np.float32)
    kernels.gather(drawn.entries, slopes, flat)
    by_place, by_turn, by_log = (np.empty_like(part) for part in (shape.places, shape.turns, shape.logs))
    kernels.project_backward(
        shape.places, shape.turns, shape.logs, *_camera(camera), drawn.depth, flat, by_place, by_turn, by_log
    )
    opacity = shape.opacity
    by_logit = (flat[:, kernels.ALPHA] * opacity * (1.0 - opacity))[:, None]
    by_colour = flat[:, kernels.COLOUR : kernels.COLOUR + 3]
    # A colour below black is drawn as black.
    by_colour = by_colour * (drawn.flat[:, kernels.COLOUR : kernels.COLOUR + 3] > 0.0)
    return Shape(by_place, by_turn, by_log, by_logit, drawn.towards[:, :, None] * by_colour[:, None])


def _camera(camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    middle = camera.cx - camera.pixel_offset, camera.cy - camera.pixel_offset
    return np.ascontiguousarray(camera.world_to_camera[:3]), np.array([camera.fx, camera.fy, *middle])
