"""Damaged files of every kind: each is one clear error or an answer; no crash, no hang, no memory beyond bounds.

More seeds by hand: ``LIVEHAND_FUZZ=3000 pytest tests/safety``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from livehand_core.cameras import Camera, look_at
from livehand_core.frames import FrameRequest, HandInstance
from livehand_core.poses import HandPose, PoseSequence

ROOT = Path(__file__).resolve().parents[2]
COUNT = int(os.environ.get("LIVEHAND_FUZZ", "390"))
FIRST = int(os.environ.get("LIVEHAND_FUZZ_FIRST", "0"))


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One sound file of each kind."""
    import torch

    from livehand_core.avatars import Architecture, Identity, new_avatar, save_avatar
    from livehand_core.captures.capture import Capture, CaptureFrame, write_capture
    from livehand_core.captures.images import write_image
    from livehand_core.claims import Holder
    from livehand_core.engine.protocol import encode
    from livehand_core.hand.builtin import builtin_hand
    from livehand_core.motion import write_motion
    from livehand_core.networks.config import FieldConfig, SuperResolutionConfig
    from livehand_core.training.checkpoints import Checkpoint, save_checkpoint
    from livehand_core.training.config import preset, save_config
    from livehand_core.training.control import RunStatus, write_status

    folder = tmp_path_factory.mktemp("sound")
    hand = builtin_hand("right")
    sizes = Architecture(
        FieldConfig(depth=2, width=16, feature_channels=8, latent_size=4),
        SuperResolutionConfig(in_channels=8, hidden=(8, 6)),
    )
    save_avatar(
        folder / "a.safetensors", new_avatar(hand, sizes, identities=(Identity("a", (0.5,) * 10), Identity("b")))
    )
    camera = Camera(
        8, 8, 20.0, 20.0, 4.0, 4.0, look_at(np.array([0.0, -0.5, 0.0]), np.zeros(3), np.array([1.0, 0.0, 0.0]))
    )
    poses = PoseSequence((HandPose.rest(), HandPose.rest()))
    frames = tuple(CaptureFrame(f"images/{index}.png", camera, f"cam{index}", index) for index in range(2))
    write_capture(Capture(folder / "capture", frames, poses, hand.name, frozenset({"cam1"}), frozenset({1})))
    for frame in frames:
        write_image(folder / "capture" / frame.image, np.ones((8, 8, 4), np.float32))
    poses.save(folder / "poses.npz")
    for name in ("motion.npz", "motion.json"):
        write_motion(folder / name, [poses])
    tensors = {"weight": torch.zeros(3, 2)}
    (folder / "run").mkdir()
    save_checkpoint(folder / "run", Checkpoint(3, 1.5, tensors, tensors, {"state": {}, "param_groups": []}))
    write_status(folder / "run", RunStatus("done", "a", "capture", step=3, progress=1.0, loss=0.1))
    save_config(preset("cpu", steps=3), folder / "run" / "config.toml")
    numbers = {"kind": "train", "step": 50, "total": 0.1, "high": 0.01}
    (folder / "run" / "metrics.jsonl").write_text("\n".join([json.dumps(numbers)] * 3))
    steps = {f"steps{index}": np.ones(1, np.float32) for index in range(4)}
    shell, empty = np.ones((4, 4), np.float32), np.zeros((0, 16), np.int64)
    kept = {**steps, "orders": empty, "shell": shell, "looked": np.float32(0.1), "ranges": np.zeros((0, 3), np.float32)}
    np.savez(folder / "cache.npz", **kept)
    request = FrameRequest(camera, (HandInstance(HandPose.rest(), "default", identity={"a": 1.0}),))
    (folder / "message.bin").write_bytes(
        encode({"type": "render", "id": 1, "channel": None, "request": request.to_json()})
    )
    (folder / "hand.json").write_text(json.dumps(request.hands[0].to_json()))
    (folder / ".a.png.claim1").write_text(json.dumps(vars(Holder.this())))
    return folder


@pytest.mark.skipif(sys.platform != "linux", reason="limits on memory")
def test_damaged_files_are_one_clear_error_each(sound: Path) -> None:
    command = [sys.executable, str(ROOT / "tests" / "safety" / "fuzz.py"), str(sound), str(FIRST), str(COUNT)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    answer = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=60 + COUNT, errors="replace"
    )
    lines = [json.loads(line) for line in answer.stdout.splitlines() if line.startswith('{"seed"')]
    faults = [line for line in lines if "fault" in line]
    assert answer.returncode == 0, (answer.returncode, lines[-1:], answer.stderr[-2000:])
    assert not faults, "\n".join(f"seed {line['seed']}: {line['fault']}" for line in faults)
    assert lines[-1]["seed"] == FIRST + COUNT - 1
