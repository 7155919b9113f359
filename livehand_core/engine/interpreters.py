"""Finding the Python interpreter that has what a job needs, and the command line that starts the engine on it.

Called by the client, the doctor and the add-on; NumPy is not even needed.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import EngineError
from ..libraries import JOBS, MODULES, button_of, lacking, packages, remedy
from .kept_core import core_folder

ENVIRONMENT_VARIABLE = "LIVEHAND_PYTHON"
MINIMUM_PYTHON = (3, 11)
PROBE_SECONDS = 30.0

# Runs on any Python, however old, and imports nothing heavy.
_PROBE = """
import sys
sys.path[:] = [p for p in sys.path if p]
missing, torch = [], ""
if sys.version_info >= (3, 8):
    import importlib.util, importlib.metadata
    for name in sys.argv[1:]:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            missing.append(name)
    if "torch" not in missing:
        try:
            torch = importlib.metadata.version("torch")
        except importlib.metadata.PackageNotFoundError:
            torch = "unknown"
import json
print("\\nLIVEHAND " + json.dumps({"version": list(sys.version_info[:3]), "missing": missing, "torch": torch}))
"""

# Engine and command line run the very livehand_core that the caller belongs to. Only that package is shown to them: the
# folder around it may be Blender's site-packages, full of modules for another Python.
_BOOTSTRAP = """
import sys
folder = sys.argv.pop(1)
sys.path[:] = [p for p in sys.path if p]
import importlib.machinery, importlib.util, runpy
spec = importlib.machinery.PathFinder.find_spec("livehand_core", [folder])
module = sys.modules["livehand_core"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""


@dataclass(frozen=True)
class Interpreter:
    """A Python on which the engine can run.

    Attributes:
        path: the executable.
        source: which of the places it was found in, in words.
        python_version, torch_version: as the interpreter itself tells; the latter is empty without torch.
        missing: modules of ``libraries.MODULES`` that it lacks.
        rejected: one line for each place that was tried before and did not serve.
    """

    path: Path
    source: str
    python_version: str
    torch_version: str
    missing: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()


class _Answer(NamedTuple):
    """What an interpreter tells of itself."""

    python_version: str
    torch_version: str
    missing: tuple[str, ...]


_checked: dict[tuple[str, int], _Answer] = {}


def find_interpreter(preference: str = "", made_environment: Path | None = None, job: str = "rendering") -> Interpreter:
    """The first interpreter that has what a job needs: the preference, then the environment variable LIVEHAND_PYTHON,
    then the environment made by the add-on, then this process's own Python.

    Args:
        preference: path of an executable or of an environment's folder; empty for none.
        made_environment: folder of the environment that the add-on makes, whether or not it is there yet.
        job: of ``libraries.JOBS``.

    Raises:
        EngineError: none serves; the message lists each place that was tried and the reason.

    Starts a short process for each candidate, up to 30 s when one hangs: not to be called from an interface's main
    thread.
    """
    rejected: list[str] = []
    for source, path in candidates(preference, made_environment):
        try:
            answer = check_interpreter(path, job)
        except EngineError as error:
            rejected.append(f"{source}: {error.message}")
        else:
            return Interpreter(path, source, *answer, tuple(rejected))
    tried = " ".join(f"({i}) {line}" for i, line in enumerate(rejected, 1)) or "No place to look in is set."
    needed = JOBS[job]
    button = button_of(job)
    raise EngineError(
        f"{needed.text} needs a Python of its own, and no suitable one was found. {tried}",
        f"{f'Choose {button} in the add-on preferences, or give' if button else 'Give'} a Python {_minimum()} or newer "
        f"that has {', '.join(packages(needed.modules))}, there or in the variable {ENVIRONMENT_VARIABLE}.",
    )


def candidates(preference: str, made_environment: Path | None) -> list[tuple[str, Path]]:
    """The places to look in, in order, each with its description."""
    found = []
    if preference.strip():
        found.append(("The preference", _executable(preference.strip())))
    if os.environ.get(ENVIRONMENT_VARIABLE, "").strip():
        found.append((f"The variable {ENVIRONMENT_VARIABLE}", _executable(os.environ[ENVIRONMENT_VARIABLE].strip())))
    if made_environment is not None:
        found.append(("The add-on's environment", environment_python(made_environment)))
    # Where Blender embeds Python without one of its own, sys.executable may be empty or Blender itself.
    own = Path(sys.executable) if sys.executable else None
    if own is not None and not own.name.lower().startswith("blender"):
        found.append(("This program's own Python", own))
    return found


def environment_python(folder: Path) -> Path:
    """The executable of a virtual environment."""
    return folder / "Scripts" / "python.exe" if sys.platform == "win32" else folder / "bin" / "python"


def check_interpreter(path: Path, job: str = "rendering") -> _Answer:
    """Ask an interpreter for its versions of Python and torch, and what it lacks; a good answer is remembered.

    Raises:
        EngineError: it is missing, not executable, hangs, is too old, or lacks a library that the job needs.
    """
    try:
        key = (str(path), path.stat().st_mtime_ns)
    except OSError as error:
        raise _cannot_start(path, error) from error
    if key not in _checked:
        answer = _probe(path)
        version = ".".join(str(n) for n in answer["version"])
        if tuple(answer["version"][:2]) < MINIMUM_PYTHON:
            raise EngineError(f"{path} is Python {version}; {_minimum()} or newer is needed.", "Choose a newer one.")
        found = _Answer(version, answer["torch"], tuple(answer["missing"]))
        if not lacking("rendering", found.missing):
            _checked[key] = found
    else:
        found = _checked[key]
    absent = lacking(job, found.missing)
    if absent:
        raise EngineError(
            f"{path} (Python {found.python_version}) has no {', '.join(packages(absent))}.", remedy(job, absent, path)
        )
    return found


def forget_interpreter(path: Path) -> None:
    """Have an interpreter asked again: its environment has changed."""
    for key in [key for key in _checked if key[0] == str(path)]:
        del _checked[key]


def engine_command(path: Path, arguments: Sequence[str] = ()) -> list[str]:
    """The command line of an engine on this interpreter, running this very livehand_core or the copy kept of it."""
    return _module_command(path, "livehand_core.engine", arguments)


def tracker_command(path: Path) -> list[str]:
    """The command line of a tracker process on this interpreter, running the same core as the engine."""
    return _module_command(path, "livehand_core.tracking", ())


def core_command(path: Path, arguments: Sequence[str]) -> list[str]:
    """The command line of ``livehand ARGUMENTS`` on this interpreter, running the same core as the engine."""
    return _module_command(path, "livehand_core", arguments)


def _module_command(path: Path, module: str, arguments: Sequence[str]) -> list[str]:
    return [str(path), "-c", _BOOTSTRAP, str(core_folder()), module, *arguments]


def child_environment(path: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment variables without those that would mislead another Python, plus ``extra``."""
    environment = dict(os.environ)
    if str(path) != sys.executable:
        for name in ("PYTHONHOME", "PYTHONPATH", "__PYVENV_LAUNCHER__"):
            environment.pop(name, None)
    environment["PYTHONUTF8"] = "1"
    environment.update(extra or {})
    return environment


def start_options() -> dict[str, Any]:
    """Popen's platform options: no console window on Windows; elsewhere a session of its own, so that Ctrl-C in a
    terminal is the parent's affair and a wrapper script can be killed together with what it started."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NO_WINDOW}
    return {"start_new_session": True}


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a process started with ``start_options``, and its children, at once; nothing happens when it has ended."""
    if sys.platform == "win32" or process.poll() is not None:
        process.kill()
        return
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        process.kill()


def _executable(text: str) -> Path:
    path = Path(text).expanduser()
    if path.is_dir():
        return environment_python(path)
    if not path.exists() and path.name == text:
        return Path(shutil.which(text) or text)
    return path


def _minimum() -> str:
    return ".".join(str(n) for n in MINIMUM_PYTHON)


def _probe(path: Path) -> dict[str, Any]:
    command = [str(path), "-c", _PROBE, *MODULES]
    # Files in place of pipes: a pipe would be waited for as long as some grandchild holds it.
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        try:
            environment = child_environment(path)
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, env=environment, **start_options()
            )
        except OSError as error:
            raise _cannot_start(path, error) from error
        try:
            code = process.wait(PROBE_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise EngineError(f"{path} gave no answer within {PROBE_SECONDS:g} s.", "Choose another Python.") from error
        finally:
            kill(process)
            process.wait()
        output.seek(0)
        errors.seek(0)
        said, complained = output.read().decode(errors="replace"), errors.read().decode(errors="replace")
    for line in reversed(said.splitlines()):
        if line.startswith("LIVEHAND "):
            answer: dict[str, Any] = json.loads(line.removeprefix("LIVEHAND "))
            return answer
    last = (complained.strip().splitlines() or [f"exit code {code}"])[-1]
    raise EngineError(f"{path} does not behave like Python ({last}).", "Choose a Python executable.")


def _cannot_start(path: Path, error: OSError) -> EngineError:
    if isinstance(error, FileNotFoundError):
        return EngineError(f"{path} is not there.", "Check the path of the engine's Python.")
    if isinstance(error, PermissionError):
        return EngineError(f"{path} is not executable.", "Give a Python executable.")
    return EngineError(f"{path} cannot be started ({error.strerror or error}).", "Give a Python executable.")
