"""Which dependency has wheels for which system and Python, as a table, and a lock file for each.

    python -m venv build/uv && build/uv/bin/pip install uv
    .venv/bin/python tools/wheels.py --uv build/uv/bin/uv [--docs docs/engine.md]

uv resolves every extra that people install for each target, wheels only, from pip's default index; where tests pin a
version, that one is taken if it is there. The locks go to requirements/systems/, the table between its marks in the
page.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ROOT / "requirements" / "systems"
NOT_FOR_PEOPLE = {"blender", "dev"}
"""Extras of the tests alone."""
MARKS = "<!-- wheels: tools/wheels.py -->\n", "<!-- end of wheels -->\n"


class System(NamedTuple):
    """An operating system on its usual processor: what uv calls it, and what its markers say."""

    title: str
    platform: str
    markers: dict[str, str]


SYSTEMS = {
    "linux": System(
        "Linux (x86-64)",
        "x86_64-manylinux_2_28",
        {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64", "os_name": "posix"},
    ),
    "macos": System(
        "macOS 14 (Apple silicon)",
        "aarch64-apple-darwin",
        {"sys_platform": "darwin", "platform_system": "Darwin", "platform_machine": "arm64", "os_name": "posix"},
    ),
    "windows": System(
        "Windows (x86-64)",
        "x86_64-pc-windows-msvc",
        {"sys_platform": "win32", "platform_system": "Windows", "platform_machine": "AMD64", "os_name": "nt"},
    ),
}
OLDEST_MACOS = "14.0"
"""Whose wheels are taken; uv's own is older than the wheels of some libraries."""
PYTHONS = ("3.11", "3.12", "3.13", "3.14")


class Target(NamedTuple):
    """One column of the table."""

    system: str
    python: str

    @property
    def lock(self) -> Path:
        """Its lock file."""
        return LOCKS / f"{self.system}-py{self.python.replace('.', '')}.txt"

    def wants(self, requirement: Requirement) -> bool:
        """Whether a requirement counts there, by its marker."""
        markers = {**SYSTEMS[self.system].markers, "python_version": self.python, "python_full_version": self.python}
        return requirement.marker is None or requirement.marker.evaluate(markers)


TARGETS = tuple(Target(system, python) for system in SYSTEMS for python in PYTHONS)


def requirements() -> list[Requirement]:
    """What the package and its extras for people name themselves, each once, by name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    lines = [
        *project["dependencies"],
        *(line for name in extras if name not in NOT_FOR_PEOPLE for line in extras[name]),
    ]
    found = {Requirement(line).name.lower(): Requirement(line) for line in lines}
    return [found[name] for name in sorted(found) if name != project["name"]]


def read_lock(path: Path) -> dict[str, str]:
    """Name -> version of a lock file; names as indexes spell them."""
    lines = path.read_text(encoding="utf-8").splitlines()
    pins = (line.split("==") for line in lines if "==" in line and not line.startswith("#"))
    return {canonical(name): version for name, version in pins}


def canonical(name: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def resolve(uv: str, target: Target, wanted: Sequence[Requirement]) -> tuple[list[str], list[Requirement]]:
    """The lines of a lock, and what had to be left out since it, or what it needs, has no wheel there."""
    lines = _compile(uv, target, wanted)
    if lines is not None:
        return lines, []
    lacking = [requirement for requirement in wanted if _compile(uv, target, [requirement]) is None]
    left = [requirement for requirement in wanted if requirement not in lacking]
    lines = _compile(uv, target, left)
    if lines is None:
        raise SystemExit(f"[wheels] {target}: each has wheels, but not all together")
    return lines, lacking


def _compile(uv: str, target: Target, wanted: Sequence[Requirement]) -> list[str] | None:
    """The pins that uv finds, with the tests' versions if it can; None when there is no way by wheels."""
    pins = ROOT / "requirements" / ("ci-py311.txt" if target.python == "3.11" else "ci-py313.txt")
    for constraint in (["--constraint", str(pins)], []):
        command = [uv, "pip", "compile", "-", "--quiet", "--no-header", "--no-annotate", "--only-binary", ":all:"]
        command += ["--python-platform", SYSTEMS[target.system].platform, "--python-version", target.python]
        given, oldest = "\n".join(map(str, wanted)), {"MACOSX_DEPLOYMENT_TARGET": OLDEST_MACOS}
        # In a folder without the project's own settings.
        answer = subprocess.run(
            [*command, *constraint],
            input=given,
            capture_output=True,
            text=True,
            cwd=ROOT / "tools",
            env={**os.environ, **oldest},
        )
        if answer.returncode == 0:
            return answer.stdout.split()
    return None


def table() -> str:
    """The table of the locks that are there, as Markdown: what each dependency is locked at."""
    locks = {target: read_lock(target.lock) for target in TARGETS}
    head = ["", *(system.title for system in SYSTEMS.values())]
    rows = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for requirement in requirements():
        cells = []
        for system in SYSTEMS:
            targets = [Target(system, python) for python in PYTHONS]
            cells.append(_cell([(t, locks[t].get(canonical(requirement.name)), t.wants(requirement)) for t in targets]))
        rows.append(f"| {requirement.name} | " + " | ".join(cells) + " |")
    return "\n".join(rows) + "\n"


def _cell(found: Sequence[tuple[Target, str | None, bool]]) -> str:
    """What a system has of one dependency: the versions of Python that it has wheels for, and those it has none for."""
    there = [target.python for target, version, _ in found if version is not None]
    lacking = [target.python for target, version, wanted in found if wanted and version is None]
    if not there and not lacking:
        return "not needed"
    if not lacking:
        return f"{there[0]} to {there[-1]}" if len(there) > 1 else there[0]
    return (", ".join(there) + "; " if there else "") + f"none for {', '.join(lacking)}"


def main() -> int:
    """Resolve all targets; 0 when all that is named has wheels everywhere."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--uv", default="uv", help="the program uv")
    parser.add_argument("--docs", type=Path, help="page that the table is put into")
    options = parser.parse_args()
    found = shutil.which(options.uv)
    if found is None:
        parser.error(f"{options.uv} cannot be started: install uv as above, and give --uv")
    # It is started in another folder.
    uv = str(Path(found).absolute())
    LOCKS.mkdir(parents=True, exist_ok=True)
    missing = False
    for target in TARGETS:
        wanted = [requirement for requirement in requirements() if target.wants(requirement)]
        lines, lacking = resolve(uv, target, wanted)
        title = f"# {SYSTEMS[target.system].title}, Python {target.python}: made by tools/wheels.py\n"
        notes = [f"# no wheel: {requirement}\n" for requirement in lacking]
        target.lock.write_text(title + "".join(notes) + "\n".join(lines) + "\n", encoding="utf-8")
        missing |= bool(lacking)
        lack = f", without {', '.join(requirement.name for requirement in lacking)}" if lacking else ""
        print(f"[wheels] {target.lock.name}: {len(lines)} packages{lack}", flush=True)
    text = table()
    print(text)
    if options.docs is not None:
        page = options.docs.read_text(encoding="utf-8")
        before, _, rest = page.partition(MARKS[0])
        options.docs.write_text(before + MARKS[0] + "\n" + text + "\n" + MARKS[1] + rest.partition(MARKS[1])[2])
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
