"""A small reader of scan-line EXR files, single part, uncompressed or ZIP: an oracle that is not Blender's own."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np

_TYPES = {0: np.uint32, 1: np.float16, 2: np.float32}
_LINES = {0: 1, 2: 1, 3: 16}


def read_exr(path: Path) -> dict[str, np.ndarray]:
    """Channel name -> (H, W) float32, rows from the top."""
    data = path.read_bytes()
    assert data[:4] == b"\x76\x2f\x31\x01", path
    position, attributes = 8, {}
    while data[position]:
        name, position = _text(data, position)
        _, position = _text(data, position)
        (size,) = struct.unpack_from("<i", data, position)
        attributes[name] = data[position + 4 : position + 4 + size]
        position += 4 + size
    channels = _channels(attributes["channels"])
    x0, y0, x1, y1 = struct.unpack("<4i", attributes["dataWindow"])
    width, height = x1 - x0 + 1, y1 - y0 + 1
    lines = _LINES[attributes["compression"][0]]
    row_bytes = sum(width * np.dtype(kind).itemsize for _, kind in channels)
    images = {name: np.zeros((height, width), dtype=np.float32) for name, _ in channels}
    for offset in struct.unpack_from(f"<{-(-height // lines)}Q", data, position + 1):
        y, size = struct.unpack_from("<2i", data, offset)
        rows = min(lines, height - (y - y0))
        block = data[offset + 8 : offset + 8 + size]
        if size < row_bytes * rows:
            block = _unzip(block)
        cursor = 0
        for row in range(y - y0, y - y0 + rows):
            for name, kind in channels:
                images[name][row] = np.frombuffer(block, kind, width, cursor)
                cursor += width * np.dtype(kind).itemsize
    return images


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
