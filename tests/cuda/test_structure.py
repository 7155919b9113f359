"""The frame function holds nothing that a CUDA graph could not: no shape that depends on data, no wait for the host.

Run on the meta device, whose tensors have shapes and no values. An operator whose result's shape depends on values, or
one that reads or copies a value, cannot run there; one that answers in the processor's memory is seen in the list.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from livehand_core.rendering.cuda.capacities import Capacities
from livehand_core.rendering.cuda.frame import Frame
from livehand_core.rendering.cuda.inputs import SHAPES
from tests.core.conftest import tube_hand

from .avatars import VARIANTS, avatar_of


class Seen(TorchDispatchMode):
    """Collects the names of operators, and those that answered with a tensor in the processor's memory."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.on_cpu: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        answer = func(*args, **(kwargs or {}))
        self.names.append(str(func))
        leaves = [leaf for leaf in tree_leaves(answer) if isinstance(leaf, torch.Tensor)]
        if any(leaf.device.type == "cpu" for leaf in leaves):
            self.on_cpu.append(str(func))
        return answer


@pytest.mark.parametrize("perspective", [True, False])
@pytest.mark.parametrize("variant", VARIANTS)
def test_nothing_depends_on_values_and_nothing_leaves_the_device(variant: str, perspective: bool) -> None:
    avatar = avatar_of(variant)
    frame = Frame(avatar, tube_hand(), torch.float16).to("meta")
    architecture = avatar.metadata.architecture
    count = sum(torch.Size(shape).numel() for shape in SHAPES.values())
    count += architecture.field.latent_size + architecture.field.pose_size
    vector = torch.empty(count, dtype=torch.float64, device="meta")
    factor = architecture.super_resolution.factor
    for direct in (True, False):
        room = Capacities(64, 96, 3, perspective, 96, 48, 4096, (64 * factor, 96 * factor, 8192), direct)
        with Seen() as seen:
            outputs = frame(vector, room)
        assert seen.on_cpu == []
        assert len(seen.names) > 200
        assert {value.device.type for value in outputs} == {"meta"}
        assert outputs.picture.shape == (64 * factor, 96 * factor, 5 if direct else 6)


def test_the_proof_sees_what_a_graph_cannot_hold() -> None:
    values = torch.empty(4, device="meta")
    for forbidden in (torch.nonzero, torch.Tensor.item, torch.Tensor.cpu, lambda x: x[x > 0.0]):
        with pytest.raises((RuntimeError, NotImplementedError)):
            forbidden(values[:1])
    with Seen() as seen:
        torch.zeros(2)
    assert seen.on_cpu == ["aten.zeros.default"]
