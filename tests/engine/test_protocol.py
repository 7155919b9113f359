"""The framing of messages, and what happens to those that are none."""

from __future__ import annotations

import json
import os
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livehand_core.engine import protocol
from livehand_core.engine.protocol import MAGIC, MAX_MESSAGE_BYTES, ProtocolError
from livehand_core.errors import AvatarError, EngineError, LiveHandError


def read(data: bytes) -> protocol.Message | None:
    reading, writing = os.pipe()
    try:
        os.write(writing, data)
        os.close(writing)
        return protocol.read_message(reading)
    finally:
        os.close(reading)


def framed(body: bytes) -> bytes:
    return MAGIC + struct.pack("<I", len(body)) + body


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), VALUES, max_size=4), st.text())
def test_a_message_comes_back_as_it_was(fields: dict, kind: str) -> None:
    message = {**fields, "type": kind}
    assert read(protocol.encode(message)) == message


def test_messages_follow_each_other_and_end_with_none() -> None:
    reading, writing = os.pipe()
    for number in range(3):
        protocol.write_bytes(writing, protocol.encode({"type": "cancel", "id": number}))
    os.close(writing)
    assert [protocol.read_message(reading)["id"] for _ in range(3)] == [0, 1, 2]  # type: ignore[index]
    assert protocol.read_message(reading) is None
    os.close(reading)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"Welcome to conda!\n", "another language"),
        (b"LH", "another language"),
        (MAGIC + struct.pack("<I", MAX_MESSAGE_BYTES + 1), "limit"),
        (MAGIC + struct.pack("<I", 100) + b'{"type":', "ended after 8 of 100"),
        (framed(b"\xff\xfe"), "not JSON"),
        (framed(b"{'type': 1}"), "not JSON"),
        (framed(b"[" * 60_000), "not JSON"),
        (framed(b'{"type": "render", "id": NaN}'), "NaN"),
        (framed(b'["type"]'), "not an object"),
        (framed(b'{"type": 3}'), "not an object"),
    ],
)
def test_rubbish_is_refused_with_its_reason(data: bytes, reason: str) -> None:
    with pytest.raises(ProtocolError, match=reason):
        read(data)


@given(st.binary(min_size=1, max_size=64))
def test_no_rubbish_does_more_than_be_refused(data: bytes) -> None:
    try:
        message = read(data)
    except ProtocolError:
        return
    assert isinstance(message, dict) and data.startswith(MAGIC)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), b"bytes", object()])
def test_values_that_json_cannot_carry_are_refused_before_they_are_sent(value: object) -> None:
    with pytest.raises(EngineError, match="JSON"):
        protocol.encode({"type": "x", "value": value})


def test_a_message_over_the_limit_is_refused_before_it_is_sent() -> None:
    with pytest.raises(EngineError, match="limit"):
        protocol.encode({"type": "x", "value": "a" * MAX_MESSAGE_BYTES})


def test_an_error_keeps_its_class_message_and_remedy() -> None:
    error = protocol.error_from_json(json.loads(json.dumps(protocol.error_to_json(AvatarError("Broken.", "Mend it.")))))
    assert type(error) is AvatarError
    assert (error.message, error.remedy) == ("Broken.", "Mend it.")


@pytest.mark.parametrize("name", ["NoSuchError", "annotations", "__name__", 5, None])
def test_an_unknown_error_class_becomes_an_engine_error(name: object) -> None:
    error = protocol.error_from_json({"class": name, "message": "It failed."})
    assert type(error) is EngineError and isinstance(error, LiveHandError)


def test_a_field_of_another_type_is_refused() -> None:
    assert protocol.field({"type": "x", "id": 4}, "id", int) == 4
    for value in (None, "4", True, 4.0):
        with pytest.raises(ProtocolError, match="id"):
            protocol.field({"type": "x", "id": value}, "id", int)
