"""The methods' pictures of a few frames side by side, ``baselines.png``. Called by ``command``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ...files import atomic_path
from ..metrics import MASK
from ..pictures import GAP, INK, LABEL, PAPER, around
from .names import METHODS

SHEET = "baselines.png"
SHOWN = 3
"""Frames, the first ones that are measured."""

TRUTH = "truth"
HEIGHT = 300
"""Pixels of a frame's pictures."""


def keep(folder: Path, name: str, number: int, image: np.ndarray, truth: np.ndarray) -> None:
    """Keep what a method drew of a frame, around the hand.

    Args:
        folder: of the results.
        name: of the method.
        number: of the frame.
        image, truth: (H, W, 4) sRGB premultiplied over black.
    """
    if number >= SHOWN:
        return
    window = around(truth[..., 3] >= MASK)
    for title, picture in ((name, image), (TRUTH, truth)):
        path = _path(folder, title, number)
        path.parent.mkdir(exist_ok=True)
        cut = Image.fromarray(np.rint(255.0 * np.clip(picture[window][..., :3], 0.0, 1.0)).astype(np.uint8))
        with atomic_path(path) as temporary:
            cut.save(temporary, format="PNG")


def write(folder: Path, names: Sequence[str]) -> Path | None:
    """A row a frame, a column a method beside the truth; where it lies, or None where nothing was kept."""
    columns = [name for name in (TRUTH, *names) if _path(folder, name, 0).is_file()]
    rows = [number for number in range(SHOWN) if all(_path(folder, name, number).is_file() for name in columns)]
    if len(columns) < 2 or not rows:
        return None
    cells = {}
    for number in rows:
        for name in columns:
            with Image.open(_path(folder, name, number)) as picture:
                width = max(1, round(picture.width * HEIGHT / picture.height))
                cells[number, name] = picture.convert("RGB").resize((width, HEIGHT), Image.Resampling.LANCZOS)
    font = ImageFont.load_default(15)
    labels = {name: METHODS.get(name, name) for name in columns}
    widths = {
        name: max([cells[number, name].width for number in rows] + [round(font.getlength(labels[name]))])
        for name in columns
    }
    sheet = Image.new(
        "RGB", (GAP + sum(widths.values()) + GAP * len(columns), LABEL + len(rows) * (HEIGHT + GAP)), PAPER
    )
    left, pen = GAP, ImageDraw.Draw(sheet)
    for name in columns:
        pen.text((left, 4), labels[name], INK, font)
        for place, number in enumerate(rows):
            sheet.paste(cells[number, name], (left, LABEL + place * (HEIGHT + GAP)))
        left += widths[name] + GAP
    with atomic_path(folder / SHEET) as temporary:
        sheet.save(temporary, format="PNG", optimize=True)
    return folder / SHEET


def _path(folder: Path, name: str, number: int) -> Path:
    return folder / "pictures" / f"{name}_{number}.png"
