"""Which cameras see which poses when a capture of a rigged hand is made: the rig of cameras, the poses, the order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..cameras import Camera, look_at
from ..hand.gestures import GESTURES, sample_pose
from ..poses import HandPose
from ..rotations import slerp

WRIST_CONE = np.radians(35.0)
"""Directions closer than this to the forearm (+x in MANO's rest frame) get no camera: it would look at the cut."""

TRANSITIONS = (("open", "fist"), ("fist", "point"), ("point", "pinch"), ("pinch", "open"), ("relaxed", "fist"))
"""Pairs of gestures whose in-between poses are captured as well."""

ROLLS = 3
"""How many random rolls each camera chooses the closest view from: images are not square, and nor is a hand."""


@dataclass(frozen=True)
class Rig:
    """A fixed set of cameras.

    Attributes:
        names: camera names.
        cameras: one Camera each.
        held_out: names of the cameras that are kept for evaluation.
    """

    names: tuple[str, ...]
    cameras: tuple[Camera, ...]
    held_out: frozenset[str]


def camera_directions(count: int) -> np.ndarray:
    """(count, 3) unit vectors from the hand to evenly spread cameras: a Fibonacci sphere without the wrist's cone."""
    highest = np.cos(WRIST_CONE)
    x = -1.0 + (1.0 + highest) * (np.arange(count) + 0.5) / count
    angle = np.pi * (1.0 + np.sqrt(5.0)) * np.arange(count)
    radius = np.sqrt(1.0 - x * x)
    return np.stack([x, radius * np.cos(angle), radius * np.sin(angle)], axis=-1)


def make_rig(
    points: np.ndarray, count: int, held_out: int, width: int, height: int, focal: float, fill: float, seed: int
) -> Rig:
    """Cameras all round ``points``, rolled at random, each as near as keeps the points inside its image.

    Args:
        points: (n, 3) world points that must be seen, metres (the vertices of all poses).
        count: number of cameras.
        held_out: how many of them are kept for evaluation, spread over the sphere.
        width, height: image size in pixels.
        focal: focal length in pixels.
        fill: part of the image's width or height that the points may take, 0 to 1; the true part is this times a
            random factor from 0.75 to 1, so that an avatar sees several sizes.
        seed: of the rolls and sizes.
    """
    random = np.random.default_rng(seed)
    centre = 0.5 * (points.min(axis=0) + points.max(axis=0))
    names, cameras = [], []
    for number, direction in enumerate(camera_directions(count)):
        share = fill * random.uniform(0.75, 1.0)
        rolls = random.uniform(0.0, 2.0 * np.pi, size=ROLLS)
        views = [
            _fit(points, centre, direction, _rolled_up(direction, r), (width, height), focal, share) for r in rolls
        ]
        names.append(f"cam{number:02d}")
        cameras.append(min(views, key=lambda view: float(np.linalg.norm(view.camera_to_world[:3, 3] - centre))))
    chosen = (np.arange(held_out) + 0.5) * count / max(held_out, 1)
    return Rig(tuple(names), tuple(cameras), frozenset(names[int(index)] for index in chosen))


def _rolled_up(direction: np.ndarray, roll: float) -> np.ndarray:
    side = np.cross(direction, [0.0, 0.0, 1.0] if abs(direction[2]) < 0.9 else [0.0, 1.0, 0.0])
    side /= np.linalg.norm(side)
    return np.cos(roll) * side + np.sin(roll) * np.cross(direction, side)


def _fit(
    points: np.ndarray,
    centre: np.ndarray,
    direction: np.ndarray,
    up: np.ndarray,
    size: tuple[int, int],
    focal: float,
    share: float,
) -> Camera:
    """The camera at the distance where the points' box takes ``share`` of the image, centred on that box."""
    width, height = size
    target, distance = centre, 1.0
    for _ in range(12):
        pose = look_at(target + distance * direction, target, up)
        camera = Camera(width, height, focal, focal, 0.5 * width, 0.5 * height, pose)
        pixels, _ = camera.project(points)
        low, high = pixels.min(axis=0), pixels.max(axis=0)
        distance *= float(np.max((high - low) / np.array(size))) / share
        offset = (0.5 * (low + high) - 0.5 * np.array(size)) / focal * distance
        target = target + pose[:3, 0] * offset[0] + pose[:3, 1] * offset[1]
    return camera


def capture_poses(count: int, seed: int) -> list[HandPose]:
    """``count`` right-hand poses at the origin: the named gestures, the way between some of them, natural poses.

    The gestures come first, then what a hand passes through in ``TRANSITIONS``, then poses drawn within joint limits.
    """
    random = np.random.default_rng(seed)
    joints = list(GESTURES.values())
    for first, second in TRANSITIONS:
        joints += [slerp(GESTURES[first], GESTURES[second], fraction) for fraction in (0.2, 0.4, 0.6, 0.8)]
    joints += [sample_pose(random) for _ in range(count - len(joints))]
    return [HandPose(np.zeros(3), pose, np.zeros(10), np.zeros(3)) for pose in joints[:count]]


def capture_order(
    rig: Rig, pose_count: int, held_out_poses: frozenset[int], cameras_per_pose: int, extra: int, seed: int
) -> list[tuple[int, int]]:
    """(pose, camera index) of every image, in an order of which any first part is useful.

    The held-out grid comes first, then views that are new in one respect only, then the training views in rounds: in
    each round every training pose is seen by two more cameras, and every camera sees about equally many poses.

    Args:
        cameras_per_pose: how many training cameras see each training pose.
        extra: how many training cameras see each held-out pose, and how many training poses each held-out camera.
    """
    random = np.random.default_rng(seed)
    kept = [i for i, name in enumerate(rig.names) if name in rig.held_out]
    used = np.array([i for i, name in enumerate(rig.names) if name not in rig.held_out])
    training = np.array([pose for pose in range(pose_count) if pose not in held_out_poses])
    order = [(pose, camera) for pose in sorted(held_out_poses) for camera in kept]
    for pose in sorted(held_out_poses):
        order += [(pose, int(camera)) for camera in random.choice(used, min(extra, len(used)), replace=False)]
    for camera in kept:
        order += [(int(pose), camera) for pose in random.choice(training, min(extra, len(training)), replace=False)]
    seen = np.zeros(len(rig.names))
    views: dict[int, list[int]] = {}
    for pose in training:
        priority = seen[used] + random.uniform(0.0, 0.9, size=len(used))
        chosen = used[np.argsort(priority)[:cameras_per_pose]]
        seen[chosen] += 1
        views[int(pose)] = [int(camera) for camera in random.permutation(chosen)]
    for start in range(0, cameras_per_pose, 2):
        for pose in random.permutation(training):
            order += [(int(pose), camera) for camera in views[int(pose)][start : start + 2]]
    return order
