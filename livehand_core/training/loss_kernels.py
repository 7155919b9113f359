"""Structure and gradient errors of two images, with their gradient in the same pass, compiled by numba.

Called by ``losses`` on the CPU, where pooling in 7 px windows would cost more than the networks.
"""

from __future__ import annotations

import numpy as np

from ..kernels.compiling import compiled

WINDOW = 7


@compiled
def _add_row(x: np.ndarray, y: np.ndarray, sign: float, sums: np.ndarray) -> None:
    """Add a row's x, y, xx, yy, xy to the (5, W) sums of columns."""
    for j in range(len(x)):
        a, b = np.float64(x[j]), np.float64(y[j])
        sums[0, j] += sign * a
        sums[1, j] += sign * b
        sums[2, j] += sign * a * a
        sums[3, j] += sign * b * b
        sums[4, j] += sign * a * b


@compiled
def _across(sums: np.ndarray, means: np.ndarray) -> None:
    """(N, W) sums of columns -> (N, W - 6) means of windows."""
    for n in range(len(sums)):
        for j in range(means.shape[1]):
            total = 0.0
            for k in range(WINDOW):
                total += sums[n, j + k]
            means[n, j] = total / (WINDOW * WINDOW)


@compiled
def structure(image: np.ndarray, target: np.ndarray, constant: float, weight: float, gradient: np.ndarray) -> float:
    """Sum of 1 - cs over the windows inside (C, H, W) images, cs = (2 cov + c) / (var + var' + c).

    With m, m' a window's means, n and d its fraction, the slope at a pixel p of one window is
    2/49 ((y_p - m') / d - (x_p - m) n / d^2): four sums over the windows that hold the pixel.

    Args:
        gradient: (C, H, W), to which ``weight`` times the gradient in ``image`` is added.
    """
    channels, height, width = image.shape
    rows, columns = height - WINDOW + 1, width - WINDOW + 1
    total = 0.0
    if rows < 1 or columns < 1:
        return total
    # With a border of nothing, so that the sum over windows that hold a pixel is a window itself.
    slopes = np.zeros((rows, 4, width + WINDOW - 1))
    means = np.empty((5, columns))
    window = np.empty((4, width))
    factor = 2.0 * weight
    for channel in range(channels):
        x, y = image[channel], target[channel]
        sums = np.zeros((5, width))
        for i in range(WINDOW - 1):
            _add_row(x[i], y[i], 1.0, sums)
        for i in range(rows):
            _add_row(x[i + WINDOW - 1], y[i + WINDOW - 1], 1.0, sums)
            _across(sums, means)
            _add_row(x[i], y[i], -1.0, sums)
            row = slopes[i]
            for j in range(columns):
                mx, my = means[0, j], means[1, j]
                upper = 2.0 * (means[4, j] - mx * my) + constant
                lower = 1.0 / (means[2, j] - mx * mx + means[3, j] - my * my + constant)
                ratio = upper * lower
                total += 1.0 - ratio
                at = j + WINDOW - 1
                row[0, at] = lower
                row[1, at] = my * lower
                row[2, at] = ratio * lower
                row[3, at] = mx * ratio * lower
        held = np.zeros((4, width + WINDOW - 1))
        for i in range(height):
            if i < rows:
                held += slopes[i]
            if i >= WINDOW:
                held -= slopes[i - WINDOW]
            _across(held, window)
            for j in range(width):
                slope = y[i, j] * window[0, j] - window[1, j] - x[i, j] * window[2, j] + window[3, j]
                gradient[channel, i, j] -= factor * slope
    return total


@compiled
def steps(image: np.ndarray, target: np.ndarray, weight: float, gradient: np.ndarray) -> float:
    """Sum of absolute differences of the finite differences of (C, H, W) images, its gradient as ``structure``'s."""
    channels, height, width = image.shape
    total = 0.0
    for channel in range(channels):
        x, y, slope = image[channel], target[channel], gradient[channel]
        for i in range(height):
            for j in range(width - 1):
                step = (x[i, j + 1] - y[i, j + 1]) - (x[i, j] - y[i, j])
                sign = weight * np.sign(step)
                total += abs(step)
                slope[i, j + 1] += sign
                slope[i, j] -= sign
        for i in range(height - 1):
            for j in range(width):
                step = (x[i + 1, j] - y[i + 1, j]) - (x[i, j] - y[i, j])
                sign = weight * np.sign(step)
                total += abs(step)
                slope[i + 1, j] += sign
                slope[i, j] -= sign
    return total
