"""The board's PDF, written by a process that has OpenCV. No bpy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..environment.lines import run_core

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
    run_core(board.python(), ["footage", "--board", str(board.path), "--paper", board.paper], task)
    return board.path
