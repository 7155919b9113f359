"""How well a hand is drawn where it touches another one or a thing: pixels near contact, with and without occlusion.

Of pictures that tell what they touch (``captures/contacts.py``). Called by ``evaluate``.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..captures.contacts import Contact
from ..frames import FrameRequest, HandInstance
from ..hand.library import find_hand
from ..hand.skinning import pose_vertices
from ..kernels.mesh.raster import rasterise
from ..occluders import Occluder
from ..poses import HandPose
from ..rendering import Renderer
from .metrics import MASK, psnr

NEAR = 0.015
"""Metres from what is touched up to which a pixel of skin is near contact."""

FEWEST = 50
"""Pixels near contact below which nothing is said."""

FINER = 3
"""Times as many pixels a side at which it is found what hides a hand."""

_PASSES = ("rgba", "depth")


def draw_contact(renderer: Renderer, request: FrameRequest, contact: Contact) -> np.ndarray:
    """(H, W, 4) display-referred picture of a request's hand with what it touches: hands drawn, things cut out of it.

    Args:
        request: of one hand.
    """
    return cut_out(renderer, together(request, contact), contact.things)


def draw_alone(renderer: Renderer, request: FrameRequest, contact: Contact) -> np.ndarray:
    """The same without occlusion: nothing keeps light from a hand but itself."""
    whole = together(request, contact)
    parts = []
    for hand in whole.hands:
        images = renderer.render(replace(whole, hands=(hand,), occluders=(), passes=_PASSES))
        parts.append(_hidden(images["rgba"], images["depth"][..., 0], whole, contact.things))
    if len(parts) == 1:
        return parts[0][0]
    order = np.argsort([depth for _, depth in parts], axis=0)
    answer = np.zeros_like(parts[0][0])
    stack = np.stack([rgba for rgba, _ in parts])
    for rank in order:
        layer = np.take_along_axis(stack, rank[None, ..., None], axis=0)[0]
        answer += (1.0 - answer[..., 3:]) * layer
    return answer


def together(request: FrameRequest, contact: Contact) -> FrameRequest:
    """A request of one hand with the other hands and things that its picture tells of."""
    first = request.hands[0]
    others = (HandInstance(pose, first.avatar, identity=first.identity) for pose in contact.hands)
    return replace(request, hands=(first, *others), occluders=contact.things)


def cut_out(renderer: Renderer, request: FrameRequest, things: tuple[Occluder, ...]) -> np.ndarray:
    """(H, W, 4) picture of a request without what things hide of it."""
    images = renderer.render(replace(request, passes=_PASSES))
    return _hidden(images["rgba"], images["depth"][..., 0], request, things)[0]


def near_contact(request: FrameRequest, contact: Contact, hand_model: str) -> np.ndarray:
    """(H, W) bool: pixels that see skin within NEAR of another hand or a thing; of hands alone, things do not hide it.

    Args:
        request: of :func:`together`.
    """
    hands = [_mesh(hand.pose, hand_model) for hand in request.hands]
    things = [(thing.vertices, thing.faces) for thing in contact.things]
    nearest, answer = np.full((request.camera.height, request.camera.width), np.inf), None
    for number, (vertices, faces) in enumerate(hands):
        others = [mesh for place, mesh in enumerate(hands) if place != number] + things
        distance = np.min([_distances(vertices, *mesh) for mesh in others], axis=0)
        seen = rasterise(vertices, faces, request.camera, barycentric=True)
        assert seen.barycentric is not None
        here = np.where(seen.face >= 0, (seen.barycentric * distance[faces[seen.face]]).sum(axis=-1) < NEAR, False)
        front = seen.depth < nearest
        answer = here if answer is None else np.where(front, here, answer)
        nearest = np.minimum(nearest, seen.depth)
    assert answer is not None
    return np.asarray(answer)


def measure_contact(image: np.ndarray, alone: np.ndarray, truth: np.ndarray, near: np.ndarray) -> dict[str, float]:
    """PSNR near contact with and without occlusion, ``"contact/psnr"`` and ``"contact/psnr_alone"``; nothing where too
    few pixels are near.

    Args:
        image, alone, truth: (H, W, 4) premultiplied sRGB.
        near: (H, W) of :func:`near_contact`.
    """
    pixels = near & (truth[..., 3] >= MASK)
    if np.count_nonzero(pixels) < FEWEST:
        return {}
    drawn = {"psnr": image, "psnr_alone": alone}
    return {
        f"contact/{name}": psnr(np.clip(picture[pixels][:, :3], 0.0, 1.0), truth[pixels][:, :3])
        for name, picture in drawn.items()
    }


def _mesh(pose: HandPose, hand_model: str) -> tuple[np.ndarray, np.ndarray]:
    data = find_hand(hand_model, pose.side)
    return pose_vertices(data, pose).astype(np.float32), np.ascontiguousarray(data.faces, np.int32)


def _distances(points: np.ndarray, vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(N,) distances of points to a mesh, of those within NEAR; more than that elsewhere."""
    from ..hand.skin_distance import closest_on_triangles

    corners = vertices[faces].astype(np.float64)
    low, high = points.min(axis=0) - NEAR, points.max(axis=0) + NEAR
    corners = corners[((corners.max(axis=1) >= low) & (corners.min(axis=1) <= high)).all(axis=1)]
    best = np.full(len(points), 2.0 * NEAR)
    for start in range(0, len(corners), 128):
        some = corners[start : start + 128]
        inside = ((points >= some.min(axis=(0, 1)) - NEAR) & (points <= some.max(axis=(0, 1)) + NEAR)).all(axis=1)
        if not inside.any():
            continue
        weights = closest_on_triangles(points[inside][:, None].astype(np.float64), some[None])
        places = np.einsum("nkc,kcx->nkx", weights, some)
        away = np.linalg.norm(points[inside][:, None] - places, axis=2).min(axis=1)
        best[inside] = np.minimum(best[inside], away)
    return best


def _hidden(
    rgba: np.ndarray, depth: np.ndarray, request: FrameRequest, things: tuple[Occluder, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """A picture and its depth without what things in front of it hide, their edges smooth."""
    if not things:
        return rgba, depth
    camera = request.camera
    large = replace(
        camera,
        width=FINER * camera.width,
        height=FINER * camera.height,
        fx=FINER * camera.fx,
        fy=FINER * camera.fy,
        cx=FINER * camera.cx,
        cy=FINER * camera.cy,
    )
    front = np.min([rasterise(thing.vertices, thing.faces, large).depth for thing in things], axis=0)
    fine = np.repeat(np.repeat(depth, FINER, axis=0), FINER, axis=1)
    shown = (front > fine).reshape(camera.height, FINER, camera.width, FINER).mean(axis=(1, 3), dtype=np.float32)
    return rgba * shown[..., None], depth
