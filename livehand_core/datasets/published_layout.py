"""The folder that the published code trains on, written from a capture, for those who use that code beside this one.

    frame{n:05}/images/{camera}.png, frame{n:05}/mesh/MANO_params.pkl, frame{n:05}/poses_bounds.npy
    calib.yml, valid_pixel_masks.npy

That code knows one focal length and the principal point in the middle: images are shifted, and the pixels that come in
have no alpha and are marked in ``valid_pixel_masks.npy`` (camera -> (H, W) bool). Near and far are those of the posed
mesh; its preparation takes them out of a photogrammetry program. Pickles are the layout's own; they hold arrays only.
"""

from __future__ import annotations

import pickle
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..cameras import Camera
from ..captures.capture import Capture, CaptureFrame
from ..captures.images import read_rgba8, write_image
from ..errors import CaptureError
from ..files import atomic_path
from ..hand.library import find_hand
from ..hand.skinning import pose_vertices

BOUND_MARGIN = 0.02
"""Metres that near and far lie before and behind the mesh."""


def write_published(capture: Capture, folder: Path, done: Callable[[int, int], None]) -> None:
    """Write a capture as the published preparation would have.

    Args:
        capture: of MANO, images of one size, each camera with one lens.
        folder: where; frames are numbered as the capture's poses, cameras by their names' order.
        done: called with the number of images that are written, and of all.

    Raises:
        CaptureError: the capture has images of several sizes, or is not of MANO.
    """
    sizes = {(frame.camera.width, frame.camera.height) for frame in capture.frames}
    if len(sizes) > 1 or capture.hand_model != "mano":
        told = f"images of {len(sizes)} sizes" if len(sizes) > 1 else f"the hand model {capture.hand_model!r}"
        raise CaptureError(
            f"The published layout holds images of one size and MANO's poses; {capture.folder} has {told}.",
            "Prepare the data set with --no-crop, from poses of MANO.",
        )
    numbers = {name: index for index, name in enumerate(sorted({frame.camera_name for frame in capture.frames}))}
    valid: dict[int, np.ndarray] = {}
    calibration: dict[int, Camera] = {}
    by_pose: dict[int, list[CaptureFrame]] = defaultdict(list)
    for frame in capture.frames:
        by_pose[frame.pose].append(frame)
    count = 0
    for index, frames in sorted(by_pose.items()):
        place = folder / f"frame{index:05d}"
        rows = []
        for frame in sorted(frames, key=lambda frame: numbers[frame.camera_name]):
            number = numbers[frame.camera_name]
            image, seen = _centred(read_rgba8(capture.path(frame), capture.mask_path(frame)), frame.camera)
            write_image(place / "images" / f"{number}.png", image, premultiplied=False)
            valid[number], calibration[number] = seen, frame.camera
            rows.append(_bounds(capture, frame))
            count += 1
            done(count, len(capture.frames))
        with atomic_path(place / "poses_bounds.npy") as temporary:
            np.save(temporary, np.stack(rows))
        _write_pose(capture, index, place / "mesh" / "MANO_params.pkl")
    _write_calibration(folder / "calib.yml", calibration)
    with atomic_path(folder / "valid_pixel_masks.npy") as temporary:
        np.save(temporary, np.array(valid, dtype=object), allow_pickle=True)


def _centred(image: np.ndarray, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """(H, W, 4) in [0, 1] with straight alpha, the principal point in the middle; and which pixels the camera saw."""
    import cv2

    height, width = image.shape[:2]
    shift = np.array([[1.0, 0.0, 0.5 * width - camera.cx], [0.0, 1.0, 0.5 * height - camera.cy]])
    solid = np.ones((height, width), dtype=np.float32)
    values = image.astype(np.float32) / 255.0
    values[..., :3] *= values[..., 3:]
    moved = cv2.warpAffine(values, shift, (width, height), flags=cv2.INTER_LINEAR)
    seen: np.ndarray = cv2.warpAffine(solid, shift, (width, height), flags=cv2.INTER_LINEAR) > 0.999
    moved[..., :3] /= np.maximum(moved[..., 3:], 1e-4)
    moved[..., 3] *= seen
    return moved.clip(0.0, 1.0), seen


def _bounds(capture: Capture, frame: CaptureFrame) -> np.ndarray:
    """(17,): 3 x 5, the columns down, right, back, place and (height, width, focal length); near, far."""
    camera = frame.camera
    hand = capture.hand(frame)
    _, depth = camera.project(pose_vertices(find_hand(capture.hand_model, hand.side), hand))
    right, down, forward, place = camera.camera_to_world[:3].T
    matrix = np.stack([down, right, -forward, place, [camera.height, camera.width, camera.fx]], axis=1)
    return np.concatenate([matrix.reshape(-1), [depth.min() - BOUND_MARGIN, depth.max() + BOUND_MARGIN]])


def _write_pose(capture: Capture, index: int, path: Path) -> None:
    pose = capture.poses.poses[index]
    mean = find_hand(capture.hand_model, pose.side).hands_mean.astype(np.float64)
    table = {
        "pose": np.concatenate([pose.global_orient, pose.hand_pose.reshape(-1) - mean])[None].astype(np.float32),
        "shape": pose.betas[None].astype(np.float32),
        "trans": pose.transl[None].astype(np.float32),
        "hand_type": pose.side,
    }
    with atomic_path(path) as temporary:
        temporary.write_bytes(pickle.dumps(table, protocol=4))


def _write_calibration(path: Path, cameras: dict[int, Camera]) -> None:
    import cv2

    with atomic_path(path) as temporary:
        storage = cv2.FileStorage(str(temporary), cv2.FILE_STORAGE_WRITE)
        for number, camera in sorted(cameras.items()):
            k = np.array([[camera.fx, 0, 0.5 * camera.width], [0, camera.fy, 0.5 * camera.height], [0, 0, 1.0]])
            storage.write(f"intrinsic-{number}", k)
            storage.write(f"extrinsic-{number}", np.ascontiguousarray(camera.camera_to_world))
        storage.release()
