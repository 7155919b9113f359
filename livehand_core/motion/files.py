"""Motion files by their suffix: ``.npz`` tables, and ``.json`` as InterHand2.6M or as a plain table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from ..documents import Reader
from ..errors import PoseError
from ..files import ARCHIVE_ERRORS, atomic_path
from ..poses import PoseSequence
from .convention import Motion, ReadOptions, WriteOptions
from .interhand import is_interhand, read_interhand, write_interhand
from .parameters import read_parameters, write_parameters

SIZE_LIMIT = 2 << 30
"""Largest file that is read, in bytes."""
MOTION = Reader("The motion", PoseError, "Give a file of hand poses.", limit=SIZE_LIMIT, allow_nan=True)


def read_motion(path: str | PathLike[str], options: ReadOptions = ReadOptions()) -> Motion:  # noqa: B008
    """Read one hand's motion.

    Args:
        path: ``.npz`` or ``.json``.
        options: what the file does not tell by itself.

    Returns:
        The motion in a z-up world, in metres, relative to the flat hand, its translation counted from the built-in
        hand's wrist.

    Raises:
        PoseError: the file is not there, is damaged, holds no hand, or needs a hand model that is not there.
    """
    path = Path(path)
    if path.suffix.lower() in (".npz", ".json"):
        try:
            return _read(path, options)
        except ARCHIVE_ERRORS as error:
            raise MOTION.damaged(path, f"a value in it does not fit: {str(error)[:200]}") from error
    raise PoseError(f"{path.name} is no motion file LiveHand knows.", "Give a .npz or a .json file.")


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
        with atomic_path(path) as temporary:
            np.savez_compressed(temporary, **table)
        return
    if path.suffix.lower() == ".json":
        text = json.dumps(write_interhand(sequences, options), allow_nan=False)
        with atomic_path(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
        return
    raise PoseError(f"{path.name} has an unknown suffix.", "Name it .npz or .json.")


def _read(path: Path, options: ReadOptions) -> Motion:
    if path.suffix.lower() == ".npz":
        return read_parameters(_read_arrays(path), options, path.name)
    document = _read_json(path)
    reader = read_interhand if is_interhand(document) else read_parameters
    return reader(document, options, path.name)


def _read_arrays(path: Path) -> dict[str, Any]:
    try:
        _check_size(path)
        with np.load(path, allow_pickle=False) as archive:
            return {key: value for key in archive.files if (value := _array(archive, key)) is not None}
    except ARCHIVE_ERRORS as error:
        raise PoseError(f"{path.name} is not a motion file ({error}).", "Give a .npz of pose arrays.") from error


def _array(archive: Any, key: str) -> Any:
    """One array; None for pickled objects, which are never loaded."""
    try:
        return archive[key]
    except ValueError as error:
        if "allow_pickle" in str(error):
            return None
        raise


def _read_json(path: Path) -> dict[str, Any]:
    document = MOTION.json(path)
    if not isinstance(document, dict) or not document:
        raise PoseError(f"{path.name} holds no hand poses.", "Give InterHand2.6M's MANO annotation, or a table.")
    return document


def _check_size(path: Path) -> None:
    if path.stat().st_size > SIZE_LIMIT:
        raise ValueError(f"it is larger than {SIZE_LIMIT >> 30} GiB")
