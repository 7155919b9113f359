"""Files from outside, read with limits: text, JSON, TOML, and archives of arrays. One ``Reader`` a kind of document.

Whatever lies on the disk, a reader gives its content or raises one LiveHandError that names the file, the reason and
the remedy. A file that may not be read is never called damaged. Standard library only, and NumPy for arrays.

    MOTION = Reader("The motion", PoseError, "Export it again.")
    document = MOTION.json("walk.json")
    arrays = MOTION.arrays("walk.npz")
"""

from __future__ import annotations

import errno
import json
import math
import os
import stat
import sys
import tomllib
import zipfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from .errors import LiveHandError
from .files import ARCHIVE_ERRORS

if TYPE_CHECKING:
    import numpy as np

MEBIBYTE = 1 << 20
NESTING = 64
"""Levels of lists and objects that a JSON document may have; ours have less than 10."""
POINTER = b"version https://git-lfs.github.com/spec/"
"""How a file begins that only stands for one in Git LFS."""


@dataclass(frozen=True)
class Reader:
    """How one kind of document is read, and what is said when it cannot be.

    Attributes:
        label: what it is, before its path in messages: ``"The motion"``.
        error: class of what is raised.
        remedy: what to do where its content is damaged.
        limit: bytes that the file may have; an archive's arrays may have as many together.
        allow_nan: whether JSON may hold NaN and Infinity, which other programs write although JSON has none.
    """

    label: str
    error: type[LiveHandError] = LiveHandError
    remedy: str = "Copy or write it again."
    limit: int = 256 * MEBIBYTE
    allow_nan: bool = False

    @contextmanager
    def open(self, path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
        """The file's bytes as a stream; what the block raises on reading it becomes this reader's error.

        Raises:
            LiveHandError: missing, not permitted, no ordinary file (a folder, a pipe, a device), too large.
        """
        path = Path(path)
        try:
            with _open_regular(path) as stream:
                size = os.fstat(stream.fileno()).st_size
                if size > self.limit:
                    raise self._too_large(path, size)
                yield stream
        except OSError as error:
            raise self.unreadable(path, error) from error

    def read(self, path: str | os.PathLike[str]) -> bytes:
        """The file's content.

        Raises:
            LiveHandError: as :meth:`open` does, or the file only stands for one in Git LFS.
        """
        with self.open(path) as stream:
            content = _at_most(stream, self.limit + 1)
        if len(content) > self.limit:
            raise self._too_large(Path(path), len(content))
        if content.startswith(POINTER):
            raise self.pointer(path)
        return content

    def text(self, path: str | os.PathLike[str]) -> str:
        """The file's text: UTF-8, or what its byte order mark names.

        Raises:
            LiveHandError: as :meth:`read` does, or it is no text.
        """
        return self._decoded(self.read(path), path)

    def json(self, path: str | os.PathLike[str]) -> Any:
        """The file's JSON value; NaN and Infinity only where the reader allows them.

        Raises:
            LiveHandError: as :meth:`text` does, or it is no JSON, nested too deeply, or names one key twice.
        """
        return self.parse(self.text(path), path)

    def parse(self, text: str, path: str | os.PathLike[str]) -> Any:
        """The value of a JSON text that came from ``path``. Raises LiveHandError as :meth:`json` does."""
        try:
            return parse_json(text, allow_nan=self.allow_nan)
        except ValueError as error:
            raise self.damaged(path, f"it is not JSON: {error}" if text.strip() else "it is empty") from error

    def toml(self, path: str | os.PathLike[str]) -> dict[str, Any]:
        """The file's TOML table.

        Raises:
            LiveHandError: as :meth:`text` does, or it is no TOML.
        """
        try:
            return tomllib.loads(self.text(path))
        except (ValueError, RecursionError) as error:
            raise self.damaged(path, f"it is not TOML: {_first_line(error)}") from error

    def yaml(self, path: str | os.PathLike[str]) -> Any:
        """The file's YAML value; nothing in it is executed. Raises LiveHandError, as where it is none."""
        return self.parse_yaml(self.text(path), path)

    def parse_yaml(self, text: str, path: str | os.PathLike[str]) -> Any:
        """The value of a YAML text that came from ``path``. Raises LiveHandError as :meth:`yaml` does."""
        import yaml

        try:
            return yaml.safe_load(text)
        except (yaml.YAMLError, RecursionError, ValueError, TypeError) as error:
            # The last two are of values that are no dates or numbers, and of keys that are none.
            raise self.damaged(path, f"it is not YAML: {_first_line(error)}") from error

    def arrays(self, path: str | os.PathLike[str], only: Collection[str] | None = None) -> dict[str, np.ndarray]:
        """The arrays of an ``.npz`` by name, or those of some names, whatever else it holds; nothing is unpickled.

        Raises:
            LiveHandError: as :meth:`open` does, or the archive is damaged, holds objects, or is too large unpacked.
        """
        with self.open(path) as stream:
            try:
                return self._unpacked(stream, Path(path), only)
            except ARCHIVE_ERRORS as error:
                raise self.damaged(path, _first_line(error)) from error

    def array(self, path: str | os.PathLike[str]) -> np.ndarray:
        """The array of an ``.npy``. Raises LiveHandError as :meth:`arrays` does."""
        with self.open(path) as stream:
            try:
                return _read_array(stream, os.fstat(stream.fileno()).st_size)
            except ARCHIVE_ERRORS as error:
                raise self.damaged(path, _first_line(error)) from error

    def damaged(self, path: str | os.PathLike[str], reason: object) -> LiveHandError:
        """What to raise where the content is not what it should be; ``reason`` ends a sentence."""
        return self.error(f"{self.label} {path} is damaged ({reason}).", self.remedy)

    def pointer(self, path: str | os.PathLike[str]) -> LiveHandError:
        """What to raise where the file only stands for one in Git LFS."""
        return self.error(f"{self.label} {path} is a Git LFS pointer, not the file itself.", "Run: git lfs pull")

    def unreadable(self, path: str | os.PathLike[str], error: OSError) -> LiveHandError:
        """What to raise where the system does not give the content, which may well be sound."""
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return self.error(f"{self.label} {path} does not exist.", "Check the path.")
        if error.errno in (errno.EACCES, errno.EPERM):
            return self.error(
                f"{self.label} {path} may not be read ({error.strerror}).",
                "Have its owner permit it: the file and the folders that it lies in.",
            )
        return self.error(
            f"{self.label} {path} cannot be read ({error.strerror or error}).", "Check the path and the disk."
        )

    def _too_large(self, path: Path, size: int) -> LiveHandError:
        limit = self.limit / MEBIBYTE
        return self.error(
            f"{self.label} {path} has {size / MEBIBYTE:.0f} MiB; {limit:g} MiB are the limit.", self.remedy
        )

    def _decoded(self, content: bytes, path: str | os.PathLike[str]) -> str:
        marked = content.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"))
        encoding = json.detect_encoding(content) if marked else "utf-8"
        try:
            return content.decode(encoding)
        except UnicodeDecodeError as error:
            raise self.damaged(path, f"byte {error.start} is not {encoding.upper()} text") from error

    def _unpacked(self, stream: BinaryIO, path: Path, only: Collection[str] | None) -> dict[str, np.ndarray]:
        found: dict[str, np.ndarray] = {}
        with zipfile.ZipFile(stream) as archive:
            members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
            if only is not None:
                members = [member for member in members if member.filename.removesuffix(".npy") in only]
            total = sum(member.file_size for member in members)
            if total > self.limit:
                raise self._too_large(path, total)
            for member in members:
                name = member.filename.removesuffix(".npy")
                if name in found:
                    raise ValueError(f"two arrays are called {name!r}")
                if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise ValueError(f"the array {name!r} is compressed in a way that NumPy does not write")
                with archive.open(member) as content:
                    found[name] = _read_array(content, member.file_size)
        return found


def parse_json(text: str | bytes, *, allow_nan: bool = False) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: it is no JSON, has more than 64 levels, an object with one key twice, or NaN where not allowed.
    """
    options: dict[str, Any] = {"object_pairs_hook": _object}
    if not allow_nan:
        options["parse_constant"] = _refuse_constant
    try:
        value = json.loads(text, **options)
    except RecursionError:
        raise ValueError(f"it has more than {NESTING} levels") from None
    level = [value]
    for _ in range(NESTING):
        level = [part for container in level for part in _parts(container) if isinstance(part, list | dict)]
        if not level:
            return value
    raise ValueError(f"it has more than {NESTING} levels")


def _at_most(stream: BinaryIO, count: int) -> bytes:
    """So many bytes of a file at most, which may grow while it is read; memory for what it has, not for the limit."""
    step, parts = os.fstat(stream.fileno()).st_size + 1, list[bytes]()
    while count > 0 and (part := stream.read(min(step, count))):
        parts.append(part)
        count -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _open_regular(path: Path) -> BinaryIO:
    """Open an ordinary file; opening a pipe that nobody writes to would wait for ever."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    try:
        descriptor = os.open(path, flags)
    except ValueError as error:
        raise OSError(errno.EINVAL, f"{error}") from error
    except PermissionError:
        # What Windows says of a folder.
        if path.is_dir():
            raise OSError(errno.EINVAL, "it is a folder") from None
        raise
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    raise OSError(errno.EINVAL, "it is a folder" if stat.S_ISDIR(mode) else "it is not an ordinary file")


def _read_array(stream: Any, size: int) -> np.ndarray:
    """The array of an ``.npy`` stream of ``size`` bytes, which never takes more memory than that."""
    import numpy as np

    version = np.lib.format.read_magic(stream)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:
        raise ValueError(f"an array has the format version {version[0]}.{version[1]}")
    shape, fortran, dtype = readers[version](stream)
    if dtype.hasobject:
        raise ValueError("an array holds Python objects")
    count = math.prod(shape)
    if min(shape, default=0) < 0 or count * dtype.itemsize > size:
        raise ValueError(f"an array announces the shape {shape}, and the file has less")
    content = stream.read(count * dtype.itemsize)
    # A copy: bytes cannot be written to.
    values = np.frombuffer(content, dtype=dtype, count=count).copy() if count * dtype.itemsize else np.empty(0, dtype)
    if (
        dtype.kind == "U"
        and values.size
        and int(values.reshape(-1).view(dtype.byteorder + "u4").max()) > sys.maxunicode
    ):
        raise ValueError("a text holds numbers that are not letters")
    return values.reshape(shape[::-1]).transpose() if fortran else values.reshape(shape)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)!r} appears twice")
    return found


def _parts(container: Any) -> Any:
    if isinstance(container, dict):
        return container.values()
    return container if isinstance(container, list) else ()


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is not allowed")


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200].rstrip(".") if lines else type(error).__name__
