"""Where the field is evaluated on the rays of a frame, by the avatar's way of sampling (docs/method.md 1.4)."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ...avatars.metadata import AvatarMetadata
from ...kernels.mesh.nearest import ray_coordinates
from ...kernels.mesh.placement import MOST_PARTS, Placed, Trace, place_samples
from ...kernels.mesh.proxy import PosedProxy
from ...kernels.mesh.rays import Pixels, Rays
from ...workers import Workers


class Samples(Protocol):
    """The samples of R rays, some at a time."""

    def of(self, left: np.ndarray) -> Placed:
        """The next samples of those rays (N,) that light is left of."""

    def go_on(self, left: np.ndarray) -> np.ndarray:
        """(N,) bool, whether those rays have samples after these."""


def samples_of(
    metadata: AvatarMetadata,
    levels: np.ndarray | None,
    proxy: PosedProxy,
    rays: Rays,
    pixels: Pixels,
    workers: Workers,
) -> Samples:
    """By the avatar's way of sampling; ``levels``: of surface sampling, see ``placement.corner_rows``."""
    if levels is None:
        return LinearSamples(metadata, proxy, rays, pixels, workers)
    return SurfaceSamples(metadata, levels, proxy, rays, pixels, workers)


class LinearSamples:
    """From bound to bound, all at once."""

    def __init__(
        self, metadata: AvatarMetadata, proxy: PosedProxy, rays: Rays, pixels: Pixels, workers: Workers
    ) -> None:
        self._metadata, self._proxy, self._rays, self._pixels = metadata, proxy, rays, pixels
        self._workers = workers

    def of(self, left: np.ndarray) -> Placed:
        """All samples; ``left``: all rays."""
        rays, near, far = self._rays, self._pixels.near, self._pixels.far
        metadata, samples = self._metadata, self._metadata.architecture.n_samples
        placed = Placed.room(len(left), samples, _columns(metadata))
        placed.taken[:] = samples
        step = (far - near) / np.float32(samples - 1)
        np.multiply.outer(step, np.arange(samples, dtype=np.float32), out=placed.depths)
        placed.depths[:] += near[:, None]
        placed.intervals[:] = step[:, None]
        placed.intervals[:, -1] = metadata.last_interval
        pseudo_normal, with_normals = metadata.sign == "pseudo_normal", _columns(metadata) > 3
        self._workers.parallel_for(
            len(left),
            lambda start, stop: ray_coordinates(
                self._proxy, rays.origins, rays.directions, near, far, samples, pseudo_normal, with_normals,
                placed.coordinates, start, stop,
            ),
        )  # fmt: skip
        return placed

    def go_on(self, left: np.ndarray) -> np.ndarray:
        """Nowhere."""
        return np.zeros(len(left), np.bool_)


class SurfaceSamples:
    """Those of a crossing of the layer around the skin at a time."""

    def __init__(
        self,
        metadata: AvatarMetadata,
        levels: np.ndarray,
        proxy: PosedProxy,
        rays: Rays,
        pixels: Pixels,
        workers: Workers,
    ) -> None:
        self._metadata, self._levels, self._proxy, self._rays, self._pixels = metadata, levels, proxy, rays, pixels
        self._workers, self._trace = workers, Trace.from_near(pixels.near)
        self._looks = 0

    def of(self, left: np.ndarray) -> Placed:
        """The next samples of these rays, as many as a straight crossing has."""
        self._looks += 1
        metadata, rays, trace = self._metadata, self._rays, self._trace.of(left)
        parts = metadata.architecture.n_samples
        placed = Placed.room(len(left), parts, _columns(metadata))
        origins = rays.origins if len(rays.origins) == 1 else rays.origins[left]
        directions, lengths, far = rays.directions[left], rays.lengths[left], self._pixels.far[left]
        self._workers.parallel_for(
            len(left),
            lambda start, stop: place_samples(
                self._proxy, self._levels, origins, directions, lengths, far, trace, parts,
                metadata.sign == "pseudo_normal", placed, start, stop,
            ),
        )  # fmt: skip
        self._trace.take(left, trace)
        return placed

    def go_on(self, left: np.ndarray) -> np.ndarray:
        """Until the rays' ends, or they have all the samples that a ray may have."""
        if self._looks == MOST_PARTS:
            return np.zeros(len(left), np.bool_)
        return self._trace.of(left).going(self._pixels.far[left])


def _columns(metadata: AvatarMetadata) -> int:
    return metadata.architecture.field.coordinate_count
