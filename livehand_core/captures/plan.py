"""Which cameras see which poses when a capture of a rigged hand is made: the rig of cameras, the poses, the order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..cameras import Camera, look_at
from ..errors import CaptureError
from ..hand.gestures import GESTURES, mirror_hand_pose, penetration, sample_pose
from ..poses import HandPose, Side
from ..rotations import slerp

WRIST_CONE = np.radians(35.0)
"""Directions closer than this to the forearm (+x in MANO's rest frame) get no camera: it would look at the cut."""

TRANSITIONS = (("open", "fist"), ("fist", "point"), ("point", "pinch"), ("pinch", "open"), ("relaxed", "fist"))
"""Pairs of gestures whose in-between poses are captured as well."""

THUMB = slice(12, 15)
"""The thumb's rows among joints 1 to 15."""

SOFTNESS = 0.003
"""Metres that fingers may sink into one another, as flesh does."""

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


def camera_directions(count: int, side: Side | None = "right") -> np.ndarray:
    """(count, 3) unit vectors from the hand to evenly spread cameras: a Fibonacci sphere without the wrist's cone.

    They are in the wrist's frame; a left hand's are a right one's mirrored at x = 0. Without a side they are all
    round.
    """
    highest = 1.0 if side is None else np.cos(WRIST_CONE)
    x = -1.0 + (1.0 + highest) * (np.arange(count) + 0.5) / count
    angle = np.pi * (1.0 + np.sqrt(5.0)) * np.arange(count)
    radius = np.sqrt(1.0 - x * x)
    mirrored = -x if side == "left" else x
    return np.stack([mirrored, radius * np.cos(angle), radius * np.sin(angle)], axis=-1)


def make_rig(
    points: np.ndarray,
    count: int,
    held_out: int,
    width: int,
    height: int,
    focal: float,
    fill: float,
    seed: int,
    side: Side | None = "right",
    radius: float = 0.0,
) -> Rig:
    """Cameras all round ``points``, rolled at random, each as near as keeps the points inside its image.

    Args:
        points: (n, 3) points that must be seen in the wrist's frame, metres (the vertices of all poses).
        count: number of cameras.
        held_out: how many of them are kept for evaluation, spread over the sphere.
        width, height: image size in pixels.
        focal: focal length in pixels.
        fill: part of the image's width or height that the points may take, 0 to 1; the true part is this times a
            random factor from 0.75 to 1, so that an avatar sees several sizes.
        seed: of the rolls and sizes.
        side: of the hand: where its forearm is; None for what has none.
        radius: distance of every camera from the middle of the points; 0 lets the focal length decide. With a radius
            each camera gets the focal length that fills its image.
    """
    random = np.random.default_rng(seed)
    centre = 0.5 * (points.min(axis=0) + points.max(axis=0))
    names, cameras = [], []
    for number, direction in enumerate(camera_directions(count, side)):
        share = fill * random.uniform(0.75, 1.0)
        rolls = random.uniform(0.0, 2.0 * np.pi, size=ROLLS)
        ups = [_rolled_up(direction, roll) for roll in rolls]
        names.append(f"cam{number:02d}")
        if radius > 0.0:
            distant = [_zoom(points, centre, direction, up, (width, height), radius, share) for up in ups]
            cameras.append(max(distant, key=lambda view: view.fx))
        else:
            views = [_fit(points, centre, direction, up, (width, height), focal, share) for up in ups]
            cameras.append(min(views, key=lambda view: float(np.linalg.norm(view.camera_to_world[:3, 3] - centre))))
    return Rig(tuple(names), tuple(cameras), spread_names(names, held_out))


def outermost(points: np.ndarray, directions: int = 1500) -> np.ndarray:
    """(m, 3) those of the (n, 3) points that lie farthest in some direction: far fewer, and enough to frame all."""
    index = np.arange(directions) + 0.5
    z = 1.0 - 2.0 * index / directions
    angle = np.pi * (1.0 + np.sqrt(5.0)) * index
    ring = np.sqrt(1.0 - z * z)
    axes = np.stack([ring * np.cos(angle), ring * np.sin(angle), z])
    best = np.concatenate(
        [np.argmax(points @ axes[:, start : start + 100], axis=0) for start in range(0, directions, 100)]
    )
    return points[np.unique(best)]


def spread_names(names: Sequence[str], count: int) -> frozenset[str]:
    """``count`` of the names, evenly spread over their order."""
    chosen = (np.arange(count) + 0.5) * len(names) / max(count, 1)
    return frozenset(names[int(index)] for index in chosen)


def _rolled_up(direction: np.ndarray, roll: float) -> np.ndarray:
    side = np.cross(direction, [0.0, 0.0, 1.0] if abs(direction[2]) < 0.9 else [0.0, 1.0, 0.0])
    side /= np.linalg.norm(side)
    return np.cos(roll) * side + np.sin(roll) * np.cross(direction, side)


def _zoom(
    points: np.ndarray,
    centre: np.ndarray,
    direction: np.ndarray,
    up: np.ndarray,
    size: tuple[int, int],
    radius: float,
    share: float,
) -> Camera:
    """The camera at a distance, with the focal length at which the points' box takes ``share`` of the image.

    Raises:
        CaptureError: the distance is within the points.
    """
    width, height = size
    camera = Camera(
        width, height, 1.0, 1.0, 0.5 * width, 0.5 * height, look_at(centre + radius * direction, centre, up)
    )
    pixels, depth = camera.project(points)
    if float(depth.min()) < 0.01:
        raise CaptureError(f"A dome of {radius:g} m is too small for the hand's motion.", "Give a larger radius.")
    reach = 2.0 * np.abs(pixels - 0.5 * np.array(size)).max(axis=0) / np.array(size)
    focal = share / float(reach.max())
    return replace(camera, fx=focal, fy=focal)


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


def way_between(first: np.ndarray, second: np.ndarray, fraction: float) -> np.ndarray:
    """(15, 3) pose at a fraction, 0 to 1, of the way from one right hand's pose to another.

    Where the thumb would pass through the fingers it makes way: it opens as little as keeps it out of them.
    """
    pose = slerp(first, second, fraction)
    best, depth = pose, penetration(pose)
    for opened in np.linspace(0.05, 1.0, 20):
        if depth <= SOFTNESS or fraction in (0.0, 1.0):
            break
        aside = pose.copy()
        aside[THUMB] = slerp(pose[THUMB], GESTURES["open"][THUMB], float(opened))
        if penetration(aside) < depth:
            best, depth = aside, penetration(aside)
    return best


def capture_poses(count: int, seed: int, side: Side = "right") -> list[HandPose]:
    """``count`` poses at the origin: the named gestures, the way between some of them, natural poses.

    A left hand's are a right one's mirrored. The gestures come first, then what a hand passes through in
    ``TRANSITIONS``, then poses drawn within joint limits.
    """
    random = np.random.default_rng(seed)
    joints = list(GESTURES.values())
    for first, second in TRANSITIONS:
        joints += [way_between(GESTURES[first], GESTURES[second], fraction) for fraction in (0.2, 0.4, 0.6, 0.8)]
    joints += [sample_pose(random) for _ in range(count - len(joints))]
    if side == "left":
        joints = [mirror_hand_pose(pose) for pose in joints]
    return [HandPose(np.zeros(3), pose, np.zeros(10), np.zeros(3), side) for pose in joints[:count]]


def held_out_count(wanted: int, count: int) -> int:
    """How many of ``count`` cameras or poses are kept for evaluation: what is wanted, but a third at most."""
    return max(0, min(wanted, count // 3))


def first_part(
    order: Sequence[tuple[int, int]], rig: Rig, held_out_poses: frozenset[int], limit: int
) -> list[tuple[int, int]]:
    """The first ``limit`` images of an order, 0 for all, of which a quarter at most are kept for evaluation."""
    if limit <= 0 or limit >= len(order):
        return list(order)
    kept = [(pose, camera) for pose, camera in order if pose in held_out_poses or rig.names[camera] in rig.held_out]
    training = [entry for entry in order if entry not in set(kept)]
    count = min(len(kept), max(limit // 4, limit - len(training)))
    # Evenly out of the grid and of the views that are new in one respect only.
    chosen = [kept[index * len(kept) // count] for index in range(count)]
    return [*chosen, *training[: limit - count]]


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
