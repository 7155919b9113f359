"""Super-resolution on the CPU: packed weights, work space, and the order of the convolutions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...kernels.networks import convolution as kernels
from ...kernels.networks.convolution import MARGIN, Convolution
from ...kernels.products.packing import fill_up, pack, padded, shape_for
from ...kernels.simd.lanes import WIDTH
from ...networks.config import SuperResolutionConfig
from ...workers import Workers
from .coverage import Coverage, Doubling
from .quantisation.packing import multiplied, sums_of
from .quantisation.ranges import FLOAT32, Range
from .quantisation.super_resolution import SuperResolutionArithmetic

State = Mapping[str, np.ndarray]

_PHASES = (((0, 0), (2, 0), (0, 2), (2, 2)), ((0, 1), (2, 1)), ((1, 0), (1, 2)), ((1, 1),))
"""Kernel entries (down, across) that make each of the four values of a source pixel in the transposed convolution."""


@dataclass(frozen=True)
class _Layer:
    """One convolution as the kernels take it, its heads' bias, and how its answer is stored, if it is."""

    weights: Convolution
    head_bias: np.ndarray
    target: Range
    stored: bool


class SuperResolutionKernels:
    """The network of docs/method.md 1.8 with given weights.

    Args:
        config: sizes.
        state: float32 arrays by the names of ``SuperResolution.state_dict``.
        arithmetic: how activations are stored; None for float32.
    """

    def __init__(
        self, config: SuperResolutionConfig, state: State, arithmetic: SuperResolutionArithmetic | None = None
    ) -> None:
        self.config = config
        stored = arithmetic or SuperResolutionArithmetic()
        self.picture_channels = kernels.picture_channels(config.out_channels)
        self._input, first, second, third = stored.input, stored.first, stored.second, stored.third
        self.channels = padded(config.in_channels, self._input.dtype)
        wide, narrow = (shape_for(size).padded(size) for size in config.hidden)
        self._conv00 = self._layer(state, "conv00", None, self._input, first, self.channels, config.factor == 4)
        self._conv01 = self._layer(state, "conv01", "colour0", first, second, wide, False)
        self._conv10 = self._layer(state, "conv10", None, second, third, wide, True)
        self._conv11 = self._layer(state, "conv11", "colour1", third, FLOAT32, narrow, False, stored=False)
        self._space: dict[str, np.ndarray] = {}

    def _layer(
        self, state: State, name: str, head: str | None, source: Range, target: Range, inputs: int, upsampling: bool,
        stored: bool = True,
    ) -> _Layer:  # fmt: skip
        # Leaky ReLU is homogeneous: its factor sqrt(2) goes into the gain, as does the scale of the answer.
        scale = math.sqrt(2.0) * target.scale
        weight, unit = multiplied(state[f"{name}.weight"], source.dtype)
        shape = shape_for(len(weight))
        outputs = shape.padded(len(weight))
        gain = unit * scale / source.scale

        def packed(entries: tuple[tuple[int, int], ...]) -> tuple[np.ndarray, np.ndarray]:
            """Packed weights of some kernel entries, and what the stored zeros of the source add to their sums."""
            part = np.stack([weight[:, :, down, across] for down, across in entries], axis=1)
            offset = -source.zero * part.sum(axis=(1, 2)) * gain
            return pack(fill_up(part, inputs), source.dtype, shape), fill_up(offset, outputs)

        every = tuple((down, across) for down in range(3) for across in range(3))
        parts = [packed(entries) for entries in (_PHASES if upsampling else (every,))]
        bias = fill_up(state[f"{name}.bias"] * scale, outputs)
        heads, head_bias = np.zeros((0, outputs), np.float32), np.zeros(self.picture_channels, np.float32)
        if head is not None:
            heads = fill_up(state[f"{head}.weight"][:, :, 0, 0] / target.scale, outputs)
            if len(heads) > kernels.MOST_HEADS:
                heads = fill_up(np.ascontiguousarray(heads.T), self.picture_channels)
            head_bias = fill_up(state[f"{head}.bias"].astype(np.float32), self.picture_channels)
        if not upsampling:
            bias = bias + parts[0][1]
        raw = np.stack([offset for _, offset in parts])
        packs, zero = tuple(part for part, _ in parts), np.float32(target.zero)
        weights = Convolution(packs, fill_up(gain, outputs), raw, bias, zero, heads, sums_of(source.dtype))
        return _Layer(weights, head_bias, target, stored)

    def upsample(self, features: np.ndarray, opacity: np.ndarray, coverage: Coverage, workers: Workers) -> np.ndarray:
        """The picture of the valid pixels' surroundings.

        Args:
            features: (h + 2 MARGIN, w + 2 MARGIN, F) float32 with margins, anything where not valid.
            opacity: (h + 2 MARGIN, w + 2 MARGIN), in the same way.
            coverage: of the valid pixels, for this factor.
            workers: where the parts run.

        Returns:
            (factor h + 2 MARGIN, factor w + 2 MARGIN, K) float32, K being ``picture_channels``, set where
            ``coverage.drawn`` says. Work space: good until the next call.
        """
        valid, middle, entry, near = coverage.valid, coverage.middle, coverage.entry, coverage.near
        source = self._array("input", (*valid.shape, self.channels), self._input.dtype)
        scale, count, bias = np.float32(self._input.scale), self.config.in_channels, self._conv01.head_bias
        workers.parallel_for(
            len(valid), lambda first, last: kernels.start_input(features, valid, count, scale, first, last, source)
        )
        channels, colours = self.picture_channels, self.config.out_channels - self.config.gives_opacity
        picture = self._array("small", (*valid.shape, channels), np.float32)
        picture[:] = 0.0
        if isinstance(entry, Doubling):
            pixels = np.flatnonzero(valid)
            nothing = np.zeros_like(bias)
            kernels.start_picture(features, opacity, valid, pixels, 0, len(pixels), nothing, colours, picture)
            source = self._upsampled(self._conv00, source, entry, "first", workers)
            small, picture = picture, self._array("middle", (*middle.shape, channels), np.float32)
            picture[:] = 0.0

            def begin(start: int, stop: int) -> None:
                kernels.upsample_picture(small, near, start, stop, bias, picture)
        else:
            source = self._plain(self._conv00, source, entry, "first", picture, workers)

            def begin(start: int, stop: int) -> None:
                kernels.start_picture(features, opacity, valid, near, start, stop, bias, colours, picture)

        source = self._plain(self._conv01, source, near, "second", picture, workers, begin)
        source = self._upsampled(self._conv10, source, coverage.doubling, "third", workers)
        large = self._array("large", (*coverage.drawn.shape, channels), np.float32)

        def end(start: int, stop: int) -> None:
            kernels.upsample_picture(picture, coverage.pixels, start, stop, self._conv11.head_bias, large)

        self._plain(self._conv11, source, coverage.pixels, "last", large, workers, end)
        return large

    def _plain(
        self,
        layer: _Layer,
        source: np.ndarray,
        pixels: np.ndarray,
        name: str,
        picture: np.ndarray,
        workers: Workers,
        begin: Callable[[int, int], None] | None = None,
    ) -> np.ndarray:
        """A 3x3 convolution of some pixels; ``begin`` sets the picture of a part of them before heads add to it."""
        height, width, channels = source.shape
        steps = [down * width + across for down in (-1, 0, 1) for across in (-1, 0, 1)]
        taps = np.array([step * channels for step in steps] + [channels])
        target = self._target(layer, (height, width), name)

        def work(start: int, stop: int) -> None:
            if begin is not None:
                begin(start, stop)
            kernels.convolve(layer.weights, source, taps, target, picture, pixels, start, stop)

        workers.parallel_for(len(pixels), work)
        return target

    def _upsampled(
        self, layer: _Layer, source: np.ndarray, doubling: Doubling, name: str, workers: Workers
    ) -> np.ndarray:
        height, width, channels = source.shape
        # Source pixels that kernel entry (down, across) meets: those half as far up and to the left.
        taps = tuple(
            np.array([-(down // 2 * width + across // 2) * channels for down, across in entries] + [channels])
            for entries in _PHASES
        )
        target = self._target(layer, (2 * (height - MARGIN), 2 * (width - MARGIN)), name)
        workers.parallel_rows(
            doubling.inside.sum(axis=1),
            lambda first, last: kernels.upsample(
                layer.weights, source, taps, doubling.cells, doubling.inside, target, first, last
            ),
        )
        return target

    def _target(self, layer: _Layer, size: tuple[int, int], name: str) -> np.ndarray:
        if not layer.stored:
            return self._array(name, (0, 0, WIDTH), layer.target.dtype)
        target = self._array(name, (*size, len(layer.weights.gain)), layer.target.dtype)
        kernels.clear_margin(target, layer.target.zero)
        return target

    def _array(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any] | type) -> np.ndarray:
        """Memory that is kept from frame to frame: fresh pages cost more than the convolutions that fill them."""
        size = math.prod(shape)
        known = self._space.get(name)
        if known is None or known.size < size or known.size > 4 * size + 4096 or known.dtype != dtype:
            known = self._space[name] = np.zeros(size, dtype=dtype)
        return known[:size].reshape(shape)
