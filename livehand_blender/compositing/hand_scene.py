"""The linked scene that renders another scene's hands for its compositor, and how it follows that scene.

Called by compositing/setup and by the handlers in compositing/operators.
"""

from __future__ import annotations

from typing import Any

import bpy

from ..render.engine import ENGINE_ID
from ..rig.armature import is_hand

_SCENE_SETTINGS = ("camera", "frame_start", "frame_end", "frame_step")
_RENDER_SETTINGS = (
    "resolution_x",
    "resolution_y",
    "resolution_percentage",
    "pixel_aspect_x",
    "pixel_aspect_y",
    "use_border",
    "use_crop_to_border",
    "border_min_x",
    "border_max_x",
    "border_min_y",
    "border_max_y",
    "fps",
    "fps_base",
    "use_motion_blur",
    "motion_blur_position",
    "motion_blur_shutter",
    "use_multiview",
    "views_format",
)


def make_hand_scene(scene: Any) -> Any:
    """A new scene that renders the hands of ``scene`` with the LiveHand engine over a transparent film."""
    hands = bpy.data.scenes.new(f"{scene.name} Hands")
    hands.render.engine = ENGINE_ID
    hands.render.film_transparent = True
    hands.render.use_sequencer = False
    hands.view_layers[0].livehand.use_depth = True
    follow(scene, hands)
    return hands


def follow(scene: Any, hands: Any) -> bool:
    """Bring the hand scene's camera, size, times and hands in line with its main scene's; whether anything changed.

    What is equal already is not written, so that nothing is evaluated anew for it.
    """
    changed = False
    pairs = [(scene, hands, _SCENE_SETTINGS), (scene.render, hands.render, _RENDER_SETTINGS)]
    pairs.append((scene.livehand, hands.livehand, ("motion_blur_steps",)))
    for source, target, names in pairs:
        for name in names:
            value = getattr(source, name)
            if getattr(target, name) != value:
                setattr(target, name, value)
                changed = True
    return _follow_markers(scene, hands) | _follow_objects(scene, hands) | changed


def rendered_hands(scene: Any) -> list[Any]:
    """Objects that bring hands into a scene's picture: armatures, and empties that instance a collection of them.

    A collection that is excluded or switched off for rendering takes its hands with it; an object's own switch, which
    may be animated, is heeded when the frame is rendered.
    """
    found: list[Any] = []
    for layer in scene.view_layers:
        if layer.use:
            _collect(layer.layer_collection, found)
    return found


def _collect(layer_collection: Any, found: list[Any]) -> None:
    if layer_collection.exclude or layer_collection.collection.hide_render:
        return
    for obj in layer_collection.collection.objects:
        inside = obj.instance_collection if obj.type == "EMPTY" else None
        if obj not in found and (is_hand(obj) or (inside is not None and any(map(is_hand, inside.all_objects)))):
            found.append(obj)
    for child in layer_collection.children:
        _collect(child, found)


def _follow_objects(scene: Any, hands: Any) -> bool:
    wanted = rendered_hands(scene)
    if scene.camera is not None:
        wanted.append(scene.camera)
    wanted.extend(marker.camera for marker in scene.timeline_markers if marker.camera is not None)
    linked = hands.collection.objects
    there = set(linked)
    extra = there - set(wanted)
    missing = [obj for obj in dict.fromkeys(wanted) if obj not in there]
    for obj in extra:
        linked.unlink(obj)
    for obj in missing:
        linked.link(obj)
    return bool(extra or missing)


def _follow_markers(scene: Any, hands: Any) -> bool:
    wanted = [(marker.name, marker.frame, marker.camera) for marker in scene.timeline_markers if marker.camera]
    if wanted == [(marker.name, marker.frame, marker.camera) for marker in hands.timeline_markers]:
        return False
    hands.timeline_markers.clear()
    for name, frame, camera in wanted:
        hands.timeline_markers.new(name, frame=frame).camera = camera
    return True
