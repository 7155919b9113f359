"""Motions as named arrays, with what tells how to read them back."""

from __future__ import annotations

import numpy as np

from ..poses import HandPose, PoseSequence
from .convention import UpAxis, WriteOptions, encode_fingers, up_rotation
from .wrist import rest_wrists


def write_parameters(sequence: PoseSequence, options: WriteOptions) -> dict[str, np.ndarray]:
    """A motion as named arrays: AMASS's keys, and what tells how to read them back.

    ``poses`` (n, 48) or (n, 3 + components), ``betas`` (n, 10), ``trans`` (n, 3), ``mocap_framerate``, ``side``,
    ``pca``, ``flat_hand_mean``, ``up_axis``, ``model``.

    Raises:
        PoseError: components or a mean pose of a hand model that is not there.
    """
    side = sequence.poses[0].side
    flat = options.components is None if options.flat_mean is None else options.flat_mean
    poses = out_of_world(sequence, options)
    angles = np.stack([pose.hand_pose.reshape(-1) for pose in poses])
    numbers = encode_fingers(angles, side, options.components, flat, options.model)
    return {
        "poses": np.concatenate([np.stack([pose.global_orient for pose in poses]), numbers], axis=1),
        "betas": np.stack([pose.betas for pose in poses]),
        "trans": np.stack([pose.transl for pose in poses]),
        "mocap_framerate": np.float64(sequence.fps),
        "side": np.array(side),
        "pca": np.array(options.components is not None),
        "flat_hand_mean": np.array(flat),
        "up_axis": np.array(options.up or "z"),
        "model": np.array(options.model),
    }


def out_of_world(sequence: PoseSequence, options: WriteOptions, usual: UpAxis = "z") -> list[HandPose]:
    """A motion in the world and from the wrist that the options name: the inverse of reading it."""
    first = sequence.poses[0]
    source, target = rest_wrists(options.model, first.side, first.betas)
    rotation, shift = up_rotation(options.up or usual).T, target - source
    return [
        HandPose(pose.global_orient, pose.hand_pose, pose.betas, pose.transl + shift, pose.side).moved(
            rotation, np.zeros(3), source
        )
        for pose in sequence.poses
    ]
