"""From an avatar to a rigged mesh with a texture: ``extract_rigged``. The command line calls it."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..avatars.metadata import read_metadata
from ..errors import AvatarError, LiveHandError
from ..frames import HandInstance
from ..hand.data import ProxyModel
from ..hand.gestures import gesture
from ..hand.skinning import pose_vertices
from ..poses import HandPose
from ..rendering.renderer import Renderer
from ..views.shots import hand_of
from .baking import Texels
from .looks import Shown, Surface
from .portraits import cameras_on_sphere, light_of, portraits
from .rig import RiggedMesh, rigged_proxy, rigged_surface, vertices_of

BAKED_IN = "spread"
"""Gesture in which the texture is baked: no finger hides another."""

PICTURES, PICTURE_SIDE = 26, 640
"""Pictures that it is baked from, and their pixels a side."""

TEXTURE_SIDES = (64, 4096)

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class RigSettings:
    """How a rigged mesh is made.

    Attributes:
        surface: ``"proxy"``, with a texture, or ``"density"``, with vertex colours.
        resolution, threshold: of the density's surface, see ``MeshSettings``.
        texture: texels a side.
        fps: of the motion.
        light: that a relightable avatar's colours are shown in.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``.
        threads: None for all of the processor's.

    Raises:
        LiveHandError: a texture of a size that makes no sense.
    """

    surface: Surface = "proxy"
    resolution: float = 1e-3
    threshold: float | None = None
    texture: int = 1024
    fps: float = 24.0
    light: Shown = "even"
    device: str = "auto"
    threads: int | None = None

    def __post_init__(self) -> None:
        low, high = TEXTURE_SIDES
        if not low <= self.texture <= high:
            raise LiveHandError(f"A texture cannot have {self.texture} texels a side.", f"Choose from {low} to {high}.")


@dataclass(frozen=True)
class Rigged:
    """A rigged mesh and how true it is.

    Attributes:
        mesh: the mesh.
        off: metres by which the rig brings a vertex of the proxy beside its place at most, over the frames.
        off_without: the same where nobody keys the morph targets.
    """

    mesh: RiggedMesh
    off: float
    off_without: float


def extract_rigged(
    instances: Sequence[HandInstance], settings: RigSettings, progress: Progress = lambda done, of, text: None
) -> Rigged:
    """A rigged mesh of an avatar through the frames of a motion.

    Args:
        instances: one a frame, all of one avatar, identity, side and scale.
        settings: what is made, and how.
        progress: told about it.

    Raises:
        AvatarError, HandModelError: an avatar or its hand cannot be used.
        LiveHandError: settings that make no mesh, or a library is not installed.
    """
    first = instances[0]
    metadata = read_metadata(first.avatar)
    if metadata.joints:
        raise AvatarError(
            f"The avatar {metadata.name!r} is of a part that has a rig of its own.",
            "Export the rigged mesh that it was made of, or leave out --rig.",
        )
    data = hand_of(metadata, first.pose.side)
    poses = [instance.pose for instance in instances]
    rig = rigged_proxy(data, poses, settings.fps)
    off = _furthest_off(rig, data, poses)
    if settings.surface == "density":
        rig = _density(first, data, poses, settings, progress)
    elif rig.uv is not None:
        rig = replace(rig, texture=_png(bake_texture(first, data, settings, progress)))
    return Rigged(rig.scaled(first.scale), first.scale * off[0], first.scale * off[1])


def bake_texture(instance: HandInstance, data: ProxyModel, settings: RigSettings, progress: Progress) -> np.ndarray:
    """(side, side, 3) float32 sRGB: the avatar's colour over the proxy's (u, v), the mean of what views see of it.

    Of a relightable avatar it is the colour in ``settings.light``; another one's own light and shade are in it.
    """
    joints = gesture(BAKED_IN, instance.pose.side)
    still = HandInstance(
        HandPose(np.zeros(3), joints, instance.pose.betas, np.zeros(3), instance.pose.side),
        instance.avatar,
        1.0,
        instance.identity,
        tint=instance.tint,
    )
    vertices = pose_vertices(data, still.pose).astype(np.float32)
    cameras = cameras_on_sphere(vertices, PICTURES, PICTURE_SIDE)
    light = light_of(read_metadata(instance.avatar), settings.light)
    renderer = Renderer(settings.device, threads=settings.threads)
    pictures = list(portraits(renderer, still, cameras, light, progress))
    texels = Texels(data, settings.texture)
    texels.find_offset(vertices, pictures)
    for number, picture in enumerate(pictures):
        progress(number, len(pictures), "texture")
        texels.gather(vertices, picture.camera, picture.rgba)
    progress(len(pictures), len(pictures), "texture")
    return texels.texture()


def _furthest_off(rig: RiggedMesh, data: ProxyModel, poses: Sequence[HandPose]) -> tuple[float, float]:
    """Metres by which a rigged proxy is off the proxy at most, with its morph targets and by its bones alone."""
    own = vertices_of(data)
    off = np.zeros(2)
    for frame, pose in enumerate(poses):
        exact = pose_vertices(data, pose)[own]
        found = [np.linalg.norm(rig.posed(frame, targets) - exact, axis=1).max() for targets in (True, False)]
        off = np.maximum(off, found)
    return float(off[0]), float(off[1])


def _density(
    first: HandInstance, data: ProxyModel, poses: list[HandPose], settings: RigSettings, progress: Progress
) -> RiggedMesh:
    from ..kernels.mesh.nearest import nearest_points
    from ..kernels.mesh.proxy import PosedProxy
    from ..kernels.mesh.skinning import PosedHandModel
    from .extract import MeshSettings, extract_mesh

    # A still hand is taken as it stands; through a motion, one whose fingers do not grow together.
    still = first.pose
    if len(poses) > 1:
        still = replace(still, hand_pose=gesture(BAKED_IN, still.side), global_orient=np.zeros(3), transl=np.zeros(3))
    chosen = MeshSettings(settings.resolution, settings.threshold, settings.device, settings.threads)
    surface = extract_mesh(replace(first, pose=still, scale=1.0), chosen, progress)
    rig = rigged_proxy(data, [*poses, still], settings.fps)
    model = PosedHandModel(data)
    face, barycentric, _ = nearest_points(PosedProxy.of(model.vertices(still), model.topology), surface.vertices)
    mesh = rigged_surface(surface, data, rig, still, (face, barycentric))
    motion = mesh.motion
    kept = replace(motion, turns=motion.turns[:-1], root=motion.root[:-1], weights=motion.weights[:-1])
    return replace(mesh, motion=kept)


def _png(colours: np.ndarray) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(np.rint(colours * 255.0).astype(np.uint8)).save(stream, "PNG")
    return stream.getvalue()
