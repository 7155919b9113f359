"""The tracker process: opens a source when it is told to, and answers with poses; pictures never leave it.

Client to server: ``start`` {source, options, loop, fps}; ``stop``; ``smoothing`` {value}; ``close``.
Server to client: ``hello`` {core_version, pid}; ``opened`` {name, fps}; ``frame`` {frame, age, rate, dropped}: a
``TrackedFrame``, the seconds since its picture came, frames a second, and pictures that were left out so far;
``ended`` {}: the source is over or was stopped; ``error`` {error}; ``beat``: a sign of life.
The messages are framed as the engine's are (``engine/protocol.py``).
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from contextlib import suppress

from .. import __version__
from ..engine.protocol import Message, ProtocolError, encode, error_to_json, field, read_message, write_bytes
from ..errors import LiveHandError
from .sources import Newest, Source, open_source, paced
from .tracker import HandTracker
from .values import TrackingOptions

BEAT_SECONDS = 2.0

log = logging.getLogger("livehand.tracking")


class TrackerServer:
    """Serve one client until it goes away.

    Args:
        incoming, outgoing: descriptors of the two pipes.
    """

    def __init__(self, incoming: int, outgoing: int) -> None:
        self._incoming = incoming
        self._out = _Outbox(outgoing)
        self._changed = threading.Condition()
        self._orders: list[Message] = []
        self._over = threading.Event()

    def run(self) -> int:
        """Do what the client orders until its pipe closes; the exit code."""
        for work in (self._read, self._watch_parent, self._beat):
            threading.Thread(target=work, name=work.__name__, daemon=True).start()
        self._out.put({"type": "hello", "core_version": __version__, "pid": os.getpid()})
        while (order := self._next()) is not None:
            if order["type"] == "start":
                self._track(order)
        self._out.flush()
        return 0

    def _track(self, order: Message) -> None:
        """Track a source until it is over, or there is another order."""
        newest = None
        try:
            options = TrackingOptions.from_json(field(order, "options", dict))
            tracker = HandTracker(options)
            # The networks are loaded before the camera is switched on.
            rate = order.get("fps")
            wanted = float(rate) if isinstance(rate, int | float) else None
            newest, name, fps = open_live(field(order, "source", str), bool(order.get("loop")), wanted)
            self._out.put({"type": "opened", "name": name, "fps": fps})
            self._follow(newest, tracker)
            self._out.put({"type": "ended"})
        except LiveHandError as error:
            self._out.put({"type": "error", "error": error_to_json(error)})
        except Exception as error:
            log.exception("Tracking failed")
            told = LiveHandError(f"The tracker failed ({error!r}).", "Start it again; report it if it recurs.")
            self._out.put({"type": "error", "error": error_to_json(told)})
        finally:
            if newest is not None:
                newest.close()

    def _follow(self, newest: Newest, tracker: HandTracker) -> None:
        rate = Rate()
        while not newest.over:
            with self._changed:
                wanted = [order for order in self._orders if order["type"] == "smoothing"]
                self._orders = [order for order in self._orders if order["type"] != "smoothing"]
                if self._orders or self._over.is_set():
                    return
            if wanted:
                tracker.set_smoothing(field(wanted[-1], "value", float))
            taken = newest.take(0.1)
            if taken is None:
                continue
            frame, came = taken
            tracked = tracker(frame)
            self._out.put_frame(
                {
                    "type": "frame",
                    "frame": tracked.to_json(),
                    "age": time.monotonic() - came,
                    "rate": rate.count(),
                    "dropped": newest.dropped,
                }
            )

    def _next(self) -> Message | None:
        """The next order; None when the client has gone."""
        with self._changed:
            self._changed.wait_for(lambda: self._orders or self._over.is_set())
            return None if self._over.is_set() else self._orders.pop(0)

    def _read(self) -> None:
        try:
            while (message := read_message(self._incoming)) is not None and message["type"] != "close":
                with self._changed:
                    self._orders.append(message)
                    self._changed.notify_all()
        except (ProtocolError, OSError) as error:
            log.error("%s", error)
        self._leave()

    def _beat(self) -> None:
        while not self._over.wait(BEAT_SECONDS):
            self._out.put({"type": "beat"})

    def _watch_parent(self) -> None:
        # End of file tells of the parent's end, unless some other child of it holds the pipe's other end open.
        parent = os.getppid()
        while sys.platform != "win32" and not self._over.wait(1.0):
            if os.getppid() != parent:
                self._leave()

    def _leave(self) -> None:
        """End soon; a frame in progress, or a driver that hangs, gets a moment."""
        with self._changed:
            self._over.set()
            self._changed.notify_all()
        time.sleep(1.5)
        os._exit(0)


class Rate:
    """Frames a second, over about the last second."""

    def __init__(self) -> None:
        self._moments: list[float] = []

    def count(self) -> float:
        """Another frame is done now."""
        now = time.monotonic()
        self._moments = [moment for moment in self._moments if moment > now - 1.0] + [now]
        spent = now - self._moments[0]
        return (len(self._moments) - 1) / spent if spent > 0.0 else 0.0


class _Outbox:
    """Writes to the client on a thread of its own. Of frames only the newest waits: a client that does not read holds
    nothing up and finds no old ones."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._changed = threading.Condition()
        self._words: list[bytes] = []
        self._frame: bytes | None = None
        self._busy = False
        threading.Thread(target=self._write, name="writer", daemon=True).start()

    def put(self, message: Message) -> None:
        """Say something that must be heard; it comes after the frames before it."""
        with self._changed:
            if self._frame is not None:
                self._words.append(self._frame)
                self._frame = None
            self._words.append(encode(message))
            self._changed.notify_all()

    def put_frame(self, message: Message) -> None:
        """Say it in place of the frame that waits."""
        with self._changed:
            self._frame = encode(message)
            self._changed.notify_all()

    def flush(self, patience: float = 1.0) -> None:
        """Wait until all is written."""
        with self._changed:
            self._changed.wait_for(lambda: not (self._words or self._frame or self._busy), patience)

    def _write(self) -> None:
        # When the client has gone, the reading thread finds out.
        with suppress(OSError):
            while True:
                with self._changed:
                    self._busy = False
                    self._changed.notify_all()
                    self._changed.wait_for(lambda: self._words or self._frame)
                    words = [*self._words, *([self._frame] if self._frame else [])]
                    self._words, self._frame, self._busy = [], None, True
                for coded in words:
                    write_bytes(self._descriptor, coded)


def open_live(text: str, loop: bool = False, fps: float | None = None) -> tuple[Newest, str, float]:
    """A source as a camera is: its newest frame, read on a thread; its name and rate.

    Args:
        text: as ``open_source`` takes it.
        loop: begin a film again at its end.
        fps: of a folder of pictures, or asked of a camera.

    Raises:
        SourceError: it cannot be opened.
    """
    source = open_source(text, fps)
    current: list[Source] = [source]

    def again() -> Source:
        current[0] = open_source(text, fps)
        return current[0]

    frames = iter(source) if source.live else paced(source, loop, again)
    return Newest(frames, lambda: current[0].close()), source.name, source.fps
