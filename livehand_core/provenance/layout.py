"""What the hashes of C2PA do not cover, read byte by byte: where a file holds its manifest, and the manifest's padding.

A C2PA manifest binds the picture by a hash, and itself by a signature. Some bytes are bound by neither: paddings, type
numbers of its boxes, the file's type box of a video. The check here holds for the files that LiveHand signs: there
each such byte has one value. Standard library only.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_CHUNK = b"caBX"
BMFF_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
BMFF_HEAD = bytes(4) + b"manifest\0" + bytes(8)
UUID_TAIL = bytes.fromhex("00110010800000aa00389b71")
LABELLED, WITH_SALT = 0x03, 0x13
FTYP = "ftyp_sha256"

KINDS = {
    "c2pa": b"c2pa",
    "c2pa.assertions": b"c2as",
    "c2pa.claim": b"c2cl",
    "c2pa.claim.v2": b"c2cl",
    "c2pa.signature": b"c2cs",
}
"""Label of a box -> the letters of its type."""


class Irregular(ValueError):
    """A byte is not what it is in a file that LiveHand signed."""


def embedded_store(content: bytes, suffix: str) -> bytes:
    """The manifest store in a PNG or a video.

    Raises:
        Irregular: there is not exactly one, or a byte around it was changed.
    """
    stores = list(_png_stores(content) if suffix == ".png" else _bmff_stores(content))
    if len(stores) != 1:
        raise Irregular(f"{len(stores)} manifest stores")
    return stores[0]


def uncovered(content: bytes, suffix: str) -> dict[str, str]:
    """Digests of what C2PA leaves out of a file of this kind: the type box of a video."""
    if suffix not in (".mp4", ".mov"):
        return {}
    kinds = b"".join(content[start:end] for name, start, end in _boxes(content, 0, len(content)) if name == b"ftyp")
    return {FTYP: hashlib.sha256(kinds).hexdigest()}


def check_store(store: bytes) -> None:
    """Look at what neither hash nor signature covers of a store.

    Raises:
        Irregular: a byte was changed.
    """
    boxes = list(_boxes(store, 0, len(store)))
    if [name for name, _, _ in boxes] != [b"jumb"]:
        raise Irregular("the store is no single box")
    _check_box(store, boxes[0][1] + 8, boxes[0][2])


def _png_stores(content: bytes) -> Iterator[bytes]:
    if not content.startswith(PNG_SIGNATURE):
        raise Irregular("no PNG signature")
    position = len(PNG_SIGNATURE)
    while position < len(content):
        if position + 12 > len(content):
            raise Irregular("a chunk is cut short")
        (length,) = struct.unpack_from(">I", content, position)
        end = position + 12 + length
        if end > len(content):
            raise Irregular("a chunk is cut short")
        (crc,) = struct.unpack_from(">I", content, end - 4)
        if zlib.crc32(memoryview(content)[position + 4 : end - 4]) != crc:
            raise Irregular("a chunk's checksum does not fit")
        if content[position + 4 : position + 8] == PNG_CHUNK:
            yield content[position + 8 : end - 4]
        position = end


def _bmff_stores(content: bytes) -> Iterator[bytes]:
    for name, start, end in _boxes(content, 0, len(content)):
        if name == b"uuid" and content[start + 8 : start + 24] == BMFF_UUID:
            head = start + 24 + len(BMFF_HEAD)
            if content[start + 24 : head] != BMFF_HEAD:
                raise Irregular("the manifest's box has another head")
            yield content[head:end]


def _boxes(content: bytes, position: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and end of the boxes that fill a stretch exactly. Raises Irregular when they do not."""
    while position < end:
        if position + 8 > end:
            raise Irregular("a box is cut short")
        length, name = struct.unpack_from(">I4s", content, position)
        if length == 1 and position + 16 <= end:
            (length,) = struct.unpack_from(">Q", content, position + 8)
        elif length == 0:
            length = end - position
        if length < 8 or position + length > end:
            raise Irregular("a box is longer than what holds it")
        yield name, position, position + length
        position += length


def _check_box(store: bytes, position: int, end: int) -> None:
    """The boxes inside a superbox: a description, then boxes or content."""
    inner = list(_boxes(store, position, end))
    if not inner or inner[0][0] != b"jumd":
        raise Irregular("a box without a description")
    label = _check_description(store, *inner[0][1:], inner[1][0] if len(inner) > 1 else b"")
    for name, start, stop in inner[1:]:
        if name == b"jumb":
            _check_box(store, start + 8, stop)
        elif label == "c2pa.signature":
            _check_signature(store[start + 8 : stop])


def _check_description(store: bytes, start: int, end: int, content: bytes) -> str:
    """The label of a description box."""
    body = store[start + 8 : end]
    kind, tail, toggles = body[:4], body[4:16], body[16] if len(body) > 16 else 0
    label, zero, rest = body[17:].partition(b"\0")
    text = label.decode("ascii", "replace")
    known = KINDS.get(text)
    if known is None:
        known = b"c2ma" if text.startswith("urn:c2pa:") else content
    if kind != known or tail != UUID_TAIL or not zero:
        raise Irregular(f"the box {text!r} has another type")
    salted = (
        toggles == WITH_SALT and len(rest) >= 8 and rest[4:8] == b"c2sh" and rest[:4] == struct.pack(">I", len(rest))
    )
    if not (toggles == LABELLED and not rest) and not salted:
        raise Irregular(f"the box {text!r} has another form")
    return text


def _check_signature(cose: bytes) -> None:
    """A COSE signature whose only part outside the signed ones is a padding of zeros."""
    major, value, position = _head(cose, 0)
    if (major, value) != (6, 18):
        raise Irregular("the signature has another form")
    major, value, position = _head(cose, position)
    protected, length, position = _head(cose, position)
    if (major, value, protected) != (4, 4, 2):
        raise Irregular("the signature has another form")
    position += length
    if cose[position : position + 5] != b"\xa1\x63pad":
        raise Irregular("the signature's padding has another name")
    major, length, position = _head(cose, position + 5)
    if major != 2 or any(cose[position : position + length]):
        raise Irregular("the signature's padding is not empty")
    position += length
    if cose[position : position + 1] != b"\xf6":
        raise Irregular("the signature has a content")
    major, length, position = _head(cose, position + 1)
    if major != 2 or position + length != len(cose):
        raise Irregular("the signature has another length")


def _head(data: bytes, position: int) -> tuple[int, int, int]:
    """Kind and number of a CBOR item, and where its content begins; in the shortest form only."""
    if position >= len(data):
        raise Irregular("the signature is cut short")
    major, value = data[position] >> 5, data[position] & 31
    size = {24: 1, 25: 2, 26: 4}.get(value, 0)
    if value < 24:
        return major, value, position + 1
    number = int.from_bytes(data[position + 1 : position + 1 + size], "big")
    if not size or number < (24, 256, 65536)[(1, 2, 4).index(size)]:
        raise Irregular("a number in the signature is not in its shortest form")
    return major, number, position + 1 + size


def sidecar(path: Path) -> Path:
    """Where the manifest of a file lies that cannot hold it."""
    return path.with_suffix(".c2pa")
