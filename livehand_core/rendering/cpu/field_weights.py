"""A radiance field's weights in the form that the kernels read: reordered, folded, packed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...kernels.networks.layers import FieldWeights, Layer
from ...kernels.networks.texture import GROUP
from ...kernels.products.packing import FULL, Shape, aligned, fill_up, lane_group, pack, shape_for
from ...networks.config import FieldConfig
from .encoding import Angles
from .identity_states import State, identity_states
from .quantisation.field import FieldArithmetic
from .quantisation.packing import sums_of
from .quantisation.unit_order import reordered


@dataclass(frozen=True)
class PreparedField:
    """Ready weights and what they need once a frame.

    Attributes:
        weights: for :func:`livehand_core.kernels.networks.field.march`, but for the first layer's bias.
        config: sizes.
        state: the field's float32 arrays, units reordered.
        first_scale: (W,) of the first layer's output as it is stored.
        residuals: (identities, N) what each identity adds to ``weights.texels``; (0, 0) where none adds anything.
    """

    weights: FieldWeights
    config: FieldConfig
    state: State
    first_scale: np.ndarray
    residuals: np.ndarray

    def of_identity(self, shares: np.ndarray) -> FieldWeights:
        """The weights with the textures of an identity, or of a blend by ``shares`` (identities,)."""
        if not len(self.residuals):
            return self.weights
        texels = self.weights.texels + shares.astype(np.float32) @ self.residuals
        return self.weights._replace(texels=texels)

    def of_frame(self, weights: FieldWeights, pose: np.ndarray, latent: np.ndarray | None) -> FieldWeights:
        """An identity's weights with what a pose and its code add to the first layer."""
        bias = constant_bias(self.config, self.state, pose, latent) * self.first_scale
        first = weights.first._replace(bias=fill_up(bias, len(weights.first.gain)))
        return weights._replace(first=first)


def constant_bias(config: FieldConfig, state: State, pose: np.ndarray, latent: np.ndarray | None) -> np.ndarray:
    """(W,) the first layer's bias plus its answer to pose and identity."""
    constant = np.asarray(pose, dtype=np.float64)
    if config.latent_size:
        code = np.zeros(config.latent_size) if latent is None else latent
        constant = np.concatenate([np.asarray(code, dtype=np.float64), constant])
    weight = state["layers.0.weight"][:, config.position_size :]
    answer: np.ndarray = (weight.astype(np.float64) @ constant + state["layers.0.bias"]).astype(np.float32)
    return answer


def prepare_field(
    config: FieldConfig, state: State, arithmetic: FieldArithmetic, residuals: Sequence[np.ndarray] = ()
) -> PreparedField:
    """Pack a field.

    Args:
        config: sizes; at most five layers (no skip connection), (u, v, d) coordinates.
        state: float32 arrays by the names of ``RadianceField.state_dict``.
        arithmetic: how activations are stored.
        residuals: (identities, S, S, C) each, what identities add to the textures.
    """
    identities = identity_states(config, state, residuals)
    ranges = arithmetic.texture_ranges(config, identities)
    textures = [state[f"textures.{number}"] for number in range(len(ranges))]
    state = reordered(config, state, arithmetic.orders)
    scale = arithmetic.scales[0]
    texels, places = _texels(config, textures, ranges)
    added = np.zeros((0, 0), dtype=np.float32)
    if residuals:
        rows = [_texels(config, [residual[k] for residual in residuals], ranges)[0] for k in range(len(identities))]
        added = np.stack(rows) * scale
    weights = _packed(config, state, arithmetic, ranges)._replace(texels=texels * scale, texture_places=places)
    return PreparedField(weights, config, state, arithmetic.scales[1], added)


def _packed(config: FieldConfig, state: State, arithmetic: FieldArithmetic, ranges: np.ndarray) -> FieldWeights:
    """The weights without texels; the first layer's bias belongs to a frame."""
    scales, dtype = arithmetic.scales, arithmetic.dtype
    angles, width = Angles.of_position(config), arithmetic.row_length(config.width)
    coordinate_scale = angles.coordinate_scale(config)
    none, last = np.zeros(0, dtype=np.float32), shape_for(config.feature_channels)
    first = np.concatenate([state["layers.0.weight"][:, angles.columns], _texel_columns(config, state, ranges)], axis=1)
    inputs = arithmetic.row_length(first.shape[1], encoded=True)

    def layer(
        weight: np.ndarray, point: int, out: np.ndarray, bias: np.ndarray, row: int = 0, shape: Shape = FULL
    ) -> Layer:
        """For what is stored at a point of the network, answering in scales ``out``."""
        size = row or arithmetic.row_length(weight.shape[1])
        outputs = shape.padded(len(weight))
        if point < config.depth:
            # As long as rows of hidden activations are, whose last vectors may be wider than a block.
            outputs = width
        weight, unit = arithmetic.weights(weight, point)
        bias = fill_up(bias, outputs) if len(bias) else bias
        return Layer(pack(fill_up(weight, size)[:, None], dtype, shape), fill_up(unit * out, outputs), bias)

    def hidden(index: int) -> Layer:
        out = scales[index + 1]
        return layer(state[f"layers.{index}.weight"], index, out, state[f"layers.{index}.bias"] * out)

    folded = state["view.weight"][:, : config.width] @ state["feature.weight"]
    view_angles = Angles.of([config.view_frequencies])
    return FieldWeights(
        encoding=angles.encoding(coordinate_scale),
        encoding_scale=np.float32(scales[0][0]),
        coordinate_scales=coordinate_scale * scales[0],
        texels=none,
        texture_places=np.zeros((0, 3), dtype=np.int64),
        input_like=np.zeros(inputs, dtype=dtype),
        sum_like=sums_of(dtype),
        lanes=width // lane_group(dtype),
        first=layer(first, 0, scales[1], none, inputs),
        hidden=_stacked([hidden(index) for index in range(1, config.depth)], dtype, width),
        density=fill_up(state["density.weight"][0] * config.density_scale / scales[config.depth], width),
        density_bias=np.float32(state["density.bias"][0] * config.density_scale),
        view_hidden=layer(folded, config.depth, scales[-1], none),
        view_encoding=view_angles.encoding(np.ones(3, dtype=np.float32)),
        view_term=_view_term(config, state, scales[-1], view_angles),
        colour=layer(
            state["colour.weight"], config.depth + 1, np.ones(1, np.float32), state["colour.bias"], shape=last
        ),
    )


def _view_term(config: FieldConfig, state: State, scale: np.ndarray, angles: Angles) -> Layer:
    """The float32 layer of the view direction, which answers in the view layer's scales."""
    weight, width = state["view.weight"] * np.reshape(scale, (-1, 1)), FULL.padded(config.view_width)
    bias = weight[:, : config.width] @ state["feature.bias"] + state["view.bias"] * scale
    encoded = fill_up(weight[:, config.width :][:, angles.columns].T, width).T
    return Layer(pack(encoded[:, None], np.float32), np.ones(width, dtype=np.float32), fill_up(bias, width))


def _stacked(layers: Sequence[Layer], dtype: np.dtype[Any], width: int) -> Layer:
    """Layers in one, of arrays with one axis more in front."""
    kind = np.dtype(np.float32)
    return Layer(
        _stack([layer.packed for layer in layers], dtype),
        _stack([layer.gain for layer in layers], kind, width),
        _stack([layer.bias for layer in layers], kind, width),
    )


def _stack(parts: list[np.ndarray], dtype: np.dtype[Any], width: int = 0) -> np.ndarray:
    """The parts in one array that begins at a cache line; of none, an empty one of as many axes."""
    if not parts:
        return np.zeros((0, width) if width else (0, 1, 0), dtype=dtype)
    whole = aligned((len(parts), *parts[0].shape), dtype)
    for place, part in enumerate(parts):
        whole[place] = part
    return whole


def _texels(config: FieldConfig, textures: Sequence[np.ndarray], ranges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All texels in one row, over ``ranges``, channels filled up; and where each texture begins, its side and channels
    (T, 3)."""
    channels = -(-config.texture_channels // GROUP) * GROUP
    parts, places, begin = [np.zeros(0, np.float32)], [], 0
    for texture, most in zip(textures, ranges, strict=True):
        parts.append(fill_up(texture / most, channels).reshape(-1))
        places.append((begin, len(texture), channels))
        begin += parts[-1].size
    return np.concatenate(parts), np.array(places, np.int64).reshape(-1, 3)


def _texel_columns(config: FieldConfig, state: State, ranges: np.ndarray) -> np.ndarray:
    """(W, T * filled up channels) the first layer's weights of what :func:`_texels` holds."""
    weight = state["layers.0.weight"][:, config.encodings_size : config.position_size]
    channels = -(-config.texture_channels // GROUP) * GROUP
    parts = weight.reshape(len(weight), len(ranges), config.texture_channels) * ranges[:, None]
    return fill_up(parts, channels).reshape(len(weight), -1)
