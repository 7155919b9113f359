"""The loops over samples around the field's matrix products, compiled by numba: encoding, compositing, colours.

Called by ``march`` on blocks of rays. Every loop takes float32 or float64 and runs without Python's lock.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..kernels.compiling import compiled, inlined

# Constants of float32, next to which an array's own precision stays what it is.
_ZERO, _HALF, _ONE = np.float32(0.0), np.float32(0.5), np.float32(1.0)

EARLY_TERMINATION = 1e-8
"""Transmittance under which a sample is left out.

Colours would bear a thousandfold more; but behind skin of one colour all that density changes is the little that still
comes through, and at 1e-6 its gradient would be 4 in a thousand off."""


@compiled
def encode_rows(
    values: np.ndarray, sines: np.ndarray, cosines: np.ndarray, frequencies: int, rows: np.ndarray, begin: int
) -> None:
    """Write gamma_L of docs/method.md 1.6 by doubling angles: sin 2a = 2 sin a cos a, cos 2a = 1 - 2 sin^2 a.

    Args:
        values, sines, cosines: (N, C), the latter two in float64, for an error below float32's after ten doublings.
        rows: takes the answer from column ``begin`` on, (N, C (1 + 2 L)).
    """
    channels = values.shape[1]
    for row in range(len(values)):
        for channel in range(channels):
            sine, cosine = sines[row, channel], cosines[row, channel]
            rows[row, begin + channel] = values[row, channel]
            at = begin + channels + channel
            for _ in range(frequencies):
                rows[row, at] = sine
                rows[row, at + channels] = cosine
                at += 2 * channels
                sine, cosine = 2.0 * sine * cosine, 1.0 - 2.0 * sine * sine


@compiled
def texture_rows(texture: np.ndarray, places: np.ndarray, rows: np.ndarray, begin: int) -> None:
    """Look up (S, S, C) ``texture`` at (N, 2 or more) ``places`` (u, v, ..): ``rows`` take it from ``begin`` on.

    The sums of :func:`livehand_core.networks.encoding.look_up`.
    """
    side, channels = texture.shape[0], texture.shape[2]
    for n in range(len(places)):
        left, top, across, down = _corner(places[n, 0], places[n, 1], side)
        right, bottom = min(left + 1, side - 1), min(top + 1, side - 1)
        for c in range(channels):
            above = (_ONE - across) * texture[top, left, c] + across * texture[top, right, c]
            below = (_ONE - across) * texture[bottom, left, c] + across * texture[bottom, right, c]
            rows[n, begin + c] = (_ONE - down) * above + down * below


@compiled
def texture_backward(gradient: np.ndarray, places: np.ndarray, begin: int, answer: np.ndarray) -> None:
    """Add the gradient of what was looked up, columns of (K, .) from ``begin`` on, to that of the texture."""
    side, channels = answer.shape[0], answer.shape[2]
    for k in range(len(gradient)):
        left, top, across, down = _corner(places[k, 0], places[k, 1], side)
        right, bottom = min(left + 1, side - 1), min(top + 1, side - 1)
        for c in range(channels):
            value = gradient[k, begin + c]
            answer[top, left, c] += (_ONE - down) * (_ONE - across) * value
            answer[top, right, c] += (_ONE - down) * across * value
            answer[bottom, left, c] += down * (_ONE - across) * value
            answer[bottom, right, c] += down * across * value


@inlined
def _corner(u: np.float32, v: np.float32, side: int) -> tuple[int, int, Any, Any]:
    """Column and row of the texel before (u, v), and how far behind its centre they lie, in texels."""
    limit = np.float32(side - 1)
    x = min(max(u * np.float32(side) - _HALF, _ZERO), limit)
    y = min(max(v * np.float32(side) - _HALF, _ZERO), limit)
    left, top = int(x), int(y)
    return left, top, x - np.float32(left), y - np.float32(top)


@compiled
def composite(
    sigma: np.ndarray,
    alive: np.ndarray,
    first: int,
    intervals: np.ndarray,
    lengths: np.ndarray,
    transmittance: np.ndarray,
    kept: np.ndarray,
    ray: np.ndarray,
    terms: np.ndarray,
) -> tuple[int, int]:
    """Which of a few samples have density that can be seen, and their part in docs/method.md 1.7.

    Args:
        sigma: (A, G) raw densities, noise added, of the samples from ``first`` on of those rays that are alive.
        alive: (A,) their numbers in the block; those that light still comes through behind the samples are left there.
        intervals, lengths: (B, S), (B,) of the block.
        transmittance: (B,) in front and then behind.
        kept, ray: (A G,) take the sample's row and its ray's number in the block.
        terms: (A G, 4) take weight, transmittance in front, 1 - alpha, length of the interval.

    Returns:
        How many samples are kept, and how many rays stay alive. A ray's samples follow one another, front to back.
    """
    count, living = 0, 0
    for a in range(len(sigma)):
        r = alive[a]
        light = transmittance[r]
        for g in range(sigma.shape[1]):
            if sigma[a, g] <= 0.0:
                light *= 1.0 + 1e-10
                continue
            s = first + g
            length = intervals[r, s] * lengths[r]
            passed = np.exp(-sigma[a, g] * length)
            kept[count], ray[count] = a * sigma.shape[1] + g, r
            terms[count, 0], terms[count, 1] = light * (1.0 - passed), light
            terms[count, 2], terms[count, 3] = passed, length
            count += 1
            light *= passed + 1e-10
            if light < EARLY_TERMINATION:
                break
        transmittance[r] = light
        if light >= EARLY_TERMINATION:
            alive[living] = r
            living += 1
    return count, living


@compiled
def add_bias(values: np.ndarray, bias: np.ndarray) -> None:
    """In place: (K, W) sums + (W,) bias, cut at 0."""
    for k in range(len(values)):
        for c in range(values.shape[1]):
            values[k, c] = max(values[k, c] + bias[c], _ZERO)


@compiled
def add_of_ray(values: np.ndarray, ray: np.ndarray, terms: np.ndarray) -> None:
    """In place: (K, W) sums + the (B, W) terms of their rays, cut at 0."""
    for k in range(len(values)):
        for c in range(values.shape[1]):
            values[k, c] = max(values[k, c] + terms[ray[k], c], _ZERO)


@compiled
def sum_colours(colour: np.ndarray, ray: np.ndarray, terms: np.ndarray, sums: np.ndarray) -> None:
    """Add (K, C) colours and 1, times their weights, to (B, C + 1) sums of the rays."""
    channels = colour.shape[1]
    for k in range(len(colour)):
        weight = terms[k, 0]
        for c in range(channels):
            sums[ray[k], c] += weight * colour[k, c]
        sums[ray[k], channels] += weight


@compiled
def colours_backward(
    colour: np.ndarray, ray: np.ndarray, terms: np.ndarray, gradient: np.ndarray, raw: np.ndarray, weight: np.ndarray
) -> None:
    """From the gradient of (B, C + 1) sums: of raw colours (K, C), before the sigmoid, and of weights (K,)."""
    channels = colour.shape[1]
    for k in range(len(colour)):
        r = ray[k]
        total = gradient[r, channels]
        for c in range(channels):
            value, slope = colour[k, c], gradient[r, c]
            total += slope * value
            raw[k, c] = slope * terms[k, 0] * value * (_ONE - value)
        weight[k] = total


@compiled
def composite_backward(
    ray: np.ndarray, terms: np.ndarray, behind: np.ndarray, weight: np.ndarray, scale: float
) -> None:
    """In place: gradients of weights (K,) -> of what was scaled to raw densities by ``scale``.

    w_i = T_i alpha_i, so dL/dsigma_i = delta_i (1 - alpha_i) (T_i g_i - sum of g_j w_j behind i / (1 - alpha_i)).

    Args:
        behind: (B,) that sum of each ray, of the samples behind these; it grows by theirs.
    """
    for k in range(len(ray) - 1, -1, -1):
        slope, passed = weight[k], terms[k, 2]
        weight[k] = scale * terms[k, 3] * passed * (terms[k, 1] * slope - behind[ray[k]] / (passed + 1e-10))
        behind[ray[k]] += slope * terms[k, 0]


@compiled
def view_backward(gradient: np.ndarray, view: np.ndarray, ray: np.ndarray, terms: np.ndarray) -> None:
    """In place: gradient (K, V) after the cut at 0 -> before it; added up over rays in (B, V) ``terms``."""
    for k in range(len(gradient)):
        for c in range(gradient.shape[1]):
            if view[k, c] > _ZERO:
                terms[ray[k], c] += gradient[k, c]
            else:
                gradient[k, c] = _ZERO


@compiled
def hidden_backward(gradient: np.ndarray, density: np.ndarray, weights: np.ndarray, hidden: np.ndarray) -> None:
    """In place: (K, W) gradient + density's (K,) times its weights (W,), where (K, W) ``hidden`` is above 0."""
    for k in range(len(gradient)):
        for c in range(gradient.shape[1]):
            value = gradient[k, c] + density[k] * weights[c]
            gradient[k, c] = value if hidden[k, c] > _ZERO else _ZERO
