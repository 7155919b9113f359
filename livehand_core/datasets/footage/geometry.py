"""Points that several cameras see: freed of the lens, triangulated without outliers, and how far two views disagree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ...cameras import Camera
from ...captures.lens import NO_LENS, Lens

LENS_STEPS = 30
"""Of the iteration that undoes a lens; wide fisheyes need most of them."""

LENS_ERROR = 1e-6
"""Focal lengths that it may be off in the end."""

LEAST_PARALLAX = np.radians(2.0)
"""Between two rays; at a smaller angle their depth is a guess."""


@dataclass(frozen=True)
class ShotCamera:
    """A camera that took a video.

    Attributes:
        camera: pixels and place, OpenCV axes.
        lens: how its images are distorted.
    """

    camera: Camera
    lens: Lens = NO_LENS

    def straight(self, pixels: np.ndarray) -> np.ndarray:
        """(..., 2) pixels as a camera without distortion would have them; NaN where no direction shows there."""
        if self.lens.is_straight:
            return np.asarray(pixels, dtype=np.float64)
        focal, middle = np.array([self.camera.fx, self.camera.fy]), np.array([self.camera.cx, self.camera.cy])
        answer = np.full(np.shape(pixels), np.nan)
        known = np.isfinite(pixels).all(axis=-1)
        drawn = (np.asarray(pixels, dtype=np.float64)[known] - middle) / focal
        at, off = drawn.copy(), np.full_like(drawn, np.inf)
        with np.errstate(all="ignore"):
            for _ in range(LENS_STEPS):
                off = np.stack(self.lens.distort(at[:, 0], at[:, 1]), axis=1) - drawn
                # What has run off to where the lens shows nothing must not take the others along.
                off[~np.isfinite(off).all(axis=1)] = np.inf
                at = np.where(np.isfinite(off), at - off, at)
                if not np.abs(off).max(initial=0.0) > 0.1 * LENS_ERROR:
                    break
            at[~(np.abs(off).max(axis=1) < LENS_ERROR)] = np.nan
        answer[known] = at * focal + middle
        return answer

    def drawn(self, points: np.ndarray) -> np.ndarray:
        """(..., 2) pixels at which the lens shows (..., 3) points of the world; NaN behind the camera."""
        pixels, depth = self.camera.project(points)
        camera = self.camera
        x, y = self.lens.distort((pixels[..., 0] - camera.cx) / camera.fx, (pixels[..., 1] - camera.cy) / camera.fy)
        answer = np.stack([camera.fx * x + camera.cx, camera.fy * y + camera.cy], axis=-1)
        answer[depth <= 0.0] = np.nan
        return answer


@dataclass(frozen=True)
class Triangulated:
    """Points in space.

    Attributes:
        points: (N, 3) in the cameras' world; NaN where fewer than two views agree.
        used: (V, N) bool, which views agree on each point.
        off: (V, N) pixels between each view's point and the projected one; NaN where there is none.
    """

    points: np.ndarray
    used: np.ndarray
    off: np.ndarray


def triangulate(cameras: Sequence[Camera], pixels: np.ndarray, tolerance: float) -> Triangulated:
    """The points on which most views agree: the best of all pairs of views, then all that agree with it.

    Args:
        cameras: of the V views, without distortion.
        pixels: (V, N, 2), NaN where a view does not see a point.
        tolerance: pixels within which a view agrees.
    """
    views, count = pixels.shape[:2]
    seen = np.isfinite(pixels).all(axis=2)
    best = np.zeros((views, count), dtype=bool)
    score = np.full(count, -np.inf)
    for pair in combinations(range(views), 2):
        both = seen[list(pair)].all(axis=0)
        if not both.any():
            continue
        used = np.zeros_like(seen)
        used[list(pair)] = both
        points = _linear(cameras, pixels, used)
        points[_parallax(cameras, pair, points) < LEAST_PARALLAX] = np.nan
        off = reprojected(cameras, points, pixels)
        agree = off < tolerance
        mean = np.where(agree, off, 0.0).sum(axis=0) / np.maximum(agree.sum(axis=0), 1)
        worth = agree.sum(axis=0) - mean / (2.0 * tolerance)
        better = agree[list(pair)].all(axis=0) & (worth > score)
        best[:, better], score[better] = agree[:, better], worth[better]
    points = _linear(cameras, pixels, best)
    points[best.sum(axis=0) < 2] = np.nan
    return Triangulated(points, best, reprojected(cameras, points, pixels))


def reprojected(cameras: Sequence[Camera], points: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """(V, N) pixels between (N, 3) points as cameras show them and (V, N, 2); NaN unseen, infinite behind a camera."""
    rows = []
    for camera, own in zip(cameras, pixels, strict=True):
        with np.errstate(all="ignore"):
            shown, depth = camera.project(points)
            off = np.linalg.norm(shown - own, axis=1)
        rows.append(np.where(depth > 0.0, off, np.where(np.isfinite(depth), np.inf, np.nan)))
    return np.stack(rows)


def epipolar_distances(first: Camera, second: Camera, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(...,) pixels by which (..., 2) points of two views miss each other's epipolar lines (Sampson's distance)."""
    matrix = np.linalg.inv(second.camera_to_world) @ first.camera_to_world
    turn, (x, y, z) = matrix[:3, :3], matrix[:3, 3]
    essential = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]]) @ turn
    fundamental = np.linalg.inv(second.intrinsics).T @ essential @ np.linalg.inv(first.intrinsics)
    ones = np.ones((*a.shape[:-1], 1))
    start, end = np.concatenate([a, ones], axis=-1), np.concatenate([b, ones], axis=-1)
    in_second, in_first = start @ fundamental.T, end @ fundamental
    off = (end * in_second).sum(axis=-1)
    slope = (in_second[..., :2] ** 2).sum(axis=-1) + (in_first[..., :2] ** 2).sum(axis=-1)
    return np.asarray(np.abs(off) / np.sqrt(np.maximum(slope, 1e-18)))


def _linear(cameras: Sequence[Camera], pixels: np.ndarray, used: np.ndarray) -> np.ndarray:
    """(N, 3) by the direct linear transformation of the views that are used; NaN where there are fewer than two."""
    rows = np.zeros((used.shape[1], 2 * len(cameras), 4))
    for view, (camera, own) in enumerate(zip(cameras, pixels, strict=True)):
        projection = np.linalg.inv(camera.camera_to_world)[:3]
        # In units of the focal length, so that no view counts more than another for its resolution alone.
        at = np.where(used[view][:, None], (own - (camera.cx, camera.cy)) / (camera.fx, camera.fy), 0.0)
        pair = at[:, :, None] * projection[2] - projection[:2]
        rows[:, 2 * view : 2 * view + 2] = pair * used[view][:, None, None]
    enough = used.sum(axis=0) >= 2
    points = np.full((used.shape[1], 3), np.nan)
    if enough.any():
        solved = np.linalg.svd(rows[enough])[2][:, -1]
        with np.errstate(all="ignore"):
            points[enough] = solved[:, :3] / solved[:, 3:]
    points[~np.isfinite(points).all(axis=1)] = np.nan
    return points


def _parallax(cameras: Sequence[Camera], pair: tuple[int, int], points: np.ndarray) -> np.ndarray:
    """(N,) radians between the rays of two cameras to points; 0 where there is none."""
    baseline = np.linalg.norm(cameras[pair[0]].camera_to_world[:3, 3] - cameras[pair[1]].camera_to_world[:3, 3])
    if baseline < 1e-9:
        # Rays from one place meet there, if anywhere.
        return np.zeros(len(points))
    rays = [points - cameras[view].camera_to_world[:3, 3] for view in pair]
    cosine = (rays[0] * rays[1]).sum(axis=1) / np.maximum(
        np.prod([np.linalg.norm(r, axis=1) for r in rays], axis=0), 1e-12
    )
    return np.nan_to_num(np.arccos(np.clip(cosine, -1.0, 1.0)))
