"""From an avatar's density to a coloured mesh: ``extract_mesh``. The command line and Blender's operator call it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..avatars.arrays import read_arrays
from ..avatars.metadata import AvatarMetadata
from ..cameras import Camera
from ..devices import pick_device
from ..errors import LiveHandError
from ..frames import FrameRequest, HandInstance
from ..hand.data import ProxyModel
from ..hand.library import find_model
from ..kernels.mesh.nearest import nearest_points
from ..kernels.mesh.proxy import PosedProxy
from ..kernels.mesh.skinning import PosedHandModel
from ..libraries import require
from ..rendering.setup import avatar_view, conditioning, identity_shares
from ..rendering.view import View
from ..workers import Workers
from .fields import PosedField, Surroundings
from .mesh import Mesh, largest_component, vertex_normals
from .volume import Grid, surface
from .wrist import Cap, find_cap

if TYPE_CHECKING:
    from ..avatars.file import Avatar

RESOLUTION_RANGE = (0.1e-3, 10e-3)
"""Metres: finer grids take hours, coarser ones lose fingers."""

COLOUR_LIFT = 1e-3
"""Metres above the surface where the ray that looks a vertex' colour up begins: before the density, behind most other
fingers."""

COLOUR_DEPTH = 2e-3
"""Metres below the surface where it ends: what lies deeper is hidden."""

VERTICES_AT_ONCE = 4096
"""Rays at once."""

POINTS_AT_ONCE = 1 << 15

REFINED, REFINEMENTS = 0.6, 6
"""How far a vertex may move, in cells, and the number of steps in which it finds the surface."""

Progress = Callable[[int, int, str], None]
"""Called with (steps done, steps in all, what is being done); what it raises ends the work."""


@dataclass(frozen=True)
class MeshSettings:
    """How a surface is taken out of the density.

    Attributes:
        resolution: side of the grid's cells in metres of the world.
        threshold: density of the surface in 1/m; None for the one at which a ray loses half of its light between two of
            the avatar's own samples.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``.
        threads: None for all of the processor's.

    Raises:
        LiveHandError: a resolution or threshold that makes no sense.
    """

    resolution: float = 1e-3
    threshold: float | None = None
    device: str = "auto"
    threads: int | None = None

    def __post_init__(self) -> None:
        low, high = RESOLUTION_RANGE
        if not low <= self.resolution <= high:
            raise LiveHandError(
                f"A mesh cannot have a resolution of {self.resolution * 1e3:g} mm.",
                f"Choose one from {low * 1e3:g} to {high * 1e3:g} mm.",
            )
        if self.threshold is not None and not 0.0 < self.threshold < math.inf:
            raise LiveHandError(f"The density threshold is {self.threshold}.", "Choose a positive one, in 1/m.")


def default_threshold(metadata: AvatarMetadata, levels: np.ndarray | None = None) -> float:
    """Density in 1/m at which a ray that faces the skin loses half of its light between two samples.

    Args:
        metadata: of the avatar.
        levels: (V, 2) of surface sampling, see ``AvatarArrays.levels``.
    """
    samples = metadata.architecture.n_samples
    if levels is not None:
        return math.log(2.0) * samples / float(np.median(levels[:, 1]))
    return math.log(2.0) * (samples - 1) / (2.0 * metadata.depth_margin)


def extract_mesh(
    instance: HandInstance,
    settings: MeshSettings = MeshSettings(),
    progress: Progress = lambda done, total, text: None,
    *,
    hands: Mapping[tuple[str, str], ProxyModel] | None = None,
    avatars: Mapping[str, Avatar] | None = None,
) -> Mesh:
    """The surface of an avatar's density at a pose, coloured by its field.

    The density is only evaluated where the avatar was trained, within its depth margin of the proxy: what lies deeper
    is solid, what lies farther is empty. Where the proxy is open, at the wrist, the mesh ends in a flat cap. A vertex'
    colour is what a short ray against the surface's normal sees, before super-resolution.

    Example:
        >>> mesh = extract_mesh(HandInstance(HandPose.rest()), MeshSettings(resolution=2e-3))  # doctest: +SKIP

    Args:
        instance: avatar, pose, scale, identity.
        settings: resolution, threshold, device.
        progress: told about it.
        hands, avatars: in place of files, as for ``Renderer``.

    Returns:
        A closed mesh in the world of the pose, metres.

    Raises:
        AvatarError, HandModelError: an avatar or its hand cannot be used.
        LiveHandError: there is no surface at the threshold, or a library is not installed.
    """
    require("meshes")
    # Its checks count here, too: a scale that is positive and finite.
    FrameRequest(_WORLD, (instance,))
    known = (avatars or {}).get(instance.avatar)
    arrays = read_arrays(instance.avatar) if known is None else known.arrays()
    metadata = arrays.metadata
    data = (hands or {}).get((metadata.hand_model, metadata.side)) or find_model(metadata.hand_model, metadata.side)
    metadata.check_hand(data)
    data = arrays.refined(data)
    view = avatar_view(metadata, data, instance, _WORLD)
    proxy = (model := PosedHandModel(data, bool(metadata.joints))).proxy(model.vertices(view.pose), view.pose)
    workers = Workers(settings.threads)
    around = Surroundings(proxy, metadata, workers)
    pose, code = conditioning(metadata, arrays.latent, view, instance.identity)
    shares = identity_shares(metadata, arrays.latent, instance.identity)
    field = PosedField(arrays, around, pose, code, shares, pick_device(settings.device))
    solid = _Solid(
        field,
        around,
        metadata.depth_margin,
        settings.threshold or default_threshold(metadata, arrays.levels(data)),
        find_cap(proxy.vertices, model.topology.faces, metadata.depth_margin),
        settings.resolution / instance.scale,
    )
    vertices, faces = _extract(solid, proxy, progress)
    vertices = _refined(solid, vertices, faces, progress)
    normals = vertex_normals(vertices, faces)
    mesh = Mesh(vertices.astype(np.float32), faces, normals, _colours(solid, vertices, normals, progress))
    return mesh.moved(_to_world(view))


_WORLD = Camera(1, 1, 1.0, 1.0, 0.5, 0.5, np.eye(4))
"""A camera whose frame is the world: what becomes of it tells how the avatar's frame lies there."""


def _to_world(view: View) -> np.ndarray:
    """(4, 4) from the avatar's frame to the world, for a view of ``_WORLD``."""
    matrix = view.camera.world_to_camera.copy()
    if view.mirrored:
        matrix = np.diag([-1.0, 1.0, 1.0, 1.0]) @ matrix
    matrix[:3] *= view.scale
    return matrix


class _Solid:
    """A hand as values that are positive inside, in [-1, 1]."""

    def __init__(
        self, field: PosedField, around: Surroundings, reach: float, threshold: float, cap: Cap | None, step: float
    ) -> None:
        self.field, self.around, self.reach, self.cap, self.step = field, around, reach, cap, step
        self.threshold, self.densest = threshold, -math.inf

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """(N,) values at (N, 3) points."""
        coordinates = self.around.at(points)
        distance = coordinates[:, 2]
        answer = np.where(distance < 0.0, 1.0, -1.0)
        near = np.flatnonzero(np.abs(distance) < self.reach)
        if len(near):
            sigma = self.field.densities(points[near], coordinates[near])
            self.densest = max(self.densest, float(sigma.max()))
            # The part of light that an interval loses which loses half of it at the threshold: about linear where the
            # surface is, whatever the density rises to behind it.
            answer[near] = 1.0 - 2.0 * np.exp2(-np.maximum(sigma, 0.0) / self.threshold)
        if self.cap is None:
            return answer
        height = self.cap.heights(points)
        # Rays never looked into the flesh behind the cap: without a plug, holes there would open into it.
        answer[(height > -3.0 * self.step) & (distance < -0.5 * self.reach)] = 1.0
        cut = np.clip(-height / self.step, -1.0, 1.0)
        return np.minimum(answer, cut)

    def on_cap(self, vertices: np.ndarray) -> np.ndarray:
        """(V,) whether vertices of the surface lie on the cap."""
        if self.cap is None:
            return np.zeros(len(vertices), bool)
        return np.abs(self.cap.heights(vertices)) < 0.5 * self.step


def _extract(solid: _Solid, proxy: PosedProxy, progress: Progress) -> tuple[np.ndarray, np.ndarray]:
    reach = solid.reach + solid.step
    grid = Grid.around(proxy.vertices.min(axis=0) - reach, proxy.vertices.max(axis=0) + reach, solid.step)
    places, middles = grid.middles()
    distance = np.linalg.norm(nearest_points(proxy, middles)[2] - middles, axis=1)
    places = places[distance < solid.reach + grid.reach]

    def told():  # type: ignore[no-untyped-def]
        for number, place in enumerate(places):
            progress(number, len(places), "density")
            yield place

    vertices, faces = surface(grid, told(), solid)
    progress(len(places), len(places), "density")
    if not len(faces) or solid.densest <= solid.threshold:
        raise LiveHandError(
            f"The avatar has no surface at a density of {solid.threshold:.4g} 1/m; "
            f"its densest is {solid.densest:.4g} 1/m.",
            "Choose a lower threshold.",
        )
    return largest_component(vertices, faces)


def _refined(solid: _Solid, vertices: np.ndarray, faces: np.ndarray, progress: Progress) -> np.ndarray:
    """Vertices moved along their normals onto the surface, by the Illinois variant of the secant method.

    Marching cubes takes values to be linear along a cell's edge; where they are not, terraces would show in the light.
    """
    normals = vertex_normals(vertices, faces)
    answer = vertices.copy()
    for first in range(0, len(vertices), POINTS_AT_ONCE):
        progress(first, len(vertices), "surface")
        part = slice(first, first + POINTS_AT_ONCE)
        start, along = vertices[part], normals[part]

        def value(offset: np.ndarray, start: np.ndarray = start, along: np.ndarray = along) -> np.ndarray:
            return solid((start + offset[:, None] * along).astype(np.float32))

        inner, outer = np.full(len(start), -REFINED * solid.step), np.full(len(start), REFINED * solid.step)
        at_inner, at_outer = value(inner), value(outer)
        # Elsewhere two surfaces lie closer together than that: the vertex stays.
        enclosed = (at_inner > 0.0) & (at_outer < 0.0)
        offset = np.zeros(len(start))
        for _ in range(REFINEMENTS):
            offset = inner + (outer - inner) * at_inner / np.maximum(at_inner - at_outer, 1e-12)
            found = value(offset)
            inside = found > 0.0
            at_outer = np.where(inside, 0.5 * at_outer, found)
            at_inner = np.where(inside, found, 0.5 * at_inner)
            inner, outer = np.where(inside, offset, inner), np.where(inside, outer, offset)
        answer[part] += np.where(enclosed, offset, 0.0)[:, None] * along
    progress(len(vertices), len(vertices), "surface")
    return answer


def _colours(solid: _Solid, vertices: np.ndarray, normals: np.ndarray, progress: Progress) -> np.ndarray:
    """(V, 3) float32 sRGB; the cap, which nothing ever saw, takes the colour of the skin around."""
    from scipy.spatial import cKDTree

    skin = np.flatnonzero(~solid.on_cap(vertices))
    answer = np.zeros((len(vertices), 3), np.float32)
    opacity = np.zeros(len(vertices), np.float32)
    for first in range(0, len(skin), VERTICES_AT_ONCE):
        progress(first, len(skin), "colours")
        part = skin[first : first + VERTICES_AT_ONCE]
        origins = (vertices[part] + COLOUR_LIFT * normals[part]).astype(np.float32)
        directions = np.ascontiguousarray(-normals[part], np.float32)
        colour, seen = solid.field.colours(origins, directions, COLOUR_LIFT + min(COLOUR_DEPTH, solid.reach))
        answer[part] = np.clip(colour / np.maximum(seen, 1e-4)[:, None], 0.0, 1.0)
        opacity[part] = seen
    progress(len(skin), len(skin), "colours")
    known = np.flatnonzero(opacity > 0.25)
    unknown = np.flatnonzero(opacity <= 0.25)
    if len(known) and len(unknown):
        answer[unknown] = answer[known[cKDTree(vertices[known]).query(vertices[unknown])[1]]]
    return answer
