"""What a comparison with Cycles found: the settings that were tried, the one that counts, and the table in Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- compare_with_cycles begin -->", "<!-- compare_with_cycles end -->"
"""Around the table in a Markdown file."""

DENOISERS = ("OFF", "FAST", "HIGH")
"""Without, and by OpenImageDenoise's quick and its best network."""

CLEAR = 6.0
"""dB by which the reference's noise must lie below the avatar's error: a quarter of it."""

_NAMES = {"OFF": "no denoiser", "FAST": "denoiser, fast", "HIGH": "denoiser, high"}


@dataclass(frozen=True)
class Found:
    """One way of making the frames.

    Attributes:
        name: for people.
        seconds: of each frame, two or more (one where only one was made).
        hand_box, full_image: mean PSNR in dB against the reference.
        samples: paths a pixel; 0 for the avatar.
        denoiser: out of ``DENOISERS``; empty for the avatar.
    """

    name: str
    seconds: tuple[float, ...]
    hand_box: float
    full_image: float
    samples: int = 0
    denoiser: str = ""

    @property
    def median(self) -> float:
        """Seconds of a frame."""
        return statistics.median(self.seconds)


@dataclass(frozen=True)
class Comparison:
    """All of one run.

    Attributes:
        ours: by the avatar.
        engine_seconds: of each frame, the part of it in the engine process.
        cycles: what was tried, in the order of trying.
        noise: PSNR in dB by which the reference itself is uncertain within the hand's box.
        facts: machine, versions, sizes, for the text under the table.
    """

    ours: Found
    engine_seconds: tuple[float, ...]
    cycles: tuple[Found, ...]
    noise: float
    facts: dict[str, Any]

    @property
    def clear(self) -> bool:
        """Whether the reference is good enough to tell the avatar's error from its own noise."""
        return self.noise >= self.ours.hand_box + CLEAR

    @property
    def equal(self) -> Found | None:
        """The cheapest of Cycles' settings that comes at least as near to the reference as the avatar, if any does.

        None as well where the reference is too noisy to tell.
        """
        if not self.clear:
            return None
        reached = [found for found in self.cycles if found.hand_box >= self.ours.hand_box]
        return min(reached, key=lambda found: found.median, default=None)

    @property
    def ratio(self) -> float | None:
        """How many times faster the avatar is than :attr:`equal`."""
        return None if self.equal is None else self.equal.median / self.ours.median


def search(ours: float, most: int, attempt: Callable[[int, str], Found]) -> Iterator[Found]:
    """Cycles' settings from cheap to dear, of each denoiser until one reaches ``ours``.

    Args:
        ours: PSNR in dB to reach.
        most: largest number of samples.
        attempt: renders with (samples, denoiser).
    """
    for denoiser in DENOISERS:
        samples = 1
        while samples <= most:
            found = attempt(samples, denoiser)
            yield found
            if found.hand_box >= ours:
                break
            samples *= 2


def cycles_name(samples: int, denoiser: str) -> str:
    """``"Cycles, 8 samples, no denoiser"``."""
    return f"Cycles, {samples} sample{'' if samples == 1 else 's'}, {_NAMES[denoiser]}"


def markdown(comparison: Comparison) -> str:
    """The table and what it says, ready for a document."""
    lines = ["| | seconds a frame (median) | PSNR hand box, dB | PSNR full image, dB |", "|---|---|---|---|"]
    for found in (comparison.ours, *comparison.cycles):
        mark = "**" if found in (comparison.ours, comparison.equal) else ""
        values = f"{found.median:.3f} | {found.hand_box:.2f} | {found.full_image:.2f}"
        lines.append(f"| {mark}{found.name}{mark} | {values} |")
    facts = comparison.facts
    lines += [
        "",
        f"{facts['frames']} frames of {facts['size']}; {facts['machine']}; Blender {facts['blender']}. Reference: "
        f"Cycles, {facts['reference_samples']} samples not denoised; its own noise is {comparison.noise:.1f} dB. Of "
        f"the avatar's time {statistics.median(comparison.engine_seconds):.3f} s are the engine's.",
        verdict(comparison),
    ]
    return "\n".join(lines)


def verdict(comparison: Comparison) -> str:
    """What came out, one sentence."""
    if not comparison.clear:
        return "The reference is too noisy to tell which setting is as good: more --reference-samples are needed."
    equal, ratio = comparison.equal, comparison.ratio
    if equal is None or ratio is None:
        most = max(found.samples for found in comparison.cycles)
        return f"No setting of Cycles up to {most} samples came as near to the reference as the avatar."
    return (
        f"{equal.name} comes as near to the reference as the avatar; the avatar's frames take {ratio:.1f} times less."
    )


def put_into(path: Path, text: str) -> None:
    """Replace what a Markdown file has between the two marks. Raises ValueError when it lacks them."""
    document = path.read_text(encoding="utf-8")
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path} lacks the marks {BEGIN} and {END}")
    path.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")
