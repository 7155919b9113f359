"""A small Debian in a folder, with its own Blender inside: made by debootstrap, entered by chroot, by root on Linux.

Called by ``debian_blender.py`` and by the window tests (``gui/machine.py``). Each command gets a mount namespace of its
own, so nothing stays mounted whichever way it ends.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import environment
from system_libraries import SetupFailed

MIRROR = "http://deb.debian.org/debian"
BLENDER_OF_SUITE = {"trixie": "4.3", "sid": "5.2"}
"""The Blender that each Debian carries."""

BLENDER_PACKAGES = ("blender", "python3-numpy", "python3-requests", "libgl1-mesa-dri", "libegl1", "libgl1")
EXTRA_PACKAGES = {"sid": ("python3-cattr",)}
WINDOW_PACKAGES = ("xvfb", "imagemagick", "xdotool")


@dataclass(frozen=True)
class Debian:
    """A Debian in a folder.

    Attributes:
        folder: its root.
        suite: Debian's name of the release, a key of ``BLENDER_OF_SUITE``.
    """

    folder: Path
    suite: str = "trixie"

    @property
    def has_blender(self) -> bool:
        """Whether Blender is installed in it."""
        return (self.folder / "usr" / "bin" / "blender").exists()

    @property
    def has_window_tools(self) -> bool:
        """Whether a display without a screen, a mouse and a camera are installed in it."""
        # lexists: a link such as import's leads to a place inside the Debian, not on this machine.
        return all(os.path.lexists(self.folder / "usr" / "bin" / tool) for tool in ("Xvfb", "xdotool", "import"))

    def prepare(self, mirror: str = MIRROR, window: bool = False) -> None:
        """Make what is missing: the system, Blender and, with ``window``, the tools around a window.

        Raises:
            SetupFailed: this machine cannot; the text says what it lacks.
        """
        if (reason := obstacle()) is not None:
            raise SetupFailed(reason)
        if not (self.folder / "usr" / "bin" / "apt-get").exists():
            if shutil.which("debootstrap") is None:
                raise SetupFailed("Making a Debian needs debootstrap:\n    sudo apt-get install debootstrap")
            say(f"debootstrap {self.suite} into {self.folder}")
            self.folder.mkdir(parents=True, exist_ok=True)
            self._checked(["debootstrap", "--variant=minbase", self.suite, str(self.folder), mirror])
        if self.has_blender and (self.has_window_tools or not window):
            return
        self._write("usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755)
        # The development release's index may be older than the date that it promises.
        self._write("etc/apt/apt.conf.d/90livehand", 'Acquire::Check-Valid-Until "false";\n', 0o644)
        mtab = self.folder / "etc" / "mtab"
        if not mtab.is_symlink():
            mtab.symlink_to("/proc/self/mounts")
        say(f"installing Blender {BLENDER_OF_SUITE[self.suite]} from Debian's archive, about 1.5 GB")
        packages = [*BLENDER_PACKAGES, *EXTRA_PACKAGES.get(self.suite, ()), *(WINDOW_PACKAGES if window else ())]
        quietly = {"DEBIAN_FRONTEND": "noninteractive"}
        self._checked(self.command(["apt-get", "update", "-q"], quietly))
        install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages]
        self._checked(self.command(install, quietly))

    def command(self, inner: Sequence[str], variables: Mapping[str, str] | None = None) -> list[str]:
        """The host's command that runs ``inner`` in the Debian, in the project's folder, as a single process.

        The project's folder and its environment's interpreter are seen there at the same paths.
        """
        steps = []
        for source in (Path("/proc"), Path("/sys"), Path("/dev"), *self._shared()):
            target = shlex.quote(str(self.folder / source.relative_to("/")))
            steps += [f"mkdir -p {target}", f"mount --rbind {shlex.quote(str(source))} {target}"]
        given = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8", **(variables or {})}
        entered = ["chroot", str(self.folder), "env", "-i", f"--chdir={environment.ROOT}"]
        entered += [*(f"{name}={value}" for name, value in given.items()), *inner]
        script = " && ".join([*steps, f"exec {shlex.join(entered)}"])
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script]

    def bare(self, inner: Sequence[str], variables: Mapping[str, str]) -> list[str]:
        """Like :meth:`command` for tools that need neither devices nor the project: faster to start."""
        given = [f"{name}={value}" for name, value in {"PATH": "/usr/bin:/bin", "HOME": "/root", **variables}.items()]
        return ["chroot", str(self.folder), "env", "-i", *given, *inner]

    def _shared(self) -> list[Path]:
        """The project's folder, its environment where that is a link to elsewhere, and where its interpreter lives
        unless that is the system's own."""
        interpreter = Path(os.path.realpath(environment.venv_python(environment.VENV)))
        shared = [environment.ROOT]
        if not environment.VENV.resolve().is_relative_to(environment.ROOT):
            shared.append(environment.VENV.resolve())
        if not interpreter.is_relative_to("/usr/bin"):
            shared.append(interpreter.parent.parent)
        return shared

    def _checked(self, command: Sequence[str]) -> None:
        answer = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if answer.returncode:
            print(answer.stdout[-4000:], file=sys.stderr)
            raise SetupFailed(f"A Debian cannot be made in {self.folder}; the last lines above say why.")

    def _write(self, name: str, text: str, mode: int) -> None:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)


def obstacle() -> str | None:
    """Why this machine cannot enter a Debian in a folder, None when it can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "A Debian in a folder needs Linux and root: run this with sudo, or name a Blender by BLENDER=PATH."
    missing = [tool for tool in ("chroot", "unshare", "mount") if shutil.which(tool) is None]
    return f"A Debian in a folder needs {', '.join(missing)} (package util-linux)." if missing else None


def say(text: str) -> None:
    """One line of progress."""
    print(f"[debian] {text}", flush=True)
