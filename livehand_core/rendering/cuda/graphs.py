"""Running a frame's function: eagerly, or captured once a set of capacities in a CUDA graph and replayed."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

import numpy as np
import torch

from .capacities import Capacities
from .frame import Frame, FrameOutputs

GRAPHS = 12
"""Graphs that are kept; the one that was used longest ago makes room."""

WARM_UPS = 2
"""Runs before a capture, in which libraries choose their algorithms and take their work space."""


class _Captured(NamedTuple):
    graph: torch.cuda.CUDAGraph
    outputs: FrameOutputs


class FrameRunner:
    """One upload, one run, one download a frame.

    Args:
        frame: the function, moved to the device here.
        device: any; only CUDA has graphs.
        graphs: False runs eagerly on CUDA, too.
    """

    def __init__(self, frame: Frame, device: torch.device, graphs: bool = True) -> None:
        self.frame = frame.to(device)
        self.device = device
        self._on_cuda = device.type == "cuda"
        self._graphs = graphs and self._on_cuda
        self._captured: OrderedDict[Capacities, _Captured] = OrderedDict()
        self._vector: torch.Tensor | None = None
        self._outgoing, self._incoming = torch.empty(0, dtype=torch.float64), torch.empty(0)

    def run(self, inputs: np.ndarray, room: Capacities) -> FrameOutputs:
        """Upload the inputs and start the frame. The answer is overwritten by the next run; nothing is waited for."""
        vector = self._upload(inputs)
        if not self._graphs:
            return self.frame(vector, room)
        known = self._captured.get(room)
        if known is None:
            known = self._captured[room] = self._capture(vector, room)
            while len(self._captured) > GRAPHS:
                self._captured.popitem(last=False)
        self._captured.move_to_end(room)
        known.graph.replay()
        return known.outputs

    def download(self, parts: list[torch.Tensor]) -> list[np.ndarray]:
        """Float32 or int64 tensors as float32 or int32 arrays, in one copy: the frame's only wait for the device."""
        flat = torch.cat([_as_float(part).reshape(-1) for part in parts])
        if self._on_cuda:
            if len(self._incoming) < len(flat):
                self._incoming = torch.empty(len(flat) * 5 // 4, pin_memory=True)
            self._incoming[: len(flat)].copy_(flat, non_blocking=True)
            torch.cuda.current_stream(self.device).synchronize()
            flat = self._incoming[: len(flat)].clone()
        answers, start = [], 0
        for part in parts:
            values = flat[start : start + part.numel()].view(part.shape).numpy()
            answers.append(values if part.is_floating_point() else values.view(np.int32))
            start += part.numel()
        return answers

    def _upload(self, inputs: np.ndarray) -> torch.Tensor:
        if not self._on_cuda:
            return torch.from_numpy(inputs).to(self.device)
        if self._vector is None:
            # The one that is asked for last: memory may end between the two.
            self._outgoing = torch.empty(len(inputs), dtype=torch.float64, pin_memory=True)
            self._vector = torch.empty(len(inputs), dtype=torch.float64, device=self.device)
        # The last frame's download has waited for the last upload: the buffer is free.
        self._outgoing.numpy()[:] = inputs
        self._vector.copy_(self._outgoing, non_blocking=True)
        return self._vector

    def _capture(self, vector: torch.Tensor, room: Capacities) -> _Captured:
        stream = torch.cuda.Stream(self.device)
        stream.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(stream):
            for _ in range(WARM_UPS):
                self.frame(vector, room)
        torch.cuda.current_stream(self.device).wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        # One pool for all: graphs run one after the other, and an answer is downloaded before the next run.
        pool = next(iter(self._captured.values())).graph.pool() if self._captured else None
        with torch.cuda.graph(graph, pool=pool, stream=stream):
            outputs = self.frame(vector, room)
        return _Captured(graph, outputs)


def _as_float(part: torch.Tensor) -> torch.Tensor:
    """Counts keep their bits, as int32, in a float32 tensor."""
    return part if part.is_floating_point() else part.to(torch.int32).view(torch.float32)
