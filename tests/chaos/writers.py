"""All that the core writes for people, each as a function of a folder and a number that makes its content another one.

Every file here must be whole or as it was, whatever happens while it is written.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from livehand_core.captures.capture import Capture, CaptureFrame, write_capture
from livehand_core.captures.images import write_image
from livehand_core.poses import HandPose, PoseSequence
from tests.chaos.sound import shooting, small_camera


def avatar(folder: Path, number: int) -> None:
    from livehand_core.avatars import Architecture, new_avatar, save_avatar
    from livehand_core.hand.builtin import builtin_hand
    from livehand_core.networks.config import FieldConfig, SuperResolutionConfig

    sizes = Architecture(
        FieldConfig(depth=2, width=16, feature_channels=8), SuperResolutionConfig(in_channels=8, hidden=(8, 6))
    )
    made = new_avatar(builtin_hand("right"), sizes)
    save_avatar(folder / "a.safetensors", replace(made, metadata=replace(made.metadata, name=f"hand {number}")))


def checkpoint(folder: Path, number: int) -> None:
    import torch

    from livehand_core.training.checkpoints import Checkpoint, save_checkpoint

    tensors = {"weight": torch.full((40000,), float(number))}
    save_checkpoint(folder, Checkpoint(number, 1.0, tensors, tensors, {"state": {}, "param_groups": []}))


def settings(folder: Path, number: int) -> None:
    from livehand_core.training.config import preset, save_config

    save_config(preset("cpu", steps=1 + number), folder / "config.toml")


def status(folder: Path, number: int) -> None:
    from livehand_core.training.control import RunStatus, write_status

    write_status(folder, RunStatus("done", f"hand {number}"))


def capture(folder: Path, number: int) -> None:
    frames = tuple(CaptureFrame(f"{index}.png", small_camera(), f"cam{index}", 0) for index in range(30 + number))
    poses = PoseSequence((HandPose.rest(),))
    write_capture(Capture(folder, frames, poses, "livehand", frozenset(), frozenset()))


def picture(folder: Path, number: int) -> None:
    image = np.random.default_rng(number).random((60, 80, 4), dtype=np.float32)
    write_image(folder / "picture.png", image)


def poses(folder: Path, number: int) -> None:
    _sequence(number).save(folder / "poses.npz")


def motion(folder: Path, number: int) -> None:
    from livehand_core.motion import write_motion

    write_motion(folder / "motion.npz", [_sequence(number)])


def motion_text(folder: Path, number: int) -> None:
    from livehand_core.motion import write_motion

    write_motion(folder / "motion.json", [_sequence(number)])


def frame(folder: Path, number: int) -> None:
    from livehand_core.views.pictures import save_png

    save_png(folder / "0001.png", np.random.default_rng(number).integers(0, 255, (60, 80, 3), dtype=np.uint8))


def record(folder: Path, number: int) -> None:
    from livehand_core.views.target import Target

    Target.of(folder).prepare({"avatar": "a" * 9000, "number": number}, 1, overwrite=True)


def film(folder: Path, number: int) -> None:
    from livehand_core.views.film import write_video

    pictures = np.random.default_rng(number).integers(0, 255, (12, 64, 96, 3), dtype=np.uint8)
    write_video(folder / "film.mp4", pictures, 12.0)


def curves(folder: Path, number: int) -> None:
    from livehand_core.training.curves import draw_curves

    draw_curves(folder)


def mesh(suffix: str) -> Callable[[Path, int], None]:
    def write(folder: Path, number: int) -> None:
        from livehand_core.meshes.files import write_mesh
        from livehand_core.meshes.mesh import Mesh

        random = np.random.default_rng(number)
        points = [random.random((500, 3), dtype=np.float32) for _ in range(3)]
        write_mesh(folder / f"hand{suffix}", Mesh(points[0], random.integers(0, 500, (900, 3)), *points[1:]))

    return write


def plan(folder: Path, number: int) -> None:
    shooting().claim(folder)


def _sequence(number: int) -> PoseSequence:
    turns = np.random.default_rng(number).random((200, 3))
    return PoseSequence(tuple(replace(HandPose.rest(), global_orient=turn) for turn in turns))


WRITERS: dict[str, Callable[[Path, int], Any]] = {
    "avatar": avatar,
    "checkpoint": checkpoint,
    "settings": settings,
    "status": status,
    "capture": capture,
    "picture": picture,
    "poses": poses,
    "motion": motion,
    "motion as text": motion_text,
    "frame": frame,
    "record": record,
    "film": film,
    "curves": curves,
    "plan": plan,
    **{f"mesh {suffix}": mesh(suffix) for suffix in (".obj", ".ply", ".glb", ".npz")},
}
