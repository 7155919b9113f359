"""Backends for the engine's own tests: no torch, and a behaviour that the request's first avatar name chooses."""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Callable

import numpy as np

from livehand_core.compilation import announce
from livehand_core.errors import AvatarError, EngineError, LiveHandError, RenderCancelled
from livehand_core.frames import FrameRequest
from livehand_core.passes import PASSES, RenderPasses


class FakeBackend:
    """Answers each pass with an image of the horizontal focal length, after what the avatar's name says.

    ``sleep:SECONDS`` works that long, looking for a cancel every 5 ms; ``deaf:SECONDS`` does not look;
    ``compile:PARTS`` says that it compiles so many kernels;
    ``raise``, ``avatar``, ``memory``, ``broken``, ``nan`` fail in their ways; ``die`` ends the process; ``print``
    prints on every path that a library might; ``warn:TEXT`` adds a warning; ``occluders`` warns of the key of each.
    """

    def open(self, device: str) -> tuple[str, list[str]]:
        return f"fake on {device}", ["cpu (fake)"]

    def render(self, request: FrameRequest, cancelled: Callable[[], bool]) -> RenderPasses:
        action, _, value = (request.hands[0].avatar if request.hands else "").partition(":")
        warnings: tuple[str, ...] = ()
        seconds = {"fake": 0.0}
        if action == "sleep":
            end = time.monotonic() + float(value)
            while time.monotonic() < end:
                if cancelled():
                    raise RenderCancelled("The render was cancelled.")
                time.sleep(0.005)
        elif action == "compile":
            for _ in range(int(value)):
                announce()
                time.sleep(0.1)
        elif action == "deaf":
            time.sleep(float(value))
        elif action == "raise":
            raise ZeroDivisionError("nothing to divide by")
        elif action == "avatar":
            raise AvatarError("hand.safetensors is damaged.", "Copy it again.")
        elif action == "memory":
            raise MemoryError
        elif action == "broken":
            raise RuntimeError("the device is lost")
        elif action == "nan":
            seconds["fake"] = float("nan")
        elif action == "die":
            os._exit(7)
        elif action == "print":
            print("printed by a library", flush=True)
            os.write(1, b"written to descriptor 1\n")
            ctypes.CDLL(None).puts(b"printed from C")
            sys.__stdout__.write("and once more\n") if sys.__stdout__ else None
            assert sys.stdin.read() == ""
        elif action == "warn":
            warnings = (value,)
        elif action == "occluders":
            warnings = tuple(occluder.key for occluder in request.occluders)
        camera = request.camera
        images = {
            name: np.full((camera.height, camera.width, PASSES[name].channels), camera.fx, dtype=np.float32)
            for name in request.passes
        }
        return RenderPasses(images, seconds, warnings)

    def explain(self, error: Exception) -> tuple[LiveHandError, bool]:
        if isinstance(error, LiveHandError):
            return error, True
        return EngineError(f"Failed with {type(error).__name__}.", "Render again."), not isinstance(error, RuntimeError)


class RefusingBackend(FakeBackend):
    """Cannot render here."""

    def open(self, device: str) -> tuple[str, list[str]]:
        raise EngineError("torch cannot be imported (libcudart.so is missing).", "Install torch again.")


class HugeBackend(FakeBackend):
    """Answers ``huge`` with an image that takes no memory here and a petabyte in shared memory."""

    def render(self, request: FrameRequest, cancelled: Callable[[], bool]) -> RenderPasses:
        passes = super().render(request, cancelled)
        if request.hands[0].avatar == "huge":
            passes.images["rgba"] = np.broadcast_to(np.float32(1.0), (1 << 24, 1 << 22, 4))
        return passes
