"""The radiance field along rays, front to back: encoding, layers, compositing, in blocks that stay in the cache."""

from __future__ import annotations

import numpy as np

from ..compiling import compiled, contracted, inner
from ..products.dot import LANES, dot_block
from ..simd.elementary import cycles, exponential
from .layers import COLUMNS, ROWS, ROWS_MULTIPLE, colour_layer, encode, hidden_layers, view_layer
from .rows import linear_row, put_waves

RAYS_AT_ONCE = 192
"""Rays of a block, which takes one sample of each at a time: all layers' activations stay in the second-level cache."""

REFILL = 144
"""Rays of a block that are left when new ones come in."""

OPACITY_FLOOR = np.float32(1e-4)
"""Opacity under which a mean depth says nothing."""

WEIGHT_FLOOR = np.float32(1e-6)
"""Compositing weight under which a sample's colour is not looked up."""

_ONE, _HALF, _ZERO, _TINY = np.float32(1.0), np.float32(0.5), np.float32(0.0), np.float32(1e-10)


@inner
def _first_full(coordinates, ray, shell, looked):
    """The ray's first sample that is not known to lie in empty space in front of the skin."""
    samples, side = coordinates.shape[1], shell.shape[0]
    for sample in range(samples):
        column = min(max(int(coordinates[ray, sample, 0] * side), 0), side - 1)
        row = min(max(int(coordinates[ray, sample, 1] * side), 0), side - 1)
        distance = coordinates[ray, sample, 2]
        if not shell[row, column] < distance <= looked:
            return sample
    return samples


@compiled
def densities(weights, first_bias, coordinates, sigma, start, stop):
    """Raw densities at points start to stop.

    Args:
        weights, first_bias: as in :func:`march`.
        coordinates: (N, C) canonical coordinates.
        sigma: (N,) written, in 1/m; negative where there is nothing.
        start, stop: points of this call.
    """
    width, inputs = weights.hidden_gain.shape[1], len(weights.input_like)
    rows = -(-RAYS_AT_ONCE // ROWS_MULTIPLE) * ROWS_MULTIPLE
    encoded = np.zeros((rows + 1, inputs), dtype=weights.input_like.dtype)
    even = np.zeros((rows, width), dtype=weights.input_like.dtype)
    odd = np.zeros((rows, width), dtype=weights.input_like.dtype)
    hidden = np.zeros((rows, width), dtype=weights.input_like.dtype)
    sums = np.zeros((ROWS, COLUMNS), dtype=weights.sum_like.dtype)
    encoded_at, hidden_at = np.arange(rows) * inputs, np.arange(rows) * width
    taps, room = np.array([0, inputs]), (weights.lanes, np.zeros(rows * (weights.lanes + 1), np.int64))
    found = np.zeros(rows, np.float32)
    for first in range(start, stop, rows):
        count = min(rows, stop - first)
        wanted = np.arange(first, first + count)
        encode(weights, coordinates.reshape(-1), wanted, count, encoded.reshape(-1))
        hidden_layers(
            weights, first_bias, encoded, encoded_at, hidden_at, taps, room, count, even, odd, hidden, sums, found
        )
        sigma[first : first + count] = found[:count]


@inner
def _see(weights, directions, lengths, rays, slots, count, rows, offsets, taps, sums, terms):
    """terms[slot] = what the view layer adds for each of ``count`` rays, in steps of its output."""
    waves, width = weights.view_waves, terms.shape[1]
    for index in range(count):
        ray, at = rays[index], offsets[index]
        # Where no wave is written, not even those that are not meant.
        unit = at + 2 * waves + LANES
        for axis in range(3):
            rows[unit + axis] = directions[ray, axis] / lengths[ray]
        put_waves(weights.view_wave_scales, weights.view_wave_parts, rows, unit, waves, _ONE, rows, at)
        for axis in range(3):
            rows[at + 2 * waves + axis] = rows[unit + axis]
    for block in range(len(weights.seen_layer)):
        column = block * COLUMNS
        for first in range(0, count, ROWS):
            dot_block(sums, rows, offsets, first, taps, weights.seen_layer[block])
            for m in range(min(ROWS, count - first)):
                at = slots[first + m] * width + column
                linear_row(sums, m, weights.seen_gain, weights.seen_bias, column, terms, at, _ZERO, column)


@contracted
def march(
    weights, first_bias, shell, looked, coordinates, near, far, directions, lengths, last_interval, floor, pixels,
    features, opacity, depth, start, stop,
):  # fmt: skip
    """Composite rays ``start`` to ``stop`` front to back; the sums of docs/method.md 1.7.

    Rays begin where the shell says, drop out when their transmittance has gone, and colours are looked up only where
    there is density: exact but for the floors and what the shell leaves out. A block takes one sample of each of its
    rays at a time; new rays take the places of those that dropped out.

    Args:
        weights: FieldWeights.
        first_bias: (W,) of the first layer, with this frame's pose and identity, in steps of its output.
        shell: (G, G) distance from the surface, by v and u, beyond which there is no density; infinity to look
            everywhere.
        looked: distance up to which that is known; float32.
        coordinates: (R, S, C) canonical coordinates of the samples, linear in [near, far], ends included.
        near, far: (R,) depths along the optical axis, metres.
        directions: (R, 3) of the rays; lengths: (R,) their norms, metres that a ray advances per unit of depth.
        last_interval: length of the interval behind the last sample, in units of depth.
        floor: transmittance at which a ray ends; at most this much of any colour is left out.
        pixels: (R,) int64, each ray's place in the images.
        features: (P, F), F a multiple of 16, opacity: (P,), written: sums of weight times sigmoid(colour), weight.
        depth: (P,) written: the mean depth by weight; where there is hardly any weight the middle of near and far.
        start, stop: rays of this call.

    Returns:
        The counter's ticks spent in the field and in compositing.
    """
    samples = coordinates.shape[1]
    width, view_width, view_waves = weights.hidden_gain.shape[1], len(weights.view_gain), weights.view_waves
    rows = -(-RAYS_AT_ONCE // ROWS_MULTIPLE) * ROWS_MULTIPLE
    inputs = len(weights.input_like)
    # One row more than needed: waves are written in whole vectors, over the next row's beginning.
    encoded = np.zeros((rows + 1, inputs), dtype=weights.input_like.dtype)
    even = np.zeros((rows, width), dtype=weights.input_like.dtype)
    odd = np.zeros((rows, width), dtype=weights.input_like.dtype)
    hidden = np.zeros((rows, width), dtype=weights.input_like.dtype)
    viewed = np.zeros((rows, view_width), dtype=weights.input_like.dtype)
    sums = np.zeros((ROWS, COLUMNS), dtype=weights.sum_like.dtype)
    sigma = np.zeros(rows, np.float32)
    encoded_at, hidden_at, picked_at = np.arange(rows) * inputs, np.arange(rows) * width, np.zeros(rows, np.int64)
    taps, room = np.array([0, inputs]), (weights.lanes, np.zeros(rows * (weights.lanes + 1), np.int64))
    viewed_taps = np.array([0, view_width])
    picked, picked_slot, picked_pixel = np.zeros(rows, np.int64), np.zeros(rows, np.int64), np.zeros(rows, np.int64)
    shares, wanted = np.zeros(rows, np.float32), np.zeros(rows, np.int64)
    encoded_rows, places = encoded.reshape(-1), coordinates.reshape(-1)
    # Of the rays in the block: number, transmittance, next sample, and where their view terms are.
    alive, through = np.zeros(RAYS_AT_ONCE, np.int64), np.zeros(RAYS_AT_ONCE, np.float32)
    reached, slot = np.zeros(RAYS_AT_ONCE, np.int64), np.zeros(RAYS_AT_ONCE, np.int64)
    free, freed = np.arange(RAYS_AT_ONCE), np.zeros(RAYS_AT_ONCE, np.int64)
    seen_stride = 2 * view_waves + LANES + 3
    seen, seen_at = np.zeros(rows * seen_stride, np.float32), np.arange(rows) * seen_stride
    seen_taps, seen_sums = np.array([0, 2 * view_waves + 3]), np.zeros((ROWS, COLUMNS), np.float32)
    terms = np.zeros((RAYS_AT_ONCE, view_width), np.float32)

    upcoming, living, field_ticks, composite_ticks = start, 0, 0, 0
    while True:
        before = cycles()
        if living <= REFILL:
            old = living
            while living < RAYS_AT_ONCE and upcoming < stop:
                ray, upcoming = upcoming, upcoming + 1
                pixel = pixels[ray]
                opacity[pixel], depth[pixel] = _ZERO, _ZERO
                features[pixel, :] = _ZERO
                first = _first_full(coordinates, ray, shell, looked)
                if first < samples:
                    alive[living], through[living], reached[living] = ray, _ONE, first
                    # Slots that no ray holds stand behind the living.
                    slot[living] = free[living]
                    living += 1
                else:
                    depth[pixel] = _HALF * (near[ray] + far[ray])
            fresh = living - old
            _see(
                weights, directions, lengths, alive[old:], slot[old:], fresh, seen, seen_at, seen_taps, seen_sums, terms
            )  # fmt: skip
        if living == 0:
            break
        for index in range(living):
            wanted[index] = alive[index] * samples + reached[index]
        encode(weights, places, wanted, living, encoded_rows)
        hidden_layers(
            weights, first_bias, encoded, encoded_at, hidden_at, taps, room, living, even, odd, hidden, sums, sigma
        )
        middle = cycles()
        field_ticks += middle - before

        found, still, ended = 0, 0, 0
        for row in range(living):
            ray, number, own = alive[row], reached[row], slot[row]
            pixel, passed = pixels[ray], through[row]
            step = (far[ray] - near[ray]) / np.float32(samples - 1)
            interval = step if number < samples - 1 else last_interval
            alpha = _ONE - exponential(-max(sigma[row], _ZERO) * interval * lengths[ray])
            share = passed * alpha
            passed *= _ONE - alpha + _TINY
            opacity[pixel] += share
            depth[pixel] += share * (near[ray] + step * np.float32(number))
            if share > WEIGHT_FLOOR:
                picked[found], picked_slot[found], picked_pixel[found], shares[found] = row, own, pixel, share
                found += 1
            if passed > floor and number + 1 < samples:
                alive[still], through[still], reached[still], slot[still] = ray, passed, number + 1, own
                still += 1
            else:
                freed[ended] = own
                ended += 1
                if opacity[pixel] > OPACITY_FLOOR:
                    depth[pixel] /= opacity[pixel]
                else:
                    depth[pixel] = _HALF * (near[ray] + far[ray])
        for index in range(ended):
            free[still + index] = freed[index]
        living = still
        after = cycles()
        composite_ticks += after - middle
        if found:
            view_layer(
                weights.view_layer, weights.view_gain, hidden, picked, picked_slot, found, terms, picked_at,
                room, viewed, sums,
            )  # fmt: skip
            colour_layer(
                weights.colour_layer, weights.colour_gain, weights.colour_bias, viewed, picked_pixel, shares, found,
                picked_at, viewed_taps, sums, features,
            )  # fmt: skip
        field_ticks += cycles() - after
    return field_ticks, composite_ticks
