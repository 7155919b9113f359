"""MANO pickles made by code: all their wrappers are read, and nothing else gets through."""

from __future__ import annotations

import os
import pickle
import struct
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse

from livehand_core.errors import HandModelError
from livehand_core.hand import library
from livehand_core.hand.data import HandData
from livehand_core.hand.library import _mano
from livehand_core.hand.mano_reader import fix_left_shape, read_mano

from .conftest import tube_hand


class _Python2Pickler(pickle._Pickler):
    """Writes text and bytes as Python 2 did, which is how the official files are."""

    dispatch = dict(pickle._Pickler.dispatch)

    def _save_string(self, value: Any) -> None:
        data = value if isinstance(value, bytes) else value.encode("latin1")
        self.write(b"T" + struct.pack("<I", len(data)) + data)
        self.memoize(value)

    dispatch[bytes] = dispatch[str] = _save_string


def dump_python2(value: Any, path: Path) -> None:
    with path.open("wb") as stream:
        _Python2Pickler(stream, protocol=2).dump(value)


@pytest.fixture
def chumpy() -> Iterator[types.SimpleNamespace]:
    """A module named chumpy, there only while the file is written."""
    names = ("chumpy", "chumpy.ch", "chumpy.reordering")
    modules = {name: types.ModuleType(name) for name in names}

    def new_class(module: str, name: str) -> type:
        kind = type(name, (), {"__module__": module})
        setattr(modules[module], name, kind)
        return kind

    kinds = types.SimpleNamespace(Ch=new_class("chumpy.ch", "Ch"), Select=new_class("chumpy.reordering", "Select"))
    sys.modules.update(modules)
    yield kinds
    for name in names:
        sys.modules.pop(name, None)


def mano_tables(hand: HandData) -> dict[str, Any]:
    return {
        "v_template": hand.v_template.astype(np.float64),
        "shapedirs": hand.shapedirs.astype(np.float64),
        "posedirs": hand.posedirs.astype(np.float64),
        "J_regressor": scipy.sparse.csc_matrix(hand.joint_regressor.astype(np.float64)),
        "weights": hand.weights.astype(np.float64),
        "kintree_table": np.stack([np.where(hand.parents < 0, 2**32 - 1, hand.parents), np.arange(16)]),
        "hands_mean": np.linspace(0.0, 1.0, 45),
        "hands_components": np.eye(45),
        "hands_coeffs": np.zeros((5, 45)),
        "J": np.zeros((16, 3)),
        "f": hand.faces.astype(np.uint32),
        "bs_type": "lrotmin",
        "bs_style": "lbs",
    }


def write_uv(hand: HandData, path: Path) -> None:
    lines = ["v 0 0 0"] + [f"vt {u:.6f} {v:.6f}" for u, v in hand.uv]
    for face, corners in zip(hand.faces, hand.uv_faces, strict=True):
        lines.append("f " + " ".join(f"{v + 1}/{t + 1}/1" for v, t in zip(face, corners, strict=True)))
    path.write_text("\n".join(lines))


@pytest.mark.parametrize("dump", [dump_python2, lambda value, path: path.write_bytes(pickle.dumps(value, protocol=2))])
def test_reads_all_wrappers(
    tmp_path: Path, hand: HandData, chumpy: types.SimpleNamespace, dump: Callable[[Any, Path], None]
) -> None:
    tables = mano_tables(hand)
    inner = chumpy.Ch()
    inner.x = np.concatenate([tables["shapedirs"], tables["shapedirs"] + 7.0], axis=2)
    flat = np.arange(inner.x.size).reshape(inner.x.shape)[..., :10].ravel()
    selected = chumpy.Select()
    selected.a, selected.idxs, selected.preferred_shape = inner, flat, (*hand.v_template.shape, 10)
    tables["shapedirs"] = selected
    weights = chumpy.Ch()
    weights.x = tables["weights"]
    tables["weights"] = weights
    path = tmp_path / "MANO_RIGHT.pkl"
    dump(tables, path)
    for name in ("chumpy", "chumpy.ch", "chumpy.reordering"):
        del sys.modules[name]
    write_uv(hand, tmp_path / "uv.obj")

    read = read_mano(path, tmp_path / "uv.obj")
    assert (read.name, read.side) == ("mano", "right")
    for name in ("v_template", "shapedirs", "posedirs", "joint_regressor", "weights", "faces", "parents"):
        np.testing.assert_allclose(getattr(read, name), getattr(hand, name), atol=1e-6, err_msg=name)
    np.testing.assert_allclose(read.face_uv, hand.face_uv, atol=1e-6)
    assert "chumpy" not in sys.modules


class _Attack:
    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_code_is_refused_and_not_executed(tmp_path: Path, hand: HandData, protocol: int) -> None:
    marker = tmp_path / "executed"
    for attack in (
        _Attack(os.system, f"touch {marker}"),
        _Attack(eval, f"open({str(marker)!r}, 'w')"),
        _Attack(getattr, os, "system"),
        _Attack(np.load, str(marker)),
        _Attack(pickle.loads, b"cos\nsystem\n(S'true'\ntR."),
    ):
        path = tmp_path / "MANO_RIGHT.pkl"
        try:
            data = pickle.dumps({**mano_tables(hand), "extra": attack}, protocol=protocol)
        except (TypeError, pickle.PicklingError):
            data = pickle.dumps({"extra": _Attack(os.system, f"touch {marker}")}, protocol=protocol)
        path.write_bytes(data)
        with pytest.raises(HandModelError, match=r"refused.*Nothing in it was executed"):
            read_mano(path)
        assert not marker.exists()


def test_dotted_names_below_chumpy_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "MANO_RIGHT.pkl"
    path.write_bytes(b"\x80\x04\x8c\x06chumpy\x8c\x09os.system\x93.")
    with pytest.raises(HandModelError, match="refused"):
        read_mano(path)


def test_every_truncation_is_an_error(tmp_path: Path, hand: HandData) -> None:
    data = pickle.dumps(mano_tables(hand), protocol=2)
    path = tmp_path / "MANO_RIGHT.pkl"
    for end in (0, 1, 10, len(data) // 3, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:end])
        with pytest.raises(HandModelError, match=r"truncated|damaged"):
            read_mano(path)


def test_noise_raises_nothing_else(tmp_path: Path, hand: HandData) -> None:
    data = bytearray(pickle.dumps(mano_tables(hand), protocol=2))
    random = np.random.default_rng(1)
    path = tmp_path / "MANO_RIGHT.pkl"
    path.write_bytes(random.bytes(4000))
    with pytest.raises(HandModelError):
        read_mano(path)
    for _ in range(60):
        damaged = bytearray(data)
        for position in random.integers(0, 3000, size=5):
            damaged[position] = random.integers(256)
        path.write_bytes(damaged)
        try:
            read_mano(path)
        except HandModelError:
            continue


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"weights": None}, "lacks weights"),
        ({"posedirs": np.zeros((5, 3, 207))}, "posedirs has the shape"),
        ({"v_template": np.zeros((5, 2))}, "v_template has the shape"),
        ({"kintree_table": np.zeros((2, 16), int)}, "joints or faces"),
        ({"f": np.full((4, 3), 99999)}, "joints or faces"),
        ({"hands_mean": np.array([np.nan] * 45)}, "not finite"),
        ({"weights": np.array([["x"]])}, "weights"),
    ],
)
def test_other_models_are_named(tmp_path: Path, hand: HandData, change: dict[str, Any], reason: str) -> None:
    tables = {key: value for key, value in {**mano_tables(hand), **change}.items() if value is not None}
    path = tmp_path / "MANO_RIGHT.pkl"
    path.write_bytes(pickle.dumps(tables))
    with pytest.raises(HandModelError, match=f"not a MANO hand model.*{reason}"):
        read_mano(path)


def test_missing_file_and_foreign_texture(tmp_path: Path, hand: HandData) -> None:
    with pytest.raises(HandModelError, match="does not exist"):
        read_mano(tmp_path / "MANO_RIGHT.pkl")
    path = tmp_path / "MANO_RIGHT.pkl"
    path.write_bytes(pickle.dumps(mano_tables(hand)))
    (tmp_path / "uv.obj").write_text("v 0 0 0\nvt 0 0\nf 1/1 2/1 3/1\n")
    with pytest.raises(HandModelError, match="another mesh"):
        read_mano(path, tmp_path / "uv.obj")
    (tmp_path / "uv.obj").write_text("nothing")
    with pytest.raises(HandModelError, match="no texture coordinates"):
        read_mano(path, tmp_path / "uv.obj")


def test_left_file_takes_the_right_layout_and_its_shape_is_fixed(tmp_path: Path, hand: HandData) -> None:
    left = tube_hand("left")
    tables = mano_tables(left)
    tables["shapedirs"] = hand.shapedirs.astype(np.float64)
    path = tmp_path / "MANO_LEFT.pkl"
    path.write_bytes(pickle.dumps(tables))
    write_uv(hand, tmp_path / "uv.obj")
    read = read_mano(path, tmp_path / "uv.obj")
    assert read.side == "left"
    np.testing.assert_allclose(read.face_uv, left.face_uv, atol=1e-6)
    fixed = fix_left_shape(read, hand)
    np.testing.assert_allclose(fixed.shapedirs, left.shapedirs, atol=1e-7)
    assert fix_left_shape(fixed, hand) is fixed


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("kind", ["csc_matrix", "csr_array", "coo_matrix"])
def test_every_protocol_and_sparse_kind_is_read(tmp_path: Path, hand: HandData, protocol: int, kind: str) -> None:
    tables = mano_tables(hand)
    tables["J_regressor"] = getattr(scipy.sparse, kind)(hand.joint_regressor.astype(np.float64))
    path = tmp_path / "MANO_RIGHT.pkl"
    path.write_bytes(pickle.dumps(tables, protocol=protocol))
    np.testing.assert_allclose(read_mano(path).joint_regressor, hand.joint_regressor, atol=1e-6)


def test_an_archive_of_the_same_arrays_is_read(tmp_path: Path, hand: HandData) -> None:
    tables = {name: value for name, value in mano_tables(hand).items() if isinstance(value, np.ndarray)}
    np.savez(tmp_path / "MANO_RIGHT.npz", J_regressor=hand.joint_regressor, **tables)
    np.testing.assert_allclose(read_mano(tmp_path / "MANO_RIGHT.npz").v_template, hand.v_template, atol=1e-6)


def test_a_pointer_of_git_lfs_is_told(tmp_path: Path) -> None:
    path = tmp_path / "MANO_RIGHT.pkl"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3821356\n")
    with pytest.raises(HandModelError, match=r"Git LFS pointer.*git lfs pull"):
        read_mano(path)


@pytest.fixture
def mano(tmp_path: Path, hand: HandData) -> Iterator[Path]:
    """The folder of both hands, the left one at fault as published."""
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "MANO_RIGHT.pkl").write_bytes(pickle.dumps(mano_tables(hand)))
    left = mano_tables(tube_hand("left"))
    left["shapedirs"] = hand.shapedirs.astype(np.float64)
    (folder / "MANO_LEFT.pkl").write_bytes(pickle.dumps(left))
    write_uv(hand, folder / "MANO_UV_right.obj")
    library._mano.cache_clear()
    yield folder
    library._mano.cache_clear()


@pytest.mark.parametrize("named", ["", "..", "MANO_RIGHT.pkl", "MANO_LEFT.pkl"])
def test_the_variable_may_name_the_folder_one_above_or_a_file(
    mano: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    monkeypatch.setenv(library.MANO_FOLDER_VARIABLE, str(mano / named))
    assert library.find_hand("mano", "right").side == "right"
    assert library.find_hand("mano", "left").uv.any()


def test_the_left_hand_is_mended_wherever_it_is_used_unless_asked_otherwise(
    mano: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(library.MANO_FOLDER_VARIABLE, str(mano))
    mirrored = tube_hand("left").shapedirs
    np.testing.assert_allclose(library.find_hand("mano", "left").shapedirs, mirrored, atol=1e-6)
    unfixed = library.find_hand("mano-unfixed", "left")
    assert unfixed.name == "mano-unfixed" and not np.allclose(unfixed.shapedirs, mirrored, atol=1e-6)
    (mano / "MANO_RIGHT.pkl").unlink()
    library._mano.cache_clear()
    with pytest.raises(HandModelError, match=r"left hand is known to be wrong.*Put MANO_RIGHT.pkl beside"):
        library.find_hand("mano", "left")


@pytest.mark.parametrize("layout", ["", "models", "mano"])
def test_the_left_hand_in_use_is_mended_wherever_the_files_lie(tmp_path: Path, hand: HandData, layout: str) -> None:
    left, folder = tube_hand("left"), tmp_path / layout
    folder.mkdir(exist_ok=True)
    (folder / "MANO_RIGHT.pkl").write_bytes(pickle.dumps(mano_tables(hand)))
    tables = {**mano_tables(left), "shapedirs": hand.shapedirs.astype(np.float64)}
    (folder / "MANO_LEFT.pkl").write_bytes(pickle.dumps(tables))
    for given in (tmp_path, folder / "MANO_LEFT.pkl"):
        np.testing.assert_allclose(_mano("left", str(given)).shapedirs, left.shapedirs, atol=1e-7)
