"""Super-resolution on the CPU: packed weights, work space, and the order of the convolutions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...kernels.networks import convolution as kernels
from ...kernels.networks.convolution import MARGIN
from ...kernels.networks.rows import INT16_LIMIT
from ...kernels.products.dot import LANES, fill_up, pack, padded, shape_for
from ...kernels.target import instructions
from ...networks.config import SuperResolutionConfig
from ...workers import Workers
from .coverage import Coverage, Doubling
from .field_weights import weight_unit

if TYPE_CHECKING:
    from .hand import FeatureImage

State = Mapping[str, np.ndarray]

HEADROOM = 1.15
"""How far activations may leave the range seen in calibration before uint8 cuts them."""

INT16_CALIBRATED = 4095.0
"""int16 value of the largest activation seen in calibration."""

NARROW = (np.uint8, np.uint8, np.int16, np.int16)
WIDE = (np.int16, np.int16, np.int16, np.int16)
"""How the input and the answers of conv00, conv01 and conv10 are stored. The later ones decide on edges; the first two
take half the time in uint8, which some avatars bear, and others not: the default avatar's opacities move by up to
4.4 / 255, in int16 by 0.2."""

NARROW_ERROR = 1.0 / 255.0
"""What uint8 may change in an opacity of the calibration images. They are few and small: other images show twice that
at most."""

_PHASES = (((0, 0), (2, 0), (0, 2), (2, 2)), ((0, 1), (2, 1)), ((1, 0), (1, 2)), ((1, 1),))
"""Kernel entries (down, across) that make each of the four values of a source pixel in the transposed convolution."""


@dataclass(frozen=True)
class Range:
    """How activations are stored: value = (integer - zero) / step; step 1 and zero 0 for float32."""

    dtype: type = np.float32
    step: float = 1.0
    zero: int = 0

    @classmethod
    def of(cls, low: float, high: float, dtype: type) -> Range:
        """For values in [low, high], in uint8 or int16."""
        if dtype is np.int16:
            return cls(np.int16, INT16_CALIBRATED / max(-low, high, 1e-6))
        low, high = min(low, 0.0) * HEADROOM, max(high, 1e-6) * HEADROOM
        step = 255.0 / (high - low)
        return cls(np.uint8, step, round(-low * step))

    @classmethod
    def of_row(cls, row: np.ndarray) -> Range:
        """From (bits, step, zero)."""
        return cls(np.uint8 if row[0] == 8 else np.int16, float(row[1]), int(row[2]))

    @property
    def row(self) -> tuple[int, float, int]:
        """(bits, step, zero) of integers."""
        return np.dtype(self.dtype).itemsize * 8, self.step, self.zero


_INPUTS: dict[type[Any], Range] = {np.uint8: Range(np.uint8, 255.0), np.int16: Range(np.int16, float(INT16_LIMIT))}
"""Of the feature image, whose values lie in [0, 1]."""


@dataclass(frozen=True)
class _Layer:
    """One convolution: packed weights (four in an enlarging one), gain, biases, as the kernels take them."""

    packed: tuple[np.ndarray, ...]
    gain: np.ndarray
    raw_bias: np.ndarray
    bias: np.ndarray
    heads: np.ndarray
    head_bias: np.ndarray
    target: Range
    stored: bool


class SuperResolutionKernels:
    """The network of docs/method.md 1.8 with given weights, in float32 or, with ranges, in integers.

    Args:
        config: sizes.
        state: float32 arrays by the names of ``SuperResolution.state_dict``.
        ranges: (4, 3) of :func:`activation_ranges`, for integers; None for float32.
    """

    def __init__(self, config: SuperResolutionConfig, state: State, ranges: np.ndarray | None) -> None:
        self.config = config
        self._integer = ranges is not None
        self._sum_like = np.zeros(0, dtype=np.int32 if self._integer else np.float32)
        self._input = first = second = third = Range()
        if ranges is not None:
            self._input, first, second, third = (Range.of_row(row) for row in ranges)
        self.channels = padded(config.in_channels, self._input.dtype)
        wide, narrow = (shape_for(size).padded(size) for size in config.hidden)
        self._conv00 = self._layer(state, "conv00", None, self._input, first, self.channels, config.factor == 4)
        self._conv01 = self._layer(state, "conv01", "colour0", first, second, wide, False)
        self._conv10 = self._layer(state, "conv10", None, second, third, wide, True)
        self._conv11 = self._layer(state, "conv11", "colour1", third, Range(), narrow, False, stored=False)
        self._space: dict[str, np.ndarray] = {}

    @property
    def arithmetic(self) -> str:
        """Type of number that the first convolutions, which are the largest, are multiplied in."""
        return {"uint8": "int8"}.get(name := np.dtype(self._input.dtype).name, name)

    def _layer(
        self, state: State, name: str, head: str | None, source: Range, target: Range, inputs: int, enlarging: bool,
        stored: bool = True,
    ) -> _Layer:  # fmt: skip
        # Leaky ReLU is homogeneous: its factor sqrt(2) goes into the gain, as does the step of the answer.
        scale = math.sqrt(2.0) * target.step
        weight = state[f"{name}.weight"]
        shape = shape_for(len(weight))
        outputs = shape.padded(len(weight))
        unit = np.ones(len(weight), dtype=np.float32)
        if self._integer:
            unit = weight_unit(weight, source.dtype)
            weight = np.rint(weight / unit[:, None, None, None])
        gain = unit * scale / source.step

        def packed(entries: tuple[tuple[int, int], ...]) -> tuple[np.ndarray, np.ndarray]:
            """Packed weights of some kernel entries, and what the stored zeros of the source add to their sums."""
            part = np.stack([weight[:, :, down, across] for down, across in entries], axis=1)
            offset = -source.zero * part.sum(axis=(1, 2)) * gain
            return pack(fill_up(part, inputs), source.dtype, shape), fill_up(offset, outputs)

        every = tuple((down, across) for down in range(3) for across in range(3))
        parts = [packed(entries) for entries in (_PHASES if enlarging else (every,))]
        bias = fill_up(state[f"{name}.bias"] * scale, outputs)
        heads, head_bias = np.zeros((0, outputs), np.float32), np.zeros(self.config.out_channels, np.float32)
        if head is not None:
            heads = fill_up(state[f"{head}.weight"][:, :, 0, 0] / target.step, outputs)
            head_bias = state[f"{head}.bias"].astype(np.float32)
        if not enlarging:
            bias = bias + parts[0][1]
        raw = np.stack([offset for _, offset in parts])
        return _Layer(
            tuple(part for part, _ in parts), fill_up(gain, outputs), raw, bias, heads, head_bias, target, stored
        )

    def enlarge(self, features: np.ndarray, opacity: np.ndarray, coverage: Coverage, workers: Workers) -> np.ndarray:
        """The picture of the valid pixels' surroundings.

        Args:
            features: (h + 2 MARGIN, w + 2 MARGIN, F) float32 with margins, anything where not valid.
            opacity: (h + 2 MARGIN, w + 2 MARGIN), in the same way.
            coverage: of the valid pixels, for this factor.
            workers: where the parts run.

        Returns:
            (factor h + 2 MARGIN, factor w + 2 MARGIN, K) float32, set where ``coverage.drawn`` says. Work space: good
            until the next call.
        """
        valid, middle, entry, near = coverage.valid, coverage.middle, coverage.entry, coverage.near
        source = self._array("input", (*valid.shape, self.channels), self._input.dtype)
        step, count, bias = np.float32(self._input.step), self.config.in_channels, self._conv01.head_bias
        workers.spread(
            len(valid), lambda first, last: kernels.quantise(features, valid, count, step, first, last, source)
        )
        picture = self._array("small", (*valid.shape, self.config.out_channels), np.float32)
        picture[:] = 0.0
        if isinstance(entry, Doubling):
            pixels = np.flatnonzero(valid)
            kernels.start_picture(features, opacity, valid, pixels, 0, len(pixels), np.zeros_like(bias), picture)
            source = self._enlarging(self._conv00, source, entry, "first", workers)
            small, picture = picture, self._array("middle", (*middle.shape, self.config.out_channels), np.float32)
            picture[:] = 0.0

            def begin(start: int, stop: int) -> None:
                kernels.enlarge_picture(small, near, start, stop, bias, picture)
        else:
            source = self._plain(self._conv00, source, entry, "first", picture, workers)

            def begin(start: int, stop: int) -> None:
                kernels.start_picture(features, opacity, valid, near, start, stop, bias, picture)

        source = self._plain(self._conv01, source, near, "second", picture, workers, begin)
        source = self._enlarging(self._conv10, source, coverage.doubling, "third", workers)
        large = self._array("large", (*coverage.drawn.shape, self.config.out_channels), np.float32)

        def end(start: int, stop: int) -> None:
            kernels.enlarge_picture(picture, coverage.pixels, start, stop, self._conv11.head_bias, large)

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
            kernels.convolve(
                source, self._sum_like, pixels, start, stop, taps, layer.packed[0], layer.gain, layer.bias,
                np.float32(layer.target.zero), target, layer.heads, picture,
            )  # fmt: skip

        workers.spread(len(pixels), work)
        return target

    def _enlarging(
        self, layer: _Layer, source: np.ndarray, doubling: Doubling, name: str, workers: Workers
    ) -> np.ndarray:
        height, width, channels = source.shape
        # Source pixels that kernel entry (down, across) meets: those half as far up and to the left.
        taps = tuple(
            np.array([-(down // 2 * width + across // 2) * channels for down, across in entries] + [channels])
            for entries in _PHASES
        )
        target = self._target(layer, (2 * (height - MARGIN), 2 * (width - MARGIN)), name)
        workers.spread_rows(
            doubling.inside.sum(axis=1),
            lambda first, last: kernels.enlarge_and_convolve(
                source, self._sum_like, doubling.cells, doubling.inside, first, last, taps, layer.packed, layer.gain,
                layer.raw_bias, layer.bias, np.float32(layer.target.zero), target,
            ),
        )  # fmt: skip
        return target

    def _target(self, layer: _Layer, size: tuple[int, int], name: str) -> np.ndarray:
        if not layer.stored:
            return self._array(name, (0, 0, LANES), layer.target.dtype)
        target = self._array(name, (*size, len(layer.gain)), layer.target.dtype)
        kernels.clear_margin(target, layer.target.zero)
        return target

    def _array(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any] | type) -> np.ndarray:
        """Memory that is kept from frame to frame: fresh pages cost more than the convolutions that fill them."""
        size = math.prod(shape)
        known = self._space.get(name)
        if known is None or known.size < size or known.size > 4 * size + 4096 or known.dtype != dtype:
            known = self._space[name] = np.zeros(size, dtype=dtype)
        return known[:size].reshape(shape)


def activation_ranges(
    config: SuperResolutionConfig, state: State, images: Sequence[FeatureImage], workers: Workers
) -> np.ndarray:
    """(4, 3) bits, step and zero of the input and of what conv00, conv01 and conv10 answer to some feature images.

    The first two are stored in uint8 where the processor multiplies that, and where it moves no opacity of these images
    by more than NARROW_ERROR (colours, where the network makes no opacity), else in int16.
    """
    low, high = np.zeros(3), np.zeros(3)
    for image in images:
        x = np.where(image.valid[..., None], image.features[..., : config.in_channels], np.float32(0.0))
        for place, name in enumerate(("conv00", "conv01", "conv10")):
            enlarging = name == "conv10" or (name == "conv00" and config.factor == 4)
            x = _convolution(x, state[f"{name}.weight"], state[f"{name}.bias"], enlarging)
            low[place], high[place] = min(low[place], x.min()), max(high[place], x.max())

    def rows(kinds: Sequence[type[Any]]) -> np.ndarray:
        found = [Range.of(least, most, kind) for least, most, kind in zip(low, high, kinds[1:], strict=True)]
        return np.array([each.row for each in (_INPUTS[kinds[0]], *found)])

    narrow, wide = rows(NARROW), rows(WIDE)
    if not instructions().uint8:
        return wide
    one, other = (SuperResolutionKernels(config, state, ranges) for ranges in (narrow, wide))
    telling = slice(3 if config.out_channels == 4 else 0, None)
    for image in images:
        coverage = image.coverage()
        picture, wanted = (kernel.enlarge(image.features, image.opacity, coverage, workers) for kernel in (one, other))
        difference = np.abs(picture - wanted)[coverage.drawn][:, telling]
        if difference.max(initial=0.0) > NARROW_ERROR:
            return wide
    return narrow


def _convolution(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, enlarging: bool) -> np.ndarray:
    """(H, W, C) -> (H, W, C') or (2H, 2W, C'): docs/method.md 1.8 in plain numpy, for calibration."""
    height, width, _ = x.shape
    if enlarging:
        raw = np.zeros((2 * height + 4, 2 * width + 4, len(weight)), dtype=np.float32)
        for down in range(3):
            for across in range(3):
                raw[1 + down : 1 + down + 2 * height : 2, 1 + across : 1 + across + 2 * width : 2] += (
                    x @ weight[:, :, down, across].T
                )
        for axis in (0, 1):
            size = 2 * (height, width)[axis]
            parts = [np.take(raw, range(first, first + size), axis=axis) for first in range(4)]
            raw = (parts[0] + 3.0 * parts[1] + 3.0 * parts[2] + parts[3]) / 4.0
        y = raw
    else:
        padded_x = np.pad(x, ((1, 1), (1, 1), (0, 0)))
        y = np.zeros((height, width, len(weight)), dtype=np.float32)
        for down in range(3):
            for across in range(3):
                y += padded_x[down : down + height, across : across + width] @ weight[:, :, down, across].T
    y = y + bias
    answer: np.ndarray = np.clip(np.maximum(y, 0.2 * y) * math.sqrt(2.0), -256.0, 256.0)
    return answer
