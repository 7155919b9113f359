"""Parts of a job: each item once, whole blocks, small ones last, stopped when somebody asks."""

from __future__ import annotations

import threading

import pytest

from livehand_core.errors import RenderCancelled
from livehand_core.workers import PARTS, Workers


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize(
    ("count", "smallest"), [(0, 48), (1, 48), (48, 48), (49, 48), (8424, 192), (100_003, 48), (7, 1)]
)
def test_every_item_is_in_one_part(threads: int, count: int, smallest: int) -> None:
    parts: list[tuple[int, int]] = []
    Workers(threads).parallel_for(count, lambda start, stop: parts.append((start, stop)), smallest)
    parts.sort()
    assert [start for start, _ in parts] == [0, *(stop for _, stop in parts)][: len(parts)]
    assert sum(stop - start for start, stop in parts) == count
    sizes = [stop - start for start, stop in parts]
    assert all(size % smallest == 0 for size in sizes[:-1])
    assert sizes == sorted(sizes, reverse=True)
    # A job that is cancelled ends soon, and the last parts keep nobody waiting.
    assert max(sizes, default=0) <= count / (threads * PARTS) + smallest
    assert not sizes or sizes[-1] <= smallest


def test_no_part_begins_once_a_job_is_cancelled() -> None:
    workers, begun = Workers(2), []

    def check() -> None:
        if begun:
            raise RenderCancelled("Enough.")

    with pytest.raises(RenderCancelled), workers.checked(check):
        workers.parallel_for(100_000, lambda start, stop: begun.append(start))
    assert 1 <= len(begun) <= 2
    workers.parallel_for(100_000, lambda start, stop: begun.append(start))
    assert len(begun) > 4, "what is done afterwards is nobody's job that was cancelled"


@pytest.mark.parametrize("threads", [1, 2])
def test_what_is_done_aside_is_done_once(threads: int) -> None:
    done: list[int] = []
    answer = Workers(threads).aside(lambda: done.append(threading.get_ident()) or len(done))
    assert answer() == answer() == 1
    assert (done[0] == threading.get_ident()) == (threads == 1)
