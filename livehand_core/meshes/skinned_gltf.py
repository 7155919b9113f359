"""A rigged mesh as glTF: skin, morph targets, texture, animation. NumPy only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..files import atomic_path
from ..passes import srgb_to_linear
from .gltf import INDEX_DATA, VERTEX_DATA, Z_UP_TO_Y_UP, GltfFile, check_rig_suffix
from .rig import RiggedMesh


def write_rigged(path: Path, mesh: RiggedMesh, name: str = "hand", copyright: str = "") -> None:
    """Write a rigged mesh as ``.glb`` or ``.gltf``: y up, metres; animated where its motion has several frames.

    Skinned mesh and skeleton stand side by side in the scene. The morph targets' weights are keyed along with the
    bones.

    Args:
        path: ends in ``.glb`` or ``.gltf``.
        mesh: what is written.
        name: of the object.
        copyright: whose it is, or its licence.

    Raises:
        LiveHandError: another suffix, a full disk, a folder that cannot be written.
    """
    check_rig_suffix(path)
    file = GltfFile()
    if copyright:
        file.document["asset"]["copyright"] = copyright
    nodes = [{"name": name, "mesh": 0, "skin": 0}, *_joint_nodes(mesh)]
    file.document |= {
        "scenes": [{"nodes": [0, 1]}],
        "nodes": nodes,
        "meshes": [_mesh(file, mesh, name)],
        "materials": [_material(file, mesh)],
        "skins": [
            {
                "name": f"{name} rig",
                "inverseBindMatrices": file.array(_inverse_bind(mesh)),
                "joints": list(range(1, len(nodes))),
                "skeleton": 1,
            }
        ],
    }
    if len(mesh.motion.turns) > 1:
        file.document["animations"] = [_animation(file, mesh)]
    with atomic_path(path) as temporary:
        file.write(temporary, path.suffix.lower())


def _points(values: np.ndarray) -> np.ndarray:
    """z up to y up, float32."""
    return np.asarray((values @ Z_UP_TO_Y_UP.T).astype("<f4"))


def _quaternions(turns: np.ndarray) -> np.ndarray:
    """(..., 4) w first, z up -> x, y, z, w, y up; float32 and of length 1 as such."""
    moved = np.stack([turns[..., 1], turns[..., 3], -turns[..., 2], turns[..., 0]], axis=-1)
    return np.asarray((moved / np.linalg.norm(moved, axis=-1, keepdims=True)).astype("<f4"))


def _joint_nodes(mesh: RiggedMesh) -> list[dict[str, Any]]:
    skeleton, motion = mesh.skeleton, mesh.motion
    nodes: list[dict[str, Any]] = []
    for joint, (bone, parent) in enumerate(zip(skeleton.names, skeleton.parents, strict=True)):
        place = motion.root[0] if parent < 0 else skeleton.rest[joint] - skeleton.rest[parent]
        node = {"name": bone, "translation": _points(place).tolist()}
        nodes.append(node | {"rotation": _quaternions(motion.turns[0, joint]).tolist()})
        if parent >= 0:
            nodes[parent].setdefault("children", []).append(1 + joint)
    return nodes


def _inverse_bind(mesh: RiggedMesh) -> np.ndarray:
    matrices = np.tile(np.eye(4, dtype="<f4"), (len(mesh.skeleton.names), 1, 1))
    matrices[:, :3, 3] = -_points(mesh.skeleton.rest)
    return matrices


def _mesh(file: GltfFile, mesh: RiggedMesh, name: str) -> dict[str, Any]:
    attributes = {
        "POSITION": file.array(_points(mesh.vertices), VERTEX_DATA, bounds=True),
        "NORMAL": file.array(_points(mesh.normals), VERTEX_DATA),
        "JOINTS_0": file.array(mesh.joints, VERTEX_DATA),
        "WEIGHTS_0": file.array(mesh.weights.astype("<f4"), VERTEX_DATA),
    }
    if mesh.uv is not None:
        attributes["TEXCOORD_0"] = file.array(mesh.uv.astype("<f4"), VERTEX_DATA)
    if mesh.colours is not None:
        colours = np.full((len(mesh.vertices), 4), 65535, "<u2")
        colours[:, :3] = np.rint(srgb_to_linear(mesh.colours) * 65535.0)
        attributes["COLOR_0"] = file.array(colours, VERTEX_DATA, normalised=True)
    primitive: dict[str, Any] = {
        "attributes": attributes,
        "indices": file.array(mesh.faces.astype("<u4").reshape(-1), INDEX_DATA),
        "material": 0,
        "mode": 4,
    }
    answer: dict[str, Any] = {"name": name, "primitives": [primitive]}
    if len(mesh.targets):
        primitive["targets"] = [
            {"POSITION": file.array(_points(target), VERTEX_DATA, bounds=True)} for target in mesh.targets
        ]
        answer["weights"] = mesh.motion.weights[0].astype("<f4").tolist()
        answer["extras"] = {"targetNames": [f"corrective {number + 1}" for number in range(len(mesh.targets))]}
    return answer


def _material(file: GltfFile, mesh: RiggedMesh) -> dict[str, Any]:
    surface: dict[str, Any] = {"metallicFactor": 0.0, "roughnessFactor": 0.6}
    if mesh.texture is not None:
        surface["baseColorTexture"] = {"index": file.picture(mesh.texture, "skin")}
    # The proxy is open at the wrist, where its inside is seen.
    return {"name": "skin", "pbrMetallicRoughness": surface, "doubleSided": True}


def _animation(file: GltfFile, mesh: RiggedMesh) -> dict[str, Any]:
    motion = mesh.motion
    times = file.array((np.arange(len(motion.turns)) / motion.fps).astype("<f4"), bounds=True)
    samplers: list[dict[str, Any]] = []
    channels: list[dict[str, Any]] = []

    def key(node: int, path: str, values: np.ndarray) -> None:
        channels.append({"sampler": len(samplers), "target": {"node": node, "path": path}})
        samplers.append({"input": times, "output": file.array(values), "interpolation": "LINEAR"})

    turns = _quaternions(motion.turns)
    for joint in range(len(mesh.skeleton.names)):
        key(1 + joint, "rotation", turns[:, joint])
    key(1, "translation", _points(motion.root))
    if len(mesh.targets):
        key(0, "weights", motion.weights.astype("<f4").reshape(-1))
    return {"name": "motion", "samplers": samplers, "channels": channels}
