"""Distorted images are read as a pinhole camera would have taken them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from livehand_core.captures.capture import write_capture
from livehand_core.captures.checks import find_problems
from livehand_core.captures.joined import join_captures
from livehand_core.captures.lens import NO_LENS, Lens

from . import sound

LENSES = {
    "barrel": Lens((-0.35, 0.1, 0.0, 0.0, 0.0, 0.0), (0.004, -0.003)),
    "pincushion": Lens((0.5, 0.0, 0.0, 0.0, 0.0, 0.0)),
    "rational": Lens((0.3, 0.1, 0.0, 0.9, 0.2, 0.0), (0.0, 0.002)),
    "fisheye": Lens((0.6, -0.2, 0.0, 0.0), (0.0, 0.0), True),
}


def test_the_formula_of_brown_and_conrady() -> None:
    x, y = np.array([0.3]), np.array([-0.2])
    k, p = (0.1, -0.05, 0.02, 0.03, 0.01, -0.02), (0.004, -0.003)
    r2 = 0.09 + 0.04
    radial = (1 + 0.1 * r2 - 0.05 * r2**2 + 0.02 * r2**3) / (1 + 0.03 * r2 + 0.01 * r2**2 - 0.02 * r2**3)
    seen = Lens(k, p).distort(x, y)
    assert seen[0][0] == pytest.approx(0.3 * radial + 2 * 0.004 * 0.3 * -0.2 - 0.003 * (r2 + 2 * 0.09))
    assert seen[1][0] == pytest.approx(-0.2 * radial + 0.004 * (r2 + 2 * 0.04) + 2 * -0.003 * 0.3 * -0.2)


def test_a_fisheye_counts_in_angles() -> None:
    x, _ = Lens((0.1, 0.0, 0.0, 0.0), fisheye=True).distort(np.array([1.0]), np.array([0.0]))
    theta = np.pi / 4
    assert x[0] == pytest.approx(theta * (1 + 0.1 * theta**2))


def test_beyond_where_a_lens_turns_back_there_is_nothing() -> None:
    x, _ = Lens((-0.5,)).distort(np.linspace(0.0, 1.5, 400), np.zeros(400))
    # r - r^3 / 2 grows up to r = sqrt(2 / 3).
    assert np.isnan(x[-1]) and np.isfinite(x[200]) and np.nanmax(x) == pytest.approx(0.544, abs=0.01)


@pytest.mark.parametrize("name", LENSES)
def test_a_distorted_capture_is_sound_and_its_images_straight(tmp_path: Path, name: str) -> None:
    """The truth is the hand painted through the lens; undone, it is the hand painted without."""
    capture = sound.make(tmp_path, lens=LENSES[name])
    found = find_problems(tmp_path)
    assert not found.problems and found.capture.frames[0].lens == replace(LENSES[name])
    off = []
    for frame in found.capture.frames:
        straight = sound.painted(frame.camera, capture.hand(frame))[..., 3] > 0.5
        for lens in (frame.lens, NO_LENS):
            image = found.capture.image(frame) if lens is frame.lens else capture.image(replace(frame, lens=lens))
            solid = image[..., 3] > 0.5
            off.append(np.count_nonzero(solid ^ straight) / np.count_nonzero(straight))
    undone, told = np.mean(off[::2]), np.mean(off[1::2])
    assert undone < 0.02 and told > 1.5 * undone, (undone, told)


@pytest.mark.parametrize("name", LENSES)
def test_a_lens_that_the_images_no_longer_have_is_not_believed(tmp_path: Path, name: str) -> None:
    capture = sound.make(tmp_path)
    write_capture(replace(capture, frames=tuple(replace(frame, lens=LENSES[name]) for frame in capture.frames)))
    found = find_problems(tmp_path)
    assert "undistorted already" in sound.said(found) and not found.capture.frames


def test_a_lens_and_a_mask_go_where_the_frame_goes(tmp_path: Path) -> None:
    lens = LENSES["barrel"]
    one, two = sound.make(tmp_path / "a", 2, lens=lens), sound.make(tmp_path / "b", 2)
    one = replace(one, frames=tuple(replace(frame, mask="m.png") for frame in one.frames))
    joined = join_captures([one, two])
    assert joined.frames[0].lens == lens and joined.mask_path(joined.frames[0]) == tmp_path / "a" / "m.png"
    assert joined.frames[-1].lens == NO_LENS and joined.mask_path(joined.frames[-1]) is None


def test_both_ways_of_telling_a_fisheye(tmp_path: Path) -> None:
    sound.make(tmp_path, lens=LENSES["fisheye"])
    found = sound.edit_frames(tmp_path, lambda e: (e.pop("camera_model"), e.update(is_fisheye=True)))
    assert not found.problems and found.capture.frames[0].lens.fisheye


def test_what_does_not_show_is_no_distortion() -> None:
    assert Lens((1e-7, -2e-7), (1e-8, 0.0)).is_straight and Lens().is_straight
    assert not Lens((1e-3,)).is_straight and not Lens(fisheye=True).is_straight
