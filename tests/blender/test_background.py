"""Tasks beside Blender's main thread end however they end, and another of their kind can begin."""

from __future__ import annotations

import pytest

from livehand_core.errors import LiveHandError

pytestmark = pytest.mark.bpy


@pytest.mark.parametrize("kind", [RuntimeError, LiveHandError, KeyError, ReferenceError])
def test_an_exception_when_the_answer_is_taken_ends_the_task_only(addon, kind: type[Exception]) -> None:
    import time

    from livehand_blender import background
    from livehand_blender.background import Task, begin, is_running

    def settle(answer: int) -> None:
        raise kind("the object has gone")

    task = Task("Importing", lambda task: 5, settle)
    begin("test", task)
    deadline = time.monotonic() + 10.0
    while is_running("test"):
        background._poll()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert "the object has gone" in task.error and task.answer == 5
    taken: list[int] = []
    begin("test", Task("Importing", lambda task: 6, taken.append))
    while is_running("test"):
        background._poll()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert taken == [6]
    with pytest.raises(LiveHandError, match="the object has gone"):
        Task("Importing", lambda task: 5, settle).run_here()
