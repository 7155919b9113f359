"""The installed extension in Debian's own Blender: ``sudo python3 scripts/debian_blender.py [--suite sid]``.

Makes a small Debian in build/ (debootstrap), installs its Blender and the extension's zip in it, lets Blender validate
and build the extension, makes the demo scene and renders it with ``blender -b FILE -a`` and with the batch. The
engine runs in the project's own environment, which is mounted there at the same path. Needs root, and about 1.5 GB.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import environment
from build_extension import build
from debian_root import BLENDER_OF_SUITE, MIRROR, Debian, say
from system_libraries import SetupFailed

ROOT = environment.ROOT


def main() -> int:
    """Run everything; 0 when each frame shows a hand."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", choices=BLENDER_OF_SUITE, default="trixie", help="Blender 4.3 (trixie) or 5.2 (sid)")
    parser.add_argument("--folder", type=Path, help="where Debian is made (default: build/debian-SUITE)")
    parser.add_argument("--mirror", default=MIRROR)
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "debian", help="where blend file and frames go")
    parser.add_argument("--step", type=int, default=12, help="render every n-th of the 72 frames (1: all)")
    parser.add_argument("--avatar", default="", help="avatar file in place of the one that ships inside")
    options = parser.parse_args()
    environment.enter()
    out = options.out.resolve()
    debian = Debian((options.folder or ROOT / "build" / f"debian-{options.suite}").resolve(), options.suite)
    if not out.is_relative_to(ROOT):
        parser.error(f"--out must lie inside {ROOT}, which is what Blender sees there")
    try:
        debian.prepare(options.mirror)
    except SetupFailed as problem:
        print(problem, file=sys.stderr)
        return 3
    archive = build(ROOT / "dist", ROOT / "build" / "extension")
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    # Only the project's folder is mounted inside.
    avatar = str(shutil.copy(options.avatar, out)) if options.avatar else ""
    try:
        exercise(debian, archive, out, options.step, avatar)
    except subprocess.CalledProcessError as error:
        print(f"{' '.join(error.cmd)}\nended with status {error.returncode}; its output stands above", file=sys.stderr)
        return 1
    return report(out)


def exercise(debian: Debian, archive: Path, out: Path, step: int, avatar: str) -> None:
    """Validate, build, install; make the scene; render it."""
    shutil.rmtree(debian.folder / "root" / ".config" / "blender", ignore_errors=True)
    inside(debian, ["blender", "--version"])
    extension = ["blender", "--command", "extension"]
    inside(debian, [*extension, "validate", str(archive)])
    inside(debian, [*extension, "build", "--source-dir", str(ROOT / "build" / "extension"), "--output-dir", str(out)])
    inside(debian, [*extension, "install-file", "--repo", "user_default", "--enable", str(archive)])
    scene = out / "demo.blend"
    make = ["blender", "-b", "--python-exit-code", "1", "--python", str(ROOT / "scripts" / "demo_scene.py"), "--"]
    inside(debian, [*make, "--save", str(scene), *(["--avatar", avatar] if avatar else [])])
    frames = ["-o", str(out / "frame_####"), "-F", "PNG", "-s", "1", "-j", str(step)]
    started = time.monotonic()
    inside(debian, ["blender", "-b", str(scene), *frames, "-a"])
    count = len(list(out.glob("frame_*.png")))
    say(f"{count} frames in {time.monotonic() - started:.1f} s, Blender's start and the engine's included")
    wanted = ["--frames", "24,60", "--output", str(out / "frame_batch_####.png")]
    inside(debian, ["blender", "--background", str(scene), "--command", "livehand_batch", *wanted])


def inside(debian: Debian, command: Sequence[str]) -> None:
    """Run a command in the Debian, with the project's interpreter for the engine."""
    say(" ".join(command))
    variables = {"LIVEHAND_PYTHON": str(environment.venv_python(environment.VENV))}
    subprocess.run(debian.command(command, variables), check=True)


def report(out: Path) -> int:
    """Check each frame by its content and say what was seen."""
    from image_checks import describe

    failed = 0
    for path in sorted(out.glob("frame_*.png")):
        seen = describe(path)
        print(f"{path.name}: {seen}")
        failed += not seen.shows_hand
    return 1 if failed or not list(out.glob("frame_*.png")) else 0


if __name__ == "__main__":
    sys.exit(main())
