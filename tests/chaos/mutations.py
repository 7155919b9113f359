"""Files as damage and malice leave them: of one sound file, by a seed, another one that is mostly not."""

from __future__ import annotations

import builtins
import copy
import importlib
import io
import json
import os
import pickle
import random
import struct
import subprocess
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

ODD_VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 1e9, 1 << 62, 10**400, -(10**9), 1e308, "", "32", "../../etc/passwd", "\x00", "\ud800"),
    *([], {}, [[]], [None], {"a": 1}, [1e9] * 50, "x" * 10000, float("nan"), float("inf"), [[[1]]], 0.5),
)
HEADERS = (
    "{'descr': '<f8', 'fortran_order': False, 'shape': (999999999999,), }",
    "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
    "{'descr': [('a', '<f8')], 'fortran_order': True, 'shape': (2, -1), }",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (1",
    "'''",
    "(" * 3000,
    "{'descr': '<U1000000', 'fortran_order': False, 'shape': (), }",
)


HOSTILE: tuple[tuple[Callable[..., Any], tuple[Any, ...]], ...] = (
    (os.system, ("touch executed",)),
    (builtins.exec, ("open('executed', 'w')",)),
    (builtins.eval, ("open('executed', 'w')",)),
    (builtins.open, ("executed", "w")),
    (subprocess.Popen, (["touch", "executed"],)),
    (importlib.import_module, ("antigravity",)),
    (np.memmap, ("executed", "u1", "w+", 0, (4,))),
    (importlib.import_module, ("os",)),
)
"""What a pickle may ask to be called, in a process whose current folder is that of the files."""
HOSTILE_OPCODES = (
    b"cos\nsystem\n(S'touch executed'\ntR0",
    b"(S'touch executed'\nios\nsystem\n0",
    b"c__builtin__\nexec\n(S\"open('executed', 'w')\"\ntR0",
    b"\x8c\x02os\x8c\x06system\x93\x8c\x0etouch executed\x85R0",
    b"cchumpy.os\nsystem\n(S'touch executed'\ntR0",
    b"cnumpy.core.multiarray\n_reconstruct\n(cos\nsystem\n(S'touch executed'\nttR0",
)
"""The same by hand; each leaves the stack as it was."""


class Hostile:
    """What a pickle makes a call of."""

    def __init__(self, call: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call, self.arguments


def damaged_bytes(data: bytes, rng: random.Random) -> bytes:
    """Cut, flipped, repeated, emptied, or with other lengths in it."""
    kind, content = rng.randrange(6), bytearray(data)
    if kind == 0:
        return bytes(content[: rng.randrange(len(content) + 1)])
    if kind == 1:
        return rng.randbytes(rng.randrange(200))
    if kind == 2:
        at = rng.randrange(len(content) or 1)
        return bytes(content[:at] + content[max(at - 50, 0) : at] * rng.randrange(1, 20) + content[at:])
    if kind == 3 and len(content) > 8:
        at = rng.choice([0, rng.randrange(len(content) - 8)])
        content[at : at + 8] = struct.pack("<Q", rng.choice([0, 1, (1 << 64) - 1, 1 << 40, len(content), 1 << 31]))
        return bytes(content)
    for _ in range(rng.choice([1, 3, 40])):
        if content:
            content[rng.randrange(len(content))] = rng.randrange(256)
    return bytes(content)


def damaged_value(value: Any, rng: random.Random) -> Any:
    """A JSON value with another one at a random place: changed, left out, renamed, or added."""
    places = list(_places(value))
    if not places or rng.random() < 0.03:
        return copy.deepcopy(rng.choice(ODD_VALUES))
    holder, key = rng.choice(places)
    kind = rng.randrange(8)
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, dict):
        holder[f"{key}s"] = holder.pop(key)
    elif kind == 2 and isinstance(holder[key], list) and holder[key]:
        holder[key] = holder[key] * rng.choice([2, 3]) if rng.random() < 0.5 else holder[key][:-1]
    else:
        holder[key] = copy.deepcopy(rng.choice(ODD_VALUES))
    return value


def damaged_text(value: Any, rng: random.Random) -> bytes:
    """JSON text of a damaged value, or damaged text."""
    kind = rng.randrange(12)
    if kind == 0:
        return rng.choice([b"[", b'{"a":']) * rng.choice([70, 1000, 100000])
    if kind == 1:
        return damaged_bytes(json.dumps(value).encode(), rng)
    if kind == 2:
        return json.dumps(value).encode(rng.choice(["utf-16", "utf-8-sig", "utf-32"]))
    if kind == 3:
        return json.dumps(value).encode() + rng.choice([b"\xff", b"}", b"\x00" * 99, b" " * 5_000_000])
    for _ in range(rng.choice([1, 1, 2, 5])):
        value = damaged_value(value, rng)
    return json.dumps(value).encode(errors="replace")


def damaged_archive(data: bytes, rng: random.Random) -> bytes:
    """An ``.npz`` with another header or other bytes in one of its arrays."""
    if rng.random() < 0.4:
        return damaged_bytes(data, rng)
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as new:
        names = old.namelist()
        chosen = rng.choice(names)
        for name in names:
            content = old.read(name)
            if name == chosen:
                content = _damaged_array(content, rng)
            if name != chosen or rng.random() < 0.9:
                new.writestr(name, content)
    return stream.getvalue()


def damaged_pickle(data: bytes, rng: random.Random) -> bytes:
    """A pickled table with hostile calls, odd values or other bytes in it."""
    kind = rng.randrange(5)
    if kind == 0:
        return damaged_bytes(data, rng)
    if kind == 1:
        # After the protocol's own step, or at any place: most leave something that is no pickle.
        at = 2 if rng.random() < 0.5 else rng.randrange(len(data))
        return data[:at] + rng.choice(HOSTILE_OPCODES) + data[at:]
    table = pickle.loads(data)
    for _ in range(rng.choice([1, 1, 3])):
        odd = Hostile(*rng.choice(HOSTILE)) if kind == 2 else copy.deepcopy(rng.choice(ODD_VALUES))
        table[rng.choice(list(table))] = odd
    return pickle.dumps(table if rng.random() < 0.9 else [table], protocol=rng.randrange(2, 6))


def damaged_checkpoint(data: bytes, rng: random.Random) -> bytes:
    """A file of torch with other bytes, or with a pickle in it that asks for calls."""
    if rng.random() < 0.5:
        return damaged_bytes(data, rng)
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as new:
        for name in old.namelist():
            content = old.read(name)
            if name.endswith("data.pkl"):
                at = 2 if rng.random() < 0.5 else rng.randrange(len(content))
                spoilt = content[:at] + rng.choice(HOSTILE_OPCODES) + content[at:]
                content = spoilt if rng.random() < 0.7 else damaged_bytes(content, rng)
            new.writestr(name, content)
    return stream.getvalue()


def damaged_picture(data: bytes, rng: random.Random) -> bytes:
    """A PNG with other bytes, another form, or a header that announces more than memory holds."""
    if rng.random() < 0.5:
        return damaged_bytes(data, rng)
    form = (rng.choice([8, 16, 1, 3]), rng.choice([0, 2, 3, 4, 6, 7]), 0, 0, rng.choice([0, 1]))
    size = rng.choice([(0, 0), (1, 1), (8, 8), (1 << 30, 1 << 30), (20000, 20000), (8, 1 << 31)])
    header = struct.pack(">II5B", *size, *form)
    chunk = b"IHDR" + header
    return data[:8] + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk)) + data[33:]


def damaged_lines(data: bytes, rng: random.Random) -> bytes:
    """Text with lines that are repeated, left out, cut, or hold other words."""
    if rng.random() < 0.3:
        return damaged_bytes(data, rng)
    lines = data.split(b"\n")
    for _ in range(rng.choice([1, 3])):
        at = rng.randrange(len(lines))
        words = lines[at].split()
        kind = rng.randrange(4)
        if kind == 0:
            lines[at] = b""
        elif kind == 1:
            lines[at] = lines[at] * 2
        elif words:
            odd = rng.choice([b"nan", b"1e999", b"-1", b"0", b"9" * 40, b"x", b"\xff\xfe", b"=", b"/", b"\x00"])
            words[rng.randrange(len(words))] = odd
            lines[at] = b" ".join(words)
    return b"\n".join(lines)


def damaged_yaml(data: bytes, rng: random.Random) -> bytes:
    """YAML that asks for Python's objects, nests without end, or has other words."""
    kind = rng.randrange(4)
    if kind == 0:
        return rng.choice([b"[", b"{a: ", b"- "]) * rng.choice([70, 1000, 20000])
    if kind == 1:
        asked = b"a: !!python/object/apply:os.system ['touch executed']\n"
        new = asked.replace(b"apply:os.system", b"new:os.system")
        return data + rng.choice([asked, new, b"b: *none\n", b"c: &x [*x]\n"])
    return damaged_lines(data, rng)


def damaged_avatar(data: bytes, rng: random.Random) -> bytes:
    """An avatar file with a damaged description, header or weights, its hash made to fit where it can."""
    if rng.random() < 0.3:
        return damaged_bytes(data, rng)
    size = struct.unpack("<Q", data[:8])[0]
    header, weights = json.loads(data[8 : 8 + size]), bytearray(data[8 + size :])
    entries = header["__metadata__"]
    kind = rng.randrange(4)
    if kind == 0:
        entries["livehand_avatar"] = damaged_text(json.loads(entries["livehand_avatar"]), rng).decode(errors="replace")
    elif kind == 1:
        header = damaged_value(header, rng)
    else:
        document = damaged_value(json.loads(entries["livehand_avatar"]), rng) if kind == 2 else None
        document = document if isinstance(document, dict) else json.loads(entries["livehand_avatar"])
        for _ in range(rng.choice([0, 1, 30])):
            at = 4 * rng.randrange(len(weights) // 4)
            weights[at : at + 4] = struct.pack("<f", rng.choice([float("nan"), float("inf"), 1e38, -1e38, 0.0]))
        entries["livehand_avatar"] = json.dumps(_with_hash(document, header, bytes(weights)))
    text = json.dumps(header).encode(errors="replace")
    return struct.pack("<Q", len(text)) + text + bytes(weights)


def _with_hash(document: dict[str, Any], header: dict[str, Any], weights: bytes) -> dict[str, Any]:
    from livehand_core.avatars.metadata import content_hash

    blobs = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            blobs[name] = (entry["dtype"], tuple(entry["shape"]), weights[begin:end])
    return document | {"content_hash": content_hash(document, blobs)}


def _damaged_array(content: bytes, rng: random.Random) -> bytes:
    kind = rng.random()
    if kind < 0.4:
        return damaged_bytes(content, rng)
    if kind < 0.6:
        # A table that NumPy would unpickle.
        stream = io.BytesIO()
        np.save(stream, np.array({"a": Hostile(*rng.choice(HOSTILE))}, dtype=object), allow_pickle=True)
        return stream.getvalue()
    header = rng.choice(HEADERS).encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + content[64:]


def _places(value: Any) -> Any:
    if isinstance(value, dict):
        for key in list(value):
            yield value, key
            yield from _places(value[key])
    elif isinstance(value, list):
        # The numbers of long lists are alike.
        for index in range(min(len(value), 4)):
            yield value, index
            yield from _places(value[index])
