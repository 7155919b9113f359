"""Which pixels are the hand: banded GrabCut around the silhouette of the posed mesh, helped by the skin's colour.

What looks like skin inside the silhouette less a band is the hand; what does not, outside the silhouette and a band, is
not, nor is anything beyond two. Between, GrabCut decides (Rother et al., SIGGRAPH 2004), beginning with what looks more
like the skin inside than like what is outside; at edges, how much of a pixel skin covers. The forearm counts as skin
until then, and is cut where the mesh ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from ..cameras import Camera
from ..hand.data import HandData
from ..hand.library import find_hand
from ..passes import srgb_to_linear
from ..poses import HandPose, Side

METHOD = 4
"""Counted up where masks come out otherwise, so that parts made before are made anew."""

BAND = 0.007
"""Metres to both sides of the silhouette in which GrabCut decides: what good fits are off, and some more."""

FOREARM, WIDER = 0.15, 1.3
"""Metres of forearm beyond the mesh that are cut, and how much wider than the wrist it is there."""

ITERATIONS = 2
LARGEST_SIDE = 640
"""Pixels; larger windows are decided at half the size, and their edges refined."""

SMALLEST_PART = 0.01
"""Separate parts of the mask that are smaller than this share of the largest are dropped, and such holes filled."""

COVERED = 0.4
"""Share of a pixel that is the hand's. Less than a half: where skin turns away it is darker than that inside."""

BESIDE, TELLING = 3, 0.02
"""Pixels around one at the edge that tell the colours of skin and room, and how far apart these have to be, linear."""

ARM_REACH, ARM_GAP, ARM_SLOPE = 0.04, 0.002, 0.25
"""Metres from the arm within which skin beside the hand's outline is the arm's where it lies farther from that outline
than ARM_GAP and ARM_SLOPE of its way to the arm: a forearm that bends at the wrist leaves beside the mesh's end."""

EDGE = 1.2
"""Pixels: spread of the Gaussian that a mask's edge is smoothed by."""

SKINS, ROOMS = 3, 6
"""Gaussians of the colours of the hand, and of those around it."""

SAMPLES, FEWEST = 2000, 50
"""Pixels that colours are learnt from, at most and at least."""

FLOOR = (30.0, 8.0, 8.0)
"""Variances of lightness and of colour that are added to each: shading and compression."""

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
        middle = posed.vertices[np.unique(posed.rim)].mean(axis=0)
        end = middle + FOREARM * posed.forearm + WIDER * (posed.vertices - middle)
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
    labels = _with_skin(silhouettes(camera, window, hand, others), 2 * band, band / BAND)
    window.of(mask)[:] = _decided(window.of(rgb), labels, band)
    return mask


def opacity(mask: np.ndarray) -> np.ndarray:
    """(H, W) float32 0 to 1 of an (H, W) bool mask: its edge without steps, and a pixel wide."""
    import cv2

    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), EDGE)
    # The Gaussian's slope at a straight edge becomes that of a pixel that the edge crosses.
    return np.clip(0.5 + (soft - 0.5) * (EDGE * np.float32(np.sqrt(2.0 * np.pi))), 0.0, 1.0)


def within(mask: np.ndarray, camera: Camera, hand: Posed, others: tuple[Posed, ...] = ()) -> np.ndarray:
    """(H, W) bool: a mask that a data set brings, without the forearm and whatever lies far from the hand."""
    import cv2

    window = hand_window(camera, hand, 4.0 * BAND)
    answer = np.zeros_like(mask)
    if window.empty:
        return answer
    _, depth = camera.project(hand.vertices)
    band = max(2, round(2.0 * BAND * camera.fx / float(np.median(depth))))
    labels = _with_skin(silhouettes(camera, window, hand, others), band, band / (2.0 * BAND))
    near = cv2.dilate((labels == HAND).astype(np.uint8), _disc(band)) > 0
    window.of(answer)[:] = window.of(mask) & near & np.isin(labels, (0, HAND))
    return answer


def _with_skin(labels: np.ndarray, width: int, scale: float) -> np.ndarray:
    """Labels in which what lies within ``width`` pixels of the arm or of another hand, and not as near to the hand, is
    theirs, and more beside the arm as ARM_REACH says. ``scale``: pixels a metre."""
    answer, own = labels.copy(), _distance(labels == HAND)
    nearest = own
    for kind in (ARM, OTHER):
        if (labels == kind).any():
            away = _distance(labels == kind)
            beside = (away <= width) & (away < nearest)
            if kind == ARM:
                beside |= (away <= ARM_REACH * scale) & (own > ARM_GAP * scale + ARM_SLOPE * away)
            answer[(labels == 0) & beside] = kind
            nearest = np.minimum(nearest, away)
    return answer


def _distance(part: np.ndarray) -> np.ndarray:
    """(h, w) float32 pixels to the nearest one of a part."""
    import cv2

    return cv2.distanceTransform((~part).astype(np.uint8), cv2.DIST_L2, 5)


def _decided(rgb: np.ndarray, labels: np.ndarray, band: int) -> np.ndarray:
    """(h, w) bool of a window."""
    return _whole(_covered(rgb, _skin(rgb, labels, band)) & np.isin(labels, (0, HAND)))


def _covered(rgb: np.ndarray, skin: np.ndarray) -> np.ndarray:
    """(h, w) bool: pixels at the edge of the skin that it covers, as their light is mixed of that on both sides.

    To GrabCut, which looks at encoded colours, a bright hand's edge is skin where a fifth is covered.
    """
    import cv2

    light, mask = srgb_to_linear(np.arange(256, dtype=np.float32) / 255.0)[rgb], skin.astype(np.uint8)
    edge = (cv2.dilate(mask, _disc(1)) > 0) & (cv2.erode(mask, _disc(1)) == 0)
    sides = cv2.erode(mask, _disc(2)) > 0, cv2.dilate(mask, _disc(2)) == 0
    (hand, seen), (room, free) = (_mean_beside(light, side) for side in sides)
    apart = hand - room
    contrast = (apart**2).sum(axis=2)
    told = edge & (seen >= BESIDE) & (free >= BESIDE) & (contrast > TELLING**2)
    covered = ((light - room) * apart).sum(axis=2) > COVERED * contrast
    return np.where(told, covered, skin)


def _mean_beside(light: np.ndarray, part: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(h, w, 3) mean of what lies in a part and around each pixel, (h, w) how many pixels that are."""
    import cv2

    share, size = part.astype(np.float32), (2 * BESIDE + 1, 2 * BESIDE + 1)
    count = cv2.boxFilter(share, -1, size, normalize=False)
    total = cv2.boxFilter(light * share[..., None], -1, size, normalize=False)
    return total / np.maximum(count, 1.0)[..., None], count


def _skin(rgb: np.ndarray, labels: np.ndarray, band: int) -> np.ndarray:
    """(h, w) bool: the hand, with what belongs to arm and further hands, which are cut off later.

    Where they are of its skin, colours would have to tell one skin from the same.
    """
    import cv2

    if max(rgb.shape[:2]) > LARGEST_SIDE:
        size = (rgb.shape[1] // 2, rgb.shape[0] // 2)
        small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
        less = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST)
        coarse = _skin(small, less, max(2, band // 2)).astype(np.uint8)
        full = cv2.resize(coarse, labels.shape[::-1], interpolation=cv2.INTER_LINEAR)
        edge = (cv2.dilate(full, _disc(3)) > 0) & (cv2.erode(full, _disc(3)) == 0)
        state = np.where(full > 0, cv2.GC_FGD, cv2.GC_BGD).astype(np.uint8)
        state[edge & (full > 0)], state[edge & (full == 0)] = cv2.GC_PR_FGD, cv2.GC_PR_BGD
        return _cut(rgb, state, 1)
    own, beside = labels == HAND, np.isin(labels, (OTHER, ARM))
    inner = own & (cv2.erode((own | (labels == ARM)).astype(np.uint8), _disc(band)) > 0)
    outer, near = (cv2.dilate(own.astype(np.uint8), _disc(by * band)) > 0 for by in (1, 2))
    skin = _like_skin(rgb, inner, ~near & ~beside, own)
    state = np.where(skin & near, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    # A finger that was fitted beside its place has no skin in its middle, and skin beyond the band.
    state[inner & skin], state[~near | (~outer & ~skin)] = cv2.GC_FGD, cv2.GC_BGD
    state[beside] = np.where(skin[beside], cv2.GC_FGD, cv2.GC_BGD)
    return _cut(rgb, state, ITERATIONS)


def _like_skin(rgb: np.ndarray, inside: np.ndarray, outside: np.ndarray, own: np.ndarray) -> np.ndarray:
    """(h, w) bool: which pixels look more like those inside than like those outside, as mixtures in CIELAB."""
    import cv2

    if inside.sum() < FEWEST or outside.sum() < FEWEST:
        return own
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB).astype(np.float32)
    room = Mixture.of(lab[outside], ROOMS)
    # What the fit is off brings some of the room in.
    skin = Mixture.of(lab[inside], SKINS).without(room)
    more: np.ndarray = skin.log_density(lab) + np.where(own, 1.0, -1.0) > room.log_density(lab)
    return more


@dataclass(frozen=True)
class Mixture:
    """Of Gaussians in CIELAB.

    Attributes:
        weights: (K,); means: (K, 3); factors: (K, 3, 3) that turn what is off a mean into standard deviations.
    """

    weights: np.ndarray
    means: np.ndarray
    factors: np.ndarray

    @classmethod
    def of(cls, colours: np.ndarray, count: int) -> Mixture:
        """Of (N, 3) float32 colours, in so many parts at most."""
        import cv2

        some = colours[np.linspace(0, len(colours) - 1, min(len(colours), SAMPLES)).astype(int)]
        cv2.setRNGSeed(1)
        end = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_MAX_ITER, 10, 1.0)
        _, labels, _ = cv2.kmeans(some, count, np.empty(0), end, 1, cv2.KMEANS_PP_CENTERS)
        parts = [part for part in (some[labels[:, 0] == index] for index in range(count)) if len(part) >= 4]
        spreads = np.stack([np.cov(part.T) + np.diag(FLOOR) for part in parts])
        weights = np.array([len(part) for part in parts]) / len(some)
        factors = np.linalg.cholesky(np.linalg.inv(spreads))
        return cls(weights, np.stack([part.mean(axis=0) for part in parts]), factors)

    def log_density(self, colours: np.ndarray) -> np.ndarray:
        """(...) of (..., 3) colours: that of the nearest Gaussian."""
        flat = colours.reshape(-1, 3)
        each = [
            np.log(weight * np.linalg.det(factor)) - 0.5 * (((flat - mean) @ factor) ** 2).sum(axis=1)
            for weight, mean, factor in zip(self.weights, self.means, self.factors.astype(np.float32), strict=True)
        ]
        answer: np.ndarray = np.max(each, axis=0).reshape(colours.shape[:-1])
        return answer

    def without(self, other: Mixture) -> Mixture:
        """Without the parts whose middle another mixture tells better; the largest stays."""
        kept = self.log_density(self.means) > other.log_density(self.means)
        kept[self.weights.argmax()] = True
        return Mixture(self.weights[kept], self.means[kept], self.factors[kept])


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
