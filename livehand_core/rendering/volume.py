"""Rays with bounds -> features, opacity and depth: canonicalisation, field and integration, a chunk of rays at once."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..avatars.metadata import AvatarMetadata
from ..networks import RadianceField
from ..surface import canonical_coordinates, face_neighbours, nearest_surface
from .clock import Clock
from .integration import Integrated, integrate
from .rays import Rays
from .sampling import from_weights, stratified

RAYS_AT_ONCE = {"cpu": 1024, "cuda": 1 << 15}


@dataclass(frozen=True)
class Proxy:
    """A posed proxy mesh with what stays the same over a frame.

    Attributes:
        vertices: (V, 3) metres.
        faces: (F, 3).
        face_uv: (F, 3, 2).
        neighbours: (F, 3), see ``face_neighbours``.
    """

    vertices: torch.Tensor
    faces: torch.Tensor
    face_uv: torch.Tensor
    neighbours: torch.Tensor

    @classmethod
    def of(cls, vertices: torch.Tensor, faces: torch.Tensor, face_uv: torch.Tensor) -> Proxy:
        """With its neighbours found."""
        return cls(vertices, faces, face_uv, face_neighbours(faces))

    def canonical(self, points: torch.Tensor, metadata: AvatarMetadata) -> torch.Tensor:
        """(N, 3) points -> (N, 3) coordinates that the avatar's field takes."""
        if metadata.architecture.field.coordinates == "xyz":
            return points
        nearest = nearest_surface(points, self.vertices, self.faces)
        return canonical_coordinates(
            points, self.vertices, self.faces, self.face_uv, nearest, metadata.sign, self.neighbours
        )


@dataclass(frozen=True)
class Conditioning:
    """What a frame's field is conditioned on.

    Attributes:
        pose: (pose_size,) radians.
        latent: (latent_size,) or None.
    """

    pose: torch.Tensor
    latent: torch.Tensor | None


def volume_render(
    fields: tuple[RadianceField, RadianceField | None],
    metadata: AvatarMetadata,
    proxy: Proxy,
    rays: Rays,
    bounds: tuple[torch.Tensor, torch.Tensor],
    conditioning: Conditioning,
    clock: Clock,
) -> Integrated:
    """Evaluate the field along rays.

    Args:
        fields: coarse field, and the fine one of the hierarchical pass or None.
        metadata: samples a ray, coordinates, sign.
        proxy: the posed mesh.
        rays: R rays in the proxy's frame.
        bounds: near and far, (R,) each.
        conditioning: pose and latent.
        clock: takes the stages' times and is asked between chunks whether to stop.

    Returns:
        Integrated over R rays (of the fine pass where there is one).
    """
    architecture = metadata.architecture
    step = RAYS_AT_ONCE["cpu" if rays.origins.device.type == "cpu" else "cuda"]
    parts = []
    for start in range(0, len(rays.origins), step):
        chunk = slice(start, start + step)
        piece = Rays(*(value[chunk] for value in rays))

        def evaluate(field: RadianceField, depths: torch.Tensor, piece: Rays = piece) -> Integrated:
            with clock.stage("nearest"):
                points = piece.at(depths)
                positions = proxy.canonical(points.reshape(-1, 3), metadata).view(points.shape)
            with clock.stage("field"):
                colour, sigma = field(positions, piece.view_directions, conditioning.pose, conditioning.latent)
            with clock.stage("integrate"):
                return integrate(colour, sigma, depths, piece.lengths)

        depths = stratified(bounds[0][chunk], bounds[1][chunk], architecture.n_samples)
        result = evaluate(fields[0], depths)
        if fields[1] is not None:
            depths = from_weights(depths, result.weights, architecture.n_importance)
            result = evaluate(fields[1], depths)
        parts.append(result)
        clock.check()
    return Integrated(*(torch.cat(values) for values in zip(*parts, strict=True)))
