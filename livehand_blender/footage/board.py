"""The board's PDF, written by a process that has OpenCV. No bpy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from livehand_core.engine.interpreters import child_environment, core_command
from livehand_core.errors import LiveHandError

from ..environment.lines import failure_line, run_lines

if TYPE_CHECKING:
    from ..background import Task


@dataclass(frozen=True)
class Board:
    """What is written: the file, the paper's name, and what finds the interpreter."""

    path: Path
    paper: str
    python: Callable[[], Path]


def write_board(board: Board, task: Task[Path]) -> Path:
    """Write the PDF; its path. Raises LiveHandError with what the process says."""
    python = board.python()
    words = ["footage", "--board", str(board.path), "--paper", board.paper]
    code, lines = run_lines(core_command(python, words), child_environment(python), None, task.cancelled)
    task.check()
    if code != 0:
        raise LiveHandError(f"{failure_line(lines).removeprefix('livehand: ')}.")
    return board.path
