"""Occluders on their way to the engine: each is sent once, and forgotten when more have come. NumPy only.

``SentOccluders`` is the client's side, asked by the one thread that writes, ``KeptOccluders`` the server's, told by the
one that reads. A request that is given up before it is written therefore sends none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ..errors import LiveHandError
from ..occluders import Occluder
from .protocol import Message, ProtocolError, field

KEPT_BYTES = 64 << 20
"""Of occluders that the engine keeps for frames to come; those of the frame itself are kept in any case."""


class SentOccluders:
    """What an engine has been sent."""

    def __init__(self) -> None:
        self._sizes: dict[str, int] = {}

    def messages(self, occluders: Sequence[Occluder]) -> Iterator[Message]:
        """What the engine must hear before a request with these."""
        for occluder in occluders:
            if self._sizes.pop(occluder.key, None) is None:
                yield {"type": "occluder", "key": occluder.key, "mesh": occluder.to_json()}
            # Those that were used last come last.
            self._sizes[occluder.key] = occluder.vertices.nbytes + occluder.faces.nbytes
        old = list(self._sizes)[: len(self._sizes) - len(occluders)]
        total, forgotten = sum(self._sizes.values()), []
        while old and total > KEPT_BYTES:
            total -= self._sizes.pop(old[0])
            forgotten.append(old.pop(0))
        if forgotten:
            yield {"type": "forget", "keys": forgotten}


class KeptOccluders:
    """What a client has sent."""

    def __init__(self) -> None:
        self._kept: dict[str, Occluder] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def take(self, message: Message) -> None:
        """Heed an ``occluder`` or a ``forget`` message.

        Raises:
            ProtocolError: it is none.
        """
        if message["type"] == "forget":
            for key in field(message, "keys", list):
                self._kept.pop(str(key), None)
            return
        try:
            self._kept[field(message, "key", str)] = Occluder.from_json(field(message, "mesh", dict))
        except ProtocolError:
            raise
        except LiveHandError as error:
            raise ProtocolError(f"An occluder was sent that is none: {error.message}") from error

    def of_request(self, request: Message) -> Message:
        """The request with occluders where it names their keys.

        Raises:
            ProtocolError: one was not sent.
        """
        named = request.get("occluders")
        return request if not isinstance(named, list) else {**request, "occluders": list(map(self._of_key, named))}

    def _of_key(self, key: Any) -> Any:
        if not isinstance(key, str):
            return key
        if key not in self._kept:
            raise ProtocolError(f"A request names the occluder {key!r}, which was not sent.")
        return self._kept[key]
