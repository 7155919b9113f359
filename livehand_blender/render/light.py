"""The light that each hand of a scene stands in: lamps by their own measures, the rest by the world or a probe.

Lamps are read for every frame, so that one that moves lights the hand anew at once. What surrounds the hand is the
world's own light where that is known exactly and nothing stands around, or else what was probed last (render/probe).
Called by render/scene and the panel; reads only.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from livehand_core.errors import LightError
from livehand_core.lights import Lamp, Light

from ..avatars.choice import metadata_of
from ..rig.armature import is_hand
from ..rig.hand_rig import HandRig
from .bounds import hand_points
from .lamps import lamps_of
from .world import world_light

SURFACES = {"MESH", "CURVE", "CURVES", "SURFACE", "FONT", "META", "VOLUME", "POINTCLOUD"}
"""Types of objects that may shine, shade or reflect."""

NEAR = 0.05
"""Metres that a hand may have moved from where it was probed."""


@dataclass(frozen=True)
class HandLight:
    """What one hand is given.

    Attributes:
        light: at the hand, at most ``KEY_LAMPS`` lamps.
        source: ``"world"``: exact; ``"probe"``: probed; ``"old"``: probed, but the hand or the scene has moved on;
            ``"none"``: a probe is needed, and there is none yet.
        notes: what a person should know of it, one sentence each.
    """

    light: Light
    source: str
    notes: tuple[str, ...] = ()


def hand_light(depsgraph: Any, rig: Any, point: np.ndarray) -> HandLight:
    """The light of a hand.

    Args:
        depsgraph: evaluated.
        rig: the hand's armature, original or evaluated.
        point: (3,) middle of the hand in world space, metres.
    """
    scene = depsgraph.scene
    lamps, notes = _lamps(depsgraph, rig, point)
    around, source = Light(), "world"
    try:
        exact = world_light(depsgraph.scene_eval.world)
    except LightError as error:
        notes.append(str(error))
        exact = Light()
    if exact is None or surrounded(depsgraph):
        probed = probes(scene).get(rig.name)
        source = "none" if probed is None else "probe"
        if probed is not None:
            around = probed.light
            if np.linalg.norm(np.array(probed.point) - point) > NEAR:
                source = "old"
        elif exact is not None:
            around = exact
    else:
        around = exact
    light = (around + Light(lamps=lamps)).limited(tuple(point)).scaled(float(scene.livehand.light_strength))
    if light.is_dark:
        notes.append("No light reaches the hand: it is black.")
    return HandLight(light, source, tuple(notes))


def hand_middle(rig: Any) -> np.ndarray:
    """(3,) middle of a hand in world space, metres, where its light is looked for.

    Raises:
        LiveHandError: the rig is no whole hand.
    """
    points, _ = hand_points(*HandRig.of(rig).ends(rig.matrix_world))
    return np.asarray(points.mean(axis=0), dtype=np.float64)


def answers(avatar: str) -> bool:
    """Whether an avatar, named as in a frame request, stands in the scene's light; not where it cannot be read."""
    metadata = metadata_of(avatar)
    return metadata is not None and metadata.light == "scene_light"


def surrounded(depsgraph: Any) -> bool:
    """Whether something stands in the scene that may shine, shade the hand or reflect light onto it."""
    return any(
        instance.object.type in SURFACES and instance.show_self and not of_hand(instance.object)
        for instance in depsgraph.object_instances
    )


@dataclass(frozen=True)
class Probe:
    """What was found around a hand.

    Attributes:
        light: of all but the lamps.
        point: where, world space.
        frame: of the scene.
    """

    light: Light
    point: tuple[float, float, float]
    frame: int


def probes(scene: Any) -> dict[str, Probe]:
    """The probes that a scene keeps, by the name of the rig; what cannot be read is as good as none."""
    text = scene.livehand.light_probes
    if text not in _parsed:
        _parsed.clear()
        _parsed[text] = _parse(text)
    return _parsed[text]


def keep_probes(scene: Any, found: dict[str, Probe]) -> None:
    """Keep probes with the scene, and with its file, for renders without a window."""
    document = {
        name: {"light": probe.light.to_json(), "point": list(probe.point), "frame": probe.frame}
        for name, probe in found.items()
    }
    scene.livehand.light_probes = json.dumps(document)


_parsed: dict[str, dict[str, Probe]] = {}


def _parse(text: str) -> dict[str, Probe]:
    try:
        document = json.loads(text) if text else {}
        return {
            name: Probe(Light.from_json(entry["light"]), tuple(entry["point"]), int(entry["frame"]))
            for name, entry in document.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError, LightError):
        return {}


def _lamps(depsgraph: Any, rig: Any, point: np.ndarray) -> tuple[tuple[Lamp, ...], list[str]]:
    lamps: list[Lamp] = []
    notes = []
    for obj in _lights(depsgraph):
        if not _reaches(obj, rig):
            continue
        try:
            lamps += lamps_of(obj, tuple(point))
        except LightError as error:
            notes.append(str(error))
    return tuple(lamps), notes


def _lights(depsgraph: Any) -> Iterator[Any]:
    for instance in depsgraph.object_instances:
        obj = instance.object
        if obj.type == "LIGHT" and instance.show_self:
            yield _Placed(obj, instance.matrix_world.copy()) if instance.is_instance else obj


@dataclass(frozen=True)
class _Placed:
    """An instance of a lamp: the object with the matrix that it is shown at."""

    object: Any
    matrix_world: Any

    def __getattr__(self, name: str) -> Any:
        return getattr(self.object, name)


def _reaches(lamp: Any, rig: Any) -> bool:
    """Whether light linking lets a lamp shine on a hand: on its rig, or on a mesh of it."""
    linking = getattr(lamp, "light_linking", None)
    receivers = None if linking is None else linking.receiver_collection
    if receivers is None:
        return True
    names = {rig.name, *(child.name for child in getattr(rig.original, "children", ()) if child.type == "MESH")}
    states = {
        entry_obj.name: entry.light_linking.link_state
        for entry, entry_obj in zip(receivers.collection_objects, receivers.objects, strict=False)
        if entry_obj.name in names
    }
    included = [state for state in states.values() if state == "INCLUDE"]
    if included:
        return True
    # A collection that only excludes lights all that it does not name.
    everything = [entry.light_linking.link_state for entry in receivers.collection_objects]
    return not states and bool(everything) and all(state == "EXCLUDE" for state in everything)


def of_hand(obj: Any) -> bool:
    """Whether an object is a hand or one of its meshes."""
    return is_hand(obj) or (obj.parent is not None and is_hand(obj.parent))
