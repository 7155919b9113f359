"""The tables of a body model's file, pickle or ``.npz``, as arrays of known shapes; nothing in them is executed."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..documents import Reader
from ..errors import HandModelError
from ..pickles import PickleError, read_pickle, to_array


class ModelTables:
    """What a file of a body model holds, by name.

    Args:
        path: the file.
        names: of the tables that are asked for; nothing else of an ``.npz`` is read.
        reader: for its size and its messages.
        source: where people get such models.
        wrong: makes the error of a file that is no such model, from a reason.

    Raises:
        HandModelError: the file is missing, truncated, holds code or foreign classes, or no table.
    """

    def __init__(
        self,
        path: Path,
        names: Collection[str],
        reader: Reader,
        source: str,
        wrong: Callable[[str], HandModelError],
    ) -> None:
        self._wrong = wrong
        if path.is_file() and zipfile.is_zipfile(path):
            self._content: dict[str, Any] = dict(reader.arrays(path, names))
            return
        content = reader.read(path)
        if not content:
            raise HandModelError(f"{path} is truncated: it is empty.", "Copy or download it again.")
        try:
            tables = read_pickle(content)
        except PickleError as error:
            if "refers to" in str(error):
                raise HandModelError(
                    f"{path} was refused: {error}, which no hand model needs.",
                    f"Nothing in it was executed; get it from {source}.",
                ) from error
            raise HandModelError(f"{path} is damaged or no pickle ({error}).", "Copy or download it again.") from error
        if not isinstance(tables, dict):
            raise wrong("it holds no table of arrays")
        self._content = tables

    def __contains__(self, key: str) -> bool:
        return key in self._content

    def array(self, key: str) -> np.ndarray:
        """One table. Raises HandModelError where it is missing or no array."""
        if key not in self._content:
            raise self._wrong(f"it lacks {key}")
        value = self._content[key]
        try:
            return value if isinstance(value, np.ndarray) else to_array(value)
        except PickleError as error:
            raise self._wrong(f"{key} is of an unknown form ({error})") from error

    def arrays(self, shapes: Mapping[str, tuple[Any, ...]]) -> dict[str, np.ndarray]:
        """Tables of finite numbers.

        Args:
            shapes: of each; None stands for any size, ``"V"`` for the number of vertices in ``v_template``.

        Raises:
            HandModelError: one is missing, of another shape, or not of finite numbers.
        """
        found = {key: self.array(key) for key in shapes}
        vertices = len(np.atleast_1d(found["v_template"]))
        for key, shape in shapes.items():
            expected = tuple(vertices if size == "V" else size for size in shape)
            actual = found[key].shape
            if len(actual) != len(expected) or any(
                size not in (None, real) for size, real in zip(expected, actual, strict=True)
            ):
                raise self._wrong(f"{key} has the shape {actual}")
            if found[key].dtype.kind not in "fiu" or not np.isfinite(found[key].astype(np.float64)).all():
                raise self._wrong(f"{key} holds values that are not finite numbers")
        return found
