"""``livehand live``: your hand moves the avatar, in a window of its own."""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import LiveHandError
from ..files import check_writable
from ..frames import DEFAULT_AVATAR
from ..libraries import require
from ..tracking.command import add_tracking_arguments
from .figures import Figures

if TYPE_CHECKING:
    from .following import Follower
    from .recording import Recording
    from .stage import Shown, Stage
    from .window import Window

_IDLE_SECONDS = 0.004


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.description = (
        "A window with the camera's picture and the avatar that moves with the hand in it. The camera is on while the "
        "window is open; its pictures go nowhere else, and nothing is written unless you record."
    )
    parser.add_argument("source", nargs="?", default="camera:0", help="camera:NUMBER, or a video (camera:0)")
    parser.add_argument("--avatar", default=DEFAULT_AVATAR, help="avatar file; 'default' when left out")
    parser.add_argument("--identity", default="0", metavar="WHO", help="number or name of an identity to begin with")
    add_tracking_arguments(parser)
    parser.add_argument("--view", choices=("beside", "over"), default="beside", help="where the avatar is (beside)")
    parser.add_argument("--size", default="512x334", metavar="WxH", help="most pixels of each picture (512x334)")
    parser.add_argument("--folder", type=Path, default=Path("."), help="that recorded takes go to (here)")
    parser.add_argument("--frames", type=Path, metavar="FOLDER", help="also write every frame there as PNG, for others")
    parser.add_argument("--device", default="auto", help="that draws: auto, gpu, cpu")
    parser.add_argument("--seconds", type=float, metavar="S", help="end by itself after so long")
    parser.add_argument("--record", action="store_true", help="record from the start")
    parser.add_argument("--once", action="store_true", help="play a video once; otherwise it begins again")
    parser.add_argument(
        "--figures", type=Path, metavar="JSON", help="write rates, delays and memory there every minute"
    )


def run(args: argparse.Namespace) -> int:
    """Show the window until it is closed."""
    require("live")
    from ..tracking.server import open_live
    from ..tracking.values import TrackingOptions
    from ..views.command import read_size
    from ..views.hand_arguments import open_avatar
    from .following import Follower
    from .stage import Stage
    from .window import Window

    avatar, arrays, names = open_avatar(args.avatar)
    metadata = arrays.metadata
    options = TrackingOptions(args.hands, args.mirror, args.smoothing, args.fov, args.detail, metadata.hand_model)
    check_writable(args.figures)
    stage = Stage(avatar, metadata, names, read_size(args.size), args.device)
    stage.identity, stage.view = _identity(args.identity, names), args.view
    try:
        newest, name, _ = open_live(args.source, loop=not args.once)
    except LiveHandError:
        stage.close()
        raise
    window = Window(f"LiveHand - {name} is on")
    follower = Follower(newest, options)
    show = _Show(args, stage, follower, window, f"{name} is on")
    try:
        show.run()
    finally:
        follower.close()
        stage.close()
        window.close()
    show.figures.write()
    for key, value in show.figures.summary().items():
        print(f"{key}: {value:.1f}")
    return 0


class _Show:
    """The loop: newest picture to the engine, newest answer to the window."""

    def __init__(self, args: argparse.Namespace, stage: Stage, follower: Follower, window: Window, title: str) -> None:
        self._args, self._stage, self._follower, self._window, self._title = args, stage, follower, window, title
        self._recording: Recording | None = None
        self._said = ""
        self._delay = 0.0
        self._number = 0
        self.figures = Figures(args.figures, lambda: (os.getpid(), *stage.pids))

    def run(self) -> None:
        """Until the window is closed, the time is up, or a video that is played once is over."""
        began = time.monotonic()
        if self._args.record:
            self.record()
        actions = {
            "mirror": self.mirror, "view": self.turn_view, "identity": self._stage.next_identity,
            "record": self.record, "calmer": lambda: self.calm(0.1), "calmer_less": lambda: self.calm(-0.1),
        }  # fmt: skip
        drawn = 0.0
        while self._window.heed(actions):
            if self._args.seconds is not None and time.monotonic() - began > self._args.seconds:
                break
            if self._follower.over and self._stage.ready_for_more:
                break
            shown = self._step()
            if shown is not None or time.monotonic() - drawn > 0.25:
                drawn = time.monotonic()
                self._window.draw(None if shown is None else shown.picture, self._lines(), self._alert())
            else:
                time.sleep(_IDLE_SECONDS)
        if self._recording is not None:
            self.record()
            print(self._said)

    def _step(self) -> Shown | None:
        if self._stage.ready_for_more:
            followed = self._follower.take()
            if followed is not None:
                self._stage.ask(followed)
        shown = self._stage.take()
        if shown is not None:
            self._delay = shown.delay
            self.figures.add(shown.delay)
            if self._recording is not None:
                self._recording.add(shown)
            if self._args.frames is not None:
                self._write_frame(shown)
        return shown

    def _write_frame(self, shown: Shown) -> None:
        from ..views.pictures import save_png

        self._number += 1
        save_png(self._args.frames / f"{self._number:06d}.png", shown.picture)

    def _lines(self) -> tuple[str, ...]:
        options = self._follower.options
        compiling = self._stage.compiling
        if compiling is not None:
            return (f"Compiling the renderer, once: {compiling[0]} of about {compiling[1]} parts",)
        first = f"{self._stage.rate:.0f} frames a second, {1e3 * self._delay:.0f} ms, tracker {self._follower.rate:.0f}"
        second = f"{self._stage.identity_name}, smoothing {options.smoothing:.1f}" + (
            ", mirrored" if options.mirror else ""
        )
        return (first, second, *([self._said] if self._said else []))

    def _alert(self) -> str:
        return f"{self._title}, recording" if self._recording is not None else self._title

    def mirror(self) -> None:
        """Take the pictures for a mirror's, or no longer."""
        options = self._follower.options
        self._follower.change(replace(options, mirror=not options.mirror))

    def calm(self, by: float) -> None:
        """More smoothing, or less."""
        options = self._follower.options
        self._follower.change(replace(options, smoothing=round(min(max(options.smoothing + by, 0.0), 1.0), 2)))

    def turn_view(self) -> None:
        """Beside becomes over."""
        self._stage.view = "over" if self._stage.view == "beside" else "beside"

    def record(self) -> None:
        """Begin a take, or finish it."""
        from .recording import Recording

        if self._recording is None:
            check_writable(self._args.folder / "take")
            from importlib.util import find_spec

            video = find_spec("imageio_ffmpeg") is not None
            self._recording = Recording(self._args.folder, self._follower.options.model, video)
            self._said = ""
            return
        recording, self._recording = self._recording, None
        try:
            self._said = "Recorded " + ", ".join(path.name for path in recording.finish())
        except LiveHandError as error:
            self._said = str(error)


def _identity(text: str, names: tuple[str, ...]) -> int:
    if text in names:
        return names.index(text)
    if text.isdigit() and int(text) < len(names):
        return int(text)
    raise LiveHandError(f"The avatar has no identity {text!r}.", f"Choose from {', '.join(names)}.")
