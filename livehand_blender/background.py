"""Work beside Blender's main thread: tasks on threads, and the operator that shows one while it runs.

A task knows nothing of bpy. The window stays usable: a timer takes the answer, ESC cancels, panels show the progress.
From a script the same work is done at once. Called by avatars, capture and environment.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from typing import Any, ClassVar, Generic, TypeVar

import bpy

from livehand_core.errors import LiveHandError
from livehand_core.progress import duration

from .registration import classes, leaving, registration, timer

POLL_SECONDS = 0.1

T = TypeVar("T")


class TaskCancelled(LiveHandError):
    """The user cancelled a task."""


class Task(Generic[T]):
    """One piece of work that may take long.

    Args:
        label: what is done, for people.
        work: does it; it calls :meth:`tell` with its progress and :meth:`check` often.
        settle: called on the main thread with the answer; what it raises counts as the work's failure.

    Attributes:
        progress: part that is done, 0 to 1.
        text: what is being done.
        error: one line why it failed, empty when it did not.
        settled: whether it is over and its answer was taken.
        answer: of ``work``.
    """

    def __init__(
        self, label: str, work: Callable[[Task[T]], T], settle: Callable[[T], None] = lambda answer: None
    ) -> None:
        self.label, self.progress, self.text, self.error, self.settled = label, 0.0, "", "", False
        self.answer: T | None = None
        self._work, self._settle = work, settle
        self._cancelled, self._ended = threading.Event(), threading.Event()
        self._began, self._first = time.monotonic(), 0.0
        self._failure: Exception | None = None

    def start(self) -> None:
        """Begin on a thread; :meth:`take` must be called until it says so."""
        threading.Thread(target=self._run, name=f"livehand {self.label}", daemon=True).start()

    def run_here(self) -> T:
        """Do the work on this thread and give the answer; raises what it raises."""
        self._run()
        self.take()
        if self._failure is not None:
            raise self._failure
        return self.answer  # type: ignore[return-value]

    def cancel(self) -> None:
        """Have the work end at its next check."""
        self._cancelled.set()

    @property
    def running(self) -> bool:
        """Whether the work goes on or its answer still has to be taken."""
        return not self.settled

    @property
    def was_cancelled(self) -> bool:
        """Whether it ended because someone cancelled it."""
        return isinstance(self._failure, TaskCancelled)

    def cancelled(self) -> bool:
        """Whether :meth:`cancel` was called; for the work."""
        return self._cancelled.is_set()

    def check(self) -> None:
        """Raise TaskCancelled when the work is to end; for the work."""
        if self._cancelled.is_set():
            raise TaskCancelled(f"{self.label} was cancelled.")

    def tell(self, progress: float, text: str = "") -> None:
        """Say how far it is; for the work."""
        if self._first == 0.0 and progress > 0.0:
            # What was done before, and getting ready, say nothing of the rest.
            self._began, self._first = time.monotonic(), progress
        self.progress, self.text = min(max(progress, 0.0), 1.0), text or self.text

    def take(self) -> bool:
        """Hand the answer over once it is there; True when all is over. On the main thread."""
        if not self._ended.is_set():
            return False
        if not self.settled:
            if self._failure is None:
                self._failure = self._failure_of(lambda: self._settle(self.answer))  # type: ignore[arg-type]
            self.error = "" if self._failure is None else str(self._failure)
            self.settled = True
        return True

    @property
    def seconds_left(self) -> float | None:
        """What the rest will take if it goes on as it went; None before that can be told."""
        gained, spent = self.progress - self._first, time.monotonic() - self._began
        if self._first == 0.0 or gained < 0.01 or spent < 2.0:
            return None
        return spent / gained * (1.0 - self.progress)

    def line(self) -> str:
        """Text and remaining time, for a progress bar."""
        left = self.seconds_left
        rest = f", {duration(left)} left" if left is not None and self.running else ""
        return f"{self.text or self.label}{rest}"

    def _run(self) -> None:
        try:
            self._failure = self._failure_of(self._do)
        finally:
            self._ended.set()

    def _do(self) -> None:
        self.answer = self._work(self)

    def _failure_of(self, step: Callable[[], None]) -> Exception | None:
        """What a step raised, in a user's terms: whatever it is, the task ends, and another of its kind may begin."""
        try:
            step()
        except LiveHandError as error:
            return error
        except Exception as error:
            traceback.print_exc()
            return LiveHandError(
                f"{self.label} failed unexpectedly ({type(error).__name__}: {error}).", "The console has the details."
            )
        return None


_tasks: dict[str, Task[Any]] = {}


def task(key: str) -> Task[Any] | None:
    """The task of a kind, running or over; None before the first."""
    return _tasks.get(key)


def is_running(key: str) -> bool:
    """Whether a task of this kind runs."""
    return key in _tasks and _tasks[key].running


def begin(key: str, new: Task[Any]) -> None:
    """Start a task in the background; its answer is taken by a timer. Another one of its kind must not be running."""
    _tasks[key] = new
    new.start()
    if not bpy.app.timers.is_registered(_poll):
        bpy.app.timers.register(_poll, first_interval=POLL_SECONDS, persistent=True)


def redraw() -> None:
    """Have the sidebars, properties and preferences of all windows drawn again."""
    manager = bpy.context.window_manager
    for window in manager.windows if manager else ():
        for area in window.screen.areas:
            if area.type in {"VIEW_3D", "PREFERENCES", "PROPERTIES"}:
                for region in area.regions:
                    if region.type in {"UI", "WINDOW"} and (area.type != "VIEW_3D" or region.type == "UI"):
                        region.tag_redraw()


def _poll() -> float | None:
    waiting = [entry for entry in _tasks.values() if not entry.take()]
    redraw()
    return POLL_SECONDS if waiting else None


class TaskOperator:
    """Mix-in of operators around one task: ``invoke`` runs it in the background, ``execute`` at once.

    A subclass names its kind of task and makes one; reading bpy is done there, on the main thread.
    """

    task_key: ClassVar[str]

    report: Any
    _task: Task[Any]
    _timer: Any

    def make_task(self, context: Any) -> Task[Any]:
        """The task with what the operator's properties and the context say. Raises LiveHandError."""
        raise NotImplementedError

    def done_message(self, answer: Any) -> str:
        """One line for the report when it is done."""
        return ""

    def execute(self, context: Any) -> set[str]:
        """Do everything now; progress goes to the console."""
        if is_running(self.task_key):
            return self._refuse()
        try:
            new = self.make_task(context)
            _tasks[self.task_key] = new
            answer = new.run_here()
        except LiveHandError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        if message := self.done_message(answer):
            self.report({"INFO"}, message)
        return {"FINISHED"}

    def invoke(self, context: Any, _event: Any) -> set[str]:
        """Do it in the background and stay to report."""
        if context.window is None or bpy.app.background:
            return self.execute(context)
        if is_running(self.task_key):
            return self._refuse()
        try:
            self._task = self.make_task(context)
        except LiveHandError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        begin(self.task_key, self._task)
        self._timer = context.window_manager.event_timer_add(POLL_SECONDS, window=context.window)
        context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: Any, event: Any) -> set[str]:
        """Watch the task; ESC cancels it, anything else goes on to Blender."""
        if event.type == "ESC" and event.value == "PRESS" and not context.screen.is_animation_playing:
            self._task.cancel()
            return {"RUNNING_MODAL"}
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        if not self._task.settled:
            context.workspace.status_text_set(f"LiveHand: {self._task.line()}. ESC cancels.")
            return {"PASS_THROUGH"}
        self.cancel(context)
        if self._task.error:
            self.report({"WARNING" if self._task.was_cancelled else "ERROR"}, self._task.error)
            return {"CANCELLED"}
        if message := self.done_message(self._task.answer):
            self.report({"INFO"}, message)
        return {"FINISHED"}

    def cancel(self, context: Any) -> None:
        """Blender ends the watching, e.g. when another file is opened: the task itself goes on."""
        context.window_manager.event_timer_remove(self._timer)
        if context.workspace is not None:
            context.workspace.status_text_set(None)

    def _refuse(self) -> set[str]:
        self.report({"WARNING"}, f"{_tasks[self.task_key].label} is running already.")
        return {"CANCELLED"}


class LIVEHAND_OT_task_cancel(bpy.types.Operator):
    """Cancel this job"""

    bl_idname = "livehand.task_cancel"
    bl_label = "Cancel"
    bl_options = {"INTERNAL"}

    key: bpy.props.StringProperty(name="Work", description="Which job is cancelled", options={"HIDDEN"})

    def execute(self, _context: Any) -> set[str]:
        if self.key in _tasks:
            _tasks[self.key].cancel()
        return {"FINISHED"}


def draw_task(layout: Any, key: str) -> bool:
    """Progress with a cancel button while a task of this kind runs, its error afterwards; whether it runs."""
    known = _tasks.get(key)
    if known is None:
        return False
    if known.running:
        row = layout.row(align=True)
        row.progress(factor=known.progress, text=known.line())
        row.operator("livehand.task_cancel", text="", icon="X").key = key
        return True
    if known.error:
        draw_text(layout, known.error, alert=not known.was_cancelled)
    return False


def draw_text(layout: Any, text: str, alert: bool = False, icon: str = "INFO") -> None:
    """A message in as many labels as it needs at the width of the region; the first one bears the icon."""
    import textwrap

    area, region = bpy.context.area, bpy.context.region
    # A panel over the 3D view itself is a popover, which has the width of the narrowest sidebar that is usable.
    loose = region is None or (area is not None and area.type == "VIEW_3D" and region.type == "WINDOW")
    width = 220.0 if loose else region.width / bpy.context.preferences.system.ui_scale
    first = "ERROR" if alert else icon
    letters = max(round((width - (50.0 if first == "NONE" else 70.0)) / 6.3), 16)
    column = layout.column(align=True)
    column.alert = alert
    for number, line in enumerate(line for part in text.splitlines() for line in textwrap.wrap(part, letters)):
        column.label(text=line, icon="BLANK1" if number and first != "NONE" else first)


def _cancel_all() -> None:
    for known in _tasks.values():
        known.cancel()


register, unregister = registration(classes(LIVEHAND_OT_task_cancel), timer(_poll), leaving(_cancel_all))
