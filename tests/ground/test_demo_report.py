"""The demo's figures and pictures: compositing, PSNR, the look at a frame, contact sheet and table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from demo_report import Pair, contact_sheet, over_backdrop, table
from image_checks import box_psnr, describe, hand_mask, psnr
from PIL import Image


def save(path: Path, pixels: np.ndarray) -> Path:
    Image.fromarray(pixels.astype(np.uint8)).save(path)
    return path


def disc(colour: tuple[int, int, int], shade: bool = True) -> np.ndarray:
    """A shaded disc on a dark ground, (64, 96, 3) uint8."""
    rows, columns = np.mgrid[:64, :96]
    inside = (rows - 32) ** 2 + (columns - 48) ** 2 < 18**2
    image = np.full((64, 96, 3), 24.0)
    light = 0.4 + 0.6 * columns / 96.0 if shade else np.ones((64, 96))
    image[inside] = (np.array(colour) * light[..., None])[inside]
    return image.astype(np.uint8)


def test_backdrop_is_mixed_in_linear_light(tmp_path: Path) -> None:
    pixels = np.array([[[255, 128, 0, 255], [255, 255, 255, 0], [255, 255, 255, 128]]])
    mixed = over_backdrop(save(tmp_path / "a.png", pixels), (0.0, 0.0, 0.0))
    assert np.allclose(mixed[0, 0], np.array([255, 128, 0]) / 255.0, atol=1e-6)
    assert np.allclose(mixed[0, 1], 0.0)
    # Half of white light is 188 of 255 in sRGB, not 128.
    assert np.allclose(mixed[0, 2] * 255.0, 188.0, atol=1.0)


def test_psnr_of_a_known_error() -> None:
    image = np.zeros((4, 4, 3))
    assert psnr(image, image + 0.1) == pytest.approx(20.0)
    assert psnr(image, image) == float("inf")


def test_box_psnr_leaves_the_background_out() -> None:
    truth = disc((220, 170, 150)) / 255.0
    image = truth.copy()
    image[hand_mask(truth)] += 0.05
    rows, columns = np.nonzero(hand_mask(truth))
    part = (np.ptp(rows) + 1) * (np.ptp(columns) + 1) / hand_mask(truth).size
    assert psnr(image, truth) - box_psnr(image, truth) == pytest.approx(-10.0 * np.log10(part), abs=1e-9)


@pytest.mark.parametrize(
    ("colour", "shade", "hand"),
    [((220, 170, 150), True, True), ((24, 24, 24), False, False), ((120, 150, 220), True, False)],
    ids=["skin", "empty", "blue"],
)
def test_a_frame_is_judged_by_its_content(
    tmp_path: Path, colour: tuple[int, int, int], shade: bool, hand: bool
) -> None:
    seen = describe(save(tmp_path / "frame.png", disc(colour, shade)))
    assert (seen.width, seen.height) == (96, 64)
    assert seen.shows_hand is hand
    assert ("NO HAND" in str(seen)) is not hand


def test_contact_sheet_and_table() -> None:
    neural, cycles = np.full((64, 96, 3), 0.5), np.full((64, 96, 3), 0.25)
    pairs = [Pair(f"frame {number}", neural, cycles, 8.0) for number in range(6)]
    sheet = np.asarray(contact_sheet(pairs, "Cycles"))
    assert (sheet == 128).all(axis=-1).sum() >= 6 * 64 * 64
    assert (sheet == 64).all(axis=-1).sum() >= 6 * 64 * 64
    text = table(pairs, [9.0, 0.5, 0.5], [8.5, 0.4, 0.4])
    rows = {line[:38].strip(): line[38:].strip() for line in text.splitlines()}
    assert rows["seconds a frame, LiveHand (median)"] == "0.50"
    assert rows["of these in the engine process"] == "0.40"
    assert rows["Cycles / LiveHand"] == "16.0"
    assert rows["PSNR, whole frame (mean)"] == "12.0 dB"
