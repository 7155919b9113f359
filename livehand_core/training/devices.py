"""Several processes that train one avatar, each on its own device: who computes what, and what they tell each other.

Every process holds the same weights and takes the same steps; it differentiates its share of each step's tiles, and the
gradients are added up over all. The first process leads: it alone reads the clock, heeds orders and writes files.
``torchrun`` starts them (``launch``); one process alone is the same with nobody to talk to. Called by the command and
the trainer.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as distributed
from torch.distributed.rendezvous import rendezvous

from ..errors import DeviceError, LiveHandError, TrainingError

LONGEST_PAUSE = timedelta(days=30)
"""How long the others wait for the leader, which may pause, write or draw a preview between two steps."""

GRACE_SECONDS = 10.0
"""How long a sum may take once the run was asked to end: then one of the others has gone, which NCCL does not tell."""

REPORT_SECONDS = 60.0
"""How long a process that failed waits to be ended by torchrun, once the leader has ended with its message."""

POLL_SECONDS, LOOK_SECONDS = 0.0005, 0.5

Gradients = Sequence[torch.Tensor | None]


class OthersGone(TrainingError):
    """Another process of the run has ended: no step can be taken any more."""


class Devices:
    """This process among those that train together.

    Args:
        device: of this process.
        rank, count: number of this process, from 0, and how many there are.
        cores: of the processor, for this process.

    Attributes:
        stopping: asked while a sum is waited for: whether this process was told to end.
    """

    def __init__(self, device: torch.device, rank: int = 0, count: int = 1, cores: int = 0) -> None:
        self.device, self.rank, self.count = device, rank, count
        self.cores = cores or os.cpu_count() or 1
        self.stopping: Callable[[], bool] = lambda: False
        self._parent = os.getppid()
        self._store: Any = None
        self._control: Any = None

    @property
    def leads(self) -> bool:
        """Whether this process writes the run's files."""
        return self.rank == 0

    def own(self, parts: int) -> range:
        """Which of a step's parts this process computes."""
        return range(self.rank, parts, self.count)

    def block(self, length: int) -> range:
        """Which neighbouring items of ``length`` this process works on, where all are gathered afterwards."""
        return range(self.rank * length // self.count, (self.rank + 1) * length // self.count)

    def total(
        self, parts: Sequence[Gradients], numbers: Sequence[Sequence[float]], parameters: Sequence[torch.Tensor]
    ) -> tuple[list[torch.Tensor | None], list[float]]:
        """Gradients, and numbers for the log, added up over the parts of all processes.

        In double precision, so that the sums do not depend on which process computed which part: Adam makes whole
        steps of the smallest difference where a gradient is nearly zero.

        Args:
            parts: for each part of this process the gradients of the parameters, None where it has none.
            numbers: of each part.

        Returns:
            a gradient for each parameter in its own precision and order in memory, None where no part has one; the
            numbers' sums.

        Raises:
            OthersGone: a process has ended.
        """
        gradients = [_sum(column) for column in zip(*parts, strict=True)]
        sums = [sum(column) for column in zip(*numbers, strict=True)]
        if self.count > 1:
            gradients, sums = self._total(gradients, sums, parameters)
        # In the parameters' order in memory, which Adam's fused loop goes by, whatever the strides say.
        pairs = zip(gradients, parameters, strict=True)
        return [None if value is None else torch.empty_like(like).copy_(value) for value, like in pairs], sums

    def _total(
        self, gradients: Gradients, sums: Sequence[float], parameters: Sequence[torch.Tensor]
    ) -> tuple[list[torch.Tensor | None], list[float]]:
        """Over all processes, in one exchange."""
        given = [float(gradient is not None) for gradient in gradients]
        head = torch.tensor([*sums, *given], dtype=torch.float64, device=self.device)
        pairs = list(zip(gradients, parameters, strict=True))
        flat = [head.new_zeros(value.numel()) if found is None else found.reshape(-1) for found, value in pairs]
        sent = torch.cat([head, *flat])
        self._wait(lambda: distributed.all_reduce(sent, async_op=True))
        found = sent[len(sums) : len(head)].tolist()
        pieces = sent[len(head) :].split([value.numel() for value in parameters])
        answer = [
            piece.view(value.shape) if count else None
            for piece, value, count in zip(pieces, parameters, found, strict=True)
        ]
        return answer, sent[: len(sums)].tolist()

    def agree(self, stop: bool = False, seconds: float = 0.0) -> tuple[bool, float]:
        """The leader's answer to whether to stop, and its seconds, in every process; they wait for it.

        Raises:
            OthersGone: a process has ended.
        """
        if self.count == 1:
            return stop, seconds
        word = torch.tensor([float(stop or os.getppid() != self._parent), seconds], dtype=torch.float64)
        self._broadcast(word, group=self._control)
        return bool(word[0]), float(word[1])

    def same(self, tensors: Sequence[torch.Tensor]) -> None:
        """Give every process the leader's values. Raises OthersGone when a process has ended."""
        if self.count == 1:
            return
        for tensor in tensors:
            data = tensor.detach().contiguous()
            self._broadcast(data)
            tensor.detach().copy_(data)

    def gathered(self, tensors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Each tensor with those of all processes behind each other, along its first axis, by rank.

        Raises:
            OthersGone: a process has ended.
        """
        if self.count == 1:
            return list(tensors)
        parts: list[list[torch.Tensor]] = [[] for _ in tensors]
        for rank in range(self.count):
            length = torch.tensor([len(tensors[0])])
            self._broadcast(length, rank, self._control)
            for part, tensor in zip(parts, tensors, strict=True):
                empty = tensor.new_empty((int(length), *tensor.shape[1:]))
                values = tensor.contiguous() if rank == self.rank else empty
                self._broadcast(values, rank)
                part.append(values)
        return [torch.cat(part) for part in parts]

    def report(self, error: BaseException) -> None:
        """Leave word for the leader why this process cannot go on, and wait to be ended.

        A process that ends by itself would have the others ended before they could say why.
        """
        if isinstance(error, OthersGone):
            return
        text = error.message if isinstance(error, LiveHandError) else f"{type(error).__name__}: {error}"
        with suppress(RuntimeError):
            self._store.set(f"livehand/{self.rank}", text)
        end = time.monotonic() + REPORT_SECONDS
        while time.monotonic() < end and not self.stopping():
            time.sleep(POLL_SECONDS)

    def _broadcast(self, data: torch.Tensor, rank: int = 0, group: Any = None) -> None:
        self._wait(lambda: distributed.broadcast(data, rank, group=group, async_op=True))

    def _wait(self, begin: Callable[[], Any]) -> None:
        """Wait until all processes have done what ``begin`` begins."""
        asked, look = 0.0, time.monotonic() + LOOK_SECONDS
        try:
            work = begin()
            while not work.is_completed():
                time.sleep(POLL_SECONDS)
                if time.monotonic() > look:
                    look = time.monotonic() + LOOK_SECONDS
                    if self._reported():
                        raise RuntimeError("a process has failed")
                if not asked and self.stopping():
                    asked = time.monotonic()
                if asked and time.monotonic() - asked > GRACE_SECONDS:
                    raise RuntimeError("no answer")
            work.wait()
        except RuntimeError as error:
            raise OthersGone(self._why()) from error

    def _reported(self) -> str:
        """What the others have left word of; empty for nothing."""
        for rank in range(1, self.count):
            try:
                if self._store.check([f"livehand/{rank}"]):
                    return str(self._store.get(f"livehand/{rank}").decode())
            except (RuntimeError, ValueError):
                break
        return ""

    def _why(self) -> str:
        return (
            self._reported()
            or f"One of the {self.count} processes that train has ended: it was killed, or had no memory left."
        )


def _sum(parts: Gradients) -> torch.Tensor | None:
    """In double precision; None where there is none."""
    found = [part.double() for part in parts if part is not None]
    return sum(found[1:], found[0]) if found else None


@contextmanager
def joined(name: str) -> Iterator[Devices]:
    """Join the processes that torchrun started with this one.

    Args:
        name: ``"auto"``, ``"cpu"`` or ``"cuda"``: a device each.

    Raises:
        DeviceError: there is no such device, or too few.
    """
    rank, count, local = (int(os.environ[key]) for key in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
    here = int(os.environ.get("LOCAL_WORLD_SIZE", str(count)))
    device = torch.device(device_of(name, here, local))
    cores = max((os.cpu_count() or 1) // here, 1)
    torch.set_num_threads(cores)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    devices = Devices(device, rank, count, cores)
    backend = "nccl" if device.type == "cuda" and distributed.is_nccl_available() else "gloo"
    devices._store, _, _ = next(rendezvous("env://"))
    distributed.init_process_group(backend, store=devices._store, rank=rank, world_size=count)
    devices._control = distributed.new_group(backend="gloo", timeout=LONGEST_PAUSE)
    yield devices
    # Not after an error: the others may be gone, and would be waited for.
    distributed.destroy_process_group()


def device_of(name: str, count: int, number: int = 0) -> str:
    """The device of the ``number``-th of ``count`` processes on this machine, in torch's words.

    Raises:
        DeviceError: there is no such device, or fewer than processes.
    """
    from ..devices import cuda_devices, pick_device

    kind = pick_device(name).partition(":")
    if kind[2]:
        raise DeviceError(f"{name} is one device.", "Give --device cuda for several.")
    if kind[0] == "cuda" and cuda_devices() < count:
        raise DeviceError(
            f"{count} CUDA devices are asked for; this machine has {cuda_devices()}.",
            "Give fewer with --devices, or --device cpu.",
        )
    return f"cuda:{number}" if kind[0] == "cuda" else "cpu"
