"""A radiance field's weights in the form that the kernels read: reordered, folded, packed, and where wanted integer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...kernels.networks.layers import FieldWeights
from ...kernels.networks.rows import INT16_LIMIT
from ...kernels.networks.texture import GROUP
from ...kernels.products.dot import FULL, aligned, fill_up, lane_group, pack, padded, row_size, shape_for
from ...networks.config import FieldConfig
from .unit_order import paired, reordered
from .waves import Waves

State = Mapping[str, np.ndarray]

HEADROOM = 2.0
"""How far activations may exceed the largest one seen in calibration before int16 cuts them."""

SUM_LIMIT = 2.0**31 * 0.98
"""What a sum of products may reach in int32."""


@dataclass(frozen=True)
class PreparedField:
    """Ready weights and what they need once a frame.

    Attributes:
        weights: for :func:`livehand_core.kernels.networks.field.march`.
        config: sizes.
        state: the field's float32 arrays, units reordered.
        steps: 1 / step of the encoded input (1,), of each layer's output (W,), of the view layer's (V,); ones in
            float32.
        orders: (depth, W) how the units of each hidden layer are ordered; (0, W) in float32, as in the state.
        residuals: (identities, N) what each identity adds to ``weights.texels``; (0, 0) where none adds anything.
    """

    weights: FieldWeights
    config: FieldConfig
    state: State
    steps: list[np.ndarray]
    orders: np.ndarray
    residuals: np.ndarray

    def of_identity(self, shares: np.ndarray) -> FieldWeights:
        """The weights with the textures of an identity, or of a blend by ``shares`` (identities,)."""
        if not len(self.residuals):
            return self.weights
        texels = self.weights.texels + shares.astype(np.float32) @ self.residuals
        return self.weights._replace(texels=texels)

    def first_bias(self, pose: np.ndarray, latent: np.ndarray | None) -> np.ndarray:
        """(W,) bias of the first layer with a frame's constants, float32."""
        bias = constant_bias(self.config, self.state, pose, latent)
        return fill_up(bias * self.steps[1], self.weights.first_gain.shape[0])


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
    config: FieldConfig,
    state: State,
    dtype: np.dtype[Any] | type,
    constants: np.ndarray,
    points: np.ndarray,
    residuals: Sequence[np.ndarray] = (),
    known: tuple[list[np.ndarray], np.ndarray] | None = None,
) -> PreparedField:
    """Pack a field.

    Args:
        config: sizes; at most five layers (no skip connection), (u, v, d) coordinates.
        state: float32 arrays by the names of ``RadianceField.state_dict``.
        dtype: of the activations: float32; or int16, for which steps and the units' orders are found.
        constants: (N, latent_size + pose_size) typical poses (and identities), for these.
        points: (M, 3 or 6) typical u, v, d and normal, for these; each is seen with one of the constants.
        residuals: (identities, S, S, C) each, what identities add to the textures; ``constants`` are then those of the
            identities in turn.
        known: steps and orders from before; then nothing is looked at for them.
    """
    dtype = np.dtype(dtype)
    integer = dtype != np.float32
    waves = Waves.of_position(config)
    people = _people(config, state, residuals)
    loudest = _loudest(config, people, integer)
    texels, places = _texels(config, [state[f"textures.{k}"] for k in range(len(loudest))], loudest)
    coordinate_scale = np.ones(3 * len(waves.threes), dtype=np.float32)
    coordinate_scale[2] = config.distance_scale
    if not integer:
        steps, orders = [np.ones(1, dtype=np.float32)] * (config.depth + 2), np.zeros((0, config.width), np.int64)
    elif known is None:
        encoded, chosen = [], []
        for number, person in enumerate(people):
            some, own = points[number :: len(people)], constants[number :: len(people)]
            encoded.append(_encoded(config, person, some, waves, coordinate_scale))
            chosen.append(own[np.random.default_rng(0).integers(0, len(own), len(some))])
        inputs = np.concatenate(encoded)
        units = _activations(config, state, inputs, np.concatenate(chosen))
        steps = _steps(config, state, inputs, units)
        orders = np.stack([paired(layer > 0.0) for layer in units])
    else:
        steps, orders = known
    state = reordered(config, state, orders)
    first_weight = np.concatenate(
        [state["layers.0.weight"][:, waves.columns], _texel_columns(config, state, loudest)], axis=1
    )
    folded = state["view.weight"][:, : config.width] @ state["feature.weight"]

    def layer(weight: np.ndarray, number: int, out: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Packed weights for what is stored at a point of the network, and one unit of their sums in steps ``out``."""
        row = row_size(weight.shape[1], dtype) if number else padded(weight.shape[1], dtype)
        weight = weight / steps[number]
        unit = np.ones(len(weight), dtype=np.float32)
        if integer:
            unit = weight_unit(weight, dtype)
            weight = np.rint(weight / unit[:, None])
        shape = shape_for(len(weight)) if number == config.depth + 1 else FULL
        return pack(fill_up(weight, row)[:, None], dtype, shape), fill_up(unit * out, shape.padded(len(weight)))

    first, first_gain = layer(first_weight, 0, steps[1])
    hidden = [layer(state[f"layers.{i}.weight"], i, steps[i + 1]) for i in range(1, config.depth)]
    view, view_gain = layer(folded, config.depth, steps[-1])
    colour, colour_gain = layer(state["colour.weight"], config.depth + 1, np.ones(1, dtype=np.float32))
    width = row_size(config.width, dtype)
    biases = [fill_up(state[f"layers.{i}.bias"] * steps[i + 1], width) for i in range(1, config.depth)]
    seen, view_width = state["view.weight"] * np.reshape(steps[-1], (-1, 1)), FULL.padded(config.view_width)
    view_bias = seen[:, : config.width] @ state["feature.bias"] + state["view.bias"] * steps[-1]
    view_waves = Waves.of([config.view_frequencies])
    seen_weight = fill_up(seen[:, config.width :][:, view_waves.columns].T, view_width).T
    wave_scales, wave_parts = waves.vectors(coordinate_scale)
    view_wave_scales, view_wave_parts = view_waves.vectors(np.ones(3, dtype=np.float32))
    weights = FieldWeights(
        wave_scales=wave_scales,
        wave_parts=wave_parts,
        waves=len(waves.axes),
        input_steps=np.append(coordinate_scale, 1.0).astype(np.float32) * steps[0],
        texels=texels * steps[0],
        texture_places=places,
        input_like=np.zeros(padded(first_weight.shape[1], dtype), dtype=dtype),
        sum_like=np.zeros(0, dtype=np.int32 if integer else np.float32),
        first=first,
        first_gain=first_gain,
        hidden=_stack([packed for packed, _ in hidden], dtype),
        lanes=width // lane_group(dtype),
        hidden_gain=_stack([gain for _, gain in hidden], np.dtype(np.float32), width),
        hidden_bias=_stack(biases, np.dtype(np.float32), width),
        density=fill_up(state["density.weight"][0] * config.density_scale / steps[config.depth], width),
        density_bias=np.float32(state["density.bias"][0] * config.density_scale),
        view_layer=view,
        view_gain=view_gain,
        view_wave_scales=view_wave_scales,
        view_wave_parts=view_wave_parts,
        view_waves=len(view_waves.axes),
        seen_layer=pack(seen_weight[:, None], np.float32),
        seen_gain=np.ones(view_width, dtype=np.float32),
        seen_bias=fill_up(view_bias, view_width),
        colour_layer=colour,
        colour_gain=colour_gain,
        colour_bias=fill_up(state["colour.bias"], len(colour_gain)),
    )
    added = np.zeros((0, 0), dtype=np.float32)
    if residuals:
        rows = [_texels(config, [residual[k] for residual in residuals], loudest)[0] for k in range(len(people))]
        added = np.stack(rows) * steps[0]
    return PreparedField(weights, config, state, steps, orders, added)


def weight_unit(weight: np.ndarray, kind: np.dtype[Any] | type) -> np.ndarray:
    """(outputs,) value of 1 in integer weights (outputs, ...) for activations of this kind: as small as the weights'
    type and int32 sums allow."""
    rows = np.abs(weight.reshape(len(weight), -1))
    if np.dtype(kind) == np.uint8:
        return np.maximum(rows.max(axis=1) / 127.0, 1e-12).astype(np.float32)
    most = np.maximum(rows.max(axis=1) / 32767.0, rows.sum(axis=1) * INT16_LIMIT / SUM_LIMIT)
    return np.maximum(most, 1e-12).astype(np.float32)


def _stack(parts: list[np.ndarray], dtype: np.dtype[Any], width: int = 0) -> np.ndarray:
    """The parts in one array that begins at a cache line; of none, an empty one of as many axes."""
    if not parts:
        return np.zeros((0, width) if width else (0, 1, 0), dtype=dtype)
    whole = aligned((len(parts), *parts[0].shape), dtype)
    for place, part in enumerate(parts):
        whole[place] = part
    return whole


def _people(config: FieldConfig, state: State, residuals: Sequence[np.ndarray]) -> list[State]:
    """The field's arrays with each identity's textures; the field's own where identities add nothing."""
    if not residuals:
        return [state]
    names = [f"textures.{number}" for number in range(len(config.texture_sizes))]
    return [
        {**state, **{name: state[name] + residual[k] for name, residual in zip(names, residuals, strict=True)}}
        for k in range(len(residuals[0]))
    ]


def _loudest(config: FieldConfig, people: Sequence[State], integer: bool) -> np.ndarray:
    """(T,) what texels are divided by: each texture's largest value where integers hold them, else 1.

    That of a blend of identities is no larger than the largest of theirs.
    """
    names = [f"textures.{number}" for number in range(len(config.texture_sizes))]
    if not integer:
        return np.ones(len(names), dtype=np.float32)
    most = [max(float(np.abs(person[name]).max()) for person in people) for name in names]
    return np.maximum(np.array(most, dtype=np.float32), np.float32(1e-6))


def _texels(config: FieldConfig, textures: Sequence[np.ndarray], loudest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All texels in one row, over ``loudest``, channels filled up; and where each texture begins, its side and channels
    (T, 3)."""
    channels = -(-config.texture_channels // GROUP) * GROUP
    parts, places, begin = [np.zeros(0, np.float32)], [], 0
    for texture, most in zip(textures, loudest, strict=True):
        parts.append(fill_up(texture / most, channels).reshape(-1))
        places.append((begin, len(texture), channels))
        begin += parts[-1].size
    return np.concatenate(parts), np.array(places, np.int64).reshape(-1, 3)


def _texel_columns(config: FieldConfig, state: State, loudest: np.ndarray) -> np.ndarray:
    """(W, T * filled up channels) the first layer's weights of what :func:`_texels` holds."""
    weight = state["layers.0.weight"][:, config.waves_size : config.position_size]
    channels = -(-config.texture_channels // GROUP) * GROUP
    parts = weight.reshape(len(weight), len(loudest), config.texture_channels) * loudest[:, None]
    return fill_up(parts, channels).reshape(len(weight), -1)


def _encoded(
    config: FieldConfig,
    state: State,
    points: np.ndarray,
    waves: Waves,
    coordinate_scale: np.ndarray,
) -> np.ndarray:
    """(M, position_size) the first layer's input in the order that was published."""
    plain = points[:, : len(coordinate_scale)] * coordinate_scale
    angles = plain[:, waves.axes] * waves.scales
    encoded = np.empty((len(points), config.position_size), dtype=np.float32)
    encoded[:, waves.columns] = np.concatenate([np.sin(angles), np.cos(angles), plain], axis=1)
    for number, size in enumerate(config.texture_sizes):
        place = (points[:, :2] * np.float32(size) - 0.5).clip(0.0, size - 1.0)
        cell = np.minimum(place.astype(np.int64), size - 2)
        (across, down), (column, row) = (place - cell).T[..., None], cell.T
        texture = state[f"textures.{number}"]
        upper = texture[row, column] * (1.0 - across) + texture[row, column + 1] * across
        lower = texture[row + 1, column] * (1.0 - across) + texture[row + 1, column + 1] * across
        first = config.waves_size + number * config.texture_channels
        encoded[:, first : first + config.texture_channels] = upper * (1.0 - down) + lower * down
    return encoded


def _activations(config: FieldConfig, state: State, encoded: np.ndarray, chosen: np.ndarray) -> list[np.ndarray]:
    """(M, W) of each hidden layer at points (M, position_size) with constants (M, latent_size + pose_size)."""
    x = np.concatenate([encoded, chosen], axis=1).astype(np.float32)
    answer = []
    for index in range(config.depth):
        x = np.maximum(x @ state[f"layers.{index}.weight"].T + state[f"layers.{index}.bias"], 0.0)
        answer.append(x)
    return answer


def _steps(config: FieldConfig, state: State, encoded: np.ndarray, units: Sequence[np.ndarray]) -> list[np.ndarray]:
    """1 / step of the encoded input (1,), of each layer's output (W,), and of the view layer's (V,).

    In int16, all channels of a layer in one step.
    """
    plain = encoded[:, : config.waves_size]
    steps = [np.array([INT16_LIMIT / HEADROOM / max(float(np.abs(plain).max(initial=1.0)), 1.0)], dtype=np.float32)]
    steps += [_wide_steps(x) for x in units]
    # The view directions' share is bounded by the sum of its weights, as sines and cosines are.
    view = state["view.weight"]
    feature = units[-1] @ state["feature.weight"].T + state["feature.bias"]
    spread = np.abs(view[:, config.width :]).sum(axis=1)
    steps.append(_wide_steps(np.maximum(feature @ view[:, : config.width].T + state["view.bias"] + 0.5 * spread, 0.0)))
    return steps


def _wide_steps(x: np.ndarray) -> np.ndarray:
    return np.full(x.shape[1], INT16_LIMIT / HEADROOM / max(float(x.max()), 1e-6), dtype=np.float32)
