"""A display without a screen, with a real mouse and keys on it (xdotool) and a camera before it (ImageMagick)."""

from __future__ import annotations

import io
import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from .machine import Machine

SIZE = (1280, 800)
"""Width and height of the display in pixels; Blender's window fills it."""


_FUNCTION_KEYS = {f"F{n}": str(66 + n if n < 11 else 84 + n) for n in range(1, 13)}
"""Key codes of X."""


class Display:
    """Xvfb with its tools; a context manager.

    Positions are pixels from the display's top left corner, as in the screenshots.

    Args:
        machine: whose Xvfb, xdotool and import are used.
        number: the display's number; None lets Xvfb choose one that is free.
    """

    def __init__(self, machine: Machine, number: int | None = None) -> None:
        self._machine = machine
        self._wanted = number
        self._process: subprocess.Popen[str] | None = None
        self.name = ""

    def __enter__(self) -> Display:
        chosen = [] if self._wanted is None else [f":{self._wanted}"]
        screen = f"{SIZE[0]}x{SIZE[1]}x24"
        options = ["-displayfd", "1", "-screen", "0", screen, "+extension", "GLX", "-nolisten", "tcp", "-noreset"]
        command = self._machine.tool_command(["Xvfb", *chosen, *options], {})
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self._process.stdout is not None
        number = self._process.stdout.readline().strip()
        if not number:
            self._process.wait()
            raise OSError("Xvfb does not start; is the display's number taken?")
        self.name = f":{number}"
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()
            self._process = None

    def look(self) -> np.ndarray:
        """(H, W, 3) float64 sRGB in [0, 1]: what the display shows now."""
        answer = self._run(["import", "-silent", "-window", "root", "-depth", "8", "ppm:-"])
        with Image.open(io.BytesIO(answer)) as picture:
            return np.asarray(picture.convert("RGB"), dtype=np.float64) / 255.0

    def screenshot(self, path: Path) -> np.ndarray:
        """Look, and keep the picture as a PNG at ``path``."""
        image = self.look()
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.rint(image * 255.0).astype(np.uint8)).save(path)
        return image

    def move(self, x: float, y: float) -> None:
        """Move the mouse."""
        self._xdotool(*_move(x, y))

    def click(self, x: float, y: float, button: int = 1) -> None:
        """Press and release a mouse button (1 left, 2 middle, 3 right, 4 and 5 wheel)."""
        # Blender looks at what lies below the mouse when that has moved, so it gets a moment before the press.
        pause = ("sleep", "0.1")
        self._xdotool(*_move(x, y), *pause, "mousedown", str(button), *pause, "mouseup", str(button))

    def drag(self, path: Sequence[tuple[float, float]], button: int = 2, seconds: float = 0.5) -> None:
        """Hold a button along ``path`` for about ``seconds``."""
        pause = ("sleep", f"{seconds / max(len(path), 1):.3f}")
        words = [*_move(*path[0]), "sleep", "0.1", "mousedown", str(button)]
        for point in path[1:]:
            words += [*pause, *_move(*point)]
        words += [*pause, "mouseup", str(button)]
        self._xdotool(*words)

    def key(self, *keys: str) -> None:
        """Press keys by X's names, one after another: ``key("shift+a")``, ``key("F12")``."""
        self._xdotool("key", "--delay", "80", *map(_plain, keys))

    def type(self, text: str) -> None:
        """Type text into what has the focus."""
        self._xdotool("type", "--delay", "40", text)

    def focus(self) -> None:
        """Give the keyboard to the topmost window below the mouse: no window manager does it here."""
        told = dict(line.split("=", 1) for line in self._xdotool("getmouselocation", "--shell").split())
        self._xdotool("windowfocus", told["WINDOW"])

    def _xdotool(self, *words: str) -> str:
        answer = self._run(["xdotool", *words]).decode()
        time.sleep(0.05)
        return answer

    def _run(self, tool: Sequence[str]) -> bytes:
        command = self._machine.tool_command(tool, {"DISPLAY": self.name})
        answer = subprocess.run(command, capture_output=True, env={**os.environ})
        if answer.returncode:
            raise OSError(f"{' '.join(tool[:2])} failed: {answer.stderr.decode(errors='replace').strip()}")
        return answer.stdout


def _plain(keys: str) -> str:
    """Keys such as ``ctrl+F12`` with function keys by their number: by name a newer xdotool presses Alt along."""
    return "+".join(_FUNCTION_KEYS.get(key, key) for key in keys.split("+"))


def _move(x: float, y: float) -> tuple[str, ...]:
    return ("mousemove", str(round(x)), str(round(y)))
