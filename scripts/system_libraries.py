"""What the system has to bring: libraries that Blender's module links to, and a driver that stands for a GPU in tests.

Standard library only; ``environment.py`` and ``test.py`` call it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

DEBIAN_PACKAGES = {
    "libX11.so.6": "libx11-6",
    "libXrender.so.1": "libxrender1",
    "libXfixes.so.3": "libxfixes3",
    "libXi.so.6": "libxi6",
    "libXxf86vm.so.1": "libxxf86vm1",
    "libXext.so.6": "libxext6",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libSM.so.6": "libsm6",
    "libICE.so.6": "libice6",
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
    "libgomp.so.1": "libgomp1",
    "libstdc++.so.6": "libstdc++6",
}
"""Which Debian or Ubuntu package holds a library that Blender's module links to."""

SOFTWARE_GPU = ["libvulkan1", "mesa-vulkan-drivers"]
"""Debian or Ubuntu packages of a Vulkan driver that computes on the processor."""


class SetupFailed(Exception):
    """A step that a person has to help with; the text says how."""


def say(text: str) -> None:
    """One line of progress, visible at once also through a pipe."""
    print(f"[environment] {text}", flush=True)


def ensure_system_libraries(python: Path) -> None:
    """See that Blender's module finds every shared library; install them where this runs as root with apt-get.

    Raises:
        SetupFailed: some are missing and cannot be installed from here; the text names them and the command.
    """
    if sys.platform == "linux":
        missing = missing_libraries(python)
        if missing:
            packages = debian_packages(missing)
            say(f"Blender needs system libraries that are missing: {', '.join(missing)}")
            command = f"apt-get install --no-install-recommends {' '.join(packages)}"
            if not install_with_apt(packages) or missing_libraries(python):
                raise SetupFailed(
                    f"Blender needs {', '.join(missing)}.\nOn Debian or Ubuntu:\n    sudo {command}\n"
                    "On other systems install the packages that hold these files, then run this command again."
                )
    answer = subprocess.run(
        [str(python), "-c", "import bpy; print(bpy.app.version_string)"], capture_output=True, text=True
    )
    if answer.returncode:
        raise SetupFailed(f"Blender's module does not load:\n{answer.stderr}")
    say(f"Blender {answer.stdout.strip().splitlines()[-1]} loads")


def ensure_software_gpu(python: Path, root: Path) -> str:
    """See that the GPU renderer's tests find something to run on; install it where this runs as root with apt-get.

    Args:
        python: of the tests.
        root: of the checkout.

    Returns:
        What they run on; empty when they are left out, which has been said with the reason and the remedy.
    """
    found, why = _gpu(python, root)
    if not found and sys.platform == "linux" and install_with_apt(SOFTWARE_GPU):
        found, why = _gpu(python, root)
    if not found:
        say(f"the GPU renderer's tests are left out: {why or 'no GPU and no software that stands for one'}")
        if sys.platform == "linux":
            say(f"on Debian or Ubuntu: sudo apt-get install --no-install-recommends {' '.join(SOFTWARE_GPU)}")
    return found


def _gpu(python: Path, root: Path) -> tuple[str, str]:
    """A line for what tests of the GPU renderer run on, or nothing; and why others cannot be used."""
    code = (
        "from livehand_core.rendering.gpu.adapters import survey\n"
        "found = survey()\n"
        "print(next((one.description for one in (*found.software, *found.usable)), ''))\n"
        "print('; '.join(found.refused))\n"
    )
    answer = subprocess.run([str(python), "-c", code], capture_output=True, text=True, cwd=root)
    if answer.returncode:
        return "", (answer.stderr.strip().splitlines() or ["its Python does not run"])[-1]
    found, why = (answer.stdout + "\n\n").split("\n")[:2]
    return found, why


def missing_libraries(python: Path) -> list[str]:
    """Names of the shared libraries that the loader does not find for Blender's module."""
    answer = subprocess.run(
        [str(python), "-c", "import importlib.util as u; print(u.find_spec('bpy').origin)"],
        capture_output=True,
        text=True,
    )
    module = Path(answer.stdout.strip())
    if not module.name or shutil.which("ldd") is None:
        return []
    binaries = [path for path in (module, module.with_name("__init__.so")) if path.suffix == ".so" and path.exists()]
    return parse_ldd("".join(subprocess.run(["ldd", str(b)], capture_output=True, text=True).stdout for b in binaries))


def parse_ldd(text: str) -> list[str]:
    """Library names that ``ldd`` reports as not found, each once."""
    return list(dict.fromkeys(re.findall(r"^\s*(\S+) => not found", text, flags=re.MULTILINE)))


def debian_packages(libraries: Iterable[str]) -> list[str]:
    """Debian or Ubuntu packages for library names; an unknown name is left to ``apt-file``'s convention."""
    guess = (DEBIAN_PACKAGES.get(name) or re.sub(r"\.so\.?", "", name).lower() for name in libraries)
    return list(dict.fromkeys(guess))


def install_with_apt(packages: Sequence[str]) -> bool:
    """Install Debian packages; False where that is not possible (not root, no apt-get, or apt-get fails)."""
    if os.name != "posix" or os.geteuid() != 0 or shutil.which("apt-get") is None:
        return False
    say(f"apt-get install {' '.join(packages)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages]
    for command in (["apt-get", "update", "-q"], install):
        answer = subprocess.run(command, capture_output=True, text=True, env=environment)
        if answer.returncode and command is install:
            print(answer.stdout[-2000:] + answer.stderr[-2000:], file=sys.stderr)
            return False
    return True
