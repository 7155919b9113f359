"""The one engine process of this Blender, which outlives the RenderEngine objects, and a record of the last frame.

Called by render/engine, the panels, the preferences' check button and the batch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from livehand_core.engine.client import EngineClient, close_shared_client, shared_client
from livehand_core.frames import FrameRequest
from livehand_core.passes import RenderPasses

from ..preferences import interpreter_preference, log_path, made_environment, render_device
from .passes import HandLabel


@dataclass
class FrameRecord:
    """What happened to the last frame.

    Attributes:
        seconds: from the call of Blender until the result was handed over.
        engine_seconds: thereof waiting for the engine process.
        stage_seconds: the engine's own stages.
        warnings: lines for the user, e.g. a pose outside the avatar's training range.
        labels: the frame's hands in the order of their numbers.
        note: what is worth knowing of a frame that is good, e.g. that no hand is seen in it.
        error: message of the failure, empty when the frame is good.
    """

    seconds: float = 0.0
    engine_seconds: float = 0.0
    stage_seconds: dict[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    labels: tuple[HandLabel, ...] = ()
    note: str = ""
    error: str = ""


_last: FrameRecord | None = None
_told: set[str] = set()
_held: EngineClient | None = None
_stop: Callable[[], bool] = bool


def record(frame: FrameRecord) -> None:
    """Keep ``frame`` as the last one."""
    global _last
    _last = frame


def news(lines: Iterable[str]) -> list[str]:
    """Those of some lines that the render that goes on has not told yet: an animation says each once."""
    fresh = [line for line in dict.fromkeys(lines) if line not in _told]
    _told.update(fresh)
    return fresh


def forget_news() -> None:
    """Another render begins."""
    _told.clear()


def last_frame() -> FrameRecord | None:
    """The frame that the LiveHand engine rendered last in this process, finished or failed; None before the first."""
    return _last


def status_lines() -> list[str]:
    """What the interface tells of the engine and of the last frame. Never waits, starts nothing."""
    info = engine_client().info
    lines = ["The engine is not running yet."]
    if info is not None:
        lines = [f"Engine {info.core_version}, process {info.pid}", torch_words(info.torch_version)]
    if _last is not None and _last.error:
        lines.append("The last frame failed; see the report.")
    elif _last is not None:
        lines.append(f"Last frame: {_last.seconds:.2f} s, engine {_last.engine_seconds:.2f} s")
        lines.extend(line for line in (*_last.warnings, _last.note) if line)
    return lines


def torch_words(version: str) -> str:
    """What the interface says of torch, empty for none."""
    return f"torch {version}" if version else "without torch"


def engine_client() -> EngineClient:
    """The client of the one engine process; the process starts on first use and again after its death. Never waits."""
    if _held is not None:
        return _held
    return shared_client(interpreter_preference(), made_environment(), device=render_device(), log_path=log_path())


def render(
    request: FrameRequest, cancelled: Callable[[], bool], compiling: Callable[[int, int], None] | None = None
) -> tuple[RenderPasses, float]:
    """Render one frame in the engine process, waiting for it; gives the passes and the seconds waited.

    Args:
        cancelled, compiling: see ``EngineClient.render``.

    Raises:
        EngineError: the process cannot be started or died.
        RenderCancelled: ``cancelled`` said so, or what :func:`stop_when` was given.
        LiveHandError: what the engine found wrong with the request.
    """
    started = time.perf_counter()
    passes = engine_client().render(request, cancelled, compiling)
    return passes, time.perf_counter() - started


def stop_when(asked: Callable[[], bool]) -> None:
    """Cancel frames also when ``asked`` says so: a program that renders many and was told to end."""
    global _stop
    _stop = asked


def hold(held: bool) -> None:
    """Keep the present engine whatever the preferences say, or follow them again.

    The preferences go before the add-on does when it is switched off while a render runs.
    """
    global _held
    _held = engine_client() if held else None


def close() -> None:
    """End the engine process, if there is one."""
    global _held
    _held = None
    close_shared_client()
