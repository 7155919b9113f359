"""The end of either side, however it comes: the other lives on or ends in order, and no shared memory stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from livehand_core.errors import EngineError, LiveHandError
from tests.engine.helpers import FOLDER, MakeClient, alive, eventually, make_request, shared_blocks

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc and /dev/shm")

CLIENT = """
import sys, time
sys.path[:0] = [{root!r}, {root!r} + '/tests/engine']
from livehand_core.engine.client import EngineClient
from livehand_core.errors import EngineError
from helpers import FAKE, FAKE_ENVIRONMENT, make_request
client = EngineClient(sys.executable, FAKE_ENVIRONMENT, arguments=FAKE)
client.render(make_request(width=512, height=334))
client.submit(make_request({action!r}), "viewport")
time.sleep(0.2)
print(client.info.pid, flush=True)
{last}
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_an_engine_killed_in_the_middle_of_a_frame_is_one_clear_error(
    client_of: MakeClient, how: signal.Signals
) -> None:
    client = client_of()
    pid = client.start().pid
    threading.Timer(0.3, os.kill, (pid, how)).start()
    begun = time.monotonic()
    with pytest.raises(EngineError, match=f"signal {how.value}.*in the middle of its work") as caught:
        client.render(make_request("sleep:30"))
    assert time.monotonic() - begun < 20.0 and "start it anew" in caught.value.remedy
    assert not alive(pid)
    assert client.render(make_request(focal=4.0))["rgba"].max() == 4.0
    assert client.start().pid != pid


def test_an_engine_that_ends_by_itself_is_told_with_its_last_words(client_of: MakeClient, tmp_path: Path) -> None:
    log = tmp_path / "engine.log"
    client = client_of(log_path=log)
    with pytest.raises(EngineError, match="ended with code 7") as caught:
        client.render(make_request("die"))
    assert str(log) in caught.value.remedy


def test_every_waiting_request_hears_of_the_death(client_of: MakeClient) -> None:
    client = client_of()
    pid = client.start().pid
    errors: list[LiveHandError] = []

    def render() -> None:
        try:
            client.render(make_request("sleep:30"))
        except EngineError as error:
            errors.append(error)

    threads = [threading.Thread(target=render) for _ in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(0.2)
    client.submit(make_request(), "left")
    client.submit(make_request(), "right")
    os.kill(pid, signal.SIGKILL)
    for thread in threads:
        thread.join(20.0)
    assert len(errors) == 3
    assert isinstance(client.poll("left"), EngineError) and isinstance(client.poll("right"), EngineError)
    client.submit(make_request(), "left")
    assert eventually(lambda: not client.busy("left"))


def test_engines_killed_between_frames_again_and_again_leave_nothing(client_of: MakeClient) -> None:
    client = client_of()
    before = shared_blocks()
    pids = set()
    for _ in range(4):
        pids.add(client.start().pid)
        client.render(make_request(width=64, height=64))
        os.kill(client.start().pid, signal.SIGKILL)
        assert eventually(lambda: client.info is None)
    assert len(pids) == 4 and not any(alive(pid) for pid in pids)
    assert eventually(lambda: shared_blocks() <= before)


@pytest.mark.parametrize("action", ["sleep:30", "deaf:30", ""])
@pytest.mark.parametrize("end", ["killed", "returns", "raises", "os._exit"])
def test_the_engine_ends_with_its_parent(action: str, end: str) -> None:
    last = {
        "killed": "time.sleep(60)",
        "returns": "",
        "raises": "raise SystemExit(3)",
        "os._exit": "import os; os._exit(0)",
    }
    before = shared_blocks()
    code = CLIENT.format(root=str(FOLDER.parents[1]), action=action, last=last[end])
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        if end == "killed":
            assert alive(pid)
            parent.kill()
    assert eventually(lambda: not alive(pid))
    assert eventually(lambda: shared_blocks() <= before)


def test_the_engine_notices_a_dead_parent_whose_pipe_someone_else_holds_open() -> None:
    # A child of the parent that inherited the pipe's writing end, as a careless fork may, hides the end of file.
    last = (
        "import os, subprocess; pipe = client._connection._process.stdin.fileno(); os.set_inheritable(pipe, True);"
        "holder = subprocess.Popen(['sleep', '60'], close_fds=False, stdout=subprocess.DEVNULL);"
        "print(holder.pid, flush=True); time.sleep(60)"
    )
    code = CLIENT.format(root=str(FOLDER.parents[1]), action="", last=last)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid, holder = int(parent.stdout.readline()), int(parent.stdout.readline())
        parent.kill()
    try:
        assert alive(holder) and eventually(lambda: not alive(pid))
    finally:
        os.kill(holder, signal.SIGKILL)


def test_a_stopped_engine_does_not_hold_up_closing(client_of: MakeClient) -> None:
    client = client_of()
    pid = client.start().pid
    os.kill(pid, signal.SIGSTOP)
    begun = time.monotonic()
    client.close()
    assert time.monotonic() - begun < 20.0 and eventually(lambda: not alive(pid))


BROKEN_PIPE = """
import os, signal, sys
sys.path[:0] = [{root!r}, {root!r} + '/tests/engine']
# As in Blender, which leaves this signal as the system has it: a write to a dead process ends the writer.
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
from livehand_core.engine.client import EngineClient
from livehand_core.errors import EngineError
from helpers import FAKE, FAKE_ENVIRONMENT, make_request
client = EngineClient(sys.executable, FAKE_ENVIRONMENT, arguments=FAKE)
for _ in range(3):
    pid = client.start().pid
    os.kill(pid, signal.SIGKILL)
    for number in range(300):
        client.submit(make_request(), f"viewport {{number}}")
    try:
        client.render(make_request())
    except EngineError:
        # The end was noticed only now, by this request; as its text says, the next one starts a new engine.
        client.render(make_request())
client.close()
print("alive", flush=True)
"""


def test_a_host_that_heeds_broken_pipes_survives_its_engine() -> None:
    code = BROKEN_PIPE.format(root=str(FOLDER.parents[1]))
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert answer.returncode == 0 and "alive" in answer.stdout, (answer.returncode, answer.stderr)


def test_a_stopped_engine_ends_a_render_that_nobody_cancels(client_of: MakeClient, tmp_path: Path) -> None:
    client = client_of(silence=8.0, log_path=tmp_path / "engine.log")
    pid = client.start().pid
    threading.Timer(0.3, os.kill, (pid, signal.SIGSTOP)).start()
    begun = time.monotonic()
    with pytest.raises(EngineError, match="no sign of life for 8 s") as caught:
        client.render(make_request("sleep:60"))
    assert time.monotonic() - begun < 30.0 and "start it anew" in caught.value.remedy
    assert not alive(pid)
    assert client.render(make_request(focal=4.0))["rgba"].max() == 4.0


def test_a_long_frame_is_no_silence(client_of: MakeClient) -> None:
    client = client_of(silence=8.0)
    assert client.render(make_request("sleep:12")).images


def test_an_engine_is_quoted_by_its_own_words_only(client_of: MakeClient, tmp_path: Path) -> None:
    log = tmp_path / "engine.log"
    log.write_text("RuntimeError: what an earlier engine said\n")
    client = client_of(log_path=log, environment={"PYTHONPATH": str(FOLDER)})
    pid = client.start().pid
    threading.Timer(0.3, os.kill, (pid, signal.SIGKILL)).start()
    with pytest.raises(EngineError, match="signal 9") as caught:
        client.render(make_request("sleep:30"))
    assert "earlier engine" not in str(caught.value)
    assert "earlier engine" in log.read_text()
