"""The hand's mesh on a GPU: what all poses share, and the kernels that pose it and look up its surface."""

from __future__ import annotations

import numpy as np

from ...cameras import Camera
from ...hand.data import ProxyModel
from ...hand.local import LocalPose
from ...kernels.mesh.proxy import ProxyTopology
from ...poses import HandPose
from ..setup import Sign
from .device import Buffer, Gpu, Recorder, packed
from .raster import Triangles
from .shaders import Constant

LEAVES, LEAF_SIZE = 16, 4
"""Leaves of a group of the tree, and triangles of a leaf, as in ``mesh.wgsl``."""

FAR_AWAY = 1e15
"""Metres; where boxes without triangles lie. Its square still fits a float32."""


class Mesh:
    """A hand model that is posed, rasterised and searched on the GPU.

    Args:
        gpu: where.
        hand: the model; V vertices, F triangles.
        sign: how the sign of d is found.
        levels: (V, 2) of surface sampling, see ``AvatarArrays.levels``; None in linear sampling.
        local: what the vertices tell of the pose, of a part; else None.

    Attributes:
        constants: of every shader that reads the mesh.
        topology: u32 tables; face_uv: (F, 3, 2) float32, then the levels; posed: the frame's mesh, groups of four
            float32.
    """

    def __init__(
        self, gpu: Gpu, hand: ProxyModel, sign: Sign, levels: np.ndarray | None = None, local: LocalPose | None = None
    ) -> None:
        self.gpu = gpu
        topology = ProxyTopology.of(hand)
        tables, places = _tables(topology, len(hand.v_template))
        self.vertices, self.faces = vertices, faces = len(hand.v_template), len(hand.faces)
        self.groups = groups = -(-faces // (LEAVES * LEAF_SIZE))
        self.betas = hand.shapedirs.shape[2]
        self.features = hand.posedirs.shape[2]
        self.joints = len(hand.parents)
        self._local, told = local, 0 if local is None else -(-3 * local.slots // 4)
        sections = {
            "VERTICES": vertices,
            "VERTEX_NORMALS": vertices,
            "FACE_NORMALS": faces,
            "ANGLES": faces,
            "TRIANGLES": 3 * faces,
            "BOXES": 2 * (1 + LEAVES) * groups,
            "TOLD": vertices * told,
        }
        starts = np.cumsum([0, *sections.values()])
        self.constants: dict[str, Constant] = {
            **places,
            **{name: int(start) for name, start in zip(sections, starts[:-1], strict=True)},
            "V": vertices,
            "F": faces,
            "GROUPS": groups,
            "FAR_AWAY": FAR_AWAY,
            "PSEUDO_NORMAL": sign == "pseudo_normal",
            "LEVELS": 3 * faces,
            "LOCAL": 0 if local is None else 3 * local.slots,
            "TOLD4": told,
        }
        self._told = int(starts[-2])
        self.counts = {"BETAS": self.betas, "FEATURES": self.features, "JOINTS": self.joints}
        self.topology = gpu.upload(tables)
        tables_of_two = [topology.face_uv.reshape(-1, 2), *([] if levels is None else [levels])]
        self.face_uv = gpu.upload(np.concatenate(tables_of_two).astype(np.float32))
        self.posed = gpu.buffer(int(starts[-1]) * 16)
        self._model = gpu.upload(_model(hand))

    def pose(self, record: Recorder, pose: HandPose, correctives: np.ndarray, transforms: np.ndarray) -> None:
        """Skin, and find normals and boxes.

        Args:
            record: takes the dispatches.
            pose: of which up to as many betas as the model has count here, and the local pose where it is told.
            correctives: (9 (J - 1),) R - I of all joints but the root; transforms: (J, 12) rows [R | t] from rest to
                the frame.
        """
        if self._local is not None:
            told = self._local.numbers(pose.hand_pose)
            told = np.pad(told, ((0, 0), (0, -told.shape[1] % 4)))
            self.gpu.upload(told, self.posed, self._told * 16)
        shape = np.zeros(max(self.betas, 1))
        count = min(self.betas, len(pose.betas))
        shape[:count] = pose.betas[:count]
        features = np.zeros(max(self.features, 1))
        features[: self.features] = correctives[: self.features]
        parameters = packed(betas=shape, correctives=features, transforms=transforms)
        sizes = {"skin": self.vertices, "faces": self.faces, "vertex_normals": self.vertices, "boxes": self.groups}
        for entry, count in sizes.items():
            kernel = self.gpu.kernel(["mesh"], entry, "rrw", self.constants | self.counts)
            buffers = (self._model, self.topology, self.posed)
            record.run(kernel, parameters, buffers, (-(-count // 64), 1, 1))

    def rasterise(self, record: Recorder, camera: Camera, name: str) -> Buffer:
        """The posed mesh's depth at a camera's pixels, as bits of float32, in the scratch buffer of a name."""
        return Triangles(self.gpu, self.constants, self.topology, self.posed).depths(record, camera, name)


def _model(hand: ProxyModel) -> np.ndarray:
    """Template, shape and pose directions, x, y and z of all vertices each; then (joints, V) weights; flat float32."""
    directions = (hand.v_template[..., None], hand.shapedirs, hand.posedirs)
    parts = [values.transpose(2, 1, 0).reshape(-1) for values in directions]
    return np.concatenate([*parts, hand.weights.T.reshape(-1)]).astype(np.float32)


def _tables(topology: ProxyTopology, vertex_count: int) -> tuple[np.ndarray, dict[str, Constant]]:
    """Flat u32 faces, neighbours, lowest face and corners of each vertex, the tree's order; and where each begins."""
    faces = topology.faces.reshape(-1)
    lowest = np.zeros(vertex_count, dtype=np.int64)
    # Written from the last to the first, so that the lowest remains.
    lowest[faces[::-1]] = np.arange(len(faces))[::-1] // 3
    incident = np.argsort(faces, kind="stable")
    starts = np.concatenate([[0], np.bincount(faces, minlength=vertex_count).cumsum()])
    parts = {
        "FACES": faces,
        "NEIGHBOURS": topology.neighbours.reshape(-1),
        "LOWEST": lowest,
        "ORDER": topology.order,
        "STARTS": starts,
        "INCIDENT": incident,
    }
    begins = np.cumsum([0, *(len(part) for part in parts.values())])
    places: dict[str, Constant] = {name: int(begin) for name, begin in zip(parts, begins[:-1], strict=True)}
    return np.concatenate(list(parts.values())).astype(np.uint32), places
