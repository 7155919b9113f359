"""Where the window tests' Blender comes from, and how its programs are started.

``BLENDER=PATH`` names one on this machine; ``LIVEHAND_DEBIAN=FOLDER`` one inside a Debian (``debian_root.py``).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import debian_root
import environment
from debian_root import BLENDER_OF_SUITE, Debian

WINDOW_TOOLS = ("Xvfb", "xdotool", "import")


@dataclass(frozen=True)
class Machine:
    """A Blender and the tools around its window.

    Attributes:
        blender: the program, a path or a name on the path.
        debian: the Debian that all of it lives in, None for this machine itself.
    """

    blender: str
    debian: Debian | None = None

    def blender_command(self, arguments: Sequence[str], variables: Mapping[str, str]) -> list[str]:
        """The command that starts Blender as a single process, with ``variables`` added to its environment."""
        if self.debian is not None:
            return self.debian.command([self.blender, *arguments], variables)
        return ["env", *(f"{name}={value}" for name, value in variables.items()), self.blender, *arguments]

    def tool_command(self, tool: Sequence[str], variables: Mapping[str, str]) -> list[str]:
        """The command that starts Xvfb, xdotool or import."""
        if self.debian is not None:
            return self.debian.bare(tool, variables)
        return ["env", *(f"{name}={value}" for name, value in variables.items()), *tool]

    def version(self) -> tuple[int, int, int]:
        """Blender's version.

        Raises:
            OSError: the program does not say it.
        """
        answer = subprocess.run(self.blender_command(["--version"], {}), capture_output=True, text=True)
        words = answer.stdout.split()
        if len(words) < 2 or words[0] != "Blender":
            raise OSError(f"{self.blender} does not say its version: {answer.stdout}{answer.stderr}".strip())
        major, minor, patch = (int(part) for part in words[1].split("."))
        return major, minor, patch


def find() -> tuple[Machine | None, str]:
    """The Blender at hand, or None; and in words which one, or what is missing."""
    named = os.environ.get("BLENDER", "")
    if named or "LIVEHAND_DEBIAN" not in os.environ:
        program = shutil.which(named or "blender")
        if program is not None:
            missing = [tool for tool in WINDOW_TOOLS if shutil.which(tool) is None]
            if not missing:
                return Machine(program), f"Blender at {program}"
            return None, f"{program} is there, but not {', '.join(missing)} (Debian: xvfb, xdotool, imagemagick)"
        if named:
            return None, f"BLENDER={named} is not a program"
    for folder in _debian_folders():
        debian = Debian(folder, _suite(folder))
        if debian.has_blender and debian.has_window_tools:
            reason = debian_root.obstacle()
            return (None, reason) if reason else (Machine("blender", debian), f"Blender of the Debian in {folder}")
    return None, "no Blender with a window at hand: set BLENDER=PATH, or prepare one with scripts/test.py --gui"


def default_folder(suite: str) -> Path:
    """Where ``scripts/test.py --gui`` makes a Debian unless it is told a folder."""
    return environment.ROOT / "build" / f"debian-{suite}"


def _debian_folders() -> list[Path]:
    named = os.environ.get("LIVEHAND_DEBIAN", "")
    return [Path(named).resolve()] if named else [default_folder(suite) for suite in BLENDER_OF_SUITE]


def _suite(folder: Path) -> str:
    sources = folder / "etc" / "apt" / "sources.list"
    words = sources.read_text(encoding="utf-8").split() if sources.exists() else []
    return next((suite for suite in BLENDER_OF_SUITE if suite in words), "trixie")
