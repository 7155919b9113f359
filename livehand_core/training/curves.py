"""The curves of a run as one square picture: loss above, PSNR below, over the steps. Read from ``metrics.jsonl``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..documents import Reader, parse_json
from ..errors import LiveHandError
from ..files import atomic_path
from .control import CURVES_FILE
from .journal import METRICS_FILE

METRICS = Reader("The metrics")
SIDE = 512
SHOWN_SIDE = 256
"""Side of the picture that is written, in pixels: what Blender's panels show at most, and reduce without smoothing."""
MARGINS = (96, 16, 46, 38)
"""Pixels left, right, above and below of each plot's axes."""
TEXT_SIZE = 26
"""Large, since it is drawn at twice the size that is written."""
TICKS = 3
GROUND, FRAME, GRID, INK = (29, 29, 29), (84, 84, 84), (48, 48, 48), (200, 200, 200)
LOSS, TRAINED, HELD_OUT = (232, 160, 92), (102, 178, 255), (126, 211, 134)

Point = tuple[float, float]


@dataclass
class Curves:
    """(step, value) of each curve: the loss, PSNR on training views, PSNR of new cameras and poses."""

    loss: list[Point] = field(default_factory=list)
    trained: list[Point] = field(default_factory=list)
    held_out: list[Point] = field(default_factory=list)


def read_curves(run: Path) -> Curves:
    """The curves of a run so far. Steps that a resumed run repeated count once, and a line cut short is passed over."""
    curves = Curves()
    try:
        lines = METRICS.text(run / METRICS_FILE).splitlines()
    except LiveHandError:
        return curves
    for line in lines:
        try:
            entry = parse_json(line, allow_nan=True)
            step = float(entry["step"])
        except (ValueError, KeyError, TypeError, OverflowError):
            continue
        if entry.get("kind") == "train":
            _add(curves.loss, step, entry.get("total"))
            _add(curves.trained, step, training_psnr(entry))
        elif entry.get("kind") == "preview":
            _add(curves.held_out, step, entry.get("both/full_image/psnr"))
    return curves


def training_psnr(values: dict[str, Any]) -> float | None:
    """PSNR in dB of the squared error ``high`` of a log entry, None without it."""
    error = values.get("high")
    return None if not isinstance(error, int | float) else -10.0 * math.log10(max(float(error), 1e-12))


def draw_curves(run: Path) -> None:
    """Write ``curves.png`` (256 x 256). Raises LiveHandError when the folder cannot be written."""
    from PIL import Image, ImageDraw

    curves = read_curves(run)
    image = Image.new("RGB", (SIDE, SIDE), GROUND)
    draw = ImageDraw.Draw(image)
    last = max([step for curve in (curves.loss, curves.trained, curves.held_out) for step, _ in curve], default=0.0)
    half = SIDE // 2
    logs = [(step, math.log10(max(value, 1e-9))) for step, value in curves.loss]
    _plot(draw, 0, half, last, [(logs, LOSS, "Loss")], logarithmic=True)
    shown = [(curves.trained, TRAINED, "PSNR dB, trained"), (curves.held_out, HELD_OUT, "held out")]
    _plot(draw, half, half, last, shown, logarithmic=False)
    with atomic_path(run / CURVES_FILE) as temporary:
        image.resize((SHOWN_SIDE, SHOWN_SIDE), Image.Resampling.LANCZOS).save(temporary)


def _add(curve: list[Point], step: float, value: Any) -> None:
    while curve and curve[-1][0] >= step:
        curve.pop()
    if isinstance(value, int | float) and abs(value) < 1e300 and math.isfinite(step):
        curve.append((step, float(value)))


def _plot(
    draw: Any, top: int, height: int, last: float, shown: Sequence[tuple[list[Point], Any, str]], logarithmic: bool
) -> None:
    """Axes and curves into a strip of the picture; values of a logarithmic plot are given as powers of ten."""
    from PIL import ImageFont

    font = ImageFont.load_default(TEXT_SIZE)
    left, right, above, below = MARGINS
    box = (left, top + above, SIDE - right, top + height - below)
    values = [value for curve, _, _ in shown for _, value in curve]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    # A little air, and never a range of nothing.
    air = max(0.06 * (high - low), 0.02)
    low, high = low - air, high + air

    def place(step: float, value: float) -> Point:
        x = box[0] + (box[2] - box[0]) * (step / last if last else 0.0)
        return x, box[3] - (box[3] - box[1]) * (value - low) / (high - low)

    x = float(left)
    for _, colour, label in shown:
        draw.text((x, top + 10), label, fill=colour, font=font)
        x += draw.textlength(label, font=font) + 20.0
    for part in range(TICKS):
        value = low + (high - low) * part / (TICKS - 1)
        y = place(0.0, value)[1]
        draw.line((box[0], y, box[2], y), fill=GRID)
        text = f"{10.0**value:.2g}" if logarithmic else f"{value:.1f}"
        if values:
            draw.text((box[0] - 6, y), text, fill=INK, font=font, anchor="rm")
    for part in range(TICKS):
        step = last * part / (TICKS - 1)
        x = place(step, low)[0]
        draw.line((x, box[1], x, box[3]), fill=GRID)
        if last:
            text = f"{step:.0f}" if step < 10000 else f"{step / 1000:.0f}k"
            draw.text((x, box[3] + 4), text, fill=INK, font=font, anchor=("la", "ma", "ra")[part])
    draw.rectangle(box, outline=FRAME)
    for curve, colour, _ in shown:
        points = [place(*point) for point in curve]
        if len(points) > 1:
            draw.line(points, fill=colour, width=4, joint="curve")
        for x, y in points if len(points) < 20 else points[-1:]:
            draw.ellipse((x - 5, y - 5, x + 5, y + 5), fill=colour)
    if not values:
        draw.text(((box[0] + box[2]) / 2, (box[1] + box[3]) / 2), "nothing yet", fill=INK, font=font, anchor="mm")
