"""The project's own Python environment, made and kept current by one call. Standard library only.

``scripts/test.py`` and ``scripts/demo.py`` call :func:`enter` before anything else: it makes ``.venv`` where there is
none, installs the pinned versions of ``requirements/``, sees to Blender's system libraries and goes on inside.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from system_libraries import SetupFailed, ensure_system_libraries, install_with_apt, say

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = "livehand-environment.json"

BLENDER_OF_PYTHON = {(3, 11): "Blender 4.5 LTS", (3, 13): "Blender 5.3"}
"""PyPI carries Blender for one Python version each; the first that is found is taken."""

PIP = "pip==26.3"
TORCH_NAMES = ("torch", "torchvision")
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"


def enter() -> None:
    """Return inside a current environment; when outside, make it current and start this program again inside.

    Exits with status 3 and a message when a step needs a person.
    """
    try:
        python = ensure()
    except SetupFailed as problem:
        print(f"\n{problem}", file=sys.stderr)
        raise SystemExit(3) from None
    if Path(sys.prefix).resolve() == VENV.resolve():
        return
    command = [str(python), *sys.argv]
    if os.name == "posix":
        os.execv(python, command)
    raise SystemExit(subprocess.call(command))


def ensure() -> Path:
    """Make ``.venv`` current and return its interpreter. A current one is recognised in well under a second.

    Raises:
        SetupFailed: no fitting Python, no venv module, a download that failed, a missing system library.
    """
    python = venv_python(VENV)
    version = python_version(python)
    if version is not None and version in BLENDER_OF_PYTHON:
        if read_stamp(VENV) == stamp_for(version):
            return python
        say(f"{VENV} is there (Python {version[0]}.{version[1]}) but not current; bringing it up to date")
    else:
        base = find_python()
        version = python_version(base)
        assert version is not None
        say(f"making {VENV} with {base} (Python {version[0]}.{version[1]}, for {BLENDER_OF_PYTHON[version]})")
        make_venv(base)
    started = time.monotonic()
    install_requirements(python, lock_file(version))
    ensure_system_libraries(python)
    (VENV / STAMP).write_text(json.dumps(stamp_for(version)), encoding="utf-8")
    say(f"ready after {time.monotonic() - started:.0f} s, {folder_size(VENV) / 1e9:.1f} GB in {VENV}")
    return python


# The interpreter


def venv_python(venv: Path) -> Path:
    """Where an environment keeps its interpreter on this system."""
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def python_version(python: str | Path) -> tuple[int, int] | None:
    """(major, minor) of an interpreter, or None when it does not run."""
    try:
        answer = subprocess.run(
            [str(python), "-c", "import sys; print(*sys.version_info[:2])"], capture_output=True, text=True, timeout=60
        )
        major, minor = answer.stdout.split()
        return int(major), int(minor)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None


def interpreters(version: tuple[int, int]) -> Iterator[str]:
    """Interpreters of one version that run: this one, those on the path, and those of common version managers."""
    name = f"python{version[0]}.{version[1]}"
    candidates = [sys.executable, *filter(None, (shutil.which(name), f"/usr/bin/{name}", f"/usr/local/bin/{name}"))]
    home = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates += [str(path) for path in home.glob(f"versions/{version[0]}.{version[1]}.*/bin/{name}")]
    if os.name == "nt" and shutil.which("py"):
        command = ["py", f"-{version[0]}.{version[1]}", "-c", "import sys; print(sys.executable)"]
        candidates.append(subprocess.run(command, capture_output=True, text=True).stdout.strip())
    return (candidate for candidate in candidates if python_version(candidate) == version)


def find_python() -> str:
    """A Python that Blender's module exists for, 3.11 before 3.13.

    Raises:
        SetupFailed: there is none.
    """
    for version in BLENDER_OF_PYTHON:
        found = next(interpreters(version), None)
        if found is not None:
            return found
    raise SetupFailed(
        "Blender's Python module needs Python 3.11 or 3.13, and neither was found "
        f"(this is {platform.python_version()}).\nInstall one beside it, for instance\n"
        "    apt-get install python3.11 python3.11-venv   (Debian 12)\n"
        "    apt-get install python3.13 python3.13-venv   (Debian 13)\n"
        "or take an installer from python.org, then run this command again."
    )


def make_venv(base: str) -> None:
    """A fresh environment at ``.venv``; what stood there and did not run is replaced."""
    answer = subprocess.run([base, "-m", "venv", "--clear", str(VENV)], capture_output=True, text=True)
    if answer.returncode:
        version = python_version(base) or (3, 11)
        package = f"python{version[0]}.{version[1]}-venv"
        if not install_with_apt([package]):
            raise SetupFailed(
                f"{base} cannot make an environment:\n{answer.stdout}{answer.stderr}\n"
                f"On Debian or Ubuntu:\n    sudo apt-get install {package}\nthen run this command again."
            )
        run([base, "-m", "venv", "--clear", str(VENV)], "the environment cannot be made")


# The stamp


def lock_file(version: tuple[int, int]) -> Path:
    """The pinned versions for one Python."""
    return ROOT / "requirements" / f"ci-py{version[0]}{version[1]}.txt"


def stamp_for(version: tuple[int, int]) -> dict[str, str]:
    """What makes an environment current: its place, the pinned versions, and the package's own metadata."""
    digest = hashlib.sha256()
    for path in (lock_file(version), ROOT / "pyproject.toml"):
        digest.update(path.read_bytes().replace(b"\r\n", b"\n"))
    return {"root": str(ROOT), "python": f"{version[0]}.{version[1]}", "requirements": digest.hexdigest()}


def read_stamp(venv: Path) -> dict[str, str] | None:
    """The stamp of an environment, or None where it has none."""
    try:
        stamp = json.loads((venv / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return stamp if isinstance(stamp, dict) else None


def read_lock(path: Path) -> dict[str, str]:
    """Name -> version of a pinned requirements file.

    Raises:
        SetupFailed: a line is not ``name==version``.
    """
    pins: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        text = line.split("#", 1)[0].strip()
        if not text:
            continue
        match = re.fullmatch(r"([A-Za-z0-9._-]+)==([A-Za-z0-9.!_-]+)", text)
        if match is None:
            raise SetupFailed(f"{path}: {text!r} is not of the form name==version.")
        pins[match[1]] = match[2]
    return pins


def missing_pins(python: Path, pins: dict[str, str]) -> list[str]:
    """The pins that an environment does not hold, a local build such as 2.13.0+cpu counting as 2.13.0."""
    code = (
        "import json, sys, importlib.metadata as m\n"
        "found = {}\n"
        "for name in json.load(sys.stdin):\n"
        "    try: found[name] = m.version(name)\n"
        "    except m.PackageNotFoundError: pass\n"
        "print(json.dumps(found))\n"
    )
    answer = subprocess.run([str(python), "-c", code], input=json.dumps(list(pins)), capture_output=True, text=True)
    found = json.loads(answer.stdout) if answer.returncode == 0 else {}
    return [f"{name}=={pin}" for name, pin in pins.items() if found.get(name, "").split("+")[0] != pin]


# Packages


def install_requirements(python: Path, lock: Path) -> None:
    """Install what ``lock`` pins and is missing: torch first, in the build that suits the machine, then the rest."""
    missing = missing_pins(python, read_lock(lock))
    say(f"{len(missing)} packages to install from {lock.relative_to(ROOT)}")
    # Before anything else: older ones do not know the progress that pip_run reads.
    if missing_pins(python, dict([PIP.split("==")])):
        pip_install(python, [PIP], "pip itself")
    if missing:
        torch = [pin for pin in missing if pin.split("==")[0] in TORCH_NAMES]
        rest = [pin for pin in missing if pin not in torch]
        if torch:
            install_torch(python, torch, lock)
        if rest:
            size = " (Blender alone is about 370 MB)" if any(pin.startswith("bpy==") for pin in rest) else ""
            pip_install(python, [*rest, "-c", str(lock)], f"{len(rest)} packages{size}")
    pip_install(python, ["--no-deps", "--no-build-isolation", "-e", str(ROOT)], "livehand from this folder")


def install_torch(python: Path, pins: Sequence[str], lock: Path) -> None:
    """torch without CUDA's several gigabytes where there is no NVIDIA device."""
    what = " and ".join(pins)
    if sys.platform != "linux" or has_nvidia():
        pip_install(python, [*pins, "-c", str(lock)], what)
        return
    chosen = resolved_version(python, next((pin for pin in pins if pin.startswith("torch==")), pins[0]))
    if chosen.endswith("+cpu"):
        say(f"no NVIDIA device; pip's own configuration offers torch {chosen}, a CPU build")
        pip_install(python, [*pins, "-c", str(lock)], what)
        return
    say(f"no NVIDIA device: taking the CPU build from {TORCH_CPU_INDEX}")
    # The index holds torch's own dependencies too; one try, since the fall-back below is complete as well.
    cpu = [*pins, "-c", str(lock), "--index-url", TORCH_CPU_INDEX, "--retries", "1", "--timeout", "30"]
    if pip_run(python, ["install", *cpu]) != 0:
        say("that index cannot be used from here; taking the build of pip's default index, with CUDA (about 3 GB)")
        pip_install(python, [*pins, "-c", str(lock)], what)


def has_nvidia() -> bool:
    """Whether this machine shows an NVIDIA device and its driver."""
    if Path("/proc/driver/nvidia/version").exists():
        return True
    program = shutil.which("nvidia-smi")
    return program is not None and subprocess.run([program, "-L"], capture_output=True).returncode == 0


def resolved_version(python: Path, pin: str) -> str:
    """The exact version, with its local part, that pip would take for one pin; empty when pip finds none."""
    dry_run = ("--dry-run", "--ignore-installed", "--no-deps", "--quiet", "--report", "-")
    answer = subprocess.run([str(python), "-m", "pip", "install", *dry_run, pin], capture_output=True, text=True)
    try:
        return str(json.loads(answer.stdout)["install"][0]["metadata"]["version"])
    except (ValueError, KeyError, IndexError):
        return ""


def pip_install(python: Path, arguments: Sequence[str], what: str) -> None:
    """``pip install`` with progress, tried three times.

    Raises:
        SetupFailed: it failed each time.
    """
    say(f"installing {what}")
    for attempt in range(1, 4):
        if pip_run(python, ["install", *arguments]) == 0:
            return
        if attempt < 3:
            say(f"attempt {attempt} of 3 failed; trying again in {5 * attempt} s")
            time.sleep(5 * attempt)
    raise SetupFailed(
        f"pip could not install {what}; its own message stands above.\n"
        "Check the network (or pip's index settings) and the free disk space, then run this command again: "
        "what is already installed is kept."
    )


def pip_run(python: Path, arguments: Sequence[str]) -> int:
    """Run pip, showing each download's name and progress; everything else only when it fails."""
    command = [str(python), "-m", "pip", *arguments, "--disable-pip-version-check", "--no-input"]
    if "install" in arguments and PIP not in arguments:
        command.append("--progress-bar=raw")  # Known to the pip that is installed first.
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, errors="replace"
    )
    assert process.stdout is not None
    lines: list[str] = []
    shown = 0
    for line in process.stdout:
        progress = re.match(r"Progress (\d+) of (\d+)", line)
        if progress is None:
            lines.append(line)
            shown = 0
            if re.match(r"\s*Downloading .*\([\d.]+ [MG]B\)", line):
                say(line.strip())
            elif line.startswith("Installing collected"):
                say("unpacking")
            continue
        done, total = int(progress[1]), int(progress[2])
        quarter = 4 * done // total if total > 50_000_000 else 0
        if quarter > shown:
            shown = quarter
            say(f"  {done / 1e6:.0f} of {total / 1e6:.0f} MB")
    if process.wait() != 0:
        print("".join(lines[-25:]), file=sys.stderr, flush=True)
    return process.returncode


def run(command: Sequence[str], failure: str) -> None:
    """Run one program to its end.

    Raises:
        SetupFailed: it exits with another status than 0.
    """
    answer = subprocess.run(command, capture_output=True, text=True)
    if answer.returncode:
        raise SetupFailed(f"{failure}:\n{answer.stdout}{answer.stderr}")


def folder_size(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    enter()
