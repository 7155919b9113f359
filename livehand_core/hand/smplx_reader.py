"""SMPL-X files brought by the user: the whole body with face, hands and feet, or one part of it, as a proxy.

The layout is that of the published files: ``.npz``, or pickles, which are read as data. NumPy only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..documents import MEBIBYTE, Reader
from ..errors import HandModelError
from ..poses import BETA_COUNT, HandPose
from ..rotations import axis_angle_to_matrix, matrix_to_axis_angle
from .data import ProxyModel
from .model_tables import ModelTables
from .part import make_part

MODEL = Reader("The body model", HandModelError, "Copy or download it again.", limit=1024 * MEBIBYTE)
SOURCE = "smpl-x.is.tue.mpg.de"
LICENCE = "SMPL-X licence (non-commercial, not redistributable)"

_FINGERS = ("index", "middle", "pinky", "ring", "thumb")
JOINTS = (
    "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle", "right_ankle",
    "spine3", "left_foot", "right_foot", "neck", "left_collar", "right_collar", "head", "left_shoulder",
    "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist", "jaw", "left_eye", "right_eye",
    *(f"{side}_{finger}{number}" for side in ("left", "right") for finger in _FINGERS for number in (1, 2, 3)),
)  # fmt: skip
"""In the file's order."""

SHAPE_ROOM = 300
"""Directions of shape that come before those of expression, in files that have them all; others have ten and ten."""
SHORT_ROOM = 10

ROOTS = {"body": "pelvis", "head": "neck"} | {
    f"{side}-{part}": f"{side}_{joint}"
    for side in ("left", "right")
    for part, joint in (("hand", "wrist"), ("forearm", "elbow"), ("arm", "collar"), ("foot", "knee"), ("leg", "hip"))
}
"""Names of parts, and the joint that each hangs from."""

KEPT = 0.5
"""Least weight that a part's joints together have on the vertices that belong to it."""

_SHAPES: dict[str, tuple[Any, ...]] = {
    "v_template": (None, 3),
    "shapedirs": ("V", 3, None),
    "posedirs": ("V", 3, 9 * (len(JOINTS) - 1)),
    "J_regressor": (len(JOINTS), "V"),
    "weights": ("V", len(JOINTS)),
    "kintree_table": (2, len(JOINTS)),
    "f": (None, 3),
    "vt": (None, 2),
    "ft": (None, 3),
}
_MEANS = ("hands_meanl", "hands_meanr")


@dataclass(frozen=True)
class Body:
    """A SMPL-X model as its file has it.

    Attributes:
        arrays: ``v_template``, ``shapedirs``, ``posedirs``, ``J_regressor``, ``weights``, ``f``, ``vt`` and ``ft``.
        parents: (55,) int64, -1 for the pelvis.
        hands_mean: (90,) what flat-handed poses leave out: the left hand's mean pose and the right one's; zero where
            the file has none.
    """

    arrays: dict[str, np.ndarray]
    parents: np.ndarray
    hands_mean: np.ndarray

    @property
    def shape_size(self) -> int:
        """How many directions of shape it has; those of expression follow."""
        count = int(self.arrays["shapedirs"].shape[2])
        return SHAPE_ROOM if count > SHAPE_ROOM else min(SHORT_ROOM, count)

    def shaped(self, betas: Sequence[float] = (), expression: Sequence[float] = ()) -> np.ndarray:
        """(V, 3) float64 rest vertices of a shape and an expression.

        Raises:
            HandModelError: more numbers than the file has directions.
        """
        directions, room = self.arrays["shapedirs"], self.shape_size
        vertices = self.arrays["v_template"].astype(np.float64)
        for what, numbers, start, end in (
            ("shape", betas, 0, room),
            ("expression", expression, room, directions.shape[2]),
        ):
            most = max(end - start, 0)
            if len(numbers) > most:
                raise HandModelError(
                    f"{len(numbers)} numbers of {what} were given; the body model has {most}.", "Give fewer."
                )
            if len(numbers):
                used = directions[..., start : start + len(numbers)].astype(np.float64)
                vertices = vertices + used @ np.asarray(numbers, np.float64)
        return vertices


def read_body(path: str | Path) -> Body:
    """Read ``SMPLX_NEUTRAL.npz``, or another gender's, or the ``.pkl`` of one.

    Raises:
        HandModelError: the file is missing, truncated, holds code or foreign classes where arrays are asked for
            (nothing of which is executed), or is not a SMPL-X model.
    """
    path = Path(path)

    def wrong(reason: str) -> HandModelError:
        return HandModelError(f"{path} is not a SMPL-X body model: {reason}.", f"Get SMPLX_NEUTRAL.npz from {SOURCE}.")

    tables = ModelTables(path, {*_SHAPES, *_MEANS}, MODEL, SOURCE, wrong)
    found = tables.arrays(_SHAPES | {name: (45,) for name in _MEANS if name in tables})
    parents = np.concatenate([[-1], found.pop("kintree_table")[0, 1:].astype(np.int64)])
    if (parents >= np.arange(len(parents))).any() or (parents[1:] < 0).any():
        raise wrong("its joints are not a tree whose parents come first")
    if found["f"].shape != found["ft"].shape:
        raise wrong(f"{len(found['f'])} faces have {len(found['ft'])} faces of texture")
    for faces, places in (("f", "v_template"), ("ft", "vt")):
        numbers = found[faces] = found[faces].astype(np.int64)
        if not len(numbers) or numbers.min() < 0 or numbers.max() >= len(found[places]):
            raise wrong(f"{faces} names a place that is not in {places}")
    mean = np.concatenate([found.pop(name, np.zeros(45)).astype(np.float64) for name in _MEANS])
    return Body(found, parents, mean)


def body_part(
    body: Body, part: str = "body", betas: Sequence[float] = (), expression: Sequence[float] = ()
) -> ProxyModel:
    """A body or one part of it, of a shape and an expression, as a proxy: joints, weights, texture and correctives.

    What a part's root and the joints above it do to its skin is left out, as its own pose does not tell it.

    Raises:
        HandModelError: an unknown part, too many numbers of shape, or arrays that cannot be meant.
    """
    if part not in ROOTS:
        raise HandModelError(f"The part {part!r} of a body is unknown.", f"Choose from {', '.join(ROOTS)}.")
    joints = _below(body.parents, JOINTS.index(ROOTS[part]))
    vertices, arrays = body.shaped(betas, expression), body.arrays
    rest = arrays["J_regressor"].astype(np.float64) @ vertices
    weights = arrays["weights"].astype(np.float64)[:, joints]
    inside = weights.sum(axis=1) >= KEPT
    faces = inside[arrays["f"]].all(axis=1)
    if not faces.any():
        raise HandModelError(f"Nothing of the body hangs from {ROOTS[part]}.", f"Get the model anew from {SOURCE}.")
    used, corners = np.unique(arrays["f"][faces], return_inverse=True)
    texture, texture_corners = np.unique(arrays["ft"][faces], return_inverse=True)
    features = np.concatenate([np.arange(9) + 9 * (joint - 1) for joint in joints[1:]] or [np.zeros(0, np.int64)])
    place = {joint: number for number, joint in enumerate(joints)}
    return make_part(
        f"smplx {part}",
        {
            "vertices": vertices[used],
            "faces": corners.reshape(-1, 3),
            "uv": arrays["vt"][texture],
            "uv_faces": texture_corners.reshape(-1, 3),
            "weights": weights[used],
            "joints": rest[joints],
            "parents": np.array([-1, *(place[int(body.parents[joint])] for joint in joints[1:])]),
            "posedirs": arrays["posedirs"][used][..., features],
        },
        [JOINTS[joint] for joint in joints],
        LICENCE,
    )


def part_poses(
    body: Body,
    part: str,
    poses: np.ndarray,
    transl: np.ndarray,
    betas: Sequence[float] = (),
    expression: Sequence[float] = (),
    add_mean: bool = False,
) -> list[HandPose]:
    """The poses of a part in those of the whole body.

    Args:
        poses: (n, 165) axis-angle of the body's joints in the file's order.
        transl: (n, 3) metres, as the layout has it: of the whole body.
        betas, expression: of the same person.
        add_mean: whether the hands' mean pose is still to be added to them.

    Raises:
        HandModelError: poses of another shape.
        PoseError: numbers that are not finite, or beyond any pose.
    """
    count = len(JOINTS)
    if poses.ndim != 2 or poses.shape[1] != 3 * count or transl.shape != (len(poses), 3) or not len(poses):
        raise HandModelError(
            f"Poses of the shape {poses.shape} with trans of {transl.shape} are not those of a SMPL-X body.",
            f"Give poses (n, {3 * count}) and trans (n, 3).",
        )
    root = JOINTS.index(ROOTS[part])
    joints = _below(body.parents, root)
    rest = body.arrays["J_regressor"].astype(np.float64) @ body.shaped(betas, expression)
    answer = []
    for row, place in zip(poses.astype(np.float64), transl.astype(np.float64), strict=True):
        angles = row + np.concatenate([np.zeros(3 * count - 90), body.hands_mean]) if add_mean else row
        turns = axis_angle_to_matrix(angles.reshape(count, 3))
        turn, at = turns[0], rest[0]
        for joint in _way(body.parents, root)[1:]:
            at = at + turn @ (rest[joint] - rest[body.parents[joint]])
            turn = turn @ turns[joint]
        own = angles.reshape(count, 3)[joints[1:]]
        answer.append(HandPose(matrix_to_axis_angle(turn), own, np.zeros(BETA_COUNT), at + place - rest[root]))
    return answer


def _way(parents: np.ndarray, joint: int) -> list[int]:
    """The joints from the pelvis to one of them."""
    way = [joint]
    while parents[way[0]] >= 0:
        way.insert(0, int(parents[way[0]]))
    return way


def _below(parents: np.ndarray, root: int) -> list[int]:
    """A joint and all that hang from it, in the file's order."""
    kept = {root}
    for joint in range(root + 1, len(parents)):
        if int(parents[joint]) in kept:
            kept.add(joint)
    return sorted(kept)
