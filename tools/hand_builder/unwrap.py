"""Texture coordinates like a glove pattern: one chart for the back of the hand, one for the palm side, fingers up."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from livehand_core.hand.limits import JOINT_AXES

from .anatomy import joints


def dorsal_faces(vertices: np.ndarray, faces: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(F,) bool: on the back of the hand (for each bone, the side its nail or knuckle is on). Two connected sheets."""
    rest = joints()
    height = weights[:, 0] * (vertices[:, 1] + 0.0015)
    for joint in range(1, 16):
        height += weights[:, joint] * ((vertices - rest[joint]) @ JOINT_AXES[joint - 1, 1] + 0.0006)
    dorsal = height[faces].mean(axis=1) > 0.0
    pairs = _neighbours(faces)
    for _ in range(4):
        # Teeth: a face that has two neighbours on the other side joins them.
        other = np.zeros(len(faces))
        for a, b in ((0, 1), (1, 0)):
            np.add.at(other, pairs[:, a], dorsal[pairs[:, a]] != dorsal[pairs[:, b]])
        flip = other >= 2
        dorsal = np.where(flip & dorsal, False, dorsal) if flip[dorsal].any() else np.where(flip, True, dorsal)
    for label in (True, False):
        keep = pairs[(dorsal[pairs] == label).all(axis=1)]
        graph = sp.coo_matrix((np.ones(len(keep)), (keep[:, 0], keep[:, 1])), shape=(len(faces),) * 2)
        _, part = connected_components(graph, directed=False)
        counts = np.bincount(part[dorsal == label], minlength=part.max() + 1)
        dorsal[(dorsal == label) & (part != counts.argmax())] = not label
    return dorsal


def _neighbours(faces: np.ndarray) -> np.ndarray:
    """(n, 2) faces that share an edge."""
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    owner = np.tile(np.arange(len(faces)), 3)
    order = np.lexsort(edges.T[::-1])
    edges, owner = edges[order], owner[order]
    same = (edges[1:] == edges[:-1]).all(axis=1)
    return np.stack([owner[:-1][same], owner[1:][same]], axis=1)


def sheets(faces: np.ndarray, label: np.ndarray) -> np.ndarray:
    """(F,) labels, from 0, near those given, of which each is one connected sheet without teeth."""
    pairs, count = _neighbours(faces), int(label.max()) + 1
    for _ in range(12):
        # What most of its neighbours are, a face becomes; itself counts by half.
        votes = 0.5 * np.eye(count)[label]
        for a, b in ((0, 1), (1, 0)):
            np.add.at(votes, pairs[:, a], np.eye(count)[label[pairs[:, b]]])
        label = votes.argmax(axis=1)
        keep = pairs[label[pairs[:, 0]] == label[pairs[:, 1]]]
        graph = sp.coo_matrix((np.ones(len(keep)), (keep[:, 0], keep[:, 1])), shape=(len(faces),) * 2)
        _, part = connected_components(graph, directed=False)
        largest = [np.bincount(part[label == k]).argmax() for k in range(count)]
        lost = part != np.array(largest)[label]
        if not lost.any():
            break
        # Islets go over to what surrounds them.
        votes[np.arange(len(faces)), label] = 0.0
        votes += 1e-3 * np.eye(count)[label]
        label = np.where(lost, votes.argmax(axis=1), label)
    return label


def unwrap(vertices: np.ndarray, faces: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Texture coordinates (T, 2) in [0, 1] and (F, 3) indices into them, of charts beside one another, each with -x
    upwards; ``label`` (F,) tells faces of one chart, of which the highest is the first."""
    import bpy

    charts = []
    corner_uv = np.zeros((len(faces), 3, 2))
    for chart in np.unique(label)[::-1]:
        index = np.flatnonzero(label == chart)
        used, inverse = np.unique(faces[index], return_inverse=True)
        mesh = bpy.data.meshes.new("chart")
        mesh.from_pydata((vertices[used] * 100.0).tolist(), [], inverse.reshape(-1, 3).tolist())
        mesh.uv_layers.new(name="UV")
        thing = bpy.data.objects.new("chart", mesh)
        bpy.context.scene.collection.objects.link(thing)
        bpy.context.view_layer.objects.active = thing
        thing.select_set(True)
        bpy.ops.object.mode_set(mode="EDIT")
        bpy.ops.mesh.select_all(action="SELECT")
        bpy.ops.uv.unwrap(method="MINIMUM_STRETCH", fill_holes=False, iterations=40, no_flip=True, margin=0.0)
        bpy.ops.object.mode_set(mode="OBJECT")
        flat = np.empty(2 * 3 * len(index), dtype=np.float32)
        mesh.uv_layers[0].data.foreach_get("uv", flat)
        uv = flat.reshape(-1, 3, 2).astype(np.float64)
        bpy.data.objects.remove(thing)
        bpy.data.meshes.remove(mesh)
        charts.append((index, _upright(uv, vertices[faces[index]])))
    left = 0.0
    gap = 0.004
    for index, uv in charts:
        corner_uv[index] = uv + np.array([left, 0.0])
        left += uv[..., 0].max() + gap
    corner_uv = corner_uv * (0.985 / max(corner_uv[..., 0].max(), corner_uv[..., 1].max()))
    corner_uv += 0.5 - 0.5 * corner_uv.reshape(-1, 2).max(axis=0)
    key = np.stack([faces, np.repeat(label.astype(np.int64)[:, None], 3, axis=1)], axis=-1).reshape(-1, 2)
    _, first, inverse = np.unique(key, axis=0, return_index=True, return_inverse=True)
    return corner_uv.reshape(-1, 2)[first], inverse.reshape(-1, 3)


def _upright(uv: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """A chart in metres with the fingers (-x) up: least-squares turn, mean area scale, lower left corner at 0."""
    flat, points = uv.reshape(-1, 2), corners.reshape(-1, 3)
    centred = flat - flat.mean(axis=0)
    slope = np.linalg.lstsq(centred, -(points[:, 0] - points[:, 0].mean()), rcond=None)[0]
    up = slope / np.linalg.norm(slope)
    turned = np.stack([uv @ np.array([up[1], -up[0]]), uv @ up], axis=-1)
    a, b = turned[:, 1] - turned[:, 0], turned[:, 2] - turned[:, 0]
    flat_area = 0.5 * np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()
    area = 0.5 * np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).sum()
    turned *= np.sqrt(area / flat_area)
    return turned - turned.reshape(-1, 2).min(axis=0)
