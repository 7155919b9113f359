"""What came out of footage, to be looked at: landmarks and fitted hands on a sheet, and a page of figures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...captures.capture import Capture, CaptureFrame
from ...hand.library import find_hand
from ...tracking.skeleton import seen_points
from ..parts import read_parts
from ..report import MOMENTS, CloseUp, Report, outline_lines, overlap_line, overlap_of, some, write_page, write_sheet
from ..source import LEFT_OUT, Notes, read_left_out
from .geometry import ShotCamera
from .instants import frame_path
from .pipeline import Fitted, Run

FINGERS = ((0, 1, 2, 3, 4), (0, 5, 6, 7, 8), (0, 9, 10, 11, 12), (0, 13, 14, 15, 16), (0, 17, 18, 19, 20))
COLOURS = ((250, 90, 70), (250, 180, 40), (90, 210, 90), (70, 160, 250), (210, 110, 250))
"""Of the fingers' landmarks, RGB."""

LEGEND = (
    "A column is one moment. Above, the landmarks that were found; below, the hand that was fitted, which should lie "
    "on the hand finger by finger, and the mask's outline in white."
)


@dataclass(frozen=True)
class Shown:
    """One picture of the capture with what it was made of.

    Attributes:
        frame: of the capture.
        source: the frame of the video, as a picture; ``shot``: its camera.
        landmarks: (21, 2) pixels of it, freed of the lens; None where the hand was not found in it.
        off: (21,) pixels between the landmarks and the hand; None likewise.
        overlap: of the mask and the hand's silhouette, intersection over union.
    """

    frame: CaptureFrame
    source: Path
    shot: ShotCamera
    landmarks: np.ndarray | None
    off: np.ndarray | None
    overlap: float


def write_report(run: Run, fitted: Fitted, capture: Capture) -> Report:
    """Write the sheet and the page.

    Raises:
        LiveHandError: they cannot be written.
    """
    shown = _shown(run, fitted, capture)
    sheet = write_sheet(capture.folder, _columns(capture, shown))
    lines = [*_video_lines(fitted), *_figure_lines(capture, shown)]
    run.notes = Notes(read_left_out(capture.folder / LEFT_OUT))
    page = write_page(capture.folder, run.wish.capture.name, [*run.remarks, *lines], LEGEND)
    return Report(page, sheet, lines)


def _shown(run: Run, fitted: Fitted, capture: Capture) -> list[Shown]:
    """Every picture of the capture."""
    sources = {entry["image"]: Path(entry["source"]) for part in read_parts(capture.folder) for entry in part["frames"]}
    views = {view.image: view for instant in fitted.instants for view in instant.views}
    landmarks = _landmarks(run, fitted)
    data = find_hand(capture.hand_model, fitted.side)
    points = [seen_points(data, pose) for pose in capture.poses.poses]
    rows = []
    for frame in capture.frames:
        source = sources[frame.image]
        shot = ShotCamera(views[source].camera, views[source].lens)
        drawn, off = landmarks.get(source), None
        straight = None if drawn is None else shot.straight(drawn)
        if straight is not None:
            off = np.linalg.norm(shot.camera.project(points[frame.pose])[0] - straight, axis=1)
        rows.append(Shown(frame, source, shot, straight, off, overlap_of(capture, frame)))
    return rows


def _landmarks(run: Run, fitted: Fitted) -> dict[Path, np.ndarray]:
    """Frame's picture -> (21, 2) pixels of the landmarks as the lens drew them."""
    return {
        frame_path(run.work / "frames", video, number): hand.image
        for view, video in enumerate(fitted.videos)
        for number in fitted.needed.get(view, ())
        if (hand := video.hands[number]) is not None
    }


def _columns(capture: Capture, shown: list[Shown]) -> list[list[np.ndarray | None]]:
    """A column a moment, and of each camera two tiles; of a hand that keeps still a column a picture."""
    several = len(capture.poses.poses) > 1
    cameras = sorted({one.frame.camera_name for one in shown}) if several else [""]
    groups = [[one] for one in some(shown, MOMENTS)]
    if several:
        poses = some(sorted({one.frame.pose for one in shown}), MOMENTS)
        groups = [[one for one in shown if one.frame.pose == pose] for pose in poses]
    answer = []
    for group in groups:
        tiles: list[np.ndarray | None] = [None] * (2 * len(cameras))
        for one in group:
            row = 2 * cameras.index(one.frame.camera_name) if several else 0
            tiles[row : row + 2] = _tiles(capture, one)
        answer.append(tiles)
    return answer


def _tiles(capture: Capture, one: Shown) -> tuple[np.ndarray, np.ndarray]:
    """(TILE, TILE, 3) twice: the landmarks in the picture, and the fitted hand over it with the mask's outline."""
    import cv2

    close = CloseUp.of(one.source, one.shot.lens, one.shot.camera, capture.hand(one.frame), capture.hand_model)
    points = close.tile.copy()
    if one.landmarks is not None:
        at = np.rint((one.landmarks * close.scale + close.shift) * 16.0).astype(np.int32)
        for finger, colour in zip(FINGERS, COLOURS, strict=True):
            cv2.polylines(points, [at[list(finger)]], False, colour, 2, cv2.LINE_AA, 4)
    return points, close.fitted(capture, one.frame)


def _video_lines(fitted: Fitted) -> list[str]:
    return [
        f"{video.name}: {video.width} x {video.height}, {video.fps:.4g} frames a second, hand in "
        f"{sum(hand is not None for hand in video.hands)} of {len(video.hands)} frames, begins at {video.offset:+.3f} s"
        for video in fitted.videos
    ]


def _figure_lines(capture: Capture, shown: list[Shown]) -> list[str]:
    lines = []
    fits = [one.off for one in shown if one.off is not None]
    for camera in sorted({one.frame.camera_name for one in shown}) if len(fits) and capture.poses.poses[1:] else []:
        own = np.concatenate([one.off for one in shown if one.off is not None and one.frame.camera_name == camera])
        lines.append(f"{camera}: {_distances(own)}")
    if fits:
        lines.append(f"all cameras: {_distances(np.concatenate(fits))}")
    lines += outline_lines(list(read_parts(capture.folder)))
    lines.append(overlap_line([one.overlap for one in shown]))
    lines.append(f"{capture.folder}: {len(capture.frames)} pictures of {len(capture.poses.poses)} poses")
    return lines


def _distances(off: np.ndarray) -> str:
    return (
        f"fitted hand {np.mean(off):.1f} pixels off the landmarks "
        f"(median {np.median(off):.1f}, 95 % below {np.percentile(off, 95):.1f})"
    )
