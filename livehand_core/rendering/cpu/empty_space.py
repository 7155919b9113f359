"""How far from the surface an avatar's field has any density: rays need not look before."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from ...avatars.metadata import AvatarMetadata
from ...hand.gestures import gesture
from ...kernels.mesh.nearest import nearest_points
from ...kernels.mesh.proxy import PosedProxy
from ...kernels.mesh.skinning import PosedHandModel
from ...kernels.networks.field import EmptySpace, densities
from ...poses import HandPose
from ...workers import Workers
from ..setup import pose_numbers
from .field_weights import PreparedField
from .typical_poses import typical_poses

SIDE = 48
"""Cells along u and along v."""

TRIED = ("fist", "pinch", "spread", "thumb_up", "hook", "cup")
"""Gestures in which the field is looked at, beside the extremes of the training set."""

STEP = 0.75e-3
"""Metres between the distances that are looked at near the skin."""

FAR, FAR_STEP = 0.04, 1.5e-3
"""Metres from the surface up to which is looked, and between the distances farther out. Between spread fingers rays
pass this far from the skin, hardly farther."""

BEYOND = 1.2
"""How far near the skin is, over the depth margin from which rays begin: at 1.15 some stray density stayed unseen."""

CLEAN = 1e-4
"""Share of points beyond that may hold density in an avatar whose empty space is said to be empty: training's
empty-space loss leaves a twentieth of this, avatars without it have a hundred times more."""

CLEAN_MARGIN, MARGIN = 1.5e-3, 3e-3
"""Metres beyond the outermost density found in which rays look all the same, for a clean avatar and for another: other
poses differ a little. Half of it was too little for either, by 10 and 34 / 255 of opacity in poses not tried."""


def empty_space(
    field: PreparedField, model: PosedHandModel, metadata: AvatarMetadata, latent: np.ndarray | None, workers: Workers
) -> EmptySpace:
    """Find where an avatar's space is empty.

    The field depends on the pose, so many are tried: the training set's extremes and the gestures; a cell takes its
    neighbours' farthest density and a margin more. What is found holds everywhere for an avatar whose space is clean.
    Others may have stray density anywhere between the fingers, where it cost one up to 75 / 255 of a pixel's opacity:
    for these it holds up to BEYOND depth margins only.

    The field of an avatar with published conditioning depends on the hand's orientation in the world, too. What is
    empty in the orientations tried is not in others: there rays look everywhere.

    Surface sampling looks nowhere but around the skin.

    Args:
        field: the avatar's.
        model: of the hand.
        metadata: of the avatar.
        latent: identity codes, all of which are tried, or None.
        workers: where the field is evaluated.
    """
    if metadata.conditioning == "published" or metadata.architecture.sampling == "surface":
        return EmptySpace.unknown()
    near = np.arange(0.0, BEYOND * metadata.depth_margin + STEP, STEP)
    levels = np.concatenate([near, np.arange(near[-1] + STEP, FAR, FAR_STEP)]).astype(np.float32)
    uv = model.topology.face_uv.mean(axis=1)
    beyond = levels > near[-1]
    farthest_near, farthest_real = np.full(len(uv), -np.inf, np.float32), np.full(len(uv), -np.inf, np.float32)
    stray, looked_at = 0, 0
    for dense, real in _looks(field, model, metadata, latent, uv, levels, workers):
        np.maximum(farthest_near, _outermost(dense & ~beyond, levels), out=farthest_near)
        np.maximum(farthest_real, _outermost(dense & real, levels), out=farthest_real)
        stray += int((dense & real & beyond).sum())
        looked_at += int((real & beyond).sum())
    if stray <= CLEAN * looked_at:
        return EmptySpace(_beyond(uv, farthest_real, CLEAN_MARGIN), np.float32(np.inf))
    return EmptySpace(_beyond(uv, farthest_near, MARGIN), np.float32(near[-1]))


def _looks(
    field: PreparedField,
    model: PosedHandModel,
    metadata: AvatarMetadata,
    latent: np.ndarray | None,
    uv: np.ndarray,
    levels: np.ndarray,
    workers: Workers,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """For each pose tried, of each identity: (F, levels) bool, whether there is density straight above the middle of a
    face, and whether a point there has this face's distance: inside the next finger no such point exists."""
    gestures = [] if metadata.joints else [gesture(name, metadata.side) for name in TRIED]
    shares = np.eye(1 if latent is None else len(latent))
    people = [(field.of_identity(own), None if latent is None else own @ latent) for own in shares]
    for angles in (*typical_poses(metadata), *gestures):
        pose = HandPose(np.zeros(3), angles, np.zeros(10), np.zeros(3), metadata.side)
        proxy = model.proxy(model.vertices(pose), pose)
        points = _canonical_points(field, proxy, uv, levels)
        real = _is_real(proxy, levels, workers)
        for weights, code in people:
            sigma = np.empty(len(points), dtype=np.float32)
            own = field.of_frame(weights, pose_numbers(pose, metadata.conditioning), code)
            workers.parallel_for(
                len(points),
                lambda start, stop, own=own, points=points, sigma=sigma: densities(  # type: ignore[misc]
                    own, points, sigma, start, stop
                ),
            )
            yield sigma.reshape(real.shape) > 0.0, real


def _canonical_points(field: PreparedField, proxy: PosedProxy, uv: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """(F * levels, C) canonical coordinates above the middle of each face, with posed normal and local pose where they
    are needed."""
    axes = len(field.weights.coordinate_scales)
    points = np.empty((len(uv), len(levels), axes), dtype=np.float32)
    points[..., :2] = uv[:, None]
    points[..., 2] = levels
    if axes > 3:
        points[..., 3:6] = proxy.face_normals[:, None]
    if axes > 6:
        corners = proxy.local.reshape(-1, axes - 6, 3)[: len(uv)].mean(axis=-1)
        points[proxy.topology.order, :, 6:] = corners[:, None]
    return points.reshape(-1, axes)


def _is_real(proxy: PosedProxy, levels: np.ndarray, workers: Workers) -> np.ndarray:
    """(F, levels) bool, whether the points straight above the middles of faces are as far from the mesh as that."""
    middles = proxy.vertices[proxy.topology.faces].mean(axis=1)
    points = (middles[:, None] + levels[:, None] * proxy.face_normals[:, None]).reshape(-1, 3).astype(np.float32)
    distance = np.empty(len(points), np.float32)

    def look(start: int, stop: int) -> None:
        _, _, closest = nearest_points(proxy, points[start:stop])
        distance[start:stop] = np.linalg.norm(points[start:stop] - closest, axis=1)

    workers.parallel_for(len(points), look)
    # Smooth fingers curve away from a face's plane; a tenth is no other finger.
    answer: np.ndarray = distance.reshape(len(middles), -1) >= 0.9 * levels - 2e-4
    return answer


def _outermost(dense: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """(F,) the largest level at which each face has density, minus infinity where it has none."""
    answer: np.ndarray = np.where(dense, levels, np.float32(-np.inf)).max(axis=1)
    return answer


def _beyond(uv: np.ndarray, farthest: np.ndarray, margin: float) -> np.ndarray:
    """(SIDE, SIDE) float32 from the farthest density above faces."""
    column, row = np.minimum((uv * SIDE).astype(np.int64).clip(0), SIDE - 1).T
    cells, covered = np.full((SIDE, SIDE), -np.inf, dtype=np.float32), np.zeros((SIDE, SIDE), dtype=bool)
    np.maximum.at(cells, (row, column), farthest)
    covered[row, column] = True
    padded = np.pad(cells, 1, constant_values=-np.inf)
    windows = [padded[y : y + SIDE, x : x + SIDE] for y, x in product(range(3), range(3))]
    found = np.maximum(np.max(windows, axis=0), 0.0) + np.float32(margin)
    return np.where(covered, found, np.inf).astype(np.float32)
