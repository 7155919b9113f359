"""Clients with a fake backend, and a watch on what they leave behind."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from livehand_core.engine.client import EngineClient
from tests.engine.helpers import FAKE, FAKE_ENVIRONMENT, MakeClient, WriteScript, alive, eventually, shared_blocks


@pytest.fixture
def client_of() -> Iterator[MakeClient]:
    """Make clients with the fake backend; they are closed afterwards and must leave no shared memory."""
    before = shared_blocks()
    clients = []

    def make(interpreter: object = sys.executable, **options: object) -> EngineClient:
        options.setdefault("environment", FAKE_ENVIRONMENT)
        options.setdefault("arguments", FAKE)
        client = EngineClient(interpreter, **options)  # type: ignore[arg-type]
        clients.append(client)
        return client

    yield make
    pids = [client.info.pid for client in clients if client.info is not None]
    for client in clients:
        client.close()
    assert eventually(lambda: not any(alive(pid) for pid in pids))
    assert eventually(lambda: shared_blocks() <= before)


@pytest.fixture
def script(tmp_path: Path) -> WriteScript:
    """Write an executable shell script, to be taken for an interpreter."""
    if os.name != "posix":
        pytest.skip("shell scripts")

    def write(body: str) -> Path:
        path = tmp_path / "python"
        path.write_text("#!/bin/sh\n" + body)
        path.chmod(0o755)
        return path

    return write
