"""Sound files of what cameras and other programs see of a hand, and of hands in many lights; as ``sound``, which calls
this."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from livehand_core import harmonics
from livehand_core.cameras import Camera
from livehand_core.captures.light_part import CaptureLight
from livehand_core.lights import Lamp, Light
from livehand_core.poses import HandPose, PoseSequence

VIDEOS = ("a.mp4", "b.mp4")
"""Of a preparation of footage."""


def write_seen(folder: Path, camera: Camera) -> None:
    """Write them into a folder; ``camera``: of small pictures."""
    _write_lit(folder, camera)
    _write_footage(folder, camera)
    _write_motions(folder)


def _write_lit(folder: Path, camera: Camera) -> None:
    """A relightable avatar, and a capture in two lights."""
    from livehand_core.avatars import Architecture, new_avatar, save_avatar
    from livehand_core.captures.capture import Capture, CaptureFrame, write_capture
    from livehand_core.captures.images import write_image
    from livehand_core.hand.builtin import builtin_hand
    from livehand_core.networks.config import LIT_CHANNELS, FieldConfig, SuperResolutionConfig

    hand = builtin_hand("right")
    field = FieldConfig(depth=2, width=16, feature_channels=16, texture_sizes=(8,))
    picture = SuperResolutionConfig(2, 16, (16, 16), LIT_CHANNELS)
    sizes = Architecture(field, picture, detail_size=16, detail_channels=3)
    save_avatar(folder / "lit.safetensors", new_avatar(hand, sizes))
    lamps = Lamp((2.0, 2.0, 1.0), direction=(0.0, 0.6, 0.8), size=0.1), Lamp((9.0,) * 3, position=(0.3, -0.4, 0.5))
    sky = Light(np.random.default_rng(0).random((harmonics.COUNT, 3)))
    lights = tuple(CaptureLight(replace(sky, lamps=(lamp,)), "lamp") for lamp in lamps)
    frames = tuple(
        CaptureFrame(f"images/{index}.png", camera, f"cam{index}", index, light=index, exposure=0.5)
        for index in range(2)
    )
    poses = PoseSequence((HandPose.rest(), HandPose.rest()))
    write_capture(Capture(folder / "lit", frames, poses, hand.name, frozenset({"cam1"}), frozenset({1}), lights=lights))
    for frame in frames:
        write_image(folder / "lit" / frame.image, np.ones((8, 8, 4), np.float32))


def _write_footage(folder: Path, camera: Camera) -> None:
    """A film, calibrations as other programs write them, and what a preparation notes."""
    import cv2

    from livehand_core.datasets.footage.pipeline import begin

    film = cv2.VideoWriter(str(folder / "hand.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 10.0, (64, 48))
    for number in range(4):
        film.write(np.random.default_rng(number).integers(0, 255, (48, 64, 3), dtype=np.uint8))
    film.release()
    begin(folder / "footage", VIDEOS)
    k, lens = camera.intrinsics.tolist(), [0.1, -0.05, 0.0, 0.0, 0.0]
    entry = {"name": "a", "K": k, "distortion": lens, "R": np.eye(3).tolist(), "T": [0.0, 0.1, 0.5], "size": [8, 8]}
    (folder / "rig.json").write_text(json.dumps({"cameras": [entry, {**entry, "name": "b"}]}))
    storage = cv2.FileStorage(str(folder / "rig.yml"), cv2.FILE_STORAGE_WRITE)
    for name, value in (("camera_matrix", k), ("distortion_coefficients", [lens]), ("rvec", [[0.0, 0.1, 0.2]])):
        storage.write(name, np.array(value, np.float64))
    storage.write("tvec", np.array([[0.1, 0.2, 0.3]]))
    storage.release()
    rows = "\n".join(" ".join(map(str, row)) for row in k)
    (folder / "rig.dat").write_text(f"intrinsic:\n{rows}\ndistortion:\n0.1 -0.05 0 0 0\n")
    (folder / "prepared" / "parts").mkdir(parents=True)
    part = {"name": "a", "identity": "", "pose": HandPose.rest().to_json(), "frames": [], "left_out": [["a", "why"]]}
    (folder / "prepared" / "parts" / "a.json").write_text(json.dumps(part))
    (folder / "left_out.json").write_text(json.dumps([{"place": "a/0001.png", "reason": "blurred"}] * 2))


def _write_motions(folder: Path) -> None:
    """A tracked take, landmarks, a skeleton's motion, and names of bones."""
    from livehand_core.hand.builtin import builtin_hand
    from livehand_core.motion.bone_names import preset_mapping
    from livehand_core.tracking.offline import Take
    from livehand_core.tracking.takes import write_takes
    from tests.values.test_motion_points import write_bvh

    seen = Camera(64, 48, 60.0, 60.0, 32.0, 24.0, np.eye(4))
    sequence = PoseSequence((HandPose.rest(),) * 3, 30.0)
    write_takes(folder / "take.npz", [Take(sequence, np.ones(3), np.zeros(3), seen)], builtin_hand("right").name)
    points = np.random.default_rng(0).random((3, 21, 3))
    (folder / "points.json").write_text(json.dumps({"world_landmarks": points.tolist()}))
    names = preset_mapping("Rigify", "right")
    write_bvh(folder / "walk.bvh", lambda point: names.get(point, point))
    (folder / "bones.json").write_text(json.dumps({"wrist": "Hand_R", "index1": "Index_R_1"}))
