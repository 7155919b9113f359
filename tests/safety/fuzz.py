"""Reads many damaged files, in a process of its own with limits on memory and time; one line of JSON a fault.

    python tests/safety/fuzz.py FOLDER FIRST COUNT

FOLDER holds sound files, as ``test_fuzz`` makes them. Each seed from FIRST on damages one and reads it as the program
would. A LiveHandError in one line, or an answer, is right; all else is printed.
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
from typing import Any

from mutations import damaged_archive, damaged_avatar, damaged_bytes, damaged_text

from livehand_core.errors import LiveHandError

MEMORY = 6 << 30
"""Bytes of address space; what is loaded takes two of them."""
SECONDS = 5.0
"""That reading one file may take; torch's readers are slow on a busy machine."""


def read_avatar(path: Path) -> None:
    from livehand_core.avatars.arrays import read_arrays
    from livehand_core.avatars.metadata import read_metadata

    read_metadata(path)
    read_arrays(path)


def read_capture(path: Path) -> None:
    from livehand_core.captures.capture import read_capture as read

    read(path.parent)


def read_motion(path: Path) -> None:
    from livehand_core.motion import read_motion as read

    read(path)


def read_poses(path: Path) -> None:
    from livehand_core.poses import PoseSequence

    PoseSequence.load(path)


def read_checkpoint(path: Path) -> None:
    import torch

    from livehand_core.training.checkpoints import load_checkpoint

    load_checkpoint(path.parent, torch.device("cpu"))


def read_run(path: Path) -> None:
    from livehand_core.training.control import describe, find_runs, read_status

    find_runs(path.parent.parent)
    describe(read_status(path.parent))


def read_settings(path: Path) -> None:
    from livehand_core.training.config import load_config

    load_config(path)


def read_metrics(path: Path) -> None:
    from livehand_core.training.curves import draw_curves

    draw_curves(path.parent)


def read_finding(path: Path) -> None:
    from livehand_core.networks.config import FieldConfig
    from livehand_core.rendering.cpu import findings

    findings._path = lambda key: path
    findings.load_findings("key", FieldConfig(depth=2, width=16), False)


def read_engine_message(path: Path) -> None:
    from livehand_core.engine.protocol import read_message
    from livehand_core.frames import FrameRequest

    descriptor = os.open(path, os.O_RDONLY)
    try:
        while (message := read_message(descriptor)) is not None:
            request = message.get("request")
            FrameRequest.from_json(request if isinstance(request, dict) else {})
    finally:
        os.close(descriptor)


def read_hand(path: Path) -> None:
    from livehand_core.meshes.command import _read_hand

    _read_hand(path, "default")


def read_claim(path: Path) -> None:
    from livehand_core.claims import claimed

    with claimed(path.with_name("a.png")):
        pass


def _text(data: bytes, rng: random.Random) -> bytes:
    return damaged_text(json.loads(data), rng)


def _message(data: bytes, rng: random.Random) -> bytes:
    body = damaged_text(json.loads(data[8:]), rng) if rng.random() < 0.7 else data[8:]
    whole = data[:4] + len(body).to_bytes(4, "little") + body
    return whole if rng.random() < 0.7 else damaged_bytes(whole, rng)


Damage = Callable[[bytes, random.Random], bytes]
KINDS: dict[str, tuple[str, Damage, Callable[[Path], None]]] = {
    "avatar": ("a.safetensors", damaged_avatar, read_avatar),
    "capture": ("capture/transforms.json", _text, read_capture),
    "capture poses": ("capture/poses.npz", damaged_archive, read_capture),
    "motion json": ("motion.json", _text, read_motion),
    "motion npz": ("motion.npz", damaged_archive, read_motion),
    "poses": ("poses.npz", damaged_archive, read_poses),
    "checkpoint": ("run/checkpoint.pt", damaged_bytes, read_checkpoint),
    "status": ("run/status.json", _text, read_run),
    "settings": ("run/config.toml", damaged_bytes, read_settings),
    "metrics": ("run/metrics.jsonl", damaged_bytes, read_metrics),
    "cache": ("cache.npz", damaged_archive, read_finding),
    "message": ("message.bin", _message, read_engine_message),
    "hand": ("hand.json", _text, read_hand),
    "claim": (".a.png.claim1", _text, read_claim),
}
"""Name -> (the sound file, what damages it, what reads it)."""


def one(folder: Path, seed: int) -> str:
    """What went wrong with the damaged file of a seed, empty when all was right."""
    rng = random.Random(seed)
    kind = list(KINDS)[seed % len(KINDS)]
    name, damage, read = KINDS[kind]
    path = folder / name
    sound = path.read_bytes()
    path.write_bytes(damage(sound, rng))
    began = time.monotonic()
    try:
        read(path)
        fault = ""
    except LiveHandError as error:
        text = str(error)
        fault = "" if text.strip() and len(text) < 2000 and "Traceback" not in text else f"no clear message: {text!r}"
    except BaseException:
        fault = traceback.format_exc()[-900:]
    finally:
        path.write_bytes(sound)
    seconds = time.monotonic() - began
    return f"{kind}: {fault or f'{seconds:.1f} s'}" if fault or seconds > SECONDS else ""


def main(arguments: list[str]) -> int:
    folder, first, count = Path(arguments[0]), int(arguments[1]), int(arguments[2])
    import torch  # noqa: F401

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    for seed in range(first, first + count):
        # Whoever watches knows by it which file a crash or a hang is owed to.
        print(json.dumps({"seed": seed}), flush=True)
        if fault := one(folder, seed):
            shown: dict[str, Any] = {"seed": seed, "fault": fault}
            print(json.dumps(shown), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
