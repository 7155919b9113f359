"""Fits made better by the masks of all cameras: pose, place and shape that bring the mesh's outline onto the masks'.

Gauss and Newton's method, damped (Levenberg, Marquardt), with Huber's weights. A residual is a distance in pixels,
between a vertex on the mesh's outline and the mask's, or a point of the mask's outline and the nearest such vertex. The
outline at the wrist does not count: it is where the mask was cut. Landmarks, where they were found, keep each finger at
its own outline. Priors hold what nothing tells (a finger's twist) where the fit had it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..cameras import Camera
from ..hand.data import HandData
from ..hand.skinning import pose_joints, posed_hands
from ..poses import HandPose
from ..tracking.skeleton import seen_on
from .masks import Posed, Window, hand_window, silhouettes

ITERATIONS = 12
STEP = 1e-4
"""By which each parameter is changed for its derivative: radians, metres and units of shape alike."""

SPREADS = np.concatenate([np.full(3, 0.10), np.full(45, 0.15), np.full(3, 0.010), np.full(10, 0.7)])
"""What the parameters of fits are off: turn of the wrist, of the joints (radians), place (metres), shape."""

POSE_NUMBERS = 51
"""Of them that come before the shape."""

LANDMARK_SPREAD = 0.015
"""Share of the hand's size in the picture that landmarks are off."""

WORTH = 20.0
"""Independent residuals that an outline counts as beside landmarks: its points are off together."""

SURE = 0.4
"""Of the spreads of the pose: what a fit to landmarks is off."""

PIXEL_SPREAD = 1.5
"""Pixels that outlines are off by nobody's fault."""

HUBER = 3.0
"""Spreads beyond which a residual pulls with constant force."""

REACH = 0.025
"""Metres: outlines farther apart do not belong together."""

WRIST = 0.025
"""Metres from the rim within which the outline does not count."""

CUT = 0.018
"""Metres from the rim, in the picture, within which a mask's outline does not count: it may be where it was cut."""

EDGE = 3.0
"""Pixels within the silhouette's edge at which vertices between front and back lie: triangles are as large."""

ALIKE = 0.4
"""Cosine of the angle between outlines that belong together: a finger's one side is not its neighbour's other."""

POINTS = 160
"""Of a mask's outline, evenly spread."""


@dataclass(frozen=True)
class Outline:
    """A mask's outline in one image.

    Attributes:
        camera: of the image.
        window: part of the image that the maps cover.
        distance: (h, w) float32 pixels to the outline, negative inside.
        slope: (h, w, 2) its derivative by column and row.
        points: (M, 2) pixels on the outline; normals: (M, 2) unit, outwards.
        worth: independent residuals that it counts as at most.
    """

    camera: Camera
    window: Window
    distance: np.ndarray
    slope: np.ndarray
    points: np.ndarray
    normals: np.ndarray
    worth: float = float("inf")

    @classmethod
    def of(cls, mask: np.ndarray, camera: Camera, hand: Posed, worth: float = float("inf")) -> Outline | None:
        """Of an (H, W) bool mask around a hand; None where there is none."""
        import cv2

        window = hand_window(camera, hand, 2.0 * REACH)
        own = window.of(mask).astype(np.uint8) if not window.empty else np.zeros((0, 0), np.uint8)
        if own.size == 0 or own.all() or not own.any():
            return None
        inside, outside = (cv2.distanceTransform(part, cv2.DIST_L2, 5) for part in (own, 1 - own))
        distance = cv2.GaussianBlur(np.where(own > 0, 0.5 - inside, outside - 0.5).astype(np.float32), (0, 0), 1.0)
        slope = np.stack(np.gradient(distance)[::-1], axis=-1)
        rows, columns = np.nonzero((np.abs(distance) < 0.8) & _inner(distance.shape))
        if not len(rows):
            return None
        some = np.linspace(0, len(rows) - 1, min(POINTS, len(rows))).astype(int)
        normals = slope[rows[some], columns[some]]
        normals = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-6)
        points = np.stack([columns[some] + window.x0 + 0.5, rows[some] + window.y0 + 0.5], axis=1)
        return cls(camera, window, distance, slope, points, normals, worth)


@dataclass(frozen=True)
class Landmarks:
    """The hand's landmarks in one image.

    Attributes:
        camera: of the image.
        pixels: (21, 2) of it.
    """

    camera: Camera
    pixels: np.ndarray

    @property
    def spread(self) -> float:
        """Pixels that they are off."""
        return max(LANDMARK_SPREAD * float(np.ptp(self.pixels, axis=0).max()), 0.5)


@dataclass(frozen=True)
class Refined:
    """What came out.

    Attributes:
        hand: the better pose.
        before, after: pixels between outlines, root mean square.
    """

    hand: HandPose
    before: float
    after: float


def refine(
    data: HandData,
    hand: HandPose,
    masks: list[tuple[np.ndarray, Camera]],
    landmarks: Sequence[Landmarks] = (),
    with_shape: bool = True,
) -> Refined:
    """A pose whose outlines lie on those of the masks.

    Args:
        data: the hand model.
        hand: the fit to begin with.
        masks: (H, W) bool and camera of each image; three and more from different sides tell depth, two with landmarks.
        landmarks: of the images, where they are known.
        with_shape: whether the betas are changed, too.

    Returns:
        The fit itself where the masks do not make it better.
    """
    posed, worth = Posed.of(data, hand), WORTH if landmarks else float("inf")
    outlines: list[Outline | Landmarks] = [
        outline for mask, camera in masks if (outline := Outline.of(mask, camera, posed, worth)) is not None
    ]
    outlines += list(landmarks)
    spreads = SPREADS[: None if with_shape else POSE_NUMBERS].copy()
    spreads[:POSE_NUMBERS] *= SURE if landmarks else 1.0
    current, damping = np.zeros(len(spreads)), 1.0
    best = _cost(data, hand, current, outlines, spreads)
    before = best[1]
    for _ in range(ITERATIONS):
        matrix, vector = _normal_equations(data, hand, current, outlines, spreads)
        moved = False
        while damping < 1e6 and not moved:
            step = np.linalg.solve(matrix + damping * np.diag(np.diag(matrix)), -vector)
            trial = _cost(data, hand, current + step, outlines, spreads)
            if trial[0] < best[0]:
                moved = best[0] - trial[0] > 1e-4 * best[0]
                current, best, damping = current + step, trial, max(damping / 5.0, 1e-4)
                break
            damping *= 4.0
        if not moved:
            break
    return Refined(_changed(hand, current), before, best[1])


def _changed(hand: HandPose, change: np.ndarray) -> HandPose:
    return replace(
        hand,
        global_orient=hand.global_orient + change[:3],
        hand_pose=hand.hand_pose + change[3:48].reshape(15, 3),
        transl=hand.transl + change[48:51],
        betas=hand.betas + change[POSE_NUMBERS:] if len(change) > POSE_NUMBERS else hand.betas,
    )


def _cost(
    data: HandData, hand: HandPose, change: np.ndarray, seen: Sequence[Outline | Landmarks], spreads: np.ndarray
) -> tuple[float, float]:
    """Huber's cost with the priors, and the outlines' root mean square in pixels."""
    changed = _changed(hand, change)
    (nodes,) = _nodes(data, [changed])
    posed = _posed(data, changed, nodes[: len(data.v_template)])
    robust, outlines = 0.0, [np.zeros(0)]
    for one in seen:
        parts = _residuals(one, posed, nodes)
        spread = _spread(one, parts)
        for residual, _, _ in parts:
            size = np.abs(residual) / spread
            robust += float(np.where(size < HUBER, 0.5 * size**2, HUBER * (size - 0.5 * HUBER)).sum())
            if isinstance(one, Outline):
                outlines.append(residual)
    prior = 0.5 * float(((change / spreads) ** 2).sum())
    values = np.concatenate(outlines)
    return robust + prior, float(np.sqrt(np.mean(values**2))) if len(values) else 0.0


def _spread(one: Outline | Landmarks, parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> float:
    """Pixels that residuals are off; more where there are more of an outline than it is worth."""
    if isinstance(one, Landmarks):
        return one.spread
    return PIXEL_SPREAD * float(np.sqrt(max(1.0, sum(len(residual) for residual, _, _ in parts) / one.worth)))


def _nodes(data: HandData, hands: Sequence[HandPose]) -> np.ndarray:
    """(N, V + 21, 3) the vertices of posed hands, and where their landmarks are seen."""
    vertices, frames = posed_hands(data, hands)
    return np.concatenate([vertices, seen_on(data, frames, vertices)], axis=1)


def _posed(data: HandData, hand: HandPose, vertices: np.ndarray) -> Posed:
    """As ``Posed.of``, of vertices that are known."""
    whole = Posed.of(data, HandPose.rest(hand.side))
    joints = pose_joints(data, hand)
    direction = vertices[np.unique(whole.rim)].mean(axis=0) - joints[[1, 4, 7, 10]].mean(axis=0)
    return Posed(vertices, whole.faces, whole.rim, direction / np.linalg.norm(direction))


def _normal_equations(
    data: HandData, hand: HandPose, change: np.ndarray, seen: Sequence[Outline | Landmarks], spreads: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(P, P) and (P,) of all residuals and the priors."""
    (base,) = _nodes(data, [_changed(hand, change)])
    moves = _derivatives(data, hand, change, base)
    posed = _posed(data, _changed(hand, change), base[: len(data.v_template)])
    matrix, vector = np.diag(spreads**-2), change / spreads**2
    for one in seen:
        camera, parts = one.camera, _residuals(one, posed, base)
        spread = _spread(one, parts)
        for residual, which, along in parts:
            local = (base[which] - camera.camera_to_world[:3, 3]) @ camera.camera_to_world[:3, :3]
            depth = local[:, 2]
            # d(pixel)/d(point in the camera's frame), taken along the residual's direction.
            by_point = np.stack(
                [
                    along[:, 0] * camera.fx / depth,
                    along[:, 1] * camera.fy / depth,
                    -(along[:, 0] * camera.fx * local[:, 0] + along[:, 1] * camera.fy * local[:, 1]) / depth**2,
                ],
                axis=1,
            )
            rows = np.einsum("mi,ji,mjp->mp", by_point, camera.camera_to_world[:3, :3], moves[which])
            weight = np.minimum(1.0, HUBER * spread / np.maximum(np.abs(residual), 1e-9)) / spread**2
            matrix += (rows * weight[:, None]).T @ rows
            vector = vector + rows.T @ (weight * residual)
    return matrix, vector


def _derivatives(data: HandData, hand: HandPose, change: np.ndarray, base: np.ndarray) -> np.ndarray:
    """(V + 21, 3, P) of the nodes by each parameter."""
    moved = _nodes(data, [_changed(hand, other) for other in change + STEP * np.eye(len(change))])
    answer: np.ndarray = np.moveaxis(moved - base, 0, -1) / STEP
    return answer


def _residuals(
    one: Outline | Landmarks, posed: Posed, nodes: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Residuals in pixels, the node that each belongs to, and (M, 2) the direction in which its pixel counts."""
    return _of_landmarks(one, nodes) if isinstance(one, Landmarks) else _of_outline(one, posed)


def _of_landmarks(one: Landmarks, nodes: np.ndarray) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    count = len(one.pixels)
    which = np.arange(len(nodes) - count, len(nodes))
    pixels, depth = one.camera.project(nodes[which])
    if depth.min() <= 0.0:
        return []
    off = pixels - one.pixels
    return [(off[:, axis], which, np.tile(np.eye(2)[axis], (count, 1))) for axis in range(2)]


def _of_outline(outline: Outline, posed: Posed) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    pixels, depth = outline.camera.project(posed.vertices)
    if depth.min() <= 0.0:
        return []
    edge, inside, facing = _outline_vertices(outline, posed, pixels)
    if not len(edge):
        return []
    reach = REACH * outline.camera.fx / float(np.median(depth))
    here = pixels[edge]
    columns, rows = _places(outline, here)
    slope = outline.slope[rows, columns].astype(np.float64)
    away = outline.distance[rows, columns] + inside
    near = (np.abs(away) < reach) & ((slope * facing).sum(axis=1) > ALIKE)
    own = (away[near], edge[near], slope[near])
    between = here[None] - outline.points[:, None]
    squared = (between**2).sum(axis=-1)
    squared[outline.normals @ facing.T < ALIKE] = np.inf
    nearest = squared.argmin(axis=1)
    every = np.arange(len(nearest))
    close = (squared[every, nearest] < reach**2) & ~_at_the_cut(outline, posed, pixels)
    off = (between[every, nearest] * outline.normals).sum(axis=1) + inside[nearest]
    return [own, (off[close], edge[nearest[close]], outline.normals[close].astype(np.float64))]


def _at_the_cut(outline: Outline, posed: Posed, pixels: np.ndarray) -> np.ndarray:
    """(M,) bool: which points of a mask's outline lie where it was cut, near the hand's rim in the picture."""
    rim = np.unique(posed.rim)
    _, depth = outline.camera.project(posed.vertices[rim])
    reach = CUT * outline.camera.fx / float(np.median(depth))
    away: np.ndarray = np.linalg.norm(outline.points[:, None] - pixels[rim], axis=-1).min(axis=1) < reach
    return away


def _outline_vertices(outline: Outline, posed: Posed, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices between front and back whose pixels lie at the silhouette's edge, away from the wrist.

    Returns:
        Their (M,) indices, (M,) how many pixels they lie within the silhouette, and (M, 2) unit normals in the image.
    """
    import cv2

    solid = (silhouettes(outline.camera, outline.window, posed) > 0).astype(np.uint8)
    faces = posed.faces
    corners = posed.vertices[faces]
    area = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    to_camera = outline.camera.camera_to_world[:3, 3] - corners[:, 0]
    front = (area * to_camera).sum(axis=1) > 0.0
    seen, hidden = np.zeros(len(pixels), bool), np.zeros(len(pixels), bool)
    seen[faces[front].reshape(-1)] = True
    hidden[faces[~front].reshape(-1)] = True
    rim = posed.vertices[np.unique(posed.rim)]
    away = np.linalg.norm(posed.vertices - rim.mean(axis=0), axis=1)
    candidate = np.flatnonzero(seen & hidden & (away > np.linalg.norm(rim - rim.mean(axis=0), axis=1).max() + WRIST))
    columns, rows = _places(outline, pixels[candidate])
    depth = cv2.distanceTransform(solid, cv2.DIST_L2, 5)[rows, columns] - 0.5
    framed = _inner(solid.shape)[rows, columns]
    kept = framed & (depth < EDGE)
    normals = np.zeros_like(posed.vertices)
    for corner in range(3):
        np.add.at(normals, faces[:, corner], area)
    flat = normals[candidate[kept]] @ outline.camera.camera_to_world[:3, :2]
    flat = flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-12)
    return candidate[kept], np.maximum(depth[kept], -0.5), flat


def _places(outline: Outline, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns and rows of the outline's maps that hold pixels, or are nearest to them."""
    height, width = outline.distance.shape
    columns = np.clip((pixels[:, 0] - outline.window.x0).astype(int), 0, width - 1)
    return columns, np.clip((pixels[:, 1] - outline.window.y0).astype(int), 0, height - 1)


def _inner(shape: tuple[int, ...]) -> np.ndarray:
    """(h, w) bool: all but a frame of two pixels."""
    answer = np.zeros(shape[:2], dtype=bool)
    answer[2:-2, 2:-2] = True
    return answer
