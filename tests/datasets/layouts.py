"""The truth of ``hands_world`` written as each data set is laid out, by its makers' conventions."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import cv2
import numpy as np
import yaml

from livehand_core.hand.library import find_hand
from livehand_core.poses import HandPose
from tests.datasets.hands_world import World, save

FROM_USUAL = np.argsort([20, 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12, 19, 18, 17, 16])


def _json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def _world_to_camera(world: World, name: str) -> np.ndarray:
    return world.cameras[name].world_to_camera


def interhand(folder: Path, world: World, split: str = "test", layout: str = "", old: bool = False) -> None:
    """Two subjects' worth of annotation is not needed: capture 0, one sequence; frame numbers 100, 106, 112."""
    images, annotations, joints, fits = [], [], {}, {}
    for index in range(len(world.poses)):
        frame = 100 + 6 * index
        pose = world.poses[index]
        raw = [*pose.global_orient, *world.raw_fingers(index)]
        fit = {"pose": raw, "shape": pose.betas.tolist(), "trans": pose.transl.tolist()}
        fits[str(frame)] = {"right": None, "left": None, world.side: fit}
        own = world.joints(index)[FROM_USUAL] * 1000.0
        other = np.ones((21, 3))
        both = np.concatenate([own, other] if world.side == "right" else [other, own])
        valid = [[int(world.side == "right")]] * 21 + [[int(world.side == "left")]] * 21
        joints[str(frame)] = both.tolist() if old else {"world_coord": both.tolist(), "joint_valid": valid}
        for camera in world.cameras:
            number = len(images)
            name = f"Capture0/0001_pose/cam40000{camera}/image{frame}.jpg"
            save(folder / "images" / split / name, world.image(index, camera)[0])
            images.append(
                {"id": number, "file_name": name, "width": world.cameras[camera].width,
                 "height": world.cameras[camera].height, "capture": 0, "subject": 7, "seq_name": "0001_pose",
                 "camera": f"40000{camera}", "frame_idx": frame}
            )  # fmt: skip
            annotations.append({"id": number, "image_id": number, "hand_type": world.side, "hand_type_valid": 1})
    cameras: dict[str, dict[str, object]] = {"campos": {}, "camrot": {}, "focal": {}, "princpt": {}}
    for name, camera in world.cameras.items():
        key = f"40000{name}"
        cameras["campos"][key] = (camera.camera_to_world[:3, 3] * 1000.0).tolist()
        cameras["camrot"][key] = camera.world_to_camera[:3, :3].tolist()
        cameras["focal"][key], cameras["princpt"][key] = [camera.fx, camera.fy], [camera.cx, camera.cy]
    place = folder / "annotations" / layout / split
    for kind, value in {
        "data": {"images": images, "annotations": annotations},
        "camera": {"0": cameras},
        "joint_3d": {"0": joints},
        "MANO_NeuralAnnot": {"0": fits},
    }.items():
        _json(place / f"InterHand2.6M_{split}_{kind}.json", value)


def livehand(folder: Path, world: World) -> None:
    """The published preparation's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    storage = cv2.FileStorage(str(folder / "calib.yml"), cv2.FILE_STORAGE_WRITE)
    for name, camera in world.cameras.items():
        storage.write(f"intrinsic-{name}", camera.intrinsics)
        storage.write(f"extrinsic-{name}", np.ascontiguousarray(camera.camera_to_world))
    storage.release()
    for index, pose in enumerate(world.poses):
        place = folder / f"frame{index:05d}"
        for name in world.cameras:
            rgb, mask = world.image(index, name)
            save(place / "images" / f"{name}.png", np.dstack([rgb, mask.astype(np.uint8) * 255]))
        table = {
            "pose": np.concatenate([pose.global_orient, world.raw_fingers(index)])[None].astype(np.float32),
            "shape": pose.betas[None],
            "trans": pose.transl[None],
            "hand_type": world.side,
        }
        (place / "mesh").mkdir()
        (place / "mesh" / "MANO_params.pkl").write_bytes(pickle.dumps(table))


def hanco(folder: Path, world: World) -> None:
    """One sequence, masks of the hand, a mask that includes the arm in none of it."""
    for index, pose in enumerate(world.poses):
        file = f"{index:08d}"
        for name in world.cameras:
            rgb, mask = world.image(index, name)
            save(folder / "rgb/0012" / f"cam{name}" / f"{file}.jpg", rgb)
            save(folder / "mask_hand/0012" / f"cam{name}" / f"{file}.jpg", mask.astype(np.uint8) * 255)
        pose_numbers = np.concatenate([pose.global_orient, world.raw_fingers(index)])
        _json(
            folder / "shape/0012" / f"{file}.json",
            {"poses": [pose_numbers.tolist()], "shapes": [pose.betas.tolist()], "global_t": [[pose.transl.tolist()]]},
        )
        _json(folder / "xyz/0012" / f"{file}.json", world.joints(index).tolist())
        _json(
            folder / "calib/0012" / f"{file}.json",
            {
                "K": [camera.intrinsics.tolist() for camera in world.cameras.values()],
                "M": [_world_to_camera(world, name).tolist() for name in world.cameras],
            },
        )


def in_camera(world: World, index: int, name: str) -> HandPose:
    """A pose in a camera's own frame."""
    matrix = _world_to_camera(world, name)
    pose = world.poses[index]
    wrist = find_hand(world.model, world.side).rest_joints(pose.betas)[0]
    return pose.moved(matrix[:3, :3], matrix[:3, 3], wrist)


def freihand(folder: Path, world: World) -> None:
    """Each pose from one camera; joints and fits in the camera's frame."""
    intrinsics, fits, joints = [], [], []
    for index, name in enumerate(world.cameras):
        rgb, mask = world.image(index, name)
        save(folder / "training/rgb" / f"{index:08d}.jpg", rgb)
        save(folder / "training/mask" / f"{index:08d}.jpg", np.repeat(mask[..., None], 3, 2).astype(np.uint8) * 255)
        pose, matrix = in_camera(world, index, name), _world_to_camera(world, name)
        fits.append([[*pose.global_orient, *world.raw_fingers(index), *pose.betas, 80.0, 80.0, 0.6]])
        joints.append((world.joints(index) @ matrix[:3, :3].T + matrix[:3, 3]).tolist())
        intrinsics.append(world.cameras[name].intrinsics.tolist())
    for kind, value in {"K": intrinsics, "mano": fits, "xyz": joints}.items():
        _json(folder / f"training_{kind}.json", value)


def dexycb(folder: Path, world: World) -> None:
    """One sequence; the world is camera 0's, the master."""
    data = find_hand(world.model, world.side)
    base = folder / "20200820-subject-03" / "20200820_135508"
    calibration = folder / "calibration"
    master = _world_to_camera(world, "0")
    rows = {}
    for name, camera in world.cameras.items():
        rows[f"83621200000{name}"] = (master @ camera.camera_to_world)[:3].reshape(-1).tolist()
        file = calibration / "intrinsics" / f"83621200000{name}_{camera.width}x{camera.height}.yml"
        file.parent.mkdir(parents=True, exist_ok=True)
        lens = {"fx": camera.fx, "fy": camera.fy, "ppx": camera.cx, "ppy": camera.cy}
        file.write_text(yaml.safe_dump({"color": lens, "depth": lens}))
    for path, value in {
        base / "meta.yml": {
            "serials": list(rows), "extrinsics": "20200702", "mano_calib": ["subject-03_x"],
            "mano_sides": [world.side], "num_frames": len(world.poses) + 1,
        },
        calibration / "extrinsics_20200702" / "extrinsics.yml": {"master": next(iter(rows)), "extrinsics": rows},
        calibration / "mano_subject-03_x" / "mano.yml": {"betas": world.poses[0].betas.tolist()},
    }.items():  # fmt: skip
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(value))
    inverse = np.linalg.inv(data.hands_components.astype(np.float64).T)
    for name, serial in zip(world.cameras, rows, strict=True):
        for index in range(len(world.poses) + 1):
            # In the last frame the hand has left.
            shown = min(index, len(world.poses) - 1)
            rgb, mask = world.image(shown, name)
            save(base / serial / f"color_{index:06d}.jpg", rgb)
            pose, matrix = in_camera(world, shown, name), _world_to_camera(world, name)
            numbers = [*pose.global_orient, *(inverse @ world.raw_fingers(shown)), *pose.transl]
            gone = index == len(world.poses)
            np.savez_compressed(
                base / serial / f"labels_{index:06d}.npz",
                seg=np.where(mask, 255, 2).astype(np.uint8),
                pose_m=np.zeros((1, 51), np.float32) if gone else np.array([numbers], np.float32),
                joint_3d=np.full((1, 21, 3), -1.0, np.float32)
                if gone
                else (world.joints(shown) @ matrix[:3, :3].T + matrix[:3, 3])[None].astype(np.float32),
            )


def ho3d(folder: Path, world: World) -> None:
    """Each camera a sequence of its own, in OpenGL axes."""
    flip = np.diag([1.0, -1.0, -1.0])
    order = [0, 5, 6, 7, 9, 10, 11, 17, 18, 19, 13, 14, 15, 1, 2, 3, 4, 8, 12, 16, 20]
    for name, camera in world.cameras.items():
        base = folder / "train" / f"ABF1{name}"
        (base / "meta").mkdir(parents=True)
        for index in range(len(world.poses)):
            save(base / "rgb" / f"{index:04d}.png", world.image(index, name)[0])
            pose, matrix = in_camera(world, index, name), _world_to_camera(world, name)
            wrist = find_hand(world.model, world.side).rest_joints(pose.betas)[0]
            pose = pose.moved(flip, np.zeros(3), wrist)
            joints = (world.joints(index) @ matrix[:3, :3].T + matrix[:3, 3]) @ flip.T
            table = {
                "camMat": camera.intrinsics,
                "handPose": np.concatenate([pose.global_orient, pose.hand_pose.reshape(-1)]),
                "handBeta": pose.betas,
                "handTrans": pose.transl,
                "handJoints3D": joints[order],
                "objName": "003_cracker_box",
            }
            (base / "meta" / f"{index:04d}.pkl").write_bytes(pickle.dumps(table))


def arctic(folder: Path, world: World) -> None:
    """Cameras 1 to 3 are fixed; image numbers begin behind the offset."""
    rows = [world.poses[index] for index in range(len(world.poses))]
    fit = {
        "rot": np.array([pose.global_orient for pose in rows], np.float32),
        "pose": np.array([world.raw_fingers(index) for index in range(len(rows))], np.float32),
        "trans": np.array([pose.transl for pose in rows], np.float32),
        "shape": rows[0].betas.astype(np.float32),
        "fitting_err": [0.0] * len(rows),
    }
    far = {**fit, "trans": fit["trans"] + np.float32(5.0)}
    other = "left" if world.side == "right" else "right"
    path = folder / "raw_seqs/s01/box_grab_01.mano.npy"
    path.parent.mkdir(parents=True)
    np.save(path, np.array({world.side: fit, other: far}), allow_pickle=True)  # type: ignore[arg-type]
    _json(
        folder / "meta/misc.json",
        {"s01": {
            "world2cam": [_world_to_camera(world, name).tolist() for name in world.cameras],
            "intris_mat": [camera.intrinsics.tolist() for camera in world.cameras.values()],
            "ioi_offset": 11,
        }},
    )  # fmt: skip
    for index in range(len(rows)):
        for view, name in enumerate(world.cameras, 1):
            save(folder / f"images/s01/box_grab_01/{view}/{index + 11:05d}.jpg", world.image(index, name)[0])
