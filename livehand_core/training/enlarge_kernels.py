"""The loops between super-resolution's convolutions, compiled by numba: activation and low-pass filter, forth and back.

Called by ``enlarge`` on rows of channels-last images; each loop goes over memory once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..kernels.compiling import compiled, inlined

_LIMIT = np.float32(256.0)
_STEEP, _FLAT, _ZERO = np.float32(np.sqrt(2.0)), np.float32(0.2 * np.sqrt(2.0)), np.float32(0.0)
_NEAR, _FAR = np.float32(0.75), np.float32(0.25)
"""Taps of the filter (1, 3, 3, 1) / 4, which is applied down and across."""


@inlined
def _activated(x: Any) -> Any:
    x *= _STEEP if x > _ZERO else _FLAT
    return min(max(x, -_LIMIT), _LIMIT)


@inlined
def _slope(y: Any) -> Any:
    """Of the activation whose answer was ``y``."""
    slope = _STEEP if y > _ZERO else _FLAT
    return slope if abs(y) < _LIMIT else _ZERO


@compiled
def activate(x: np.ndarray) -> None:
    """In place: leaky ReLU of slope 0.2 times sqrt(2), within +-256, of (N, C)."""
    flat = x.reshape(-1)
    for n in range(len(flat)):
        flat[n] = _activated(flat[n])


@compiled
def activate_backward(gradient: np.ndarray, y: np.ndarray) -> None:
    """In place: (N, C) gradient behind the activation -> before it; ``y`` is its answer."""
    flat, answer = gradient.reshape(-1), y.reshape(-1)
    for n in range(len(flat)):
        flat[n] *= _slope(answer[n])


@compiled
def head_backward(image: np.ndarray, weights: np.ndarray, y: np.ndarray, gradient: np.ndarray, add: bool) -> None:
    """From the gradient of (N, 4) colours to that of (N, C) sums before the activation whose answer was ``y``.

    Args:
        weights: (4, C) of the colour head.
        gradient: takes the answer; with ``add`` it holds what comes from the other user of ``y``.
    """
    for n in range(len(image)):
        a, b, c, d = image[n, 0], image[n, 1], image[n, 2], image[n, 3]
        for k in range(y.shape[1]):
            value = a * weights[0, k] + b * weights[1, k] + c * weights[2, k] + d * weights[3, k]
            if add:
                value += gradient[n, k]
            gradient[n, k] = value * _slope(y[n, k])


@compiled
def filter_activate(spread: np.ndarray, bias: np.ndarray, answer: np.ndarray, begin: int, end: int) -> None:
    """Rows ``begin`` to ``end`` of (2h, 2w, C): the (2h + 1, 2w + 1, C) image, filtered, with bias and activation.

    Args:
        bias: (2w C,) that of each channel, again for each pixel of a row.
    """
    height, width, channels = spread.shape
    row = np.zeros((width + 2) * channels, spread.dtype)
    inner = row[channels:-channels]
    for y in range(begin, end):
        # The image lies in a border of one pixel of nothing.
        inner[:] = _NEAR * spread[y].reshape(-1) + _NEAR * spread[y + 1].reshape(-1)
        if y > 0:
            inner += _FAR * spread[y - 1].reshape(-1)
        if y + 2 < height:
            inner += _FAR * spread[y + 2].reshape(-1)
        a, b, c, d = row, row[channels:], row[2 * channels :], row[3 * channels :]
        flat = answer[y].reshape(-1)
        for m in range(len(flat)):
            flat[m] = _activated(_FAR * (a[m] + d[m]) + _NEAR * (b[m] + c[m]) + bias[m])


@compiled
def filter_backward(gradient: np.ndarray, answer: np.ndarray, begin: int, end: int) -> None:
    """Rows ``begin`` to ``end`` of (2h + 1, 2w + 1, C): the filter's transpose of a (2h, 2w, C) gradient."""
    height, width, channels = gradient.shape
    row = np.zeros((width + 4) * channels, gradient.dtype)
    inner = row[2 * channels : -2 * channels]
    for y in range(begin, end):
        inner[:] = _ZERO
        for other, tap in ((y - 2, _FAR), (y - 1, _NEAR), (y, _NEAR), (y + 1, _FAR)):
            if 0 <= other < height:
                inner += tap * gradient[other].reshape(-1)
        a, b, c, d = row, row[channels:], row[2 * channels :], row[3 * channels :]
        flat = answer[y].reshape(-1)
        for m in range(len(flat)):
            flat[m] = _FAR * (a[m] + d[m]) + _NEAR * (b[m] + c[m])
