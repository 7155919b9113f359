"""One operation's blocks shared between threads, each computing with one core what stays in its cache."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import TypeVar

import torch

from ..workers import Workers

Answer = TypeVar("Answer")


def shared(work: Callable[[int, int], Answer]) -> list[Answer]:
    """Answers of ``work(part, parts)`` for every part, computed at once by as many threads as torch has here.

    What a part does may depend on the number of parts, so results repeat to the bit for one number of threads only.
    No gradients are recorded. A thread that torch gives one core to computes its parts itself.
    """
    return _workers(torch.get_num_threads()).each(torch.no_grad()(work))


@lru_cache(maxsize=1)
def _workers(threads: int) -> Workers:
    return Workers(threads, partial(torch.set_num_threads, 1))
