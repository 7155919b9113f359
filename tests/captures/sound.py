"""A small sound capture of the built-in hand, whose pictures are exact, and ways to change its documents."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from livehand_core.cameras import Camera, look_at
from livehand_core.captures.capture import Capture, CaptureFrame, write_capture
from livehand_core.captures.checks import Inspection, find_problems
from livehand_core.captures.images import write_image
from livehand_core.captures.lens import NO_LENS, Lens
from livehand_core.hand.builtin import builtin_hand
from livehand_core.hand.gestures import gesture
from livehand_core.hand.skinning import pose_vertices
from livehand_core.poses import HandPose, PoseSequence, Side
from livehand_core.surface import rasterise_depth

SIZE = 96, 128
FOCAL = 220.0


def view(angle: float, side: Side = "right") -> Camera:
    middle = np.array([-0.085 if side == "right" else 0.085, 0.0, 0.0])
    eye = middle + 0.5 * np.array([0.0, -np.cos(angle), np.sin(angle)])
    matrix = look_at(eye, middle, np.array([1.0, 0.0, 0.0]))
    return Camera(*SIZE, FOCAL, FOCAL, SIZE[0] / 2, SIZE[1] / 2, matrix)


def painted(camera: Camera, pose: HandPose, lens: Lens = NO_LENS) -> np.ndarray:
    """(H, W, 4) of a flat colour where the hand is, distorted as the lens does."""
    data = builtin_hand(pose.side)
    vertices = pose_vertices(data, pose)
    if not lens.is_straight:
        # Corners are few and close: what is straight between them stays straight enough.
        pixels, depth = camera.project(vertices)
        x, y = lens.distort((pixels[:, 0] - camera.cx) / camera.fx, (pixels[:, 1] - camera.cy) / camera.fy)
        local = np.stack([x * depth, y * depth, depth, np.ones_like(depth)], axis=-1)
        vertices = (local @ camera.camera_to_world.T)[:, :3]
    depth = rasterise_depth(torch.from_numpy(vertices), torch.from_numpy(data.faces.astype(np.int64)), camera)
    image = np.zeros((*depth.shape, 4), np.float32)
    image[np.isfinite(depth.numpy())] = (0.8, 0.6, 0.5, 1.0)
    return image


def make(root: Path, cameras: int = 3, side: Side = "right", lens: Lens = NO_LENS) -> Capture:
    """``cameras`` views of an open, a relaxed and a pointing hand; the last camera and pose are held out."""
    turn = np.array([0.2, -0.1, 0.3])
    poses = tuple(
        HandPose(turn, gesture(name, side), np.zeros(10), np.zeros(3), side) for name in ("open", "relaxed", "point")
    )
    frames = []
    for number in range(cameras):
        for index, pose in enumerate(poses):
            camera = view(0.5 * number - 0.7, side)
            frame = CaptureFrame(f"images/pose{index}/cam{number}.png", camera, f"cam{number}", index, lens=lens)
            write_image(root / frame.image, painted(camera, pose, lens))
            frames.append(frame)
    last = frozenset({f"cam{cameras - 1}"})
    made = Capture(root, tuple(frames), PoseSequence(poses), builtin_hand(side).name, last, frozenset({2}))
    write_capture(made)
    return made


def document(root: Path) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads((root / "transforms.json").read_text())
    return answer


def edit(root: Path, change: Callable[[dict[str, Any]], object]) -> Inspection:
    """What is found after the document was changed."""
    content = document(root)
    change(content)
    (root / "transforms.json").write_text(json.dumps(content))
    return find_problems(root)


def edit_frames(root: Path, change: Callable[[dict[str, Any]], object]) -> Inspection:
    """What is found after each frame's entry was changed."""
    return edit(root, lambda content: [change(entry) for entry in content["frames"]])


def edit_matrices(root: Path, change: Callable[[np.ndarray], np.ndarray]) -> Inspection:
    """What is found after each frame's (4, 4) matrix was changed."""
    return edit_frames(
        root, lambda e: e.update(transform_matrix=change(np.array(e["transform_matrix"], dtype=float)).tolist())
    )


def edit_poses(root: Path, change: Callable[[dict[str, np.ndarray]], object]) -> Inspection:
    """What is found after the arrays of the poses were changed."""
    with np.load(root / "poses.npz") as archive:
        arrays = dict(archive)
    change(arrays)
    np.savez(root / "poses.npz", **arrays)
    return find_problems(root)


def said(found: Inspection) -> str:
    return " | ".join(map(str, found.problems))


def resaved(capture: Capture, change: Callable[[np.ndarray], np.ndarray]) -> Inspection:
    """What is found after every picture was changed, (H, W, 4) premultiplied."""
    for frame in capture.frames:
        write_image(capture.path(frame), change(capture.image(frame)))
    return find_problems(capture.folder)
