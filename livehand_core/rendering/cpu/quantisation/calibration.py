"""Typical inputs of an avatar's networks, from which the scales of integer activations are found."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np

from ....avatars.metadata import AvatarMetadata
from ....cameras import Camera, look_at
from ....frames import HandInstance
from ....kernels.mesh.skinning import PosedHandModel
from ....poses import HandPose
from ...plan import Plan, plan_hand
from ...setup import avatar_view
from ..feature_image import FeatureImage
from ..typical_poses import typical_poses, typical_turns

Draw = Callable[[Plan, int], FeatureImage | None]

PIXELS = 64
"""Side of the calibration images, at the avatar's footprint or so that the hand fills them."""

HAND_SIZE = 0.2
"""Metres that a calibration image shows."""

POINTS = 1024
"""Points that are looked at in each typical pose."""


def typical_constants(metadata: AvatarMetadata, latent: np.ndarray | None) -> np.ndarray:
    """(N, latent_size + pose_size) what the first layer takes beside the position: every pose, turned every way,
    with every identity."""
    poses = typical_poses(metadata)
    poses = np.zeros((1, 0)) if metadata.conditioning == "local" else poses.reshape(len(poses), -1)
    if metadata.conditioning == "published":
        turns = typical_turns(metadata)
        poses = np.concatenate([np.tile(turns, (len(poses), 1)), np.repeat(poses, len(turns), axis=0)], axis=1)
    if latent is None:
        return poses
    return np.concatenate([np.tile(latent, (len(poses), 1)), np.repeat(poses, len(latent), axis=0)], axis=1)


def typical_points(metadata: AvatarMetadata, model: PosedHandModel, reach: float) -> np.ndarray:
    """(N, 6 or 6 + L) float32 u, v, d, normal and local pose of random points within ``reach`` metres of the hand in
    each typical pose."""
    rng = np.random.default_rng(0)
    topology, parts = model.topology, []
    place_of = np.argsort(topology.order)
    for angles in typical_poses(metadata):
        pose = HandPose(np.zeros(3), angles, np.zeros(10), np.zeros(3), metadata.side)
        face = rng.integers(0, len(topology.faces), POINTS)
        share = rng.dirichlet(np.ones(3), POINTS)[..., None]
        proxy = model.proxy(model.vertices(pose), pose)
        corners = proxy.vertex_normals[topology.faces[face]]
        normal = (share * corners).sum(axis=1)
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
        distance = rng.uniform(-reach, reach, (POINTS, 1))
        told = (
            proxy.local.reshape(-1, proxy.local_columns, 3)[place_of[face]] @ share
            if len(proxy.local)
            else share[:, :0]
        )
        parts.append(
            np.concatenate([(share * topology.face_uv[face]).sum(axis=1), distance, normal, told[..., 0]], axis=1)
        )
    return np.concatenate(parts).astype(np.float32)


def feature_images(metadata: AvatarMetadata, model: PosedHandModel, identities: int, draw: Draw) -> list[FeatureImage]:
    """Small feature images of each identity in each typical pose and orientation, from both sides in turn.

    Args:
        metadata: of the avatar.
        model: its hand.
        identities: how many it has.
        draw: the feature image of a plan and an identity; None where no ray meets the hand.
    """
    images = []
    stances = product(typical_poses(metadata), typical_turns(metadata))
    for (number, (angles, turn)), identity in product(enumerate(stances), range(identities)):
        pose = HandPose(turn, angles, np.zeros(10), np.zeros(3), metadata.side)
        centre = model.vertices(pose).mean(axis=0).astype(np.float64)
        height = 0.45 if number % 2 else -0.45
        matrix = look_at(centre + np.array([0.02, height, 0.02]), centre, np.array([0.0, 0.0, 1.0]))
        focal = PIXELS * 0.45 / HAND_SIZE
        camera = Camera(PIXELS, PIXELS, focal, focal, PIXELS / 2, PIXELS / 2, matrix)
        view = avatar_view(metadata, model.data, HandInstance(pose), camera)
        plan = plan_hand(metadata, view, model.vertices(view.pose))
        image = None if plan is None else draw(plan, identity)
        if image is not None:
            images.append(image)
    return images
