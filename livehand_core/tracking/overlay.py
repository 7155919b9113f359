"""The posed mesh laid over pictures, to see whether it lies on the hand: ``livehand track --overlay``, ``live``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ..cameras import Camera
from ..hand.library import find_hand
from ..hand.skinning import pose_vertices
from ..poses import HandPose
from .offline import Take
from .sources import Source

SEEN, HELD = (90, 200, 120), (230, 120, 60)
"""Colours, RGB, of a hand that is seen and of one whose pose is held or filled in."""


def draw_hand(
    picture: np.ndarray,
    pose: HandPose,
    camera: Camera,
    model: str,
    colour: tuple[int, int, int] = SEEN,
    opacity: float = 0.55,
) -> None:
    """Draw a posed mesh into a picture, shaded, from the farthest triangle to the nearest.

    Args:
        picture: (H, W, 3) uint8 RGB, changed.
        pose: in the camera's world.
        camera: of the picture.
        model: id of the hand model.
        colour: RGB.
        opacity: 0 to 1.
    """
    import cv2

    data = find_hand(model, pose.side)
    posed = pose_vertices(data, pose)
    pixels, depth = camera.project(posed)
    if depth.min() <= 0.01:
        return
    vertices = camera.to_axes(posed)
    corners = vertices[data.faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    towards = -(normals * corners.mean(axis=1)).sum(axis=1)
    shade = 0.35 + 0.65 * np.clip(-normals[:, 2], 0.0, 1.0)
    order = np.argsort(-corners[:, :, 2].mean(axis=1))
    painted = picture.copy()
    places = np.clip(np.rint(pixels * 16.0), -(2**20), 2**20).astype(np.int32)[data.faces]
    for face in order[towards[order] > 0.0]:
        tone = tuple(float(part * shade[face]) for part in colour)
        cv2.fillConvexPoly(painted, places[face], tone, lineType=cv2.LINE_AA, shift=4)
    cv2.addWeighted(painted, opacity, picture, 1.0 - opacity, 0.0, dst=picture)


def overlaid(source: Source, takes: Sequence[Take], mirror: bool, model: str) -> Iterator[np.ndarray]:
    """The pictures of a source with all takes laid over them, one each frame of the takes.

    Args:
        source: opened anew.
        takes: of it.
        mirror: the pictures are flipped first.
        model: id of the hand model.
    """
    count, fps = len(takes[0].sequence.poses), takes[0].sequence.fps
    shown, first = 0, 0.0
    size: tuple[int, int] | None = None
    for index, frame in enumerate(source):
        first = frame.time if index == 0 else first
        slot = min(round((frame.time - first) * fps), count - 1)
        picture = np.ascontiguousarray(frame.picture[:, ::-1] if mirror else frame.picture)
        size = size or (takes[0].camera.width, takes[0].camera.height)
        picture = _of_size(picture, *size)
        # A frame that comes late is shown until the next one; one of two that come together is left out.
        while shown <= slot:
            canvas = picture.copy()
            for take in takes:
                colour = SEEN if take.confidence[shown] > 0.0 else HELD
                draw_hand(canvas, take.sequence.poses[shown], take.camera, model, colour)
            yield canvas
            shown += 1


def _of_size(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    if picture.shape[:2] == (height, width):
        return picture
    import cv2

    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA))
