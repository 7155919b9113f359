"""The hand's one shape, by landmarks and outlines together: from some moments of the clip, before all are prepared."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...documents import Reader
from ...errors import LiveHandError
from ...files import atomic_path
from ...hand.library import find_hand
from ..masks import Posed
from ..prepare import Picture, Settings, digest, read_view, refine_by
from ..source import Instant

MOMENTS = 8
"""From which the shape is found; each tells all of it."""

ROUNDS = 2
"""Masks follow the fit, and the fit the masks."""


SHAPE = Reader("The shape that was found")


def kept_shape(
    path: Path,
    instants: Sequence[Instant],
    settings: Settings,
    tell: Callable[[int, int], None],
    check: Callable[[], None],
) -> np.ndarray:
    """As ``refine_shape``, which is asked where the file has not what it said of the same instants.

    Raises:
        LiveHandError: the file cannot be written.
    """
    key = [digest(instant, settings) for instant in instants]
    try:
        known = SHAPE.json(path) if path.is_file() else {}
        if known.get("key") == key:
            return np.array(known["betas"], dtype=np.float64)
    except (LiveHandError, AttributeError, LookupError, TypeError, ValueError):
        # Found anew below.
        pass
    betas = refine_shape(instants, settings, tell, check)
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps({"key": key, "betas": betas.tolist()}), encoding="utf-8")
    return betas


def refine_shape(
    instants: Sequence[Instant], settings: Settings, tell: Callable[[int, int], None], check: Callable[[], None]
) -> np.ndarray:
    """(10,) betas: the median of those that fit the outlines of moments from all over the clip.

    Args:
        instants: whose frames lie on the disk.
        tell: called with the count of what is done, and of all.
        check: raises where the run is to end.
    """
    count = min(MOMENTS, len(instants))
    some = [instants[(2 * k + 1) * len(instants) // (2 * count)] for k in range(count)]
    shapes = []
    for number, instant in enumerate(some):
        check()
        tell(number, count)
        data, hand = find_hand(settings.hand_model, instant.hand.side), instant.hand
        pictures = [one for view in instant.views if isinstance(one := read_view(view, settings), Picture)]
        if len(pictures) < settings.views_to_refine:
            continue
        for _ in range(ROUNDS):
            posed = Posed.of(data, hand)
            hand = refine_by(data, hand, pictures, [one.mask(posed, ()) for one in pictures], True).hand
        shapes.append(hand.betas)
    tell(count, count)
    return np.median(shapes, axis=0) if shapes else instants[0].hand.betas


def reshaped(instant: Instant, betas: np.ndarray, hand_model: str) -> Instant:
    """An instant whose hand has another shape; its wrist stays where it is."""
    data = find_hand(hand_model, instant.hand.side)
    moved = data.rest_joints(instant.hand.betas)[0] - data.rest_joints(betas)[0]
    return replace(instant, hand=replace(instant.hand, betas=betas, transl=instant.hand.transl + moved))
