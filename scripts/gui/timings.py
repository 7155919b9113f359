"""Runs inside Blender: takes the time of the live view's parts, for ``viewport_bench.py``. Uses nothing but the add-on.

``watch`` puts a clock around the add-on's own functions; ``begin`` forgets what was taken, ``report`` gives it.
"""

from __future__ import annotations

import importlib
import statistics
import time
from collections.abc import Callable
from typing import Any

ADDON = "bl_ext.user_default.livehand"

_seconds: dict[str, list[float]] = {}
_shown: list[float] = []
_drawn: list[float] = []
"""Ends of the draw calls that showed a new picture, and of all."""

_pictures: dict[bool, list[tuple[float, float, int, int]]] = {False: [], True: []}
"""Of moving and of full pictures: seconds beyond the engine's frame, seconds of that, width, height."""

_asked: dict[int, float] = {}
_last: Any = None
_on = False


def watch() -> None:
    """Put the clocks in; once a Blender."""
    live, viewport, drawing = (
        importlib.import_module(f"{ADDON}.render.{name}") for name in ("live", "viewport", "drawing")
    )
    for owner, name, title in (
        (viewport.Viewport, "draw", "draw call"),
        (viewport.Viewport, "update", "scene read"),
        (live.LiveView, "ask", "ask"),
        (live.LiveView, "take", "take"),
        (live.LiveView, "_tick", "timer"),
        (drawing.Screen, "show", "upload"),
    ):
        _clock(owner, name, title)
    _watch_requests(live.LiveView)
    _watch_screen(viewport.Viewport)


def begin() -> None:
    """Forget what was taken, and take from now on."""
    global _on
    _seconds.clear()
    _shown.clear()
    _drawn.clear()
    for values in _pictures.values():
        values.clear()
    _on = True


def report() -> dict[str, Any]:
    """What was taken since :func:`begin`; times in milliseconds.

    Returns:
        ``updates``: new pictures shown a second; ``draws``: views drawn a second; ``moving``, ``full``: of these kinds
        of pictures the ``count``, the median ``engine`` time of drawing them, the median ``overhead`` beyond that from
        the request to the end of the draw call that shows it, the median ``size``; ``parts``: name -> (count, median,
        longest) of the add-on's own work on the main thread.
    """
    global _on
    _on = False
    parts = {name: (len(taken), *_milliseconds(taken)) for name, taken in _seconds.items()}
    rates = {"updates": _rate(_shown), "draws": _rate(_drawn)}
    return {**rates, "moving": _kind(False), "full": _kind(True), "parts": parts}


def _rate(moments: list[float]) -> float:
    """How often a second."""
    return (len(moments) - 1) / (moments[-1] - moments[0]) if len(moments) > 2 else 0.0


def _kind(full: bool) -> dict[str, Any]:
    taken = _pictures[full]
    sizes = sorted((size for _, _, *size in taken), key=lambda size: size[0] * size[1])
    return {
        "count": len(taken),
        "overhead": _milliseconds([picture[0] for picture in taken])[0],
        "engine": _milliseconds([picture[1] for picture in taken])[0],
        "size": sizes[len(sizes) // 2] if sizes else (0, 0),
    }


def _milliseconds(taken: list[float]) -> tuple[float, float]:
    """Median and longest."""
    return (1000.0 * statistics.median(taken), 1000.0 * max(taken)) if taken else (0.0, 0.0)


def _clock(owner: Any, name: str, title: str) -> None:
    function: Callable[..., Any] = getattr(owner, name)

    def timed(*arguments: Any, **options: Any) -> Any:
        began = time.perf_counter()
        try:
            return function(*arguments, **options)
        finally:
            if _on:
                _seconds.setdefault(title, []).append(time.perf_counter() - began)

    setattr(owner, name, timed)


def _watch_requests(view: Any) -> None:
    """Note when each request goes out."""
    submit = view._submit

    def noted(self: Any, wish: Any, camera: Any, *arguments: Any, **options: Any) -> None:
        began = time.perf_counter()
        submit(self, wish, camera, *arguments, **options)
        _asked[id(camera)] = began

    view._submit = noted


def _watch_screen(viewport: Any) -> None:
    """Note each picture when the draw call that first shows it has ended."""
    draw = viewport.draw

    def noted(self: Any, *arguments: Any) -> None:
        global _last
        draw(self, *arguments)
        if _on:
            _drawn.append(time.perf_counter())
        card = self._screen._shown
        if card is None or card.picture is _last:
            return
        _last = picture = card.picture
        began = _asked.pop(id(picture.camera), None)
        if not _on or began is None:
            return
        now, engine = time.perf_counter(), picture.passes.seconds
        _shown.append(now)
        _pictures[picture.full].append((now - began - engine, engine, picture.camera.width, picture.camera.height))

    viewport.draw = noted
