"""The linked scene that renders another scene's hands for its compositor, and how it follows that scene.

It holds the very collections of its main scene, takes over all of that scene's and its view layers' properties
(compositing/mirror), and has the main scene as its background set, which brings what a scene alone can own, such as
its rigid bodies and their cache. Called by compositing/setup and by the handlers in compositing/operators.
"""

from __future__ import annotations

from typing import Any

import bpy

from ..render.engine import ENGINE_ID
from . import mirror

_OWN = frozenset(prop.identifier for prop in bpy.types.ID.bl_rna.properties) | {
    # What follows in its own way below, or not at all: the hand scene has no nodes, strips and files of its own.
    "animation_data",
    "background_set",
    "use_nodes",
    "compositing_node_group",
    "tool_settings",
    "view_layers",
    "objects",
    "display",
    "render.engine",
    "render.film_transparent",
    "render.use_compositing",
    "render.use_sequencer",
    "render.filepath",
    "render.image_settings",
    "render.ffmpeg",
    "render.bake",
    "render.stereo_views",
}
"""What of a scene the hand scene does not take over; everything else it does."""

_OWN_LAYER = frozenset({"layer.depsgraph", "layer.objects"})
_OWN_SETTINGS = frozenset(
    {"hand_scene", "main_scene", "before_compositing", "hidden_proxies", "overlay", "show_proxies"}
)

_linked: dict[int, set[int]] = {}
"""Hand scene -> the objects of its main scene that were linked into it."""

_built: dict[int, Any] = {}
"""Hand scene -> the drivers and NLA tracks of its main scene that it has copies of."""


def make_hand_scene(scene: Any) -> Any:
    """A new scene that renders the hands of ``scene`` over a transparent film, once it has followed."""
    hands = bpy.data.scenes.new(f"{scene.name} Hands")
    hands.render.engine = ENGINE_ID
    hands.render.film_transparent = True
    hands.render.use_sequencer = hands.render.use_compositing = False
    hands.livehand.main_scene = scene
    return hands


def follow(scene: Any, hands: Any) -> bool:
    """Bring a hand scene in line with its main scene; whether anything changed."""
    parts = [
        _follow_contents(scene, hands),
        _follow_layers(scene, hands),
        mirror.match_items(
            scene.timeline_markers,
            hands.timeline_markers,
            lambda marker: _copy_marker(marker, hands),
            hands.timeline_markers.remove,
            lambda marker: (marker.name, marker.frame, marker.camera),
        ),
        _follow_views(scene.render.views, hands.render.views),
        mirror.mirror(scene, hands, _OWN),
        mirror.mirror_stored(scene, hands),
        _follow_settings(scene.livehand, hands.livehand),
        _follow_animation(scene, hands),
    ]
    if hands.background_set != scene:
        hands.background_set = scene
        parts.append(True)
    return any(parts)


def _follow_contents(scene: Any, hands: Any) -> bool:
    """The collections are shared; what lies in the scene's own collection is linked into the other's."""
    changed = False
    for kind in ("children", "objects"):
        ours, theirs = getattr(scene.collection, kind), getattr(hands.collection, kind)
        wanted, there = set(ours), set(theirs)
        for item in there - wanted:
            changed |= _leave(item, theirs, hands)
        for item in [item for item in ours if item not in there]:
            theirs.link(item)
            changed = True
    _linked[hands.session_uid] = {obj.session_uid for obj in scene.collection.objects}
    return changed


def _leave(item: Any, theirs: Any, hands: Any) -> bool:
    """Unlink what the main scene has no more. What an artist put here alone stays; what was deleted there is gone."""
    deleted = item.users == 1 and item.session_uid in _linked.get(hands.session_uid, ())
    if item.users == 1 and not deleted:
        return False
    theirs.unlink(item)
    if deleted and isinstance(item, bpy.types.Object):
        bpy.data.objects.remove(item)
    return True


def _follow_layers(scene: Any, hands: Any) -> bool:
    """As many view layers, of the same names, in the same order, so that nodes find them under the same number."""
    ours, theirs = scene.view_layers, hands.view_layers
    changed = len(ours) != len(theirs)
    while len(theirs) < len(ours):
        theirs.new("Layer")
    while len(theirs) > len(ours):
        theirs.remove(theirs[-1])
    if [layer.name for layer in ours] != [layer.name for layer in theirs]:
        changed = True
        # A name that another layer still has would get a number.
        for number, layer in enumerate(theirs):
            layer.name = f"LiveHand {number}"
    for layer, partner in zip(ours, theirs, strict=True):
        changed |= mirror.mirror(layer, partner, _OWN_LAYER, "layer.")
        if not (partner.livehand.use_depth and partner.livehand.use_holdout):
            partner.livehand.use_depth = partner.livehand.use_holdout = True
    return changed


def _copy_marker(marker: Any, hands: Any) -> None:
    hands.timeline_markers.new(marker.name, frame=marker.frame).camera = marker.camera


def _follow_views(ours: Any, theirs: Any) -> bool:
    """Stereo and camera views; the first two always exist."""
    wanted, there = {view.name for view in ours}, {view.name for view in theirs}
    for name in there - wanted:
        theirs.remove(theirs[name])
    for view in ours:
        if view.name not in there:
            theirs.new(view.name)
    return wanted != there


def _follow_settings(ours: Any, theirs: Any) -> bool:
    """LiveHand's own settings of the scene, such as the steps of motion blur."""
    changed = False
    for prop in ours.bl_rna.properties:
        name = prop.identifier
        if name in _OWN_SETTINGS or prop.is_readonly or getattr(theirs, name) == getattr(ours, name):
            continue
        setattr(theirs, name, getattr(ours, name))
        changed = True
    return changed


def _follow_animation(scene: Any, hands: Any) -> bool:
    """The action is shared; drivers and NLA tracks are copied whenever they change."""
    ours = scene.animation_data
    if ours is None:
        had = hands.animation_data is not None
        hands.animation_data_clear()
        _built.pop(hands.session_uid, None)
        return had
    theirs = hands.animation_data or hands.animation_data_create()
    changed = mirror.mirror(
        ours, theirs, {f"animation.{name}" for name in ("drivers", "nla_tracks", "use_tweak_mode")}, "animation."
    )
    present = mirror.snapshot(ours.drivers), mirror.snapshot(ours.nla_tracks)
    if _built.get(hands.session_uid, ((), ())) == present:
        return changed
    for driver in list(theirs.drivers):
        theirs.drivers.remove(driver)
    for driver in ours.drivers:
        theirs.drivers.from_existing(src_driver=driver)
    for track in list(theirs.nla_tracks):
        theirs.nla_tracks.remove(track)
    for track in ours.nla_tracks:
        _copy_track(track, theirs.nla_tracks.new())
    _built[hands.session_uid] = present
    return True


def _copy_track(track: Any, copy: Any) -> None:
    for strip in track.strips:
        if strip.action is not None:
            copy.strips.new(strip.name, int(strip.frame_start), strip.action)
    mirror.mirror(track, copy, path="track.")
