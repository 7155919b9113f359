"""One frame by the formulas of docs/method.md 1, in float32 torch: what every shortcut is measured and checked by.

Every ray with bounds, all of its samples, the networks as they are written down (pose beside the position in each
sample's input, the feature layer by itself), super-resolution of the whole image. No crop, no early end, nothing
folded. Only the nearest surface is a library's, since trying 1538 triangles for each sample would measure nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from ..avatars.file import Avatar
from ..cameras import Camera
from ..frames import HandInstance
from ..hand.data import HandData
from ..hand.model import HandModel
from ..networks import RadianceField, encode, look_up
from ..networks.config import SKIP_AFTER_LAYER
from ..rendering.setup import avatar_view, conditioning, feature_camera, filter_size, identity_shares
from ..rendering.torch.identity_textures import IdentityTextures
from ..rendering.torch.integration import Integrated, integrate
from ..rendering.torch.rays import Rays, camera_rays
from ..rendering.torch.sampling import from_weights, stratified
from ..surface import (
    SurfaceNormals,
    canonical_coordinates,
    nearest_surface,
    rasterise_depth,
    ray_bounds,
    smooth_normals,
)

ALPHA_RAMP = (0.01, 0.03)
"""Opacity up to which a pixel is empty, and from which it is left as it is, as the renderer has it."""

SAMPLES_AT_ONCE = 1 << 16
"""Samples that are evaluated together, so that a frame of any size fits into memory."""


@dataclass(frozen=True)
class PlainFrame:
    """One hand's picture and what it took.

    Attributes:
        rgba: (H, W, 4) float32, premultiplied, display-referred.
        valid: (h, w) bool, the rays that were evaluated, of the feature image.
        weights: (R, S) compositing weights of their samples.
        transmittance: (R, S) what is left of the light when it reaches each sample.
        stage_seconds: time of each stage, by the renderer's names.
    """

    rgba: np.ndarray
    valid: np.ndarray
    weights: np.ndarray
    transmittance: np.ndarray
    stage_seconds: dict[str, float]


class PlainRenderer:
    """Draws one hand of one avatar, without haste.

    Example:
        >>> plain = PlainRenderer(load_avatar("default"), builtin_hand("right"))
        >>> plain.render(HandInstance(HandPose.rest()), camera).rgba.shape
        (334, 512, 4)

    Args:
        avatar: whose hand is drawn; hands of the other side are mirrored.
        hand: the model it was trained on.
        device: torch's name of where to compute.
    """

    def __init__(self, avatar: Avatar, hand: HandData, device: str = "cpu") -> None:
        self.metadata, self.device = avatar.metadata, device
        self.field, self.fine, self.super_resolution = avatar.networks(device)
        self.latents = None if avatar.latent is None else avatar.latent.numpy()
        self._textures = IdentityTextures(list(self.field.textures), avatar.identity_textures)
        self.model = HandModel(hand, device)
        self._seconds: dict[str, float] = {}

    @torch.inference_mode()
    def render(self, instance: HandInstance, camera: Camera) -> PlainFrame:
        """Draw a hand into the whole of the camera's image."""
        self._seconds = {}
        metadata = self.metadata
        view = avatar_view(metadata, self.model.data, instance, camera)
        with self._stage("skinning"):
            vertices = self.model([view.pose])[0][0]
        low = feature_camera(metadata, view.camera)

        kernel = filter_size(metadata, low, vertices.cpu().numpy())
        with self._stage("raster"):
            depth = rasterise_depth(vertices, self.model.faces, low)
            near, far = ray_bounds(depth, kernel, metadata.depth_margin)
            valid = near < far
            rows, columns = torch.nonzero(valid, as_tuple=True)
            rays = camera_rays(low, columns, rows)
            bounds = (near[valid].clamp(min=0.0), far[valid])

        numbers, code = conditioning(metadata, self.latents, view, instance.identity)
        self._textures.show(identity_shares(metadata, self.latents, instance.identity))
        pose = torch.tensor(numbers, dtype=torch.float32, device=self.device)
        latent = None if code is None else torch.tensor(code, device=self.device)
        result = self._along(rays, bounds, vertices, pose, latent)

        channels = metadata.architecture.field.feature_channels
        features = torch.zeros(channels, low.height, low.width, device=self.device)
        features[:, valid] = result.features.T
        opacity = torch.zeros_like(depth)
        opacity[valid] = result.opacity
        with self._stage("super_resolution"):
            image = self.super_resolution(features[None], opacity[None, None])[0]
        with self._stage("compose"):
            rgba = self._picture(image, opacity, valid, view.camera)
        if view.mirrored:
            rgba = rgba.flip(1)
        passed = 1.0 - result.weights.cumsum(dim=-1)
        before = torch.cat([torch.ones_like(passed[:, :1]), passed[:, :-1]], dim=-1)
        return PlainFrame(
            rgba=rgba.cpu().numpy(),
            valid=valid.cpu().numpy(),
            weights=result.weights.cpu().numpy(),
            transmittance=before.cpu().numpy(),
            stage_seconds=self._seconds,
        )

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        """Add the block's time to a stage of the frame."""
        start = time.perf_counter()
        yield
        if self.device != "cpu":
            torch.cuda.synchronize(self.device)
        self._seconds[name] = self._seconds.get(name, 0.0) + time.perf_counter() - start

    def _along(
        self,
        rays: Rays,
        bounds: tuple[torch.Tensor, torch.Tensor],
        vertices: torch.Tensor,
        pose: torch.Tensor,
        latent: torch.Tensor | None,
    ) -> Integrated:
        """Sums along every ray."""
        architecture = self.metadata.architecture
        depths = stratified(*bounds, architecture.n_samples)
        result = self._evaluate(self.field, rays, depths, vertices, pose, latent)
        if self.fine is not None:
            depths = from_weights(depths, result.weights, architecture.n_importance)
            result = self._evaluate(self.fine, rays, depths, vertices, pose, latent)
        return result

    def _evaluate(
        self,
        field: RadianceField,
        rays: Rays,
        depths: torch.Tensor,
        vertices: torch.Tensor,
        pose: torch.Tensor,
        latent: torch.Tensor | None,
    ) -> Integrated:
        normals = SurfaceNormals.of(vertices, self.model.faces)
        count, samples = depths.shape
        parts = []
        step = max(1, SAMPLES_AT_ONCE // samples)
        for start in range(0, count, step):
            some = Rays(*(value[start : start + step] for value in rays))
            points = some.at(depths[start : start + step]).reshape(-1, 3)
            with self._stage("nearest"):
                positions = self._canonical(points, vertices, normals)
            with self._stage("field"):
                directions = some.view_directions.repeat_interleave(samples, dim=0)
                colour, sigma = plain_field(field, positions, directions, pose, latent)
            shape = (len(some.origins), samples)
            parts.append((colour.view(*shape, -1), sigma.view(shape)))
        with self._stage("integrate"):
            colour, sigma = (torch.cat(values) for values in zip(*parts, strict=True))
            return integrate(colour, sigma, depths, rays.lengths, last_interval=self.metadata.last_interval)

    def _canonical(self, points: torch.Tensor, vertices: torch.Tensor, normals: SurfaceNormals) -> torch.Tensor:
        """(N, 3) world points -> what the field takes: uvd (and the normal), or the points themselves."""
        config = self.metadata.architecture.field
        if config.coordinates == "xyz":
            return points
        faces = self.model.faces
        nearest = nearest_surface(points, vertices, faces)
        uvd = canonical_coordinates(points, vertices, faces, self.model.face_uv, nearest, self.metadata.sign, normals)
        if not config.normal_frequencies:
            return uvd
        return torch.cat([uvd, smooth_normals(faces, nearest, normals)], dim=-1)

    def _picture(self, image: torch.Tensor, opacity: torch.Tensor, valid: torch.Tensor, camera: Camera) -> torch.Tensor:
        """Super-resolution's (3 or 4, H, W) -> (height, width, 4): nothing outside the rays, no colour above alpha."""
        factor = self.metadata.architecture.super_resolution.factor
        enlarged = enlarged_opacity(opacity, factor, self.metadata.pixel_offset)
        alpha = (image[3] if len(image) == 4 else enlarged).clamp(0.0, 1.0)
        support = functional.interpolate(valid[None, None].float(), scale_factor=factor, mode="nearest")[0, 0] > 0.0
        begin, end = ALPHA_RAMP
        alpha = torch.where(support, alpha * ((alpha - begin) / (end - begin)).clamp(0.0, 1.0), 0.0)
        colour = torch.minimum(image[:3].clamp(min=0.0), alpha)
        picture = torch.cat([colour, alpha[None]])
        size = (camera.height, camera.width)
        if self.metadata.pixel_offset == 0.0 and picture.shape[1:] != size:
            picture = functional.interpolate(picture[None], size, mode="bilinear", antialias=True)[0]
        return picture[:, : camera.height, : camera.width].movedim(0, -1)


def enlarged_opacity(opacity: torch.Tensor, factor: int, offset: float) -> torch.Tensor:
    """(h, w) -> (factor h, factor w), bilinear, samples ``offset`` inside the pixels of both images (0 or 0.5)."""
    if offset == 0.5:
        return functional.interpolate(opacity[None, None], scale_factor=factor, mode="bilinear")[0, 0]
    # Each low pixel is the first of its factor x factor ones; beyond the last there is nothing but itself.
    wide = functional.pad(opacity[None, None], (0, 1, 0, 1), mode="replicate")
    size = (factor * opacity.shape[0] + 1, factor * opacity.shape[1] + 1)
    return functional.interpolate(wide, size, mode="bilinear", align_corners=True)[0, 0, :-1, :-1]


def plain_field(
    field: RadianceField,
    positions: torch.Tensor,
    directions: torch.Tensor,
    pose: torch.Tensor,
    latent: torch.Tensor | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """docs/method.md 1.6 for N samples, each with its own complete input.

    Args:
        positions: (N, 3) uvd or world coordinates, (N, 6) with normals.
        directions: (N, 3) unit.
        pose: (pose_size,) radians.
        latent: (latent_size,) or None.

    Returns:
        colour_raw (N, C), sigma_raw (N,).
    """
    config, count = field.config, len(positions)
    place = positions[:, :3] * positions.new_tensor([1.0, 1.0, config.distance_scale])
    parts = [encode(place, config.position_frequencies)]
    if config.normal_frequencies:
        parts.append(encode(positions[:, 3:], config.normal_frequencies))
    parts += [look_up(texture, positions[:, :2]) for texture in field.textures]
    if config.latent_size:
        code = pose.new_zeros(config.latent_size) if latent is None else latent
        parts.append(code.expand(count, -1))
    start = torch.cat([*parts, pose.expand(count, -1)], dim=-1)
    hidden = start
    for index, layer in enumerate(field.layers):
        if index == SKIP_AFTER_LAYER + 1:
            hidden = torch.cat([start, hidden], dim=-1)
        hidden = functional.relu(layer(hidden))
    sigma = field.density(hidden)[:, 0] * config.density_scale
    feature = field.feature(hidden)
    seen = torch.cat([feature, encode(directions, config.view_frequencies)], dim=-1)
    return field.colour(functional.relu(field.view(seen))), sigma
