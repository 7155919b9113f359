"""Motion files by their suffix: tables of NumPy and pickled ones, and ``.json`` as InterHand2.6M or as a table."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from ..documents import Reader
from ..errors import PoseError, naming
from ..files import ARCHIVE_ERRORS, atomic_path, write_arrays
from ..pickles import PickleError, read_object_array, read_pickle
from ..poses import PoseSequence
from .bvh import Bvh, hand_motion, parse_bvh
from .convention import Motion, ReadOptions, WriteOptions
from .interhand import is_interhand, read_interhand, write_interhand
from .parameters import read_parameters
from .points import points_in, read_points
from .writing import write_parameters

SIZE_LIMIT = 2 << 30
"""Largest file that is read, in bytes."""
MOTION = Reader("The motion", PoseError, "Give a file of hand poses.", limit=SIZE_LIMIT, allow_nan=True)


def read_motion(path: str | PathLike[str], options: ReadOptions = ReadOptions()) -> Motion:  # noqa: B008
    """Read one hand's motion.

    Args:
        path: ``.npz``, ``.json``, a table that NumPy or Python pickled (``.npy``, ``.pkl``), which is read as data, or
            a skeleton (``.bvh``).
        options: what the file does not tell by itself.

    Returns:
        The motion in a z-up world, in metres, relative to the flat hand, its translation counted from the built-in
        hand's wrist.

    Raises:
        PoseError: the file is not there, is damaged, holds no hand, or needs a hand model that is not there.
    """
    path = Path(path)
    if path.suffix.lower() in _READERS:
        try:
            with naming(path):
                return _read(path, options)
        except ARCHIVE_ERRORS as error:
            raise MOTION.damaged(path, f"it is not a motion file: {str(error)[:200]}") from error
    raise PoseError(f"{path.name} is not a motion file that LiveHand knows.", f"Give one of {', '.join(_READERS)}.")


def write_motion(
    path: str | PathLike[str],
    sequences: Sequence[PoseSequence],
    options: WriteOptions = WriteOptions(),  # noqa: B008
) -> None:
    """Write motion that :func:`read_motion` reads back: ``.npz`` holds one hand, ``.json`` (InterHand2.6M) one or both.

    Raises:
        PoseError: no or too many sequences, an unknown suffix, or a hand model that is not there.
        LiveHandError: the file cannot be written.
    """
    path = Path(path)
    if not sequences:
        raise PoseError("There is no motion to write.", "Give at least one hand's motion.")
    if path.suffix.lower() == ".npz":
        if len(sequences) != 1:
            raise PoseError(f"{path.name} holds one hand.", "Export the hands one by one, or choose .json.")
        table: dict[str, Any] = write_parameters(sequences[0], options)
        write_arrays(path, table)
        return
    if path.suffix.lower() == ".json":
        text = json.dumps(write_interhand(sequences, options), allow_nan=False)
        with atomic_path(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
        return
    raise PoseError(f"{path.name} has an unknown suffix.", "Name it .npz or .json.")


def _read(path: Path, options: ReadOptions) -> Motion:
    document = _READERS[path.suffix.lower()](path)
    if isinstance(document, Bvh):
        return read_points(hand_motion(document, options, path.name), options, path.name)
    if path.suffix.lower() == ".json" and is_interhand(document):
        return read_interhand(document, options, path.name)
    points = points_in(document, options, path.name)
    if points is not None:
        return read_points(points, options, path.name)
    return read_parameters(document, options, path.name)


def _archive(path: Path) -> dict[str, Any]:
    """The arrays of an ``.npz``; arrays of objects are read as the data in their pickles."""
    found: dict[str, Any] = {}
    with MOTION.open(path) as stream, zipfile.ZipFile(stream) as archive:
        members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
        total = sum(member.file_size for member in members)
        if total > SIZE_LIMIT:
            raise MOTION.damaged(path, f"it has {total >> 20} MiB unpacked")
        for member in members:
            key = member.filename.removesuffix(".npy")
            found[key] = _array(archive.read(member), path, key)
    return found


def _array(content: bytes, path: Path, key: str) -> Any:
    try:
        return np.load(io.BytesIO(content), allow_pickle=False)
    except ValueError as error:
        if "allow_pickle" not in str(error) and "Object arrays" not in str(error):
            raise
    try:
        return read_object_array(content)
    except PickleError as error:
        raise MOTION.damaged(path, f"the pickled table {key!r} is refused: {error}") from error


def _single(path: Path) -> Any:
    """What an ``.npy`` holds: an array, or the pickled table of one."""
    return _array(MOTION.read(path), path, path.stem)


def _pickled(path: Path) -> Any:
    try:
        return read_pickle(MOTION.read(path))
    except PickleError as error:
        raise MOTION.damaged(path, f"the pickle is refused: {error}") from error


def _skeleton(path: Path) -> Bvh:
    return parse_bvh(MOTION.text(path), path.name)


_READERS = {
    ".npz": _archive, ".json": MOTION.json, ".npy": _single, ".pkl": _pickled, ".pickle": _pickled, ".bvh": _skeleton,
}  # fmt: skip
"""Suffix -> what reads such a file's document."""
