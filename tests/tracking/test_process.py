"""The tracker as a process: newest frame wins, it ends with its parent, and a failure is one clear error."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from livehand_core.errors import EngineError, LiveHandError
from livehand_core.tracking.client import Newest, TrackerClient
from livehand_core.tracking.values import TrackingOptions

from . import films

LITE = TrackingOptions(hands="auto", detail="lite", calibrate=False)
ROOT = Path(__file__).resolve().parents[2]


def eventually(said: Callable[[], object], seconds: float = 40.0) -> object:
    """Wait until something is so."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if answer := said():
            return answer
        time.sleep(0.02)
    raise AssertionError("it did not come to pass")


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.fixture
def client() -> Iterator[TrackerClient]:
    made = TrackerClient(lambda: Path(sys.executable))
    yield made
    made.close()


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return films.write_film(tmp_path_factory.mktemp("film") / "hand.mp4", films.moving(30))


def test_nothing_runs_before_start_and_nothing_after_stop(client: TrackerClient, film: Path) -> None:
    assert client.status == "off" and client.pid is None and client.newest() is None
    client.start(str(film), LITE, loop=True)
    first = eventually(client.newest)
    assert isinstance(first, Newest) and client.status == "running" and client.source_name == "hand.mp4"
    assert eventually(lambda: (new := client.newest()) and new.frame.hands)[0].pose.side == "right"  # type: ignore[index]
    pid = client.pid
    assert pid is not None and alive(pid)
    client.stop()
    assert client.status == "off" and client.newest() is None
    eventually(lambda: not alive(pid), 6.0)


def test_the_newest_frame_wins(client: TrackerClient, film: Path) -> None:
    """A client that sleeps finds the present frame, not those that came meanwhile."""
    client.start(str(film), LITE, loop=True)
    before = eventually(client.newest)
    assert isinstance(before, Newest)
    time.sleep(2.0)
    after = eventually(client.newest)
    assert isinstance(after, Newest)
    assert after.frame.time - before.frame.time > 1.2
    assert time.monotonic() - after.came < 1.0


def test_a_film_without_loop_ends_and_says_so(client: TrackerClient, tmp_path: Path) -> None:
    client.start(str(films.write_film(tmp_path / "short.mp4", films.moving(3))), LITE)
    eventually(lambda: client.status == "ended")
    assert client.error is None


def test_what_cannot_be_opened_is_told_with_its_remedy(client: TrackerClient, tmp_path: Path) -> None:
    for source, word in (("camera:63", "amera 63"), (str(tmp_path / "no.mp4"), "does not exist")):
        client.start(source, LITE)
        eventually(lambda: client.status == "failed")
        assert client.error is not None and word in client.error.message and client.error.remedy
    # And another start begins anew.
    client.start(str(films.write_film(tmp_path / "film.mp4", films.moving(2))), LITE, loop=True)
    eventually(client.newest)
    assert client.error is None


def test_a_python_without_the_libraries_is_told(tmp_path: Path) -> None:
    def none() -> Path:
        raise EngineError("No Python serves.", "Make one.")

    client = TrackerClient(none)
    client.start("camera:0", LITE)
    eventually(lambda: client.status == "failed")
    assert client.error is not None and client.error.message == "No Python serves."
    bare = tmp_path / "bare.py"
    bare.write_text("#!/bin/sh\nexit 3\n")
    bare.chmod(0o755)
    client = TrackerClient(lambda: bare)
    client.start("camera:0", LITE)
    eventually(lambda: client.status == "failed")
    assert isinstance(client.error, LiveHandError) and "code 3" in client.error.message


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_tracker_that_is_killed_takes_nobody_along(client: TrackerClient, film: Path) -> None:
    client.start(str(film), LITE, loop=True)
    eventually(client.newest)
    assert client.pid is not None
    os.kill(client.pid, signal.SIGKILL)
    eventually(lambda: client.status == "failed")
    assert client.error is not None and "ended unexpectedly" in client.error.message
    client.start(str(film), LITE, loop=True)
    eventually(client.newest)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_it_ends_with_its_parent(film: Path) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\n"
        "from livehand_core.tracking.client import TrackerClient\n"
        "from livehand_core.tracking.values import TrackingOptions\n"
        "client = TrackerClient(lambda: Path(sys.executable))\n"
        f"client.start({str(film)!r}, TrackingOptions(detail='lite'), loop=True)\n"
        "while client.newest() is None: time.sleep(0.02)\n"
        "print(client.pid, flush=True)\ntime.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert alive(pid)
    parent.kill()
    parent.wait()
    eventually(lambda: not alive(pid), 8.0)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_it_opens_no_port_and_writes_no_picture(client: TrackerClient, film: Path, tmp_path: Path) -> None:
    client = TrackerClient(lambda: Path(sys.executable), {"TMPDIR": str(tmp_path)})
    client.start(str(film), LITE, loop=True)
    eventually(client.newest)
    links = [os.readlink(f"/proc/{client.pid}/fd/{name}") for name in os.listdir(f"/proc/{client.pid}/fd")]
    sockets = {link.removeprefix("socket:[").rstrip("]") for link in links if link.startswith("socket:")}
    for table in ("tcp", "tcp6", "udp", "udp6"):
        rows = Path(f"/proc/{client.pid}/net/{table}").read_text().splitlines()[1:]
        assert not sockets & {row.split()[9] for row in rows}
    client.close()
    assert not list(tmp_path.iterdir())
