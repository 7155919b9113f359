"""How much arithmetic a frame asks for: docs/method.md 1 after its exact shortcuts, counted for that very frame.

A multiplication and an addition count as two. What is counted: the layers of the field for every sample that light
still reaches, pose and view direction once a frame and once a ray, the feature layer folded into the next one; and
super-resolution for the pixels of the hand's support and those that they depend on, as far as they are not constant.
Encodings, activations, nearest surface, rasterising and blending are left out: their cost is not that of matrices.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..avatars.metadata import Architecture
from ..networks.config import SKIP_AFTER_LAYER, FieldConfig, SuperResolutionConfig, encoded_size

TRANSMITTANCE_FLOOR = 1e-4
"""What is left of the light when a ray's remaining samples need not be looked at: a fortieth of an 8-bit step."""

TAPS = 9
"""Of a 3x3 convolution."""

FILTER_TAPS = 16
"""Of the 4x4 low-pass filter after each upsampling convolution, a channel."""


@dataclass(frozen=True)
class FrameWork:
    """What one hand in one frame asks for.

    Attributes:
        rays: evaluated rays.
        samples: of them, all.
        live_samples: those that light reaches.
        field: floating-point operations of the field over the live samples.
        super_resolution: floating-point operations of the super-resolution.
        plain_field, plain_super_resolution: the same without any shortcut: every sample with its complete input, and
            the whole image.
    """

    rays: int
    samples: int
    live_samples: int
    field: int
    super_resolution: int
    plain_field: int
    plain_super_resolution: int

    @property
    def flop(self) -> int:
        """All of them."""
        return self.field + self.super_resolution


def frame_work(architecture: Architecture, valid: np.ndarray, transmittance: np.ndarray) -> FrameWork:
    """Count.

    Args:
        architecture: sizes of the networks.
        valid: (h, w) bool, evaluated rays of the feature image.
        transmittance: (R, S) what is left of the light before each sample.
    """
    rays, samples = transmittance.shape
    live = int((transmittance > TRANSMITTANCE_FLOOR).sum())
    config = architecture.field
    # A coarse pass is needed whole, for the fine one is drawn from its densities.
    coarse_samples = rays * architecture.n_samples if architecture.n_importance else 0
    field = coarse_samples * density_flop(config) + rays * view_flop(config)
    field += live * (density_flop(config) + colour_flop(config))
    network = architecture.super_resolution
    return FrameWork(
        rays=rays,
        samples=samples * rays,
        live_samples=live,
        field=field,
        super_resolution=super_resolution_flop(network, valid),
        plain_field=(samples * rays + coarse_samples) * plain_flop(config),
        plain_super_resolution=super_resolution_flop(network, np.ones_like(valid)),
    )


def density_flop(config: FieldConfig) -> int:
    """Of the layers down to the density, for one sample; the pose is a bias."""
    total = config.position_size * config.width
    for index in range(1, config.depth):
        inputs = config.width + (config.position_size if index == SKIP_AFTER_LAYER + 1 else 0)
        total += inputs * config.width
    return 2 * (total + config.width)


def colour_flop(config: FieldConfig) -> int:
    """Of the colour's layers, for one sample."""
    return 2 * (config.width * config.view_width + config.view_width * config.feature_channels)


def plain_flop(config: FieldConfig) -> int:
    """Of all layers as they are written down, for one sample with pose and view direction in its input."""
    total = config.input_size * config.width
    for index in range(1, config.depth):
        inputs = config.width + (config.input_size if index == SKIP_AFTER_LAYER + 1 else 0)
        total += inputs * config.width
    seen = config.width + encoded_size(3, config.view_frequencies)
    total += config.width + config.width * config.width + seen * config.view_width
    return 2 * (total + config.view_width * config.feature_channels)


def view_flop(config: FieldConfig) -> int:
    """Of the view direction's part, for one ray."""
    return 2 * encoded_size(3, config.view_frequencies) * config.view_width


def super_resolution_flop(config: SuperResolutionConfig, valid: np.ndarray) -> int:
    """Of the convolutions for the support ``valid`` (h, w) bool.

    A layer is evaluated where its output is needed by the support and can differ from that of an empty image. An
    upsampling convolution is counted as a transposed one with the filter after it, its cheaper form.
    """
    first, second = config.hidden
    layers = [
        (config.in_channels, first, config.factor == 4),
        (first, first, False),
        (first, second, True),
        (second, second, False),
    ]
    # Reach of what is not constant, layer by layer, and the sizes of the grids.
    touched, masks = valid, []
    for _, _, upsampling in layers:
        touched = _dilated(np.repeat(np.repeat(touched, 2, axis=0), 2, axis=1), 3) if upsampling else _dilated(touched)
        masks.append(touched)
    scale = len(masks[-1]) // len(valid)
    needed = np.repeat(np.repeat(valid, scale, axis=0), scale, axis=1)
    total = 0
    for index in reversed(range(4)):
        inputs, outputs, upsampling = layers[index]
        pixels = int((needed & masks[index]).sum())
        if index in (1, 3):
            total += pixels * outputs * config.out_channels
        if upsampling:
            total += pixels * outputs * FILTER_TAPS
            # Before the filter each output pixel has on average 9 / 4 of the kernel's taps over the inputs.
            total += pixels * inputs * outputs * TAPS // 4
            wide = _dilated(needed, 3)
            needed = wide.reshape(len(wide) // 2, 2, -1, 2).any(axis=(1, 3))
        else:
            total += pixels * inputs * outputs * TAPS
            needed = _dilated(needed)
    return 2 * total


def _dilated(mask: np.ndarray, pixels: int = 1) -> np.ndarray:
    """The mask dilated by a square of 2 ``pixels`` + 1."""
    for axis in (0, 1):
        padded = np.pad(mask, [(pixels, pixels) if other == axis else (0, 0) for other in (0, 1)])
        views = [np.take(padded, range(shift, shift + mask.shape[axis]), axis) for shift in range(2 * pixels + 1)]
        mask = np.logical_or.reduce(views)
    return mask
