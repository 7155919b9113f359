"""Shapes of blocks, and weights in the order in which blocks read them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..simd.lanes import WIDTH
from ..target import Instructions, instructions

CACHE_LINE = 64


class Shape(NamedTuple):
    """Size of a block.

    Attributes:
        rows: of activations.
        panels: vectors of columns; 16 lanes are one register with AVX-512, two with AVX2, four with NEON.
    """

    rows: int
    panels: int

    @property
    def columns(self) -> int:
        """Outputs that a block makes."""
        return WIDTH * self.panels

    def padded(self, outputs: int) -> int:
        """Outputs rounded up to whole blocks."""
        return -(-outputs // self.columns) * self.columns


def full_shape(known: Instructions) -> Shape:
    """Of full blocks: their sums fill 24 of AVX-512's 32 registers, 8 of AVX2's 16 (with 12 the compiler runs out of
    them and takes half as long again), and 24 of NEON's 32, which also hold one row more where bytes are signed."""
    if known.signed:
        return Shape(5, 1)
    return {16: Shape(6, 4), 8: Shape(4, 1), 4: Shape(6, 1)}[known.lanes]


FULL = full_shape(instructions())

HALF = Shape(12, 2) if FULL.panels > 1 else FULL
"""As many sums for layers of 32 outputs or fewer, half of which would be empty in a full block."""

GROUP = {"float32": 1, "int16": 2, "uint8": 4}


def lane_group(dtype: np.dtype[Any] | type) -> int:
    """Neighbouring inputs that one 32-bit lane holds."""
    return GROUP[np.dtype(dtype).name]


def padded(inputs: int, dtype: np.dtype[Any] | type) -> int:
    """Inputs a row must hold: the next multiple of what one lane holds."""
    group = lane_group(dtype)
    return -(-inputs // group) * group


def row_size(outputs: int, dtype: np.dtype[Any] | type) -> int:
    """Length of a row of activations: whole FULL blocks of outputs, whole vectors for :data:`block.active_lanes`."""
    multiple = max(FULL.columns, WIDTH * lane_group(dtype))
    return -(-outputs // multiple) * multiple


def shape_for(outputs: int) -> Shape:
    """The block that a layer's outputs fill best."""
    return HALF if outputs <= HALF.columns else FULL


def pack(weights: np.ndarray, dtype: np.dtype[Any] | type, shape: Shape = FULL) -> np.ndarray:
    """Weights in the order in which :func:`block.dot_block` reads them.

    Args:
        weights: (outputs, taps, inputs), already of the values to be stored.
        dtype: of the activations: float32, int16, uint8.
        shape: of the blocks.

    Returns:
        (blocks, taps * steps * panels * 16 * group) array, one row a block of ``shape.columns`` outputs; outputs and
        inputs are padded with zeros.
    """
    group = lane_group(dtype)
    stored = {"float32": np.float32, "int16": np.int16, "uint8": np.int8}[np.dtype(dtype).name]
    outputs, taps, inputs = weights.shape
    steps = -(-inputs // group)
    whole = np.zeros((shape.padded(outputs), taps, steps * group), dtype=stored)
    blocks = len(whole) // shape.columns
    whole[:outputs, :, :inputs] = weights
    ordered = whole.reshape(blocks, shape.panels, WIDTH, taps, steps, group).transpose(0, 3, 4, 1, 2, 5)
    packed = aligned((blocks, ordered.size // blocks), stored)
    packed[:] = ordered.reshape(blocks, -1)
    return packed


def fill_up(values: np.ndarray, size: int) -> np.ndarray:
    """Zeros behind the last axis, up to ``size``."""
    answer = np.zeros((*values.shape[:-1], size), dtype=np.float32)
    answer[..., : values.shape[-1]] = values
    return answer


def aligned(shape: tuple[int, ...], dtype: np.dtype[Any] | type) -> np.ndarray:
    """A zeroed array that begins at a cache line: a vector load across two lines takes twice as long."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = np.zeros(size + CACHE_LINE, dtype=np.uint8)
    start = -memory.ctypes.data % CACHE_LINE
    return memory[start : start + size].view(dtype).reshape(shape)
