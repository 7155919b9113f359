"""The engine's client: what Blender and the command line hold to have frames rendered in another process.

NumPy only. An ``EngineClient`` starts the engine when it is first needed, starts a new one after the old has died, and
may be used from several threads. ``shared_client`` gives the one that all of a program shares.

    client = EngineClient("/path/to/environment/bin/python")
    passes = client.render(request)            # final: waits
    client.submit(request, "viewport 1")       # live: never waits
    answer = client.poll("viewport 1")         # None until there is something new
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import EngineError, LiveHandError, RenderCancelled
from ..frames import FrameRequest
from ..passes import RenderPasses
from .connection import Answer, Connection, EngineInfo
from .interpreters import Interpreter, find_interpreter
from .protocol import Message

__all__ = [
    "EngineClient",
    "EngineInfo",
    "Interpreter",
    "close_shared_client",
    "find_interpreter",
    "shared_client",
]

POLL_SECONDS = 0.02
RETRY_SECONDS = 3.0
"""How long live requests are answered with the last failure before a new start is tried."""


@dataclass
class _Channel:
    newest: int = 0
    answered: int = 0
    answer: Answer | None = None


class EngineClient:
    """Have frames rendered by an engine process.

    Args:
        interpreter: the Python to run on, or a function that finds it (called on another thread).
        environment: variables for the engine besides this process's own.
        log_path: file that the engine's log is appended to; None keeps it only for error messages.
        device: ``"auto"``, ``"gpu"``, ``"gpu:1"``, ``"cpu"``, as Renderer takes it.
        start_timeout: seconds that the engine may take to import torch and answer.
        silence: seconds without a sign of life after which a running engine is taken for hung, and ended. It gives
            one every five seconds, also while it compiles or draws a long frame.
        arguments: further command line of the engine; for tests.
    """

    def __init__(
        self,
        interpreter: str | Path | Callable[[], Path],
        environment: Mapping[str, str] | None = None,
        log_path: str | Path | None = None,
        *,
        device: str = "auto",
        start_timeout: float = 120.0,
        silence: float = 60.0,
        arguments: Sequence[str] = (),
    ) -> None:
        self._interpreter = interpreter if callable(interpreter) else _constant(Path(interpreter))
        self._environment = environment
        self._log_path = None if log_path is None else Path(log_path)
        self._device = device
        self._start_timeout, self._silence = start_timeout, silence
        self._arguments = tuple(arguments)
        self._ids = itertools.count(1)
        self._condition = threading.Condition()
        self._connection: Connection | None = None
        self._finals: dict[int, Answer | None] = {}
        self._channels: dict[str, _Channel] = {}
        self._live: dict[int, str] = {}
        self._failure: tuple[float, LiveHandError] | None = None
        self._compiling: tuple[int, int] | None = None

    @property
    def info(self) -> EngineInfo | None:
        """What the running engine said of itself; None while there is none. Never waits."""
        with self._condition:
            return self._connection.info if self._connection is not None else None

    @property
    def compiling(self) -> tuple[int, int] | None:
        """How many kernels the engine has compiled, and of about how many, while frames wait for that; else None.

        It happens once after an installation and takes about a minute. Never waits.
        """
        with self._condition:
            return self._compiling

    def start(self) -> EngineInfo:
        """Start the engine if it does not run, and wait until it is ready.

        Raises:
            EngineError: there is no such interpreter, it lacks a library, hangs, or is of another version.
        """
        with self._condition:
            connection = self._connect()
            while connection.info is None:
                if self._connection is not connection:
                    raise self._last_failure()
                self._condition.wait(POLL_SECONDS)
            return connection.info

    def render(
        self,
        request: FrameRequest,
        cancelled: Callable[[], bool] | None = None,
        compiling: Callable[[int, int], None] | None = None,
    ) -> RenderPasses:
        """Render a frame and wait for it, starting the engine if need be. Never dropped for another request.

        Args:
            cancelled: asked at least every 20 ms; True ends the wait and the engine's work on the frame.
            compiling: called whenever :attr:`compiling` changes while the frame waits for that.

        Raises:
            RenderCancelled: ``cancelled`` said so.
            EngineError: the engine cannot start, or died or hung at this frame; the next call starts a new one.
            LiveHandError: what the renderer raised, for instance an AvatarError.
        """
        with self._condition:
            request_id = next(self._ids)
            connection = self._connect()
            connection.send(_render_message(request_id, None, request), request.occluders)
            self._finals[request_id] = None
        told = None
        try:
            while True:
                with self._condition:
                    state = self._compiling
                if compiling is not None and state is not None and state != told:
                    told = state
                    compiling(*state)
                with self._condition:
                    answer = self._finals[request_id]
                    if answer is None:
                        self._condition.wait(POLL_SECONDS)
                        answer = self._finals[request_id]
                if isinstance(answer, LiveHandError):
                    raise answer
                if answer is not None:
                    return answer
                if cancelled is not None and cancelled():
                    connection.send({"type": "cancel", "id": request_id})
                    raise RenderCancelled("The render was cancelled.")
        finally:
            with self._condition:
                del self._finals[request_id]

    def submit(self, request: FrameRequest, channel: str) -> int:
        """Ask for a live frame, in place of the channel's older ones that are not begun. Never waits.

        Returns:
            the request's number, growing with time.

        Raises:
            EngineError: the request is too large to send.

        An engine that is not running is started in the background. After a failed start further requests are answered
        with that failure for three seconds before another start is tried.
        """
        with self._condition:
            request_id = next(self._ids)
            state = self._channels.setdefault(channel, _Channel())
            if self._connection is None and self._failure is not None:
                since, failure = self._failure
                if time.monotonic() - since < RETRY_SECONDS:
                    state.newest = state.answered = request_id
                    state.answer = failure
                    return request_id
            self._connect().send(_render_message(request_id, channel, request), request.occluders)
            state.newest = request_id
            self._live[request_id] = channel
            return request_id

    def poll(self, channel: str) -> RenderPasses | LiveHandError | None:
        """The channel's newest answer that was not given out yet, if any. Never waits.

        A failure (EngineError, or what the renderer raised) is returned and not raised.
        """
        numbered = self.poll_numbered(channel)
        return None if numbered is None else numbered[1]

    def poll_numbered(self, channel: str) -> tuple[int, RenderPasses | LiveHandError] | None:
        """As :meth:`poll`, with the number that :meth:`submit` gave to the request that is answered."""
        with self._condition:
            state = self._channels.get(channel)
            if state is None or state.answer is None:
                return None
            answer, state.answer = state.answer, None
            return state.answered, answer

    def busy(self, channel: str) -> bool:
        """Whether the channel's newest request is still to be answered. Never waits."""
        with self._condition:
            return self._awaited(channel)

    def wait(self, channel: str, seconds: float) -> bool:
        """Wait for the answer to the channel's newest request; whether none is awaited (any more) after ``seconds``."""
        with self._condition:
            return self._condition.wait_for(lambda: not self._awaited(channel), seconds)

    def cancel(self, channel: str) -> None:
        """Forget the channel, its request in progress included. Never waits."""
        with self._condition:
            if self._channels.pop(channel, None) is None:
                return
            self._forget(channel, next(self._ids))
            self._condition.notify_all()
            if self._connection is not None:
                self._connection.send({"type": "cancel", "channel": channel})

    def close(self) -> None:
        """End the engine. Waits up to two seconds for it; a later request starts a new one."""
        with self._condition:
            connection, self._connection = self._connection, None
            self._answer_all(EngineError("The engine was closed.", "Render again to start it anew."))
        if connection is not None:
            connection.close()

    def __enter__(self) -> EngineClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _connect(self) -> Connection:
        if self._connection is None:
            self._connection = Connection(
                self._interpreter,
                self._environment,
                self._log_path,
                self._device,
                self._start_timeout,
                self._silence,
                self._arguments,
                self._on_answer,
                self._on_compiling,
                self._on_end,
            )
        return self._connection

    def _on_compiling(self, done: int, of: int) -> None:
        with self._condition:
            self._compiling = (done, of)

    def _on_answer(self, request_id: int, answer: Answer) -> None:
        with self._condition:
            self._compiling = None
            if request_id in self._finals:
                self._finals[request_id] = answer
                self._condition.notify_all()
                return
            channel = self._live.get(request_id)
            if channel is None:
                return
            if isinstance(answer, RenderCancelled):
                del self._live[request_id]
                return
            # What was asked for before it and has no answer yet will never have one.
            self._forget(channel, request_id)
            state = self._channels[channel]
            state.answered, state.answer = request_id, answer
            self._condition.notify_all()

    def _awaited(self, channel: str) -> bool:
        state = self._channels.get(channel)
        return state is not None and state.answered < state.newest

    def _forget(self, channel: str, newest: int) -> None:
        for request_id in [i for i, name in self._live.items() if name == channel and i <= newest]:
            del self._live[request_id]

    def _on_end(self, connection: Connection, reason: LiveHandError) -> None:
        with self._condition:
            if self._connection is not connection:
                return
            self._connection = self._compiling = None
            self._failure = (time.monotonic(), reason) if connection.info is None else None
            self._answer_all(reason)

    def _answer_all(self, reason: LiveHandError) -> None:
        for request_id, answer in self._finals.items():
            if answer is None:
                self._finals[request_id] = reason
        self._live.clear()
        for state in self._channels.values():
            if state.answered < state.newest:
                state.answered, state.answer = state.newest, reason
        self._condition.notify_all()

    def _last_failure(self) -> LiveHandError:
        return self._failure[1] if self._failure else EngineError("The engine was closed.", "Start it again.")


@dataclass(frozen=True)
class _SharedKey:
    preference: str
    made_environment: Path | None
    device: str
    log_path: Path | None


_shared: tuple[_SharedKey, EngineClient] | None = None
_shared_lock = threading.Lock()


def shared_client(
    preference: str = "",
    made_environment: Path | None = None,
    *,
    device: str = "auto",
    log_path: Path | None = None,
) -> EngineClient:
    """The client that all of this program shares. Never waits.

    The interpreter is searched for (see :func:`find_interpreter`) when the engine starts, off the calling thread. Other
    arguments than before give a new client; the old engine is ended in the background.
    """
    global _shared
    key = _SharedKey(preference, made_environment, device, log_path)
    with _shared_lock:
        if _shared is not None and _shared[0] == key:
            return _shared[1]
        if _shared is not None:
            threading.Thread(target=_shared[1].close, name="livehand-engine-close", daemon=True).start()
        client = EngineClient(
            lambda: find_interpreter(preference, made_environment).path, log_path=log_path, device=device
        )
        _shared = (key, client)
        return client


def close_shared_client() -> None:
    """End the shared engine, if there is one. Waits up to two seconds for it."""
    global _shared
    with _shared_lock:
        shared, _shared = _shared, None
    if shared is not None:
        shared[1].close()


def _render_message(request_id: int, channel: str | None, request: FrameRequest) -> Message:
    document = replace(request, occluders=()).to_json()
    document["occluders"] = [occluder.key for occluder in request.occluders]
    return {"type": "render", "id": request_id, "channel": channel, "request": document}


def _constant(path: Path) -> Callable[[], Path]:
    return lambda: path
