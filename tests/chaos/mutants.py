"""Damaged files of the core and of the add-on's part that needs no Blender: what ``harness`` tries.

    python tests/chaos/mutants.py FOLDER FIRST COUNT

FOLDER holds sound files, as ``sound`` makes them.
"""

from __future__ import annotations

import json
import os
import random
import sys
from pathlib import Path

import harness
import numpy as np
from harness import Kind
from mutations import (
    damaged_archive,
    damaged_avatar,
    damaged_bytes,
    damaged_checkpoint,
    damaged_lines,
    damaged_pickle,
    damaged_picture,
    damaged_text,
    damaged_yaml,
)


def read_avatar(path: Path) -> None:
    from livehand_blender.avatars.library import scan
    from livehand_core.avatars.arrays import read_arrays
    from livehand_core.avatars.metadata import read_metadata

    read_metadata(path)
    scan(path.parent)
    read_arrays(path)


def read_capture(path: Path) -> None:
    from livehand_core.captures.checks import find_problems

    find_problems(path.parents[1] if path.parent.name == "images" else path.parent)


def read_motion(path: Path) -> None:
    from livehand_core.motion import read_motion as read

    read(path)


def read_checkpoint(path: Path) -> None:
    import torch

    from livehand_core.training.checkpoints import load_checkpoint

    load_checkpoint(path.parent, torch.device("cpu"))


def read_run(path: Path) -> None:
    from livehand_blender.training.runs import look
    from livehand_core.processes import read_order
    from livehand_core.training.control import describe, read_status

    look(path.parent.parent)
    read_order(path.parent)
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
    from livehand_core.meshes.choice import read_hands

    read_hands(path, "default")


def read_claim(path: Path) -> None:
    from livehand_core.claims import claimed

    with claimed(path.with_name("a.png")):
        pass


def read_hand_model(path: Path) -> None:
    from livehand_core.hand.mano_reader import read_mano

    if path.suffix == ".obj":
        read_mano(path.with_name("mano.npz"), uv=path)
    else:
        read_mano(path)


def read_official(path: Path) -> None:
    from livehand_core.avatars.official import import_checkpoint

    import_checkpoint(path.with_name("000001.tar"))


def read_case(path: Path) -> None:
    from livehand_core.rendering.torch.parity import load_case

    load_case(path)


def read_plan(path: Path) -> None:
    from sound import shooting

    from livehand_core.captures.shooting import progress_of

    progress_of(path.parent)
    shooting().claim(path.parent)


def read_going(path: Path) -> None:
    from livehand_core.captures.going import read_status

    status = read_status(path.parent)
    assert 0.0 <= status.progress <= 1.0 and status.line()


def read_record(path: Path) -> None:
    from sound import RECORD

    from livehand_core.views.target import Target

    Target.of(path.parent).prepare(RECORD, 3, overwrite=False)


def read_environment(path: Path) -> None:
    from livehand_blender.environment.recipe import Stamp, read_stamp

    stamp = read_stamp(path.parent)
    if stamp is not None:
        f"{stamp.megabytes / 1000:.1f} {stamp.core}"
    assert stamp is None or isinstance(stamp, Stamp)


def read_reconstruction(path: Path) -> None:
    from livehand_core.datasets.colmap import find_model, read_model

    assert find_model(path.parent) == path.parent
    read_model(path.parent)


def read_annotation(path: Path) -> None:
    from livehand_core.datasets.ho3d import read_table
    from livehand_core.datasets.source import ANNOTATION

    (ANNOTATION.yaml if path.suffix == ".yml" else read_table)(path)


def read_published(path: Path) -> None:
    from livehand_core.datasets.published_config import read_config

    read_config(path)


def read_farm_job(path: Path) -> None:
    from livehand_core.farm.job import missing_frames, read_job

    folder, job = read_job(path.parent)
    missing_frames(folder, job)


def read_landmarks(path: Path) -> None:
    from sound import TRACKED

    from livehand_core.tracking.clip import Store

    found = Store(path.parent, TRACKED).read()
    assert len(found.times) == len(found.hands)


def read_signed(path: Path) -> None:
    from livehand_core.provenance.signing import verify

    assert verify(path).state in ("unsigned", "changed")


def read_whole(path: Path) -> None:
    from livehand_core.whole_files import is_complete

    assert is_complete(path) in (True, False)


def read_film(path: Path) -> None:
    from livehand_core.tracking.sources import open_source

    source = open_source(path)
    try:
        assert all(frame.picture.shape[2] == 3 for frame in source)
    finally:
        source.close()


def read_footage(path: Path) -> None:
    from sound_seen import VIDEOS

    from livehand_core.datasets.footage.pipeline import begin

    begin(path.parent, VIDEOS)


def read_rig(path: Path) -> None:
    from livehand_core.datasets.footage.calibration_file import read_calibration

    for camera in read_calibration([path]):
        assert camera.matrix is None or np.isfinite(camera.matrix).all()
        assert camera.intrinsics is None or np.isfinite(camera.intrinsics).all()


def read_part(path: Path) -> None:
    from livehand_core.datasets.parts import read_parts

    list(read_parts(path.parents[1]))


def read_left_out(path: Path) -> None:
    from livehand_core.datasets.source import read_left_out as read

    read(path)


def read_take(path: Path) -> None:
    from livehand_core.tracking.takes import read_notes

    read_notes(path)
    read_motion(path)


def read_bones(path: Path) -> None:
    from livehand_core.motion.bone_names import read_mapping

    read_mapping(path)


def _text(data: bytes, rng: random.Random) -> bytes:
    return damaged_text(json.loads(data), rng)


def _message(data: bytes, rng: random.Random) -> bytes:
    body = damaged_text(json.loads(data[8:]), rng) if rng.random() < 0.7 else data[8:]
    whole = data[:4] + len(body).to_bytes(4, "little") + body
    return whole if rng.random() < 0.7 else damaged_bytes(whole, rng)


KINDS = {
    "avatar": Kind("a.safetensors", damaged_avatar, read_avatar),
    "capture": Kind("capture/transforms.json", _text, read_capture),
    "capture poses": Kind("capture/poses.npz", damaged_archive, read_capture),
    "capture picture": Kind("capture/images/0.png", damaged_picture, read_capture),
    "capture status": Kind("planned/capture.json", _text, read_going),
    "plan": Kind("planned/plan.json", _text, read_plan),
    "motion json": Kind("motion.json", _text, read_motion),
    "motion npz": Kind("motion.npz", damaged_archive, read_motion),
    "motion pickle": Kind("motion.pkl", damaged_pickle, read_motion),
    "motion npy": Kind("motion.npy", damaged_bytes, read_motion),
    "poses": Kind("poses.npz", damaged_archive, read_motion),
    "hand model": Kind("MANO_RIGHT.pkl", damaged_pickle, read_hand_model),
    "hand model npz": Kind("mano.npz", damaged_archive, read_hand_model),
    "texture layout": Kind("mano.obj", damaged_lines, read_hand_model),
    "official checkpoint": Kind("official/000001.tar", damaged_checkpoint, read_official),
    "official settings": Kind("official/config.txt", damaged_lines, read_official),
    "parity case": Kind("case.npz", damaged_archive, read_case),
    "checkpoint": Kind("run/checkpoint.pt", damaged_checkpoint, read_checkpoint),
    "status": Kind("run/status.json", _text, read_run),
    "settings": Kind("run/config.toml", damaged_lines, read_settings),
    "metrics": Kind("run/metrics.jsonl", damaged_bytes, read_metrics),
    "cache": Kind("cache.npz", damaged_archive, read_finding),
    "message": Kind("message.bin", _message, read_engine_message, named=False),
    "hand": Kind("hand.json", _text, read_hand),
    "claim": Kind(".a.png.claim1", _text, read_claim),
    "views": Kind("views/livehand_render.json", _text, read_record),
    "environment": Kind("environment/livehand_environment.json", _text, read_environment),
    "reconstruction": Kind("colmap text/images.txt", damaged_lines, read_reconstruction),
    "reconstruction's cameras": Kind("colmap text/cameras.txt", damaged_lines, read_reconstruction),
    "binary reconstruction": Kind("colmap binary/images.bin", damaged_bytes, read_reconstruction),
    "its cameras": Kind("colmap binary/cameras.bin", damaged_bytes, read_reconstruction),
    "annotation": Kind("meta.yml", damaged_yaml, read_annotation),
    "pickled annotation": Kind("annotation.pkl", damaged_pickle, read_annotation),
    "published settings": Kind("published/config.txt", damaged_lines, read_published),
    "farm job": Kind("farm/job.json", _text, read_farm_job),
    "landmarks": Kind("track/part_00000000.npz", damaged_archive, read_landmarks),
    "landmarks' record": Kind("track/source.json", _text, read_landmarks),
    "picture to verify": Kind("capture/images/0.png", damaged_picture, read_signed),
    "whole exr": Kind("picture.exr", damaged_bytes, read_whole),
    "whole film": Kind("film.mp4", damaged_bytes, read_whole),
    "relightable avatar": Kind("lit.safetensors", damaged_avatar, read_avatar),
    "capture in lights": Kind("lit/transforms.json", _text, read_capture),
    "video": Kind("hand.mp4", damaged_bytes, read_film),
    "footage's record": Kind("footage/source.json", _text, read_footage),
    "calibration": Kind("rig.json", _text, read_rig),
    "OpenCV's calibration": Kind("rig.yml", damaged_yaml, read_rig),
    "calibration in rows": Kind("rig.dat", damaged_lines, read_rig),
    "part of a data set": Kind("prepared/parts/a.json", _text, read_part),
    "what was left out": Kind("left_out.json", _text, read_left_out),
    "take": Kind("take.npz", damaged_archive, read_take),
    "points": Kind("points.json", _text, read_motion),
    "skeleton's motion": Kind("walk.bvh", damaged_lines, read_motion),
    "names of bones": Kind("bones.json", _text, read_bones),
}

if __name__ == "__main__":
    import torch  # noqa: F401

    raise SystemExit(harness.main(KINDS, sys.argv[1:]))
