"""The skin of the built-in hand: stored planes of pigment and height, and the colours that a look gives them.

The planes are the same for everyone and lie in the proxy's texture coordinates; ``tools/build_hand.py`` makes them.
Colours follow Beer and Lambert's law: what skin reflects falls exponentially with the melanin and the blood in it.
NumPy only.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from ..errors import HandModelError
from ..files import ARCHIVE_ERRORS
from ..passes import linear_to_srgb
from .builtin import ASSETS
from .looks import HandLook

MAPS_FILE = "hand_maps.npz"
MAP_SIZE = 2048
"""Texels a side: 0.21 to 0.24 mm each on the hand."""

PLANES: dict[str, tuple[float, float]] = {
    "fine": (-0.64, 0.64),
    "dorsal": (-0.64, 0.64),
    "palmar": (-1.0, 0.28),
    "blood": (0.0, 3.0),
    "melanin": (0.0, 2.0),
    "spots": (0.0, 1.0),
    "age": (0.0, 1.0),
    "vein": (0.0, 1.0),
    "palm": (0.0, 1.0),
    "nail": (0.0, 1.0),
    "free": (0.0, 1.0),
    "moon": (0.0, 1.0),
    "cuticle": (0.0, 1.0),
}
"""Names of the planes and the values that 0 and 255 stand for.

Heights in millimetres: ``fine`` is always there, ``dorsal`` are the folds over the knuckles (a bent joint smooths
them), ``palmar`` the creases of the palm side (a bent joint deepens them). ``blood`` and ``melanin`` are relative to
their mean; the others are shares. ``spots`` are freckles, ``age`` the fewer and larger spots of old hands."""

PALM_FADES = 0.80
"""How much of the back's melanin the palm has not."""

_CLEAR = np.array([0.870, 0.720, 0.600])
_MELANIN = np.array([0.270, 0.480, 0.760])
_BLOOD = np.array([0.085, 0.440, 0.410])
_VEIN = np.array([0.240, 0.060, 0.000])
_CREASE = np.array([0.360, 0.900, 1.050])
_NAIL = np.array([0.680, 0.430, 0.365])
_MOON = np.array([0.740, 0.550, 0.490])
_FREE = np.array([0.770, 0.680, 0.560])
"""Linear reflectance without pigment, and optical depths of one unit of each pigment, in red, green and blue."""


@dataclass(frozen=True)
class SkinImages:
    """What a renderer needs, rows from the bottom (v = 0).

    Attributes:
        colour: (size, size, 4) float32 display-referred sRGB; the fourth channel is the nail's share.
        surface: (size, size, 4) float32 heights ``fine``, ``dorsal``, ``palmar`` scaled to [0, 1] as in ``PLANES``,
            then roughness.
    """

    colour: np.ndarray
    surface: np.ndarray


def encode(name: str, values: np.ndarray) -> np.ndarray:
    """uint8 of a plane's values; what is beyond its range is clipped."""
    low, high = PLANES[name]
    return np.round(255.0 * np.clip((values - low) / (high - low), 0.0, 1.0)).astype(np.uint8)


def decode(name: str, stored: np.ndarray) -> np.ndarray:
    """float32 values of a stored plane."""
    low, high = PLANES[name]
    return (stored * np.float32((high - low) / 255.0) + np.float32(low)).astype(np.float32)


def write_planes(path: Path, planes: dict[str, np.ndarray]) -> None:
    """Store (size, size) uint8 planes, rows from the top: each as differences along its rows, which pack small."""
    rows = {name: np.diff(plane, axis=1, prepend=np.uint8(0)) for name, plane in planes.items()}
    with path.open("wb") as file:
        np.savez_compressed(file, **rows)


@cache
def stored_planes(folder: Path = ASSETS) -> dict[str, np.ndarray]:
    """The planes by name, (size, size) uint8, rows from the top (v = 1). Shared: do not write to them.

    Raises:
        HandModelError: the asset is missing or damaged.
    """
    path = folder / MAPS_FILE
    try:
        with np.load(path, allow_pickle=False) as archive:
            planes = {name: np.cumsum(archive[name], axis=1, dtype=np.uint8) for name in PLANES}
    except ARCHIVE_ERRORS as error:
        raise HandModelError(
            f"The built-in hand's skin {path} cannot be read ({error}).",
            "Install LiveHand again, or run tools/build_hand.py from a source checkout.",
        ) from error
    for plane in planes.values():
        plane.flags.writeable = False
    return planes


def reflectance(layers: dict[str, np.ndarray], look: HandLook) -> np.ndarray:
    """(..., 3) float32 linear colour of skin and nails.

    Args:
        layers: values of the ``PLANES``, all of one shape.
        look: whose skin it is.
    """
    palm = np.clip(layers["palm"], 0.0, 1.0)
    # Dark skin is darker everywhere, but not as much more mottled.
    even = 1.0 - PALM_FADES * palm
    melanin = look.melanin * even + look.melanin**0.35 * (layers["melanin"] - even)
    melanin = melanin + palm * 0.20 * look.melanin**0.8
    melanin = melanin + look.spots * layers["spots"] * (0.5 + 0.5 * look.melanin)
    melanin = melanin + look.age_spots * layers["age"]
    blood = look.blood * layers["blood"] * (0.80 + 0.26 * palm) + 0.25 * look.veins * layers["vein"]
    cavity = 1.2 * np.clip(-layers["fine"] - 0.01, 0.0, 0.35) * (1.0 - layers["nail"])
    cavity = cavity + look.wrinkles * (0.90 * np.clip(-layers["palmar"], 0.0, 0.8))
    cavity = cavity + look.wrinkles * 0.80 * np.clip(-layers["dorsal"], 0.0, 0.6)
    cavity = (cavity + 0.07 * layers["cuticle"]) * (0.75 + 0.25 * look.melanin)
    depth = (
        melanin[..., None] * _MELANIN
        + blood[..., None] * _BLOOD
        + (look.veins * layers["vein"])[..., None] * _VEIN
        + cavity[..., None] * _CREASE
        + (palm * 0.03)[..., None] * np.array([0.0, 0.0, 4.0])
    )
    colour = _CLEAR * np.exp(-depth)
    shade = np.exp(-0.10 * look.melanin**1.6 * _MELANIN - 0.12 * look.blood * _BLOOD)
    quick = np.exp(-0.22 * np.clip(layers["blood"] - 0.6, 0.0, 2.0)[..., None] * _BLOOD)
    plate = _NAIL * shade * quick
    plate = plate + (_MOON * shade - plate) * (0.75 * layers["moon"])[..., None]
    plate = plate + (_FREE * shade - plate) * (0.9 * layers["free"])[..., None]
    return (colour + (plate - colour) * layers["nail"][..., None]).astype(np.float32)


def roughness(layers: dict[str, np.ndarray], look: HandLook) -> np.ndarray:
    """(...) float32 0 to 1: nails shine, the palm is dull, furrows more so, and oil lies on knuckles and back."""
    palm = np.clip(layers["palm"], 0.0, 1.0)
    rough = 0.50 + 0.07 * palm - 0.05 * (layers["blood"] - 1.0) * (1.0 - palm)
    rough = rough + 0.35 * np.clip(-layers["fine"], 0.0, 0.2) + 0.2 * np.clip(-layers["palmar"], 0.0, 0.5)
    rough = rough + look.dryness * 0.12
    nail = layers["nail"]
    return (rough + (0.35 + 0.08 * layers["free"] - rough) * nail).astype(np.float32)


def skin_images(look: HandLook, folder: Path = ASSETS) -> SkinImages:
    """The skin of a look as images in the proxy's texture coordinates.

    Raises:
        HandModelError: the asset is missing or damaged.
    """
    planes = {name: plane[::-1] for name, plane in stored_planes(folder).items()}
    # Most texels lie beside the charts and are all the same: one of them stands for the others.
    used = (planes["blood"] > 0) | (planes["melanin"] > 0)
    used[0, 0] = True
    layers = {name: decode(name, plane[used]) for name, plane in planes.items()}
    shared = [planes[name][used].astype(np.float32) / 255.0 for name in ("fine", "dorsal", "palmar")]
    texels = (
        np.concatenate([linear_to_srgb(np.clip(reflectance(layers, look), 0.0, 1.0)), layers["nail"][:, None]], axis=1),
        np.stack([*shared, roughness(layers, look)], axis=1),
    )
    images = []
    for values in texels:
        image = np.empty((*used.shape, 4), dtype=np.float32)
        image[:] = values[0]
        image[used] = values
        images.append(image)
    return SkinImages(*images)
