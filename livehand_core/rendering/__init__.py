"""From an avatar, poses and a camera to images: rays, sampling, integration, renderer.

``Renderer`` runs on the processor without torch; torch loads with the first name that needs it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..framing import low_resolution
    from .renderer import Renderer
    from .torch.integration import Integrated, compositing_weights, integrate
    from .torch.rays import Rays, camera_rays
    from .torch.sampling import from_weights, stratified

_HOMES = {
    "Integrated": ".torch.integration",
    "Rays": ".torch.rays",
    "Renderer": ".renderer",
    "camera_rays": ".torch.rays",
    "compositing_weights": ".torch.integration",
    "from_weights": ".torch.sampling",
    "integrate": ".torch.integration",
    "low_resolution": "..framing",
    "stratified": ".torch.sampling",
}

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


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)
