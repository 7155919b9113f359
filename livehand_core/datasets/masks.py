"""Which pixels are the hand: banded GrabCut around the silhouette of the posed mesh, helped by the skin's colour.

What looks like skin inside the silhouette less a band is the hand; what does not, outside the silhouette and a band, is
not, nor is anything beyond two. Between, GrabCut decides (Rother et al., SIGGRAPH 2004), beginning with what looks more
like the skin inside than like what is outside. The forearm is cut where the mesh ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from ..cameras import Camera
from ..hand.data import HandData
from ..hand.library import find_hand
from ..poses import HandPose, Side

BAND = 0.007
"""Metres to both sides of the silhouette in which GrabCut decides: what good fits are off, and some more."""

FOREARM = 0.15
"""Metres of forearm beyond the mesh that are cut."""

ITERATIONS = 5
LARGEST_SIDE = 640
"""Pixels; larger windows are decided at half the size, and their edges refined."""

SMALLEST_PART = 0.01
"""Separate parts of the mask that are smaller than this share of the largest are dropped, and such holes filled."""

HAND, OTHER, ARM = 1, 2, 3


@dataclass(frozen=True)
class Window:
    """A part of an image: columns ``x0`` to ``x1``, rows ``y0`` to ``y1``, ends excluded."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def empty(self) -> bool:
        return self.x0 >= self.x1 or self.y0 >= self.y1

    def of(self, image: np.ndarray) -> np.ndarray:
        """Its part of an image."""
        return image[self.y0 : self.y1, self.x0 : self.x1]


@dataclass(frozen=True)
class Posed:
    """A posed hand, for its silhouette.

    Attributes:
        vertices: (V, 3) metres, world.
        faces: (F, 3); ``rim``: (E, 2) edges at the wrist, where the mesh is open.
        forearm: (3,) unit vector along which the arm goes on.
    """

    vertices: np.ndarray
    faces: np.ndarray
    rim: np.ndarray
    forearm: np.ndarray

    @classmethod
    def of(cls, hand: HandData, pose: HandPose) -> Posed:
        """Skinned; see ``hand.skinning``."""
        from ..hand.skinning import pose_joints, pose_vertices

        vertices, joints = pose_vertices(hand, pose), pose_joints(hand, pose)
        rim = _rim(hand.name, hand.side)
        away = vertices[np.unique(rim)].mean(axis=0) if len(rim) else joints[0]
        direction = away - joints[[1, 4, 7, 10]].mean(axis=0)
        return cls(vertices, hand.faces, rim, direction / np.linalg.norm(direction))


@cache
def _rim(name: str, side: Side) -> np.ndarray:
    """(E, 2) edges of only one triangle."""
    faces = find_hand(name, side).faces
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    _, first, counts = np.unique(np.sort(edges, axis=1), axis=0, return_index=True, return_counts=True)
    open_edges: np.ndarray = edges[first[counts == 1]]
    return open_edges


def silhouettes(camera: Camera, window: Window, hand: Posed, others: tuple[Posed, ...] = ()) -> np.ndarray:
    """(h, w) uint8 of what is nearest: 0 nothing, HAND, OTHER a further hand, ARM the forearm; farthest drawn first."""
    corners, labels = [hand.vertices[hand.faces]], [np.full(len(hand.faces), HAND)]
    for posed, label in [(hand, ARM), *((other, OTHER) for other in others)]:
        end = posed.vertices + FOREARM * posed.forearm
        a, b = posed.rim.T
        sleeve = [posed.vertices[a], posed.vertices[b], end[b]], [posed.vertices[a], end[b], end[a]]
        corners += [np.stack(triangle, axis=1) for triangle in sleeve]
        labels += [np.full(len(posed.rim), label)] * 2
        if label == OTHER:
            corners.append(posed.vertices[posed.faces])
            labels.append(np.full(len(posed.faces), OTHER))
    triangles, kinds = np.concatenate(corners), np.concatenate(labels)
    pixels, depth = camera.project(triangles)
    seen = depth.min(axis=1) > 1e-3
    order = np.argsort(-depth[seen].mean(axis=1), kind="stable")
    return _painted(pixels[seen][order] - (window.x0, window.y0), kinds[seen][order], window)


def _painted(pixels: np.ndarray, kinds: np.ndarray, window: Window) -> np.ndarray:
    import cv2

    canvas = np.zeros((window.y1 - window.y0, window.x1 - window.x0), dtype=np.uint8)
    shift = 4
    # Pixel centres are at 0.5 here, at 0 there; coordinates have four binary places.
    points = np.rint(np.clip(pixels - 0.5, -4000, 12000) * (1 << shift)).astype(np.int32)
    for triangle, kind in zip(points, kinds.tolist(), strict=True):
        cv2.fillConvexPoly(canvas, triangle, kind, lineType=cv2.LINE_8, shift=shift)
    return canvas


def hand_window(camera: Camera, hand: Posed, margin: float) -> Window:
    """The part of the image around the hand and ``margin`` metres; empty where it is not in view."""
    pixels, depth = camera.project(hand.vertices)
    if depth.min() <= 1e-3:
        return Window(0, 0, 0, 0)
    grow = margin * camera.fx / float(np.median(depth))
    low, high = pixels.min(axis=0) - grow, pixels.max(axis=0) + grow
    x0, y0 = np.maximum(np.floor(low), 0).astype(int).tolist()
    x1, y1 = np.minimum(np.ceil(high), (camera.width, camera.height)).astype(int).tolist()
    return Window(x0, y0, x1, y1)


def find_mask(rgb: np.ndarray, camera: Camera, hand: Posed, others: tuple[Posed, ...] = ()) -> np.ndarray:
    """(H, W) bool: which pixels are the hand.

    Args:
        rgb: (H, W, 3) uint8, without distortion.
        camera: of the image.
        others: further hands in it, which hide the hand where they are nearer.
    """
    mask = np.zeros(rgb.shape[:2], dtype=bool)
    window = hand_window(camera, hand, 4.0 * BAND)
    if window.empty:
        return mask
    _, depth = camera.project(hand.vertices)
    band = max(2, round(BAND * camera.fx / float(np.median(depth))))
    labels = _with_arm(silhouettes(camera, window, hand, others), camera, window, hand, 2 * band)
    window.of(mask)[:] = _decided(window.of(rgb), labels, band)
    return mask


def within(mask: np.ndarray, camera: Camera, hand: Posed, others: tuple[Posed, ...] = ()) -> np.ndarray:
    """(H, W) bool: a mask that a data set brings, without the forearm and whatever lies far from the hand."""
    import cv2

    window = hand_window(camera, hand, 4.0 * BAND)
    answer = np.zeros_like(mask)
    if window.empty:
        return answer
    _, depth = camera.project(hand.vertices)
    band = max(2, round(2.0 * BAND * camera.fx / float(np.median(depth))))
    labels = _with_arm(silhouettes(camera, window, hand, others), camera, window, hand, band)
    near = cv2.dilate((labels == HAND).astype(np.uint8), _disc(band)) > 0
    window.of(answer)[:] = window.of(mask) & near & (labels != ARM)
    return answer


def _with_arm(labels: np.ndarray, camera: Camera, window: Window, hand: Posed, width: int) -> np.ndarray:
    """Labels in which all within ``width`` pixels of the arm and behind the wrist's rim is arm. Arms are wider."""
    import cv2

    if not (labels == ARM).any():
        return labels
    middle = hand.vertices[np.unique(hand.rim)].mean(axis=0)
    pixels, _ = camera.project(np.stack([middle, middle + 0.01 * hand.forearm]))
    start, along = pixels[0] - (window.x0, window.y0), pixels[1] - pixels[0]
    rows, columns = np.indices(labels.shape)
    behind = (columns + 0.5 - start[0]) * along[0] + (rows + 0.5 - start[1]) * along[1] > 0.0
    near = cv2.dilate((labels == ARM).astype(np.uint8), _disc(width)) > 0
    return np.where(behind & near & (labels == 0), ARM, labels).astype(np.uint8)


def _decided(rgb: np.ndarray, labels: np.ndarray, band: int) -> np.ndarray:
    """(h, w) bool of a window."""
    import cv2

    if max(rgb.shape[:2]) > LARGEST_SIDE:
        size = (rgb.shape[1] // 2, rgb.shape[0] // 2)
        small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
        less = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST)
        coarse = _decided(small, less, max(2, band // 2)).astype(np.uint8)
        full = cv2.resize(coarse, labels.shape[::-1], interpolation=cv2.INTER_LINEAR)
        edge = (cv2.dilate(full, _disc(3)) > 0) & (cv2.erode(full, _disc(3)) == 0)
        state = np.where(full > 0, cv2.GC_FGD, cv2.GC_BGD).astype(np.uint8)
        state[edge & (full > 0)], state[edge & (full == 0)] = cv2.GC_PR_FGD, cv2.GC_PR_BGD
        state[np.isin(labels, (OTHER, ARM))] = cv2.GC_BGD
        return _whole(_cut(rgb, state, 1))
    own = (labels == HAND).astype(np.uint8)
    inner, outer = cv2.erode(own, _disc(band)) > 0, cv2.dilate(own, _disc(band)) > 0
    near = cv2.dilate(own, _disc(2 * band)) > 0
    skin = _like_skin(rgb, inner, ~near, own > 0)
    state = np.where(skin & near, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    # A finger that was fitted beside its place has no skin in its middle, and skin beyond the band.
    state[inner & skin], state[~near | (~outer & ~skin)] = cv2.GC_FGD, cv2.GC_BGD
    state[np.isin(labels, (OTHER, ARM))] = cv2.GC_BGD
    return _whole(_cut(rgb, state, ITERATIONS))


def _like_skin(rgb: np.ndarray, inside: np.ndarray, outside: np.ndarray, own: np.ndarray) -> np.ndarray:
    """(h, w) bool: which pixels look more like those inside than like those outside, as Gaussians in CIELAB."""
    import cv2

    if inside.sum() < 50 or outside.sum() < 50:
        return own
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB).astype(np.float32)

    def likelihood(where: np.ndarray) -> np.ndarray:
        mean = lab[where].mean(axis=0)
        spread = np.cov(lab[where].T) + np.diag([30.0, 8.0, 8.0])
        off = lab - mean
        distance = np.einsum("hwi,ij,hwj->hw", off, np.linalg.inv(spread), off)
        answer: np.ndarray = -0.5 * distance - 0.5 * np.linalg.slogdet(spread)[1]
        return answer

    more: np.ndarray = likelihood(inside) + np.where(own, 1.0, -1.0) > likelihood(outside)
    return more


def _cut(rgb: np.ndarray, state: np.ndarray, iterations: int) -> np.ndarray:
    import cv2

    # GrabCut needs pixels of both kinds.
    if not np.isin(state, (cv2.GC_FGD, cv2.GC_PR_FGD)).any() or not np.isin(state, (cv2.GC_BGD, cv2.GC_PR_BGD)).any():
        return np.isin(state, (cv2.GC_FGD, cv2.GC_PR_FGD))
    state = state.copy()
    cv2.setRNGSeed(1)
    cv2.grabCut(
        np.ascontiguousarray(rgb[..., ::-1]), state, None, np.zeros((1, 65)), np.zeros((1, 65)), iterations,
        cv2.GC_INIT_WITH_MASK,
    )  # fmt: skip
    return np.isin(state, (cv2.GC_FGD, cv2.GC_PR_FGD))


def _whole(mask: np.ndarray) -> np.ndarray:
    """Without crumbs and small holes."""
    import cv2

    for value in (True, False):
        count, parts, stats, _ = cv2.connectedComponentsWithStats((mask == value).astype(np.uint8), connectivity=4)
        if count <= 2:
            continue
        sizes = stats[:, cv2.CC_STAT_AREA]
        largest = int(mask.sum()) if not value else int(sizes[1:].max())
        small = sizes < SMALLEST_PART * largest
        small[0] = False
        mask = np.where(small[parts], not value, mask)
    return mask


@cache
def _disc(radius: int) -> np.ndarray:
    import cv2

    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
