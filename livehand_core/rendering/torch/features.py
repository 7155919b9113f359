"""A posed hand and a camera -> the feature image: bounds of the rays, and what is along them in its place."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ...avatars.metadata import AvatarMetadata
from ...cameras import Camera
from ...kernels.networks.field import LEAST_OPACITY
from ...networks import RadianceField
from ...surface import rasterise_depth, ray_bounds
from ..clock import Clock
from .proxy import Proxy
from .rays import camera_rays
from .volume import Conditioning, volume_render


@dataclass(frozen=True)
class FeatureImage:
    """The feature image of a camera.

    Attributes:
        proxy: the posed mesh that it is of.
        features: (C, h, w), 0 where no ray was evaluated.
        opacity: (h, w), 0 there.
        depth: (h, w) expected depth, infinity there.
        valid: (h, w) bool, the R rays that were evaluated.
        weights, intervals: (R, S) of their samples, see ``Integrated``.
    """

    proxy: Proxy
    features: torch.Tensor
    opacity: torch.Tensor
    depth: torch.Tensor
    valid: torch.Tensor
    weights: torch.Tensor
    intervals: torch.Tensor


def feature_image(
    fields: tuple[RadianceField, RadianceField | None],
    metadata: AvatarMetadata,
    proxy: Proxy,
    camera: Camera,
    kernel: int,
    conditioning: Conditioning,
    clock: Clock,
    plain: bool = False,
) -> FeatureImage | None:
    """The feature image of a camera, in the vertices' precision; None where no ray has bounds.

    Args:
        fields, metadata, proxy, conditioning, clock, plain: see :func:`volume_render`.
        camera: whose pixels are the feature image's; in the proxy's frame.
        kernel: side of the window around each pixel in which rays find their bounds.
    """
    vertices = proxy.vertices.detach()
    with clock.stage("raster"):
        depth = rasterise_depth(vertices, proxy.faces, camera)
        near, far = ray_bounds(depth, kernel, metadata.depth_margin)
        valid = near < far
        rows, columns = torch.nonzero(valid, as_tuple=True)
        rays = camera_rays(camera, columns, rows, vertices.dtype)
        bounds = (near[valid].clamp(min=0.0), far[valid])
    clock.check()
    if not len(rows):
        return None
    result = volume_render(fields, metadata, proxy, rays, bounds, conditioning, clock, plain)
    features = depth.new_zeros(metadata.architecture.field.feature_channels, *depth.shape)
    opacity, expected = torch.zeros_like(depth), torch.full_like(depth, torch.inf)
    features[:, rows, columns] = result.features.T
    opacity[rows, columns] = result.opacity
    least, middle = float(LEAST_OPACITY), 0.5 * (bounds[0] + bounds[1])
    mean = result.depth / result.opacity.clamp(min=least)
    expected[rows, columns] = torch.where(result.opacity > least, mean, middle)
    return FeatureImage(proxy, features, opacity, expected, valid, result.weights, result.intervals)
