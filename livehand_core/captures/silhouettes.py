"""The hand's silhouette as pose and camera put it, against the mask: how far they overlap. NumPy and Pillow only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..cameras import Camera

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE = 320
"""Pixels at which fingers are some thirty pixels wide."""

FAR = 1000.0
"""Pixels outside the window beyond which corners are drawn nearer: they would not fit the drawing's integers."""

SOLID = 128
"""Alpha of 8 bits from which a pixel belongs to the mask."""

Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 in pixels."""


def overlap(mask: Image, vertices: np.ndarray, faces: np.ndarray, camera: Camera, side: int = SIDE) -> float:
    """Intersection over union of the mask and the silhouette of a posed mesh within the image, 0 to 1.

    Args:
        mask: 8 bit grey in the camera's size.
        vertices: (V, 3) world space, metres.
        faces: (F, 3) triangles.
        side: longest side in pixels of the window in which they are compared.

    Returns:
        0 where part of the mesh lies behind the camera, or mask and mesh are both out of view.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        pixels, depth = camera.project(vertices)
    if not depth.min() > 0.0:
        return 0.0
    drawn = clipped((*pixels.min(axis=0), *pixels.max(axis=0)), camera)
    told = mask_bounds(mask)
    boxes = [box for box in (drawn, told) if box is not None]
    if len(boxes) < 2:
        return 0.0
    low, high = np.min(boxes, axis=0)[:2], np.max(boxes, axis=0)[2:]
    size = high - low
    scale = side / float(size.max())
    width, height = np.maximum(np.rint(size * scale), 1.0).astype(int).tolist()
    from PIL import Image as library

    window = mask.transform((width, height), library.Transform.EXTENT, (*low, *high), library.Resampling.BILINEAR)
    inside = np.asarray(window) >= SOLID
    hand = _filled((pixels - low) * scale, faces, width, height)
    union = np.count_nonzero(inside | hand)
    return np.count_nonzero(inside & hand) / union if union else 0.0


def mask_bounds(mask: Image) -> Box | None:
    """The box around the mask's solid pixels; None where there are none."""
    return mask.point([0] * SOLID + [255] * (256 - SOLID)).getbbox()


def clipped(box: Box, camera: Camera) -> Box | None:
    """The part of a box that lies in the image; None where nothing does."""
    x0, y0 = max(box[0], 0.0), max(box[1], 0.0)
    x1, y1 = min(box[2], float(camera.width)), min(box[3], float(camera.height))
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


def _filled(pixels: np.ndarray, faces: np.ndarray, width: int, height: int) -> np.ndarray:
    """(height, width) bool: where triangles lie, whichever side they show."""
    from PIL import Image as library
    from PIL import ImageDraw

    canvas = library.new("1", (width, height))
    draw = ImageDraw.Draw(canvas)
    corners = np.clip(pixels - 0.5, -FAR, max(width, height) + FAR)[faces].reshape(len(faces), 6)
    for corner in np.rint(corners).astype(int).tolist():
        draw.polygon(corner, fill=1)
    return np.asarray(canvas)
