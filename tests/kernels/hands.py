"""Posed hands and cameras that the geometry's tests share."""

from __future__ import annotations

import numpy as np

from livehand_core.cameras import Camera, look_at
from livehand_core.hand.builtin import builtin_hand
from livehand_core.hand.gestures import sample_pose
from livehand_core.hand.skinning import pose_vertices
from livehand_core.kernels.mesh.proxy import PosedProxy, ProxyTopology
from livehand_core.poses import HandPose

FACES = np.asarray(builtin_hand("right").faces)
FACE_UV = builtin_hand("right").face_uv
TOPOLOGY = ProxyTopology.of(builtin_hand("right"))


def random_pose(seed: int) -> HandPose:
    """A natural pose, turned and placed anywhere."""
    random = np.random.default_rng(seed)
    return HandPose(
        random.normal(size=3), sample_pose(random), random.normal(size=10), 0.3 * random.normal(size=3), "right"
    )


def random_hand(seed: int) -> np.ndarray:
    """(V, 3) float32 vertices of a random pose."""
    return pose_vertices(builtin_hand("right"), random_pose(seed)).astype(np.float32)


def random_proxy(seed: int) -> PosedProxy:
    return PosedProxy.of(random_hand(seed), TOPOLOGY)


def random_camera(seed: int, vertices: np.ndarray, width: int = 96, height: int = 64, **changes: object) -> Camera:
    """A camera anywhere around a hand that nearly fills its image."""
    random = np.random.default_rng(seed)
    centre = vertices.mean(axis=0).astype(np.float64)
    direction = random.normal(size=3)
    eye = centre + 0.45 * direction / np.linalg.norm(direction)
    values = {"fx": 1.5 * width, "fy": 1.5 * width, "cx": width / 2, "cy": height / 2} | changes
    return Camera(width, height, camera_to_world=look_at(eye, centre, np.array([0.0, 0.0, 1.0])), **values)  # type: ignore[arg-type]
