"""Whether a picture or movie file is whole: Blender says "Saved" even when the disk filled up on the way.

Asked by batches and captures before a file is renamed to its final name. Standard library only.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import BinaryIO

_EXR_ROWS = {0: 1, 1: 1, 2: 1, 3: 16, 4: 32, 5: 16, 6: 32, 7: 32, 8: 32, 9: 256}
"""Rows in one chunk of a scan-line EXR, by compression."""


def is_complete(path: Path) -> bool:
    """Whether a PNG, EXR or MP4 file has everything up to its last part; another kind only has to hold something."""
    if not path.is_file() or path.stat().st_size == 0:
        return False
    check = {".png": _png, ".exr": _exr, ".mp4": _mp4}.get(path.suffix.lower())
    if check is None:
        return True
    with path.open("rb") as file:
        try:
            return check(file, path.stat().st_size)
        except (struct.error, ValueError, LookupError, OverflowError, OSError):
            # Of places that no file has, which are the last two.
            return False


def _png(file: BinaryIO, size: int) -> bool:
    file.seek(max(size - 12, 0))
    return file.read()[4:8] == b"IEND"


def _mp4(file: BinaryIO, size: int) -> bool:
    """The boxes fill the file, and the index is among them."""
    position, names = 0, set()
    while position < size:
        file.seek(position)
        length, name = struct.unpack(">I4s", file.read(8))
        if length == 1:
            (length,) = struct.unpack(">Q", file.read(8))
        if length < 8:
            return False
        names.add(name)
        position += length
    return position == size and {b"moov", b"mdat"} <= names


def _exr(file: BinaryIO, size: int) -> bool:
    """Every chunk's place is known and inside the file, and the last chunk is as long as it says."""
    magic, version = struct.unpack("<4sI", file.read(8))
    if magic != b"\x76\x2f\x31\x01":
        return False
    many = bool(version & 0x1000)
    chunks = 0
    while True:
        header = _exr_header(file)
        if not header:
            break
        chunks += _exr_chunks(header)
        if not many:
            break
    table = file.read(8 * chunks)
    places = struct.unpack(f"<{chunks}Q", table)
    if not places or min(places) < file.tell():
        return False
    file.seek(max(places) + (4 if many else 0))
    _, length = struct.unpack("<ii", file.read(8))
    return file.tell() + length <= size


def _exr_header(file: BinaryIO) -> dict[str, bytes]:
    """Attributes up to the empty name that ends a header; empty at the end of all headers."""
    attributes = {}
    while name := _exr_text(file):
        _exr_text(file)
        (length,) = struct.unpack("<i", file.read(4))
        attributes[name] = file.read(length)
    return attributes


def _exr_text(file: BinaryIO) -> str:
    text = b""
    while (byte := file.read(1)) != b"\0":
        if not byte:
            raise ValueError("The file ends in a name.")
        text += byte
    return os.fsdecode(text)


def _exr_chunks(header: dict[str, bytes]) -> int:
    if "chunkCount" in header:
        return int(struct.unpack("<i", header["chunkCount"])[0])
    _, low, _, high = struct.unpack("<4i", header["dataWindow"])
    return -(-(high - low + 1) // _EXR_ROWS[header["compression"][0]])
