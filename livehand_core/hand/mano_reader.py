"""MANO files brought by the user, read without chumpy and without executing anything that they contain.

The official files are pickles. A restricted unpickler admits NumPy arrays, SciPy's CSC matrix and inert stand-ins for
chumpy's classes; any other name in the file is refused before it is looked up.
"""

from __future__ import annotations

import io
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import HandModelError
from ..poses import BETA_COUNT, PARENTS, Side
from .data import HandData

SIZE_LIMIT = 256 << 20
"""Largest file that is read, in bytes; MANO's are 4 MB."""

_MANO_LICENCE = "MANO licence (non-commercial, not redistributable)"


class _Inert:
    """Stand-in for an object of a foreign class: keeps its pickled state and computes nothing."""

    state: dict[str, Any]

    def __new__(cls, *arguments: Any) -> _Inert:
        inert = super().__new__(cls)
        inert.state = {}
        return inert

    def __init__(self, *arguments: Any) -> None:
        """Arguments are of no use: what these pickles hold is in their state."""

    def __setstate__(self, state: Any) -> None:
        parts = state if isinstance(state, tuple) else (state,)
        for part in parts:
            if isinstance(part, dict):
                self.state.update(part)


class _Chumpy(_Inert):
    """Any of chumpy's classes."""


class _Csc(_Inert):
    """scipy.sparse.csc_matrix."""


def _numpy_reconstruct(subtype: type, shape: tuple[int, ...], kind: Any) -> np.ndarray:
    """What numpy's own _reconstruct does, for plain arrays only."""
    if subtype is not np.ndarray:
        raise pickle.UnpicklingError("an array of an unknown class")
    return np.ndarray.__new__(np.ndarray, shape, kind)


def _numpy_scalar(kind: Any, data: Any) -> Any:
    if not isinstance(kind, np.dtype) or kind.hasobject:
        raise pickle.UnpicklingError("a scalar of an unknown type")
    return np.frombuffer(data.encode("latin1") if isinstance(data, str) else data, dtype=kind, count=1)[0]


def _latin1_bytes(text: str, encoding: str = "latin1") -> bytes:
    return text.encode("latin1")


_ADMITTED: dict[tuple[str, str], Any] = {
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _numpy_reconstruct for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _numpy_scalar for core in ("core", "_core")},
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _latin1_bytes,
    **{(module, "csc_matrix"): _Csc for module in ("scipy.sparse.csc", "scipy.sparse._csc", "scipy.sparse")},
    ("copy_reg", "_reconstructor"): lambda kind, base, state: kind(),
    ("copyreg", "_reconstructor"): lambda kind, base, state: kind(),
    ("__builtin__", "object"): object,
    ("builtins", "object"): object,
    **{
        (module, name): value
        for module in ("__builtin__", "builtins")
        for name, value in (("set", set), ("frozenset", frozenset), ("complex", complex), ("bytearray", bytearray))
    },
    ("collections", "OrderedDict"): dict,
}


class _RestrictedUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _ADMITTED:
            return _ADMITTED[module, name]
        if (module == "chumpy" or module.startswith("chumpy.")) and name.isidentifier():
            return _Chumpy
        raise pickle.UnpicklingError(f"it refers to {module}.{name}")

    def persistent_load(self, identity: Any) -> Any:
        raise pickle.UnpicklingError("it refers to objects outside the file")


def read_mano(path: str | Path, uv: str | Path | None = None, side: Side | None = None) -> HandData:
    """Read ``MANO_RIGHT.pkl`` or ``MANO_LEFT.pkl``.

    The left file's known fault (x of its shape directions not mirrored) is left as it is: see :func:`fix_left_shape`.

    Args:
        path: the pickle.
        uv: ``MANO_UV_right.obj`` or ``MANO_UV_left.obj``; without it all texture coordinates are 0 and the hand can be
            posed, but carries no avatar.
        side: None takes it from the file's name, right when that does not say left.

    Returns:
        HandData named ``"mano"``.

    Raises:
        HandModelError: the file is missing, truncated, holds code or foreign classes (nothing of which is executed),
            or is not a MANO model.
    """
    path = Path(path)
    content = _unpickle(path)
    if side is None:
        side = "left" if "left" in path.name.lower() else "right"
    arrays = {key: _array(content, key, path) for key in _SHAPES}
    vertices = arrays["v_template"].shape[0]
    for key, shape in _SHAPES.items():
        expected = tuple(vertices if size == "V" else size for size in shape)
        actual = arrays[key].shape
        if len(actual) != len(expected) or any(
            size not in (None, real) for size, real in zip(expected, actual, strict=True)
        ):
            raise _not_mano(path, f"{key} has the shape {actual}")
        if arrays[key].dtype.kind not in "fiu" or not np.isfinite(arrays[key].astype(np.float64)).all():
            raise _not_mano(path, f"{key} holds values that are not finite numbers")
    # The root's parent is stored as 2^32 - 1.
    parents = np.concatenate([[-1], arrays["kintree_table"][0, 1:].astype(np.int64)])
    faces = arrays["f"].astype(np.int64)
    if tuple(parents) != PARENTS or faces.min() < 0 or faces.max() >= vertices:
        raise _not_mano(path, "its joints or faces are not those of a hand")
    texture, texture_faces = _texture(uv, faces) if uv is not None else (np.zeros((1, 2)), np.zeros_like(faces))
    return HandData(
        name="mano",
        side=side,
        v_template=arrays["v_template"].astype(np.float32),
        shapedirs=arrays["shapedirs"][..., :BETA_COUNT].astype(np.float32),
        posedirs=arrays["posedirs"].astype(np.float32),
        joint_regressor=arrays["J_regressor"].astype(np.float32),
        weights=arrays["weights"].astype(np.float32),
        parents=parents,
        hands_mean=arrays["hands_mean"].astype(np.float32),
        hands_components=arrays["hands_components"].astype(np.float32),
        faces=faces,
        uv=texture.astype(np.float32),
        uv_faces=texture_faces,
        licence=_MANO_LICENCE,
    )


_SHAPES: dict[str, tuple[Any, ...]] = {
    "v_template": (None, 3),
    "shapedirs": ("V", 3, None),
    "posedirs": ("V", 3, 135),
    "J_regressor": (16, "V"),
    "weights": ("V", 16),
    "kintree_table": (2, 16),
    "hands_mean": (45,),
    "hands_components": (45, 45),
    "f": (None, 3),
}


def fix_left_shape(left: HandData, right: HandData) -> HandData:
    """The left hand with its shape directions mirrored, when they are the right hand's by mistake (docs/method.md 4).

    InterHand2.6M's fits assume the fix, DexYCB's were made without it.
    """
    if np.abs(left.shapedirs[:, 0] - right.shapedirs[:, 0]).sum() >= 1.0:
        return left
    return replace(left, shapedirs=left.shapedirs * np.array([-1.0, 1.0, 1.0], np.float32)[None, :, None])


def _not_mano(path: Path, reason: str) -> HandModelError:
    return HandModelError(f"{path} is not a MANO hand model: {reason}.", "Give MANO_RIGHT.pkl or MANO_LEFT.pkl.")


def _unpickle(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise HandModelError(f"The hand model {path} does not exist.", "Give MANO_RIGHT.pkl or MANO_LEFT.pkl.")
    try:
        if path.stat().st_size > SIZE_LIMIT:
            raise _not_mano(path, "it is too large")
        content = _RestrictedUnpickler(io.BytesIO(path.read_bytes()), encoding="latin1").load()
    except HandModelError:
        raise
    except pickle.UnpicklingError as error:
        if "refers to" in str(error):
            raise HandModelError(
                f"{path} was refused: {error}, which no hand model needs.",
                "Nothing in it was executed; get MANO from mano.is.tue.mpg.de.",
            ) from error
        raise HandModelError(f"{path} is damaged or no pickle ({error}).", "Copy or download it again.") from error
    except EOFError as error:
        raise HandModelError(f"{path} is truncated.", "Copy or download it again.") from error
    except OSError as error:
        raise HandModelError(f"{path} cannot be read ({error}).", "Check the file's permissions.") from error
    except Exception as error:  # a damaged pickle can raise anything, by its opcodes
        raise HandModelError(
            f"{path} is damaged or no pickle ({type(error).__name__}: {error}).", "Copy or download it again."
        ) from error
    if not isinstance(content, dict):
        raise _not_mano(path, "it holds no table of arrays")
    return content


def _array(content: dict[str, Any], key: str, path: Path) -> np.ndarray:
    if key not in content:
        raise _not_mano(path, f"it lacks {key}")
    try:
        return _plain(content[key])
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise _not_mano(path, f"{key} is of an unknown form ({error})") from error


def _plain(value: Any) -> np.ndarray:
    """An array out of an array, a CSC matrix or chumpy's wrappers of one."""
    if isinstance(value, _Csc):
        return _dense(value.state)
    if not isinstance(value, _Inert):
        array = np.asarray(value)
        if array.dtype.hasobject:
            raise ValueError("objects in place of numbers")
        return array
    state = value.state
    if "x" in state and "idxs" not in state:
        return _plain(state["x"])
    if "idxs" in state:
        # chumpy's Select: flat indices into the wrapped array, answered in a preferred shape.
        source = _plain(state["a"])
        picked = source.reshape(-1)[np.asarray(state["idxs"]).reshape(-1)]
        shape = state.get("preferred_shape")
        return picked.reshape(tuple(int(size) for size in shape)) if shape is not None else picked
    if "a" in state:
        return _plain(state["a"])
    raise ValueError(f"a chumpy object with {', '.join(sorted(state))}")


def _dense(state: dict[str, Any]) -> np.ndarray:
    """(rows, columns) array of a CSC matrix's pickled state."""
    shape = state["_shape"] if "_shape" in state else state["shape"]
    rows, columns = (int(size) for size in shape)
    if rows * columns > SIZE_LIMIT // 8:
        raise ValueError("a sparse matrix that is too large")
    answer = np.zeros((rows, columns))
    starts = np.asarray(state["indptr"]).astype(np.int64)
    column = np.repeat(np.arange(columns), np.diff(starts))
    np.add.at(answer, (np.asarray(state["indices"]).astype(np.int64), column), np.asarray(state["data"]))
    return answer


def _texture(uv: str | Path, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Texture coordinates (T, 2) and their faces (F, 3), corner by corner with ``faces``.

    The right hand's OBJ also serves the left pickle, whose faces have the same corners in another order.
    """
    uv = Path(uv)
    try:
        lines = [line.split() for line in uv.read_text().splitlines()]
        texture = np.array([[float(x) for x in line[1:3]] for line in lines if line[:1] == ["vt"]])
        corners = [[corner.split("/") for corner in line[1:4]] for line in lines if line[:1] == ["f"]]
        vertex = np.array([[int(corner[0]) - 1 for corner in face] for face in corners])
        index = np.array([[int(corner[1]) - 1 for corner in face] for face in corners])
    except (OSError, ValueError, IndexError) as error:
        raise HandModelError(
            f"{uv} is not a texture layout ({error}).", "Give MANO_UV_right.obj or MANO_UV_left.obj."
        ) from error
    fits = texture.ndim == 2 and index.shape == vertex.shape and index.size and 0 <= index.min() <= index.max()
    if not fits or index.max() >= len(texture):
        raise HandModelError(f"{uv} has no texture coordinates.", "Give MANO_UV_right.obj or MANO_UV_left.obj.")
    by_face = {
        tuple(sorted(v)): dict(zip(v, t, strict=True)) for v, t in zip(vertex.tolist(), index.tolist(), strict=True)
    }
    try:
        rows = [[by_face[tuple(sorted(face))][corner] for corner in face] for face in faces.tolist()]
    except KeyError as error:
        raise HandModelError(
            f"{uv} belongs to another mesh than the hand model.", "Give MANO_UV_right.obj or MANO_UV_left.obj."
        ) from error
    return texture, np.array(rows, dtype=np.int64)
