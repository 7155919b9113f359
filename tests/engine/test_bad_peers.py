"""Rubbish, silence and foreign versions on either side: a clear error and an orderly end."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from livehand_core.engine import protocol
from livehand_core.engine.client import EngineClient
from livehand_core.engine.interpreters import engine_command
from livehand_core.engine.memory import random_prefix
from livehand_core.engine.protocol import MAGIC, PROTOCOL_VERSION, Message
from livehand_core.errors import EngineError
from tests.engine.helpers import (
    FAKE,
    FAKE_ENVIRONMENT,
    MakeClient,
    WriteScript,
    eventually,
    make_request,
    shared_blocks,
)

HELLO: Message = {"type": "hello", "protocol": PROTOCOL_VERSION, "core_version": "9.9", "device": "auto"}


class RawServer:
    """An engine process without a client, to be fed anything."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            engine_command(Path(sys.executable), FAKE),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env=FAKE_ENVIRONMENT,
        )

    def say(self, data: bytes) -> None:
        assert self.process.stdin is not None
        try:
            protocol.write_bytes(self.process.stdin.fileno(), data)
        except OSError:
            # It may have ended at the first rubbish already.
            return

    def hear(self) -> Message | None:
        assert self.process.stdout is not None
        return protocol.read_message(self.process.stdout.fileno())

    def hello(self) -> None:
        self.say(protocol.encode({**HELLO, "memory": random_prefix()}))
        answer = self.hear()
        assert answer is not None and answer["type"] == "hello"

    def end(self) -> tuple[list[Message], int]:
        """What else it says, and its exit code, after its input has been closed."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        rest = []
        while (message := self.hear()) is not None:
            rest.append(message)
        return rest, self.process.wait(20.0)


@pytest.fixture
def server() -> Iterator[RawServer]:
    before = shared_blocks()
    raw = RawServer()
    yield raw
    raw.end()
    for pipe in (raw.process.stdin, raw.process.stdout, raw.process.stderr):
        assert pipe is not None
        pipe.close()
    assert eventually(lambda: shared_blocks() <= before)


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x00" * 1000,
        MAGIC + b"\xff\xff\xff\xff",
        protocol.encode({"type": "reboot"}),
        protocol.encode({"type": "render", "id": "one", "channel": None, "request": {}}),
        protocol.encode({"type": "render", "id": 1, "channel": 5, "request": {}}),
        protocol.encode({"type": "render", "id": 1, "channel": None, "request": []}),
        protocol.encode({"type": "render", "id": 1, "channel": None, "request": {"occluders": ["unknown"]}}),
        protocol.encode({"type": "occluder", "key": "a", "mesh": {"name": "a", "vertices": "AAAA", "faces": ""}}),
        protocol.encode({"type": "occluder", "key": "a", "mesh": None}),
        protocol.encode({"type": "forget", "keys": None}),
        protocol.encode({"type": "cancel"}),
        protocol.encode({"type": "release", "block": None}),
    ],
)
@pytest.mark.parametrize("greeted", [True, False])
def test_the_engine_tells_why_it_ends_at_rubbish(server: RawServer, data: bytes, greeted: bool) -> None:
    if greeted:
        server.hello()
    server.say(data)
    rest, code = server.end()
    assert [message["type"] for message in rest] == ["failure"] and code == 3
    assert rest[0]["error"]["class"] == "ProtocolError" and rest[0]["error"]["message"]


def test_a_second_greeting_is_rubbish(server: RawServer) -> None:
    server.hello()
    server.say(protocol.encode({**HELLO, "memory": random_prefix()}))
    rest, code = server.end()
    assert [message["type"] for message in rest] == ["failure"] and code == 3


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(min_size=1, max_size=200))
def test_the_engine_ends_in_order_at_any_bytes(data: bytes) -> None:
    raw = RawServer()
    raw.hello()
    raw.say(data)
    rest, code = raw.end()
    for pipe in (raw.process.stdout, raw.process.stderr):
        assert pipe is not None
        pipe.close()
    assert [message["type"] for message in rest] == ["failure"] and code == 3


@pytest.mark.parametrize("request_document", [{}, {"camera": {}}, {"camera": None, "hands": 5}, {"hands": [{}]}])
def test_a_request_that_is_none_is_an_error_and_the_engine_lives_on(server: RawServer, request_document: dict) -> None:
    server.hello()
    server.say(protocol.encode({"type": "render", "id": 1, "channel": None, "request": request_document}))
    good = make_request().to_json()
    server.say(protocol.encode({"type": "render", "id": 2, "channel": None, "request": good}))
    first, second = server.hear(), server.hear()
    assert first is not None and (first["type"], first["id"]) == ("error", 1) and first["error"]["message"]
    assert second is not None and (second["type"], second["id"]) == ("result", 2)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"protocol": 99}, "speaks protocol 99 .livehand 9.9"),
        ({"protocol": None}, "speaks protocol None"),
        ({"memory": "../../etc"}, "not a name of shared memory"),
        ({"device": 5}, "device"),
    ],
)
def test_the_engine_refuses_a_greeting_that_it_does_not_understand(
    server: RawServer, change: Message, reason: str
) -> None:
    server.say(protocol.encode({**HELLO, "memory": random_prefix(), **change}))
    answer = server.hear()
    assert answer is not None and answer["type"] == "failure"
    error = protocol.error_from_json(answer["error"])
    with pytest.raises(EngineError, match=reason):
        raise error
    if "protocol" in change:
        assert "install LiveHand again" in error.remedy and "9.9" in error.message
    assert server.end()[1] == 3


def test_the_engine_ends_when_nobody_ever_speaks(server: RawServer) -> None:
    assert server.end() == ([], 0)


def speaker(script: WriteScript, body: str) -> Path:
    """An interpreter that runs ``body`` with the protocol at hand, whatever it is asked to run."""
    root = Path(protocol.__file__).parents[2]
    program = script("").with_name("speaker.py")
    program.write_text(
        f"import sys, time; sys.path.insert(0, {str(root)!r})\n"
        f"from livehand_core.engine.protocol import encode, read_message, write_bytes\n"
        f"def write_message(descriptor, message): write_bytes(descriptor, encode(message))\n{body}"
    )
    return script(f'exec "{sys.executable}" "{program}"\n')


GREETING = (
    f"read_message(0)\nwrite_message(1, {{'type': 'hello', 'protocol': {PROTOCOL_VERSION}, 'core_version': '0',"
    " 'python_version': '3',"
    " 'torch_version': '2', 'devices': [], 'pid': 1})\n"
)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("echo Welcome to the cluster; sleep 60", "did not answer as a LiveHand engine.*Welco"),
        ("exit 0", "ended with code 0 while starting"),
        ("echo 'no licence' >&2; exit 9", "ended with code 9 while starting; it said: no licence"),
        ("kill -9 $$", "killed by signal 9"),
    ],
)
def test_an_interpreter_that_is_none_is_one_clear_error(
    client_of: MakeClient, script: WriteScript, body: str, reason: str
) -> None:
    client = client_of(script(body))
    begun = time.monotonic()
    with pytest.raises(EngineError, match=reason) as caught:
        client.render(make_request())
    assert caught.value.remedy and time.monotonic() - begun < 20.0


@pytest.mark.parametrize("body", ["exec sleep 60", "sleep 60; echo late"])
def test_an_engine_that_never_answers_is_given_up(client_of: MakeClient, script: WriteScript, body: str) -> None:
    client = client_of(script(body), start_timeout=0.5)
    begun = time.monotonic()
    with pytest.raises(EngineError, match=r"no answer within 0.5 s"):
        client.start()
    assert time.monotonic() - begun < 20.0


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("write_message(1, {'type': 'hello', 'protocol': 99, 'core_version': '3.0'})", r"protocol 99 .livehand 3\.0"),
        (f"write_message(1, {{'type': 'hello', 'protocol': {PROTOCOL_VERSION}}})", "core_version"),
        ("write_message(1, {'type': 'result'})", "speaks protocol None"),
        ("sys.stdout.write('{}')", "did not answer as a LiveHand engine"),
    ],
)
def test_an_engine_of_another_version_is_refused(
    client_of: MakeClient, script: WriteScript, body: str, reason: str
) -> None:
    client = client_of(speaker(script, "read_message(0)\n" + body + "\ntime.sleep(60)\n" * ("stdout" not in body)))
    with pytest.raises(EngineError, match=reason):
        client.start()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("sys.stdout.write('Traceback'); sys.stdout.flush(); time.sleep(60)", "another language"),
        ("write_message(1, {'type': 'dance'}); time.sleep(60)", "unknown type 'dance'"),
        ("write_message(1, {'type': 'result', 'id': 1}); time.sleep(60)", "does not describe its images"),
        ("write_message(1, {'type': 'error', 'id': None, 'error': {}}); time.sleep(60)", "id = None"),
        ("sys.stdout.buffer.write(encode({'type': 'error'})[:-3])", "ended after"),
    ],
)
def test_an_engine_that_loses_its_mind_is_ended_with_a_clear_error(
    client_of: MakeClient, script: WriteScript, body: str, reason: str
) -> None:
    client = client_of(speaker(script, GREETING + "read_message(0)\n" + body + "\n"))
    begun = time.monotonic()
    with pytest.raises(EngineError, match=reason):
        client.render(make_request())
    assert time.monotonic() - begun < 20.0


def test_a_backend_that_cannot_render_here_says_so(client_of: MakeClient) -> None:
    client = client_of(arguments=("--backend", "fake_backends:RefusingBackend"))
    with pytest.raises(EngineError, match="libcudart") as caught:
        client.start()
    assert caught.value.remedy == "Install torch again."


def test_a_broken_compiler_says_so(client_of: MakeClient, tmp_path: Path) -> None:
    (tmp_path / "numba").mkdir()
    (tmp_path / "numba" / "__init__.py").write_text("raise OSError('libllvmlite.so: undefined symbol')\n")
    client = client_of(environment={"PYTHONPATH": str(tmp_path)}, arguments=())
    with pytest.raises(EngineError, match=r"renderer cannot be loaded.*undefined symbol") as caught:
        client.start()
    assert "Install LiveHand again" in caught.value.remedy


def test_a_missing_interpreter_is_named() -> None:
    with pytest.raises(EngineError, match="/no/such/python"), EngineClient("/no/such/python") as client:
        client.render(make_request())
