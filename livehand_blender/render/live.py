"""The live picture of one 3D view: requests go out, answers come in, and nobody waits. No GPU, no drawing.

Used by render/viewport (LiveHand's own shading) and render/overlay (over any other). The newest state wins: a request
replaces those of the same view that are not begun. While things move the picture is as large as the chosen rate
allows; once they rest the full one is asked for, and given up again as soon as something moves.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import bpy
import numpy as np

from livehand_core.cameras import Camera
from livehand_core.compilation import describe
from livehand_core.engine.client import EngineClient
from livehand_core.errors import LiveHandError, RenderCancelled
from livehand_core.frames import DEFAULT_AVATAR, FrameRequest
from livehand_core.passes import RenderPasses

from . import session
from .bounds import Window, hand_window, in_front
from .near import joined
from .pacing import Drawing, Pace
from .scene import VisibleHand

PASSES = ("rgba", "depth")
POLL_SECONDS = 0.004
LISTEN_SECONDS = 0.003
"""How long a look at the answers waits for a full picture: Blender sleeps 5 ms between two looks when nothing else is
to be done, which would come on top of every picture."""
REST_SECONDS = 0.15
"""Nothing has moved for so long: the full picture is asked for."""
WATCH_SECONDS = 1.0
"""How often the avatar files are looked at while nothing moves: a training run may write them anew."""

_numbers = itertools.count(1)


@dataclass(frozen=True)
class LivePicture:
    """A picture that came back.

    Attributes:
        passes: ``rgba`` (scene-linear, premultiplied) and ``depth``.
        camera: the camera that it was made with, cropped to the hands.
        distance: depth of the hands' middle in metres, where the picture stands in space as a flat card.
        full: whether it has all the pixels that the view can show.
    """

    passes: RenderPasses
    camera: Camera
    distance: float
    full: bool


@dataclass(frozen=True)
class _Wish:
    """The newest state of a view: the full picture that it would show."""

    camera: Camera
    hands: tuple[VisibleHand, ...]
    distance: float


class LiveView:
    """Requests and answers of one 3D view.

    Args:
        redraw: has the view drawn again; raises ReferenceError once the view is gone.
        alive: whether the view still exists.

    Attributes:
        picture: the newest picture, None while there is none or no hand is in view.
        message: why there is no picture, or what is wrong with it; empty when all is well.
        pace: the size of moving pictures.
    """

    def __init__(self, redraw: Callable[[], None], alive: Callable[[], bool]) -> None:
        self.picture: LivePicture | None = None
        self.message = ""
        self.pace = Pace()
        self._redraw, self._alive = redraw, alive
        self._name = f"view {next(_numbers)}"
        self._channels = {False: f"{self._name} moving", True: f"{self._name} full"}
        self._wish: _Wish | None = None
        self._state: tuple[object, ...] = ()
        self._rate = 15.0
        self._changed = 0.0
        self._compiling: tuple[int, int] | None = None
        self._asked_full = True
        self._stale = False
        self._client: EngineClient | None = None
        self._sent: dict[int, tuple[Camera, float, bool]] = {}
        self._arrivals: list[float] = []
        self._drawing = Drawing()
        self._stamps: tuple[float, ...] = ()
        # Timers are told apart by identity, and every look-up of a method makes a new object.
        self._timer = self._tick

    @property
    def asked(self) -> bool:
        """Whether a hand is in view, so that a picture was asked for."""
        return self._wish is not None

    @property
    def compiling(self) -> str:
        """What to tell while the view waits for the engine to compile its renderer; empty otherwise."""
        state = self._client.compiling if self._client is not None and self.asked else None
        return describe(*state) if state is not None else ""

    @property
    def rate(self) -> float:
        """Moving pictures a second over the last second, 0 when fewer than three came."""
        recent = [moment for moment in self._arrivals if self._arrivals[-1] - moment < 1.0]
        return (len(recent) - 1) / (recent[-1] - recent[0]) if len(recent) > 2 else 0.0

    def ask(
        self,
        camera: Camera,
        hands: Sequence[VisibleHand],
        limits: Window | None = None,
        rate: float = 15.0,
        share: float = 1.0,
    ) -> None:
        """Have the engine draw what the view shows now, unless it was asked for that already. Never waits.

        Args:
            camera: the whole view.
            limits: the only part of it that is wanted, e.g. a render region.
            rate: pictures a second to hold while things move.
            share: part of the view's width and height that a full picture has.
        """
        # Finding it asks the preferences, which is too much for every look at the answers.
        client = self._client = session.engine_client()
        self._rate = rate
        state = _state(camera, hands, limits, share)
        if state == self._state:
            return
        wish = _wish(camera, tuple(hands), limits, share)
        if wish is None:
            self._forget()
        self._state = state
        if wish is None:
            return
        self._wish, self._changed = wish, time.monotonic()
        self._drawing.begins()
        if self._asked_full:
            # It would keep the engine from what is newer.
            client.cancel(self._channels[True])
        self._asked_full = False
        self._stamps = _stamps(wish.hands)
        full = (wish.camera.width, wish.camera.height)
        size = self.pace.size(*full)
        self._submit(wish, wish.camera.resized(*size), full=size == full)
        self._watch()

    def take(self) -> bool:
        """Keep the newest answer; whether there was one. Never waits."""
        client = self._client
        if self._wish is None or client is None:
            return False
        came = False
        for full in (False, True):
            numbered = client.poll_numbered(self._channels[full])
            if numbered is None:
                continue
            number, answer = numbered
            camera, distance, complete = self._sent.pop(number, (self._wish.camera, self._wish.distance, full))
            self._sent = {key: value for key, value in self._sent.items() if key > number}
            if isinstance(answer, RenderCancelled):
                continue
            came = True
            if isinstance(answer, LiveHandError):
                self.message = str(answer)
                continue
            self._learn(answer, full)
            self.message = "".join(answer.warnings[:1])
            self.picture = LivePicture(answer, camera, distance, complete)
        return came

    def redraw_soon(self) -> None:
        """Have the view drawn again after the draw call that is under way."""
        self._stale = True
        self._watch()

    def close(self) -> None:
        """Forget everything; the view is gone."""
        self._forget()
        if bpy.app.timers.is_registered(self._timer):
            bpy.app.timers.unregister(self._timer)

    def _submit(self, wish: _Wish, camera: Camera, full: bool, channel: bool = False) -> None:
        client = self._client
        if client is None:
            return
        hands = tuple(hand.instance for hand in wish.hands)
        # A moving picture is small so as to be quick: the networks shall not draw a larger one for it.
        limit = None if full else 1.0
        occluders = joined(hand.occluders for hand in wish.hands)
        request = FrameRequest(camera, hands, PASSES, linear=True, internal_limit=limit, occluders=occluders)
        try:
            number = client.submit(request, self._channels[channel])
        except LiveHandError as error:
            self.message = str(error)
            return
        self._sent[number] = (camera, wish.distance, full)
        if full:
            self._asked_full = True

    def _learn(self, answer: RenderPasses, full: bool) -> None:
        if full:
            return
        self._arrivals = [*self._arrivals[-30:], time.monotonic()]
        if self.picture is not None:
            # The first picture's time holds the loading of the avatar.
            self.pace.learn(answer.seconds, self._rate, self._drawing.seconds)

    def _forget(self) -> None:
        if self._client is not None:
            for channel in self._channels.values():
                self._client.cancel(channel)
        self._wish, self._state, self.picture, self._asked_full = None, (), None, True
        self._sent.clear()

    def _watch(self) -> None:
        """Look for answers often from now on."""
        if bpy.app.timers.is_registered(self._timer):
            bpy.app.timers.unregister(self._timer)
        bpy.app.timers.register(self._timer, first_interval=POLL_SECONDS)

    def _tick(self) -> float | None:
        self._drawing.over()
        if self._asked_full and self._client is not None:
            self._client.wait(self._channels[True], LISTEN_SECONDS)
        try:
            if not self._alive():
                raise ReferenceError
            if self.take() or self._stale:
                self._stale = False
                self._redraw()
        except ReferenceError:
            self._forget()
            return None
        wish, client = self._wish, self._client
        if wish is None or client is None:
            return None
        if any(client.busy(channel) for channel in self._channels.values()):
            if client.compiling != self._compiling:
                self._compiling = client.compiling
                self._redraw()
            return POLL_SECONDS
        if not self._asked_full:
            if time.monotonic() - self._changed >= REST_SECONDS:
                self._submit(wish, wish.camera, full=True, channel=True)
            return POLL_SECONDS
        if _stamps(wish.hands) != self._stamps:
            self._stamps = _stamps(wish.hands)
            self._submit(wish, wish.camera, full=True, channel=True)
            return POLL_SECONDS
        return WATCH_SECONDS


def _wish(camera: Camera, hands: tuple[VisibleHand, ...], limits: Window | None, share: float) -> _Wish | None:
    """The picture that a view would show, None when no hand is in it."""
    if not hands:
        return None
    points = np.concatenate([hand.points for hand in hands])
    radii = np.concatenate([hand.radii for hand in hands])
    window = hand_window(camera, points, radii, limits)
    if window is None:
        return None
    camera = in_front(camera, points, radii).crop(*window)
    if share < 1.0:
        camera = camera.resized(max(round(window[2] * share), 1), max(round(window[3] * share), 1))
    _, depth = camera.project(points)
    distance = max(float(np.median(depth)), float(radii.min()))
    return _Wish(camera, hands, distance)


def _state(camera: Camera, hands: Sequence[VisibleHand], limits: Window | None, share: float) -> tuple[object, ...]:
    """All that decides the picture that a view would show: equal for equal pictures, and quick to compare."""
    lens = (camera.width, camera.height, camera.fx, camera.fy, camera.cx, camera.cy, camera.projection)
    return (*lens, camera.camera_to_world.tobytes(), *(hand.state for hand in hands), limits, share)


def _stamps(hands: Sequence[VisibleHand]) -> tuple[float, ...]:
    """Times at which the avatars' files were written; 0 for one that is not there."""
    times = []
    for avatar in {hand.instance.avatar: None for hand in hands}:
        try:
            times.append(0.0 if avatar == DEFAULT_AVATAR else os.stat(avatar).st_mtime)
        except OSError:
            times.append(0.0)
    return tuple(times)
