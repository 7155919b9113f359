"""The extension in every supported Blender: ``python3 scripts/blender_matrix.py [--versions 4.2,4.5,5.0,5.2,5.3]``.

For each version: an environment in build/ with Blender as a Python module and nothing else, the built extension
installed from its zip into a fresh user folder, one frame of the demo scene through one shared engine environment. Each
picture is checked by its content and compared with that of Blender 4.5. Then the examples of docs/scripting.md run, the
extension is upgraded, switched off and on, and uninstalled, and the time that enabling takes is measured. Needs Python
3.11 and, for 5.2 and 5.3, 3.13.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import environment
from build_extension import build
from extension_variants import variant
from system_libraries import SetupFailed, ensure_system_libraries, say

ROOT = environment.ROOT
PYTHON_OF_BLENDER = {"4.2": (3, 11), "4.5": (3, 11), "5.0": (3, 11), "5.2": (3, 13), "5.3": (3, 13)}
REFERENCE = "4.5"
TIMEOUT = 600
CLOSE_DB = 40.0
"""PSNR above which two Blenders' pictures count as the same: their cameras differ by float rounding at most."""
ENABLING_SECONDS = 0.3
"""Longest time that enabling may take in a Blender that was started before with the extension."""


@dataclass(frozen=True)
class Outcome:
    """What one Blender did: its picture, its versions, seconds a frame and to enable; or why there is none."""

    version: str
    picture: Path | None
    blender: str = ""
    python: str = ""
    seconds: float = 0.0
    enabling: float = 0.0
    problem: str = ""


def main() -> int:
    """Run all versions; 0 when each shows a hand and all agree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--versions", default=",".join(PYTHON_OF_BLENDER), help="comma-separated")
    parser.add_argument("--frame", type=int, default=31)
    parser.add_argument("--avatar", type=Path, help="avatar file in place of the one that ships inside")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "matrix", help="folder of the pictures")
    options = parser.parse_args()
    versions = options.versions.split(",")
    unknown = [version for version in versions if version not in PYTHON_OF_BLENDER]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; choose from {', '.join(PYTHON_OF_BLENDER)}")
    environment.enter()
    options.out.mkdir(parents=True, exist_ok=True)
    archive = build(ROOT / "dist", ROOT / "build" / "extension")
    outcomes = []
    with tempfile.TemporaryDirectory() as folder:
        older = variant(Path(folder) / "older", version="0.0.1")
        changed = variant(Path(folder) / "changed", mark="changed")
        for version in versions:
            picture = options.out.resolve() / f"blender_{version}.png"
            picture.unlink(missing_ok=True)
            outcome = render(version, archive, picture, options.frame, options.avatar)
            for station in (run_page, partial(live, archives=(older, archive, changed))):
                outcome = outcome if outcome.problem else station(outcome)
            outcomes.append(outcome)
    return report(outcomes)


def blender_python(version: str) -> Path:
    """The interpreter of an environment that holds one Blender; made on first use.

    Raises:
        SetupFailed: no fitting Python, or the download failed.
    """
    folder = ROOT / "build" / f"bpy-{version}"
    python = environment.venv_python(folder)
    complete = folder / "complete"
    if complete.exists():
        return python
    wanted = PYTHON_OF_BLENDER[version]
    base = next(environment.interpreters(wanted), None)
    if base is None:
        raise SetupFailed(f"Blender {version} needs Python {wanted[0]}.{wanted[1]}, which was not found.")
    say(f"Blender {version}: making {folder}")
    environment.run([base, "-m", "venv", "--clear", str(folder)], "the environment cannot be made")
    environment.pip_install(python, [environment.PIP], "pip itself")
    environment.pip_install(python, [f"bpy=={version}.*"], f"Blender {version} (about 350 MB)")
    ensure_system_libraries(python)
    complete.touch()
    return python


def render(version: str, archive: Path, picture: Path, frame: int, avatar: Path | None) -> Outcome:
    """One frame in one Blender, in a process and a user folder of its own."""
    try:
        python = blender_python(version)
    except SetupFailed as problem:
        return Outcome(version, None, problem=str(problem))
    say(f"Blender {version}: rendering frame {frame}")
    with tempfile.TemporaryDirectory() as resources:
        variables = {
            **os.environ,
            "BLENDER_USER_RESOURCES": resources,
            "LIVEHAND_PYTHON": str(environment.venv_python(environment.VENV)),
            "LIVEHAND_MATRIX_AVATAR": str(avatar.resolve()) if avatar else "",
        }
        command = [str(python), str(ROOT / "scripts" / "matrix_frame.py"), str(archive), str(picture), str(frame)]
        try:
            answer = subprocess.run(command, capture_output=True, text=True, env=variables, timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            return Outcome(version, None, problem=f"no answer within {TIMEOUT} s")
    found = next((line for line in reversed(answer.stdout.splitlines()) if line.startswith('{"blender"')), None)
    if answer.returncode or found is None or not picture.exists():
        lines = [line for line in (answer.stdout + answer.stderr).splitlines() if line.strip()]
        return Outcome(version, None, problem=f"exit status {answer.returncode}: " + " | ".join(lines[-4:]))
    values = json.loads(found)
    return Outcome(version, picture, values["blender"], values["python"], values["seconds"][-1])


def run_page(outcome: Outcome) -> Outcome:
    """Run the examples of the page on scripting; the outcome, with what failed."""
    say(f"Blender {outcome.version}: the examples of docs/scripting.md")
    script = str(ROOT / "scripts" / "page_examples.py")
    with tempfile.TemporaryDirectory() as user:
        command = [str(blender_python(outcome.version)), script, str(Path(user) / "hand.png")]
        variables = {**os.environ, "BLENDER_USER_RESOURCES": user}
        variables["LIVEHAND_PYTHON"] = str(environment.venv_python(environment.VENV))
        answer = subprocess.run(command, capture_output=True, text=True, env=variables, timeout=TIMEOUT)
    if answer.returncode:
        return replace(outcome, problem="docs/scripting.md: " + " | ".join(answer.stderr.strip().splitlines()[-4:]))
    return outcome


def live(outcome: Outcome, archives: tuple[Path, Path, Path]) -> Outcome:
    """Install, upgrade, change, switch off and on, uninstall; measure enabling. The outcome with what was found."""
    say(f"Blender {outcome.version}: the extension's life")
    python, older, newer, changed = blender_python(outcome.version), *archives
    try:
        with tempfile.TemporaryDirectory() as user:
            seen = _life(python, user, older, newer, changed)
        with tempfile.TemporaryDirectory() as user:
            _life(python, user, "--install", newer)
            enabled = [_life(python, user, "--enable") for _ in range(3)]
    except SetupFailed as problem:
        return replace(outcome, problem=str(problem))
    wrong = [
        f"{name}: {seen[name]}"
        for name, fine in (
            ("newer", seen["newer"][0] == seen["newer"][1] != seen["older"][1]),
            ("changed", seen["changed"][2] == "changed"),
            ("disabled", not any(seen["disabled"].values())),
            ("again", seen["again"] == seen["hooks"]),
            ("uninstalled", not any(seen["uninstalled"].values())),
            ("left", not seen["left"]),
        )
        if not fine
    ]
    wrong += [f"imported {one['heavy']}" for one in enabled if one["heavy"] or not one["enabled"]]
    # The processor's time: other work on the machine does not count.
    enabling = min(one["processor"] for one in enabled)
    if enabling >= ENABLING_SECONDS:
        wrong.append(f"enabling takes {enabling:.2f} s")
    return replace(outcome, enabling=enabling, problem="; ".join(wrong))


def _life(python: Path, user: str, *arguments: str | Path) -> dict[str, Any]:
    command = [str(python), str(ROOT / "scripts" / "matrix_lifecycle.py"), *map(str, arguments)]
    # Compiled modules are kept, as a user's Blender keeps them, whatever this shell says.
    variables = {**os.environ, "BLENDER_USER_RESOURCES": user, "PYTHONDONTWRITEBYTECODE": ""}
    answer = subprocess.run(command, capture_output=True, text=True, env=variables, timeout=TIMEOUT)
    if answer.returncode:
        raise SetupFailed(" | ".join((answer.stdout + answer.stderr).strip().splitlines()[-4:]))
    return json.loads(answer.stdout.splitlines()[-1])


def report(outcomes: list[Outcome]) -> int:
    """Print the table; 1 when a Blender failed, shows no hand, or differs from the reference."""
    from image_checks import describe, load_rgb, psnr

    shown = {outcome.version: load_rgb(outcome.picture) for outcome in outcomes if outcome.picture}
    reference = shown.get(REFERENCE, next(iter(shown.values()), None))
    failed = False
    print(f"\n{'Blender':<14}{'Python':<9}{'s a frame':>10}{'s to enable':>13}  {'PSNR to ' + REFERENCE:>12}  picture")
    for outcome in outcomes:
        if outcome.problem or outcome.picture is None or reference is None:
            print(f"{outcome.version:<14}{'':<9}{'':>10}{'':>13}  {'':>12}  FAILED: {outcome.problem}")
            failed = True
            continue
        seen, likeness = describe(outcome.picture), psnr(shown[outcome.version], reference)
        failed |= not seen.shows_hand or likeness < CLOSE_DB
        print(
            f"{outcome.blender:<14}{outcome.python:<9}{outcome.seconds:>10.2f}{outcome.enabling:>13.2f}  "
            f"{likeness:>9.1f} dB  {seen}"
        )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
