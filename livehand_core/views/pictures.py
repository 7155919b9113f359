"""A frame's passes as picture files: colour over a background, depth, normals and the like. NumPy and Pillow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from ..errors import LiveHandError
from ..files import atomic_path

DEPTH_STEP = 1e-4
"""Metres that one step of a depth picture stands for; 0 is nothing, 65535 is 6.5535 m or more."""

DISTANCE_RANGE = 0.02
"""Metres of signed distance that a uvd picture shows to both sides of the middle grey."""

TRANSPARENT = "transparent"

Background = tuple[float, float, float] | None
"""sRGB in [0, 1], or None for a transparent one."""


def read_background(text: str) -> Background:
    """``"transparent"``, a colour's name, or ``"#rrggbb"``.

    Raises:
        LiveHandError: it is not a colour.
    """
    from PIL import ImageColor

    if text == TRANSPARENT:
        return None
    try:
        red, green, blue = ImageColor.getrgb(text)[:3]
    except ValueError as error:
        raise LiveHandError(
            f"The background {text!r} is not a colour.", "Give transparent, a name such as white, or #rrggbb."
        ) from error
    return red / 255.0, green / 255.0, blue / 255.0


def over(rgba: np.ndarray, background: Background) -> np.ndarray:
    """Display-referred premultiplied (H, W, 4) -> 8 bit (H, W, 3) over the background, or (H, W, 4), alpha straight.

    Colours are mixed as they are displayed, which is how viewers and browsers lay pictures over each other.
    """
    alpha = rgba[..., 3:]
    if background is None:
        colour = rgba[..., :3] / np.maximum(alpha, 1e-4)
        return _bytes(np.concatenate([colour, alpha], axis=-1))
    return _bytes(rgba[..., :3] + (1.0 - alpha) * np.asarray(background, np.float32))


def _bytes(values: np.ndarray) -> np.ndarray:
    return np.asarray(np.rint(np.clip(values, 0.0, 1.0) * 255.0), np.uint8)


def _depth(depth: np.ndarray) -> np.ndarray:
    seen = np.isfinite(depth[..., 0])
    steps = np.rint(np.where(seen, depth[..., 0], 0.0) / DEPTH_STEP)
    return np.where(seen, np.clip(steps, 1, 65535), 0).astype(np.uint16)


def _normal(normal: np.ndarray) -> np.ndarray:
    return _bytes(np.where(normal.any(axis=-1, keepdims=True), 0.5 + 0.5 * normal, 0.0))


def _uvd(uvd: np.ndarray) -> np.ndarray:
    shifted = np.concatenate([uvd[..., :2], 0.5 + 0.5 * uvd[..., 2:] / DISTANCE_RANGE], axis=-1)
    return _bytes(np.where(uvd.any(axis=-1, keepdims=True), shifted, 0.0))


def _mask(mask: np.ndarray) -> np.ndarray:
    return mask[..., 0].astype(np.uint8)


PASS_PICTURES: Mapping[str, tuple[Callable[[np.ndarray], np.ndarray], str]] = {
    "depth": (_depth, f"16 bit grey, {DEPTH_STEP * 1e3:g} mm a step, 0 where nothing is"),
    "normal": (_normal, "world-space x, y, z of -1 to 1 as red, green, blue"),
    "uvd": (_uvd, f"u, v as red and green; d of -{DISTANCE_RANGE * 1e3:g} to {DISTANCE_RANGE * 1e3:g} mm as blue"),
    "mask": (_mask, "the front-most hand's number as grey value"),
    "rgba_low": (lambda rgba: over(rgba, None), "before super-resolution"),
}
"""Pass -> how it becomes a picture, and what the picture means."""


def save_png(path: Path, picture: np.ndarray) -> None:
    """Write an 8 bit (H, W, 3 or 4), 8 bit (H, W) or 16 bit (H, W) picture, under a temporary name first.

    Raises:
        LiveHandError: the disk is full or the folder cannot be written.
    """
    from PIL import Image

    with atomic_path(path) as temporary:
        Image.fromarray(picture).save(temporary)


def load_png(path: Path) -> np.ndarray:
    """An 8 bit picture as it was saved.

    Raises:
        LiveHandError: it is not there or damaged.
    """
    from PIL import Image

    try:
        with Image.open(path) as image:
            return np.asarray(image)
    except (OSError, SyntaxError, ValueError) as error:
        raise LiveHandError(f"The frame {path} cannot be read ({error}).", "Delete it and render again.") from error


def fitted(picture: np.ndarray, height: int, width: int, background: Background) -> np.ndarray:
    """An 8 bit (h, w, C) picture in the upper left corner of a (height, width, C) one."""
    channels = picture.shape[2]
    ground = np.zeros(channels) if background is None else np.append(background, 1.0)[:channels]
    canvas = np.full((height, width, channels), _bytes(ground), np.uint8)
    canvas[: picture.shape[0], : picture.shape[1]] = picture
    return canvas


def arranged(pictures: Sequence[np.ndarray], columns: int, background: Background) -> np.ndarray:
    """8 bit (h, w, C) pictures in rows of ``columns``, all cells as large as the largest."""
    height = max(picture.shape[0] for picture in pictures)
    width = max(picture.shape[1] for picture in pictures)
    cells = [fitted(picture, height, width, background) for picture in pictures]
    blank = fitted(np.zeros((0, 0, pictures[0].shape[2]), np.uint8), height, width, background)
    cells += [blank] * (-len(cells) % columns)
    return np.concatenate(
        [np.concatenate(cells[first : first + columns], axis=1) for first in range(0, len(cells), columns)]
    )
