"""One operation's blocks shared between threads, each computing with one core what stays in its cache."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TypeVar

import torch

Answer = TypeVar("Answer")


def shared(work: Callable[[int, int], Answer]) -> list[Answer]:
    """Answers of ``work(part, parts)`` for every part, computed at once by as many threads as torch has here.

    What a part does may depend on the number of parts, so results repeat to the bit for one number of threads only.
    No gradients are recorded. A thread that torch gives one core to computes its parts itself.
    """
    parts = torch.get_num_threads()
    if parts == 1:
        return [_quietly(work, 0, 1)]
    return list(_pool(parts).map(lambda part: _quietly(work, part, parts), range(parts)))


def _quietly(work: Callable[[int, int], Answer], part: int, parts: int) -> Answer:
    with torch.no_grad():
        return work(part, parts)


@lru_cache(maxsize=1)
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, "training", initializer=torch.set_num_threads, initargs=(1,))
