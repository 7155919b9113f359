"""The super-resolution on a GPU: its weights with doubling convolutions folded into four phases, and its dispatches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from ...framing import Box
from ...networks.config import SuperResolutionConfig
from .device import Buffer, Gpu, Recorder, packed, tiles
from .field import fours
from .shaders import Constant

SCRATCH_BYTES = 1 << 26
"""What the largest activation of a tile may take."""

REACHES = {"conv00": 3, "conv01": 2, "conv10": 1, "conv11": 1}
"""How far beside the rays, in pixels of the feature image, the picture depends on each convolution's answers."""

GROUP4, PART4 = 16, 4
"""Groups of four outputs of a workgroup, and of four inputs that it holds at once; at most."""

TAPS = np.array([1.0, 3.0, 3.0, 1.0]) / 4.0

State = Mapping[str, np.ndarray]

Lit = Callable[[Buffer, Box, Buffer], None]
"""(materials of a tile, that tile of the picture, answer): records what writes the tile's colours into the answer."""


@dataclass(frozen=True)
class _Layer:
    """A convolution or a colour head: weights on the GPU, groups of four inputs and outputs, phases."""

    weights: Buffer
    inputs: int
    outputs: int
    phases: int = 1


@dataclass(frozen=True)
class _Region:
    """Part of an image: its size, its first pixel's place and the image's pixels in a row."""

    width: int
    height: int
    at: int
    pitch: int


@dataclass(frozen=True)
class _Feature:
    """The feature image, and the region of it that a tile reads."""

    image: Buffer
    region: _Region


class SuperResolution:
    """The network's weights.

    Args:
        gpu: where.
        config: sizes.
        state: the avatar's float32 arrays.
        half: keep weights and activations in float16; sums stay float32.
    """

    def __init__(self, gpu: Gpu, config: SuperResolutionConfig, state: State, half: bool) -> None:
        self.gpu, self.config = gpu, config
        self._real = "f16" if half else "f32"
        self._size = 2 if half else 4
        first, second = config.hidden
        doubled = {"conv10"} | ({"conv00"} if config.factor == 4 else set())
        shapes = {"conv00": (config.in_channels, first), "conv01": (first, first), "conv10": (first, second)}
        shapes |= {"conv11": (second, second)}
        shapes |= {"colour0": (first, config.out_channels), "colour1": (second, config.out_channels)}
        self._layers = {}
        for name, (inputs, outputs) in shapes.items():
            phases = 4 if name in doubled else 1
            packed_weights = pack(state[f"{name}.weight"], state[f"{name}.bias"], phases)
            weights = gpu.upload(packed_weights.astype(np.float16 if half else np.float32))
            self._layers[name] = _Layer(weights, fours(inputs), fours(outputs), phases)

    @property
    def groups(self) -> int:
        """Groups of four channels of its picture."""
        return fours(self.config.out_channels)

    def upsample(self, record: Recorder, image: Buffer, width: int, height: int, lit: Lit | None = None) -> Buffer:
        """The network over a feature image of a box.

        Args:
            record: takes the dispatches.
            image: features and opacity, see ``bounds.wgsl``; width, height: of the box.
            lit: of materials.

        Returns:
            (factor height, factor width, 4 G) float32 colours and opacity, G ``groups`` a pixel; where lit, colour and
            opacity, one group.
        """
        factor = self.config.factor
        groups = self.groups if lit is None else 1
        answer = self.gpu.scratch("upsampled", width * height * factor**2 * 16 * groups)
        for number, tile in enumerate(self._tiles(width, height)):
            if number:
                record.cut()
            wide = tile.grown(self.config.receptive_radius, width, height)
            self._tile(record, image, width, wide, tile, answer, lit)
        return answer

    def _tiles(self, width: int, height: int) -> Iterator[Box]:
        """Boxes whose activations, with the receptive field around them, stay within SCRATCH_BYTES."""
        first, second = self.config.hidden
        sizes = (first * (self.config.factor // 2) ** 2, second * self.config.factor**2)
        picture = self.groups * 16 * self.config.factor**2
        pixel = max(picture, 4 * max(fours(channels) for channels in sizes) * self._size)
        side = int((min(SCRATCH_BYTES, self.gpu.largest) / pixel) ** 0.5) // 8 * 8 - 2 * self.config.receptive_radius
        for top in range(0, height, side):
            for left in range(0, width, side):
                yield Box(left, top, min(left + side, width), min(top + side, height))

    def _tile(
        self, record: Recorder, image: Buffer, width: int, wide: Box, tile: Box, answer: Buffer, lit: Lit | None
    ) -> None:
        source = _Region(wide.width, wide.height, wide.top * width + wide.left, width)
        feature = _Feature(image, source)
        x, region = self._convolve(record, "conv00", feature, image, source)
        x, region = self._convolve(record, "conv01", feature, x, region)
        whole = Box(0, 0, region.width, region.height)
        colours = self.gpu.scratch("colours", region.width * region.height * 16 * self.groups)
        self._head(record, "colour0", (image, source), (x, region), whole, colours, (0, region.width))
        base = (colours, _Region(region.width, region.height, 0, region.width))
        x, region = self._convolve(record, "conv10", feature, x, region)
        x, region = self._convolve(record, "conv11", feature, x, region)
        factor = self.config.factor
        kept = Box(*(factor * edge for edge in _within(tile, wide)))
        if lit is not None:
            materials = self.gpu.scratch("materials", kept.width * kept.height * 16 * self.groups)
            self._head(record, "colour1", base, (x, region), kept, materials, (0, kept.width))
            lit(materials, tile.times(factor), answer)
            return
        place = (tile.top * factor * width * factor + tile.left * factor, width * factor)
        self._head(record, "colour1", base, (x, region), kept, answer, place)

    def _convolve(
        self, record: Recorder, name: str, feature: _Feature, source: Buffer, region: _Region
    ) -> tuple[Buffer, _Region]:
        """One convolution with its activation, where the picture depends on it; the answer and where it lies in it."""
        layer = self._layers[name]
        times, grid = (2 if layer.phases == 4 else 1), region.width // feature.region.width
        columns = layer.outputs * layer.phases
        first = name == "conv00"
        constants: dict[str, Constant] = {
            "real": self._real,
            # The feature image stays float32, and has opacity and depth behind its channels.
            "SOURCE": "f32" if first else self._real,
            "STRIDE": layer.inputs + first,
            "IN4": layer.inputs,
            "OUT4": layer.outputs,
            "PHASES": layer.phases,
            "GROUP4": min(GROUP4, columns),
            "PART4": min(PART4, layer.inputs),
            "C4": fours(self.config.in_channels),
            "GRID": grid,
            "REACH": REACHES[name],
        }
        kernel = self.gpu.kernel(["convolution"], "convolve", "rrrw", constants)
        width, height = region.width * times, region.height * times
        answer = self.gpu.scratch(name, width * height * layer.outputs * 4 * self._size)
        own = feature.region
        parameters = packed(
            size=(region.width, region.height),
            at=region.at,
            pitch=region.pitch,
            feature_at=own.at,
            feature_pitch=own.pitch,
        )
        groups = tiles(region.width, region.height, -(-columns // GROUP4))
        record.run(kernel, parameters, (source, layer.weights, feature.image, answer), groups)
        return answer, _Region(width, height, 0, width)

    def _head(
        self,
        record: Recorder,
        name: str,
        base: tuple[Buffer, _Region],
        activations: tuple[Buffer, _Region],
        kept: Box,
        answer: Buffer,
        place: tuple[int, int],
    ) -> None:
        """Add a block's colours to the picture so far.

        Args:
            record, name: of the dispatch; which head.
            base: the picture so far; activations: of the block. The answer has the latter's size.
            kept: the part of it that is wanted.
            answer: where it goes; place: its first pixel there, and pixels in a row.
        """
        layer, (_, size), (picture, region) = self._layers[name], activations, base
        constants: dict[str, Constant] = {
            "real": self._real,
            "IN4": layer.inputs,
            "C4": fours(self.config.in_channels),
            "HEAD4": layer.outputs,
            "COLOURS": self.config.out_channels - self.config.gives_opacity,
            "FROM_FEATURES": name == "colour0",
            "DOUBLED": size.width != region.width,
        }
        kernel = self.gpu.kernel(["colour_head"], "add", "rrrw", constants)
        parameters = packed(
            size=(size.width, size.height),
            base=(region.width, region.height, region.at, region.pitch),
            kept=(kept.left, kept.top, kept.right, kept.bottom),
            place=place,
        )
        buffers = (picture, activations[0], layer.weights, answer)
        record.run(kernel, parameters, buffers, tiles(kept.width, kept.height))


def _within(inner: Box, outer: Box) -> tuple[int, int, int, int]:
    left, top = inner.left - outer.left, inner.top - outer.top
    return left, top, left + inner.width, top + inner.height


def pack(weight: np.ndarray, bias: np.ndarray, phases: int) -> np.ndarray:
    """(O, I, K, K) -> (K K I' P O' + P O', 4) in the shaders' order: taps, inputs, phases, outputs, then the bias.

    I' is I filled up to fours, O' the groups of four outputs, P the phases.
    """
    kernels = folded(weight) if phases == 4 else weight[None]
    outputs, inputs = kernels.shape[1:3]
    filled = np.pad(kernels, ((0, 0), (0, -outputs % 4), (0, -inputs % 4), (0, 0), (0, 0)))
    rows = filled.transpose(3, 4, 2, 0, 1).reshape(-1, 4)
    biases = np.tile(np.pad(bias, (0, -outputs % 4)), phases).reshape(-1, 4)
    return np.concatenate([rows, biases]).astype(np.float32)


def folded(weight: np.ndarray) -> np.ndarray:
    """Transposed convolution of stride 2 and its filter as one 3 x 3 convolution to four pixels (docs/method.md 1.10).

    Args:
        weight: (O, I, 3, 3).

    Returns:
        (4, O, I, 3, 3), phases row by row.
    """
    outputs, inputs = weight.shape[:2]
    product = np.zeros((outputs, inputs, 6, 6))
    for y in range(4):
        for x in range(4):
            product[..., y : y + 3, x : x + 3] += TAPS[y] * TAPS[x] * weight
    # What pixel q - 1 adds is farthest along in its own product: taps run backwards.
    phases = [product[..., p::2, :][..., r::2][..., ::-1, ::-1] for p in (0, 1) for r in (0, 1)]
    return np.stack(phases)
