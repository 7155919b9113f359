"""``livehand doctor``: what is installed, which devices there are, what is missing and what to do about it.

Needs NumPy only, so that the add-on can show the same findings inside Blender; the engine tells of torch and devices.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from . import __version__
from .cache import CACHE_VARIABLE, cache_folder
from .engine.client import EngineClient, EngineInfo
from .engine.interpreters import Interpreter, child_environment, find_interpreter, start_options
from .engine.kept_core import core_folder
from .errors import DeviceError, LiveHandError
from .libraries import JOBS, MODULES, lacking, packages, remedy

State = Literal["ok", "note", "problem"]
LIBRARIES = packages(MODULES)
ASK_SECONDS = 30.0

_VERSIONS = """
import importlib.metadata as metadata, json, sys
found = {}
for name in sys.argv[1:]:
    try:
        found[name] = metadata.version(name)
    except metadata.PackageNotFoundError:
        pass
print(json.dumps(found))
"""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        topic: what, in a word or three.
        state: ``"ok"``; ``"note"``: worth knowing, nothing to do; ``"problem"``: rendering does not work without it.
        detail: what was found.
        remedy: what to do, empty when nothing needs doing.
    """

    topic: str
    state: State
    detail: str
    remedy: str = ""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.description = "Say what is installed and what is missing. Exit code 1 when something needed is missing."
    parser.add_argument("--json", action="store_true", help="print JSON for programs")
    parser.add_argument("--python", default="", metavar="PATH", help="the engine's Python, or its environment's folder")
    parser.add_argument(
        "--mano", type=Path, metavar="PATH", help="a MANO .pkl file to check, or the folder that holds both"
    )
    parser.add_argument(
        "--no-engine", action="store_true", help="do not start the engine (torch's devices are then not listed)"
    )


def run(args: argparse.Namespace) -> int:
    """Print the findings; 1 when something needed is missing."""
    findings = []
    if not args.json:
        print(f"LiveHand {__version__}")
    for finding in examine(args.python, mano=args.mano, start_engine=not args.no_engine):
        findings.append(finding)
        if not args.json:
            print(as_text(finding), flush=True)
    healthy = all(finding.state != "problem" for finding in findings)
    if args.json:
        document = {"version": __version__, "healthy": healthy, "findings": [asdict(f) for f in findings]}
        print(json.dumps(document, indent=2))
    else:
        print(
            "Everything that rendering needs is installed." if healthy else "Something that rendering needs is missing."
        )
    return 0 if healthy else 1


def as_text(finding: Finding) -> str:
    """A finding as a line, with the remedy on a second one."""
    line = f"  {finding.state:8} {finding.topic:16} {finding.detail}"
    return f"{line}\n{'':28}-> {finding.remedy}" if finding.remedy else line


def examine(
    preference: str = "",
    made_environment: Path | None = None,
    mano: Path | None = None,
    start_engine: bool = True,
) -> Iterator[Finding]:
    """Look at everything, one finding after another; takes some seconds, so not for an interface's main thread.

    Args:
        preference, made_environment: where the engine's Python may be, see ``find_interpreter``.
        mano: a MANO file or a folder of them; None takes the folder of the variable LIVEHAND_MANO.
        start_engine: start an engine and have it tell of torch and its devices.
    """
    memory = _memory()
    yield Finding("system", "ok", f"{platform.platform()}, {os.cpu_count()} processors{memory}")
    yield Finding("this Python", "ok", f"{platform.python_version()} ({sys.executable or 'inside another program'})")
    yield from _shared_memory()
    yield from _blender()
    yield from _hand()
    yield from _avatar()
    yield from _mano(mano)
    try:
        interpreter = find_interpreter(preference, made_environment)
    except LiveHandError as error:
        yield Finding("engine's Python", "problem", error.message, error.remedy)
        return
    for line in interpreter.rejected:
        yield Finding("passed over", "note", line)
    yield Finding(
        "engine's Python",
        "ok",
        f"{interpreter.path} (Python {interpreter.python_version}; {interpreter.source})",
    )
    yield from _libraries(interpreter)
    yield from _jobs(interpreter)
    yield _kernels()
    if start_engine:
        yield from _engine(interpreter)


def _engine(interpreter: Interpreter) -> Iterator[Finding]:
    begun = time.monotonic()
    with EngineClient(interpreter.path) as client:
        try:
            info: EngineInfo = client.start()
        except LiveHandError as error:
            yield Finding("engine", "problem", error.message, error.remedy)
            return
        seconds = time.monotonic() - begun
    torch = f"torch {info.torch_version}" if info.torch_version else "without torch"
    yield Finding("engine", "ok", f"started in {seconds:.1f} s, protocol {info.protocol}, {torch}")
    for number, device in enumerate(info.devices):
        chosen = ", draws frames" if number == 0 else ""
        yield Finding("device", "note" if device.startswith("no ") else "ok", f"{device}{chosen}")


def _libraries(interpreter: Interpreter) -> Iterator[Finding]:
    said = _ask([str(interpreter.path), "-c", _VERSIONS, *LIBRARIES], child_environment(interpreter.path))
    try:
        versions = json.loads(said)
    except ValueError:
        versions = {}
    yield Finding("libraries", "ok", ", ".join(f"{name} {versions[name]}" for name in LIBRARIES if name in versions))


def _jobs(interpreter: Interpreter) -> Iterator[Finding]:
    """What can be done there, and what each other job lacks."""
    for name, job in JOBS.items():
        absent = lacking(name, interpreter.missing)
        less = [module for module in job.helpful if module in interpreter.missing]
        if absent:
            what = f"not possible without {', '.join(packages(absent))}"
            yield Finding(name, "note", what, remedy(name, absent, interpreter.path))
        else:
            without = f"; it does less without {', '.join(packages(less))}" if less else ""
            yield Finding(name, "ok", f"what it needs is installed{without}")


def _kernels() -> Finding:
    """Where the engine keeps its compiled renderer."""
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    beside, cache = core_folder() / "livehand_core" / "kernels" / "__pycache__", cache_folder() / "kernels"
    folders = [Path(chosen)] if chosen else []
    folders += [beside, cache]
    kept = next(filter(_writable, folders), None)
    if kept is not None:
        return Finding("compiled kernels", "ok", f"with {_instructions()}, kept in {kept}")
    what = f"not kept, since neither {beside} nor {cache} can be written: each start compiles for about a minute"
    return Finding(
        "compiled kernels", "note", what, f"Make one of them writable, or name a folder in {CACHE_VARIABLE}."
    )


def _instructions() -> str:
    """What the kernels of this Python are written with, in words."""
    try:
        from .kernels.target import instructions

        return f"{instructions().name} instructions"
    except ImportError:
        return "instructions that numba tells"
    except DeviceError as error:
        return f"no instructions: {error}"


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


def _shared_memory() -> Iterator[Finding]:
    folder = Path("/dev/shm")
    if not folder.is_dir():
        return
    free = shutil.disk_usage(folder).free
    # A 4K frame with colour, depth and normal takes 265 MB.
    if free < 300e6:
        yield Finding(
            "shared memory", "note", f"{free / 1e6:.0f} MB free: large frames may not fit", "Enlarge /dev/shm."
        )
    else:
        yield Finding("shared memory", "ok", f"{free / 1e9:.1f} GB free in {folder}")


def _blender() -> Iterator[Finding]:
    try:
        yield Finding("Blender module", "ok", f"bpy {metadata.version('bpy')} in this Python")
        module = True
    except metadata.PackageNotFoundError:
        module = False
    program = shutil.which("blender")
    if program is not None:
        said = _ask([program, "--version"], None).strip().splitlines()
        yield Finding("Blender", "ok", f"{said[0] if said else 'of an unknown version'} ({program})")
    elif not module:
        yield Finding("Blender", "note", "no blender on the PATH and no bpy in this Python")


def _hand() -> Iterator[Finding]:
    from .hand.builtin import builtin_hand

    try:
        hand = builtin_hand("right")
    except LiveHandError as error:
        yield Finding("built-in hand", "problem", error.message, error.remedy)
    else:
        yield Finding("built-in hand", "ok", f"{hand.name}, {hand.vertex_count} vertices, {hand.licence}")


def _avatar() -> Iterator[Finding]:
    from .avatars.metadata import read_metadata
    from .avatars.story import story
    from .frames import DEFAULT_AVATAR

    try:
        avatar = read_metadata(DEFAULT_AVATAR)
    except LiveHandError as error:
        yield Finding("default avatar", "problem", error.message, error.remedy)
    else:
        told = f"{avatar.name}, {avatar.side} hand, for {avatar.hand_model}; {'; '.join(story(avatar))}"
        yield Finding("default avatar", "ok", told)


def _mano(path: Path | None) -> Iterator[Finding]:
    from .hand.library import MANO_FOLDER_VARIABLE
    from .hand.mano_reader import read_mano

    if path is None and not os.environ.get(MANO_FOLDER_VARIABLE):
        yield Finding(
            "MANO", "note", f"not given (--mano or {MANO_FOLDER_VARIABLE}); only avatars made with it need it"
        )
        return
    path = path or Path(os.environ[MANO_FOLDER_VARIABLE])
    files = [path / f"MANO_{side}.pkl" for side in ("RIGHT", "LEFT")] if path.is_dir() else [path]
    for file in files:
        try:
            hand = read_mano(file)
        except LiveHandError as error:
            yield Finding("MANO", "problem", error.message, error.remedy)
        else:
            yield Finding("MANO", "ok", f"{file}: {hand.side} hand, {hand.vertex_count} vertices")


def _memory() -> str:
    try:
        return f", {os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB memory"
    except (AttributeError, ValueError, OSError):
        # Windows has no sysconf.
        return ""


def _ask(command: list[str], environment: dict[str, str] | None) -> str:
    """What a program prints; nothing when it cannot be asked."""
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=ASK_SECONDS,
            **start_options(),
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode(errors="replace")
