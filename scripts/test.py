"""The project's tests in one command: ``python3 scripts/test.py [--quick] [--gui] [--chaos] [-k EXPRESSION]``.

Makes the environment it needs, then runs ruff, mypy and pytest in it. The exit status is 0 when all pass. Tests that
drive Blender's window run where one is at hand; ``--gui`` prepares one and runs nothing else (docs/development.md).
``--chaos`` runs the long form of tests/chaos alone (docs/reliability.md). Further arguments go to pytest.
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
    pytest = [sys.executable, "-m", "pytest", *rest]
    if options.chaos:
        os.environ["LIVEHAND_CHAOS"] = "long"
        pytest += ["tests/chaos", "--timeout=7200"]
    elif options.gui:
        pytest += ["-m", "gui"]
    elif options.quick:
        pytest += ["-m", "not slow and not bpy and not gui"]
    if options.k is not None:
        pytest += ["-k", options.k]
    if not (options.quick or options.chaos):
        found, why = machine.find()
        print(f"[test] tests of Blender's window: {why if found else f'left out; {why}'}", flush=True)
    failed |= step("pytest", pytest)
    if failed:
        print(f"[test] failed: {', '.join(failed)}", flush=True)
    return next(iter(failed.values()), 0)


def step(name: str, command: list[str]) -> dict[str, int]:
    """Run one step; its name and status if it failed, else nothing."""
    print(f"[test] {name}", flush=True)
    started = time.monotonic()
    status = subprocess.call(command, cwd=environment.ROOT, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
    if name != "pytest":
        print(f"[test] {name}: {'failed' if status else 'passed'} in {time.monotonic() - started:.0f} s", flush=True)
    return {name: status} if status else {}


if __name__ == "__main__":
    sys.exit(main())
