"""What is done to a hand's layer after it is drawn, alike in every room: its tint, and how it ends at the wrist."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..cameras import Camera
from ..frames import UNTINTED, HandInstance
from ..hand.data import ProxyModel
from ..passes import linear_to_srgb, srgb_to_linear
from ..rotations import axis_angle_to_matrix
from ..wrists import AROUND
from .hand import Mesh
from .layer import Layer


def finished(layer: Layer, instance: HandInstance, camera: Camera, hand: ProxyModel) -> Layer:
    """A layer in the instance's tint, faded at its wrist; the same one where nothing is asked for.

    Args:
        layer: with depth where the wrist fades.
        camera: of the request.
        hand: the avatar's model, of either side.
    """
    if instance.tint != UNTINTED:
        low = layer.low
        if low is not None:
            low = replace(low, rgba=_tinted(low.rgba, instance.tint))
        layer = replace(layer, rgba=_tinted(layer.rgba, instance.tint), low=low)
        if not layer.lit:
            layer = replace(layer, rgba=np.minimum(layer.rgba, layer.rgba[..., 3:]))
    if instance.wrist is None:
        return layer
    along, _ = _to_the_elbow(instance, hand, _places(layer, camera))
    seen = layer.rgba[..., 3] > 0.0
    share = np.where(seen, instance.wrist.share(along), 0.0).astype(np.float32)
    depth = layer.depth.copy()
    depth[seen] -= (instance.scale * instance.wrist.lift(along[seen])).astype(np.float32)
    depth[share <= 0.0] = np.inf
    return replace(layer, rgba=layer.rgba * share[..., None], depth=depth)


def beside_the_wrist(meshes: Sequence[Mesh], instance: HandInstance, hand: ProxyModel) -> list[Mesh]:
    """Meshes that stand in a hand's light without the arm that its wrist fades over, which would darken what it is to
    match."""
    wrist = instance.wrist
    if wrist is None or wrist.cover <= 0.0:
        return list(meshes)
    answer = []
    for mesh in meshes:
        along, across = _to_the_elbow(instance, hand, mesh.vertices.astype(np.float64))
        arm = (along > wrist.start - 2.0 * wrist.length) & (across < AROUND)
        answer.append(mesh._replace(faces=np.ascontiguousarray(mesh.faces[~arm[mesh.faces].any(axis=1)])))
    return [mesh for mesh in answer if len(mesh.faces)]


def _tinted(rgba: np.ndarray, tint: tuple[float, float, float]) -> np.ndarray:
    alpha = rgba[..., 3:]
    straight = rgba[..., :3] / np.maximum(alpha, np.float32(1e-6))
    colour = linear_to_srgb(srgb_to_linear(straight) * np.array(tint, np.float32)) * alpha
    return np.concatenate([colour, alpha], axis=-1, dtype=np.float32)


def _places(layer: Layer, camera: Camera) -> np.ndarray:
    """(h, w, 3) where in the world each pixel of a layer lies; somewhere where it shows nothing."""
    box = layer.box
    x = np.arange(box.left, box.right) + camera.pixel_offset - camera.cx
    y = np.arange(box.top, box.bottom) + camera.pixel_offset - camera.cy
    depth = np.where(np.isfinite(layer.depth), layer.depth, 0.0).astype(np.float64)
    size = depth if camera.projection == "perspective" else np.ones_like(depth)
    local = np.stack([x / camera.fx * size, (y / camera.fy)[:, None] * size, depth], axis=-1)
    places: np.ndarray = local @ camera.camera_to_world[:3, :3].T + camera.camera_to_world[:3, 3]
    return places


def _to_the_elbow(instance: HandInstance, hand: ProxyModel, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far (..., 3) places of the world lie from the wrist joint along the forearm, and how far beside its axis, in
    metres of the hand's own size."""
    pose = instance.pose
    flip = np.array([1.0 if pose.side == hand.side else -1.0, 1.0, 1.0])
    wrist = hand.rest_joints(pose.betas)[0] * flip + pose.transl
    away = places / instance.scale - wrist
    axis = axis_angle_to_matrix(pose.global_orient)[:, 0] * (1.0 if pose.side == "right" else -1.0)
    along = away @ axis
    return along, np.linalg.norm(away - along[..., None] * axis, axis=-1)
