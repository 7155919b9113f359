"""From an avatar, poses and a camera to images: rays, sampling, integration, renderer. Needs torch."""

from .integration import Integrated, compositing_weights, integrate
from .rays import Rays, camera_rays, low_resolution
from .renderer import Renderer, pick_device
from .sampling import from_weights, stratified

__all__ = [
    "Integrated",
    "Rays",
    "Renderer",
    "camera_rays",
    "compositing_weights",
    "from_weights",
    "integrate",
    "low_resolution",
    "pick_device",
    "stratified",
]
