"""How the super-resolution's activations are stored, found on feature images of the avatar."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ....kernels.compose import ALPHA_RAMP
from ....kernels.shading.material import BEND, LOBE_GAIN
from ....kernels.simd.memory import INT16_LIMIT
from ....kernels.target import instructions
from ....networks.config import LIT_CHANNELS, SuperResolutionConfig
from ....passes import linear_to_srgb
from ..feature_image import FeatureImage
from .ranges import FLOAT32, Range

State = Mapping[str, np.ndarray]

_WIDE = np.int16 if instructions().int16 else np.float32

NARROW = (np.uint8, np.uint8, _WIDE, _WIDE)
WIDE = (_WIDE, _WIDE, _WIDE, _WIDE)
"""How the input and the answers of conv00, conv01 and conv10 are stored. The later ones decide on edges; the first two
take half the time in uint8, which some avatars bear, and others not: the default avatar's opacities move by up to
4.4 / 255, in int16 by 0.2."""

NARROW_ERROR = 1.0 / 255.0
"""What uint8 may change in an opacity of the calibration images. They are few and small: other images show twice that
at most."""

NARROW_LIT_ERROR = 1e-3
"""What it may change, as a root mean square, in a material's colours in an even light and in the bend of its normals:
60 dB. Gains add up, so that the errors of three show in one colour, and no later head mends what a lamp makes of
them."""

_INPUTS: dict[type[Any], Range] = {
    np.uint8: Range(np.uint8, 255.0),
    np.int16: Range(np.int16, float(INT16_LIMIT)),
    np.float32: FLOAT32,
}
"""Of the feature image, whose values lie in [0, 1]."""


@dataclass(frozen=True)
class SuperResolutionArithmetic:
    """Ranges of the input, and of what conv00, conv01 and conv10 answer."""

    input: Range = FLOAT32
    first: Range = FLOAT32
    second: Range = FLOAT32
    third: Range = FLOAT32

    @property
    def name(self) -> str:
        """Of the type that the first convolutions, which are the largest, are multiplied in."""
        return {"uint8": "int8"}.get(name := np.dtype(self.input.dtype).name, name)

    @classmethod
    def found(
        cls,
        config: SuperResolutionConfig,
        state: State,
        images: Sequence[FeatureImage],
        drawn: Callable[[SuperResolutionArithmetic, FeatureImage], np.ndarray],
    ) -> SuperResolutionArithmetic:
        """Integers that suit some feature images.

        The first two ranges are of uint8 where the processor multiplies that, and where it moves no opacity of these
        images by more than NARROW_ERROR (colours, where the network makes no opacity) and no material by more than
        NARROW_LIT_ERROR, else what the others are of: int16, or float32 where the processor has instructions for bytes
        only.

        Args:
            config: sizes.
            state: float32 arrays by the names of ``SuperResolution.state_dict``.
            images: what to look at.
            drawn: the picture (H, W, K) that the kernels make of one of these in an arithmetic; it may be work space.
        """
        low, high = _extremes(config, state, images)
        narrow, wide = (cls._of_extremes(low, high, kinds) for kinds in (NARROW, WIDE))
        if not instructions().uint8:
            return wide
        for image in images:
            shown = image.coverage().drawn
            picture, wanted = (
                drawn(arithmetic, image)[shown][:, : config.out_channels] for arithmetic in (narrow, wide)
            )
            telling = slice(config.out_channels - 1 if config.gives_opacity else 0, None)
            if np.abs(picture - wanted)[:, telling].max(initial=0.0) > NARROW_ERROR:
                return wide
            if config.out_channels == LIT_CHANNELS and _lit_difference(picture, wanted) > NARROW_LIT_ERROR:
                return wide
        return narrow

    @classmethod
    def _of_extremes(cls, low: np.ndarray, high: np.ndarray, kinds: Sequence[type[Any]]) -> SuperResolutionArithmetic:
        found = [Range.of(least, most, kind) for least, most, kind in zip(low, high, kinds[1:], strict=True)]
        return cls(_INPUTS[kinds[0]], *found)

    def arrays(self) -> dict[str, np.ndarray]:
        """To be kept."""
        return {"ranges": np.array([each.row for each in (self.input, self.first, self.second, self.third)])}

    @classmethod
    def of_arrays(cls, kept: Mapping[str, np.ndarray]) -> SuperResolutionArithmetic | None:
        """What :meth:`arrays` gave; None where it does not fit.

        Raises:
            KeyError: something is missing.
        """
        ranges = kept["ranges"]
        if ranges.shape != (4, 3) or not np.isfinite(ranges).all() or not set(ranges[:, 0]) <= {8.0, 16.0, 32.0}:
            return None
        return cls(*(Range.of_row(row) for row in ranges))


def _lit_difference(picture: np.ndarray, wanted: np.ndarray) -> float:
    """Root mean square by which two (P, 14) materials with opacity differ in an even light of 1, bends included."""
    opaque = wanted[:, -1] > ALPHA_RAMP[1]
    if not opaque.any():
        return 0.0
    shown = [_in_even_light(material[opaque]) for material in (picture, wanted)]
    return float(np.sqrt(np.mean((shown[0] - shown[1]) ** 2)))


def _in_even_light(material: np.ndarray) -> np.ndarray:
    """(P, 5): the premultiplied sRGB of (P, 14) rows where every feature of the light is 1, and the normals' bend."""
    gains, alpha = np.maximum(material[:, :11], 0.0), material[:, -1:]
    colour = gains[:, :9].reshape(-1, 3, 3).sum(axis=1) + LOBE_GAIN * gains[:, 9:].sum(axis=1, keepdims=True)
    solid = np.maximum(alpha, ALPHA_RAMP[0])
    bend = BEND * (material[:, 11:13] - 0.5 * alpha)
    return np.concatenate([linear_to_srgb(colour / solid) * solid, bend], axis=1)


def _extremes(
    config: SuperResolutionConfig, state: State, images: Sequence[FeatureImage]
) -> tuple[np.ndarray, np.ndarray]:
    """(3,) least and greatest activation of conv00, conv01 and conv10."""
    low, high = np.zeros(3), np.zeros(3)
    for image in images:
        x = np.where(image.valid[..., None], image.features[..., : config.in_channels], np.float32(0.0))
        for place, name in enumerate(("conv00", "conv01", "conv10")):
            upsampling = name == "conv10" or (name == "conv00" and config.factor == 4)
            x = _convolution(x, state[f"{name}.weight"], state[f"{name}.bias"], upsampling)
            low[place], high[place] = min(low[place], x.min()), max(high[place], x.max())
    return low, high


def _convolution(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, upsampling: bool) -> np.ndarray:
    """(H, W, C) -> (H, W, C') or (2H, 2W, C'): docs/method.md 1.8 in plain numpy."""
    height, width, _ = x.shape
    if upsampling:
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
