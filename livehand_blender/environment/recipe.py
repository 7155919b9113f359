"""Making the engine's Python environment: a venv, torch where it is wanted, and the core's wheel with what it asks for.

No bpy here. Called by environment/operators on a thread; all that takes long happens in processes that can be ended.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from livehand_core import __version__
from livehand_core.documents import Reader
from livehand_core.engine.interpreters import (
    MINIMUM_PYTHON,
    check_interpreter,
    child_environment,
    core_command,
    environment_python,
    forget_interpreter,
)
from livehand_core.errors import EngineError, LiveHandError
from livehand_core.libraries import JOBS
from livehand_core.progress import MACHINE_LINE
from livehand_core.records import build

from .lines import failure_line, run_lines

Build = Literal["CPU", "CUDA", "DEFAULT"]

STAMP = "livehand_environment.json"
STAMPS = Reader("The environment's stamp", EngineError, "Make the environment again.", limit=1 << 16)
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
CUDA_INDEX = "https://download.pytorch.org/whl/cu126"
"""CUDA 12.6 runs on the widest range of drivers and of GPUs."""

_CUDA_BYTES, _CPU_BYTES = (3.2e9, 8e9), (0.45e9, 2.5e9)
TORCH_BYTES = {
    "CPU": _CPU_BYTES,
    "CUDA": _CUDA_BYTES,
    "DEFAULT": _CUDA_BYTES if sys.platform == "linux" else _CPU_BYTES,
}
"""Build of torch -> about what is downloaded with it, which is only for the progress bar, and room on the disk."""
RENDERING_BYTES = (0.1e9, 0.6e9)
"""The same without torch."""
TRACKING_BYTES = (0.12e9, 0.4e9)
"""What the tracker adds."""

_UNITS = {"kB": 1e3, "MB": 1e6, "GB": 1e9, "bytes": 1.0}
_SIZE = re.compile(r"^\s*(?:Downloading|Using cached|Processing) (\S+?)(?: \(([\d.]+) (kB|MB|GB|bytes)\))?$")
_RAW = re.compile(r"^Progress (\d+) of (\d+)")


@dataclass(frozen=True)
class Wish:
    """What environment is wanted.

    Attributes:
        folder: where it goes; what is there is replaced once the new one is good.
        base: the Python that it is made from.
        source: the core's wheel, or the project's folder in a checkout.
        build: for the processor, for CUDA, or with the torch that the package index gives.
        index: package index of torch in place of the known one; empty for that.
        training: also what training, its measures and meshes need; without it there is torch only for a GPU.
        tracking: also what tracking hands in videos and before a camera needs.
        wheels: folder with wheels of everything, in place of the network; None for the network.
        online: whether the network may be used.
        log: file that everything said is written to.
    """

    folder: Path
    base: Path
    source: Path
    build: Build = "CPU"
    index: str = ""
    training: bool = False
    tracking: bool = False
    wheels: Path | None = None
    online: bool = True
    log: Path | None = None

    @property
    def job(self) -> str:
        """What it is made for, of ``libraries.JOBS``."""
        return "training" if self.training else "rendering" if self.build == "CPU" else "torch"

    @property
    def extras(self) -> tuple[str, ...]:
        """What is installed: all that the job needs, and the tracker where it is wanted."""
        return (JOBS[self.job].extra, *((JOBS["tracking"].extra,) if self.tracking else ()))

    @property
    def with_torch(self) -> bool:
        """Whether torch is among what it gets."""
        return "torch" in JOBS[self.job].modules

    @property
    def sizes(self) -> tuple[float, float]:
        """Bytes, about, that are downloaded and that it takes."""
        sizes = TORCH_BYTES[self.build] if self.with_torch else RENDERING_BYTES
        if not self.tracking:
            return sizes
        return sizes[0] + TRACKING_BYTES[0], sizes[1] + TRACKING_BYTES[1]


@dataclass(frozen=True)
class Stamp:
    """What an environment was made for, as its stamp file says; ``torch`` is empty where there is none."""

    core: str
    python: str
    torch: str
    build: str
    training: bool
    megabytes: int
    tracking: bool = False

    @property
    def current(self) -> bool:
        """Whether it was made for this very version of LiveHand."""
        return self.core == __version__


def make_environment(wish: Wish, tell: Callable[[float, str], None], cancelled: Callable[[], bool]) -> Stamp:
    """Make the environment; an older one at its place stays until the new one is good.

    Args:
        tell: takes the part done, 0 to 1, and what is being done.
        cancelled: asked ten times a second.

    Raises:
        EngineError: no network is allowed, a Python that does not serve, a full disk, a package that is not to be had.
        EngineError: it was cancelled (``cancelled`` says so).
    """
    _check(wish)
    old = wish.folder.with_name(wish.folder.name + ".old")
    _remove(old)
    replaced = wish.folder.exists()
    if replaced:
        _rename(wish.folder, old)
    good = False
    try:
        stamp = _make(wish, tell, cancelled)
        good = True
    finally:
        if not good:
            _remove(wish.folder)
            if replaced:
                _rename(old, wish.folder)
    _remove(old)
    return stamp


def remove_environment(folder: Path) -> None:
    """Delete an environment. Raises EngineError when something of it is in use or may not be deleted."""
    forget_interpreter(environment_python(folder))
    _remove(folder)
    if folder.exists():
        raise EngineError(
            f"{folder} could not be deleted completely.", "Close other programs that use it, and try again."
        )


def read_stamp(folder: Path) -> Stamp | None:
    """What an environment was made for; None without one that was finished."""
    try:
        return build(Stamp, STAMPS.json(folder / STAMP))
    except (LiveHandError, ValueError):
        return None


def _check(wish: Wish) -> None:
    if wish.wheels is None and not wish.online:
        raise EngineError(
            "Blender is set to work offline, so nothing can be downloaded.",
            "Allow Online Access in Preferences, System, or give a folder of wheels.",
        )
    if wish.wheels is not None and not any(wish.wheels.glob("*.whl")):
        raise EngineError(f"{wish.wheels} holds no wheels (*.whl).", "Give the folder of the downloaded packages.")
    if not wish.source.exists():
        raise EngineError(f"{wish.source} is not there.", "Install the add-on again.")
    try:
        wish.folder.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(wish.folder.parent).free
    except OSError as error:
        raise EngineError(
            f"{wish.folder.parent} cannot be written ({error.strerror}).", "Make the add-on's folder writable."
        ) from error
    needed = wish.sizes[1]
    if wish.wheels is None and free < needed:
        raise EngineError(
            f"{wish.folder.parent} has {free / 1e9:.1f} GB free; about {needed / 1e9:.1f} GB are needed.",
            "Free some space, or use an existing Python.",
        )


def _make(wish: Wish, tell: Callable[[float, str], None], cancelled: Callable[[], bool]) -> Stamp:
    tell(0.0, "Making the environment")
    if wish.log is not None:
        wish.log.unlink(missing_ok=True)
    python = environment_python(wish.folder)
    pip = _make_venv(wish, python, cancelled)
    meter = _Meter(wish.sizes[0], tell)
    core = f"{wish.source}[{','.join(wish.extras)}]"
    if wish.wheels is not None:
        local = ["--no-index", "--find-links", str(wish.wheels)]
        _pip(wish, pip, [*local, core], meter, cancelled)
    else:
        index = wish.index or {"CPU": CPU_INDEX, "CUDA": CUDA_INDEX, "DEFAULT": ""}[wish.build]
        # macOS has one build, which is not in those indexes.
        if wish.with_torch and index and (wish.index or sys.platform != "darwin"):
            packages = ["torch", *(["torchvision"] if wish.training else [])]
            _pip(wish, pip, ["--index-url", index, *packages], meter, cancelled)
        _pip(wish, pip, [core], meter, cancelled)
    tell(0.88, "Trying the new environment")
    forget_interpreter(python)
    python_version, torch_version, _ = check_interpreter(python, wish.job)
    _prepare(wish, python, tell, cancelled)
    size = sum(entry.stat(follow_symlinks=False).st_size for entry in _files(wish.folder))
    megabytes = round(size / 1e6)
    stamp = Stamp(__version__, python_version, torch_version, wish.build, wish.training, megabytes, wish.tracking)
    (wish.folder / STAMP).write_text(json.dumps(vars(stamp)), encoding="utf-8")
    tell(1.0, "Done")
    return stamp


def _prepare(wish: Wish, python: Path, tell: Callable[[float, str], None], cancelled: Callable[[], bool]) -> None:
    """Draw a small frame, which compiles the renderer and proves the environment; no artist waits for it later."""
    text = "Compiling the renderer for this processor"

    def take(line: str) -> None:
        if line.startswith(MACHINE_LINE):
            told = json.loads(line.removeprefix(MACHINE_LINE))
            tell(0.9 + 0.09 * told["done"] / told["of"], f"{text}: {told['done']} of about {told['of']} parts")

    tell(0.9, text)
    command = core_command(python, ["prepare", "--machine"])
    code, lines = run_lines(command, child_environment(python), wish.log, cancelled, take)
    if code != 0:
        log = f" All of it stands in {wish.log}." if wish.log else ""
        raise EngineError(
            f"The new environment does not render: {failure_line(lines).removeprefix('livehand: ')}.",
            f"Try another Python to make it from.{log}",
        )


def _make_venv(wish: Wish, python: Path, cancelled: Callable[[], bool]) -> list[str]:
    """An empty environment; the command that installs into it."""
    base = str(wish.base)
    _python_fits(wish.base)
    environment = child_environment(wish.base)
    code, lines = run_lines([base, "-m", "venv", str(wish.folder)], environment, wish.log, cancelled)
    if code == 0:
        return [str(python), "-m", "pip"]
    # Distributions split ensurepip off: take pip from the base, or from the folder of wheels.
    shutil.rmtree(wish.folder, ignore_errors=True)
    code, bare = run_lines([base, "-m", "venv", "--without-pip", str(wish.folder)], environment, wish.log, cancelled)
    if code != 0:
        raise EngineError(
            f"{base} cannot make an environment ({failure_line(bare or lines)}).",
            "Install its venv module (Debian: python3-venv), or choose another base Python.",
        )
    wheel = next(iter(sorted(wish.wheels.glob("pip-*.whl"))), None) if wish.wheels is not None else None
    if wheel is not None:
        return [str(python), f"{wheel}/pip"]
    code, _ = run_lines([base, "-m", "pip", "--version"], environment, wish.log, cancelled)
    if code != 0:
        raise EngineError(
            f"{base} comes without pip, so nothing can be installed with it.",
            "Install its venv module (Debian: python3-venv), or choose another base Python.",
        )
    return [base, "-m", "pip", "--python", str(python)]


def _python_fits(base: Path) -> None:
    try:
        answer = subprocess.run(
            [str(base), "-c", "import sys; print(*sys.version_info[:2])"],
            capture_output=True,
            timeout=30.0,
            env=child_environment(base),
            stdin=subprocess.DEVNULL,
        )
        version = tuple(int(part) for part in answer.stdout.split())
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise EngineError(f"{base} does not run as Python ({error}).", "Choose another base Python.") from error
    if len(version) != 2 or version < MINIMUM_PYTHON:
        found = ".".join(map(str, version)) or "no Python"
        wanted = ".".join(map(str, MINIMUM_PYTHON))
        raise EngineError(f"{base} is {found}; {wanted} or newer is needed.", "Choose another base Python.")


def _pip(
    wish: Wish, pip: Sequence[str], arguments: Sequence[str], meter: _Meter, cancelled: Callable[[], bool]
) -> None:
    environment = child_environment(wish.base, {"PIP_NO_INPUT": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"})
    environment.pop("PIP_TARGET", None)
    environment.pop("PIP_USER", None)
    if wish.wheels is not None:
        # Only the folder counts: the user's own settings may name other places to take packages from.
        environment["PIP_CONFIG_FILE"] = os.devnull
    command = [*pip, "install", "--progress-bar", "raw" if _knows_raw(pip, environment) else "off", *arguments]
    code, lines = run_lines(command, environment, wish.log, cancelled, meter.take)
    if code != 0:
        log = f" All of it stands in {wish.log}." if wish.log else ""
        raise EngineError(
            f"pip could not install what the engine needs: {failure_line(lines)}.",
            f"Check the network, the disk and the choice of build, then try again.{log}",
        )


def _knows_raw(pip: Sequence[str], environment: dict[str, str]) -> bool:
    said = subprocess.run([*pip, "--version"], capture_output=True, env=environment, stdin=subprocess.DEVNULL).stdout
    numbers = re.findall(rb"\d+", said)[:2]
    return len(numbers) == 2 and (int(numbers[0]), int(numbers[1])) >= (24, 1)


class _Meter:
    """Reads what pip says and tells how far it is: downloads up to 80 %, unpacking after."""

    def __init__(self, expected: float, tell: Callable[[float, str], None]) -> None:
        self._expected, self._tell = expected, tell
        self._done, self._size, self._name = 0.0, 0.0, ""

    def take(self, line: str) -> None:
        raw, size = _RAW.match(line), _SIZE.match(line)
        if raw is not None:
            got, whole = float(raw[1]), float(raw[2])
            self._say(got, f"Downloading {self._name} ({got / 1e6:.0f} of {whole / 1e6:.0f} MB)")
        elif size is not None:
            self._done += self._size
            self._size = float(size[2]) * _UNITS[size[3]] if size[2] else 0.0
            self._name = size[1].split("/")[-1].split("-")[0]
            self._say(0.0, f"Fetching {self._name}")
        elif line.startswith("Collecting "):
            self._say(self._size, f"Looking for {line.split()[1]}")
        elif line.startswith("Installing collected packages"):
            self._tell(0.82, f"Unpacking {line.count(',') + 1} packages")

    def _say(self, of_this: float, text: str) -> None:
        part = min((self._done + of_this) / self._expected, 1.0)
        self._tell(0.02 + 0.78 * part, text)


def _files(folder: Path) -> list[os.DirEntry[str]]:
    found, folders = [], [str(folder)]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                else:
                    found.append(entry)
    return found


def _remove(folder: Path) -> None:
    for attempt in range(5):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        # On Windows files of a process that has just ended stay busy for a moment.
        time.sleep(0.2 * (attempt + 1))


def _rename(source: Path, target: Path) -> None:
    try:
        os.replace(source, target)
    except OSError as error:
        raise EngineError(
            f"{source} cannot be moved aside ({error.strerror}).", "Close other programs that use it, and try again."
        ) from error
