"""SMPL-X files: read, posed as the smplx package poses them, cut into parts, and refused where they are damaged."""

from __future__ import annotations

import contextlib
import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

from livehand_core import cli
from livehand_core.captures.part_model import read_model, read_part_poses
from livehand_core.errors import HandModelError
from livehand_core.hand import library
from livehand_core.hand.part import make_part, part_arrays
from livehand_core.hand.skinning import pose_joints, pose_vertices
from livehand_core.hand.smplx_reader import JOINTS, ROOTS, body_part, part_poses, read_body

AROUND = 8
"""Vertices about each joint."""
PARENTS = (
    -1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 15, 15, 15,
    *(parent for wrist, first in ((20, 25), (21, 40)) for k in range(5)
      for parent in (wrist, first + 3 * k, first + 3 * k + 1)),
)  # fmt: skip
Tables = dict[str, Any]


@pytest.fixture
def tables() -> Tables:
    """A body of random numbers in the published layout: a small cage about each joint, tied to its parent's."""
    random = np.random.default_rng(3)
    count = len(JOINTS)
    joints = np.zeros((count, 3))
    for joint in range(1, count):
        joints[joint] = joints[PARENTS[joint]] + random.uniform(-0.1, 0.1, 3)
    vertices = (joints[:, None] + random.uniform(-0.04, 0.04, (count, AROUND, 3))).reshape(-1, 3)
    owner = np.repeat(np.arange(count), AROUND)
    weights = 0.8 * np.eye(count)[owner] + 0.2 * np.eye(count)[np.maximum(np.array(PARENTS)[owner], 0)]
    cage = np.array([[0, 1, 2], [2, 3, 4], [4, 5, 6], [6, 7, 0], [1, 3, 5]])
    faces = (AROUND * np.arange(count)[:, None, None] + cage).reshape(-1, 3)
    size = len(vertices)
    return {
        "v_template": vertices,
        "shapedirs": random.normal(0.0, 0.01, (size, 3, 20)),
        "posedirs": random.normal(0.0, 0.01, (size, 3, 9 * (count - 1))),
        "J_regressor": np.kron(np.eye(count), np.full((1, AROUND), 1.0 / AROUND)),
        "weights": weights,
        "kintree_table": np.array([[2**32 - 1, *PARENTS[1:]], np.arange(count)], np.int64),
        "f": faces.astype(np.uint32),
        "vt": random.uniform(0.0, 1.0, (size, 2)),
        "ft": faces.astype(np.uint32),
        "hands_meanl": random.normal(0.0, 0.2, 45),
        "hands_meanr": random.normal(0.0, 0.2, 45),
        "hands_componentsl": np.eye(45),
        "hands_componentsr": np.eye(45),
        "lmk_faces_idx": np.zeros(51, np.int64),
        "lmk_bary_coords": np.full((51, 3), 1.0 / 3.0),
        # Objects, as the published archive has some: nothing that is asked for.
        "joint2num": np.array({"Pelvis": 0}, dtype=object),
    }


@pytest.fixture
def file(tables: Tables, tmp_path: Path) -> Path:
    np.savez(tmp_path / "SMPLX_NEUTRAL.npz", **tables)
    return tmp_path / "SMPLX_NEUTRAL.npz"


def numbers() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A pose (165), a place, a shape and an expression."""
    random = np.random.default_rng(8)
    return random.normal(0.0, 0.3, 165), random.normal(0.0, 1.0, 3), random.normal(size=10), random.normal(size=10)


def by_package(file: Path, pose: np.ndarray, place: np.ndarray, betas: Any, expression: Any, flat: bool) -> np.ndarray:
    """(V, 3) as the smplx package poses the file, in float64."""
    smplx, torch = pytest.importorskip("smplx"), pytest.importorskip("torch")
    from smplx.body_models import VERTEX_IDS

    # Its further points are vertices of the published mesh.
    ids = mock.patch.dict(VERTEX_IDS, smplx=dict.fromkeys(VERTEX_IDS["smplx"], 0))
    with ids, contextlib.redirect_stdout(io.StringIO()):
        model = smplx.SMPLX(
            str(file), num_betas=10, num_expression_coeffs=10, use_pca=False, flat_hand_mean=flat, dtype=torch.float64,
            use_face_contour=False,
        )  # fmt: skip
    given = torch.tensor(pose, dtype=torch.float64)[None]
    names = ("global_orient", "body_pose", "jaw_pose", "leye_pose", "reye_pose", "left_hand_pose", "right_hand_pose")
    ends = np.cumsum([0, 3, 63, 3, 3, 3, 45, 45])
    parts = {name: given[:, a:b] for name, a, b in zip(names, ends, ends[1:], strict=False)}
    shape = {name: torch.tensor(v, dtype=torch.float64)[None] for name, v in
             (("betas", betas), ("expression", expression), ("transl", place))}  # fmt: skip
    with torch.no_grad():
        return np.asarray(model(**parts, **shape).vertices[0])


@pytest.mark.parametrize("add_mean", [False, True])
def test_the_body_is_posed_as_the_smplx_package_poses_it(file: Path, add_mean: bool) -> None:
    pose, place, betas, expression = numbers()
    body = read_body(file)
    model = body_part(body, "body", betas, expression)
    (own,) = part_poses(body, "body", pose[None], place[None], betas, expression, add_mean)
    wanted = by_package(file, pose, place, betas, expression, flat=not add_mean)
    np.testing.assert_allclose(pose_vertices(model, own), wanted, atol=2e-6)


@pytest.mark.parametrize("part", sorted(ROOTS))
def test_a_part_lies_where_the_body_has_it(file: Path, tables: Tables, part: str) -> None:
    pose, place, betas, expression = numbers()
    body = read_body(file)
    model = body_part(body, part, betas, expression)
    assert model.joint_names[0] == ROOTS[part] and model.name.startswith(f"part:smplx_{part.replace('-', '_')}-")
    # What the root and the joints above it do to the skin is no part's: they are still, but for the whole body's turn.
    still = pose.reshape(-1, 3).copy()
    above = [name not in model.joint_names[1:] for name in JOINTS]
    above[0] = False
    still[above] = 0.0
    (own,) = part_poses(body, part, still.reshape(1, -1), place[None], betas, expression)
    whole = by_package(file, still.reshape(-1), place, betas, expression, flat=True)
    kept = [JOINTS.index(name) for name in model.joint_names]
    vertices = np.flatnonzero(np.isin(np.repeat(np.arange(len(JOINTS)), AROUND), kept))
    if len(vertices) > model.vertex_count:
        pytest.fail("vertices of the part are missing")
    np.testing.assert_allclose(pose_vertices(model, own), whole[vertices], atol=5e-6)


def test_a_turned_body_carries_its_parts(file: Path) -> None:
    pose, place, *_ = numbers()
    body = read_body(file)
    whole, foot = body_part(body), body_part(body, "left-foot")
    (own,), (all_,) = (part_poses(body, part, pose[None], place[None]) for part in ("left-foot", "body"))
    there = pose_joints(whole, all_)[[JOINTS.index(name) for name in foot.joint_names]]
    np.testing.assert_allclose(pose_joints(foot, own), there, atol=2e-6)


def test_pickles_are_read_alike_and_correctives_come_back(file: Path, tables: Tables) -> None:
    other = file.with_suffix(".pkl")
    other.write_bytes(pickle.dumps({k: v for k, v in tables.items() if k != "joint2num"}, protocol=2))
    one, two = body_part(read_body(file), "right-hand"), body_part(read_body(other), "right-hand")
    assert one.name == two.name and one.posedirs.shape[2] == 9 * 15
    again = make_part("smplx right-hand", part_arrays(one), one.joint_names)
    np.testing.assert_array_equal(again.posedirs, one.posedirs)


def test_the_command_writes_what_a_capture_holds(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pose, place, betas, _ = numbers()
    np.savez(file.parent / "walk.npz", poses=np.stack([pose, 0.5 * pose]), trans=np.stack([place, place]), betas=betas)
    out = file.parent / "capture"
    given = ["part", str(file), "--part", "head", "--poses", str(file.parent / "walk.npz"), "--out", str(out)]
    assert cli.main(given) == 0
    name = capsys.readouterr().out.splitlines()[1]
    library._parts.clear()
    model = read_model(out / "model.npz", name, "")
    poses = read_part_poses(out / "poses.npz", model).poses.poses
    body = read_body(file)
    wanted = part_poses(body, "head", pose[None], place[None], betas)[0]
    np.testing.assert_allclose(poses[0].full_pose, wanted.full_pose, atol=1e-6)
    np.testing.assert_allclose(
        pose_vertices(model, poses[0]), pose_vertices(body_part(body, "head", betas), wanted), atol=1e-6
    )


def _code() -> bytes:
    class Foul:
        def __reduce__(self) -> tuple[Any, ...]:
            return print, ("never",)

    return pickle.dumps({"v_template": Foul()}, protocol=2)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda t: t.pop("ft"), "lacks ft"),
        (lambda t: t.update(posedirs=t["posedirs"][..., :135]), "posedirs has the shape"),
        (lambda t: t["weights"].__setitem__((3, 4), np.nan), "weights holds values that are not finite"),
        (lambda t: t["kintree_table"].__setitem__((0, 7), 30), "not a tree"),
        (lambda t: t["f"].__setitem__((0, 0), 99999), "f names a place"),
        (lambda t: t.update(ft=t["ft"][:-1]), "faces of texture"),
        (lambda t: t.update(v_template=np.array("MANO")), "shape"),
        (lambda t: t.update(v_template=np.array([None])), "holds Python objects"),
    ],
)
def test_damaged_files_are_refused_by_name(
    tables: Tables, tmp_path: Path, change: Callable[[Tables], object], reason: str
) -> None:
    change(tables)
    np.savez(tmp_path / "bad.npz", **tables)
    with pytest.raises(HandModelError, match=reason) as caught:
        read_body(tmp_path / "bad.npz")
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "truncated"), (b"not a pickle", "damaged or no pickle"), (_code(), "was refused"), (None, "does not exist")],
)
def test_what_is_no_model_is_refused(tmp_path: Path, content: bytes | None, reason: str) -> None:
    if content is not None:
        (tmp_path / "bad.pkl").write_bytes(content)
    with pytest.raises(HandModelError, match=reason):
        read_body(tmp_path / "bad.pkl")


def test_what_a_body_has_not_is_refused(file: Path) -> None:
    body = read_body(file)
    with pytest.raises(HandModelError, match="'tail' of a body is unknown"):
        body_part(body, "tail")
    with pytest.raises(HandModelError, match="11 numbers of shape were given; the body model has 10"):
        body_part(body, "head", np.zeros(11))
    with pytest.raises(HandModelError, match="not those of a SMPL-X body"):
        part_poses(body, "head", np.zeros((2, 48)), np.zeros((2, 3)))
