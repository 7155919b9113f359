"""The light that each hand of a scene stands in: lamps by their own measures, the rest by the world or a probe.

Lamps are read for every frame, so that one that moves lights the hand anew at once. What surrounds the hand is the
world's own light where that is known exactly and nothing stands around, or else what was probed last (render/probe).
Called by render/scene and the panel; reads only.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
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
from .shown import lit_scene, of_hand, shining_world, shown_objects
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
        rig: the hand's armature, original or evaluated, or a mesh that is drawn through an avatar of its own.
        point: (3,) middle of the hand in world space, metres.
    """
    return hand_lights(depsgraph, [(rig, point)])[0]


def hand_lights(depsgraph: Any, hands: Sequence[tuple[Any, np.ndarray]], space: Any = None) -> list[HandLight]:
    """The light of each of several hands; arguments as of :func:`hand_light`.

    Args:
        space: a 3D view whose local view and own filters count as well.
    """
    found = _lamps(depsgraph, hands, space)
    surroundings = _surroundings(depsgraph, space)
    strength = float(lit_scene(depsgraph).livehand.light_strength)
    return [
        _hand_light(depsgraph, rig, point, lamps, [*notes, *surroundings.notes], surroundings, strength)
        for (rig, point), (lamps, notes) in zip(hands, found, strict=True)
    ]


@dataclass(frozen=True)
class _Surroundings:
    """The world's light, None where only a render tells; whether something stands around; what is wrong with it."""

    exact: Light | None
    stands: bool
    notes: tuple[str, ...]


def _surroundings(depsgraph: Any, space: Any) -> _Surroundings:
    notes: tuple[str, ...] = ()
    try:
        exact = world_light(shining_world(depsgraph))
    except LightError as error:
        exact, notes = Light(), (str(error),)
    return _Surroundings(exact, surrounded(depsgraph, space), notes)


def _hand_light(
    depsgraph: Any,
    rig: Any,
    point: np.ndarray,
    lamps: list[Lamp],
    notes: list[str],
    surroundings: _Surroundings,
    strength: float,
) -> HandLight:
    around, source = surroundings.exact or Light(), "world"
    if not is_hand(rig):
        if surroundings.exact is None:
            notes.append(f"{rig.name!r} has lamps alone: what surrounds it is probed for hands only.")
    elif surroundings.exact is None or surroundings.stands:
        probed = probe_at(lit_scene(depsgraph), rig.name, float(depsgraph.scene_eval.frame_current_final))
        source = "none" if probed is None else "probe"
        if probed is not None:
            around = probed.light
            if np.linalg.norm(np.array(probed.point) - point) > NEAR:
                source = "old"
                if is_baked(lit_scene(depsgraph), rig.name):
                    notes.append(f"{rig.name!r} is not where its light was baked: bake it again.")
    light = (around + Light(lamps=tuple(lamps))).limited(tuple(point)).scaled(strength)
    if light.is_dark and source != "none":
        notes.append(f"No light reaches {rig.name!r}: it is black.")
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


def surrounded(depsgraph: Any, space: Any = None) -> bool:
    """Whether something stands in the scene that may shine, shade the hand or reflect light onto it."""
    return any(not of_hand(shown.object) for shown in shown_objects(depsgraph, SURFACES, space))


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


def probes(scene: Any) -> dict[str, tuple[Probe, ...]]:
    """The probes that a scene keeps, by the name of the rig and in the order of their frames: one, or several that were
    baked. What cannot be read is as good as none."""
    text = scene.livehand.light_probes
    if text not in _parsed:
        _parsed.clear()
        _parsed[text] = _parse(text)
    return _parsed[text]


def probe_at(scene: Any, rig: str, frame: float) -> Probe | None:
    """What is known around a hand at a frame, between two baked ones their mean by distance; None without a probe."""
    found = probes(scene).get(rig, ())
    if not found:
        return None
    after = next((number for number, probe in enumerate(found) if probe.frame >= frame), len(found) - 1)
    first, second = found[max(after - 1, 0)], found[after]
    span = second.frame - first.frame
    share = min(max((frame - first.frame) / span, 0.0), 1.0) if span > 0 else 1.0
    if share in (0.0, 1.0):
        return second if share else first
    x, y, z = (float(place) for place in (1.0 - share) * np.array(first.point) + share * np.array(second.point))
    return Probe(first.light.scaled(1.0 - share) + second.light.scaled(share), (x, y, z), round(frame))


def is_baked(scene: Any, rig: str) -> bool:
    """Whether a hand's surroundings are kept for several frames, and looked at no more."""
    return len(probes(scene).get(rig, ())) > 1


def keep_probes(scene: Any, found: dict[str, Sequence[Probe]]) -> None:
    """Keep probes with the scene, and with its file, for renders without a window."""
    document = {
        name: [
            {"light": probe.light.to_json(), "point": list(probe.point), "frame": probe.frame}
            for probe in sorted(several, key=lambda probe: probe.frame)
        ]
        for name, several in found.items()
    }
    scene.livehand.light_probes = json.dumps(document) if document else ""


_parsed: dict[str, dict[str, tuple[Probe, ...]]] = {}


def _parse(text: str) -> dict[str, tuple[Probe, ...]]:
    try:
        document = json.loads(text) if text else {}
        return {
            # Earlier versions kept one probe by itself.
            name: tuple(map(_probe, [entries] if isinstance(entries, dict) else entries))
            for name, entries in document.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError, LightError):
        return {}


def _probe(entry: Any) -> Probe:
    x, y, z = (float(place) for place in entry["point"])
    return Probe(Light.from_json(entry["light"]), (x, y, z), int(entry["frame"]))


def _lamps(depsgraph: Any, hands: Sequence[tuple[Any, np.ndarray]], space: Any) -> list[tuple[list[Lamp], list[str]]]:
    """For each hand the lamps that reach it, and what is wrong with others."""
    found: list[tuple[list[Lamp], list[str]]] = [([], []) for _ in hands]
    for shown in shown_objects(depsgraph, {"LIGHT"}, space):
        if not shown.object.visible_diffuse:
            continue
        for (rig, point), (lamps, notes) in zip(hands, found, strict=True):
            if not _reaches(shown.object, rig):
                continue
            try:
                lamps += lamps_of(shown, tuple(point))
            except LightError as error:
                notes.append(str(error))
    return found


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
