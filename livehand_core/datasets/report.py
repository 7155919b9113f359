"""What a preparation gave, to be looked at: a sheet of pictures with the fitted hand over them, and a page of figures.

Called by the command of data sets, and by the report of footage, which adds what its videos tell.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ..cameras import Camera
from ..captures.capture import Capture, CaptureFrame
from ..captures.images import open_rgba, read_rgb8, write_image
from ..captures.lens import NO_LENS, Lens
from ..captures.silhouettes import overlap
from ..captures.transforms import read_lens
from ..errors import CaptureError
from ..files import atomic_path
from ..hand.library import find_hand
from ..hand.skinning import pose_vertices
from ..poses import HandPose
from ..tracking.overlay import draw_hand
from .parts import read_parts
from .source import LEFT_OUT, read_left_out

T = TypeVar("T")

PAGE, SHEET = "report.html", "overlays.png"

MOMENTS, CAMERAS, TILE, GAP = 8, 4, 300, 6
"""Of a sheet: moments and, of a data set, cameras of each; pixels of a picture, and between pictures."""

AROUND = 1.35
"""Side of a tile, in the hand's size."""

MASK_COLOUR = (255, 255, 255)

LEGEND = (
    "A column is one moment. The hand that was fitted is drawn over the pictures: it should lie on the hand finger by "
    "finger, and so should the mask's outline, which is white."
)


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
class CloseUp:
    """The part of a picture around the hand.

    Attributes:
        tile: (TILE, TILE, 3) uint8, freed of the lens.
        scale, shift: pixels of the picture, times the one and moved by (2,) the other, are the tile's.
        whole: the picture's camera.
    """

    tile: np.ndarray
    scale: float
    shift: np.ndarray
    whole: Camera

    @classmethod
    def of(cls, source: Path, lens: Lens, whole: Camera, hand: HandPose, model: str) -> CloseUp:
        """Raises CaptureError where the picture cannot be read."""
        import cv2

        picture = lens.undistorted(read_rgb8(source).astype(np.float32), whole)
        pixels = whole.project(pose_vertices(find_hand(model, hand.side), hand))[0]
        least, most = pixels.min(axis=0), pixels.max(axis=0)
        scale = TILE / (AROUND * float((most - least).max()))
        shift = 0.5 * (TILE - scale * (least + most))
        tile = cv2.warpAffine(picture, _of_centres(scale, shift), (TILE, TILE), flags=cv2.INTER_AREA)
        return cls(np.clip(tile, 0.0, 255.0).astype(np.uint8), scale, shift, whole)

    def fitted(self, capture: Capture, frame: CaptureFrame) -> np.ndarray:
        """(TILE, TILE, 3) uint8: the fitted hand over the picture, and the outline of the capture's mask."""
        import cv2

        answer, whole, scale = self.tile.copy(), self.whole, self.scale
        close = whole.with_pixels(
            width=TILE, height=TILE, fx=whole.fx * scale, fy=whole.fy * scale,
            cx=whole.cx * scale + self.shift[0], cy=whole.cy * scale + self.shift[1],
        )  # fmt: skip
        draw_hand(answer, capture.hand(frame), close, capture.hand_model)
        alpha = np.asarray(open_rgba(capture.path(frame)).getchannel("A"))
        # The capture's picture is a window of the whole one.
        corner = np.array([whole.cx - frame.camera.cx, whole.cy - frame.camera.cy])
        mask = cv2.warpAffine(alpha, _of_centres(scale, self.shift + scale * corner), (TILE, TILE))
        outlines, _ = cv2.findContours((mask >= 128).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(answer, outlines, -1, MASK_COLOUR, 1, cv2.LINE_AA)
        return answer


def _of_centres(scale: float, shift: np.ndarray) -> np.ndarray:
    """(2, 3) the map of pixels for OpenCV, where their centres are whole numbers."""
    return np.column_stack([scale * np.eye(2), shift + 0.5 * scale - 0.5])


def write_report(capture: Capture, title: str) -> Report:
    """The sheet and the page of a data set's capture.

    Raises:
        LiveHandError: they cannot be written.
    """
    parts = list(read_parts(capture.folder))
    entries = {entry["image"]: entry for part in parts for entry in part["frames"] if "whole" in entry}
    of_pose: dict[int, list[CaptureFrame]] = {}
    for frame in capture.frames:
        if frame.image in entries:
            of_pose.setdefault(frame.pose, []).append(frame)
    columns = [some(of_pose[pose], CAMERAS) for pose in some(sorted(of_pose), MOMENTS)]
    sheet = write_sheet(capture.folder, [[_fitted(capture, one, entries[one.image]) for one in c] for c in columns])
    lines = [*_fit_lines(parts), *outline_lines(parts)]
    if columns:
        lines.append(overlap_line([overlap_of(capture, frame) for column in columns for frame in column]))
    return Report(write_page(capture.folder, title, lines, LEGEND), sheet, lines)


def _fitted(capture: Capture, frame: CaptureFrame, entry: dict[str, Any]) -> np.ndarray | None:
    """None where the data set has gone since its pictures were prepared."""
    lens = read_lens(entry["lens"]) if entry["lens"] else NO_LENS
    whole = Camera.from_json(entry["whole"])
    try:
        close = CloseUp.of(Path(entry["source"]), lens, whole, capture.hand(frame), capture.hand_model)
    except CaptureError:
        return None
    return close.fitted(capture, frame)


def some(entries: Sequence[T], most: int) -> list[T]:
    """At most so many, evenly chosen."""
    count = min(most, len(entries))
    return [entries[(2 * k + 1) * len(entries) // (2 * count)] for k in range(count)]


def write_sheet(folder: Path, columns: Sequence[Sequence[np.ndarray | None]]) -> Path:
    """Tiles as a picture, column by column from above; None leaves a place empty."""
    rows, step = max(map(len, columns), default=1), TILE + GAP
    sheet = np.full((rows * step + GAP, max(len(columns), 1) * step + GAP, 3), 28, np.uint8)
    for x, column in enumerate(columns):
        for y, tile in enumerate(column):
            if tile is not None:
                sheet[GAP + y * step : (y + 1) * step, GAP + x * step : (x + 1) * step] = tile
    write_image(folder / SHEET, sheet / np.float32(255.0))
    return folder / SHEET


def overlap_of(capture: Capture, frame: CaptureFrame) -> float:
    """Of the mask and the hand's silhouette, intersection over union."""
    hand, mask = capture.hand(frame), open_rgba(capture.path(frame)).getchannel("A")
    data = find_hand(capture.hand_model, hand.side)
    return overlap(mask, pose_vertices(data, hand), data.faces, frame.camera)


def overlap_line(found: Sequence[float]) -> str:
    """Of overlaps, for people."""
    return f"overlap of hand and mask: {np.median(found):.3f} (median), {np.min(found):.3f} (least)"


def outline_lines(parts: Sequence[dict[str, Any]]) -> list[str]:
    """How far outlines were off before and after refinement, for people; nothing where none was refined."""
    found = [part["outlines_off"] for part in parts if part["outlines_off"]]
    if not found:
        return []
    before, after = np.mean(found, axis=0)
    return [f"outlines of hand and mask: {before:.1f} pixels apart as fitted, {after:.1f} as refined"]


def _fit_lines(parts: Sequence[dict[str, Any]]) -> list[str]:
    found = [1e3 * part["fit_error"] for part in parts if part["frames"] and part["fit_error"] is not None]
    if not found:
        return []
    return [f"joints of the fits: {np.mean(found):.1f} mm off the annotated ones, {np.max(found):.1f} at most"]


def write_page(folder: Path, title: str, lines: Sequence[str], legend: str) -> Path:
    """HTML: the figures, the sheet and what was left out."""
    picture = base64.b64encode((folder / SHEET).read_bytes()).decode()
    left_out = read_left_out(folder / LEFT_OUT)
    counts = Counter(entry.reason for entry in left_out)
    left = "".join(f"<tr><td>{count}</td><td>{escape(reason)}</td></tr>" for reason, count in counts.most_common())
    every = "".join(f"<li>{escape(str(entry))}</li>" for entry in left_out)
    told = "".join(f"<li>{escape(line)}</li>" for line in lines)
    with atomic_path(folder / PAGE) as temporary:
        temporary.write_text(
            f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(title)}</title>"
            "<style>body{font:15px sans-serif;margin:2em auto;max-width:100em;background:#18191b;color:#ececec}"
            "img{max-width:100%}td{padding:.1em 1em .1em 0}</style>"
            f"<h1>{escape(title)}</h1><ul>{told}</ul><p>{legend}</p>"
            f'<img alt="overlays" src="data:image/png;base64,{picture}">'
            f"<h2>Left out</h2><table>{left or '<tr><td>nothing</td></tr>'}</table>"
            f"<details><summary>all of it</summary><ul>{every}</ul></details></html>",
            encoding="utf-8",
        )
    return folder / PAGE
