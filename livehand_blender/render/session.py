"""The one engine process of this Blender, and a record of the last frame. Outlives the short-lived RenderEngine objects.

Called by render/engine, the preferences' check button and scripts/render_batch.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from livehand_core.engine.client import EngineClient, close_shared_clients, find_interpreter, shared_client
from livehand_core.frames import FrameRequest
from livehand_core.passes import RenderPasses

from ..preferences import interpreter_preference, log_path, made_environment


@dataclass
class FrameRecord:
    """What happened to the last frame.

    Attributes:
        seconds: from the call of Blender until the result was handed over.
        engine_seconds: thereof waiting for the engine process.
        stage_seconds: the engine's own stages.
        warnings: lines for the user, e.g. a pose outside the avatar's training range.
        error: message of the failure, empty when the frame is good.
    """

    seconds: float = 0.0
    engine_seconds: float = 0.0
    stage_seconds: dict[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    error: str = ""


last_frame = FrameRecord()
"""The frame that the LiveHand engine rendered last in this process, finished or failed."""


def record(frame: FrameRecord) -> None:
    """Keep ``frame`` as :data:`last_frame`."""
    global last_frame
    last_frame = frame


def engine_client() -> EngineClient:
    """The client of the running engine process; the process starts on first use and again after its death.

    Raises:
        EngineError: no interpreter with torch is found.
    """
    return shared_client(find_interpreter(interpreter_preference(), made_environment()), log_path())


def render(request: FrameRequest, cancelled: Callable[[], bool]) -> tuple[RenderPasses, float]:
    """Render one frame in the engine process, waiting for it; gives the passes and the seconds waited.

    Raises:
        EngineError: the process cannot be started or died.
        RenderCancelled: ``cancelled`` said so.
        LiveHandError: what the engine found wrong with the request.
    """
    started = time.perf_counter()
    passes = engine_client().render(request, cancelled)
    return passes, time.perf_counter() - started


def close() -> None:
    """End the engine process, if there is one."""
    close_shared_clients()
