"""Truth, render and difference side by side: for the report, and as contact sheets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..captures.images import mask_box
from ..files import atomic_path
from .evaluate import Measured
from .metrics import MASK

DIFFERENCE_GAIN = 4.0
ROOM = 0.06
"""Around the hand in the pictures, as a part of its longer side."""

SHEET_COLUMNS = 2
SHEET_HEIGHT = 512
"""Pixels; taller pictures are reduced."""

GAP, LABEL = 8, 26
PAPER, INK = (24, 25, 27), (236, 236, 236)


@dataclass(frozen=True)
class Triple:
    """One frame's pictures.

    Attributes:
        row: what was measured.
        truth, render, difference: (H, W, 3) uint8 sRGB over black, around the hand; the difference times four.
    """

    row: Measured
    truth: np.ndarray
    render: np.ndarray
    difference: np.ndarray

    def side_by_side(self) -> np.ndarray:
        """(H, 3 W + 2 gaps, 3) uint8."""
        gap = np.zeros((len(self.truth), GAP // 2, 3), np.uint8)
        return np.concatenate([self.truth, gap, self.render, gap, self.difference], axis=1)


def make_triple(row: Measured, image: np.ndarray, truth: np.ndarray) -> Triple:
    """Cut out the hand with some room around it.

    Args:
        row: what was measured.
        image, truth: (H, W, 4) sRGB premultiplied over black.
    """
    window = around(truth[..., 3] >= MASK)
    rendered, true = np.clip(image[window][..., :3], 0.0, 1.0), truth[window][..., :3]
    difference = DIFFERENCE_GAIN * np.abs(rendered - true)
    return Triple(row, *(_bytes(picture) for picture in (true, rendered, difference)))


def around(mask: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns of a mask's box with room around it; everything where it is empty."""
    x0, y0, x1, y1 = mask_box(mask)
    if x1 == x0:
        return slice(None), slice(None)
    room = round(ROOM * max(x1 - x0, y1 - y0))
    return slice(max(y0 - room, 0), y1 + room), slice(max(x0 - room, 0), x1 + room)


def write_sheet(path: Path, triples: Sequence[Triple], title: str, label: Callable[[Triple], str]) -> None:
    """Write truth | render | difference of some frames as one PNG, the first being the worst.

    Raises:
        LiveHandError: the file cannot be written.
    """
    font = ImageFont.load_default(15)
    cells = [_reduced(Image.fromarray(triple.side_by_side())) for triple in triples]
    labels = [label(triple) for triple in triples]
    columns = min(SHEET_COLUMNS, len(cells))
    width = max([cell.width for cell in cells] + [round(font.getlength(text)) for text in labels])
    rows = [range(start, min(start + columns, len(cells))) for start in range(0, len(cells), columns)]
    heights = [max(cells[place].height for place in row) for row in rows]
    whole = max(columns * (width + GAP) + GAP, round(font.getlength(title)) + 2 * GAP)
    sheet = Image.new("RGB", (whole, 2 * LABEL + sum(height + LABEL + GAP for height in heights)), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((GAP, GAP), title, INK, font)
    top = LABEL + GAP
    for row, height in zip(rows, heights, strict=True):
        for column, place in enumerate(row):
            left = GAP + column * (width + GAP)
            draw.text((left, top + 4), labels[place], INK, font)
            sheet.paste(cells[place], (left, top + LABEL))
        top += height + LABEL + GAP
    with atomic_path(path) as temporary:
        sheet.save(temporary, optimize=True)


def _reduced(picture: Image.Image) -> Image.Image:
    if picture.height <= SHEET_HEIGHT:
        return picture
    width = round(picture.width * SHEET_HEIGHT / picture.height)
    return picture.resize((width, SHEET_HEIGHT), Image.Resampling.LANCZOS)


def _bytes(picture: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(picture, 0.0, 1.0) * 255.0).astype(np.uint8)
