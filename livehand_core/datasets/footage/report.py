"""What came out, to be looked at: a sheet of overlays and a page of figures in the capture's folder."""

from __future__ import annotations

import base64
from collections import Counter
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TypeVar

import numpy as np

from ...captures.capture import Capture, CaptureFrame
from ...captures.images import open_rgba, read_rgb8, write_image
from ...captures.silhouettes import overlap
from ...files import atomic_path
from ...hand.library import find_hand
from ...hand.skinning import pose_vertices
from ...tracking.overlay import draw_hand
from ...tracking.skeleton import seen_points
from ..command import SOURCE
from ..parts import read_parts
from ..source import LEFT_OUT, LeftOut, Notes
from .geometry import ShotCamera
from .instants import frame_path
from .pipeline import Fitted, Run

T = TypeVar("T")

PAGE, SHEET = "report.html", "overlays.png"

MOMENTS, TILE, GAP = 8, 300, 6
"""Moments on the sheet, pixels of a picture and between them."""

FINGERS = ((0, 1, 2, 3, 4), (0, 5, 6, 7, 8), (0, 9, 10, 11, 12), (0, 13, 14, 15, 16), (0, 17, 18, 19, 20))
COLOURS = ((250, 90, 70), (250, 180, 40), (90, 210, 90), (70, 160, 250), (210, 110, 250))
"""Of the fingers' landmarks, RGB."""

MASK_COLOUR = (255, 255, 255)


@dataclass(frozen=True)
class Report:
    """What was written.

    Attributes:
        page: HTML; ``sheet``: PNG.
        lines: the figures, for a terminal.
    """

    page: Path
    sheet: Path
    lines: list[str]


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
    folder = capture.folder
    shown = _shown(run, fitted, capture)
    sheet = folder / SHEET
    write_image(sheet, _sheet(capture, shown) / np.float32(255.0))
    lines = [*_video_lines(fitted), *_figure_lines(capture, shown)]
    entries = [LeftOut(**entry) for entry in SOURCE.json(folder / LEFT_OUT)]
    run.notes = Notes(entries)
    page = folder / PAGE
    with atomic_path(page) as temporary:
        temporary.write_text(_page(run, sheet, lines), encoding="utf-8")
    return Report(page, sheet, lines)


def _shown(run: Run, fitted: Fitted, capture: Capture) -> list[Shown]:
    """Every picture of the capture."""
    sources = {entry["image"]: Path(entry["source"]) for part in read_parts(capture.folder) for entry in part["frames"]}
    views = {view.image: view for instant in fitted.instants for view in instant.views}
    landmarks = _landmarks(run, fitted)
    data = find_hand(capture.hand_model, fitted.side)
    vertices = [pose_vertices(data, pose) for pose in capture.poses.poses]
    points = [seen_points(data, pose) for pose in capture.poses.poses]
    rows = []
    for frame in capture.frames:
        source = sources[frame.image]
        shot = ShotCamera(views[source].camera, views[source].lens)
        drawn, off = landmarks.get(source), None
        straight = None if drawn is None else shot.straight(drawn)
        if straight is not None:
            off = np.linalg.norm(shot.camera.project(points[frame.pose])[0] - straight, axis=1)
        mask = open_rgba(capture.path(frame)).getchannel("A")
        iou = overlap(mask, vertices[frame.pose], data.faces, frame.camera)
        rows.append(Shown(frame, source, shot, straight, off, iou))
    return rows


def _landmarks(run: Run, fitted: Fitted) -> dict[Path, np.ndarray]:
    """Frame's picture -> (21, 2) pixels of the landmarks as the lens drew them."""
    return {
        frame_path(run.work / "frames", video, number): hand.image
        for view, video in enumerate(fitted.videos)
        for number in fitted.needed.get(view, ())
        if (hand := video.hands[number]) is not None
    }


def _sheet(capture: Capture, shown: list[Shown]) -> np.ndarray:
    """(H, W, 3) uint8: a column a moment, a row a camera, and below each picture the hand that was fitted to it."""
    if capture.poses.poses[1:]:
        poses = sorted({one.frame.pose for one in shown})
        columns = [[one for one in shown if one.frame.pose == pose] for pose in _some(poses)]
    else:
        columns = [[one] for one in _some(shown)]
    cameras = sorted({one.frame.camera_name for one in shown}) if capture.poses.poses[1:] else [""]
    rows = 2 * len(cameras)
    sheet = np.full((rows * (TILE + GAP) + GAP, len(columns) * (TILE + GAP) + GAP, 3), 28, np.uint8)
    for column, group in enumerate(columns):
        for one in group:
            row = 2 * (cameras.index(one.frame.camera_name) if len(cameras) > 1 else 0)
            for below, tile in enumerate(_tiles(capture, one)):
                y, x = GAP + (row + below) * (TILE + GAP), GAP + column * (TILE + GAP)
                sheet[y : y + TILE, x : x + TILE] = tile
    return sheet


def _some(entries: list[T]) -> list[T]:
    count = min(MOMENTS, len(entries))
    return [entries[(2 * k + 1) * len(entries) // (2 * count)] for k in range(count)]


def _tiles(capture: Capture, one: Shown) -> tuple[np.ndarray, np.ndarray]:
    """(TILE, TILE, 3) twice: the landmarks in the picture, and the fitted hand over it with the mask's outline."""
    import cv2

    picture = one.shot.lens.undistorted(read_rgb8(one.source).astype(np.float32), one.shot.camera)
    frame, whole = one.frame.camera, one.shot.camera
    # The capture's picture is a window of the whole one: the square around its middle, and some more.
    x, y = whole.cx - frame.cx + 0.5 * frame.width, whole.cy - frame.cy + 0.5 * frame.height
    side = 1.15 * max(frame.width, frame.height)
    scale = TILE / side
    move = np.array([[scale, 0.0, 0.5 * TILE - scale * x], [0.0, scale, 0.5 * TILE - scale * y]])
    tile = np.clip(cv2.warpAffine(picture, _of_centres(move), (TILE, TILE), flags=cv2.INTER_AREA), 0.0, 255.0).astype(
        np.uint8
    )
    points, fitted = tile.copy(), tile.copy()
    if one.landmarks is not None:
        at = np.rint((one.landmarks * scale + move[:, 2]) * 16.0).astype(np.int32)
        for finger, colour in zip(FINGERS, COLOURS, strict=True):
            cv2.polylines(points, [at[list(finger)]], False, colour, 2, cv2.LINE_AA, 4)
    close = whole.with_pixels(
        width=TILE, height=TILE, fx=whole.fx * scale, fy=whole.fy * scale,
        cx=whole.cx * scale + move[0, 2], cy=whole.cy * scale + move[1, 2],
    )  # fmt: skip
    draw_hand(fitted, capture.hand(one.frame), close, capture.hand_model)
    alpha = np.asarray(open_rgba(capture.path(one.frame)).getchannel("A"))
    own = np.array(
        [
            [scale, 0.0, move[0, 2] + scale * (x - 0.5 * frame.width)],
            [0.0, scale, move[1, 2] + scale * (y - 0.5 * frame.height)],
        ]
    )
    mask = cv2.warpAffine(alpha, _of_centres(own), (TILE, TILE))
    outlines, _ = cv2.findContours((mask >= 128).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(fitted, outlines, -1, MASK_COLOUR, 1, cv2.LINE_AA)
    return points, fitted


def _of_centres(move: np.ndarray) -> np.ndarray:
    """The same map of pixels for OpenCV, where their centres are whole numbers."""
    answer = move.copy()
    answer[:, 2] += move[:, :2] @ (0.5, 0.5) - 0.5
    return answer


def _video_lines(fitted: Fitted) -> list[str]:
    return [
        f"{video.name}: {video.width} x {video.height}, {video.fps:.4g} frames a second, hand in "
        f"{sum(hand is not None for hand in video.hands)} of {len(video.hands)} frames, begins at {video.offset:+.3f} s"
        for video in fitted.videos
    ]


def _figure_lines(capture: Capture, shown: list[Shown]) -> list[str]:
    parts = [part["outlines_off"] for part in read_parts(capture.folder) if part["outlines_off"]]
    lines = []
    fits = [one.off for one in shown if one.off is not None]
    for camera in sorted({one.frame.camera_name for one in shown}) if len(fits) and capture.poses.poses[1:] else []:
        own = np.concatenate([one.off for one in shown if one.off is not None and one.frame.camera_name == camera])
        lines.append(f"{camera}: {_distances(own)}")
    if fits:
        lines.append(f"all cameras: {_distances(np.concatenate(fits))}")
    if parts:
        before, after = np.mean(parts, axis=0)
        lines.append(f"outlines of hand and mask: {before:.1f} pixels apart as fitted, {after:.1f} as refined")
    ious = [one.overlap for one in shown]
    lines.append(f"overlap of hand and mask: {np.median(ious):.3f} (median), {np.min(ious):.3f} (least)")
    lines.append(f"{capture.folder}: {len(capture.frames)} pictures of {len(capture.poses.poses)} poses")
    return lines


def _distances(off: np.ndarray) -> str:
    return (
        f"fitted hand {np.mean(off):.1f} pixels off the landmarks "
        f"(median {np.median(off):.1f}, 95 % below {np.percentile(off, 95):.1f})"
    )


def _page(run: Run, sheet: Path, lines: list[str]) -> str:
    picture = base64.b64encode(sheet.read_bytes()).decode()
    counts = Counter(entry.reason for entry in run.notes.left_out)
    left = "".join(f"<tr><td>{count}</td><td>{escape(reason)}</td></tr>" for reason, count in counts.most_common())
    every = "".join(f"<li>{escape(str(entry))}</li>" for entry in run.notes.left_out)
    told = "".join(f"<li>{escape(line)}</li>" for line in [*run.remarks, *lines])
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Footage</title>"
        "<style>body{font:15px sans-serif;margin:2em auto;max-width:100em;background:#18191b;color:#ececec}"
        "img{max-width:100%}td{padding:.1em 1em .1em 0}</style>"
        f"<h1>{escape(run.wish.capture.name)}</h1><ul>{told}</ul>"
        "<p>A column is one moment. Above, the landmarks that were found; below, the hand that was fitted, which "
        "should lie on the hand finger by finger, and the mask's outline in white.</p>"
        f'<img alt="overlays" src="data:image/png;base64,{picture}">'
        f"<h2>Left out</h2><table>{left or '<tr><td>nothing</td></tr>'}</table>"
        f"<details><summary>all of it</summary><ul>{every}</ul></details></html>"
    )
