"""How steady a moving picture is: frames compared along the known motion of the hand's surface.

A point of the skin that both frames see should keep its colour but for what light and view change, which is little from
one frame of a slow motion to the next. What changes more is shimmer. The same measure on path-traced frames says how
much change is the scene's own. ``tools/temporal_quality.py`` calls this. Needs torch for the rasteriser.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ..frames import FrameRequest
from ..hand.data import ProxyModel
from ..hand.skinning import pose_vertices
from ..surface import rasterise

HIDDEN = 0.002
"""Metres by which a point may lie behind the surface that a frame sees there and still be that surface."""

BORDER = 3
"""Pixels from the silhouette that are left out: there the background shines through."""


@dataclass(frozen=True)
class Seen:
    """What the proxy of one frame shows at each pixel.

    Attributes:
        request: the frame.
        vertices: (V, 3) posed, metres.
        depth: (H, W) metres, infinity in the background.
        face: (H, W) triangle, -1 in the background.
        barycentric: (H, W, 3).
        inner: (H, W) bool, far enough from the silhouette.
    """

    request: FrameRequest
    vertices: np.ndarray
    depth: np.ndarray
    face: np.ndarray
    barycentric: np.ndarray
    inner: np.ndarray


def see(request: FrameRequest, data: ProxyModel) -> Seen:
    """Rasterise the proxy of a frame's first hand."""
    vertices = pose_vertices(data, request.hands[0].pose)
    faces = torch.tensor(np.asarray(data.faces), dtype=torch.int64)
    raster = rasterise(torch.tensor(vertices, dtype=torch.float64), faces, request.camera)
    face = raster.face.numpy()
    return Seen(request, vertices, raster.depth.numpy(), face, raster.barycentric.numpy(), _eroded(face >= 0, BORDER))


def warp(image: np.ndarray, source: Seen, target: Seen, data: ProxyModel) -> tuple[np.ndarray, np.ndarray]:
    """One frame's picture carried along with the surface into another frame.

    Args:
        image: (H, W, C) of ``source``.
        source, target: both frames, of equal size.
        data: the hand's model.

    Returns:
        (H, W, C) what ``source`` shows of the surface that each pixel of ``target`` sees, and (H, W) bool where it
        shows it at all.
    """
    valid = target.inner.copy()
    corners = source.vertices[data.faces[target.face[valid]]]
    points = np.einsum("nk,nkd->nd", target.barycentric[valid], corners)
    pixels, depth = source.request.camera.project(points)
    # Pixel centres lie at +0.5.
    x, y = pixels[:, 0] - 0.5, pixels[:, 1] - 0.5
    height, width = source.depth.shape
    column, row = np.rint(x).astype(int), np.rint(y).astype(int)
    inside = (column >= 1) & (column < width - 1) & (row >= 1) & (row < height - 1)
    column, row = np.clip(column, 0, width - 1), np.clip(row, 0, height - 1)
    shown = inside & source.inner[row, column] & (depth < source.depth[row, column] + HIDDEN)
    answer = np.zeros_like(image)
    answer[valid] = _cubic(image, x, y)
    valid[valid] = shown
    return answer, valid


@dataclass(frozen=True)
class Steadiness:
    """Of a sequence, root mean squares in steps of 8 bits over all frames.

    Attributes:
        change: between a frame and the one before it, carried along with the surface.
        flicker: between a frame and the mean of its two neighbours, carried along likewise: steady changes of light
            cancel, what comes and goes does not.
        sharpness: of the pictures' detail (each pixel against its 3 x 3 mean): a blurred film is steady, too.
        pixels: part of the image that is compared, 0 to 1.
    """

    change: float
    flicker: float
    sharpness: float
    pixels: float


def steadiness(images: Sequence[np.ndarray], frames: Sequence[Seen], data: ProxyModel) -> Steadiness:
    """Measure a sequence.

    Args:
        images: (H, W, 3 or more) display-referred, 0 to 1; the first three channels count. At least 3.
        frames: what each of them shows.
        data: the hand's model.
    """
    colours = [np.asarray(image, dtype=np.float64)[..., :3] * 255.0 for image in images]
    change, flicker, sharpness, pixels = [], [], [], []
    for now in range(1, len(colours)):
        before, seen = warp(colours[now - 1], frames[now - 1], frames[now], data)
        change.append((colours[now] - before)[seen])
        pixels.append(seen.mean())
        sharpness.append((colours[now] - _mean3(colours[now]))[seen])
        if now + 1 < len(colours):
            after, seen_after = warp(colours[now + 1], frames[now + 1], frames[now], data)
            both = seen & seen_after
            flicker.append((colours[now] - 0.5 * (before + after))[both])
    return Steadiness(_rms(change), _rms(flicker), _rms(sharpness), float(np.mean(pixels)))


def difference_image(now: np.ndarray, before: np.ndarray, frame: Seen, past: Seen, data: ProxyModel) -> np.ndarray:
    """(H, W, 3) absolute difference to the frame before, carried along; 0 where nothing is compared."""
    carried, seen = warp(before[..., :3], past, frame, data)
    return np.where(seen[..., None], np.abs(now[..., :3] - carried), 0.0)


def _rms(parts: Sequence[np.ndarray]) -> float:
    return float(np.sqrt(np.mean(np.square(np.concatenate(parts)))))


def _mean3(image: np.ndarray) -> np.ndarray:
    padded = np.pad(image, ((1, 1), (1, 1), (0, 0)), mode="edge")
    height, width = image.shape[:2]
    return np.mean([padded[y : y + height, x : x + width] for y in range(3) for x in range(3)], axis=0)


def _eroded(mask: np.ndarray, pixels: int) -> np.ndarray:
    padded = np.pad(mask, pixels)
    height, width = mask.shape
    span = range(2 * pixels + 1)
    rows = np.logical_and.reduce([padded[shift : shift + height] for shift in span])
    return np.logical_and.reduce([rows[:, shift : shift + width] for shift in span])


def _cubic(image: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(n, C) the image between its pixels by Catmull and Rom's cubic, which keeps more detail than a linear one."""
    height, width = image.shape[:2]
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    across, down = _weights(x - left), _weights(y - top)
    answer = np.zeros((len(x), image.shape[2]))
    for j in range(4):
        row = np.clip(top + j - 1, 0, height - 1)
        line = np.zeros_like(answer)
        for i in range(4):
            line += across[i][:, None] * image[row, np.clip(left + i - 1, 0, width - 1)]
        answer += down[j][:, None] * line
    return answer


def _weights(t: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    return (
        ((-0.5 * t + 1.0) * t - 0.5) * t,
        (1.5 * t - 2.5) * t * t + 1.0,
        ((-1.5 * t + 2.0) * t + 0.5) * t,
        (0.5 * t - 0.5) * t * t,
    )
