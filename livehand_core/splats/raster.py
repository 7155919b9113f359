"""A plain renderer of Gaussian splats (Kerbl et al. 2023), as a matrix: what each splat adds to each pixel.

Colours enter a picture linearly once places, sizes and opacities are given, so that the same matrix draws and fits.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from ..cameras import Camera
from ..rotations import quaternion_to_matrix
from .cloud import Splats, basis

BLUR = 0.3
"""Square pixels added to each splat's extent on the picture, so that none falls between the pixels."""

LEAST, MOST = 1.0 / 255.0, 0.99
"""Opacity below which a splat does not count at a pixel, and the highest that it has there."""

NEAREST = 0.01
"""Metres before the camera from which on splats are drawn."""

WIDEST = 64
"""Pixels from a splat's middle beyond which nothing of it is drawn."""


def contributions(splats: Splats, camera: Camera) -> sparse.csr_matrix:
    """(H W, N) float32: by how much each splat's colour counts at each pixel; a row's sum is the pixel's opacity."""
    local = camera.to_axes(splats.places)
    middles, depth = camera.project(splats.places)
    inverse, radius = _footprints(splats, camera, local)
    rows, columns, alphas = [], [], []
    seen = (depth > NEAREST) & np.isfinite(middles).all(axis=1)
    for size in np.unique(radius[seen]):
        chosen = np.flatnonzero(seen & (radius == size))
        corner = np.floor(middles[chosen] - camera.pixel_offset).astype(np.int64)
        steps = np.arange(-size, size + 2)
        for down in steps:
            for across in steps:
                pixel = corner + np.array([across, down])
                off = pixel + camera.pixel_offset - middles[chosen]
                power = inverse[chosen, 0] * off[:, 0] ** 2 + 2.0 * inverse[chosen, 1] * off[:, 0] * off[:, 1]
                power += inverse[chosen, 2] * off[:, 1] ** 2
                alpha = np.minimum(splats.opacity[chosen] * np.exp(-0.5 * power), MOST)
                kept = (alpha >= LEAST) & (pixel >= 0).all(axis=1) & (pixel < [camera.width, camera.height]).all(axis=1)
                rows.append(pixel[kept, 1] * camera.width + pixel[kept, 0])
                columns.append(chosen[kept])
                alphas.append(alpha[kept])
    shape = (camera.height * camera.width, len(splats.places))
    if not rows:
        return sparse.csr_matrix(shape, dtype=np.float32)
    row, column, alpha = np.concatenate(rows), np.concatenate(columns), np.concatenate(alphas)
    order = np.lexsort((depth[column], row))
    row, column, alpha = row[order], column[order], alpha[order]
    # What the nearer splats of a pixel let through: sums of logarithms from the first of its run.
    let = np.concatenate([[0.0], np.cumsum(np.log1p(-alpha))[:-1]]) if len(row) else np.zeros(0)
    starts = np.concatenate([[True], row[1:] != row[:-1]]) if len(row) else np.zeros(0, bool)
    let -= let[np.flatnonzero(starts)][np.cumsum(starts) - 1]
    return sparse.csr_matrix(((alpha * np.exp(let)).astype(np.float32), (row, column)), shape)


def draw(splats: Splats, camera: Camera) -> np.ndarray:
    """(H, W, 4) float32 display-referred sRGB, premultiplied, over black."""
    matrix = contributions(splats, camera)
    colours = np.maximum(0.5 + np.einsum("nb,nbc->nc", shown_by(splats.places, camera), splats.harmonics), 0.0)
    whole = np.concatenate([colours, np.ones((len(colours), 1))], axis=1).astype(np.float32)
    return np.asarray(matrix @ whole).reshape(camera.height, camera.width, 4)


def shown_by(places: np.ndarray, camera: Camera) -> np.ndarray:
    """(N, 16) the harmonics towards which a camera looks at (N, 3) places."""
    if camera.projection == "orthographic":
        return basis(np.broadcast_to(camera.camera_to_world[:3, 2], places.shape))
    away = places - camera.camera_to_world[:3, 3]
    return basis(away / np.linalg.norm(away, axis=1, keepdims=True))


def _footprints(splats: Splats, camera: Camera, local: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N, 3) entries xx, xy, yy of the inverse extent on the picture, and (N,) pixels that three deviations reach."""
    axes = quaternion_to_matrix(splats.turns) * splats.scales[:, None, :].astype(np.float64)
    axes = camera.world_to_camera[:3, :3] @ axes
    slope = np.zeros((len(local), 2, 3))
    if camera.projection == "orthographic":
        slope[:, 0, 0], slope[:, 1, 1] = camera.fx, camera.fy
    else:
        depth = np.maximum(local[:, 2], NEAREST)
        slope[:, 0, 0], slope[:, 1, 1] = camera.fx / depth, camera.fy / depth
        slope[:, 0, 2] = -camera.fx * local[:, 0] / depth**2
        slope[:, 1, 2] = -camera.fy * local[:, 1] / depth**2
    flat = slope @ axes
    extent = flat @ flat.swapaxes(1, 2)
    xx, xy, yy = extent[:, 0, 0] + BLUR, extent[:, 0, 1], extent[:, 1, 1] + BLUR
    determinant = xx * yy - xy * xy
    widest = 0.5 * (xx + yy) + np.sqrt(np.maximum(0.25 * (xx - yy) ** 2 + xy * xy, 0.0))
    radius = np.clip(np.ceil(3.0 * np.sqrt(widest)), 1, WIDEST).astype(np.int64)
    return np.stack([yy, -xy, xx], axis=1) / determinant[:, None], radius
