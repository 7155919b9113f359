"""A reader of glTF files, and the rules of the standard that a skinned, animated mesh must keep. Shares no code with
what writes them."""

from __future__ import annotations

import base64
import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np

COMPONENTS = {5121: ("u1", 1), 5123: ("<u2", 2), 5125: ("<u4", 4), 5126: ("<f4", 4)}
SIZES = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}


class Gltf:
    """A document and its buffer."""

    def __init__(self, document: dict[str, Any], body: bytes) -> None:
        self.document, self.body = document, body

    @classmethod
    def read(cls, path: Path) -> Gltf:
        content = path.read_bytes()
        if path.suffix == ".gltf":
            document = json.loads(content)
            return cls(document, base64.b64decode(document["buffers"][0]["uri"].split(",", 1)[1]))
        magic, version, length, size, kind = struct.unpack("<4sIII4s", content[:20])
        assert (magic, version, length, kind) == (b"glTF", 2, len(content), b"JSON") and size % 4 == 0
        body_size, body_kind = struct.unpack("<I4s", content[20 + size : 28 + size])
        assert body_kind == b"BIN\0" and body_size % 4 == 0 and 28 + size + body_size == len(content)
        return cls(json.loads(content[20 : 20 + size]), content[28 + size :])

    def array(self, number: int) -> np.ndarray:
        """(N, components) values of an accessor."""
        accessor = self.document["accessors"][number]
        view = self.document["bufferViews"][accessor["bufferView"]]
        dtype, size = COMPONENTS[accessor["componentType"]]
        count = accessor["count"] * SIZES[accessor["type"]]
        assert view["byteLength"] >= count * size
        return np.frombuffer(self.body, dtype, count, view["byteOffset"]).reshape(accessor["count"], -1)

    def picture(self) -> np.ndarray:
        from PIL import Image

        (image,) = self.document["images"]
        view = self.document["bufferViews"][image["bufferView"]]
        content = self.body[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]
        return np.asarray(Image.open(io.BytesIO(content)))

    def posed(self, frame: int) -> np.ndarray:
        """(V, 3) vertices as a viewer shows them at a key of the animation, y up."""
        nodes = [dict(node) for node in self.document["nodes"]]
        weights = self.document["meshes"][0].get("weights", [])
        for animation in self.document.get("animations", []):
            for channel in animation["channels"]:
                sampler, target = animation["samplers"][channel["sampler"]], channel["target"]
                count = len(self.array(sampler["input"]))
                value = self.array(sampler["output"]).reshape(count, -1)[frame]
                if target["path"] == "weights":
                    weights = value
                else:
                    nodes[target["node"]][target["path"]] = value
        (primitive,) = self.document["meshes"][0]["primitives"]
        points = self.array(primitive["attributes"]["POSITION"]).astype(float)
        for weight, target in zip(weights, primitive.get("targets", []), strict=True):
            points = points + weight * self.array(target["POSITION"])
        whole = {}

        def walk(number: int, above: np.ndarray) -> None:
            whole[number] = above @ _matrix(nodes[number])
            for child in nodes[number].get("children", []):
                walk(child, whole[number])

        for root in self.document["scenes"][0]["nodes"]:
            walk(root, np.eye(4))
        skin = self.document["skins"][0]
        inverse = self.array(skin["inverseBindMatrices"]).reshape(-1, 4, 4).swapaxes(1, 2)
        bones = np.stack([whole[joint] @ back for joint, back in zip(skin["joints"], inverse, strict=True)])
        blend = np.einsum(
            "vk,vkij->vij",
            self.array(primitive["attributes"]["WEIGHTS_0"]).astype(float),
            bones[self.array(primitive["attributes"]["JOINTS_0"])],
        )
        return np.einsum("vij,vj->vi", blend[:, :3, :3], points) + blend[:, :3, 3]


def _matrix(node: dict[str, Any]) -> np.ndarray:
    x, y, z, w = node.get("rotation", (0.0, 0.0, 0.0, 1.0))
    matrix = np.eye(4)
    matrix[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    matrix[:3, 3] = node.get("translation", (0.0, 0.0, 0.0))
    return matrix


def broken_rules(path: Path) -> list[str]:
    """The rules that a file breaks, in words."""
    file = Gltf.read(path)
    document, wrong = file.document, []

    def rule(kept: bool, text: str) -> None:
        if not kept:
            wrong.append(text)

    rule(document["asset"]["version"] == "2.0", "the version is 2.0")
    rule(document["buffers"][0]["byteLength"] <= len(file.body), "the buffer is as long as it says")
    for view in document["bufferViews"]:
        rule(view["byteOffset"] % 4 == 0, "views begin at whole words")
        rule(view["byteOffset"] + view["byteLength"] <= document["buffers"][0]["byteLength"], "views lie in the buffer")
    for number, accessor in enumerate(document["accessors"]):
        values = file.array(number)
        for name, found in (("min", values.min(axis=0)), ("max", values.max(axis=0))):
            rule(
                name not in accessor or np.array_equal(np.float32(accessor[name]), np.float32(found)), f"{name} is true"
            )
        if accessor["componentType"] == 5126:
            rule(bool(np.isfinite(values).all()), "numbers are finite")
    joints = len(document["skins"][0]["joints"])
    for mesh in document["meshes"]:
        for primitive in mesh["primitives"]:
            _primitive(file, primitive, mesh, joints, rule)
    for node in document["nodes"]:
        if "rotation" in node:
            rule(abs(np.linalg.norm(node["rotation"]) - 1.0) < 1e-5, "quaternions have length 1")
    inverse = file.array(document["skins"][0]["inverseBindMatrices"]).reshape(-1, 4, 4)
    rule(len(inverse) == joints, "each joint has its matrix")
    rule(bool((inverse[:, :, 3] == [0, 0, 0, 1]).all()), "matrices are affine")
    for animation in document.get("animations", []):
        _animation(file, animation, rule)
    return wrong


def _primitive(file: Gltf, primitive: dict[str, Any], mesh: dict[str, Any], joints: int, rule: Any) -> None:
    accessors, attributes = file.document["accessors"], primitive["attributes"]
    count = accessors[attributes["POSITION"]]["count"]
    rule({"min", "max"} <= accessors[attributes["POSITION"]].keys(), "positions state their bounds")
    rule(all(accessors[number]["count"] == count for number in attributes.values()), "attributes have one length")
    rule(int(file.array(primitive["indices"]).max()) < count, "indices point at vertices")
    rule(accessors[primitive["indices"]]["count"] % 3 == 0, "triangles have three corners")
    bones, weights = file.array(attributes["JOINTS_0"]), file.array(attributes["WEIGHTS_0"])
    rule(bones.shape[1] == weights.shape[1] == 4, "four bones move a vertex")
    rule(int(bones.max()) < joints, "vertices point at joints")
    rule(bool((np.abs(weights.sum(axis=1) - 1.0) < 1e-6 * 4).all() and (weights >= 0.0).all()), "weights add up to 1")
    rule(bool((bones[weights == 0.0] == 0).all()), "what has no weight is joint 0")
    rule(
        bool((np.abs(np.linalg.norm(file.array(attributes["NORMAL"]), axis=1) - 1.0) < 1e-4).all()), "normals are unit"
    )
    targets = primitive.get("targets", [])
    rule(len(targets) == len(mesh.get("weights", [])), "each target has its weight")
    rule(len(targets) == len(mesh.get("extras", {}).get("targetNames", [])), "each target has its name")
    for target in targets:
        rule(accessors[target["POSITION"]]["count"] == count, "targets have one length")
        rule({"min", "max"} <= accessors[target["POSITION"]].keys(), "targets state their bounds")


def _animation(file: Gltf, animation: dict[str, Any], rule: Any) -> None:
    for channel in animation["channels"]:
        sampler = animation["samplers"][channel["sampler"]]
        times, values = file.array(sampler["input"])[:, 0], file.array(sampler["output"])
        rule(times[0] >= 0.0 and bool((np.diff(times) > 0.0).all()), "times rise")
        rule({"min", "max"} <= file.document["accessors"][sampler["input"]].keys(), "times state their bounds")
        rule(len(values) % len(times) == 0, "there is a value for each time")
        if channel["target"]["path"] == "rotation":
            rule(bool((np.abs(np.linalg.norm(values, axis=1) - 1.0) < 1e-5).all()), "quaternions have length 1")
            rule(bool((np.einsum("nq,nq->n", values[1:], values[:-1]) >= 0.0).all()), "quaternions do not jump")
