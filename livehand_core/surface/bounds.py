"""Per-pixel near and far bounds of the rays, from the depth of the proxy mesh (METHOD section 1.2)."""

from __future__ import annotations

import torch
from torch.nn import functional

from ..cameras import Camera

MARGIN = 0.01
"""Metres added in front of and behind the filtered depth, in the published form."""

MAX_LATERAL_PIXELS = 8


def published_kernel(height: int) -> int:
    """Side of the square filter for a depth image of ``height`` rows: 9 px at 512, 5 at 250 to 256, 3 up to 128."""
    return max(3, 2 * round(height / 128) + 1)


def lateral_kernel(camera: Camera, vertices: torch.Tensor, lateral_margin: float) -> int:
    """Side of the filter that lets the field reach ``lateral_margin`` metres past the silhouette.

    Unlike the published rule this depends on the hand's distance and not on the image's height, so a crop of an
    image has the bounds of the whole.

    Args:
        camera: of the feature image.
        vertices: (V, 3) posed hand, world space.
        lateral_margin: metres.
    """
    focal = 0.5 * (camera.fx + camera.fy)
    if camera.projection == "perspective":
        axis = torch.tensor(camera.camera_to_world[:3, 2], dtype=vertices.dtype)
        centre = torch.tensor(camera.camera_to_world[:3, 3], dtype=vertices.dtype)
        depth = float((vertices.mean(dim=0).cpu() - centre) @ axis)
        focal = focal / max(depth, 1e-2)
    return 2 * min(max(round(focal * lateral_margin), 1), MAX_LATERAL_PIXELS) + 1


def ray_bounds(depth: torch.Tensor, kernel: int, margin: float = MARGIN) -> tuple[torch.Tensor, torch.Tensor]:
    """Nearest and farthest depth in a window around each pixel, widened by ``margin``.

    Args:
        depth: (H, W) metres, infinity in the background.
        kernel: side of the square window, odd.
        margin: metres.

    Returns:
        near, far (H, W); infinity and minus infinity where the window holds no surface, so ``near < far`` says
        which rays to evaluate.
    """
    radius = kernel // 2
    far = -_minimum(torch.where(torch.isfinite(depth), -depth, torch.inf), kernel, radius)
    return _minimum(depth, kernel, radius) - margin, far + margin


def _minimum(image: torch.Tensor, kernel: int, radius: int) -> torch.Tensor:
    pooled = functional.max_pool2d(-image[None, None], (1, kernel), stride=1, padding=(0, radius))
    return -functional.max_pool2d(pooled, (kernel, 1), stride=1, padding=(radius, 0))[0, 0]
