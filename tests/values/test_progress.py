"""What people and programs are told of long work."""

from __future__ import annotations

import io
import json

import pytest

from livehand_core import progress
from livehand_core.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_a_terminal_has_one_line_that_ends_at_the_end(clock: list[float]) -> None:
    stream = Terminal()
    tell = Progress("frames", stream=stream)
    for done in range(5):
        tell(done, 4)
        # Loading takes long, a frame two seconds.
        clock[0] += 60.0 if done == 0 else 2.0
    lines = stream.getvalue().split("\r")[1:]
    assert lines[0].startswith("0 of 4 frames\x1b") and lines[1].startswith("1 of 4 frames\x1b")
    assert lines[2].startswith("2 of 4 frames, 2.00 s each, 4 s left")
    assert lines[4] == "4 of 4 frames, 1 min\x1b[K\n" and stream.getvalue().count("\n") == 1
    tell.close()
    assert stream.getvalue().count("\n") == 1


def test_what_nobody_knows_the_end_of_is_counted(clock: list[float]) -> None:
    stream = Terminal()
    tell = Progress("instants", stream=stream)
    for done in range(1, 4):
        tell(done, 0, "reading")
        clock[0] += 5.0
    tell(0, 3, "preparing")
    lines = stream.getvalue().split("\r")[1:]
    assert lines[2] == "reading: 3 instants\x1b[K" and lines[3] == "preparing: 0 of 3 instants\x1b[K"


def test_an_unfinished_line_is_closed_once(clock: list[float]) -> None:
    stream = Terminal()
    tell = Progress("frames", stream=stream)
    tell(1, 4)
    tell.close()
    tell.close()
    assert stream.getvalue().endswith("\n") and stream.getvalue().count("\n") == 1


def test_a_line_that_another_has_written_over_is_not_ended_twice(clock: list[float]) -> None:
    """As when the kernels are compiled while frames are rendered: no empty line is left between."""
    stream = Terminal()
    frames, parts = Progress("frames", stream=stream), Progress("parts", stream=stream)
    frames(0, 2)
    parts(1, 36, "compiling")
    frames(2, 2)
    parts.close()
    assert stream.getvalue().count("\n") == 1
    clock[0] += 1.0
    parts(2, 36, "compiling")
    frames.close()
    parts.close()
    assert stream.getvalue().count("\n") == 2


def test_a_log_gets_a_line_now_and_then(clock: list[float]) -> None:
    stream = io.StringIO()
    tell = Progress("frames", stream=stream)
    for done in range(101):
        tell(done, 100)
        clock[0] += 1.0
    lines = stream.getvalue().splitlines()
    assert len(lines) == 11 and lines[0] == "0 of 100 frames" and lines[-1].startswith("100 of 100")
    assert "\r" not in stream.getvalue()


def test_a_new_part_begins_anew_and_programs_read_it(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    tell = Progress("steps", machine=True)
    for text in ("density", "colours"):
        tell(0, 2, text)
        tell(1, 2, text)
        tell(2, 2, text)
    steps = [json.loads(line.removeprefix("LIVEHAND ")) for line in capsys.readouterr().out.splitlines()]
    # The middle ones come too soon after the first.
    assert [(step["text"], step["done"]) for step in steps] == [
        ("density", 0), ("density", 2), ("colours", 0), ("colours", 2),
    ]  # fmt: skip
