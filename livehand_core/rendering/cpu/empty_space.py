"""How far from the surface an avatar's field has any density: rays need not look before."""

from __future__ import annotations

from itertools import product

import numpy as np

from ...avatars.metadata import AvatarMetadata
from ...hand.gestures import gesture
from ...kernels.field import densities
from ...kernels.proxy import PosedProxy
from ...kernels.skinning import PosedHandModel
from ...poses import HandPose
from ...workers import Workers
from .calibration import typical_poses
from .field_weights import PreparedField

SIDE = 48
"""Cells of the shell along u and along v."""

TRIED = ("fist", "pinch", "spread", "thumb_up", "hook", "cup")
"""Gestures in which the field is looked at, beside the extremes of the training set."""

STEP = 0.75e-3
"""Metres between the distances that are looked at."""

MARGIN = 3e-3
"""Metres beyond the outermost density found in which rays look all the same: other poses differ a little. With 0.75 mm,
opacities of the default avatar were wrong by up to 34 / 255 in poses that had not been tried."""

BEYOND = 1.2
"""How far is looked, over the depth margin from which rays begin: at 1.15 a little stray density stayed unseen."""


def looked_at(metadata: AvatarMetadata) -> np.float32:
    """Metres from the surface up to which the shell is known."""
    return np.float32(BEYOND * metadata.depth_margin)


def density_shell(
    field: PreparedField, model: PosedHandModel, metadata: AvatarMetadata, latent: np.ndarray | None, workers: Workers
) -> np.ndarray:
    """(SIDE, SIDE) float32 by v and u: the distance in metres beyond which there was no density in any pose tried.

    It holds up to :func:`looked_at`. Rays between two fingers go farther from the skin than that, where stray density
    may stand: taken for empty, that space cost one avatar up to 75 / 255 of a pixel's opacity.

    The field depends on the pose, so many are tried: the training set's extremes and the gestures; a cell takes its
    neighbours' farthest density and MARGIN more. Cells that no surface point fell into are infinite.

    Args:
        field: the avatar's.
        model: of the hand.
        metadata: of the avatar.
        latent: identity codes, all of which are tried, or None.
        workers: where the field is evaluated.
    """
    levels = np.arange(0.0, looked_at(metadata) + STEP, STEP, dtype=np.float32)
    farthest = np.full((SIDE, SIDE), -np.inf, dtype=np.float32)
    rng = np.random.default_rng(0)
    gestures = [gesture(name, metadata.side) for name in TRIED]
    uv = model.topology.face_uv.mean(axis=1)
    cell = np.minimum((uv * SIDE).astype(np.int64).clip(0), SIDE - 1)
    shares = np.eye(1 if latent is None else len(latent))
    people = [(field.of_identity(own), None if latent is None else own @ latent) for own in shares]
    for angles, (weights, code) in product([*typical_poses(metadata), *gestures], people):
        # Published avatars take the hand's orientation as input, too.
        turn = rng.standard_normal(3) if metadata.conditioning == "published" else np.zeros(3)
        pose = HandPose(turn, angles, np.zeros(10), np.zeros(3), metadata.side)
        values = pose.full_pose if metadata.conditioning == "published" else pose.hand_pose.reshape(-1)
        points = _surface_points(field, model, pose, uv, levels)
        sigma = np.empty(len(points), dtype=np.float32)
        bias = field.first_bias(values, code)
        workers.spread(
            len(points),
            lambda start, stop, weights=weights, bias=bias, points=points, sigma=sigma: densities(  # type: ignore[misc]
                weights, bias, points, sigma, start, stop
            ),
        )
        dense = sigma.reshape(len(uv), len(levels)) > 0.0
        outermost = np.where(dense, levels, -np.inf).max(axis=1)
        np.maximum.at(farthest, (cell[:, 1], cell[:, 0]), outermost)
    covered = np.zeros((SIDE, SIDE), dtype=bool)
    covered[cell[:, 1], cell[:, 0]] = True
    padded = np.pad(farthest, 1, constant_values=-np.inf)
    windows = [padded[y : y + SIDE, x : x + SIDE] for y in range(3) for x in range(3)]
    shell = np.maximum(np.max(windows, axis=0), 0.0) + np.float32(MARGIN)
    return np.where(covered, shell, np.inf).astype(np.float32)


def _surface_points(
    field: PreparedField, model: PosedHandModel, pose: HandPose, uv: np.ndarray, levels: np.ndarray
) -> np.ndarray:
    """(F * levels, 3 or 6) canonical coordinates above the middle of each face, with the posed normal where needed."""
    axes = len(field.weights.input_steps) - 1
    points = np.empty((len(uv), len(levels), axes), dtype=np.float32)
    points[..., :2] = uv[:, None]
    points[..., 2] = levels
    if axes > 3:
        points[..., 3:] = PosedProxy.of(model.vertices(pose), model.topology).face_normals[:, None]
    return points.reshape(-1, axes)
