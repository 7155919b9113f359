"""Threads that share the work of a frame or of a training step. The kernels, and torch, run without the interpreter's
lock."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from itertools import pairwise
from typing import TypeVar

import numpy as np

Answer = TypeVar("Answer")

PARTS = 4
"""The largest part of a job is this share of a thread's: a cancelled job ends soon."""

TAIL = 2
"""Parts become smaller towards a job's end, this share of what is left for each thread, so that all end together."""


class Workers:
    """A pool of threads that work beside the caller's; a pool of one is the caller's alone.

    Args:
        threads: number, the caller's included, or None for the processors this process may use.
        begin: called once in each started thread, before its first work. In :meth:`each` the caller's thread, which has
            not begun like that, then only waits, and one thread more is started.

    Attributes:
        threads: how many work at once.
    """

    def __init__(self, threads: int | None = None, begin: Callable[[], object] | None = None) -> None:
        self.threads = threads or available_processors()
        started = self.threads - 1 if begin is None else self.threads
        self._pool = ThreadPoolExecutor(started, "livehand", begin) if self.threads > 1 else None
        self._waits = begin is not None
        self._check: Callable[[], None] = _nothing

    @contextmanager
    def checked(self, check: Callable[[], None]) -> Iterator[None]:
        """Within, ``check`` is called between the parts of jobs, and raises to stop; afterwards no more."""
        before, self._check = self._check, check
        try:
            yield
        finally:
            self._check = before

    def parallel_for(self, count: int, work: Callable[[int, int], object], smallest: int = 48) -> None:
        """work(start, stop) over [0, count) in parts, all but the last one of a multiple of ``smallest``.

        Raises:
            RenderCancelled: the check of :meth:`checked` raised it; parts that have begun end first.
        """
        most = -(-count // (self.threads * PARTS))
        parts, start = [], 0
        while start < count:
            size = min(most, (count - start) // (self.threads * TAIL))
            stop = min(start + max(-(-size // smallest), 1) * smallest, count)
            parts.append((start, stop))
            start = stop
        self._run(parts, work)

    def parallel_rows(self, weights: np.ndarray, work: Callable[[int, int], object]) -> None:
        """work(first, last) over rows, cut so that each thread gets about the same sum of weights.

        Raises:
            RenderCancelled: as in :meth:`parallel_for`.
        """
        total = np.cumsum(weights)
        if not total[-1]:
            return
        rows = np.flatnonzero(weights)
        marks = np.linspace(0.0, float(total[-1]), self.threads * 2 + 1)[1:-1]
        cuts = [int(rows[0]), *np.searchsorted(total, marks).tolist(), int(rows[-1]) + 1]
        self._run([(first, last) for first, last in pairwise(cuts) if last > first], work)

    def aside(self, work: Callable[[], Answer]) -> Callable[[], Answer]:
        """Begin ``work`` on another thread; the answer's function waits for it, or does what no thread has begun."""
        if self._pool is None:
            return cache(work)
        begun = self._pool.submit(work)
        return cache(lambda: work() if begun.cancel() else begun.result())

    def each(self, work: Callable[[int, int], Answer]) -> list[Answer]:
        """Answers of ``work(part, parts)`` for every part, one a thread."""
        if self._pool is None:
            return [work(0, 1)]
        given = self.threads if self._waits else self.threads - 1
        others = [self._pool.submit(work, part, self.threads) for part in range(given)]
        own = [work(part, self.threads) for part in range(given, self.threads)]
        return [other.result() for other in others] + own

    def _run(self, parts: list[tuple[int, int]], work: Callable[[int, int], object]) -> None:
        self._check()
        remaining = iter(parts)

        def drain() -> None:
            # next() on a list's iterator is atomic: the threads take parts as they become free.
            for start, stop in remaining:
                work(start, stop)
                self._check()

        if self._pool is None or len(parts) < 2:
            drain()
            return
        others = [self._pool.submit(drain) for _ in range(min(self.threads, len(parts)) - 1)]
        try:
            drain()
        finally:
            # A thread that is still at other work would find nothing left to do.
            begun = [other for other in others if not other.cancel()]
            for other in begun:
                other.exception()
        for other in begun:
            other.result()


def _nothing() -> None:
    """No check."""


def available_processors() -> int:
    """Processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
