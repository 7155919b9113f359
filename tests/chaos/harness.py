"""What every process of mutants does: damages one sound file a seed, reads it as the program would, and tells faults.

Used by the scripts ``mutants`` and ``blend_mutants``, which ``watch`` starts and watches. One line of JSON a seed
before it is tried, so that a crash or a hang names its seed, and one a fault.
"""

from __future__ import annotations

import json
import os
import random
import resource
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from livehand_core.errors import LiveHandError

MEMORY = 6 << 30
"""Bytes of address space; what is loaded takes two of them."""
SECONDS = 10.0
"""Of the processor that reading one file may take; a process that takes much longer is ended by who watches."""
EXECUTED = "executed"
"""File that hostile content tries to make, beside the sound ones."""
FORBIDDEN = ("os.system", "os.exec", "os.posix_spawn", "os.fork", "os.spawn", "subprocess.Popen", "socket.connect")
"""Audit events of code that a file has no business to start."""

Damage = Callable[[bytes, random.Random], bytes]


class Kind(NamedTuple):
    """One kind of file.

    Attributes:
        name: of the sound file, in the folder.
        damage: makes another content of it.
        read: reads it as the program does; its answer says nothing.
        named: whether an error has to name the file or the folder that it lies in.
    """

    name: str
    damage: Damage
    read: Callable[[Path], None]
    named: bool = True


def main(kinds: dict[str, Kind], arguments: list[str]) -> int:
    """Try the seeds FIRST to FIRST + COUNT - 1 in FOLDER: ``FOLDER FIRST COUNT``."""
    folder, first, count = Path(arguments[0]).resolve(), int(arguments[1]), int(arguments[2])
    os.chdir(folder)
    started = _forbid()
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    for seed in range(first, first + count):
        kind = list(kinds)[seed % len(kinds)]
        print(json.dumps({"seed": seed, "kind": kind}), flush=True)
        fault, refused = _one(kinds[kind], folder, seed)
        if started or (folder / EXECUTED).exists():
            fault = f"code was executed: {started or EXECUTED}"
            started.clear()
            (folder / EXECUTED).unlink(missing_ok=True)
        told: dict[str, Any] = {"seed": seed, "kind": kind, "refused": refused} | ({"fault": fault} if fault else {})
        print(json.dumps(told), flush=True)
    return 0


def _one(kind: Kind, folder: Path, seed: int) -> tuple[str, bool]:
    """What went wrong with the damaged file of a seed, empty when all was right, and whether it was refused."""
    rng = random.Random(seed)
    path = folder / kind.name
    sound = path.read_bytes()
    path.write_bytes(kind.damage(sound, rng))
    began, refused, fault = time.process_time(), False, ""
    try:
        kind.read(path)
    except LiveHandError as error:
        refused, fault = True, _unclear(str(error), path if kind.named else None)
    except BaseException:
        fault = traceback.format_exc()[-900:]
    finally:
        path.write_bytes(sound)
    seconds = time.process_time() - began
    return fault or (f"{seconds:.1f} s" if seconds > SECONDS else ""), refused


def _unclear(text: str, path: Path | None) -> str:
    """What a message lacks; empty when it is one that a person can use."""
    if not text.strip() or len(text) >= 2000 or "Traceback" in text:
        return f"no clear message: {text!r}"
    if path is not None and path.name not in text and path.parent.name not in text:
        return f"the message does not name {path.name}: {text!r}"
    return ""


def _forbid() -> list[str]:
    """A list that fills with what is started from now on and should not be."""
    started: list[str] = []

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        if event in FORBIDDEN:
            started.append(f"{event} {arguments!r:.200}")

    sys.addaudithook(hear)
    return started
