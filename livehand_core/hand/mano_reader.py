"""MANO files brought by the user, read without chumpy and without executing anything that they contain.

The official files are pickles, read as data; smplx's ``.npz`` holds the same arrays.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..documents import MEBIBYTE, Reader
from ..errors import HandModelError
from ..poses import BETA_COUNT, PARENTS, Side
from .data import HandData
from .model_tables import ModelTables

MODEL = Reader("The hand model", HandModelError, "Copy or download it again.", limit=256 * MEBIBYTE)
MANO_SOURCE = "mano.is.tue.mpg.de"

_MANO_LICENCE = "MANO licence (non-commercial, not redistributable)"


def read_mano(path: str | Path, uv: str | Path | None = None, side: Side | None = None) -> HandData:
    """Read ``MANO_RIGHT.pkl`` or ``MANO_LEFT.pkl``, or the ``.npz`` of one.

    The left file's known fault (x of its shape directions not mirrored) is left as it is: see :func:`fix_left_shape`,
    which ``library.find_hand`` applies.

    Args:
        path: the file.
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
    tables = ModelTables(path, _SHAPES, MODEL, MANO_SOURCE, lambda reason: _not_mano(path, reason))
    if side is None:
        side = "left" if "left" in path.name.lower() else "right"
    arrays = tables.arrays(_SHAPES)
    vertices = len(arrays["v_template"])
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
