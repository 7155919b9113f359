"""What the demo shows at its end: the contact sheet and the table of times and PSNR."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from image_checks import box_psnr, psnr
from PIL import Image, ImageDraw, ImageFont

GAP, HEAD, MARGIN = 6, 36, 20
PAPER, INK, FAINT = (24, 25, 27), (236, 236, 236), (150, 152, 156)


@dataclass(frozen=True)
class Pair:
    """One frame by both engines.

    Attributes:
        label: what is seen.
        neural, cycles: (H, W, 3) float64 sRGB pictures over the same backdrop, 0 to 1.
        seconds: Cycles' time for its picture.
    """

    label: str
    neural: np.ndarray
    cycles: np.ndarray
    seconds: float


def over_backdrop(path: str | Path, backdrop: Sequence[float]) -> np.ndarray:
    """A picture with alpha over a scene-linear backdrop, mixed in linear light as Blender does.

    Args:
        path: RGBA file, sRGB with straight alpha.
        backdrop: scene-linear RGB.

    Returns:
        (H, W, 3) float64 sRGB values, 0 to 1.
    """
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGBA"), dtype=np.float64) / 255.0
    colour, alpha = pixels[..., :3], pixels[..., 3:]
    linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    mixed = np.clip(linear * alpha + (1.0 - alpha) * np.asarray(backdrop), 0.0, 1.0)
    return np.where(mixed <= 0.0031308, 12.92 * mixed, 1.055 * mixed ** (1.0 / 2.4) - 0.055)


def contact_sheet(pairs: Sequence[Pair], cycles_name: str) -> Image.Image:
    """Neural pictures in the upper row, Cycles below, one column a frame."""
    height = pairs[0].neural.shape[0]
    cell = min(pairs[0].neural.shape[1], height)
    width = 2 * MARGIN + len(pairs) * cell + (len(pairs) - 1) * GAP
    sheet = Image.new("RGB", (width, 2 * MARGIN + 2 * (height + HEAD) + HEAD), PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(18)
    rows = (("LiveHand", "neural"), (cycles_name, "cycles"))
    for row, (title, attribute) in enumerate(rows):
        top = MARGIN + row * (height + HEAD)
        draw.text((MARGIN, top + GAP), title, INK, font)
        for column, pair in enumerate(pairs):
            image = getattr(pair, attribute)
            start = (image.shape[1] - cell) // 2
            tile = Image.fromarray((image[:, start : start + cell] * 255.0 + 0.5).astype(np.uint8))
            sheet.paste(tile, (MARGIN + column * (cell + GAP), top + HEAD))
    for column, pair in enumerate(pairs):
        place = (MARGIN + column * (cell + GAP), MARGIN + 2 * (height + HEAD) + GAP)
        draw.text(place, pair.label, FAINT, font)
    return sheet


def table(pairs: Sequence[Pair], film_seconds: Sequence[float], engine_seconds: Sequence[float]) -> str:
    """The figures of one run, ready to print.

    Args:
        film_seconds: Blender's time of each frame of the film.
        engine_seconds: the part of it that the engine process rendered.
    """
    neural, cycles = statistics.median(film_seconds), statistics.median(pair.seconds for pair in pairs)
    lines = [
        ("seconds a frame, LiveHand (median)", f"{neural:.2f}"),
        ("  of these in the engine process", f"{statistics.median(engine_seconds):.2f}"),
        ("seconds a frame, Cycles (median)", f"{cycles:.2f}"),
        ("Cycles / LiveHand", f"{cycles / neural:.1f}"),
        ("PSNR, whole frame (mean)", f"{statistics.fmean(psnr(p.neural, p.cycles) for p in pairs):.1f} dB"),
        (
            "PSNR, inside the hand's box (mean)",
            f"{statistics.fmean(box_psnr(p.neural, p.cycles) for p in pairs):.1f} dB",
        ),
    ]
    return "\n".join(f"{name:<38}{value:>10}" for name, value in lines)
