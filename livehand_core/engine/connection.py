"""One engine process as the client sees it, from its start to its end. Used by ``client`` only.

Three threads: one starts the process, shakes hands, reads answers and, when the process has ended, says why; one
writes, so that nobody who sends a message ever waits for a full pipe; one ends a process that gives no sign of life.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from .. import __version__
from ..cache import CACHE_VARIABLE
from ..errors import EngineError, LiveHandError, RenderCancelled
from ..occluders import Occluder
from ..passes import RenderPasses
from .interpreters import child_environment, engine_command, kill, start_options
from .log import EngineLog
from .memory import BlockReader, random_prefix
from .occluders import SentOccluders
from .protocol import (
    PROTOCOL_VERSION,
    Message,
    ProtocolError,
    encode,
    error_from_json,
    field,
    read_message,
    write_bytes,
)

Answer = RenderPasses | LiveHandError


@dataclass(frozen=True)
class _Queued:
    """A message that waits to be written, and the occluders that it names."""

    message: Message
    coded: bytes
    occluders: tuple[Occluder, ...] = ()


class _Vanished(EngineError):
    """The process closed its pipes without a last word."""


@dataclass(frozen=True)
class EngineInfo:
    """What the engine said of itself at the handshake.

    Attributes:
        protocol: protocol version.
        core_version, python_version, torch_version: of the engine's side.
        devices: one line a device, the name that ``device`` takes first, the one that draws before the others, e.g.
             ``"gpu:0 (NVIDIA RTX A4000, Vulkan)"``.
        pid: process id.
        interpreter: the executable that it runs on.
    """

    protocol: int
    core_version: str
    python_version: str
    torch_version: str
    devices: tuple[str, ...]
    pid: int
    interpreter: Path


class Connection:
    """Start an engine and talk to it.

    Args:
        interpreter: gives the executable; called on the connection's thread, may take its time or raise LiveHandError.
        on_answer: called with (id, answer) for each request that is answered; RenderCancelled for a dismissed one.
        on_compiling: called with the number of kernels that the engine has compiled, and of about how many.
        on_end: called once with the connection and the reason when the engine has ended or could not start.
    """

    def __init__(
        self,
        interpreter: Callable[[], Path],
        environment: Mapping[str, str] | None,
        log_path: Path | None,
        device: str,
        start_timeout: float,
        silence: float,
        arguments: Sequence[str],
        on_answer: Callable[[int, Answer], None],
        on_compiling: Callable[[int, int], None],
        on_end: Callable[[Connection, LiveHandError], None],
    ) -> None:
        self._interpreter = interpreter
        self._environment = environment
        self._log_path = log_path
        self._device = device
        self._start_timeout, self._silence = start_timeout, silence
        self._arguments = arguments
        self._on_answer = on_answer
        self._on_compiling = on_compiling
        self._on_end = on_end
        self._prefix = random_prefix()
        self._process: subprocess.Popen[bytes] | None = None
        self._outgoing: list[_Queued] = []
        self._wake = threading.Condition()
        self._closing = False
        self._timed_out = self._hung = False
        self._quiet = 0.0
        self._over = threading.Event()
        self.info: EngineInfo | None = None
        self._thread = threading.Thread(target=self._live, name="livehand-engine", daemon=True)
        self._writer = threading.Thread(target=self._write, name="livehand-engine-writer", daemon=True)
        self._thread.start()

    def send(self, message: Message, occluders: Sequence[Occluder] = ()) -> None:
        """Queue a message. A live request replaces its channel's older one that is still queued; a cancel removes what
        it is for, so that nothing later can take a place in front of it. Never waits.

        Args:
            occluders: those that a request names; the engine is told of each before, once.

        Raises:
            EngineError: the message cannot be written.
        """
        coded = _Queued(message, encode(message), tuple(occluders))
        with self._wake:
            same = [i for i, queued in enumerate(self._outgoing) if _concern_same(queued.message, message)]
            if same and message["type"] == "render":
                self._outgoing[same[0]] = coded
                return
            for i in same:
                del self._outgoing[i]
            self._outgoing.append(coded)
            self._wake.notify_all()

    def close(self, patience: float = 2.0) -> None:
        """Ask the engine to end, and end it when it has not after ``patience`` seconds."""
        with self._wake:
            self._closing = True
            started = self._process is not None
        self._hang_up()
        if self.info is None:
            # It is still importing torch and would not listen.
            self._kill()
        if started:
            self._thread.join(patience)
            if self._thread.is_alive():
                self._kill()
                self._thread.join(patience)

    def _live(self) -> None:
        reader = BlockReader(self._prefix)
        reason: LiveHandError
        log: EngineLog | None = None
        path: Path | None = None
        try:
            path = self._interpreter()
            log = EngineLog(self._log_path)
            self._spawn(path, log)
            take_broken_pipes_as_errors()
            self.info = self._shake_hands(path)
            self._writer.start()
            threading.Thread(target=self._listen_for_life, name="livehand-engine-life", daemon=True).start()
            self._read(reader)
        except _Vanished as error:
            assert path is not None and log is not None
            reason = self._explain_end(path, self._finish(), log) if not self._timed_out else error
        except LiveHandError as error:
            reason = error
        except Exception as error:
            # Whatever it is, those who wait for an answer must hear of it.
            reason = EngineError(f"The engine's client failed ({error!r}).", "Render again; report it if it recurs.")
        self._over.set()
        self._kill()
        self._finish()
        reader.close()
        if self._hung:
            reason = EngineError(
                f"The engine on {path} gave no sign of life for {self._silence:g} s and was ended.",
                "Render again to start it anew." + self._where(),
            )
        if self._timed_out:
            reason = EngineError(
                f"The engine on {path} gave no answer within {self._start_timeout:g} s.",
                "Try again; if it happens again choose another Python in the preferences." + self._where(),
            )
        if log is not None:
            log.close()
        self._on_end(self, reason)

    def _spawn(self, path: Path, log: EngineLog) -> None:
        try:
            process = subprocess.Popen(
                engine_command(path, self._arguments),
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log.stream,
                env=child_environment(path, self._environment_of_engine()),
                **start_options(),
            )
        except OSError as error:
            raise EngineError(
                f"The engine's Python {path} cannot be started ({error.strerror or error}).",
                "Choose another Python in the preferences, or Make Environment there.",
            ) from error
        with self._wake:
            self._process = process
            closing = self._closing
        if closing:
            kill(process)

    def _environment_of_engine(self) -> dict[str, str]:
        """What was asked for; and a cache beside the log, so that it goes when the log's folder does."""
        environment = dict(self._environment or {})
        if self._log_path is not None and CACHE_VARIABLE not in os.environ:
            environment.setdefault(CACHE_VARIABLE, str(self._log_path.parent / "cache"))
        return environment

    def _shake_hands(self, path: Path) -> EngineInfo:
        assert self._process is not None and self._process.stdin is not None and self._process.stdout is not None
        timer = threading.Timer(self._start_timeout, self._time_out)
        timer.daemon = True
        timer.start()
        hello = {
            "type": "hello",
            "protocol": PROTOCOL_VERSION,
            "core_version": __version__,
            "memory": self._prefix,
            "device": self._device,
        }
        try:
            # When it has ended already, what it said last is still to be read.
            with contextlib.suppress(OSError):
                write_bytes(self._process.stdin.fileno(), encode(hello))
            answer = read_message(self._process.stdout.fileno())
        except ProtocolError as error:
            raise ProtocolError(
                f"{path} did not answer as a LiveHand engine: {error.message}",
                "Choose a plain Python executable in the preferences, not a script that prints.",
            ) from error
        finally:
            timer.cancel()
        if answer is None:
            raise _Vanished(f"The engine on {path} ended while starting.")
        if answer["type"] == "failure":
            raise error_from_json(field(answer, "error", dict))
        protocol = answer.get("protocol")
        if answer["type"] != "hello" or protocol != PROTOCOL_VERSION:
            raise ProtocolError(
                f"The engine on {path} speaks protocol {protocol!r} (livehand {answer.get('core_version')}); "
                f"protocol {PROTOCOL_VERSION} is needed.",
                "Start this program again, so that both come from one installation; else install LiveHand again.",
            )
        return EngineInfo(
            protocol,
            field(answer, "core_version", str),
            field(answer, "python_version", str),
            field(answer, "torch_version", str),
            tuple(str(device) for device in field(answer, "devices", list)),
            field(answer, "pid", int),
            path,
        )

    def _read(self, reader: BlockReader) -> NoReturn:
        assert self._process is not None and self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        while (message := read_message(descriptor)) is not None:
            self._quiet = 0.0
            kind = message["type"]
            if kind == "beat":
                continue
            if kind == "result":
                passes = RenderPasses(
                    reader.images(message),
                    {str(k): float(v) for k, v in field(message, "stage_seconds", dict).items()},
                    tuple(str(line) for line in field(message, "warnings", list)),
                    field(message, "seconds", float),
                )
                self.send({"type": "release", "block": message["block"]})
                self._on_answer(field(message, "id", int), passes)
            elif kind == "error":
                self._on_answer(field(message, "id", int), error_from_json(field(message, "error", dict)))
            elif kind == "dismissed":
                self._on_answer(field(message, "id", int), RenderCancelled("The render was cancelled."))
            elif kind == "compiling":
                self._on_compiling(field(message, "done", int), field(message, "of", int))
            elif kind == "failure":
                raise error_from_json(field(message, "error", dict))
            else:
                raise ProtocolError(f"The engine sent a message of unknown type {kind!r}.", "Render again.")
        raise _Vanished("The engine has ended.")

    def _write(self) -> None:
        assert self._process is not None and self._process.stdin is not None
        stdin, sent = self._process.stdin, SentOccluders()
        try:
            while True:
                with self._wake:
                    self._wake.wait_for(lambda: self._outgoing)
                    messages, self._outgoing = self._outgoing, []
                for queued in messages:
                    for before in sent.messages(queued.occluders):
                        write_bytes(stdin.fileno(), encode(before))
                    write_bytes(stdin.fileno(), queued.coded)
                    if queued.message["type"] == "close":
                        return
        except (OSError, ValueError):
            # The engine is gone; the reading thread finds out why.
            return

    def _hang_up(self) -> None:
        with self._wake:
            message: Message = {"type": "close"}
            self._outgoing = [_Queued(message, encode(message))]
            self._wake.notify_all()

    def _listen_for_life(self) -> None:
        """End a process that is stopped or hangs. What counts is this thread's own waiting, so that a client that was
        itself stopped for a while, or a machine that slept, does not take its engine for dead."""
        pause = min(1.0, self._silence / 4.0)
        while not self._over.wait(pause):
            self._quiet += pause
            if self._quiet >= self._silence:
                self._hung = True
                self._kill()
                return

    def _time_out(self) -> None:
        self._timed_out = True
        self._kill()

    def _kill(self) -> None:
        with self._wake:
            process = self._process
        if process is not None:
            kill(process)

    def _finish(self) -> int:
        """See the process off and free its pipes; its exit code."""
        process = self._process
        if process is None:
            return 0
        try:
            code = process.wait(1.0)
        except subprocess.TimeoutExpired:
            kill(process)
            code = process.wait()
        self._hang_up()
        if self._writer.is_alive():
            self._writer.join()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        return code

    def _explain_end(self, path: Path, code: int, log: EngineLog) -> LiveHandError:
        if code < 0:
            how = f"was killed by signal {-code}" + (", often for want of memory," if code == -9 else "")
        else:
            how = f"ended with code {code}"
        said = log.last_line()
        when = "while starting" if self.info is None else "in the middle of its work"
        return EngineError(
            f"The engine on {path} {how} {when}" + (f"; it said: {said}" if said else "") + ".",
            "Render again to start it anew." + self._where(),
        )

    def _where(self) -> str:
        return f" Its log is {self._log_path}." if self._log_path is not None else ""


def _concern_same(queued: Message, message: Message) -> bool:
    """Whether a queued render has no purpose once ``message`` is queued; holds for one queued message at most."""
    if queued["type"] != "render" or message["type"] not in ("render", "cancel"):
        return False
    if message.get("channel") is not None:
        return bool(queued["channel"] == message["channel"])
    return message["type"] == "cancel" and bool(queued["id"] == message["id"])


def take_broken_pipes_as_errors() -> None:
    """Have this thread, and those that it starts, meet a dead engine as an OSError.

    Blender leaves SIGPIPE as the system has it, so that a write to an engine that was just killed would end Blender.
    """
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGPIPE})
