"""Units of hidden layers in an order in which neighbours are zero together, for kernels that leave out zeros by twos.

The order of a layer's units means nothing to a network, so this changes no picture. An instruction multiplies two
neighbouring int16 activations; it is left out where both are zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from ....networks.config import FieldConfig


def paired(active: np.ndarray) -> np.ndarray:
    """(W,) order of units in which the twos at (0, 1), (2, 3) ... are seldom active, each taking the best partner left.

    Args:
        active: (N, W) bool, whether units are not zero at some points.
    """
    samples = active.astype(np.float32)
    alone = samples.mean(axis=0)
    either = alone[:, None] + alone - samples.T @ samples / max(len(samples), 1)
    left, order = np.argsort(-alone, kind="stable").tolist(), []
    while left:
        first = left.pop(0)
        order.append(first)
        if left:
            # What the partner adds to the two, less what it would cost by itself.
            partner = min(left, key=lambda unit: either[first, unit] - alone[unit])
            left.remove(partner)
            order.append(partner)
    return np.array(order)


def reordered(
    config: FieldConfig, state: Mapping[str, np.ndarray], orders: Iterable[np.ndarray]
) -> dict[str, np.ndarray]:
    """The field's arrays with the units of each hidden layer in another order; the field is the same function.

    Args:
        config: without a skip connection, which five layers or fewer do not have.
        state: by the names of ``RadianceField.state_dict``.
        orders: (W,) of each layer.
    """
    answer = dict(state)
    for layer, order in enumerate(orders):
        for name in (f"layers.{layer}.weight", f"layers.{layer}.bias"):
            answer[name] = answer[name][order]
        following = [f"layers.{layer + 1}.weight"] if layer + 1 < config.depth else ["density.weight", "feature.weight"]
        for name in following:
            answer[name] = answer[name][:, order]
    return answer
