"""One sound file of each kind that the program reads, small; the processes of mutants damage copies of them."""

from __future__ import annotations

import json
import pickle
import shutil
import struct
from pathlib import Path

import numpy as np

from livehand_blender.environment.recipe import STAMP, Stamp
from livehand_core.cameras import Camera, look_at
from livehand_core.captures.going import CaptureStatus
from livehand_core.captures.going import write_status as write_capture_status
from livehand_core.captures.plan import Rig
from livehand_core.captures.shooting import Shooting, Shot
from livehand_core.farm.job import Job, write_job
from livehand_core.frames import FrameRequest, HandInstance
from livehand_core.poses import PARENTS, HandPose, PoseSequence
from livehand_core.tracking.clip import Clip, Store
from livehand_core.views.target import RECORD as FRAMES_RECORD

ROOT = Path(__file__).resolve().parents[2]
TRACKED = {"video": "a.mp4", "size": 3}
"""Of the landmarks of a video."""
RECORD = {"size": [8, 8], "avatar": "a"}
"""Of a folder of views."""


def make_sound(folder: Path) -> None:
    """Write them all into a folder."""
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
    from tests.chaos.sound_seen import write_seen

    hand = builtin_hand("right")
    sizes = Architecture(
        FieldConfig(depth=2, width=16, feature_channels=8, latent_size=4),
        SuperResolutionConfig(in_channels=8, hidden=(8, 6)),
    )
    save_avatar(
        folder / "a.safetensors", new_avatar(hand, sizes, identities=(Identity("a", (0.5,) * 10), Identity("b")))
    )
    camera = small_camera()
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
    _write_models(folder)
    _write_views(folder)
    _write_annotations(folder)
    _write_jobs(folder)
    write_seen(folder, camera)


def shooting() -> Shooting:
    """A small plan of a capture, as in ``capture/plan.json``."""
    poses = (HandPose.rest(), HandPose.rest())
    return Shooting(
        Rig(("a",), (small_camera(),), frozenset()), poses, frozenset(), (Shot(0, 0), Shot(1, 0)), "livehand"
    )


def small_camera() -> Camera:
    """Eight pixels square, before the hand."""
    place = look_at(np.array([0.0, -0.5, 0.0]), np.zeros(3), np.array([1.0, 0.0, 0.0]))
    return Camera(8, 8, 20.0, 20.0, 4.0, 4.0, place)


def _write_models(folder: Path) -> None:
    """Hand models, pickled motion and official checkpoints: what comes from other programs."""
    count, random = 8, np.random.default_rng(0)
    parents = np.array(PARENTS) % (1 << 32)
    model = {
        "v_template": random.random((count, 3)),
        "shapedirs": random.random((count, 3, 10)),
        "posedirs": random.random((count, 3, 135)),
        "J_regressor": random.random((16, count)),
        "weights": random.random((count, 16)),
        "kintree_table": np.stack([parents, np.arange(16)]),
        "hands_mean": random.random(45),
        "hands_components": random.random((45, 45)),
        "f": np.array([[0, 1, 2], [3, 4, 5]]),
    }
    (folder / "MANO_RIGHT.pkl").write_bytes(pickle.dumps(model, protocol=2))
    np.savez(folder / "mano.npz", **model)
    corners = [f"v {n} 0 0" for n in range(count)] + [f"vt 0.{n} 0.5" for n in range(count)]
    (folder / "mano.obj").write_text("\n".join([*corners, "f 1/1 2/2 3/3", "f 4/4 5/5 6/6"]))
    table = {"poses": random.random((3, 48)), "betas": random.random(10), "trans": random.random((3, 3))}
    (folder / "motion.pkl").write_bytes(pickle.dumps(table, protocol=2))
    np.save(folder / "motion.npy", np.array(table, dtype=object), allow_pickle=True)
    (folder / "official").mkdir()
    golden = ROOT / "tests" / "golden"
    shutil.copy(golden / "uvd_sr2_seed0.tar", folder / "official" / "000001.tar")
    shutil.copy(golden / "uvd_sr2_seed0.npz", folder / "case.npz")
    (folder / "official" / "config.txt").write_text("sr_factor = 2\nn_samples = 16\nn_importance = 0\n# remark\n")


def _write_views(folder: Path) -> None:
    """Folders that a program goes on with: a capture's plan, a folder of views, an environment, a list of poses."""
    shooting().claim(folder / "planned")
    write_capture_status(folder / "planned", CaptureStatus("stopped", 1, 2))
    (folder / "views").mkdir()
    (folder / "views" / FRAMES_RECORD).write_text(json.dumps(RECORD))
    (folder / "environment").mkdir()
    stamp = Stamp("0", "3.11", "", "CPU", False, 340)
    (folder / "environment" / STAMP).write_text(json.dumps(vars(stamp)))
    exr = b"\x76\x2f\x31\x01\x02\x00\x00\x00" + b"compression\x00compression\x00\x01\x00\x00\x00\x00"
    exr += b"dataWindow\x00box2i\x00\x10\x00\x00\x00" + np.array([0, 0, 1, 1], "<i4").tobytes() + b"\x00"
    first = len(exr) + 16
    exr += np.array([first, first + 10], "<u8").tobytes() + 2 * (np.array([0, 2], "<i4").tobytes() + b"ab")
    (folder / "picture.exr").write_bytes(exr)
    boxes = [(b"ftyp", b"isom"), (b"moov", b"x" * 40), (b"mdat", b"y" * 90)]
    film = b"".join((8 + len(body)).to_bytes(4, "big") + name + body for name, body in boxes)
    (folder / "film.mp4").write_bytes(film)


def _write_annotations(folder: Path) -> None:
    """What data sets and other programs tell of pictures: reconstructions, calibrations, annotations."""
    for kind in ("text", "binary"):
        (folder / f"colmap {kind}").mkdir()
    (folder / "colmap text" / "cameras.txt").write_text("# Camera list\n1 PINHOLE 64 48 60 60 32 24\n")
    image = "1 1 0 0 0 0.1 0.2 0.3 1 a.png\n1 2 3\n2 0.5 0.5 0.5 0.5 0 0 1 1 b.png\n\n"
    (folder / "colmap text" / "images.txt").write_text(image)
    camera = struct.pack("<QiiQQ4d", 1, 1, 1, 64, 48, 60.0, 60.0, 32.0, 24.0)
    (folder / "colmap binary" / "cameras.bin").write_bytes(camera)
    shot = struct.pack("<Qi7di", 1, 1, 1.0, 0.0, 0.0, 0.0, 0.1, 0.2, 0.3, 1) + b"a.png\0" + struct.pack("<Q", 0)
    (folder / "colmap binary" / "images.bin").write_bytes(shot)
    (folder / "meta.yml").write_text("mano_sides: [right]\nnum_frames: 3\nextrinsics: {a: &x [1.0, 2.0], b: *x}\n")
    table = {"handPose": np.zeros(48), "handBeta": np.zeros(10), "handTrans": np.zeros(3), "camMat": np.eye(3)}
    (folder / "annotation.pkl").write_bytes(pickle.dumps(table, protocol=2))
    (folder / "published").mkdir()
    (folder / "published" / "config.txt").write_text("expname = a\ndata_fol = .\nbasedir = logs # remark\n")


def _write_jobs(folder: Path) -> None:
    """A job for a farm, and landmarks of a video that are kept."""
    (folder / "farm").mkdir()
    write_job(folder / "farm", Job("a", "Scene", "LIVEHAND", "1-9", 3, "out/#.png", "png"))
    clip = Clip(64, 48, [0.0, 0.1], [(), ()])
    store = Store(folder / "track", TRACKED)
    store.begin()
    store.write(clip, 0)
