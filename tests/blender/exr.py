"""A small reader of scan-line EXR files, uncompressed or ZIP: an oracle that is not Blender's own.

Blender 5 writes each pass of a multilayer file as a part of its own.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np

_TYPES = {0: np.uint32, 1: np.float16, 2: np.float32}
_LINES = {0: 1, 2: 1, 3: 16}
_SEVERAL_PARTS = 0x1000


def read_exr(path: Path) -> dict[str, np.ndarray]:
    """Channel name -> (H, W) float32, rows from the top; those of all parts together."""
    data = path.read_bytes()
    assert data[:4] == b"\x76\x2f\x31\x01", path
    several = bool(struct.unpack_from("<I", data, 4)[0] & _SEVERAL_PARTS)
    headers, position = _headers(data, several)
    images: dict[str, np.ndarray] = {}
    for attributes in headers:
        part = _Part(attributes)
        count = part.chunks
        for offset in struct.unpack_from(f"<{count}Q", data, position):
            # Chunks of a file with several parts begin with the part's number.
            part.read_chunk(data, offset + 4 * several)
        position += 8 * count
        images |= part.images
    return images


class _Part:
    """One part's images, filled chunk by chunk."""

    def __init__(self, attributes: dict[str, bytes]) -> None:
        self.channels = _channels(attributes["channels"])
        x0, self.y0, x1, y1 = struct.unpack("<4i", attributes["dataWindow"])
        self.width, self.height = x1 - x0 + 1, y1 - self.y0 + 1
        self.lines = _LINES[attributes["compression"][0]]
        self.chunks = -(-self.height // self.lines)
        self.images = {name: np.zeros((self.height, self.width), dtype=np.float32) for name, _ in self.channels}

    def read_chunk(self, data: bytes, offset: int) -> None:
        y, size = struct.unpack_from("<2i", data, offset)
        rows = min(self.lines, self.height - (y - self.y0))
        block = data[offset + 8 : offset + 8 + size]
        if size < rows * sum(self.width * np.dtype(kind).itemsize for _, kind in self.channels):
            block = _unzip(block)
        cursor = 0
        for row in range(y - self.y0, y - self.y0 + rows):
            for name, kind in self.channels:
                self.images[name][row] = np.frombuffer(block, kind, self.width, cursor)
                cursor += self.width * np.dtype(kind).itemsize


def _headers(data: bytes, several: bool) -> tuple[list[dict[str, bytes]], int]:
    """Each part's attributes, and where the offsets of the chunks begin."""
    headers, position = [], 8
    while not headers or (several and data[position]):
        attributes = {}
        while data[position]:
            name, position = _text(data, position)
            _, position = _text(data, position)
            (size,) = struct.unpack_from("<i", data, position)
            attributes[name] = data[position + 4 : position + 4 + size]
            position += 4 + size
        headers.append(attributes)
        position += 1
    return headers, position + several


def _text(data: bytes, position: int) -> tuple[str, int]:
    end = data.index(0, position)
    return data[position:end].decode(), end + 1


def _channels(data: bytes) -> list[tuple[str, type]]:
    channels, position = [], 0
    while data[position]:
        name, position = _text(data, position)
        channels.append((name, _TYPES[struct.unpack_from("<i", data, position)[0]]))
        position += 16
    return channels


def _unzip(block: bytes) -> bytes:
    steps = np.frombuffer(zlib.decompress(block), np.uint8).astype(np.int64)
    steps[1:] -= 128
    values = (np.cumsum(steps) & 255).astype(np.uint8)
    half = (len(values) + 1) // 2
    result = np.empty_like(values)
    result[0::2], result[1::2] = values[:half], values[half:]
    return result.tobytes()
