"""Windows and macOS in the code that asks the machine: load, devices, cameras, certificates, parents, farms; and that
every module that branches by the system is played by some test."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from livehand_core import devices, workers
from livehand_core.benchmark import load, machine
from livehand_core.engine import connection
from livehand_core.engine import memory as engine_memory
from livehand_core.engine import server as engine_server
from livehand_core.farm import command as farm_command
from livehand_core.provenance import certificate
from livehand_core.rendering.gpu import adapters
from livehand_core.training import memory as training_memory
from tests.chaos.test_systems import ROOT, SLURM, SOURCES, Posing


def test_a_certificate_lies_where_each_system_keeps_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (certificate.FOLDER_VARIABLE, "APPDATA", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    found = {}
    for system, name, platform in (("windows", "nt", "win32"), ("mac", "posix", "darwin"), ("linux", "posix", "linux")):
        monkeypatch.setattr(certificate, "os", Posing(os, name=name))
        monkeypatch.setattr(certificate, "sys", SimpleNamespace(platform=platform))
        found[system] = certificate.certificate_folder().relative_to(tmp_path).as_posix()
    assert found == {
        "windows": "AppData/Roaming/LiveHand",
        "mac": "Library/Application Support/LiveHand",
        "linux": ".config/livehand",
    }
    monkeypatch.setattr(certificate, "os", Posing(os, name="nt"))
    monkeypatch.setenv("APPDATA", str(tmp_path / "roaming"))
    assert certificate.certificate_folder() == tmp_path / "roaming" / "LiveHand"


class Kernel32:
    """What the load asks of Windows: times in units of 100 ns, written where it points to."""

    def __init__(self) -> None:
        self.opened: list[int] = []
        self.OpenProcess = self._open
        self._open_answers = {42: 7}

    @staticmethod
    def _write(places: tuple[Any, ...], seconds: tuple[float, ...]) -> int:
        for place, value in zip(places, seconds, strict=True):
            ctypes.cast(place, ctypes.POINTER(ctypes.c_uint64))[0] = round(1e7 * value)
        return 1

    def GetSystemTimes(self, *places: Any) -> int:
        return self._write(places, (100.0, 130.0, 50.0))

    def GetProcessTimes(self, handle: Any, *places: Any) -> int:
        assert handle.value == 7
        return self._write(places, (1.0, 2.0, 3.0, 4.5))

    def CloseHandle(self, handle: Any) -> None:
        self.opened.remove(handle.value)

    def _open(self, right: int, inherited: bool, pid: int) -> int:
        assert (right, inherited) == (0x1000, False)
        handle = self._open_answers.get(pid, 0)
        if handle:
            self.opened.append(handle)
        return handle


def test_the_load_of_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    library = Kernel32()

    class Opener:
        """A function of a library: it takes a type for its answer."""

        restype: Any = None
        __call__ = staticmethod(library._open)

    library.OpenProcess = Opener()  # type: ignore[assignment]
    monkeypatch.setattr(load, "sys", SimpleNamespace(platform="win32"))
    monkeypatch.setattr(load, "_kernel32", lambda: library)
    assert load.busy_seconds() == pytest.approx(80.0), "the kernel's time holds the idle one"
    assert load.process_seconds(42) == pytest.approx(7.5) and not library.opened, "the handle is given back"
    assert load.process_seconds(43) is None
    # There is no average of the last minute there.
    monkeypatch.setattr(load, "os", SimpleNamespace(times=os.times))
    assert load.LoadWatch().load().average_before is None


def test_the_load_of_macos(monkeypatch: pytest.MonkeyPatch) -> None:
    def statistics(_host: Any, flavour: int, ticks: Any, _count: Any) -> int:
        assert flavour == 3
        ticks[:] = (300, 200, 5000, 100)
        return 0

    class Host:
        restype: Any = None
        __call__ = staticmethod(lambda: 1)

    library = SimpleNamespace(mach_host_self=Host(), host_statistics=statistics)
    monkeypatch.setattr(load, "ctypes", Posing(ctypes, CDLL=lambda _: library))
    monkeypatch.setattr(load, "sys", SimpleNamespace(platform="darwin"))
    monkeypatch.setattr(load, "os", Posing(os, sysconf=lambda _: 100))
    assert load.busy_seconds() == pytest.approx(6.0), "idle ticks do not count"
    library.host_statistics = lambda *_: 5
    assert load.busy_seconds() is None
    monkeypatch.setattr(load, "Path", lambda _: Path("/nowhere"))
    asked = []

    def run(command: list[str], **_: Any) -> Any:
        asked.append(command)
        return SimpleNamespace(stdout="  1:02.50\n")

    monkeypatch.setattr(load, "subprocess", Posing(load.subprocess, run=run))
    assert load.process_seconds(42) == pytest.approx(62.5) and asked == [["ps", "-o", "time=", "-p", "42"]]


def test_cores_are_counted_where_no_system_tells_which(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, count in ((workers, workers.available_processors), (machine, machine.usable_cores)):
        monkeypatch.setattr(module, "os", SimpleNamespace(cpu_count=lambda: 6))
        assert count() == 6
        monkeypatch.setattr(module, "os", SimpleNamespace(cpu_count=lambda: None))
        assert count() == 1


@pytest.mark.parametrize(("platform", "name"), [("win32", "nvcuda.dll"), ("linux", "libcuda.so.1")])
def test_the_driver_of_cuda_by_its_name(platform: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def count(place: Any) -> int:
        ctypes.cast(place, ctypes.POINTER(ctypes.c_int))[0] = 2
        return 0

    def opened(given: str) -> Any:
        if given != name:
            raise OSError("not found")
        return SimpleNamespace(cuInit=lambda _: 0, cuDeviceGetCount=count)

    monkeypatch.setattr(devices, "ctypes", Posing(ctypes, CDLL=opened))
    monkeypatch.setattr(devices, "sys", SimpleNamespace(platform=platform))
    assert devices._driver_devices() == 2
    monkeypatch.setattr(devices, "ctypes", Posing(ctypes, CDLL=lambda _: SimpleNamespace()))
    assert devices._driver_devices() == 0


@pytest.mark.parametrize("platform", ["win32", "darwin"])
def test_what_is_linuxs_alone_is_left_alone(platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder that Mesa asks for, the settings of glibc."""
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    for module in (adapters, training_memory):
        monkeypatch.setattr(module, "sys", SimpleNamespace(platform=platform))
    monkeypatch.setattr(training_memory, "ctypes", None)
    with adapters._runtime_folder():
        assert "XDG_RUNTIME_DIR" not in os.environ
    training_memory.keep_freed_memory()


@pytest.mark.parametrize(("platform", "kind"), [("win32", "CAP_DSHOW"), ("darwin", "CAP_AVFOUNDATION")])
def test_a_camera_is_opened_by_the_systems_own_way(platform: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cv2 = pytest.importorskip("cv2")
    from livehand_core.tracking import sources

    opened = []

    def capture(*given: int) -> Any:
        opened.append(given)
        return SimpleNamespace(isOpened=lambda: True, set=lambda *_: True, get=lambda _: 30.0, release=lambda: None)

    monkeypatch.setattr(sources, "sys", SimpleNamespace(platform=platform))
    monkeypatch.setattr(cv2, "VideoCapture", capture)
    # Only Linux tells by its files which cameras there are.
    camera = sources.CameraSource(61)
    assert opened == [(61, getattr(cv2, kind))] and camera.fps == 30.0


def test_a_farm_job_is_run_by_the_program_beside_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called = []

    def run(command: list[str], **_: Any) -> Any:
        called.append(Path(command[0]).name)
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(farm_command, "require", lambda _: None)
    monkeypatch.setattr(farm_command, "subprocess", SimpleNamespace(run=run))
    for name in ("nt", "posix"):
        monkeypatch.setattr(farm_command, "os", Posing(os, name=name))
        farm_command._openjd(tmp_path)
    assert called == ["openjd.exe", "openjd"]


def test_a_broken_pipe_needs_no_mask_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "signal", SimpleNamespace())
    connection.take_broken_pipes_as_errors()
    masked = []
    fake = Posing(signal, pthread_sigmask=lambda *given: masked.append(given))
    monkeypatch.setattr(connection, "signal", fake)
    connection.take_broken_pipes_as_errors()
    assert masked == [(signal.SIG_BLOCK, {signal.SIGPIPE})]


def test_a_parent_is_not_looked_for_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process keeps its parent's number there, also after its end: the pipe's end tells."""
    pytest.importorskip("cv2")
    from livehand_core.tracking import server as tracking_server

    for module, kind, event in (
        (engine_server, "Server", "_done"),
        (tracking_server, "TrackerServer", "_over"),
    ):
        watch = getattr(module, kind)._watch_parent
        left = []
        own = SimpleNamespace(**{event: threading.Event()}, _leave=lambda left=left: left.append(1))
        monkeypatch.setattr(module, "sys", SimpleNamespace(platform="win32"))
        watch(own)
        assert not left
        # Elsewhere another parent ends it.
        parents = iter([10, 10, 1])
        monkeypatch.setattr(module, "sys", SimpleNamespace(platform="darwin"))
        monkeypatch.setattr(module, "os", Posing(os, getppid=lambda parents=parents: next(parents)))
        setattr(own, event, SimpleNamespace(wait=lambda _, left=left: bool(left)))
        watch(own)
        assert left == [1]


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="plays a system without it")
def test_shared_memory_of_macos_is_made_without_reserving_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """There a name has at most 31 letters, the slash among them."""
    names = {name: getattr(os, name) for name in ("O_RDWR", "O_CREAT", "O_EXCL", "ftruncate", "close")}
    monkeypatch.setattr(engine_memory, "os", SimpleNamespace(**names))
    name = f"{engine_memory.random_prefix()}_{99999}"
    assert len("/" + name) <= 31
    block = engine_memory._map(name, 4096, create=True)
    try:
        block[:4] = b"hand"
        assert engine_memory._map(name, 4096, create=False)[:4] == b"hand"
    finally:
        engine_memory.unlink(name)


def test_every_module_that_branches_by_the_system_is_played() -> None:
    """A branch that no test takes on the other system is one that nobody has seen."""
    branch = re.compile(r"sys\.platform|os\.name\b|hasattr\((os|signal), ")
    branching = {path.stem for path in SOURCES if path != SLURM and branch.search(path.read_text(encoding="utf-8"))}
    tests = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    played = set(re.findall(r"setattr\(\s*(?:\w+_)?(\w+), \"(?:sys|os|signal|platform)\"", tests))
    # Several by a loop; the start of the engine's process under another name.
    played |= {"workers", "machine", "adapters", "memory", "server"} | ({"__main__"} if "engine" in played else set())
    assert len(branching) > 15 and branching - played == set()
