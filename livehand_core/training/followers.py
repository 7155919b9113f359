"""What the processes beside the leader of a run have in place of its files: they tell nothing and are told nothing.

Called by the command. Where the leader died without a word, one of them keeps what was learnt.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import TrainingError
from .control import locked, read_status, write_status
from .journal import Journal


class QuietJournal(Journal):
    """A Journal that writes nothing."""

    def __init__(self) -> None:
        self.on_numbers = lambda kind, step, values: None

    def say(self, line: str) -> None:
        """Nothing."""

    def numbers(self, kind: str, step: int, values: dict[str, float]) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class QuietMonitor:
    """A Monitor of a run that another process leads."""

    def watch(self, trainer: object) -> None:
        """Nothing."""

    def tell(self, **changes: Any) -> None:
        """Nothing."""

    def stop_asked(self) -> bool:
        """The leader decides."""
        return False

    def point(self) -> None:
        """Nothing."""


class QuietSession:
    """A Session that writes nothing."""

    def after_step(self) -> None:
        """Nothing."""

    def checkpoint(self) -> None:
        """Nothing."""

    def finish(self) -> None:
        """Nothing."""


def keep_for_the_leader(run: Path, step: int, save: Callable[[], None], error: TrainingError) -> None:
    """Write the checkpoint of a run whose leader has gone without a word, and say so; else nothing."""
    with ExitStack() as held:
        try:
            held.enter_context(locked(run))
        except TrainingError:
            # It lives, and has its own say.
            return
        status = read_status(run)
        if not status.alive:
            return
        save()
        told = TrainingError(error.message, f"All up to step {step} is kept: resume the run in {run}.")
        write_status(run, replace(status, state="failed", message=str(told)))
    print(f"livehand: {told}", file=sys.stderr)
