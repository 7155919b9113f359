"""The radiance field along rays, front to back: encoding, layers, compositing, in blocks that stay in the cache."""

from __future__ import annotations

import numpy as np

from .compiling import compiled, contracted, inner
from .elementary import cycles, exponential
from .layers import COLUMNS, ROWS, ROWS_MULTIPLE, colour_layer, encode, hidden_layers, view_layer

RAYS_AT_ONCE = 96
"""Rays of a block: with GROUP samples each, all layers' activations stay in the second-level cache."""

GROUP = 2
"""Samples a ray in one step; rays that let nothing more through drop out between steps."""

WEIGHT_FLOOR = np.float32(1e-6)
"""Compositing weight under which a sample's colour is not looked up."""

_ONE, _TWO, _ZERO, _TINY = np.float32(1.0), np.float32(2.0), np.float32(0.0), np.float32(1e-10)


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


@contracted
def view_terms(directions, lengths, frequencies, weights, bias, terms, start, stop):
    """What the view layer adds for rays start to stop.

    Loops in place of a matrix product, whose library's threads would go on spinning beside the kernels.

    Args:
        directions: (R, 3); lengths: (R,) their norms.
        frequencies: L of the directions' encoding (METHOD section 1.6).
        weights: (3 + 6 L, V) of the encoded direction, in steps of the layer's output.
        bias: (V,) in these steps.
        terms: (R, V) written.
    """
    for ray in range(start, stop):
        row = terms[ray]
        row[:] = bias
        for axis in range(3):
            x = directions[ray, axis] / lengths[ray]
            line = weights[axis]
            for k in range(len(row)):
                row[k] += x * line[k]
            sine, cosine = np.sin(x), np.cos(x)
            for frequency in range(frequencies):
                first, second = weights[3 + 6 * frequency + axis], weights[6 + 6 * frequency + axis]
                for k in range(len(row)):
                    row[k] += sine * first[k] + cosine * second[k]
                sine, cosine = _TWO * sine * cosine, _ONE - _TWO * sine * sine


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
    rows = -(-RAYS_AT_ONCE * GROUP // ROWS_MULTIPLE) * ROWS_MULTIPLE
    encoded = np.zeros((rows + 1, inputs), dtype=weights.input_like.dtype)
    even = np.zeros((rows, width), dtype=weights.input_like.dtype)
    odd = np.zeros((rows, width), dtype=weights.input_like.dtype)
    hidden = np.zeros((rows, width), dtype=weights.input_like.dtype)
    sums = np.zeros((ROWS, COLUMNS), dtype=weights.sum_like.dtype)
    encoded_at, hidden_at = np.arange(rows) * inputs, np.arange(rows) * width
    taps = (np.array([0, inputs]), np.array([0, width]))
    found = np.zeros(rows, np.float32)
    for first in range(start, stop, rows):
        count = min(rows, stop - first)
        wanted = np.arange(first, first + count)
        encode(weights, coordinates.reshape(-1), wanted, count, encoded.reshape(-1))
        hidden_layers(weights, first_bias, encoded, encoded_at, hidden_at, taps, count, even, odd, hidden, sums, found)
        sigma[first : first + count] = found[:count]


@contracted
def march(
    weights, first_bias, view_terms, shell, looked, coordinates, near, far, lengths, last_interval, floor, features,
    opacity, depth, ticks, start, stop,
):  # fmt: skip
    """Composite rays ``start`` to ``stop`` front to back; the sums of METHOD section 1.7.

    Rays begin where the shell says, drop out when their transmittance has gone, and colours are looked up only where
    there is density: exact but for the floors and what the shell leaves out.

    Args:
        weights: FieldWeights.
        first_bias: (W,) of the first layer, with this frame's pose and identity, in steps of its output.
        view_terms: (R, V) what the view layer adds for each ray, in steps of its output.
        shell: (G, G) distance from the surface, by v and u, beyond which there is no density; infinity to look
            everywhere.
        looked: distance up to which that is known; float32.
        coordinates: (R, S, C) canonical coordinates of the samples, linear in [near, far], ends included.
        near, far: (R,) depths along the optical axis, metres.
        lengths: (R,) metres that a ray advances per unit of depth.
        last_interval: length of the interval behind the last sample, in units of depth.
        floor: transmittance at which a ray ends; at most this much of any colour is left out.
        features: (R, F), F a multiple of 16, opacity: (R,), depth: (R,): written; sums of weight times
            sigmoid(colour), weight, weight times depth.
        ticks: (2,) int64, added to: counter ticks in the field and in compositing.
        start, stop: rays of this call.
    """
    samples = coordinates.shape[1]
    width = weights.hidden_gain.shape[1]
    rows = -(-RAYS_AT_ONCE * GROUP // ROWS_MULTIPLE) * ROWS_MULTIPLE
    inputs = len(weights.input_like)
    # One row more than needed: waves are written in whole vectors, over the next row's beginning.
    encoded = np.zeros((rows + 1, inputs), dtype=weights.input_like.dtype)
    even = np.zeros((rows, width), dtype=weights.input_like.dtype)
    odd = np.zeros((rows, width), dtype=weights.input_like.dtype)
    hidden = np.zeros((rows, width), dtype=weights.input_like.dtype)
    viewed = np.zeros((rows, len(weights.view_gain)), dtype=weights.input_like.dtype)
    sums = np.zeros((ROWS, COLUMNS), dtype=weights.sum_like.dtype)
    sigma = np.zeros(rows, np.float32)
    encoded_at, hidden_at, picked_at = np.arange(rows) * inputs, np.arange(rows) * width, np.zeros(rows, np.int64)
    hidden_taps = np.array([0, width])
    taps = (np.array([0, inputs]), hidden_taps)
    viewed_taps = np.array([0, viewed.shape[1]])
    picked, picked_ray, shares = np.zeros(rows, np.int64), np.zeros(rows, np.int64), np.zeros(rows, np.float32)
    alive, through = np.zeros(RAYS_AT_ONCE, np.int64), np.zeros(RAYS_AT_ONCE, np.float32)
    reached, wanted = np.zeros(RAYS_AT_ONCE, np.int64), np.zeros(rows, np.int64)
    encoded_rows, places = encoded.reshape(-1), coordinates.reshape(-1)

    for begin in range(start, stop, RAYS_AT_ONCE):
        living = 0
        for ray in range(begin, min(begin + RAYS_AT_ONCE, stop)):
            opacity[ray], depth[ray] = _ZERO, _ZERO
            features[ray, :] = _ZERO
            first = _first_full(coordinates, ray, shell, looked)
            if first < samples:
                alive[living], through[living], reached[living] = ray, _ONE, first
                living += 1
        while living:
            before = cycles()
            count = 0
            for index in range(living):
                first = alive[index] * samples
                for sample in range(reached[index], min(reached[index] + GROUP, samples)):
                    wanted[count] = first + sample
                    count += 1
            encode(weights, places, wanted, count, encoded_rows)
            hidden_layers(
                weights, first_bias, encoded, encoded_at, hidden_at, taps, count, even, odd, hidden, sums, sigma
            )
            middle = cycles()
            ticks[0] += middle - before

            found, still, row = 0, 0, 0
            for index in range(living):
                ray, passed, first = alive[index], through[index], reached[index]
                step = (far[ray] - near[ray]) / np.float32(samples - 1)
                for number in range(first, min(first + GROUP, samples)):
                    interval = step if number < samples - 1 else last_interval
                    density = max(sigma[row], _ZERO)
                    alpha = _ONE - exponential(-density * interval * lengths[ray])
                    share = passed * alpha
                    passed *= _ONE - alpha + _TINY
                    opacity[ray] += share
                    depth[ray] += share * (near[ray] + step * np.float32(number))
                    if share > WEIGHT_FLOOR:
                        picked[found], picked_ray[found], shares[found] = row, ray, share
                        found += 1
                    row += 1
                if passed > floor and first + GROUP < samples:
                    alive[still], through[still], reached[still] = ray, passed, first + GROUP
                    still += 1
            living = still
            after = cycles()
            ticks[1] += after - middle
            if found:
                view_layer(
                    weights.view_layer, weights.view_gain, hidden, picked, picked_ray, found, view_terms, picked_at,
                    hidden_taps, viewed, sums,
                )  # fmt: skip
                colour_layer(
                    weights.colour_layer, weights.colour_gain, weights.colour_bias, viewed, picked_ray, shares, found,
                    picked_at, viewed_taps, sums, features,
                )  # fmt: skip
            ticks[0] += cycles() - after
