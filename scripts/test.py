"""The project's tests in one command: ``python3 scripts/test.py [--quick] [--gui] [--chaos] [-k EXPRESSION]``.

Makes the environment it needs, then runs ruff, mypy and pytest in it, a process of tests for each core. The exit status
is 0 when all pass. Tests that drive Blender's window run where one is at hand; ``--gui`` prepares one and runs nothing
else (docs/development.md). ``--chaos`` runs the long form of tests/chaos alone (docs/reliability.md). Further arguments
go to pytest.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import environment
from debian_root import BLENDER_OF_SUITE, Debian
from system_libraries import SetupFailed, ensure_software_gpu

LINTERS = {
    "ruff check": ["ruff", "check", "."],
    "ruff format": ["ruff", "format", "--check", "."],
    "mypy": ["mypy"],
    "mypy scripts": ["mypy", "scripts", "tools"],
}

MOST_PROCESSES = 4
"""A process of tests takes up to 2 GB, and some of them use two cores."""
NOTHING_CHOSEN = 5
"""pytest's status where no test fits what was asked for."""


def main() -> int:
    """Run everything; the status of the first step that failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="leave out the slow tests and those inside Blender")
    parser.add_argument("--gui", action="store_true", help="only the tests of Blender's window; prepares a Blender")
    parser.add_argument("--chaos", action="store_true", help="only the chaos suite, in its long form")
    parser.add_argument(
        "--suite", choices=BLENDER_OF_SUITE, default="trixie", help="which Debian's Blender --gui prepares (4.3 or 5.2)"
    )
    parser.add_argument("--debian", type=Path, help="folder of that Debian (default: build/debian-SUITE)")
    parser.add_argument(
        "--processes",
        type=int,
        default=min(os.cpu_count() or 1, MOST_PROCESSES),
        help="that run tests side by side, a file of tests in one of them (default: one for each core, at most four)",
    )
    parser.add_argument("-k", metavar="EXPRESSION", help="only the tests that match, and no linters")
    options, rest = parser.parse_known_args()
    environment.enter()
    from gui import machine

    if options.gui and not os.environ.get("BLENDER"):
        folder = (options.debian or machine.default_folder(options.suite)).resolve()
        try:
            Debian(folder, options.suite).prepare(window=True)
        except SetupFailed as problem:
            print(f"[test] no window to test in: {problem}", file=sys.stderr)
            return 3
        os.environ["LIVEHAND_DEBIAN"] = str(folder)

    if not (options.gui or options.chaos):
        gpu = ensure_software_gpu(Path(sys.executable), environment.ROOT)
        print(f"[test] tests of the GPU renderer: {gpu or 'left out'}", flush=True)
    failed: dict[str, int] = {}
    if options.k is None and not (options.gui or options.chaos):
        for name, command in LINTERS.items():
            failed |= step(name, [sys.executable, "-m", *command])
    # Tests that start an engine wait for pictures, not for a compiler.
    failed |= step("compiled kernels", [sys.executable, "-m", "livehand_core", "prepare", "--exact"])
    window = False
    if not (options.quick or options.chaos):
        found, why = machine.find()
        window = found is not None
        print(f"[test] tests of Blender's window: {why if window else f'left out; {why}'}", flush=True)
    chosen = ["-k", options.k] if options.k is not None else []
    runs = parts(options, window)
    statuses = [
        step(f"pytest: {name}", [sys.executable, "-m", "pytest", *rest, *chosen, *words]) for name, words in runs
    ]
    told = {name: status for one in statuses for name, status in one.items()}
    some = len(told) < len(runs) or any(status != NOTHING_CHOSEN for status in told.values())
    failed |= {name: status for name, status in told.items() if not (some and status == NOTHING_CHOSEN)}
    if failed:
        print(f"[test] failed: {', '.join(failed)}", flush=True)
    return next(iter(failed.values()), 0)


def parts(options: argparse.Namespace, window: bool) -> list[tuple[str, list[str]]]:
    """The runs of pytest, one after the other: what each is called and pytest's arguments.

    Blender cannot be unloaded from a process, so its tests come in processes of their own; there is one display.
    """
    # Files in their order: the largest come early, and no process is left alone with one at the end.
    spread = ["-n", str(options.processes), "--dist", "loadfile", "--no-loadscope-reorder"]
    side_by_side = spread if options.processes > 1 else []
    if options.chaos:
        os.environ["LIVEHAND_CHAOS"] = "long"
        return [("chaos", ["tests/chaos", "--timeout=7200"])]
    if options.gui:
        return [("window", ["-m", "gui"])]
    if options.quick:
        return [("quick", ["-m", "not slow and not bpy and not gui", *side_by_side])]
    found = [("core", ["-m", "not bpy and not gui", *side_by_side]), ("Blender", ["-m", "bpy", *side_by_side])]
    return [*found, ("window", ["-m", "gui"])] if window else found


def step(name: str, command: list[str]) -> dict[str, int]:
    """Run one step; its name and status if it failed, else nothing."""
    print(f"[test] {name}", flush=True)
    started = time.monotonic()
    status = subprocess.call(command, cwd=environment.ROOT, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
    if not name.startswith("pytest"):
        print(f"[test] {name}: {'failed' if status else 'passed'} in {time.monotonic() - started:.0f} s", flush=True)
    return {name: status} if status else {}


if __name__ == "__main__":
    sys.exit(main())
