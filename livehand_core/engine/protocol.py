"""The words that client and server exchange: framed JSON over a pair of pipes.

A message is ``MAGIC``, its length as a little-endian uint32, and that many bytes of UTF-8 JSON holding one object with
a ``type``. Images never travel here; they lie in shared memory (see ``memory``). The framing is the same in every
protocol version, so that an old and a new side can still tell each other apart.

Client to server: ``hello`` {protocol, core_version, memory, device}; ``occluder`` {key, mesh}: sent once, before the
first frame that needs it; ``forget`` {keys} of occluders; ``render`` {id, channel, request}, whose occluders are keys;
``cancel`` {id} or {channel}; ``release`` {block}; ``close``.
Server to client: ``hello`` {protocol, core_version, python_version, torch_version, devices, pid}; ``result`` {id,
block, size, serial, images, dropped, stage_seconds, warnings, seconds}; ``error`` {id, error}; ``dismissed`` {id}:
superseded or cancelled; ``compiling`` {done, of}: kernels, while frames wait for them; ``beat``: every few seconds, a
sign of life, whatever the engine is at; ``failure`` {error}: the last word before an end.
"""

from __future__ import annotations

import json
import os
import struct
from typing import Any, TypeVar

from .. import errors
from ..documents import parse_json
from ..errors import EngineError, LiveHandError

PROTOCOL_VERSION = 5
MAGIC = b"LHE\x01"
MAX_MESSAGE_BYTES = 4 << 20
"""A frame of a thousand hands is 3 MB of JSON, the largest occluder 3.2 MB; anything longer is rubbish."""

_HEADER = struct.Struct("<4sI")
Message = dict[str, Any]
T = TypeVar("T")


class ProtocolError(EngineError):
    """The other side said something that is not this protocol."""

    def __init__(self, message: str, remedy: str = "Render again; if it recurs, install LiveHand again.") -> None:
        super().__init__(message, remedy)


def read_message(descriptor: int) -> Message | None:
    """Read one message from a pipe, waiting for it; None when the other side has closed the pipe.

    Raises:
        ProtocolError: rubbish, an oversized message, or an end in the middle of one.
    """
    header = _read_exactly(descriptor, _HEADER.size)
    if not header:
        return None
    magic, length = _HEADER.unpack(header) if len(header) == _HEADER.size else (b"", 0)
    if magic != MAGIC:
        raise ProtocolError(f"The other side speaks another language (it began with {header!r}).")
    if length > MAX_MESSAGE_BYTES:
        raise ProtocolError(f"A message of {length} bytes was announced; {MAX_MESSAGE_BYTES} are the limit.")
    body = _read_exactly(descriptor, length)
    if len(body) < length:
        raise ProtocolError(f"A message ended after {len(body)} of {length} bytes.")
    try:
        message = parse_json(body)
    except ValueError as error:
        raise ProtocolError(f"A message is not JSON ({error}).") from error
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise ProtocolError("A message is not an object with a type.")
    return message


def write_bytes(descriptor: int, coded: bytes) -> None:
    """Write what :func:`encode` made to a pipe, waiting while it is full; OSError when the other side is gone."""
    view = memoryview(coded)
    while view:
        view = view[os.write(descriptor, view) :]


def encode(message: Message) -> bytes:
    """The bytes of a message on the wire.

    Raises:
        EngineError: the message is too long or holds values that JSON cannot carry (NaN, infinity, arrays).
    """
    try:
        body = json.dumps(message, separators=(",", ":"), allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise EngineError(f"A message cannot be written as JSON ({error}).", "Use plain, finite values.") from error
    if len(body) > MAX_MESSAGE_BYTES:
        raise EngineError(
            f"The request is {len(body)} bytes long; {MAX_MESSAGE_BYTES} are the limit.", "Render fewer hands a frame."
        )
    return _HEADER.pack(MAGIC, len(body)) + body


def field(message: Message, key: str, kind: type[T]) -> T:
    """The value of a field.

    Raises:
        ProtocolError: it is missing or of another type.
    """
    value = message.get(key)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ProtocolError(f"The {message.get('type')} message has {key} = {value!r}; {kind.__name__} is needed.")
    return value


def error_to_json(error: LiveHandError) -> Message:
    """An error as plain values: its class name, message and remedy."""
    return {"class": type(error).__name__, "message": error.message, "remedy": error.remedy}


def error_from_json(document: Message) -> LiveHandError:
    """Inverse of :func:`error_to_json`; a class that this side does not know becomes an EngineError."""
    kind = vars(errors).get(str(document.get("class")))
    if not (isinstance(kind, type) and issubclass(kind, LiveHandError)):
        kind = EngineError
    return kind(str(document.get("message", "")), str(document.get("remedy", "")))


def _read_exactly(descriptor: int, count: int) -> bytes:
    parts = []
    while count > 0:
        part = os.read(descriptor, min(count, 1 << 20))
        if not part:
            break
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
