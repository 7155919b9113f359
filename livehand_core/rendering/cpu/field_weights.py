"""A radiance field's weights in the form that the kernels read: reordered, folded, packed, and where wanted integer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...kernels.dot import LANES, PANELS, pack, padded
from ...kernels.field import FieldWeights, view_terms
from ...kernels.rays import Rays
from ...kernels.rows import INT16_LIMIT
from ...networks.config import FieldConfig
from .workers import Workers

State = Mapping[str, np.ndarray]
COLUMNS = LANES * PANELS

HEADROOM = 2.0
"""How far activations may exceed the largest one seen in calibration before int16 cuts them."""

SUM_LIMIT = 2.0**31 * 0.98
"""What a sum of products may reach in int32."""

CALIBRATION_POINTS = 2048


def wave_table(config: FieldConfig) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scales (P,) and begins (C + 1,) of the encoding's waves, and the published column of each of our columns.

    Ours are all sines, all cosines, the coordinates; each axis by axis. Published: coordinates, then sines and cosines
    by frequency (:func:`livehand_core.networks.encoding.encode`), position before normal.
    """
    counts = [config.position_frequencies] * 3
    if config.normal_frequencies:
        counts += [config.normal_frequencies] * 3
    scales, sines, cosines, plain, first = [], [], [], [], 0
    for axis, count in enumerate(counts):
        if axis == 3:
            first = 3 * (1 + 2 * config.position_frequencies)
        scales += [2.0**k for k in range(count)]
        sines += [first + 3 + 6 * k + axis % 3 for k in range(count)]
        cosines += [first + 6 + 6 * k + axis % 3 for k in range(count)]
        plain.append(first + axis % 3)
    begins = np.concatenate([[0], np.cumsum(counts)])
    return np.array(scales, np.float32), begins.astype(np.int64), np.array(sines + cosines + plain)


def _wave_factors(scales: np.ndarray, begins: np.ndarray, coordinate_scale: np.ndarray) -> np.ndarray:
    """(C, P) what each coordinate contributes to each wave's angle, P a multiple of 16."""
    table = np.zeros((len(coordinate_scale), -(-len(scales) // LANES) * LANES), dtype=np.float32)
    for axis, factor in enumerate(coordinate_scale):
        waves = slice(begins[axis], begins[axis + 1])
        table[axis, waves] = scales[waves] * factor
    return table


def whole_blocks(size: int) -> int:
    """Outputs rounded up to whole blocks of the kernels' columns."""
    return -(-size // COLUMNS) * COLUMNS


def fill_up(values: np.ndarray, size: int) -> np.ndarray:
    """Zeros behind the last axis, up to ``size``."""
    answer = np.zeros((*values.shape[:-1], size), dtype=np.float32)
    answer[..., : values.shape[-1]] = values
    return answer


@dataclass(frozen=True)
class PreparedField:
    """Ready weights and what they need once a frame and once a ray.

    Attributes:
        weights: for :func:`livehand_core.kernels.field.march`.
        config: sizes.
        state: the field's float32 arrays.
        steps: (depth + 2,) 1 / step of the encoded input, of each layer's output, of the view layer's.
        view_weights, view_bias: (3 + 6 L, V) and (V,) of the encoded view direction, in the view layer's steps.
    """

    weights: FieldWeights
    config: FieldConfig
    state: State
    steps: np.ndarray
    view_weights: np.ndarray
    view_bias: np.ndarray

    def first_bias(self, pose: np.ndarray, latent: np.ndarray | None) -> np.ndarray:
        """(W,) bias of the first layer with a frame's constants, float32."""
        bias = constant_bias(self.config, self.state, pose, latent)
        return fill_up(bias * self.steps[1], self.weights.first_gain.shape[0])

    def view_terms(self, rays: Rays, workers: Workers) -> np.ndarray:
        """(R, V) what the view layer adds for each ray, float32."""
        terms = np.empty((len(rays.directions), len(self.view_bias)), dtype=np.float32)
        frequencies = self.config.view_frequencies
        workers.spread(
            len(terms),
            lambda start, stop: view_terms(
                rays.directions, rays.lengths, frequencies, self.view_weights, self.view_bias, terms, start, stop
            ),
        )
        return terms


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
    config: FieldConfig, state: State, dtype: np.dtype[Any] | type, constants: np.ndarray, reach: float
) -> PreparedField:
    """Pack a field.

    Args:
        config: sizes; at most five layers (no skip connection), (u, v, d) coordinates.
        state: float32 arrays by the names of ``RadianceField.state_dict``.
        dtype: of the activations: float32, or int16, for which steps are found from random points of the texture cube.
        constants: (N, latent_size + pose_size) typical poses (and identities), for the calibration.
        reach: how far from the surface samples lie, metres, for the calibration.
    """
    dtype = np.dtype(dtype)
    integer = dtype != np.float32
    scales, begins, order = wave_table(config)
    axes = len(begins) - 1
    inputs = padded(len(order), dtype)
    width, view_width = whole_blocks(config.width), whole_blocks(config.view_width)
    folded = state["view.weight"][:, : config.width] @ state["feature.weight"]
    hidden = [state[f"layers.{index}.weight"] for index in range(1, config.depth)]
    coordinate_scale = np.ones(axes, dtype=np.float32)
    coordinate_scale[2] = config.distance_scale
    tops = _largest(config, state, order, scales, begins, constants, reach, folded) if integer else None
    limit = INT16_LIMIT / HEADROOM
    steps = np.ones(config.depth + 2, dtype=np.float32) if tops is None else (limit / tops).astype(np.float32)

    def layer(weight: np.ndarray, row: int, step: float, out: float) -> tuple[np.ndarray, np.ndarray]:
        """Packed weights for inputs of ``row`` values, and one unit of their sums in steps of the output."""
        gain = np.ones(len(weight), dtype=np.float32)
        if integer:
            most = np.maximum(
                np.abs(weight).max(axis=1) / 32767.0, np.abs(weight).sum(axis=1) * INT16_LIMIT / SUM_LIMIT
            )
            unit = np.maximum(most, 1e-12)
            weight, gain = np.rint(weight / unit[:, None]), (unit * out / step).astype(np.float32)
        return pack(fill_up(weight, row)[:, None], dtype), fill_up(gain, whole_blocks(len(weight)))

    first, first_gain = layer(state["layers.0.weight"][:, order], inputs, steps[0], steps[1])
    layers = [layer(weight, width, steps[index + 1], steps[index + 2]) for index, weight in enumerate(hidden)]
    view, view_gain = layer(folded, width, steps[config.depth], steps[-1])
    colour, colour_gain = layer(state["colour.weight"], view_width, steps[-1], 1.0)
    weights = FieldWeights(
        wave_table=_wave_factors(scales, begins, coordinate_scale),
        waves=len(scales),
        input_steps=np.append(coordinate_scale, 1.0).astype(np.float32) * steps[0],
        input_like=np.zeros(inputs, dtype=dtype),
        sum_like=np.zeros(0, dtype=np.int32 if integer else np.float32),
        first=first,
        first_gain=first_gain,
        hidden=np.stack([packed for packed, _ in layers]) if layers else np.zeros((0, *first.shape), first.dtype),
        hidden_gain=np.stack([gain for _, gain in layers]) if layers else np.zeros((0, width), np.float32),
        hidden_bias=fill_up(np.stack([state[f"layers.{i}.bias"] * steps[i + 1] for i in range(1, config.depth)]), width)
        if layers
        else np.zeros((0, width), np.float32),
        density=fill_up(state["density.weight"][0] * config.density_scale / steps[config.depth], width),
        density_bias=np.float32(state["density.bias"][0] * config.density_scale),
        view_layer=view,
        view_gain=view_gain,
        colour_layer=colour,
        colour_gain=colour_gain,
        colour_bias=fill_up(state["colour.bias"], whole_blocks(config.feature_channels)),
    )
    view, split = state["view.weight"] * steps[-1], config.width
    view_bias = view[:, :split] @ state["feature.bias"] + state["view.bias"] * steps[-1]
    view_weights = np.ascontiguousarray(fill_up(view[:, split:].T, view_width))
    return PreparedField(weights, config, state, steps, view_weights, fill_up(view_bias, view_width))


def _largest(
    config: FieldConfig,
    state: State,
    order: np.ndarray,
    scales: np.ndarray,
    begins: np.ndarray,
    constants: np.ndarray,
    reach: float,
    folded: np.ndarray,
) -> np.ndarray:
    """(depth + 2,) largest value at each point of the network where activations are stored, over random points."""
    rng = np.random.default_rng(0)
    axes = len(begins) - 1
    points = rng.random((CALIBRATION_POINTS, axes), dtype=np.float32)
    points[:, 2] = rng.uniform(-reach, reach, CALIBRATION_POINTS) * config.distance_scale
    if axes > 3:
        normals = rng.standard_normal((CALIBRATION_POINTS, 3))
        points[:, 3:] = normals / np.linalg.norm(normals, axis=1, keepdims=True)
    angles = np.repeat(points, np.diff(begins), axis=1) * scales
    encoded = np.concatenate([np.sin(angles), np.cos(angles), points], axis=1)
    chosen = constants[rng.integers(0, len(constants), CALIBRATION_POINTS)]
    weight = state["layers.0.weight"]
    x = encoded @ weight[:, order].T + chosen @ weight[:, config.position_size :].T + state["layers.0.bias"]
    tops = [max(float(np.abs(points).max()), 1.0)]
    for index in range(1, config.depth + 1):
        x = np.maximum(x, 0.0)
        tops.append(float(x.max()))
        if index < config.depth:
            x = x @ state[f"layers.{index}.weight"].T + state[f"layers.{index}.bias"]
    # The view directions' share is bounded by the sum of its weights, as sines and cosines are.
    view = state["view.weight"]
    bias = view[:, : config.width] @ state["feature.bias"] + state["view.bias"]
    spread = np.abs(view[:, config.width :]).sum(axis=1)
    tops.append(float(np.maximum(x @ folded.T + bias + 0.5 * spread, 0.0).max()))
    return np.maximum(np.array(tops), 1e-6)
