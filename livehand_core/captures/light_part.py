"""The lights of a capture: read and written as part of its document, and held against its pictures."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..errors import CaptureError, LightError
from ..harmonics import spread_directions
from ..lights import WHITE, Light
from ..passes import srgb_to_linear
from .own_part import Found
from .transforms import Misread, number, text, whole

LIGHT_KEYS = frozenset({"kind", "harmonics", "lamps"})

MOST_STOPS = 30.0
"""Exposures beyond it are no camera's."""

UNUSUAL_STOPS = 2.5
"""How far from the usual of its capture a hand's brightness may be, for the light that is told."""


@dataclass(frozen=True)
class CaptureLight:
    """One light that pictures were taken in.

    Attributes:
        light: in the world of the cameras and poses.
        kind: what sort of light it is, such as ``"sun"``; figures are told apart by it. Free text, or empty.
    """

    light: Light
    kind: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain values, ready for JSON, numbers of six digits."""
        document = _short(self.light.to_json())
        return {"kind": self.kind, **document} if self.kind else dict(document)


def read_lights(extra: Mapping[str, Any]) -> tuple[tuple[CaptureLight, ...], dict[int, str]]:
    """The lights of a part ``livehand``, and what is wrong with those that cannot be meant, by number.

    A light that cannot be meant keeps its number, and is dark.

    Raises:
        Misread: they are no list.
    """
    entries = extra.get("lights")
    if entries is None:
        return (), {}
    if not isinstance(entries, list):
        raise Misread(f"lights is {type(entries).__name__}, which is no list")
    lights, wrong = [], {}
    for count, entry in enumerate(entries):
        try:
            found = _read_light(entry)
            if found.light.is_dark:
                wrong[count] = "it is dark: nothing shines"
        except (LightError, Misread) as error:
            wrong[count] = error.message.rstrip(".") if isinstance(error, LightError) else str(error)
            found = CaptureLight(Light())
        lights.append(found)
    return tuple(lights), wrong


def light_of_frame(entry: Mapping[str, Any], lights: int, wrong: Mapping[int, str]) -> int | None:
    """Which of so many lights a frame was taken in; the only one where it does not tell.

    Raises:
        Misread: it does not tell which of several, or there is none of that number, or that one cannot be used.
    """
    if entry.get("light") is None:
        if lights > 1:
            raise Misread(f"lacks 'light', and the capture tells of {lights} lights")
        return 0 if lights else None
    which = whole(entry, "light")
    if not 0 <= which < lights:
        raise Misread(f"light {which} of {lights} lights")
    if which in wrong:
        raise Misread(f"its light {which} cannot be used")
    return which


def exposure_of_frame(entry: Mapping[str, Any]) -> float:
    """Stops by which a picture was exposed. Raises Misread when they are no camera's."""
    stops = number(entry, "exposure", 0.0)
    if abs(stops) > MOST_STOPS:
        raise Misread(f"exposure is {stops:g} stops")
    return stops


def held_out_lights(path: Path, extra: Mapping[str, Any], lights: int) -> tuple[frozenset[int], list[Found]]:
    """Numbers of the lights that are kept for evaluation, and those of them that do not exist.

    Raises:
        CaptureError: they are no list of numbers.
    """
    values = extra.get("held_out_lights") or []
    try:
        if not isinstance(values, list):
            raise Misread(f"held_out_lights is {values!r}, which is no list")
        chosen = frozenset(whole({"held_out_lights": light}, "held_out_lights") for light in values)
    except Misread as error:
        raise CaptureError(f"{path} does not say what is held out: {error}.", "Write the capture again.") from error
    strange = sorted(light for light in chosen if not 0 <= light < lights)
    return chosen, [("held_out_lights", f"light {light} of {lights} lights") for light in strange]


def lights_line(lights: Sequence[CaptureLight], held_out: Collection[int]) -> str:
    """How many lights of each kind there are, in a sentence."""
    kinds = Counter(light.kind or "of no kind" for light in lights)
    listed = ", ".join(f"{kinds[kind]} {kind}" for kind in sorted(kinds))
    return f"{len(lights)} lights ({listed}), {len(held_out)} of them held out"


class Brightness(NamedTuple):
    """How bright a hand is for its light, in stops: against the mean of what skin that faces the camera can receive,
    against the most (which makes it the least bright), and against the least.

    The palm of a hand before a low sun may face it where a ball hardly does."""

    mean: float
    least: float
    most: float


def brightness_of_hand(
    pixels: np.ndarray, light: Light, point: np.ndarray, eye: np.ndarray, exposure: float
) -> Brightness | None:
    """How bright a hand is for its light; None where nothing can be said, as of a black picture.

    Args:
        pixels: (n, 3) display-referred sRGB of the hand.
        light: that it was taken in.
        point: (3,) where the hand is.
        eye: (3,) where the camera is.
        exposure: stops.
    """
    if not len(pixels) or light.is_dark:
        return None
    shown = float(srgb_to_linear(pixels).mean(axis=0) @ WHITE) * 2.0**-exposure
    facing = np.maximum(_NORMALS @ (eye - point), 0.0)
    received = light.irradiance(point, _NORMALS) @ WHITE / math.pi
    given = float(facing @ received) / float(facing.sum())
    if shown <= 1e-6 * 2.0**-exposure or given <= 0.0:
        return None
    seen = received[facing > 0.0]
    ends = (math.log2(shown / max(float(end), 1e-9 * given)) for end in (seen.max(), seen.min()))
    return Brightness(math.log2(shown / given), *ends)


def unusual_brightness(hands: Sequence[Brightness | None]) -> dict[int, str]:
    """Pictures whose hand is far brighter or darker than the others' for its light, whichever way it may be turned,
    and what is to be said of them."""
    known = [hand.mean for hand in hands if hand is not None]
    if len(known) < 3:
        return {}
    usual = float(np.median(known))
    return {
        place: f"the hand is {2.0 ** abs(hand.mean - usual):.0f} times {'darker' if hand.mean < usual else 'brighter'} "
        "than light and exposure make the others: one of the two is mistaken"
        for place, hand in enumerate(hands)
        if hand is not None and (hand.least > usual + UNUSUAL_STOPS or hand.most < usual - UNUSUAL_STOPS)
    }


def level(light: Light, point: np.ndarray) -> float:
    """Luminance of a white ball at ``point`` (3,): root mean square of its radiance, without shadows."""
    shown = light.irradiance(point, _NORMALS) @ WHITE / math.pi
    return float(np.sqrt(np.mean(shown**2)))


def _read_light(entry: Any) -> CaptureLight:
    if not isinstance(entry, dict):
        raise Misread("it is no object")
    strange = sorted(entry.keys() - LIGHT_KEYS)
    if strange:
        raise Misread(f"the key {strange[0]!r} is unknown")
    light = Light.from_json({key: value for key, value in entry.items() if key != "kind"})
    return CaptureLight(light, text(entry, "kind", ""))


def _short(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _short(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_short(part) for part in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


_NORMALS = spread_directions(64)
