"""Any part of a body as a proxy: a skinned mesh with joints of its own, kept as plain arrays in avatars and captures.

The add-on makes it of a rigged mesh; an avatar's file and a capture's folder bring it along. NumPy only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..errors import HandModelError
from .data import ProxyModel

PREFIX = "part:"
"""How the ids of such models begin."""

ARRAYS = ("vertices", "faces", "uv", "uv_faces", "weights", "joints", "parents")
"""Names under which :func:`part_arrays` gives a model."""

CORRECTIVES = "posedirs"
"""One more, of models that correct their skin by pose."""

MOST_JOINTS, MOST_VERTICES, MOST_FACES = 255, 200_000, 400_000

SAME_PLACE = 2e-5
"""Metres by which vertices and joints of one rest pose may differ, by rounding."""

UV_CELLS = 1024
"""Side of the grid on which charts are held against one another."""

OVERLAPPING = 0.01
"""Part of the covered cells that two places of a surface may share: charts that touch share those on their edges."""


def is_part(name: str) -> bool:
    """Whether a model id is one of these, which no installation knows by itself."""
    return name.startswith(PREFIX)


def make_part(
    label: str,
    arrays: Mapping[str, np.ndarray],
    joint_names: Sequence[str],
    licence: str = "",
    name: str = "",
) -> ProxyModel:
    """A part of a body from its arrays. Its id tells it from every other: label, and digest of all that follows.

    Args:
        label: for people, such as ``"foot"``.
        arrays: ``vertices`` (V, 3) metres at rest; ``faces`` (F, 3), outwards; ``uv`` (T, 2), v upwards, and
            ``uv_faces`` (F, 3); ``weights`` (V, J), whose rows are made to sum to 1; ``joints`` (J, 3) metres at rest;
            ``parents`` (J,), -1 for the root, which is joint 0; and, where it has any, ``posedirs`` (V, 3, 9 (J - 1))
            metres that each entry of R - I of the joints but the root adds.
        joint_names: of each joint.
        licence: SPDX id or a short statement.
        name: the id that it was given when it was made, where it is read again; else it is given one.

    Raises:
        HandModelError: something is missing or cannot be meant.
    """
    missing = [name for name in ARRAYS if name not in arrays]
    if missing:
        raise _wrong(label, f"its {missing[0]} are missing")
    numbers = {key: np.asarray(arrays[key], np.float64) for key in (*ARRAYS, CORRECTIVES) if key in arrays}
    for key, values in numbers.items():
        if not np.isfinite(values).all():
            raise _wrong(label, f"its {key} hold values that are not finite")
    vertices, joints, parents = numbers["vertices"], numbers["joints"], numbers["parents"].astype(np.int64)
    faces, uv_faces = numbers["faces"].astype(np.int64), numbers["uv_faces"].astype(np.int64)
    uv, weights = numbers["uv"], numbers["weights"]
    _check_shapes(label, numbers, len(joint_names))
    _check_numbers(label, vertices, faces, uv, uv_faces, parents)
    sums = weights.sum(axis=1)
    if weights.min() < 0.0 or sums.min() <= 1e-6:
        raise _wrong(label, f"{int((sums <= 1e-6).sum())} of its vertices have no weight, or weights are negative")
    if np.abs(sums - 1.0).max() > 1e-5:
        weights = weights / sums[:, None]
    weights = weights.astype(np.float32)
    rounded = vertices.astype(np.float32)
    model = ProxyModel(
        name=name,
        side="right",
        v_template=rounded,
        shapedirs=np.zeros((len(vertices), 3, 0), np.float32),
        posedirs=numbers.get(CORRECTIVES, np.zeros((len(vertices), 3, 0))).astype(np.float32),
        joint_regressor=_regressor(label, rounded.astype(np.float64), joints),
        weights=weights,
        parents=parents,
        faces=faces,
        uv=uv.astype(np.float32),
        uv_faces=uv_faces,
        licence=licence,
        joint_names=tuple(map(str, joint_names)),
    )
    return model if name else _named(model, label)


def part_arrays(model: ProxyModel) -> dict[str, np.ndarray]:
    """What :func:`make_part` makes the same model of."""
    arrays = {
        "vertices": model.v_template,
        "faces": model.faces,
        "uv": model.uv,
        "uv_faces": model.uv_faces,
        "weights": model.weights,
        "joints": model.rest_joints().astype(np.float32),
        "parents": model.parents,
    }
    return arrays | {CORRECTIVES: model.posedirs} if model.posedirs.shape[2] else arrays


def differences(made: ProxyModel, trained: ProxyModel) -> list[str]:
    """What is different about a model from the one that an avatar was trained on, for people; nothing when it fits.

    Each is a phrase without a full stop; names of joints stand in it.
    """
    counts = (
        ("vertices", made.vertex_count, trained.vertex_count),
        ("triangles", len(made.faces), len(trained.faces)),
    )
    found = [f"it has {mine} {what}, not {theirs}" for what, mine, theirs in counts if mine != theirs]
    if made.joint_names != trained.joint_names:
        gone = [name for name in trained.joint_names if name not in made.joint_names]
        new = [name for name in made.joint_names if name not in trained.joint_names]
        parts = [f"{text} {', '.join(names)}" for text, names in (("lacks", gone), ("has the new", new)) if names]
        found.append(f"the armature {' and '.join(parts) or 'has its bones in another order'}")
    if found:
        return found
    found = rest_differences(made.v_template, made.rest_joints(), trained)
    if not np.array_equal(made.parents, trained.parents):
        found.append("bones have other parents")
    if not np.array_equal(made.faces, trained.faces):
        found.append("the mesh has other faces")
    else:
        if np.abs(made.face_uv - trained.face_uv).max() > 1e-5:
            found.append("its UV map has changed")
        if np.abs(made.weights - trained.weights).max() > 1e-3:
            found.append("its weights have changed")
    return found


def rest_differences(vertices: np.ndarray, joints: np.ndarray, trained: ProxyModel) -> list[str]:
    """What is different about a rest pose, (V, 3) vertices and (J, 3) joints in metres, from the one that an avatar was
    trained on; phrases as :func:`differences` gives them."""
    if len(vertices) != trained.vertex_count:
        return [f"it has {len(vertices)} vertices, not {trained.vertex_count}"]
    moved = 1e3 * np.linalg.norm(joints - trained.rest_joints(), axis=1)
    far = np.flatnonzero(moved > 1e3 * SAME_PLACE)
    found = [f"{trained.joint_names[joint]} by {moved[joint]:.1f} mm" for joint in far]
    if found:
        found = [f"the rest pose has changed: {', '.join(found[:6])}{' ...' if len(found) > 6 else ''}"]
    away = np.linalg.norm(vertices - trained.v_template, axis=1) > SAME_PLACE
    if away.any():
        found.append(f"{int(away.sum())} of its vertices rest elsewhere")
    return found


def overlapping_charts(model: ProxyModel) -> float:
    """Part of the covered texture that more than one place of the surface lies on, 0 to 1.

    Found on a grid: the middles of its cells that lie in two triangles or more. Triangles that share an edge share no
    middle, but for rounding.
    """
    hits = covered_cells(model.face_uv, UV_CELLS)
    covered = int((hits > 0).sum())
    return float((hits > 1).sum()) / covered if covered else 0.0


def unfolded_without_area(model: ProxyModel) -> float:
    """Part of the surface whose triangles are a line or a point in texture coordinates, 0 to 1."""
    (one, two), (u, v) = (
        np.moveaxis(c[:, 1:] - c[:, :1], 1, 0) for c in (model.v_template[model.faces], model.face_uv)
    )
    areas = np.linalg.norm(np.cross(one, two), axis=1)
    nothing = np.abs(u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]) < 1e-10
    return float(areas[nothing].sum() / max(float(areas.sum()), 1e-30))


def covered_cells(face_uv: np.ndarray, size: int) -> np.ndarray:
    """(size, size) in how many of (F, 3, 2) triangles, v downwards, the middle of each cell of a texture lies."""
    corners = face_uv.astype(np.float64) * size
    hits = np.zeros((size, size), np.int32)
    for triangle in corners:
        low = np.maximum(np.floor(triangle.min(axis=0) - 0.5).astype(int), 0)
        high = np.minimum(np.ceil(triangle.max(axis=0) + 0.5).astype(int), size)
        if (high <= low).any():
            continue
        x, y = np.meshgrid(np.arange(low[0], high[0]) + 0.5, np.arange(low[1], high[1]) + 0.5)
        hits[low[1] : high[1], low[0] : high[0]] += _inside(triangle, x, y)
    return hits


def _inside(triangle: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Whether points lie within a triangle, a hair from its edges, whichever way it turns."""
    (ax, ay), (bx, by), (cx, cy) = triangle
    area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    if abs(area) < 1e-9:
        return np.zeros(x.shape, bool)
    share_b = ((x - ax) * (cy - ay) - (y - ay) * (cx - ax)) / area
    share_c = ((bx - ax) * (y - ay) - (by - ay) * (x - ax)) / area
    inside: np.ndarray = (share_b > 1e-6) & (share_c > 1e-6) & (share_b + share_c < 1.0 - 1e-6)
    return inside


def _check_shapes(label: str, numbers: Mapping[str, np.ndarray], names: int) -> None:
    vertices, joints, faces = len(numbers["vertices"]), len(numbers["joints"]), len(numbers["faces"])
    expected = {
        "vertices": (vertices, 3),
        "faces": (faces, 3),
        "uv": (len(numbers["uv"]), 2),
        "uv_faces": (faces, 3),
        "weights": (vertices, joints),
        "joints": (joints, 3),
        "parents": (joints,),
        CORRECTIVES: (vertices, 3, 9 * (joints - 1)),
    }
    for name, shape in expected.items():
        if name in numbers and numbers[name].shape != shape:
            raise _wrong(label, f"its {name} have the shape {numbers[name].shape}, not {shape}")
    if joints != names:
        raise _wrong(label, f"it has {joints} joints and {names} names of joints")
    if joints > MOST_JOINTS:
        raise HandModelError(
            f"The part {label!r} has {joints} joints; {MOST_JOINTS} are possible.",
            "Take the bones that hardly move it out of its vertex groups.",
        )
    if not (4 <= vertices <= MOST_VERTICES and 4 <= faces <= MOST_FACES and joints):
        raise HandModelError(
            f"The part {label!r} has {vertices} vertices and {faces} triangles; 4 to {MOST_VERTICES} and "
            f"{MOST_FACES} are possible.",
            "Use a lighter mesh: what it should look like is captured, whatever the proxy is.",
        )


def _check_numbers(
    label: str, vertices: np.ndarray, faces: np.ndarray, uv: np.ndarray, uv_faces: np.ndarray, parents: np.ndarray
) -> None:
    for name, indices, count in (("faces", faces, len(vertices)), ("uv_faces", uv_faces, len(uv))):
        if indices.min() < 0 or indices.max() >= count:
            raise _wrong(label, f"its {name} name a corner that is not there")
    if parents[0] != -1 or (parents[1:] < 0).any() or (parents >= np.arange(len(parents))).any():
        raise _wrong(label, "its joints are not a tree: each parent stands before its children, and one root first")
    if uv.min() < -1e-6 or uv.max() > 1.0 + 1e-6:
        raise HandModelError(
            f"The texture coordinates of the part {label!r} leave the unit square ({uv.min():.2f} to {uv.max():.2f}).",
            "Pack its UV islands into the square.",
        )


def _regressor(label: str, vertices: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """(J, V) float32 weights of the vertices that give the joints, of least norm."""
    system = np.concatenate([vertices, np.ones((len(vertices), 1))], axis=1)
    regressor: np.ndarray = np.concatenate([joints, np.ones((len(joints), 1))], axis=1) @ np.linalg.pinv(system)
    rounded = regressor.astype(np.float32)
    if np.abs(rounded.astype(np.float64) @ vertices - joints).max() > 0.25 * SAME_PLACE:
        raise _wrong(label, "its mesh is flat, and joints lie outside its plane")
    return rounded


def _named(model: ProxyModel, label: str) -> ProxyModel:
    digest = hashlib.sha256(repr(model.joint_names).encode())
    for name, values in part_arrays(model).items():
        scale = {"vertices": 1e5, "joints": 1e5, "uv": 65536.0, "weights": 1e3, CORRECTIVES: 1e5}.get(name, 1.0)
        digest.update(np.ascontiguousarray(np.rint(values.astype(np.float64) * scale), dtype="<i8").tobytes())
    words = "".join(letter if letter.isalnum() or letter in "._" else "_" for letter in label).strip("_") or "part"
    return replace(model, name=f"{PREFIX}{words[:40]}-{digest.hexdigest()[:16]}")


def _wrong(label: str, reason: str) -> HandModelError:
    return HandModelError(f"The part {label!r} cannot be used: {reason}.", "Make it anew from the rigged mesh.")
