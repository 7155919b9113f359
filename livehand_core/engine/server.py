"""The engine process: reads requests from its standard input, renders, answers on what was its standard output.

Run as ``python -m livehand_core.engine`` by the client. The main thread renders; a second one reads, so that
cancelling, superseding and the parent's end are noticed during a frame.
"""

from __future__ import annotations

import logging
import os
import platform
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field

from .. import __version__
from ..compilation import watching
from ..errors import EngineError, LiveHandError, RenderCancelled
from ..frames import FrameRequest
from . import protocol
from .backend import Backend
from .memory import BlockPool, random_prefix, valid_prefix
from .occluders import KeptOccluders
from .protocol import PROTOCOL_VERSION, Message, ProtocolError

GRACE_SECONDS = 1.0
"""How long a frame in progress may take to notice that the parent is gone."""

BEAT_SECONDS = 5.0
"""How often the client is given a sign of life."""

log = logging.getLogger("livehand.engine")


@dataclass
class _Job:
    id: int
    channel: str | None
    request: Message
    cancelled: threading.Event = field(default_factory=threading.Event)


class Server:
    """Serve one client until it goes away.

    Args:
        incoming, outgoing: descriptors of the two pipes.
        backend: what renders.
    """

    def __init__(self, incoming: int, outgoing: int, backend: Backend) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._backend = backend
        self._write_lock = threading.Lock()
        self._condition = threading.Condition()
        self._hello: Message | None = None
        self._queue: list[_Job] = []
        self._occluders = KeptOccluders()
        self._current: _Job | None = None
        self._ending = False
        self._exit_code = 0
        self._done = threading.Event()
        self._pool = BlockPool(random_prefix())

    def run(self) -> int:
        """Shake hands, render until the end, give shared memory back; the exit code."""
        threading.Thread(target=self._read, name="reader", daemon=True).start()
        threading.Thread(target=self._watch_parent, name="parent", daemon=True).start()
        try:
            if self._shake_hands():
                threading.Thread(target=self._beat, name="beat", daemon=True).start()
                with watching(self._tell_compiling):
                    while (job := self._next_job()) is not None:
                        self._serve(job)
        except OSError:
            log.info("The client has gone")
        finally:
            self._done.set()
            self._pool.close()
        return self._exit_code

    def _shake_hands(self) -> bool:
        with self._condition:
            self._condition.wait_for(lambda: self._hello is not None or self._ending)
            hello = self._hello
        if hello is None:
            return False
        try:
            theirs = hello.get("protocol")
            if theirs != PROTOCOL_VERSION:
                raise EngineError(
                    f"The client speaks protocol {theirs!r} (livehand {hello.get('core_version')}); this engine "
                    f"speaks {PROTOCOL_VERSION} (livehand {__version__}).",
                    "Start the program that asked for it again, so that both come from one installation; else "
                    "install LiveHand again.",
                )
            prefix = protocol.field(hello, "memory", str)
            if not valid_prefix(prefix):
                raise ProtocolError(f"{prefix!r} is not a name of shared memory.")
            self._pool = BlockPool(prefix)
            torch_version, devices = self._backend.open(protocol.field(hello, "device", str))
        except LiveHandError as error:
            self._fail(error)
            return False
        self._send(
            {
                "type": "hello",
                "protocol": PROTOCOL_VERSION,
                "core_version": __version__,
                "python_version": platform.python_version(),
                "torch_version": torch_version,
                "devices": devices,
                "pid": os.getpid(),
            }
        )
        return True

    def _next_job(self) -> _Job | None:
        with self._condition:
            self._current = None
            self._condition.wait_for(lambda: self._queue or self._ending)
            if self._ending:
                return None
            self._current = self._queue.pop(0)
            return self._current

    def _serve(self, job: _Job) -> None:
        try:
            request = FrameRequest.from_json(job.request)
            began = time.perf_counter()
            passes = self._backend.render(request, job.cancelled.is_set)
            seconds = time.perf_counter() - began
            if job.cancelled.is_set():
                raise RenderCancelled("The render was cancelled.")
            result = {"type": "result", "id": job.id, **self._pool.fill(passes.images)}
            result.update(stage_seconds=passes.stage_seconds, warnings=list(passes.warnings), seconds=seconds)
            answer = protocol.encode(result)
        except RenderCancelled:
            answer = protocol.encode({"type": "dismissed", "id": job.id})
        except Exception as error:
            answer = protocol.encode(self._explain(job, error))
        self._send_bytes(answer)

    def _tell_compiling(self, done: int, of: int) -> None:
        # On whichever thread compiles, whose work does not depend on anybody hearing this.
        with suppress(OSError):
            self._send({"type": "compiling", "done": done, "of": of})

    def _explain(self, job: _Job, error: Exception) -> Message:
        log.exception("Request %d failed", job.id)
        try:
            told, usable = self._backend.explain(error)
        except Exception as second:
            told = EngineError(f"The engine failed at this frame ({error!r}, then {second!r}).", "Render again.")
            usable = False
        if not usable:
            self._end(code=4)
        return {"type": "error", "id": job.id, "error": protocol.error_to_json(told)}

    def _read(self) -> None:
        try:
            while (message := protocol.read_message(self._incoming)) is not None and message["type"] != "close":
                self._take(message)
        except ProtocolError as error:
            log.error("%s", error)
            self._fail(error)
        except OSError as error:
            log.error("The pipe from the client broke: %s", error)
        self._leave()

    def _take(self, message: Message) -> None:
        kind = message["type"]
        if kind == "render":
            channel = message.get("channel")
            if not (channel is None or isinstance(channel, str)):
                raise ProtocolError(f"A render message has the channel {channel!r}.")
            request = self._occluders.of_request(protocol.field(message, "request", dict))
            self._enqueue(_Job(protocol.field(message, "id", int), channel, request))
        elif kind == "cancel":
            self._cancel(message)
        elif kind in ("occluder", "forget"):
            self._occluders.take(message)
        elif kind == "release":
            self._pool.release(protocol.field(message, "block", int))
        elif kind == "hello" and self._hello is None:
            with self._condition:
                self._hello = message
                self._condition.notify_all()
        else:
            raise ProtocolError(f"A message of type {kind!r} was not expected here.")

    def _enqueue(self, job: _Job) -> None:
        superseded = None
        with self._condition:
            for i, waiting in enumerate(self._queue):
                if job.channel is not None and waiting.channel == job.channel:
                    # It takes the older one's place, so that a busy viewport never waits behind others for ever.
                    superseded, self._queue[i] = waiting, job
                    break
            else:
                self._queue.append(job)
            self._condition.notify_all()
        if superseded is not None:
            self._send({"type": "dismissed", "id": superseded.id})

    def _cancel(self, message: Message) -> None:
        if "channel" in message:
            channel = protocol.field(message, "channel", str)

            def meant(job: _Job) -> bool:
                return job.channel == channel
        else:
            request_id = protocol.field(message, "id", int)

            def meant(job: _Job) -> bool:
                return job.id == request_id

        with self._condition:
            dismissed = [job for job in self._queue if meant(job)]
            self._queue = [job for job in self._queue if not meant(job)]
            if self._current is not None and meant(self._current):
                self._current.cancelled.set()
        for job in dismissed:
            self._send({"type": "dismissed", "id": job.id})

    def _beat(self) -> None:
        while not self._done.wait(BEAT_SECONDS):
            try:
                self._send({"type": "beat"})
            except OSError:
                return

    def _watch_parent(self) -> None:
        # End of file tells of the parent's end, unless some other child of it holds the pipe's other end open.
        parent = os.getppid()
        while sys.platform != "win32" and not self._done.wait(1.0):
            if os.getppid() != parent:
                self._leave()

    def _leave(self) -> None:
        """End the process; a frame in progress gets a moment to notice."""
        self._end()
        self._done.wait(GRACE_SECONDS)
        self._pool.close()
        os._exit(self._exit_code)

    def _end(self, code: int = 0) -> None:
        with self._condition:
            self._ending = True
            self._exit_code = self._exit_code or code
            if self._current is not None:
                self._current.cancelled.set()
            self._condition.notify_all()

    def _fail(self, error: LiveHandError) -> None:
        self._exit_code = 3
        try:
            self._send({"type": "failure", "error": protocol.error_to_json(error)})
        except OSError:
            log.error("The client has gone before it could be told: %s", error)

    def _send(self, message: Message) -> None:
        self._send_bytes(protocol.encode(message))

    def _send_bytes(self, coded: bytes) -> None:
        with self._write_lock:
            protocol.write_bytes(self._outgoing, coded)
