"""The radiance field along rays, front to back: encoding, layers, compositing, in blocks that stay in the cache."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..compiling import allocating, compiled, contracted, contracted_inner, inner
from ..products.block import dot_block
from ..simd.elementary import cycles, exponential
from ..simd.lanes import WIDTH
from .encoding import MOST_VECTORS, put_encoding
from .layers import (
    COLUMNS,
    ROWS,
    ROWS_MULTIPLE,
    colour_layer,
    colour_scratch,
    encode,
    field_scratch,
    hidden_layers,
    view_layer,
)
from .rows import FULL_ROWS

RAYS_AT_ONCE = 192
"""Rays of a block, which takes one sample of each at a time: all layers' activations stay in the second-level cache."""

BLOCK_ROWS = -(-RAYS_AT_ONCE // ROWS_MULTIPLE) * ROWS_MULTIPLE

REFILL = 144
"""Rays of a block that are left when new ones come in."""

LEAST_OPACITY = np.float32(1e-4)
"""Opacity under which a mean depth says nothing."""

LEAST_WEIGHT = np.float32(1e-6)
"""Compositing weight under which a sample's colour is not looked up."""

_ONE, _HALF, _ZERO, _TINY = np.float32(1.0), np.float32(0.5), np.float32(0.0), np.float32(1e-10)

_linear_row = FULL_ROWS.linear


class EmptySpace(NamedTuple):
    """Where rays need not look.

    Attributes:
        beyond: (G, G) float32 by v and u: the distance from the surface in metres beyond which there was no density in
            any pose tried; infinite where no surface point fell.
        known: distance up to which that is known, float32.
    """

    beyond: np.ndarray
    known: np.float32

    @classmethod
    def unknown(cls) -> EmptySpace:
        """Look everywhere."""
        return cls(np.full((1, 1), np.inf, dtype=np.float32), np.float32(np.inf))


class FieldRays(NamedTuple):
    """R rays and their S samples.

    Attributes:
        coordinates: (R, S, C) canonical coordinates of the samples.
        depths, intervals: (R, S) depth of each along the optical axis, and the length that it stands for.
        counts: (R,) int32, samples of each ray.
        transmittance: (R,) float32 in front of the samples; then behind them.
        directions: (R, 3); lengths: (R,) their norms, metres that a ray advances per unit of depth.
        pixels: (R,) int64, each ray's place in the images.
    """

    coordinates: np.ndarray
    depths: np.ndarray
    intervals: np.ndarray
    counts: np.ndarray
    transmittance: np.ndarray
    directions: np.ndarray
    lengths: np.ndarray
    pixels: np.ndarray


class FieldImages(NamedTuple):
    """What rays are composited into, pixel by pixel.

    Attributes:
        features: (P, F), F a multiple of 16, sums of weight times sigmoid(colour); opacity: (P,) of weight.
        depth: (P,) of weight times depth.
    """

    features: np.ndarray
    opacity: np.ndarray
    depth: np.ndarray


class _RayBlock(NamedTuple):
    """The rays at work: number, transmittance, next sample, slot of the view term; slots that no ray holds stand in
    ``free`` behind as many entries as rays are alive; ``freed`` is room for a list of them."""

    alive: np.ndarray
    transmittance: np.ndarray
    reached: np.ndarray
    slot: np.ndarray
    free: np.ndarray
    freed: np.ndarray
    wanted: np.ndarray


class _ViewScratch(NamedTuple):
    """Room for view terms: flat encoded directions, where each begins, taps, block sums, cosines; (slots, V) terms."""

    encoded: np.ndarray
    offsets: np.ndarray
    taps: np.ndarray
    sums: np.ndarray
    cosines: np.ndarray
    terms: np.ndarray


@allocating
def _ray_block():
    return _RayBlock(
        np.zeros(RAYS_AT_ONCE, np.int64),
        np.zeros(RAYS_AT_ONCE, np.float32),
        np.zeros(RAYS_AT_ONCE, np.int64),
        np.zeros(RAYS_AT_ONCE, np.int64),
        np.arange(RAYS_AT_ONCE),
        np.zeros(RAYS_AT_ONCE, np.int64),
        np.zeros(BLOCK_ROWS, np.int64),
    )


@allocating
def _view_scratch(weights):
    angles = weights.view_encoding.angles
    stride = 2 * angles + WIDTH + 3
    return _ViewScratch(
        np.zeros(BLOCK_ROWS * stride, np.float32),
        np.arange(BLOCK_ROWS) * stride,
        np.array([0, 2 * angles + 3]),
        np.zeros((ROWS, COLUMNS), np.float32),
        np.zeros(MOST_VECTORS * WIDTH, np.float32),
        np.zeros((RAYS_AT_ONCE, len(weights.view_hidden.gain)), np.float32),
    )


@inner
def _first_sample(coordinates, samples, ray, empty):
    """The ray's first sample that is not known to lie in empty space in front of the skin."""
    side = empty.beyond.shape[0]
    for sample in range(samples):
        column = min(max(int(coordinates[ray, sample, 0] * side), 0), side - 1)
        row = min(max(int(coordinates[ray, sample, 1] * side), 0), side - 1)
        distance = coordinates[ray, sample, 2]
        if not empty.beyond[row, column] < distance <= empty.known:
            return sample
    return samples


@compiled
def densities(weights, coordinates, sigma, start, stop):
    """Raw densities at points start to stop.

    Args:
        weights: FieldWeights.
        coordinates: (N, C) canonical coordinates.
        sigma: (N,) written, in 1/m; negative where there is nothing.
        start, stop: points of this call.
    """
    scratch = field_scratch(weights, BLOCK_ROWS)
    for first in range(start, stop, BLOCK_ROWS):
        count = min(BLOCK_ROWS, stop - first)
        encode(weights, coordinates, np.arange(first, first + count), count, scratch)
        hidden_layers(weights, scratch, count)
        sigma[first : first + count] = scratch.sigma[:count]


@inner
def _see(weights, rays, block, first, living, scratch):
    """scratch.terms[slot] = what the view layer adds for each of the block's rays ``first`` to ``living``."""
    angles, width, layer = weights.view_encoding.angles, scratch.terms.shape[1], weights.view_term
    encoded, count = scratch.encoded, living - first
    for index in range(count):
        ray, at = block.alive[first + index], scratch.offsets[index]
        # Where no sine is written, not even those that are not meant.
        unit = at + 2 * angles + WIDTH
        for axis in range(3):
            encoded[unit + axis] = rays.directions[ray, axis] / rays.lengths[ray]
        put_encoding(weights.view_encoding, encoded, unit, _ONE, scratch.cosines, encoded, at)
        for axis in range(3):
            encoded[at + 2 * angles + axis] = encoded[unit + axis]
    for part in range(len(layer.packed)):
        column = part * COLUMNS
        for row in range(0, count, ROWS):
            dot_block(scratch.sums, encoded, scratch.offsets, row, scratch.taps, layer.packed[part])
            for m in range(min(ROWS, count - row)):
                at = block.slot[first + row + m] * width + column
                _linear_row(scratch.sums, m, layer.gain, column, layer.bias, column, scratch.terms, at)


@contracted_inner
def _take_rays(empty, rays, block, living, upcoming, stop):
    """Fill the block with rays from ``upcoming`` on; how many are alive then, and the next one to come."""
    while living < RAYS_AT_ONCE and upcoming < stop:
        ray, upcoming = upcoming, upcoming + 1
        first = _first_sample(rays.coordinates, rays.counts[ray], ray, empty)
        if first < rays.counts[ray]:
            block.alive[living], block.transmittance[living] = ray, rays.transmittance[ray]
            block.reached[living], block.slot[living] = first, block.free[living]
            living += 1
    return living, upcoming


@contracted_inner
def _composite(rays, threshold, images, block, living, sigma, colour):
    """Add one sample of each ray to its pixel; how many colours are wanted, and how many rays go on."""
    found, still, ended = 0, 0, 0
    for row in range(living):
        ray, number, own = block.alive[row], block.reached[row], block.slot[row]
        pixel, transmittance = rays.pixels[ray], block.transmittance[row]
        interval = rays.intervals[ray, number]
        alpha = _ONE - exponential(-max(sigma[row], _ZERO) * interval * rays.lengths[ray])
        share = transmittance * alpha
        transmittance *= _ONE - alpha + _TINY
        images.opacity[pixel] += share
        images.depth[pixel] += share * rays.depths[ray, number]
        if share > LEAST_WEIGHT:
            colour.row[found], colour.slot[found], colour.pixel[found], colour.share[found] = row, own, pixel, share
            found += 1
        if transmittance > threshold and number + 1 < rays.counts[ray]:
            block.alive[still], block.transmittance[still] = ray, transmittance
            block.reached[still], block.slot[still] = number + 1, own
            still += 1
        else:
            block.freed[ended], rays.transmittance[ray] = own, transmittance
            ended += 1
    for index in range(ended):
        block.free[still + index] = block.freed[index]
    return found, still


@contracted
def march(weights, empty, rays, threshold, images, start, stop):
    """Composite rays ``start`` to ``stop`` front to back; the sums of docs/method.md 1.7. With a ray's next samples it
    goes on.

    Rays begin where space is not known to be empty, drop out when their transmittance has gone, and colours are looked
    up only where there is density: exact but for the thresholds and what empty space leaves out. A block takes one
    sample of each of its rays at a time; new rays take the places of those that dropped out.

    Args:
        weights: FieldWeights.
        empty: EmptySpace.
        rays: FieldRays.
        threshold: float32, transmittance at which a ray ends; at most this much of any colour is left out.
        images: FieldImages, added to.
        start, stop: rays of this call.

    Returns:
        The counter's ticks spent in the field and in compositing.
    """
    samples = rays.coordinates.shape[1]
    scratch, colour = field_scratch(weights, BLOCK_ROWS), colour_scratch(weights, BLOCK_ROWS)
    block, view = _ray_block(), _view_scratch(weights)
    upcoming, living, field_ticks, composite_ticks = start, 0, 0, 0
    while True:
        before = cycles()
        if living <= REFILL:
            old = living
            living, upcoming = _take_rays(empty, rays, block, living, upcoming, stop)
            _see(weights, rays, block, old, living, view)
        if living == 0:
            break
        for index in range(living):
            block.wanted[index] = block.alive[index] * samples + block.reached[index]
        encode(weights, rays.coordinates, block.wanted, living, scratch)
        hidden_layers(weights, scratch, living)
        middle = cycles()
        found, living = _composite(rays, threshold, images, block, living, scratch.sigma, colour)
        after = cycles()
        if found:
            view_layer(weights, scratch, colour, found, view.terms)
            colour_layer(weights.colour, colour, found, scratch.sums, images.features)
        field_ticks += middle - before + cycles() - after
        composite_ticks += after - middle
    return field_ticks, composite_ticks


@compiled
def mean_depths(images, near, far, pixels):
    """Of each of R rays, at its (R,) pixel: the sum of weight times depth -> the mean depth by weight; where there is
    hardly any weight the middle of near and far."""
    for ray in range(len(pixels)):
        pixel = pixels[ray]
        if images.opacity[pixel] > LEAST_OPACITY:
            images.depth[pixel] /= images.opacity[pixel]
        else:
            images.depth[pixel] = _HALF * (near[ray] + far[ray])
