"""Windows and macOS where the code branches, as far as another system can play them: locks, renames, signals, memory,
names. What is faked is the module that the code asks, so that all else goes on as it is here."""

from __future__ import annotations

import importlib.util
import mmap
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from livehand_core import cache, claims, documents, files, interrupts, processes
from livehand_core.engine import interpreters
from livehand_core.errors import LiveHandError
from livehand_core.files import atomic_path, remove_leftovers, safe_name
from livehand_core.training import monitor
from tests.chaos.watch import ROOT, here
from tests.chaos.writers import WRITERS

SLURM = ROOT / "livehand_core" / "training" / "cluster.py"
"""What runs in Slurm's jobs only, which is Linux."""
SOURCES = [
    path
    for package in ("livehand_core", "livehand_blender")
    for path in (ROOT / package).rglob("*.py")
    if path != SLURM
]


class Posing:
    """A module of the standard library with some of its names changed."""

    def __init__(self, module: ModuleType, **changes: Any) -> None:
        self._module, self._changes = module, changes

    def __getattr__(self, name: str) -> Any:
        return self._changes[name] if name in self._changes else getattr(self._module, name)


class Msvcrt(ModuleType):
    """Windows' locks of parts of files: by handle, mandatory, gone with the handle."""

    LK_NBLCK, LK_UNLCK = 2, 0

    def __init__(self) -> None:
        super().__init__("msvcrt")
        self.held: dict[tuple[int, int], int] = {}
        self.modes: list[int] = []

    def locking(self, descriptor: int, mode: int, count: int) -> None:
        assert count == 1 and os.lseek(descriptor, 0, os.SEEK_CUR) == 0
        status = os.fstat(descriptor)
        key = (status.st_dev, status.st_ino)
        holder = self.held.get(key)
        if mode != self.LK_UNLCK and holder is not None and (holder == descriptor or not _open(holder, key)):
            # No handle locks twice: this one has the number of one that was closed.
            holder = None
        if mode == self.LK_UNLCK:
            assert holder == descriptor
            del self.held[key]
        elif holder is not None:
            raise PermissionError(13, "Permission denied")
        else:
            self.held[key] = descriptor

    def setmode(self, descriptor: int, mode: int) -> None:
        self.modes.append(mode)


def _open(descriptor: int, key: tuple[int, int]) -> bool:
    try:
        status = os.fstat(descriptor)
    except OSError:
        return False
    return (status.st_dev, status.st_ino) == key


@pytest.fixture
def msvcrt(monkeypatch: pytest.MonkeyPatch) -> Iterator[Msvcrt]:
    """Windows, for the files of the core."""
    fake = Msvcrt()
    monkeypatch.setitem(sys.modules, "msvcrt", fake)
    monkeypatch.setattr(files, "os", Posing(os, name="nt"))
    yield fake


def test_a_lock_of_windows_is_held_by_one_and_seen_by_others(msvcrt: Msvcrt, tmp_path: Path) -> None:
    assert not processes.is_running(tmp_path)
    with processes.held(tmp_path, LiveHandError("taken")):
        assert msvcrt.held and processes.is_running(tmp_path)
        with pytest.raises(LiveHandError, match="taken"), processes.held(tmp_path, LiveHandError("taken")):
            pass
    assert not processes.is_running(tmp_path), "closing the file gives it back"
    with processes.held(tmp_path, LiveHandError("taken")):
        pass


def refusing(times: int, calls: list[int]) -> Callable[[Any, Any], None]:
    """``os.replace`` where a reader has the target open for so many tries."""

    def replace(source: Any, target: Any) -> None:
        calls.append(1)
        if len(calls) <= times:
            raise PermissionError(13, "Access is denied")
        os.replace(source, target)

    return replace


def test_a_rename_waits_for_the_readers_of_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    target = tmp_path / "status.json"
    target.write_text("old")
    monkeypatch.setattr(files, "os", Posing(os, name="nt", replace=refusing(3, calls)))
    with atomic_path(target) as temporary:
        temporary.write_text("new")
    assert target.read_text() == "new" and len(calls) == 4
    monkeypatch.setattr(files, "RENAME_SECONDS", 0.2)
    monkeypatch.setattr(files, "os", Posing(os, name="nt", replace=refusing(1 << 30, [])))
    with pytest.raises(LiveHandError, match=r"status\.json cannot be written"), atomic_path(target) as temporary:
        temporary.write_text("newer")
    assert target.read_text() == "new" and [path.name for path in tmp_path.iterdir()] == ["status.json"]
    # Elsewhere a refusal is one.
    calls.clear()
    monkeypatch.setattr(files, "os", Posing(os, name="posix", replace=refusing(3, calls)))
    with pytest.raises(LiveHandError), atomic_path(target) as temporary:
        temporary.write_text("newer")
    assert len(calls) == 1


def test_what_a_killed_writer_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    left = [".checkpoint.0123abcd.tmp.pt", ".status.aaaaaaaa.tmp.json"]
    others = [".order.0123abcd.tmp.txt", ".hidden", "status.json", ".a.tmp", ".x.0123abcg.tmp.pt", "a.0123abcd.tmp.pt"]
    for name in [*left, *others]:
        (tmp_path / name).write_text("")
    remove_leftovers(tmp_path, "order.txt")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(others)
    for name in ("a.json", "no suffix", "two.parts.npz", "x" * 250):
        with pytest.raises(ZeroDivisionError), atomic_path(tmp_path / name) as temporary:
            temporary.write_text("")
            os.link(temporary, tmp_path / "kept")
            copy = temporary
            raise ZeroDivisionError
        os.rename(tmp_path / "kept", copy)
        remove_leftovers(tmp_path)
        assert not copy.exists(), f"{copy.name} is known for what it is"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("My Hand", "My Hand"),
        ("a/b\\c:d", "a_b_c_d"),
        ("CON", "_CON"),
        ("con.old", "_con.old"),
        ("Com1", "_Com1"),
        ("LPT9.", "_LPT9"),
        ("console", "console"),
        (" .. ", "hand"),
        ("", "hand"),
        ("h\u00e4nd \u624b", "h\u00e4nd \u624b"),
        ("a\x00b\ud800", "a_b_"),
        ("ends. ", "ends"),
    ],
)
def test_names_that_every_system_takes(text: str, name: str, tmp_path: Path) -> None:
    assert safe_name(text, "hand") == name
    (tmp_path / name).mkdir()


@pytest.mark.parametrize("letter", ["a", "\u00e4", "\u624b", "\U0001f590"])
def test_long_names_are_cut_and_written(letter: str, tmp_path: Path) -> None:
    name = safe_name(letter * 500, "hand")
    assert 190 < len(name.encode()) <= 200 and set(name) == {letter}
    with atomic_path(tmp_path / f"{name} 2.safetensors") as temporary:
        temporary.write_text("x")


@pytest.mark.parametrize("name", [name for name in WRITERS if not name.startswith("mesh")])
def test_everything_is_written_into_long_foreign_paths(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "a folder with spaces" / "h\u00e4nde \u624b \U0001f590" / ("long " * 35).strip()
    if name == "curves":
        folder.mkdir(parents=True)
    WRITERS[name](folder, 1)
    assert any(folder.iterdir())


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/livehand/cache"),
        ("win32", {}, "HOME/AppData/Local/livehand/cache"),
        ("darwin", {}, "HOME/Library/Caches/livehand"),
        ("linux", {"XDG_CACHE_HOME": "/x"}, "/x/livehand"),
        ("linux", {}, "HOME/.cache/livehand"),
    ],
)
def test_the_cache_is_where_each_system_keeps_them(
    platform: str, variables: dict[str, str], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("LIVEHAND_CACHE", "LOCALAPPDATA", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(cache, "sys", Posing(sys, platform=platform))
    assert cache.cache_folder() == Path(expected.replace("HOME", str(tmp_path)))


def test_processes_of_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No sessions, no groups, no signals: a flag against consoles, and the process alone is ended."""
    monkeypatch.setattr(interpreters, "sys", Posing(sys, platform="win32"))
    monkeypatch.setattr(interpreters.subprocess, "CREATE_NO_WINDOW", 0x08000000, raising=False)
    monkeypatch.setattr(interpreters, "os", Posing(os, killpg=None))
    monkeypatch.setattr(interpreters, "signal", SimpleNamespace())
    assert interpreters.start_options() == {"creationflags": 0x08000000}
    assert interpreters.environment_python(tmp_path) == tmp_path / "Scripts" / "python.exe"
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        interpreters.kill(process)
        assert process.wait(20.0) != 0
    interpreters.kill(process)


def test_a_process_of_windows_is_never_asked_by_a_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    """There ``os.kill`` would end it."""
    ended = []
    monkeypatch.setattr(claims, "os", Posing(os, name="nt", kill=lambda *given: ended.append(given)))
    assert claims._lives(1 << 30) and not ended
    monkeypatch.setattr(claims, "os", Posing(os, name="posix"))
    assert not claims._lives((1 << 22) + 12345)


def test_a_stop_of_windows_interrupts_the_main_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    interrupted = []
    monkeypatch.setattr(monitor, "os", Posing(os, name="nt", kill=None))
    monkeypatch.setattr(monitor, "_thread", SimpleNamespace(interrupt_main=lambda: interrupted.append(1)))
    monitor._interrupt()
    assert interrupted


@pytest.mark.parametrize("missing", [(), ("SIGTERM",), ("SIGBREAK",)])
def test_interrupts_with_the_signals_that_there_are(missing: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows has one more, which stands for another here; some hosts have fewer."""

    class Signals:
        SIGINT, signal = signal.SIGINT, staticmethod(signal.signal)

    for name, number in (("SIGTERM", signal.SIGTERM), ("SIGBREAK", signal.SIGUSR1)):
        if name not in missing:
            setattr(Signals, name, number)
    monkeypatch.setattr(interrupts, "signal", Signals)
    before = signal.getsignal(signal.SIGINT)
    with interrupts.interruptible("stopping") as asked:
        signal.raise_signal(signal.SIGUSR1 if "SIGBREAK" not in missing else signal.SIGTERM)
        assert asked()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_folder_that_windows_does_not_permit_to_open_is_called_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(documents, "os", Posing(os, open=refuse))
    reader = documents.Reader("The motion")
    with pytest.raises(LiveHandError, match="it is a folder"):
        reader.read(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(LiveHandError, match="may not be read"):
        reader.read(tmp_path / "file")


class Sections:
    """Windows' named memory: made by whoever names it first, gone with the last mapping."""

    def __init__(self) -> None:
        self.known: dict[str, mmap.mmap] = {}

    def mmap(self, descriptor: int, size: int, tagname: str = "") -> Any:
        assert descriptor == -1 and tagname
        shared = self.known.setdefault(tagname, mmap.mmap(-1, size))
        assert len(shared) >= size
        return shared


def test_images_go_through_the_named_memory_of_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The module once more, as Windows imports it: without POSIX's shared memory."""
    monkeypatch.setitem(sys.modules, "_posixshmem", None)
    name = "livehand_core.engine.memory"
    spec = importlib.util.spec_from_file_location(name, importlib.util.find_spec(name).origin)  # type: ignore[union-attr,arg-type]
    assert spec is not None and spec.loader is not None
    memory = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, memory)
    with monkeypatch.context() as windows:
        windows.setattr(sys, "platform", "win32")
        spec.loader.exec_module(memory)
    monkeypatch.setattr(memory, "sys", Posing(sys, platform="win32"))
    sections = Sections()
    monkeypatch.setattr(memory, "mmap", sections)
    prefix = memory.random_prefix()
    pool, reader = memory.BlockPool(prefix), memory.BlockReader(prefix)
    for value in (1.0, 2.0):
        told = pool.fill({"rgba": np.full((8, 9, 4), value, np.float32)})
        np.testing.assert_array_equal(reader.images(told)["rgba"], np.full((8, 9, 4), value, np.float32))
        pool.release(told["block"])
    # A name that nobody holds gives zeros there; the serial number tells.
    sections.known.clear()
    with pytest.raises(LiveHandError, match="gone"):
        memory.BlockReader(prefix).images(told)


def test_the_engines_pipes_are_binary_on_windows(msvcrt: Msvcrt, monkeypatch: pytest.MonkeyPatch) -> None:
    from livehand_core.engine import __main__ as engine

    copies = iter([100, 101])
    fake = Posing(
        os, dup=lambda _: next(copies), open=lambda *_: 102, dup2=lambda *_: 0, close=lambda _: None, O_BINARY=0x8000
    )
    monkeypatch.setattr(engine, "os", fake)
    monkeypatch.setattr(engine, "sys", Posing(sys, platform="win32"))
    assert engine.claim_streams() == (100, 101) and msvcrt.modes == [0x8000, 0x8000]


def test_letters_that_the_terminal_has_not_end_no_command(tmp_path: Path) -> None:
    """As where Windows' old code pages are in force and the output goes into a file."""
    folder = tmp_path / "h\u00e4nd \u624b"
    writer = [sys.executable, "-c", "from livehand_core import cli; import sys; sys.exit(cli.main(sys.argv[1:]))"]
    for words in (["check", str(folder)], ["train", "--status", str(folder)]):
        environment = {**here(), "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
        answer = subprocess.run([*writer, *words], capture_output=True, text=True, env=environment, cwd=ROOT)
        assert answer.returncode == 2 and "Traceback" not in answer.stderr and "\\u624b" in answer.stderr, answer
    from livehand_core.training.control import RunStatus, write_status

    write_status(folder, RunStatus("done", "h\u00e4nd \u624b", message="\u624b"))
    answer = subprocess.run(
        [*writer, "train", "--status", str(folder)],
        capture_output=True, text=True, cwd=ROOT, env={**here(), "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
    )  # fmt: skip
    assert answer.returncode == 0 and "\\u624b" in answer.stdout, answer


def test_nothing_forks() -> None:
    """Windows cannot, macOS should not, and Blender's threads would not come along."""
    forks = r"os\.fork\(|preexec_fn|multiprocessing\.(Process|Pool)\("
    careless = re.compile(forks + r"|get_context\((?!.spawn.)|ProcessPoolExecutor\([^,]*\)")
    assert not [path for path in SOURCES if careless.search(path.read_text(encoding="utf-8"))]


def test_no_process_opens_a_console_on_windows() -> None:
    """Each that stays is started with the system's options: without a window there, in a session of its own here."""
    calls = [call for path in SOURCES for call in path.read_text(encoding="utf-8").split("Popen(")[1:]]
    assert len(calls) > 5 and not [call[:200] for call in calls if "start_options()" not in call[:500]]


def test_signals_that_windows_lacks_are_named_behind_a_question() -> None:
    """``signal.SIGKILL`` is an AttributeError there: it stands where POSIX was asked for in the same function."""
    lacking = re.compile(r"signal\.(SIGKILL|SIGSTOP|SIGHUP|SIGPIPE)|os\.(killpg|geteuid|getuid|mkfifo|statvfs)\(")
    asked = re.compile(r"win32|os\.name|hasattr\((os|signal)|platform")
    found = []
    for path in SOURCES:
        for function in re.split(r"\n(?=def |    def |class )", path.read_text(encoding="utf-8")):
            if lacking.search(function) and not asked.search(function):
                found.append(f"{path.name}: {function.splitlines()[0]}")
    assert not found
