"""Shared memory for the images of a frame: one block of bytes that two processes map, and the server's pool of them.

Used by ``server`` (creates) and ``connection`` (attaches). Not ``multiprocessing.shared_memory``: before Python 3.13
that starts a tracker process on either side, which unlinks blocks that the other side still uses. Here the receiver
unlinks a block's name as soon as it has mapped it, so nothing is left to leak however the two processes end; names
that were never received are unlinked by whichever side survives.
"""

from __future__ import annotations

import contextlib
import errno
import math
import mmap
import os
import re
import secrets
import struct
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import EngineError
from .protocol import ProtocolError

if sys.platform != "win32":
    import _posixshmem

ALIGNMENT = 64
ITEM_BYTES = 4
_SERIAL = struct.Struct("<q")
_PREFIX = re.compile(r"lh_[0-9a-f]{16}")
_GRANULE = 1 << 20
_KEEP_BYTES = 64 << 20


def random_prefix() -> str:
    """A fresh name under which one engine's blocks are numbered; short, since macOS allows 31 characters in all."""
    return f"lh_{secrets.token_hex(8)}"


def valid_prefix(prefix: str) -> bool:
    return _PREFIX.fullmatch(prefix) is not None


class SharedBlock:
    """Bytes that two processes map under one name.

    Attributes:
        name: the system-wide name.
        size: usable bytes.
        buffer: the mapped bytes.

    Raises:
        EngineError: there is no room (creating), or no such block (attaching).
    """

    def __init__(self, name: str, size: int, create: bool) -> None:
        self.name = name
        self.size = size
        try:
            self.buffer = _map(name, size, create)
        except OSError as error:
            raise _explain(error, size, create) from error

    def close(self) -> None:
        """Drop this process's mapping; the memory lives on while the other side maps it or the name exists."""
        # While an array still looks into the block, the mapping goes when that array does.
        with contextlib.suppress(BufferError):
            self.buffer.close()


def unlink(name: str) -> None:
    """Remove a block's name; nothing happens when it has none (any more). Windows frees blocks by itself."""
    if sys.platform != "win32":
        with contextlib.suppress(OSError):
            _posixshmem.shm_unlink("/" + name)


if sys.platform == "win32":

    def _map(name: str, size: int, create: bool) -> mmap.mmap:
        # Opening a name that nobody holds yields zeros in place of an error; the serial number tells.
        return mmap.mmap(-1, size, tagname=name)

else:

    def _map(name: str, size: int, create: bool) -> mmap.mmap:
        flags = os.O_RDWR | (os.O_CREAT | os.O_EXCL if create else 0)
        descriptor = _posixshmem.shm_open("/" + name, flags, mode=0o600)
        try:
            if create:
                os.ftruncate(descriptor, size)
                if hasattr(os, "posix_fallocate"):
                    # Without this a full /dev/shm shows itself as a SIGBUS on the first write.
                    os.posix_fallocate(descriptor, 0, size)
            return mmap.mmap(descriptor, size)
        except (OSError, ValueError, OverflowError) as error:
            if create:
                unlink(name)
            raise OSError(getattr(error, "errno", None) or errno.EINVAL, str(error)) from error
        finally:
            os.close(descriptor)


def _explain(error: OSError, size: int, create: bool) -> EngineError:
    if not create:
        return EngineError(f"The engine's shared memory is gone ({error}).", "Render again.")
    if error.errno in (errno.ENOSPC, errno.ENOMEM, errno.EFBIG):
        return EngineError(
            f"There is no room for {size / 2**20:.0f} MiB of shared memory.",
            "Render a smaller image or fewer passes, or enlarge /dev/shm (containers: --shm-size).",
        )
    return EngineError(f"Shared memory cannot be made ({error}).", "Check the system's limits on shared memory.")


@dataclass
class _Pooled:
    block: SharedBlock
    busy: bool


class BlockPool:
    """The server's blocks, numbered from 0, re-used from frame to frame.

    A block is busy from ``fill`` until ``release``, which the receiver asks for when it has copied the images out.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._blocks: dict[int, _Pooled] = {}
        self._dropped: list[int] = []
        self._next = 0
        self._serial = 0
        self._lock = threading.Lock()
        self._closed = False

    def fill(self, images: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Copy images into a free block.

        Returns:
            the part of a ``result`` message that tells the receiver how to find them.

        Raises:
            EngineError: there is no room for a block of that size, or the pool is closed.
        """
        with self._lock:
            if self._closed:
                raise EngineError("The engine is ending.", "Render again.")
            return self._fill(images)

    def _fill(self, images: Mapping[str, np.ndarray]) -> dict[str, Any]:
        layout: list[dict[str, Any]] = []
        offset = ALIGNMENT
        for name, image in images.items():
            layout.append({"name": name, "shape": list(image.shape), "offset": offset})
            offset += -(-image.size * ITEM_BYTES // ALIGNMENT) * ALIGNMENT
        index = self._free_block(offset)
        pooled = self._blocks[index]
        self._serial += 1
        buffer = pooled.block.buffer
        buffer[: _SERIAL.size] = _SERIAL.pack(self._serial)
        for entry, image in zip(layout, images.values(), strict=True):
            _view(buffer, image.shape, entry["offset"])[...] = image
        pooled.busy = True
        dropped, self._dropped = self._dropped, []
        size, serial = pooled.block.size, self._serial
        return {"block": index, "size": size, "serial": serial, "images": layout, "dropped": dropped}

    def release(self, index: int) -> None:
        """The receiver has copied the images out of this block."""
        with self._lock:
            if index in self._blocks:
                self._blocks[index].busy = False

    def close(self) -> None:
        """Unlink and unmap everything, for good."""
        with self._lock:
            self._closed = True
            while self._blocks:
                self._drop(next(iter(self._blocks)))

    def _free_block(self, size: int) -> int:
        free = [index for index, pooled in self._blocks.items() if not pooled.busy]
        fitting = [i for i in free if size <= self._blocks[i].block.size <= max(4 * size, _KEEP_BYTES)]
        if fitting:
            return fitting[0]
        for index in free:
            self._drop(index)
            self._dropped.append(index)
        index = self._next
        self._next += 1
        rounded = -(-size * 5 // 4 // _GRANULE) * _GRANULE if size >= _GRANULE else _GRANULE
        self._blocks[index] = _Pooled(SharedBlock(f"{self._prefix}_{index}", max(rounded, size), True), False)
        return index

    def _drop(self, index: int) -> None:
        block = self._blocks.pop(index).block
        unlink(block.name)
        block.close()


class BlockReader:
    """The client's view of the server's pool."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._blocks: dict[int, SharedBlock] = {}
        self._next = 0

    def images(self, message: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Own copies of the images that a ``result`` message tells of, float32.

        Raises:
            ProtocolError: the message does not fit the block.
            EngineError: the block is gone.
        """
        try:
            index, size, serial = int(message["block"]), int(message["size"]), int(message["serial"])
            for old in message["dropped"]:
                if old in self._blocks:
                    self._blocks.pop(old).close()
            block = self._blocks.get(index)
            if block is None:
                name = f"{self._prefix}_{index}"
                block = self._blocks[index] = SharedBlock(name, size, False)
                unlink(name)
                self._next = max(self._next, index + 1)
            if _SERIAL.unpack(block.buffer[: _SERIAL.size])[0] != serial:
                raise EngineError("The engine's shared memory is gone.", "Render again.")
            images = {}
            for entry in message["images"]:
                shape, offset = tuple(int(n) for n in entry["shape"]), int(entry["offset"])
                if min(shape, default=0) < 0 or offset < 0:
                    raise ValueError(f"shape {shape} at {offset}")
                images[str(entry["name"])] = _view(block.buffer, shape, offset).copy()
            return images
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ProtocolError(f"A result does not describe its images ({error!r}).") from error

    def close(self) -> None:
        """Unmap everything, and unlink the name of a block that the server made but could no longer tell of."""
        for block in self._blocks.values():
            block.close()
        self._blocks.clear()
        # The server makes one block at a time and tells of it in its next message.
        unlink(f"{self._prefix}_{self._next}")
        unlink(f"{self._prefix}_{self._next + 1}")


def _view(buffer: mmap.mmap, shape: Sequence[int], offset: int) -> np.ndarray:
    count = math.prod(shape)
    return np.frombuffer(buffer, dtype=np.float32, count=count, offset=offset).reshape(shape)
