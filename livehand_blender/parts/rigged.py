"""A mesh with an Armature modifier -> the model of a part, and the armature's pose -> a pose of that model.

The model lies in the armature's own space, made so large that its longest side is a hand's: all that training and
rendering take for granted of distances holds for a toe and for a giant alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from mathutils.bvhtree import BVHTree

from livehand_core.errors import HandModelError, PoseError
from livehand_core.hand.data import ProxyModel
from livehand_core.hand.part import OVERLAPPING, make_part, overlapping_charts, unfolded_without_area
from livehand_core.hand.skinning import pose_vertices
from livehand_core.poses import BETA_COUNT, HandPose
from livehand_core.rotations import matrix_to_axis_angle
from livehand_core.small_systems import inverse_affine

from ..rig.conversion import split_similarities, split_similarity

SIZE = 0.2
"""Metres of a model's longest side at rest."""

ARMATURE = "(armature)"
"""Name of the joint that stands for the armature object where bones have no common root."""

BONE_SCALE = 0.01
OFF_PARENT = 0.01
"""How far a bone may be scaled against the root, and moved off its parent, in parts of the model's longest side."""

OFF_MODEL, MOST_OFF = 0.05, 0.01
"""How far from its model a mesh may be shown, in parts of the longest side, but for so much of its vertices."""


@dataclass(frozen=True)
class RestShape:
    """A mesh and its armature at rest.

    Attributes:
        vertices: (V, 3) in the armature's space times ``size``.
        size: metres of the model for a unit of the armature's space.
    """

    vertices: np.ndarray
    size: float

    @classmethod
    def of(cls, mesh: Any, armature: Any) -> RestShape:
        """Raises HandModelError for a mesh without extent."""
        flat = np.empty(3 * len(mesh.data.vertices), np.float32)
        mesh.data.vertices.foreach_get("co", flat)
        to_armature = np.array(armature.matrix_world.inverted_safe() @ mesh.matrix_world, np.float64)
        points = flat.reshape(-1, 3).astype(np.float64) @ to_armature[:3, :3].T + to_armature[:3, 3]
        longest = float(np.ptp(points, axis=0).max()) if len(points) else 0.0
        if not longest > 1e-9:
            raise HandModelError(f"The mesh {mesh.name!r} has no extent.", "Choose another one.")
        return cls(points * (SIZE / longest), SIZE / longest)


def armature_of(mesh: Any) -> Any:
    """The armature that moves a mesh.

    Raises:
        HandModelError: it is no mesh, or none or several move it.
    """
    if mesh is None or mesh.type != "MESH":
        raise HandModelError("No mesh is chosen.", "Select a mesh that an armature moves.")
    found = [one for one in mesh.modifiers if one.type == "ARMATURE" and one.object is not None and one.show_render]
    armatures = list(dict.fromkeys(one.object for one in found))
    if not armatures:
        raise HandModelError(
            f"No armature moves the mesh {mesh.name!r}.", "Give it an Armature modifier with the armature."
        )
    if len(armatures) > 1:
        names = ", ".join(one.name for one in armatures)
        raise HandModelError(
            f"Several armatures move the mesh {mesh.name!r}: {names}.", "Keep one Armature modifier, or join them."
        )
    return armatures[0]


def model_of(mesh: Any) -> tuple[ProxyModel, tuple[str, ...]]:
    """The model of a rigged mesh, and what a person should know about it, one sentence each.

    Raises:
        HandModelError: the mesh has no UV map, vertices without weights, charts that overlap, more bones than can be,
            or more than one armature; or it is being edited.
    """
    armature = armature_of(mesh)
    data = mesh.data
    if data.is_editmode:
        raise HandModelError(f"The mesh {mesh.name!r} is being edited.", "Leave Edit Mode (Tab) first.")
    if not data.uv_layers or data.uv_layers.active is None:
        raise HandModelError(
            f"The mesh {mesh.name!r} has no UV map.", "Unwrap it (U in Edit Mode); any layout without overlap will do."
        )
    data.calc_loop_triangles()
    count = len(data.loop_triangles)
    faces, loops = np.empty(3 * count, np.int32), np.empty(3 * count, np.int32)
    data.loop_triangles.foreach_get("vertices", faces)
    data.loop_triangles.foreach_get("loops", loops)
    uv = np.empty(2 * len(data.loops), np.float32)
    data.uv_layers.active.data.foreach_get("uv", uv)
    rest = RestShape.of(mesh, armature)
    names, parents = _tree(armature, _weighted(mesh, armature))
    weights = _weights(mesh, names)
    bare = int((weights.sum(axis=1) <= 1e-6).sum())
    if bare:
        raise HandModelError(
            f"{bare} vertices of the mesh {mesh.name!r} have no weight of a bone that deforms.",
            "Give them weights (Parent, With Automatic Weights, or Weight Paint).",
        )
    arrays = {
        "vertices": rest.vertices,
        "faces": faces.reshape(-1, 3),
        "uv": uv.reshape(-1, 2),
        "uv_faces": loops.reshape(-1, 3),
        "weights": weights,
        "joints": heads(armature, names) * rest.size,
        "parents": np.array(parents),
    }
    model = make_part(mesh.name, arrays, names)
    folded = unfolded_without_area(model)
    if folded > OVERLAPPING:
        raise HandModelError(
            f"{100.0 * folded:.0f} % of the mesh {mesh.name!r} has no area in its UV map.",
            "Unwrap it (U in Edit Mode).",
        )
    shared = overlapping_charts(model)
    if shared > OVERLAPPING:
        raise HandModelError(
            f"Charts of the UV map of {mesh.name!r} overlap: {100.0 * shared:.0f} % of it lies on two places or more.",
            "Unwrap mirrored and stacked islands apart (UV, Pack Islands).",
        )
    return model, tuple(_notes(mesh, model))


def check_shown(mesh: Any, model: ProxyModel, pose: HandPose, scale: float) -> None:
    """Raises HandModelError where modifiers or shape keys show a mesh elsewhere than its model in the pose it shows."""
    import bpy

    shown = mesh.evaluated_get(bpy.context.evaluated_depsgraph_get())
    data = shown.to_mesh()
    flat = np.empty(3 * len(data.vertices), np.float32)
    data.vertices.foreach_get("co", flat)
    shown.to_mesh_clear()
    world = np.array(shown.matrix_world, np.float64)
    points = flat.reshape(-1, 3).astype(np.float64) @ world[:3, :3].T + world[:3, 3]
    posed = scale * pose_vertices(model, pose)
    tree, reach = BVHTree.FromPolygons(posed.tolist(), model.faces.tolist()), OFF_MODEL * SIZE * scale
    off = np.mean([tree.find_nearest(point, reach)[0] is None for point in points.tolist()])
    if off > MOST_OFF:
        raise HandModelError(
            f"Modifiers or shape keys show {100.0 * off:.0f} % of {mesh.name!r} away from the mesh that bones move.",
            "Apply them, or switch them off.",
        )


def heads(armature: Any, names: tuple[str, ...]) -> np.ndarray:
    """(J, 3) where joints rest in the armature's space."""
    bones = armature.data.bones
    return np.array([(0.0, 0.0, 0.0) if name == ARMATURE else tuple(bones[name].head_local) for name in names])


def rest_matrices(armature: Any, names: tuple[str, ...]) -> np.ndarray:
    """(J, 4, 4) of the bones in the armature's space."""
    bones = armature.data.bones
    return np.array([np.eye(4) if name == ARMATURE else np.array(bones[name].matrix_local) for name in names])


def pose_of(
    armature: Any, names: tuple[str, ...], parents: np.ndarray, size: float, matrix_world: Any = None
) -> tuple[HandPose, float]:
    """The pose that an (evaluated) armature shows, in the model's own size, and the scale with
    world = scale * (point of the posed model).

    Raises:
        PoseError: a bone is missing, scaled, or moved off its parent; a scale that no avatar can follow.
    """
    world = np.array(armature.matrix_world if matrix_world is None else matrix_world, np.float64)
    missing = [name for name in names if name != ARMATURE and name not in armature.pose.bones]
    if missing:
        raise PoseError(f"The armature {armature.name!r} has no bone {missing[0]!r}.", "Undo what renamed it.")
    bones = armature.pose.bones
    posed = np.array([np.eye(4) if name == ARMATURE else np.array(bones[name].matrix) for name in names], np.float64)
    rest = rest_matrices(armature, names).astype(np.float64)
    split_similarity(world, f"The armature {armature.name!r}")
    carried = posed @ inverse_affine(rest)
    labels = [f"The bone {name!r} of {armature.name!r}" for name in names]
    turns, scales, _ = split_similarities(world @ carried, labels)
    for name, scale in zip(names, scales / scales[0], strict=True):
        if abs(scale - 1.0) > BONE_SCALE:
            raise PoseError(
                f"The bone {name!r} of {armature.name!r} is scaled by {scale:.4g} against {names[0]!r}.",
                "Clear the scale of its bones (Alt S in Pose Mode); scale the whole armature instead.",
            )
    for joint, parent in enumerate(parents.tolist()):
        if parent < 0:
            continue
        due = (carried[parent] @ np.append(rest[joint, :3, 3], 1.0))[:3]
        off = float(np.linalg.norm(posed[joint, :3, 3] - due)) * size / SIZE
        if off > OFF_PARENT:
            raise PoseError(
                f"The bone {names[joint]!r} of {armature.name!r} is moved off {names[parent]!r} by {100.0 * off:.0f} % "
                "of the mesh, and an avatar's joints only turn.",
                "Clear its location (Alt G in Pose Mode), and let IK not stretch.",
            )
    local = np.swapaxes(turns[parents[1:]], 1, 2) @ turns[1:]
    scale = float(scales[0]) / size
    place = (world @ posed[0])[:3, 3] / scale - rest[0, :3, 3] * size
    turned = matrix_to_axis_angle(turns[0]), matrix_to_axis_angle(local) if len(local) else np.zeros((0, 3))
    return HandPose(*turned, np.zeros(BETA_COUNT), place), scale


def _weighted(mesh: Any, armature: Any) -> set[str]:
    """Bones that deform and that some vertex has a weight of."""
    names = {group.index: group.name for group in mesh.vertex_groups}
    used = {item.group for vertex in mesh.data.vertices for item in vertex.groups if item.weight > 0.0}
    bones = armature.data.bones
    found = {names[index] for index in used if names.get(index) in bones and bones[names[index]].use_deform}
    if not found:
        raise HandModelError(
            f"The mesh {mesh.name!r} has no weights of bones of {armature.name!r}.",
            "Parent it With Automatic Weights, or paint weights in groups of the bones' names.",
        )
    return found


def _tree(armature: Any, weighted: set[str]) -> tuple[tuple[str, ...], list[int]]:
    """Names and parents of the bones that matter: those weighted, what lies between them, and what they hang from."""
    bones = armature.data.bones
    ways = [[bone.name for bone in (bones[name], *bones[name].parent_recursive)][::-1] for name in sorted(weighted)]
    common = 0
    while all(len(way) > common and way[common] == ways[0][common] for way in ways):
        common += 1
    kept = {name for way in ways for name in way[max(common - 1, 0) :]}
    ordered = [bone.name for bone in bones if bone.name in kept]
    ordered.sort(key=lambda name: len(bones[name].parent_recursive))
    names = (*([] if common else [ARMATURE]), *ordered)
    places = {name: number for number, name in enumerate(names)}
    parents = []
    for number, name in enumerate(names):
        above = None if name == ARMATURE else bones[name].parent
        parents.append(-1 if number == 0 else places.get(above.name if above else ARMATURE, 0))
    return names, parents


def _weights(mesh: Any, names: tuple[str, ...]) -> np.ndarray:
    columns = {group.index: names.index(group.name) for group in mesh.vertex_groups if group.name in names}
    weights = np.zeros((len(mesh.data.vertices), len(names)))
    for vertex in mesh.data.vertices:
        for item in vertex.groups:
            if item.group in columns:
                weights[vertex.index, columns[item.group]] += item.weight
    return weights


def _notes(mesh: Any, model: ProxyModel) -> list[str]:
    notes = []
    edges = np.sort(np.stack([model.faces[:, [0, 1]], model.faces[:, [1, 2]], model.faces[:, [2, 0]]], 1), axis=-1)
    _, times = np.unique(edges.reshape(-1, 2), axis=0, return_counts=True)
    if (times > 2).any():
        notes.append(
            f"{int((times > 2).sum())} edges of {mesh.name!r} have more than two faces; it is drawn all the same."
        )
    if any(one.type == "ARMATURE" and one.use_deform_preserve_volume for one in mesh.modifiers):
        notes.append("Preserve Volume bends otherwise than an avatar's proxy, by a little at strong twists.")
    return notes
