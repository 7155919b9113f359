"""Lists of frames as people write them, and parts of them for several machines. Standard library only."""

from __future__ import annotations

import argparse
import re

_PART = re.compile(r"(-?\d+)(?:-(-?\d+)(?:x(\d+))?)?")


def parse_frames(text: str) -> list[int]:
    """``"1-10,15,20-40x2"`` -> frame numbers in the order given, each once.

    Raises:
        argparse.ArgumentTypeError: a part that is no number or range, a range that runs backwards, a step of 0.
    """
    frames: dict[int, None] = {}
    for part in text.split(","):
        match = _PART.fullmatch(part.strip())
        if match is None:
            raise argparse.ArgumentTypeError(f"{part.strip()!r} is not a frame or range; write 7, 1-10 or 20-40x2")
        first = int(match[1])
        last = int(match[2]) if match[2] is not None else first
        step = int(match[3]) if match[3] is not None else 1
        if last < first or step < 1:
            raise argparse.ArgumentTypeError(
                f"{part.strip()!r} holds no frames; write the lower number first, and a step of 1 or more"
            )
        frames.update(dict.fromkeys(range(first, last + 1, step)))
    return list(frames)


def parse_chunk(text: str) -> tuple[int, int]:
    """``"2/8"`` -> (2, 8).

    Raises:
        argparse.ArgumentTypeError: not of the form i/n with 1 <= i <= n.
    """
    match = re.fullmatch(r"(\d+)/(\d+)", text.strip())
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise argparse.ArgumentTypeError(f"{text!r} is not a chunk; write 1/8 for the first of eight")
    return int(match[1]), int(match[2])


def chunk_of(frames: list[int], index: int, count: int) -> list[int]:
    """The ``index``-th (from 1) of ``count`` runs of neighbouring frames whose lengths differ by one at most."""
    return frames[(index - 1) * len(frames) // count : index * len(frames) // count]
