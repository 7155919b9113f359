"""From an avatar in a pose to splats: placed on its skin, coloured to match its pictures, measured against others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
from ..rotations import matrix_to_quaternion
from .cloud import BANDS, Splats
from .raster import contributions, shown_by

COUNTS = (1000, 500_000)
SMOOTH = 9
"""Harmonics that are fitted, up to degree 2; few pictures say nothing of finer ones."""

SPREAD, FLATNESS = 0.62, 0.15
"""Standard deviation along the skin over the distance of neighbours, and across the skin over that."""

OPACITY = 0.95

STEPS = 16
"""Of the conjugate gradients."""

CALM = (1e-3, 0.3)
"""How strongly a splat's mean colour, and what changes with the view, is held at grey and nothing."""

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
        light: that a relightable avatar is shown in.

    Raises:
        LiveHandError: a number that makes no splats.
    """

    count: int = 40_000
    pictures: int = 20
    side: int = 384
    light: Shown = "trained"

    def __post_init__(self) -> None:
        if not COUNTS[0] <= self.count <= COUNTS[1]:
            raise LiveHandError(f"{self.count} splats cannot be made.", f"Choose from {COUNTS[0]} to {COUNTS[1]}.")
        if not 4 <= self.pictures <= 400:
            raise LiveHandError(f"{self.pictures} pictures are too few or too many.", "Choose from 4 to 400.")
        if not 64 <= self.side <= 2048:
            raise LiveHandError(f"Pictures of {self.side} pixels cannot be fitted to.", "Choose from 64 to 2048.")


class Fitted(NamedTuple):
    """Splats, and pictures that they were not fitted to."""

    splats: Splats
    tests: list[Portrait]


def fit_splats(
    renderer: Renderer,
    instance: HandInstance,
    metadata: AvatarMetadata,
    data: ProxyModel,
    settings: SplatSettings,
    progress: Progress,
) -> Fitted:
    """Splats of a hand in its pose, where it stands in the world.

    Args:
        renderer: draws the pictures.
        instance: the hand.
        metadata, data: its avatar's, and the hand model of the pose's side.
        settings: how many, and of what.
        progress: told about it.
    """
    vertices = (instance.scale * pose_vertices(data, instance.pose)).astype(np.float32)
    light = light_of(metadata, settings.light)
    cameras = cameras_on_sphere(vertices, settings.pictures, settings.side)
    cameras += cameras_on_sphere(vertices, TESTS, settings.side, turn=1.0)
    pictures = list(portraits(renderer, instance, cameras, light, progress))
    shown, tests = pictures[: settings.pictures], pictures[settings.pictures :]
    bare = _placed(data, vertices, settings.count, shown)
    return Fitted(_coloured(bare, shown, progress), tests)


def quality(drawn: Sequence[np.ndarray], truth: Sequence[np.ndarray]) -> float:
    """Mean PSNR in dB of pictures in the box of the hand, both (H, W, 4)."""
    values = []
    for image, wanted in zip(drawn, truth, strict=True):
        left, top, right, bottom = mask_box(wanted[..., 3] >= 0.5)
        window = np.s_[top:bottom, left:right, :3]
        error = np.mean((np.clip(image[window], 0.0, 1.0) - np.clip(wanted[window], 0.0, 1.0)) ** 2)
        values.append(-10.0 * np.log10(max(float(error), 1e-12)))
    return float(np.mean(values))


def _placed(data: ProxyModel, vertices: np.ndarray, count: int, pictures: Sequence[Portrait]) -> Splats:
    """Grey discs on the skin, as many and as large as cover it."""
    trial = Texels(data, 256)
    texels = Texels(data, max(8, round(256 * np.sqrt(count / max(len(trial.places), 1)))))
    texels.find_offset(vertices, pictures)
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
    return Splats(
        places.astype(np.float32),
        np.zeros((len(places), BANDS, 3), np.float32),
        np.full(len(places), OPACITY, np.float32),
        np.maximum(scales, 1e-6).astype(np.float32),
        matrix_to_quaternion(frames).astype(np.float32),
    )


def _coloured(splats: Splats, pictures: Sequence[Portrait], progress: Progress) -> Splats:
    """The colours that come nearest to the pictures: least squares by conjugate gradients."""
    views = []
    for number, picture in enumerate(pictures):
        progress(number, len(pictures), "splats")
        matrix = contributions(splats, picture.camera)
        wanted = picture.rgba[..., :3].reshape(-1, 3) - 0.5 * np.asarray(matrix.sum(axis=1))
        views.append((matrix, shown_by(splats.places, picture.camera)[:, :SMOOTH].astype(np.float32), wanted))
    progress(len(pictures), len(pictures), "splats")
    calm = np.where(np.arange(SMOOTH) == 0, *CALM)[:, None]

    def curved(colours: np.ndarray) -> np.ndarray:
        answer = calm * colours
        for matrix, towards, _ in views:
            shown = np.einsum("nb,nbc->nc", towards, colours)
            answer += towards[..., None] * (matrix.T @ (matrix @ shown))[:, None]
        return answer

    colours = np.zeros((len(splats.places), SMOOTH, 3))
    rest, scale = np.zeros_like(colours), np.broadcast_to(calm, (*colours.shape[:2], 1)).copy()
    for matrix, towards, wanted in views:
        rest += towards[..., None] * (matrix.T @ wanted)[:, None]
        scale += (towards**2 * np.asarray(matrix.multiply(matrix).sum(axis=0)).reshape(-1, 1))[..., None]
    turned = rest / scale
    ahead, size = turned.copy(), np.vdot(rest, turned)
    for step in range(STEPS):
        progress(step, STEPS, "colours")
        bent = curved(ahead)
        length = size / max(float(np.vdot(ahead, bent)), 1e-30)
        colours += length * ahead
        rest -= length * bent
        turned = rest / scale
        before, size = size, np.vdot(rest, turned)
        ahead = turned + size / max(float(before), 1e-30) * ahead
    progress(STEPS, STEPS, "colours")
    harmonics = splats.harmonics.copy()
    harmonics[:, :SMOOTH] = colours
    return Splats(splats.places, harmonics, splats.opacity, splats.scales, splats.turns)
