"""Pictures signed by the engine's Python, which has the libraries: by one process for a whole batch."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bpy

from livehand_core.engine.interpreters import child_environment, core_command, find_interpreter, kill, start_options
from livehand_core.errors import EngineError, LiveHandError

from ..preferences import interpreter_preference, made_environment
from ..render.scene import avatar_path
from ..rig.armature import is_hand
from .frames import Sign


def shown_avatars() -> list[str]:
    """The avatars of the file's hands, each once. Raises AvatarError for one that cannot be found."""
    return sorted({avatar_path(rig) for rig in bpy.data.objects if is_hand(rig)})


@contextmanager
def signing(wanted: bool) -> Iterator[Sign | None]:
    """What signs pictures within the block; None where it is not wanted.

    Raises:
        LiveHandError: the engine's Python cannot sign, or there is no certificate.
    """
    if not wanted:
        yield None
        return
    process = _start(shown_avatars())
    try:
        _answer(process)
        yield lambda path, title: _sign(process, path, title)
    finally:
        if process.stdin is not None:
            process.stdin.close()
        kill(process)


def _start(avatars: list[str]) -> subprocess.Popen[bytes]:
    python = find_interpreter(interpreter_preference(), made_environment()).path
    words = ["sign", "--serve", *(word for avatar in avatars for word in ("--avatar", avatar))]
    try:
        return subprocess.Popen(
            core_command(python, words),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=child_environment(python),
            **start_options(),
        )
    except OSError as error:
        raise EngineError(f"{python} cannot be started ({error.strerror}).", "Choose another Python.") from error


def _sign(process: subprocess.Popen[bytes], path: Path, title: str) -> Path:
    assert process.stdin is not None
    try:
        process.stdin.write(json.dumps({"path": str(path), "title": title}).encode() + b"\n")
        process.stdin.flush()
    except OSError as error:
        raise LiveHandError(f"{title} could not be signed: the signing process has ended.") from error
    return Path(_answer(process)["signed"])


def _answer(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    """The next line that the process says. Raises LiveHandError with its reason when it has none."""
    assert process.stdout is not None and process.stderr is not None
    line = process.stdout.readline()
    if not line:
        said = process.stderr.read().decode(errors="replace").strip().splitlines() or ["it said nothing"]
        raise LiveHandError(said[-1].removeprefix("livehand: "))
    answer: dict[str, Any] = json.loads(line)
    if "error" in answer:
        raise LiveHandError(answer["error"])
    return answer
