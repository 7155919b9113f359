"""The project's tests in one command: ``python3 scripts/test.py [--quick] [-k EXPRESSION] [pytest arguments]``.

Makes the environment it needs, then runs ruff, mypy and pytest in it. The exit status is 0 when all pass.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time

import environment

LINTERS = {
    "ruff check": ["ruff", "check", "."],
    "ruff format": ["ruff", "format", "--check", "."],
    "mypy": ["mypy"],
    "mypy scripts": ["mypy", "scripts"],
}


def main() -> int:
    """Run everything; the status of the first step that failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="leave out the slow tests and those inside Blender")
    parser.add_argument("-k", metavar="EXPRESSION", help="only the tests that match, and no linters")
    options, rest = parser.parse_known_args()
    environment.enter()

    failed: dict[str, int] = {}
    if options.k is None:
        for name, command in LINTERS.items():
            failed |= step(name, [sys.executable, "-m", *command])
    pytest = [sys.executable, "-m", "pytest", *rest]
    if options.quick:
        pytest += ["-m", "not slow and not bpy"]
    if options.k is not None:
        pytest += ["-k", options.k]
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
