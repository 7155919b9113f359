"""From an avatar in a pose to splats: placed on its skin, fitted to its pictures, measured against others."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ..avatars.metadata import AvatarMetadata
from ..captures.images import mask_box
from ..errors import LiveHandError
from ..frames import HandInstance
from ..hand.data import ProxyModel
from ..hand.skinning import pose_vertices
from ..meshes.baking import Texels
from ..meshes.looks import Shown
from ..meshes.portraits import Portrait, cameras_on_sphere, light_of, portraits
from ..rendering.renderer import Renderer
from ..rotations import matrix_to_quaternion, quaternion_to_matrix
from ..workers import Workers
from . import kernels
from .cloud import basis
from .drawing import Shape, draw, gradients
from .kernels import LEAST

COUNTS = (1000, 500_000)
BANDS = 9
"""Harmonics that are fitted, up to degree 2; the pictures say little of finer ones."""

SPREAD, FLATNESS = 0.62, 0.15
"""To begin with: standard deviation along the skin over the distance of neighbours, and across the skin over that."""

OPACITY = 0.9
"""To begin with."""

RATES = {"places": 0.03, "turns": 5e-3, "logs": 1e-2, "logits": 3e-2, "colours": 8e-3}
"""By how much a step changes what; places in distances of neighbours."""

FINER = 0.2
"""Rate of harmonics that change with the view, over that of the mean colour."""

LAST = 0.03
"""Rate of the last step over that of the first; a cosine between."""

GOING_ON = 0.3
"""Steps of a motion's further frames, which begin with the splats of the one before, over those of the first."""

TESTS = 4
"""Pictures by other cameras that the splats are measured on."""

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class SplatSettings:
    """How splats are made.

    Attributes:
        count: about how many.
        pictures: that they are fitted to.
        side: of the pictures, pixels.
        steps: of the fit, each by one picture.
        seconds: after which it ends all the same; 0 for no such limit.
        light: that a relightable avatar is shown in.

    Raises:
        LiveHandError: a number that makes no splats.
    """

    count: int = 40_000
    pictures: int = 96
    side: int = 384
    steps: int = 1000
    seconds: float = 0.0
    light: Shown = "trained"

    def __post_init__(self) -> None:
        if not COUNTS[0] <= self.count <= COUNTS[1]:
            raise LiveHandError(f"{self.count} splats cannot be made.", f"Choose from {COUNTS[0]} to {COUNTS[1]}.")
        if not 4 <= self.pictures <= 400:
            raise LiveHandError(f"{self.pictures} pictures are too few or too many.", "Choose from 4 to 400.")
        if not 64 <= self.side <= 2048:
            raise LiveHandError(f"Pictures of {self.side} pixels cannot be fitted to.", "Choose from 64 to 2048.")
        if not 1 <= self.steps <= 100_000:
            raise LiveHandError(f"Splats cannot be fitted in {self.steps} steps.", "Choose from 1 to 100000.")
        if not 0.0 <= self.seconds < np.inf:
            raise LiveHandError(f"Splats cannot be fitted in {self.seconds:g} seconds.", "Give a time, or 0 for any.")


class Fitted(NamedTuple):
    """Splats, and pictures that they were not fitted to.

    Attributes:
        shape: of the splats.
        face: (N,) the triangle of the skin that each was placed on.
        vertices: (V, 3) of the skin.
        tests: the pictures.
    """

    shape: Shape
    face: np.ndarray
    vertices: np.ndarray
    tests: list[Portrait]


def fit_splats(
    renderer: Renderer,
    instance: HandInstance,
    metadata: AvatarMetadata,
    data: ProxyModel,
    settings: SplatSettings,
    workers: Workers,
    progress: Progress,
    stopped: Callable[[], bool],
    before: Fitted | None = None,
) -> Fitted | None:
    """Splats of a hand in its pose, where it stands in the world; None when it was stopped.

    Args:
        renderer: draws the pictures.
        instance: the hand.
        metadata, data: its avatar's, and the hand model of the pose's side.
        settings: how many, and of what.
        workers: that draw the splats.
        progress: told about it.
        stopped: asked after every step.
        before: the same hand in another pose, whose splats are gone on with.
    """
    vertices = (instance.scale * pose_vertices(data, instance.pose)).astype(np.float32)
    light = light_of(metadata, settings.light)
    cameras = cameras_on_sphere(vertices, settings.pictures, settings.side)
    cameras += cameras_on_sphere(vertices, TESTS, settings.side, turn=1.0)
    pictures = []
    for picture in portraits(renderer, instance, cameras, light, progress):
        pictures.append(picture)
        if stopped():
            return None
    shown, tests = pictures[: settings.pictures], pictures[settings.pictures :]
    steps = settings.steps
    if before is None:
        shape, face = _placed(data, vertices, settings.count, shown)
    else:
        shape, face = carried(before, vertices, data.faces), before.face
        steps = max(1, round(GOING_ON * steps))
    if not descend(shape, shown, steps, settings.seconds, workers, progress, stopped):
        return None
    kept = np.flatnonzero(np.isfinite(shape.places).all(axis=1) & (shape.opacity > LEAST))
    return Fitted(Shape(*(part[kept] for part in vars(shape).values())), face[kept], vertices, tests)


def descend(
    shape: Shape,
    pictures: Sequence[Portrait],
    steps: int,
    seconds: float,
    workers: Workers,
    progress: Progress,
    stopped: Callable[[], bool],
) -> bool:
    """Bring splats nearer to pictures, one picture a step, by Adam on the squared error; False when it was stopped."""
    wanted = [np.rint(255.0 * np.clip(picture.rgba, 0.0, 1.0)).astype(np.uint8) for picture in pictures]
    random = np.random.default_rng(0)
    parts = vars(shape)
    moments = {name: (np.zeros_like(part), np.zeros_like(part)) for name, part in parts.items()}
    apart = float(np.exp(np.median(shape.logs[:, 0]))) / SPREAD
    rates = {
        name: np.full(part[0].size, RATES[name] * (apart if name == "places" else 1.0)) for name, part in parts.items()
    }
    rates["colours"][3:] *= FINER
    began, order = time.monotonic(), np.zeros(0, np.int64)
    for step in range(steps):
        past = time.monotonic() - began
        if seconds and past > seconds:
            break
        progress(step, steps, "splats")
        if stopped():
            return False
        if not len(order):
            order = random.permutation(len(pictures))
        chosen, order = int(order[0]), order[1:]
        camera = pictures[chosen].camera
        drawn = draw(shape, camera, workers)
        error = drawn.image - wanted[chosen].astype(np.float32) / 255.0
        slopes = gradients(shape, camera, drawn, error, workers)
        done = max(step / steps, past / seconds if seconds else 0.0)
        slowed = LAST + (1.0 - LAST) * 0.5 * (1.0 + math.cos(math.pi * done))
        for name, part in parts.items():
            rows, size = len(part), part[0].size
            of = [one.reshape(rows, size) for one in (part, getattr(slopes, name), *moments[name])]
            kernels.descend(*of, slowed * rates[name], step + 1)
    progress(steps, steps, "splats")
    return True


def carried(before: Fitted, vertices: np.ndarray, faces: np.ndarray) -> Shape:
    """Splats of a skin in one pose on that skin in another: each keeps its place and turn on its triangle."""
    here, there = (_frames(one[faces[before.face]].astype(np.float64)) for one in (before.vertices, vertices))
    turn = there[1] @ here[1].swapaxes(1, 2)
    places = there[0] + np.einsum("nij,nj->ni", turn, before.shape.places - here[0])
    turns = before.shape.turns / np.linalg.norm(before.shape.turns, axis=1, keepdims=True)
    turns = matrix_to_quaternion(turn @ quaternion_to_matrix(turns))
    return replace(before.shape, places=places.astype(np.float32), turns=turns.astype(np.float32))


def _frames(corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N, 3) middles and (N, 3, 3) axes of triangles."""
    along, other = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    normal = np.cross(along, other)
    along = along / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-12)
    normal = normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    return corners.mean(axis=1), np.stack([along, np.cross(normal, along), normal], axis=2)


def quality(drawn: Sequence[np.ndarray], truth: Sequence[np.ndarray]) -> float:
    """Mean PSNR in dB of pictures in the box of the hand, both (H, W, 4)."""
    values = []
    for image, wanted in zip(drawn, truth, strict=True):
        left, top, right, bottom = mask_box(wanted[..., 3] >= 0.5)
        window = np.s_[top:bottom, left:right, :3]
        error = np.mean((np.clip(image[window], 0.0, 1.0) - np.clip(wanted[window], 0.0, 1.0)) ** 2)
        values.append(-10.0 * np.log10(max(float(error), 1e-12)))
    return float(np.mean(values))


def _placed(
    data: ProxyModel, vertices: np.ndarray, count: int, pictures: Sequence[Portrait]
) -> tuple[Shape, np.ndarray]:
    """Discs on the skin, as many and as large as cover it, in the colour that the pictures show there; their faces."""
    trial = Texels(data, 256)
    texels = Texels(data, max(8, round(256 * np.sqrt(count / max(len(trial.places), 1)))))
    texels.find_offset(vertices, pictures)
    for picture in pictures:
        texels.gather(vertices, picture.camera, picture.rgba)
    colours = texels.texture().reshape(-1, 3)[texels.places]
    places, normals = texels.at(vertices)
    corners, flat = vertices[data.faces], texels.side * data.face_uv
    area = 0.5 * np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    edges = flat[:, 1:] - flat[:, :1]
    texel_area = 0.5 * np.abs(edges[:, 0, 0] * edges[:, 1, 1] - edges[:, 0, 1] * edges[:, 1, 0])
    apart = np.sqrt(area / np.maximum(texel_area, 1e-9))[texels.face]
    scales = SPREAD * apart[:, None] * np.array([1.0, 1.0, FLATNESS])
    frames = np.empty((len(normals), 3, 3))
    other = np.where(np.abs(normals[:, :1]) < 0.9, [[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]])
    across = np.cross(normals, other)
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    frames[..., 0], frames[..., 1], frames[..., 2] = across, np.cross(normals, across), normals
    harmonics = np.zeros((len(places), BANDS, 3), np.float32)
    harmonics[:, 0] = (colours - 0.5) / basis(np.array([0.0, 0.0, 1.0]))[0]
    shape = Shape(
        places.astype(np.float32),
        matrix_to_quaternion(frames).astype(np.float32),
        np.log(np.maximum(scales, 1e-6)).astype(np.float32),
        np.full((len(places), 1), math.log(OPACITY / (1.0 - OPACITY)), np.float32),
        harmonics,
    )
    return shape, texels.face
