"""Meshes of the scene that keep light from hands: those around each hand, and those on the way to its lamps.

Cut to the part that matters and reduced to a number of triangles. What has not changed is not read again: in the
viewport Blender tells of changes, in renders contents are compared. What moves without changing keeps its form.
Called by render/scene.
"""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import bpy
import numpy as np

from livehand_core.lights import Lamp
from livehand_core.occluders import FARTHEST, MOST_FACES, Occluder

from ..registration import handlers, registration
from .reduction import compact, reduced, surface
from .shown import Shown, of_hand, shown_objects

MESHES = {"MESH", "CURVE", "SURFACE", "FONT", "META"}
"""Types of objects that have triangles."""

REACH = 0.2
"""Metres from a hand's ball in which a mesh dims the surroundings' light."""

BUDGET = 4_000
"""Triangles around a hand: each is drawn for every lamp."""

WHOLE = 4_000
"""Triangles up to which a mesh is taken whole, so that it stays the same one while the hand moves."""

FINE = 0.005
"""Metres between vertices, up to which a mesh that is reduced to ``WHOLE`` triangles does for all of it."""

MOST_MESHES = 200
"""Around a hand."""

STEP = 0.05
"""Metres by which hands and lamps move before what is cut for them is cut anew."""

KEPT = 256
"""Occluders that are kept for the next frame."""

LARGEST_KEPT = 100_000
"""Triangles up to which a mesh is kept as it was read."""

Value = TypeVar("Value")


@dataclass(frozen=True)
class Zone:
    """Where a mesh may keep light from a hand, in steps, with room for all that lies between them.

    Attributes:
        middle: (3,) of the hand, radius: metres that it reaches.
        paths: to each lamp: unit direction, length, and radius at its end, or for one that is far infinity and the
            radius' growth a metre.
        sky: whether meshes keep the surroundings' light from it, too; not where a probe has seen it past them.
    """

    middle: tuple[float, float, float]
    radius: float
    paths: tuple[tuple[tuple[float, float, float], float, float], ...]
    sky: bool = True

    @classmethod
    def of(cls, points: np.ndarray, radii: np.ndarray, lamps: Sequence[Lamp], sky: bool = True) -> Zone:
        """Of a hand's (N, 3) points and how far its flesh reaches from them, in the light of lamps."""
        centre = points.mean(axis=0)
        radius = float((np.linalg.norm(points - centre, axis=1) + radii).max())
        middle = np.round(centre / STEP) * STEP
        paths = []
        for lamp in lamps:
            if lamp.direction is not None:
                direction = np.round(np.array(lamp.direction) * 64.0) / 64.0
                growth = math.tan(0.5 * min(lamp.size, 2.0)) + 1.0 / 32.0
                paths.append((_triple(direction / np.linalg.norm(direction)), math.inf, round(growth, 3)))
            elif lamp.position is not None:
                away = np.round(np.array(lamp.position) / STEP) * STEP - middle
                length = max(float(np.linalg.norm(away)), STEP)
                paths.append((_triple(away / length), length, round(0.5 * lamp.size + STEP, 3)))
        return cls(_triple(middle), math.ceil((radius + STEP) / STEP) * STEP, tuple(dict.fromkeys(paths)), sky)

    def reaches(self, places: np.ndarray, radii: np.ndarray) -> np.ndarray:
        """(N,) bool: whether balls at (N, 3) places reach into it."""
        away = places - np.array(self.middle)
        found: np.ndarray = np.linalg.norm(away, axis=1) <= self.radius + REACH + radii
        for direction, length, end in self.paths:
            along = away @ np.array(direction)
            aside = np.linalg.norm(away - along[:, None] * np.array(direction), axis=1)
            ahead = np.clip(along, 0.0, length)
            if math.isinf(length):
                width = self.radius + ahead * end
            else:
                width = self.radius + (end - self.radius) * ahead / length
            found |= (aside <= width + radii) & (along >= -radii) & (along <= length + radii)
        return found


@dataclass(frozen=True)
class NearMeshes:
    """What stands in one hand's light.

    Attributes:
        occluders: in world space.
        notes: what a person should know of them, one sentence each.
    """

    occluders: tuple[Occluder, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Form:
    """A mesh in its object's own axes: what tells its contents from others, (V, 3) float32 vertices, (F, 3) faces."""

    key: tuple[Any, ...]
    vertices: np.ndarray
    faces: np.ndarray


@dataclass(frozen=True)
class _Part:
    """A mesh near a hand: its form there, where it stands, and how near it is."""

    form: _Form
    matrix: np.ndarray
    name: str
    distance: float
    sky: bool


_changes: dict[int, int] = {}
"""Session id of an object -> how often the geometry that the viewport shows of it has changed."""

_forms: OrderedDict[tuple[Any, ...], _Form] = OrderedDict()
_parts: OrderedDict[tuple[Any, ...], _Part | str] = OrderedDict()
_reduced: OrderedDict[tuple[Any, ...], _Form] = OrderedDict()
_areas: OrderedDict[tuple[Any, ...], float] = OrderedDict()
_occluders: OrderedDict[tuple[Any, ...], Occluder] = OrderedDict()


def near_meshes(depsgraph: Any, zones: Sequence[Zone], space: Any = None) -> list[NearMeshes]:
    """What stands in the light of each hand.

    Args:
        depsgraph: evaluated; its mode decides what is visible.
        zones: of the hands.
        space: a 3D view whose local view counts as well.
    """
    parts: list[list[_Part]] = [[] for _ in zones]
    notes: list[list[str]] = [[] for _ in zones]
    for shown in shown_objects(depsgraph, MESHES, space):
        if of_hand(shown.object) or shown.shower.hide_render or not _casts_shadows(shown.object):
            continue
        matrix = np.array(shown.matrix_world, dtype=np.float64)
        centre, radius = _ball(shown.object, matrix)
        for number, zone in enumerate(zones):
            if radius < 0.0 or not zone.reaches(centre[None], np.array([radius]))[0]:
                continue
            found = _part(depsgraph, shown, matrix, zone)
            if isinstance(found, str):
                notes[number].append(found)
            elif len(found.form.faces):
                parts[number].append(found)
    return [_within_budget(*both) for both in zip(parts, notes, strict=True)]


def _within_budget(parts: list[_Part], notes: list[str]) -> NearMeshes:
    """Occluders with no more triangles than the budget, the large ones reduced, too many of them left out."""
    if len(parts) > MOST_MESHES:
        notes.append(f"{len(parts)} meshes stand around the hand: only the nearest {MOST_MESHES} shade it.")
        parts = sorted(parts, key=lambda part: part.distance)[:MOST_MESHES]
    sizes = np.array([len(part.form.faces) for part in parts], dtype=np.int64)
    limit = _limit(sizes)
    return NearMeshes(tuple(_occluder(part, limit) for part in parts), tuple(notes))


def _limit(sizes: np.ndarray) -> int:
    """The largest number of triangles a mesh that keeps them all within the budget, in steps of a power of two."""
    limit = BUDGET
    while limit > 1 and np.minimum(sizes, limit).sum() > BUDGET:
        limit //= 2
    return limit


def _occluder(part: _Part, limit: int) -> Occluder:
    form = part.form
    if len(form.faces) > limit:
        form = _kept(_reduced, (*form.key, limit), _reduce, form, limit)
    key = (*form.key, part.matrix.tobytes(), part.name, part.sky)
    return _kept(_occluders, key, _placed, part, form)


def _area(form: _Form) -> float:
    """Square of the object's own units; not a number where its points are none."""
    return _kept(_areas, form.key, lambda: surface(form.vertices.astype(np.float64), form.faces))


def _reduce(form: _Form, limit: int) -> _Form:
    return _Form((*form.key, limit), *reduced(form.vertices, form.faces, limit))


def _placed(part: _Part, form: _Form) -> Occluder:
    return Occluder(part.name, _to_world(form.vertices, part.matrix), form.faces, part.sky)


def _to_world(vertices: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    world: np.ndarray = vertices.astype(np.float64) @ matrix[:3, :3].T + matrix[:3, 3]
    return world


def _casts_shadows(obj: Any) -> bool:
    """Whether renders show an object, and its shadow."""
    if obj.hide_render or not obj.visible_shadow:
        return False
    materials = [slot.material for slot in obj.material_slots if slot.material is not None]
    return not materials or not all(_lets_light_through(material) for material in materials)


def _lets_light_through(material: Any) -> bool:
    """Whether a material is nothing but transparent: a volume, or a Transparent BSDF."""
    if material.node_tree is None:
        return False
    output = material.node_tree.get_output_node("ALL")
    if output is None:
        return False
    link = next(iter(output.inputs["Surface"].links), None)
    return link is None or link.from_node.type == "BSDF_TRANSPARENT"


def _ball(obj: Any, matrix: np.ndarray) -> tuple[np.ndarray, float]:
    """(3,) middle and radius of an object's box in world space; a negative radius where there is none."""
    corners = np.array(obj.bound_box, dtype=np.float64).reshape(8, 3) @ matrix[:3, :3].T + matrix[:3, 3]
    if not np.isfinite(corners).all():
        return np.zeros(3), math.inf
    middle = corners.mean(axis=0)
    radius = float(np.linalg.norm(corners - middle, axis=1).max())
    return middle, radius if radius > 0.0 else -1.0


def _part(depsgraph: Any, shown: Shown, matrix: np.ndarray, zone: Zone) -> _Part | str:
    """The part of a mesh that lies in a zone, or why it cannot be used."""
    form = _form(shown.object, depsgraph.mode == "VIEWPORT" and not shown.is_instance)
    if len(form.faces) > WHOLE and _area(form) * abs(np.linalg.det(matrix[:3, :3])) ** (2.0 / 3.0) <= WHOLE * FINE**2:
        form = _kept(_reduced, (*form.key, WHOLE), _reduce, form, WHOLE)
    key = (*form.key, matrix.tobytes(), shown.object.name, zone)
    return _kept(_parts, key, _cut, shown.object.name, form, matrix, zone)


def _form(obj: Any, told: bool) -> _Form:
    """An object's mesh, not read where it is known.

    Args:
        told: whether Blender tells of changes of it.
    """
    uid = obj.original.session_uid if told else 0
    key: tuple[Any, ...] = (uid, _changes.get(uid, 0))
    if told and key in _forms:
        return _known(_forms, key)
    with_mesh = _Mesh(obj)
    try:
        mesh = with_mesh.get()
        if mesh is None:
            return _Form((), np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
        vertices = _read(mesh.vertices, "co", np.float32, 3)
        if not told:
            digest = hashlib.blake2b(vertices.tobytes(), digest_size=16)
            digest.update(_read(mesh.loops, "vertex_index", np.int32, 1).tobytes())
            key = (digest.digest(), len(mesh.polygons))
            if key in _forms:
                return _known(_forms, key)
        mesh.calc_loop_triangles()
        found = _Form(key, vertices, _read(mesh.loop_triangles, "vertices", np.int32, 3))
    finally:
        with_mesh.release()
    if len(found.faces) <= LARGEST_KEPT:
        _keep(_forms, key, found)
    return found


def _cut(name: str, form: _Form, matrix: np.ndarray, zone: Zone) -> _Part | str:
    """The triangles in a zone, and with them the others of a small mesh; or why the mesh cannot be used."""
    with np.errstate(invalid="ignore", over="ignore"):
        vertices = _to_world(form.vertices, matrix)
        good = (np.abs(vertices) <= FARTHEST).all()
    if not good:
        return f"{name!r} has points that are not finite, or beyond {FARTHEST:g} m: it does not shade the hand."
    corners = vertices[form.faces]
    middles = corners.mean(axis=1)
    radii = np.linalg.norm(corners - middles[:, None], axis=2).max(axis=1, initial=0.0)
    inside = zone.reaches(middles, radii)
    away = np.linalg.norm(middles[inside] - np.array(zone.middle), axis=1) - radii[inside]
    if len(form.faces) > WHOLE or not inside.any():
        # What is taken whole is the same mesh wherever the hand is.
        key = (*form.key, matrix.tobytes(), zone)
        form = _Form(key, *compact(form.vertices, form.faces[inside]))
    return _Part(form, matrix, name, float(away.min(initial=math.inf)), zone.sky)


class _Mesh:
    """The evaluated mesh of an object: its own, or one that is made of it for a moment."""

    def __init__(self, obj: Any) -> None:
        self._object = obj
        self._made = obj.type != "MESH" or obj.data.is_editmode

    def get(self) -> Any:
        """The mesh, None where there is none."""
        if not self._made:
            return self._object.data
        try:
            return self._object.to_mesh()
        except RuntimeError:
            return None

    def release(self) -> None:
        if self._made:
            self._object.to_mesh_clear()


def _read(items: Any, name: str, kind: Any, width: int) -> np.ndarray:
    values = np.empty(len(items) * width, dtype=kind)
    items.foreach_get(name, values)
    return values.reshape(-1, width)


def _kept(store: OrderedDict[Any, Value], key: Any, make: Callable[..., Value], *arguments: Any) -> Value:
    """What a store has, or what is made of the arguments."""
    if key in store:
        return _known(store, key)
    return _keep(store, key, make(*arguments))


def _known(store: OrderedDict[Any, Value], key: Any) -> Value:
    store.move_to_end(key)
    return store[key]


def _keep(store: OrderedDict[Any, Value], key: Any, value: Value) -> Value:
    store[key] = value
    while len(store) > KEPT:
        store.popitem(last=False)
    return value


def joined(groups: Iterable[tuple[Occluder, ...]]) -> tuple[Occluder, ...]:
    """What a frame is sent of several hands' occluders: each once, and no more than a frame can hold."""
    kept, count = [], 0
    for occluder in dict.fromkeys(occluder for group in groups for occluder in group):
        count += len(occluder.faces)
        if count > MOST_FACES:
            break
        kept.append(occluder)
    return tuple(kept)


def _triple(vector: np.ndarray) -> tuple[float, float, float]:
    x, y, z = (round(float(number), 6) for number in vector)
    return x, y, z


@bpy.app.handlers.persistent
def _changed(_scene: Any, depsgraph: Any = None) -> None:
    """Note whose geometry has changed."""
    for update in depsgraph.updates if depsgraph is not None else ():
        if update.is_updated_geometry and isinstance(update.id, bpy.types.Object):
            uid = update.id.original.session_uid
            _changes[uid] = _changes.get(uid, 0) + 1


@bpy.app.handlers.persistent
def _forget(*_: Any) -> None:
    for known in (_changes, _forms, _parts, _reduced, _areas, _occluders):
        known.clear()


register, unregister = registration(
    handlers(
        ("depsgraph_update_post", _changed),
        ("frame_change_post", _changed),
        ("load_post", _forget),
        ("undo_post", _forget),
        ("redo_post", _forget),
    )
)
