"""The pictures of a capture: RGBA with straight alpha on disk, or a picture and its mask; premultiplied in memory.

Pictures are read as every viewer shows them: turned as their EXIF orientation says, palettes and transparent colours
resolved, 16 bits reduced to 8.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import CaptureError
from ..files import atomic_path

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")
"""What a file may be called when its suffix was left out."""

ORIENTATION = 0x0112
LYING = {5, 6, 7, 8}
"""EXIF orientations that swap width and height."""

DAMAGE = (OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, OverflowError, MemoryError, struct.error)
"""What Pillow raises on a file that is missing, damaged or foreign."""

_Path = str | PathLike[str]


@contextmanager
def open_picture(path: _Path) -> Iterator[Image]:
    """A picture of which only the header is read yet; what is done with it inside may read the rest.

    Raises:
        CaptureError: the file is not there, is not an image, or is damaged.
    """
    from PIL import Image as library

    try:
        # A pipe would be waited for, and a folder's error says little.
        if not Path(path).is_file():
            raise CaptureError(f"{path} is missing, or is not a file.", "Capture this image again.")
        with library.open(path) as image:
            yield image
    except (*DAMAGE, library.DecompressionBombError) as error:
        raise CaptureError(
            f"{path} cannot be read as an image ({str(error) or type(error).__name__}).", "Capture this image again."
        ) from error


def upright_size(path: _Path) -> tuple[int, int]:
    """Width and height as it is shown; only the header is read. Raises CaptureError as :func:`open_picture`."""
    with open_picture(path) as image:
        width, height = image.size
        return (height, width) if image.getexif().get(ORIENTATION) in LYING else (width, height)


def open_rgba(path: _Path, mask: _Path | None = None) -> Image:
    """A picture as 8 bit RGBA with straight alpha, upright.

    Args:
        path: of the picture.
        mask: of another one that says where the hand is; the picture's own alpha, if it has any, counts as well.

    Raises:
        CaptureError: a file is not there, is not an image, is damaged or of another size, or there is no alpha.
    """
    from PIL import ImageChops

    with open_picture(path) as opened:
        if mask is None and not opened.has_transparency_data:
            raise CaptureError(
                f"{path} has no alpha channel.",
                "Save images as RGBA with the hand's mask as alpha, or name a mask in mask_path.",
            )
        picture = _rgba(opened)
    if mask is not None:
        told = open_mask(mask)
        if told.size != picture.size:
            raise CaptureError(
                f"{mask} is {told.width} x {told.height} pixels, its image {picture.width} x {picture.height}.",
                "Save masks in the size of their images.",
            )
        picture.putalpha(ImageChops.multiply(picture.getchannel("A"), told))
    return picture


def open_mask(path: _Path) -> Image:
    """A mask as 8 bit grey, upright, 255 being the hand: its alpha where that tells, or else its brightest channel.

    Raises:
        CaptureError: as :func:`open_picture`.
    """
    from PIL import Image as library
    from PIL import ImageChops

    with open_picture(path) as opened:
        picture = _rgba(opened)
    red, green, blue, alpha = picture.split()
    if alpha.getextrema()[0] == 255:
        return ImageChops.lighter(red, ImageChops.lighter(green, blue))
    # A mask that is drawn and cut out at once.
    drawn = ImageChops.lighter(red, ImageChops.lighter(green, blue))
    return alpha if drawn.getextrema()[1] == 0 else library.fromarray(np.minimum(np.asarray(alpha), np.asarray(drawn)))


def read_rgba8(path: _Path, mask: _Path | None = None) -> np.ndarray:
    """(H, W, 4) uint8 sRGB with straight alpha, rows from the top; arguments and errors as :func:`open_rgba`."""
    return np.asarray(open_rgba(path, mask))


def read_rgb8(path: _Path) -> np.ndarray:
    """(H, W, 3) uint8 sRGB, upright, whatever its alpha. Raises CaptureError as :func:`open_picture`."""
    with open_picture(path) as opened:
        return np.asarray(_rgba(opened).convert("RGB"))


def premultiply(rgba8: np.ndarray) -> np.ndarray:
    """(..., 4) uint8 straight -> (..., 4) float32 display-referred sRGB in [0, 1], premultiplied after encoding."""
    values = rgba8.astype(np.float32) / 255.0
    values[..., :3] *= values[..., 3:]
    return values


def read_image(path: _Path, mask: _Path | None = None) -> np.ndarray:
    """(H, W, 4) float32 sRGB premultiplied over black; arguments and errors as :func:`open_rgba`."""
    return premultiply(read_rgba8(path, mask))


def write_image(path: _Path, image: np.ndarray, premultiplied: bool = True) -> None:
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


def _rgba(image: Image) -> Image:
    """8 bit RGBA, upright. Raises CaptureError for pixels that are no colours of 8 or 16 bits."""
    from PIL import Image as library
    from PIL import ImageOps

    if image.mode.startswith("I"):
        # 16 bits of grey, which a conversion would clip.
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError("its grey has more than 16 bits")
        grey = library.fromarray((values >> 8).astype(np.uint8))
        grey.info = image.info
        image = grey
    if image.mode == "F":
        raise ValueError("its pixels are floating-point numbers; 8 or 16 bits are needed")
    upright: Image = ImageOps.exif_transpose(image).convert("RGBA")
    return upright
