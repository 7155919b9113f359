"""The pictures of a capture: 8 bit RGBA PNG with straight alpha on disk, premultiplied over black in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np

from ..errors import CaptureError
from ..files import atomic_path

if TYPE_CHECKING:
    from PIL.Image import Image


@contextmanager
def open_rgba(path: str | PathLike[str]) -> Iterator[Image]:
    """An image with alpha of which only the header is read yet; what is done with it inside may read the rest.

    Raises:
        CaptureError: the file is not there, is not an image, has no alpha channel, or is damaged.
    """
    from PIL import Image as library

    try:
        with library.open(path) as image:
            if "A" not in image.getbands():
                raise CaptureError(
                    f"{path} has no alpha channel.", "Save captures as RGBA, alpha being the hand's mask."
                )
            yield image
    except (OSError, SyntaxError, ValueError, library.DecompressionBombError) as error:
        raise CaptureError(f"{path} cannot be read as an image ({error}).", "Capture this image again.") from error


def read_rgba8(path: str | PathLike[str]) -> np.ndarray:
    """(H, W, 4) uint8 sRGB with straight alpha, rows from the top.

    Raises:
        CaptureError: the file is not there, is not an image, or has no alpha channel.
    """
    with open_rgba(path) as image:
        return np.asarray(image.convert("RGBA"))


def premultiply(rgba8: np.ndarray) -> np.ndarray:
    """(..., 4) uint8 straight -> (..., 4) float32 display-referred sRGB in [0, 1], premultiplied after encoding."""
    values = rgba8.astype(np.float32) / 255.0
    values[..., :3] *= values[..., 3:]
    return values


def read_image(path: str | PathLike[str]) -> np.ndarray:
    """(H, W, 4) float32 sRGB premultiplied over black. Raises CaptureError as :func:`read_rgba8`."""
    return premultiply(read_rgba8(path))


def write_image(path: str | PathLike[str], image: np.ndarray, premultiplied: bool = True) -> None:
    """Write (H, W, 3 or 4) values in [0, 1], sRGB, as 8 bit PNG; four channels are stored with straight alpha.

    Raises:
        LiveHandError: the disk is full or the folder cannot be written.
    """
    from PIL import Image

    values = np.asarray(image, dtype=np.float32)
    if values.shape[-1] == 4 and premultiplied:
        colour = values[..., :3] / np.maximum(values[..., 3:], 1e-4)
        values = np.concatenate([colour, values[..., 3:]], axis=-1)
    with atomic_path(path) as temporary:
        Image.fromarray(np.rint(np.clip(values, 0.0, 1.0) * 255.0).astype(np.uint8)).save(temporary)


def mask_box(mask: np.ndarray) -> tuple[int, int, int, int]:
    """(x0, y0, x1, y1), ends excluded, of the true pixels of an (H, W) mask; all zero when there are none."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if len(rows) == 0:
        return 0, 0, 0, 0
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
