"""A Blender with the built extension, in a window on a display: started, asked, looked at, ended.

with Display(machine) as display, BlenderWindow(machine, display, folder, archive) as blender:
    blender.python("bpy.ops.livehand.add_hand()")
    blender.shot("hand")
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import environment
import numpy as np

from .display import SIZE, Display
from .machine import Machine

DRIVER = Path(__file__).resolve().with_name("driver.py")
ADDON = "bl_ext.user_default.livehand"
CORE = "livehand_core"
START_SECONDS = 180.0
STEP_SECONDS = 240.0
"""Longest wait for one step's answer. Generous: the machine may be doing other things."""


class BlenderDied(RuntimeError):
    """Blender ended, or answered no more, in the middle of a step."""


class StepFailed(RuntimeError):
    """A step raised inside Blender; the text is its traceback."""


class BlenderWindow:
    """One Blender process with a user folder of its own; a context manager.

    Args:
        machine: whose Blender.
        display: where its window is shown.
        folder: for requests, log, user folder; emptied first. Inside the project's folder, the only one seen by all.
        archive: the extension's zip, installed and enabled before the window opens; None leaves it out.
        arguments: further ones for Blender, such as a file to open.
        variables: further ones of its environment.
        size: width and height of the window in pixels.
    """

    def __init__(
        self,
        machine: Machine,
        display: Display,
        folder: Path,
        archive: Path | None,
        arguments: tuple[str, ...] = (),
        variables: dict[str, str] | None = None,
        size: tuple[int, int] = SIZE,
    ) -> None:
        self.machine, self.display, self.folder = machine, display, folder
        self._archive, self._arguments, self._size = archive, arguments, size
        self._variables = {
            "BLENDER_USER_RESOURCES": str(folder / "user"),
            "LIVEHAND_PYTHON": str(environment.venv_python(environment.VENV)),
            "LIBGL_ALWAYS_SOFTWARE": "1",
            "DISPLAY": display.name,
            **({"OMP_NUM_THREADS": os.environ["OMP_NUM_THREADS"]} if "OMP_NUM_THREADS" in os.environ else {}),
            **(variables or {}),
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._number = 0

    def __enter__(self) -> BlenderWindow:
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / "requests").mkdir(parents=True)
        (self.folder / "user").mkdir()
        if self._archive is not None:
            self.background("--command", "extension", "install-file", "-r", "user_default", "-e", str(self._archive))
            self._bring_kernels()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()

    def background(self, *arguments: str) -> str:
        """Run Blender without a window in the same user folder; gives what it printed.

        Raises:
            BlenderDied: it ended with an error.
        """
        command = self.machine.blender_command(["--background", *arguments], self._variables)
        answer = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=self.folder)
        if answer.returncode:
            raise BlenderDied(f"blender {' '.join(arguments)} ended with {answer.returncode}:\n{answer.stdout[-3000:]}")
        return answer.stdout

    def start(self) -> None:
        """Open the window; also again after :meth:`quit`, with the same user folder.

        Raises:
            BlenderDied: no window within ``START_SECONDS``.
        """
        requests = self.folder / "requests"
        for path in requests.iterdir():
            path.unlink()
        self._number = 0
        # Blender counts from the display's lower left corner; the window is wanted in the upper one.
        window = ["--window-geometry", "0", str(SIZE[1] - self._size[1]), *map(str, self._size)]
        driver = ["--python", str(DRIVER), "--", str(requests)]
        command = self.machine.blender_command([*window, *self._arguments, *driver], self._variables)
        with (self.folder / "blender.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            self._wait(lambda: (requests / "started").exists(), START_SECONDS, "no window")
            self.ask("areas")
            self.display.move(self._size[0] / 2, self._size[1] / 2)
            self.display.focus()
        except BaseException:
            self.kill()
            raise

    def _bring_kernels(self) -> None:
        """Give the installed core the kernels that the checkout has compiled: they hold where the sources are the same,
        and the tests need not wait for a compiler in every fresh user folder."""
        for target in (self.folder / "user").rglob(f"{CORE}/kernels"):
            source = environment.ROOT / CORE / "kernels"
            for path in source.rglob("*.nb?"):
                copy = target / path.relative_to(source)
                copy.parent.mkdir(exist_ok=True)
                shutil.copy(path, copy)

    @property
    def engine_log(self) -> str:
        """What the engine wrote so far."""
        return "".join(
            path.read_text(encoding="utf-8", errors="replace") for path in (self.folder / "user").rglob("engine.log")
        )

    @property
    def pid(self) -> int:
        """Blender's process."""
        assert self._process is not None, "Blender was not started"
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether Blender still runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """What Blender and the add-on printed so far."""
        return (self.folder / "blender.log").read_text(encoding="utf-8", errors="replace")

    def ask(self, step: str, **values: Any) -> Any:
        """Run a step of ``steps.py`` inside Blender; gives its result.

        Raises:
            StepFailed: it raised.
            BlenderDied: there was no answer.
        """
        self._number += 1
        requests = self.folder / "requests"
        temporary = requests / f"{self._number}.new"
        temporary.write_text(json.dumps({"step": step, "values": values}), encoding="utf-8")
        temporary.replace(requests / f"{self._number}.request.json")
        path = requests / f"{self._number}.answer.json"
        self._wait(path.exists, STEP_SECONDS, f"no answer to {step}")
        answer = json.loads(path.read_text(encoding="utf-8"))
        if "error" in answer:
            raise StepFailed(answer["error"])
        return answer["result"]

    def python(self, code: str, **names: Any) -> Any:
        """Run Python inside Blender; gives what it leaves in ``result``. Raises as :meth:`ask`."""
        return self.ask("python", code=code, **names)

    def shot(self, name: str) -> np.ndarray:
        """Keep a screenshot as NAME.png beside the folder; (H, W, 3) sRGB in [0, 1]."""
        return self.display.screenshot(self.folder.parent / f"{name}.png")

    def wait_for(self, seen: Callable[[], bool], seconds: float = 60.0) -> bool:
        """Look again and again until ``seen`` says yes; False when it never did within ``seconds``.

        Raises:
            BlenderDied: Blender ended meanwhile.
        """
        patience = _Patience(seconds)
        while not patience.ended():
            if seen():
                return True
            if not self.alive:
                raise BlenderDied(self._last_words("Blender ended"))
            time.sleep(0.1)
        return seen()

    def still(self, seconds: float = 60.0, calm: float = 1.0) -> np.ndarray:
        """Wait until the window shows the same for ``calm`` seconds, at most ``seconds``; gives the last picture."""
        end = time.monotonic() + seconds
        last, since = self.display.look(), time.monotonic()
        while time.monotonic() < end and time.monotonic() - since < calm:
            time.sleep(0.2)
            now = self.display.look()
            if not np.array_equal(now, last):
                last, since = now, time.monotonic()
        return last

    def children(self) -> list[int]:
        """Processes below Blender's that are not ended: the engine, a training."""
        found, parents = [], {self.pid}
        table = [line for line in map(_status, Path("/proc").glob("[0-9]*/stat")) if line is not None]
        for _ in range(4):
            new = [number for number, parent, state in table if parent in parents and state != "Z"]
            found += [number for number in new if number not in found]
            parents = set(new)
        return found

    def quit(self, seconds: float = 60.0) -> int:
        """Close the window as a user does; Blender's exit status.

        Raises:
            BlenderDied: it did not end.
        """
        self.ask("finish")
        assert self._process is not None
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise BlenderDied(self._last_words(f"Blender still runs {seconds} s after it was closed")) from None

    def kill(self) -> None:
        """End the process without asking."""
        assert self._process is not None, "Blender was not started"
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def _wait(self, ready: Callable[[], bool], seconds: float, what: str) -> None:
        patience = _Patience(seconds)
        while not ready():
            assert self._process is not None
            if self._process.poll() is not None:
                raise BlenderDied(self._last_words(f"{what}: Blender ended with {self._process.returncode}"))
            if patience.ended():
                raise BlenderDied(self._last_words(f"{what} within {seconds:.0f} s"))
            time.sleep(0.01)

    def _last_words(self, what: str) -> str:
        return f"{what}\n{self.log[-3000:]}"


class _Patience:
    """A time limit that a machine which stood still in between does not use up: a look counts two seconds at most."""

    def __init__(self, seconds: float) -> None:
        self._left, self._last = seconds, time.monotonic()

    def ended(self) -> bool:
        now = time.monotonic()
        self._left -= min(now - self._last, 2.0)
        self._last = now
        return self._left <= 0.0


def _status(path: Path) -> tuple[int, int, str] | None:
    """(process, parent, state) of /proc/N/stat; None when it has just ended."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError:
        return None
    state, parent = text.rsplit(")", 1)[1].split()[:2]
    return int(path.parent.name), int(parent), state
