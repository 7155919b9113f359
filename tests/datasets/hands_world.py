"""A small world of known truth, to be written as each data set is laid out: a hand, three poses, three cameras.

MANO is the built-in hand under another name, with a mean pose, components and the left hand's known fault.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from livehand_core.cameras import Camera, look_at
from livehand_core.hand.builtin import builtin_hand
from livehand_core.hand.gestures import GESTURES
from livehand_core.hand.library import find_hand
from livehand_core.hand.skinning import pose_joints, pose_vertices
from livehand_core.poses import HandPose, Side

SKIN = np.array([205, 150, 120])


def write_mano(folder: Path) -> None:
    """MANO_RIGHT.npz and MANO_LEFT.npz."""
    rng = np.random.default_rng(3)
    folder.mkdir(parents=True, exist_ok=True)
    mean = rng.normal(0.0, 0.1, 45)
    components = np.linalg.qr(rng.normal(size=(45, 45)))[0]
    right = builtin_hand("right")
    for side in ("right", "left"):
        data = builtin_hand(side)
        shapes = data.shapedirs.copy()
        # The published file's fault: x is the right hand's.
        shapes[:, 0] = right.shapedirs[:, 0]
        np.savez(
            folder / f"MANO_{side.upper()}.npz",
            v_template=data.v_template,
            shapedirs=shapes,
            posedirs=data.posedirs,
            J_regressor=data.joint_regressor,
            weights=data.weights,
            kintree_table=np.stack([np.where(data.parents < 0, 2**32 - 1, data.parents), np.arange(16)]),
            hands_mean=mean * (1.0 if side == "right" else 0.8),
            hands_components=components,
            f=data.faces,
        )


def open_edges(faces: np.ndarray) -> np.ndarray:
    """(E, 2) edges of only one triangle: the rim at the wrist."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    counts: dict[tuple[int, ...], int] = {}
    for edge in edges.tolist():
        key = tuple(sorted(edge))
        counts[key] = counts.get(key, 0) + 1
    return np.array([edge for edge in edges.tolist() if counts[tuple(sorted(edge))] == 1])


@dataclass(frozen=True, eq=False)
class World:
    """Truth.

    Attributes:
        side, model: of the hand.
        poses: flat, in the cameras' world, metres.
        cameras: name -> camera.
    """

    side: Side
    model: str
    poses: tuple[HandPose, ...]
    cameras: dict[str, Camera]

    def vertices(self, index: int) -> np.ndarray:
        return pose_vertices(find_hand(self.model, self.side), self.poses[index])

    def joints(self, index: int) -> np.ndarray:
        """(21, 3) in the usual order, the tips at the last joints."""
        joints = pose_joints(find_hand(self.model, self.side), self.poses[index])
        usual = [0, 13, 14, 15, 15, 1, 2, 3, 3, 4, 5, 6, 6, 10, 11, 12, 12, 7, 8, 9, 9]
        return joints[usual]

    def raw_fingers(self, index: int) -> np.ndarray:
        """(45,) relative to the mean pose."""
        data = find_hand(self.model, self.side)
        return self.poses[index].hand_pose.reshape(-1) - data.hands_mean

    @cache  # noqa: B019 a few small worlds a run
    def image(self, index: int, name: str) -> tuple[np.ndarray, np.ndarray]:
        """(H, W, 3) uint8 and the true mask (H, W) bool: lit skin before a dark room, the forearm of the same skin."""
        camera, hand = self.cameras[name], self.vertices(index)
        data = find_hand(self.model, self.side)
        joints = pose_joints(data, self.poses[index])
        rim, faces = open_edges(data.faces), data.faces
        arm = hand[np.unique(rim)].mean(axis=0) - joints[[1, 4, 7, 10]].mean(axis=0)
        count = len(hand)
        vertices = np.concatenate([hand, hand + 0.2 * arm / np.linalg.norm(arm)])
        first, second = rim.T
        sleeve = np.concatenate(
            [np.stack([first, second, second + count], 1), np.stack([first, second + count, first + count], 1)]
        )
        faces = np.concatenate([faces, sleeve])
        of_hand = np.arange(len(faces)) < len(data.faces)
        rng = np.random.default_rng(index)
        room = np.clip(rng.normal(28.0, 5.0, (camera.height, camera.width, 3)), 0, 255).astype(np.uint8)
        picture = Image.fromarray(room)
        mask = Image.new("L", picture.size)
        pixels, depth = camera.project(vertices)
        normals = np.cross(vertices[faces[:, 1]] - vertices[faces[:, 0]], vertices[faces[:, 2]] - vertices[faces[:, 0]])
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        light = 0.75 + 0.25 * np.abs(normals @ camera.camera_to_world[:3, 2])
        draw, solid = ImageDraw.Draw(picture), ImageDraw.Draw(mask)
        for face in np.argsort(-depth[faces].mean(axis=1)):
            corners = [tuple(point) for point in pixels[faces[face]] - 0.5]
            draw.polygon(corners, fill=tuple((SKIN * light[face]).astype(int).tolist()))
            solid.polygon(corners, fill=255 if of_hand[face] else 0)
        return np.asarray(picture), np.asarray(mask) > 0


@cache
def make_world(side: Side = "right", model: str = "mano", size: tuple[int, int] = (160, 200)) -> World:
    """Three poses about half a metre before three cameras; the world's y points down."""
    data = find_hand(model, side)
    rng = np.random.default_rng(5)
    betas = np.array([0.8, -0.5, 0.4, *([0.0] * 7)])
    rest = data.rest_joints(betas)[0]
    poses = []
    for index, gesture in enumerate(("open", "relaxed", "point")):
        turn = np.array([1.2, 0.4, -0.3]) + 0.3 * rng.normal(size=3)
        fingers = np.asarray(GESTURES[gesture]).reshape(15, 3)
        fingers = fingers * (1.0 if side == "right" else np.array([1.0, -1.0, -1.0]))
        poses.append(HandPose(turn, fingers, betas, np.array([0.02 * index, 0.01, 0.9]) - rest, side))
    centre = np.array([-0.03, 0.01, 0.9])
    cameras = {}
    for index, (x, y) in enumerate([(0.0, 0.0), (0.35, -0.1), (-0.3, 0.15)]):
        matrix = look_at(np.array([x, y, 0.2]), centre, np.array([0.0, -1.0, 0.0]))
        width, height = size
        cameras[str(index)] = Camera(width, height, 420.0, 422.0, 0.5 * width + 3, 0.5 * height - 2, matrix)
    return World(side, model, tuple(poses), cameras)


def save(path: Path, pixels: np.ndarray) -> None:
    """Write an image, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **({"quality": 97} if path.suffix == ".jpg" else {}))
