"""The tracker process's client: what Blender holds to have a hand tracked without waiting for it.

    client = TrackerClient(lambda: Path(sys.executable))
    client.start("camera:0", TrackingOptions(hands="right"))
    frame = client.newest()                # None until there is something new; never waits
    client.stop()                          # the camera is off

NumPy only. Nothing is started before ``start``, and the process ends with ``close`` or with this one.
"""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from ..engine.connection import take_broken_pipes_as_errors
from ..engine.interpreters import child_environment, kill, start_options, tracker_command
from ..engine.log import EngineLog
from ..engine.protocol import Message, ProtocolError, encode, error_from_json, field, read_message, write_bytes
from ..errors import EngineError, LiveHandError
from .values import TrackedFrame, TrackingOptions

Status = Literal["off", "starting", "running", "ended", "failed"]

SILENCE_SECONDS = 20.0
"""Without a sign of life for so long the process is taken for hung, and ended."""


class Newest(NamedTuple):
    """A frame, and how the tracker does.

    Attributes:
        frame: what was tracked.
        came: the moment (``time.monotonic``) at which its picture came, as far as pipes tell.
        rate: frames a second.
        dropped: pictures that were left out so far, being too old.
    """

    frame: TrackedFrame
    came: float
    rate: float
    dropped: int


class TrackerClient:
    """Have a source tracked by a process of its own.

    Args:
        interpreter: gives the Python; called on another thread, may take its time or raise LiveHandError.
        environment: variables for the process besides this one's own.
        log_path: file that its log is appended to.
    """

    def __init__(
        self,
        interpreter: Callable[[], Path],
        environment: Mapping[str, str] | None = None,
        log_path: Path | None = None,
    ) -> None:
        self._interpreter, self._environment, self._log_path = interpreter, dict(environment or {}), log_path
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._run = 0
        self._newest: Newest | None = None
        self._status: Status = "off"
        self._heard = 0.0
        self.error: LiveHandError | None = None
        """Why tracking failed; None while it has not."""
        self.source_name = ""
        """Of the source that is open, for people."""

    @property
    def status(self) -> Status:
        """``running`` means that the source is open. Never waits."""
        with self._lock:
            return self._status

    @property
    def pid(self) -> int | None:
        """Of the process, None without one."""
        with self._lock:
            return self._process.pid if self._process is not None else None

    def start(self, source: str, options: TrackingOptions, loop: bool = False, fps: float | None = None) -> None:
        """Track a source from now on, in place of the one before. Never waits.

        Args:
            source: as ``sources.open_source`` takes it.
            options: how.
            loop: begin a film again at its end.
            fps: of a folder of pictures, or asked of a camera.
        """
        self.close()
        order = {"type": "start", "source": source, "options": options.to_json(), "loop": loop, "fps": fps}
        with self._lock:
            self._run += 1
            self._status, self.error, self._newest, self.source_name = "starting", None, None, ""
            run = self._run
        threading.Thread(target=self._live, args=(run, order), name="livehand-tracker", daemon=True).start()

    def newest(self) -> Newest | None:
        """The newest frame that was not given out yet. Never waits."""
        with self._lock:
            newest, self._newest = self._newest, None
            return newest

    def set_smoothing(self, value: float) -> None:
        """Change the smoothing while it runs, 0 to 1."""
        with self._lock:
            process = self._process
        if process is not None and process.stdin is not None:
            with contextlib.suppress(OSError, ValueError):
                write_bytes(process.stdin.fileno(), encode({"type": "smoothing", "value": float(value)}))

    def close(self) -> None:
        """Switch the source off and end the process. Returns at once; the process has 1.5 seconds to end by itself."""
        with self._lock:
            process, self._process = self._process, None
            self._run += 1
            self._status, self._newest = "off", None
        if process is not None:
            _see_off(process)

    stop = close

    def _live(self, run: int, order: Message) -> None:
        log: EngineLog | None = None
        reason: LiveHandError | None = None
        try:
            path = self._interpreter()
            log = EngineLog(self._log_path)
            process = self._spawn(path, log, run)
            if process is None:
                return
            take_broken_pipes_as_errors()
            threading.Thread(target=self._listen_for_life, args=(run,), daemon=True).start()
            assert process.stdin is not None and process.stdout is not None
            with contextlib.suppress(OSError):
                write_bytes(process.stdin.fileno(), encode(order))
            while (message := read_message(process.stdout.fileno())) is not None:
                if not self._heed(message, run):
                    return
            code = process.wait(5.0)
            said = log.last_line()
            reason = EngineError(
                f"The tracker ended unexpectedly (code {code})" + (f"; it said: {said}." if said else "."),
                "Start it again.",
            )
        except LiveHandError as error:
            reason = error
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            reason = EngineError(f"The tracker's process failed ({error}).", "Start it again.")
        finally:
            if reason is not None:
                self._fail(run, reason)
            if log is not None:
                log.close()

    def _spawn(self, path: Path, log: EngineLog, run: int) -> subprocess.Popen[bytes] | None:
        environment = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", **self._environment}
        try:
            process = subprocess.Popen(
                tracker_command(path),
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log.stream,
                env=child_environment(path, environment),
                **start_options(),
            )
        except OSError as error:
            raise EngineError(f"The tracker's Python {path} cannot be started ({error}).", "Choose another.") from error
        with self._lock:
            if self._run == run:
                self._process, self._heard = process, time.monotonic()
                return process
        _see_off(process)
        return None

    def _heed(self, message: Message, run: int) -> bool:
        """Take a message in; whether to go on listening."""
        kind = message["type"]
        with self._lock:
            if self._run != run:
                return False
            self._heard = time.monotonic()
            if kind == "frame":
                frame = TrackedFrame.from_json(field(message, "frame", dict))
                came = time.monotonic() - field(message, "age", float)
                rate, dropped = field(message, "rate", float), field(message, "dropped", int)
                self._newest = Newest(frame, came, rate, dropped)
            elif kind == "opened":
                self._status, self.source_name = "running", field(message, "name", str)
            elif kind == "ended":
                self._status = "ended"
            elif kind == "error":
                raise error_from_json(field(message, "error", dict))
            elif kind not in ("hello", "beat"):
                raise ProtocolError(f"The tracker sent a message of unknown type {kind!r}.", "Start it again.")
        return True

    def _fail(self, run: int, reason: LiveHandError) -> None:
        with self._lock:
            if self._run != run:
                return
            self._status, self.error = "failed", reason
            process, self._process = self._process, None
        if process is not None:
            _see_off(process)

    def _listen_for_life(self, run: int) -> None:
        """End a process that hangs, say in a camera's driver."""
        quiet = 0.0
        last = 0.0
        while quiet < SILENCE_SECONDS:
            time.sleep(1.0)
            with self._lock:
                if self._run != run or self._process is None:
                    return
                # What counts is this thread's own waiting: a machine that slept has not hung.
                quiet = quiet + 1.0 if self._heard == last else 0.0
                last = self._heard
        self._fail(run, EngineError("The tracker gave no sign of life and was ended.", "Plug the camera in again."))


def _see_off(process: subprocess.Popen[bytes]) -> None:
    """Close the pipes, by which the process ends; kill it when it does not. On a thread of its own."""

    def wait() -> None:
        with contextlib.suppress(OSError):
            assert process.stdin is not None
            process.stdin.close()
        try:
            process.wait(3.0)
        except subprocess.TimeoutExpired:
            kill(process)
            process.wait()
        with contextlib.suppress(OSError):
            assert process.stdout is not None
            process.stdout.close()

    threading.Thread(target=wait, name="livehand-tracker-end", daemon=True).start()
