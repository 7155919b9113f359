"""Resizing images: bilinear, antialiased where it shrinks, with half-pixel centres."""

from __future__ import annotations

import numpy as np

from .compiling import compiled


def resize(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """(h, w, C) float32 -> (height, width, C): the triangle filter, as wide as a pixel of the coarser image."""
    if image.shape[:2] == (height, width):
        return image
    rows = np.empty((height, *image.shape[1:]), dtype=np.float32)
    _filter_rows(
        np.ascontiguousarray(image).reshape(len(image), -1), *_taps(len(image), height), rows.reshape(height, -1)
    )
    answer = np.empty((height, width, image.shape[2]), dtype=np.float32)
    _filter_columns(rows, *_taps(image.shape[1], width), answer)
    return answer


def _taps(size: int, wanted: int) -> tuple[np.ndarray, np.ndarray]:
    """First input (wanted,) and weights (wanted, K) of each output."""
    scale = size / wanted
    reach = max(scale, 1.0)
    centre = (np.arange(wanted) + 0.5) * scale
    first = np.maximum(np.floor(centre - reach + 0.5), 0.0).astype(np.int64)
    last = np.minimum(np.floor(centre + reach + 0.5), size).astype(np.int64)
    inputs = first[:, None] + np.arange(int((last - first).max()))
    weights = np.maximum(1.0 - np.abs((inputs + 0.5 - centre[:, None]) / reach), 0.0) * (inputs < last[:, None])
    return first, (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


@compiled
def _filter_rows(source: np.ndarray, first: np.ndarray, weights: np.ndarray, target: np.ndarray) -> None:
    last = len(source) - 1
    for y in range(len(target)):
        row = target[y]
        row[:] = 0.0
        for tap in range(weights.shape[1]):
            weight = weights[y, tap]
            if weight != 0.0:
                line = source[min(first[y] + tap, last)]
                for x in range(len(row)):
                    row[x] += weight * line[x]


@compiled
def _filter_columns(source: np.ndarray, first: np.ndarray, weights: np.ndarray, target: np.ndarray) -> None:
    last = source.shape[1] - 1
    for y in range(target.shape[0]):
        for x in range(target.shape[1]):
            for channel in range(target.shape[2]):
                total = np.float32(0.0)
                for tap in range(weights.shape[1]):
                    total += weights[x, tap] * source[y, min(first[x] + tap, last), channel]
                target[y, x, channel] = total
