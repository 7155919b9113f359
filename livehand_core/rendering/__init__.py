"""From an avatar, poses and a camera to images: rays, sampling, integration, renderer.

``Renderer`` runs on the processor without torch; torch loads with the first name that needs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import found_later

if TYPE_CHECKING:
    from ..framing import low_resolution
    from .renderer import Renderer
    from .torch.integration import Integrated, compositing_weights, integrate
    from .torch.rays import Rays, camera_rays
    from .torch.sampling import from_weights, stratified

__all__ = [
    "Integrated",
    "Rays",
    "Renderer",
    "camera_rays",
    "compositing_weights",
    "from_weights",
    "integrate",
    "low_resolution",
    "stratified",
]

__getattr__ = found_later(
    __name__,
    {
        "Integrated": ".torch.integration",
        "Rays": ".torch.rays",
        "Renderer": ".renderer",
        "camera_rays": ".torch.rays",
        "compositing_weights": ".torch.integration",
        "from_weights": ".torch.sampling",
        "integrate": ".torch.integration",
        "low_resolution": "..framing",
        "stratified": ".torch.sampling",
    },
)
