"""The comparison with Cycles: which settings are tried, which one counts, and the table in a document."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from cycles_table import BEGIN, END, Comparison, Found, cycles_name, markdown, put_into, search, verdict

FACTS = {"frames": 3, "size": "512 x 334", "machine": "a machine", "blender": "4.5", "reference_samples": 64}


def rendered(samples: int, denoiser: str) -> Found:
    """Quality grows with samples; the denoiser gives 12 or 14 dB and takes its time."""
    gain = {"OFF": 0.0, "FAST": 12.0, "HIGH": 14.0}[denoiser]
    seconds = 1.0 + 0.1 * samples + {"OFF": 0.0, "FAST": 0.2, "HIGH": 0.9}[denoiser]
    psnr = 15.0 + 3.0 * samples.bit_length() + gain
    return Found(cycles_name(samples, denoiser), (seconds, seconds, 9.0), psnr, psnr + 6.0, samples, denoiser)


def compared(ours: float, most: int = 64) -> Comparison:
    avatar = Found("the avatar", (0.1, 0.1, 0.3), ours, ours + 6.0)
    return Comparison(avatar, (0.08, 0.08), tuple(search(ours, most, rendered)), 44.0, FACTS)


def test_samples_double_until_each_denoiser_is_good_enough() -> None:
    tried = [(found.samples, found.denoiser) for found in compared(32.0).cycles]
    off = [(2**power, "OFF") for power in range(6)]
    assert tried == [*off, (1, "FAST"), (2, "FAST"), (1, "HIGH")]
    assert compared(32.0, most=4).cycles[2].samples == 4 and len(compared(32.0, most=4).cycles) == 6


def test_the_cheapest_that_is_good_enough_counts() -> None:
    comparison = compared(32.0)
    assert comparison.equal is not None and comparison.equal.name == "Cycles, 2 samples, denoiser, fast"
    assert comparison.ratio == pytest.approx(1.4 / 0.1)
    assert "14.0 times less" in verdict(comparison)


def test_no_setting_is_good_enough() -> None:
    comparison = replace(compared(99.0, most=2), noise=120.0)
    assert comparison.equal is None and comparison.ratio is None
    assert "No setting of Cycles up to 2 samples" in markdown(comparison)


def test_markdown_marks_what_is_compared() -> None:
    lines = markdown(compared(32.0)).splitlines()
    assert lines[2] == "| **the avatar** | 0.100 | 32.00 | 38.00 |"
    assert [line for line in lines if "**" in line][1].startswith("| **Cycles, 2 samples, denoiser, fast** | 1.400 |")
    assert len({line.count("|") for line in lines if line.startswith("|")}) == 1


def test_a_noisy_reference_is_told() -> None:
    noisy = compared(39.0)
    assert "too noisy" in markdown(noisy) and "times less" not in markdown(noisy)
    assert not noisy.clear and noisy.equal is None and noisy.ratio is None
    assert "too noisy" not in markdown(compared(32.0)) and compared(32.0).clear


def test_the_table_goes_between_its_marks(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    put_into(path, "new")
    assert path.read_text() == f"before\n{BEGIN}\nnew\n{END}\nafter\n"
    path.write_text("nothing")
    with pytest.raises(ValueError, match="lacks the marks"):
        put_into(path, "new")
