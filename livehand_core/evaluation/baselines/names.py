"""The rows of the comparison, in their order. Needs nothing."""

from __future__ import annotations

METHODS = {
    "textured_mesh": "textured proxy mesh",
    "image_to_image": "image to image (as SMPLpix)",
    "world_nerf": "NeRF in world coordinates, hierarchical",
    "avatar": "LiveHand, trained as long",
    "given": "the avatar given",
}
"""Name -> what it is called in tables."""
