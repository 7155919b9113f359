"""The installed extension in Debian's own Blender: ``sudo python3 scripts/debian_blender.py [--frames 1,24,60]``.

Makes a small Debian in build/ (debootstrap), installs its Blender and the extension's zip in it, lets Blender validate
and build the extension, makes the demo scene and renders it with ``blender -b FILE -a`` and with render_batch.py. The
engine runs in the project's own environment, which is mounted there at the same path. Needs root, and about 1.5 GB.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import environment
from build_extension import build

ROOT = environment.ROOT
PACKAGES = ("blender", "python3-numpy", "python3-requests", "libgl1-mesa-dri", "libegl1", "libgl1")


def main() -> int:
    """Run everything; 0 when each frame shows a hand."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "debian-trixie", help="where Debian is made")
    parser.add_argument("--mirror", default="http://deb.debian.org/debian")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "debian", help="where blend file and frames go")
    parser.add_argument("--step", type=int, default=12, help="render every n-th of the 72 frames (1: all)")
    parser.add_argument("--avatar", default="", help="avatar file in place of the one that ships inside")
    options = parser.parse_args()
    environment.enter()
    if os.name != "posix" or os.geteuid() != 0 or shutil.which("debootstrap") is None:
        print("This needs Linux, root and debootstrap: apt-get install debootstrap, then sudo.", file=sys.stderr)
        return 3
    folder, out = options.folder.resolve(), options.out.resolve()
    if not out.is_relative_to(ROOT):
        parser.error(f"--out must lie inside {ROOT}, which is what Blender sees there")
    # A polite kill, too, leaves nothing mounted.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    make_debian(folder, options.mirror)
    archive = build(ROOT / "dist", ROOT / "build" / "extension")
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    # Only the project's folder is mounted inside.
    avatar = str(shutil.copy(options.avatar, out)) if options.avatar else ""
    try:
        with mounted(folder):
            install_blender(folder)
            exercise(folder, archive, out, options.step, avatar)
    except subprocess.CalledProcessError as error:
        print(f"{' '.join(error.cmd)}\nended with status {error.returncode}; its output stands above", file=sys.stderr)
        return 1
    return report(out)


def make_debian(folder: Path, mirror: str) -> None:
    """A minimal Debian 13 in ``folder``, unless it is there."""
    if (folder / "usr" / "bin" / "apt-get").exists():
        return
    say(f"debootstrap trixie into {folder}")
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["debootstrap", "--variant=minbase", "trixie", str(folder), mirror], check=True, stdout=sys.stderr)


@contextmanager
def mounted(folder: Path) -> Iterator[None]:
    """Mount what Blender and the engine need below ``folder``; unmount all of it on every way out."""
    interpreter = Path(os.path.realpath(environment.venv_python(environment.VENV)))
    shared = [ROOT]
    if not interpreter.is_relative_to("/usr/bin"):
        shared.append(interpreter.parent.parent)
    points: list[Path] = []
    try:
        for kind, name in (("proc", "proc"), ("sysfs", "sys")):
            _mount(["-t", kind, kind], folder / name, points)
        for source in (Path("/dev"), Path("/dev/shm"), *shared):
            _mount(["--bind", str(source)], folder / source.relative_to("/"), points)
        yield
    finally:
        for point in reversed(points):
            # Lazily: an engine that is still ending keeps its mounts busy for a moment.
            subprocess.run(["umount", "--lazy", str(point)], check=False)


def _mount(what: Sequence[str], point: Path, points: list[Path]) -> None:
    point.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", *what, str(point)], check=True)
    points.append(point)


def install_blender(folder: Path) -> None:
    """Blender and what its extension tools import, from Debian's archive."""
    policy = folder / "usr" / "sbin" / "policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n", encoding="utf-8")
    policy.chmod(0o755)
    mtab = folder / "etc" / "mtab"
    if not mtab.is_symlink():
        mtab.symlink_to("/proc/self/mounts")
    if not (folder / "usr" / "bin" / "blender").exists():
        say("installing Blender from Debian's archive")
        inside(folder, ["apt-get", "update", "-q"])
        inside(folder, ["apt-get", "install", "-y", "-q", "--no-install-recommends", *PACKAGES], quiet=True)


def exercise(folder: Path, archive: Path, out: Path, step: int, avatar: str) -> None:
    """Validate, build, install; make the scene; render it."""
    # Blender keeps a wheel that it has unpacked before as long as the version is the same.
    shutil.rmtree(folder / "root" / ".config" / "blender", ignore_errors=True)
    inside(folder, ["blender", "--version"])
    extension = ["blender", "--command", "extension"]
    inside(folder, [*extension, "validate", str(archive)])
    inside(folder, [*extension, "build", "--source-dir", str(ROOT / "build" / "extension"), "--output-dir", str(out)])
    inside(folder, [*extension, "install-file", "--repo", "user_default", "--enable", str(archive)])
    scene = out / "demo.blend"
    make = ["blender", "-b", "--python-exit-code", "1", "--python", str(ROOT / "scripts" / "demo_scene.py"), "--"]
    inside(folder, [*make, "--save", str(scene), *(["--avatar", avatar] if avatar else [])])
    frames = ["-o", str(out / "frame_####"), "-F", "PNG", "-s", "1", "-j", str(step)]
    started = time.monotonic()
    inside(folder, ["blender", "-b", str(scene), *frames, "-a"])
    count = len(list(out.glob("frame_*.png")))
    say(f"{count} frames in {time.monotonic() - started:.1f} s, Blender's start and the engine's included")
    batch = ["--python-exit-code", "1", "--python", str(ROOT / "scripts" / "render_batch.py"), "--"]
    wanted = ["--frames", "24,60", "--output", str(out / "frame_batch_####.png")]
    inside(folder, ["blender", "--background", str(scene), *batch, *wanted])


def inside(folder: Path, command: Sequence[str], quiet: bool = False) -> None:
    """Run a command in the Debian, with a home of its own and the project's interpreter for the engine."""
    say(" ".join(command))
    variables = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root",
        "LC_ALL": "C.UTF-8",
        "DEBIAN_FRONTEND": "noninteractive",
        "LIVEHAND_PYTHON": str(environment.venv_python(environment.VENV)),
    }
    output = subprocess.DEVNULL if quiet else None
    subprocess.run(["chroot", str(folder), *command], check=True, env=variables, stdout=output)


def report(out: Path) -> int:
    """Check each frame by its content and say what was seen."""
    from image_checks import describe

    failed = 0
    for path in sorted(out.glob("frame_*.png")):
        seen = describe(path)
        print(f"{path.name}: {seen}")
        failed += not seen.shows_hand
    return 1 if failed or not list(out.glob("frame_*.png")) else 0


def say(text: str) -> None:
    print(f"[debian] {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
