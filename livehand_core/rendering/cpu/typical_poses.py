"""Poses and orientations across an avatar's training set, in which it is looked at before its first frame."""

from __future__ import annotations

import numpy as np

from ...avatars.metadata import AvatarMetadata

TURNS = 7
"""Orientations beside the hand's own that are tried of an avatar whose networks depend on it."""


def typical_poses(metadata: AvatarMetadata) -> np.ndarray:
    """(N, J - 1, 3) poses across the avatar's training set; the rest pose where nothing is known of it."""
    statistics = metadata.pose_statistics
    rest = np.zeros((len(metadata.joint_names) - 1, 3))
    if statistics is None:
        return rest[None]
    return np.stack(
        [rest, *(np.reshape(values, (-1, 3)) for values in (statistics.mean, statistics.min, statistics.max))]
    )


def typical_turns(metadata: AvatarMetadata) -> np.ndarray:
    """(N, 3) axis-angle orientations of the hand in the world, all around where the field takes them as input."""
    still = np.zeros((1, 3))
    if metadata.follows_root:
        return still
    axes = np.random.default_rng(0).standard_normal((TURNS, 3))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    return np.concatenate([still, axes * np.linspace(np.pi / TURNS, np.pi, TURNS)[:, None]])
