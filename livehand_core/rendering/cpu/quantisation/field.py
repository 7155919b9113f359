"""How a radiance field's activations are stored: type, scales, and the order of its units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ....avatars.arrays import AvatarArrays
from ....kernels.mesh.skinning import PosedHandModel
from ....kernels.products.packing import padded, row_size
from ....kernels.simd.memory import INT16_LIMIT
from ....networks.config import FieldConfig
from ..encoding import Angles
from ..identity_states import State, identity_states
from .calibration import typical_constants, typical_points
from .packing import multiplied
from .unit_order import paired

HEADROOM = 2.0
"""How far activations may exceed the largest one seen in calibration before int16 cuts them."""


@dataclass(frozen=True)
class FieldArithmetic:
    """What is stored for a value: value times scale, rounded where the type is one of integers.

    Attributes:
        dtype: of activations.
        scales: of the encoded input (1,), of each hidden layer's output (W,), of the view layer's (V,); 1 in float32.
        orders: (depth, W) how the units of each hidden layer are ordered; (0, W) in float32, as they are.
    """

    dtype: np.dtype[Any]
    scales: Sequence[np.ndarray]
    orders: np.ndarray

    @classmethod
    def exact(cls, config: FieldConfig) -> FieldArithmetic:
        """float32."""
        one = np.ones(1, dtype=np.float32)
        return cls(np.dtype(np.float32), [one] * (config.depth + 2), np.zeros((0, config.width), np.int64))

    @classmethod
    def found(
        cls, config: FieldConfig, states: Sequence[State], constants: np.ndarray, points: np.ndarray
    ) -> FieldArithmetic:
        """int16, with scales and orders that suit typical inputs.

        Args:
            config: sizes; at most five layers (no skip connection), (u, v, d) coordinates.
            states: of each identity, float32 arrays by the names of ``RadianceField.state_dict``.
            constants: (N, latent_size + pose_size) typical poses and identities, those of the identities in turn.
            points: (M, 3 or 6) typical u, v, d and normal; each is seen with one of the constants.
        """
        encoded, chosen = [], []
        for number, state in enumerate(states):
            some, own = points[number :: len(states)], constants[number :: len(states)]
            encoded.append(_encoded(config, state, some))
            chosen.append(own[np.random.default_rng(0).integers(0, len(own), len(some))])
        inputs = np.concatenate(encoded)
        units = _activations(config, states[0], inputs, np.concatenate(chosen))
        orders = np.stack([paired(layer > 0.0) for layer in units])
        return cls(np.dtype(np.int16), _scales(config, states[0], inputs, units), orders)

    @property
    def integer(self) -> bool:
        """Whether the type is one of integers."""
        return self.dtype != np.float32

    @property
    def name(self) -> str:
        """Of the type that the field is multiplied in."""
        return self.dtype.name

    def row_length(self, inputs: int, encoded: bool = False) -> int:
        """Of a row of activations, or of encoded inputs."""
        return padded(inputs, self.dtype) if encoded else row_size(inputs, self.dtype)

    def weights(self, weight: np.ndarray, point: int) -> tuple[np.ndarray, np.ndarray]:
        """(outputs, inputs) weights for what is stored at a point of the network, and one unit of their sums: see
        :func:`packing.multiplied`."""
        return multiplied(weight / self.scales[point], self.dtype)

    def texture_ranges(self, config: FieldConfig, states: Sequence[State]) -> np.ndarray:
        """(T,) what texels are divided by: each texture's largest value where integers hold them, else 1.

        That of a blend of identities is no larger than the largest of theirs.
        """
        names = [f"textures.{number}" for number in range(len(config.texture_sizes))]
        if not self.integer:
            return np.ones(len(names), dtype=np.float32)
        most = [max(float(np.abs(state[name]).max()) for state in states) for name in names]
        return np.maximum(np.array(most, dtype=np.float32), np.float32(1e-6))

    def arrays(self) -> dict[str, np.ndarray]:
        """To be kept; nothing of float32."""
        if not self.integer:
            return {}
        return {f"scales{point}": scales for point, scales in enumerate(self.scales)} | {"orders": self.orders}

    @classmethod
    def of_arrays(cls, kept: Mapping[str, np.ndarray], config: FieldConfig, integer: bool) -> FieldArithmetic | None:
        """What :meth:`arrays` gave; None where it does not fit.

        Raises:
            KeyError: something is missing.
        """
        if not integer:
            return cls.exact(config)
        found = cls(np.dtype(np.int16), [kept[f"scales{point}"] for point in range(config.depth + 2)], kept["orders"])
        sizes = [1, *[config.width] * config.depth, config.view_width]
        fits = [scales.shape for scales in found.scales] == [(size,) for size in sizes]
        fits = fits and all(np.isfinite(scales).all() and scales.min() > 0.0 for scales in found.scales)
        units = np.tile(np.arange(config.width), (config.depth, 1))
        fits = fits and found.orders.dtype.kind == "i" and np.array_equal(np.sort(found.orders, axis=-1), units)
        return found if fits else None


def field_arithmetic(avatar: AvatarArrays, model: PosedHandModel, integer: bool) -> FieldArithmetic:
    """An avatar's: float32, or integers calibrated on typical poses of its hand."""
    config, metadata = avatar.metadata.architecture.field, avatar.metadata
    if not integer:
        return FieldArithmetic.exact(config)
    points = typical_points(metadata, model, metadata.depth_margin + metadata.lateral_margin)
    states = identity_states(config, avatar.part("field."), avatar.identity_textures)
    return FieldArithmetic.found(config, states, typical_constants(metadata, avatar.latent), points)


def _encoded(config: FieldConfig, state: State, points: np.ndarray) -> np.ndarray:
    """(M, position_size) the first layer's input in the order that was published."""
    angles = Angles.of_position(config)
    scale = angles.coordinate_scale(config)
    plain = points[:, : len(scale)] * scale
    turned = plain[:, angles.axes] * angles.frequencies
    encoded = np.empty((len(points), config.position_size), dtype=np.float32)
    encoded[:, angles.columns] = np.concatenate([np.sin(turned), np.cos(turned), plain], axis=1)
    for number, size in enumerate(config.texture_sizes):
        place = (points[:, :2] * np.float32(size) - 0.5).clip(0.0, size - 1.0)
        cell = np.minimum(place.astype(np.int64), size - 2)
        (across, down), (column, row) = (place - cell).T[..., None], cell.T
        texture = state[f"textures.{number}"]
        upper = texture[row, column] * (1.0 - across) + texture[row, column + 1] * across
        lower = texture[row + 1, column] * (1.0 - across) + texture[row + 1, column + 1] * across
        first = config.encodings_size + number * config.texture_channels
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


def _scales(config: FieldConfig, state: State, encoded: np.ndarray, units: Sequence[np.ndarray]) -> list[np.ndarray]:
    """``FieldArithmetic.scales`` in int16, all channels of a layer in one scale."""
    plain = encoded[:, : config.encodings_size]
    largest = max(float(np.abs(plain).max(initial=1.0)), 1.0)
    scales = [np.array([INT16_LIMIT / HEADROOM / largest], dtype=np.float32)]
    scales += [_wide(x) for x in units]
    # The view directions' share is bounded by the sum of its weights, as sines and cosines are.
    view = state["view.weight"]
    feature = units[-1] @ state["feature.weight"].T + state["feature.bias"]
    share = np.abs(view[:, config.width :]).sum(axis=1)
    scales.append(_wide(np.maximum(feature @ view[:, : config.width].T + state["view.bias"] + 0.5 * share, 0.0)))
    return scales


def _wide(x: np.ndarray) -> np.ndarray:
    return np.full(x.shape[1], INT16_LIMIT / HEADROOM / max(float(x.max()), 1e-6), dtype=np.float32)
