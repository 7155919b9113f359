"""Disks that fill, that may only be read, and that two programs write to: what was there stays, and nothing half."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from livehand_core.errors import LiveHandError
from tests.chaos.conftest import Amount, Note
from tests.chaos.watch import ROOT, TESTS, here
from tests.chaos.writers import WRITERS

DISK_BYTES = 8 << 20
PAGE = 4096


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A small disk of its own."""
    folder = tmp_path_factory.mktemp("disk")
    mounting = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    if sys.platform != "linux" or subprocess.run(mounting, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root on Linux")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(ballast: Path, left: int) -> None:
    """Fill the disk but for ``left`` bytes."""
    free = os.statvfs(ballast.parent)
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        for _ in range(max(free.f_bavail - left // PAGE, 0)):
            file.write(bytes(PAGE))


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_loses_nothing_and_says_so(disk: Path, name: str, amount: Amount, note: Note) -> None:
    write, folder, ballast = WRITERS[name], disk / name.replace(" ", "_"), disk / "ballast"
    folder.mkdir()
    write(folder, 0)
    before = contents(folder)
    size = max(map(len, before.values()))
    parts, refused = amount(2, 8), 0
    for left in sorted({0, *(size * part // parts // PAGE * PAGE for part in range(parts))}):
        fill(ballast, left)
        try:
            write(folder, 1)
        except LiveHandError as error:
            refused += 1
            assert "disk is full" in error.message or "No space left" in error.message, error
            assert contents(folder) == before, (name, left)
        finally:
            ballast.unlink()
    assert refused or name in ("curves", "plan"), "the disk was never full"
    write(folder, 2)
    after = contents(folder)
    assert after.keys() == before.keys() and (after != before or name in ("curves", "plan"))
    note(f"full disk: {name}", f"refused {refused} times, nothing lost, written after room was made")


@pytest.mark.parametrize("name", WRITERS)
def test_a_disk_that_may_only_be_read_is_named(disk: Path, name: str) -> None:
    folder = disk / f"read_{name.replace(' ', '_')}"
    folder.mkdir()
    WRITERS[name](folder, 0)
    before = contents(folder)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    try:
        with pytest.raises(LiveHandError, match=r"cannot be written|Read-only|could not write") as caught:
            WRITERS[name](folder, 1)
        assert folder.name in str(caught.value) or name == "film"
        with pytest.raises(LiveHandError, match=r"cannot be written|Read-only|could not write"):
            WRITERS[name](folder / "new", 1)
        assert contents(folder) == before
    finally:
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)


def test_what_is_kept_for_the_next_start_is_not_worth_a_frame(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Findings and the engine's log go without saying when there is no room; frames are drawn all the same."""
    from livehand_core.engine.log import EngineLog
    from livehand_core.kernels.networks.field import EmptySpace
    from livehand_core.networks.config import FieldConfig
    from livehand_core.rendering.cpu import findings
    from livehand_core.rendering.cpu.quantisation.field import FieldArithmetic
    from livehand_core.rendering.cpu.quantisation.super_resolution import SuperResolutionArithmetic

    monkeypatch.setenv("LIVEHAND_CACHE", str(disk / "cache"))
    exact = FieldArithmetic.exact(FieldConfig(depth=2, width=16))
    found = findings.Findings(exact, SuperResolutionArithmetic(), EmptySpace.unknown())
    fill(disk / "ballast", 0)
    try:
        findings.save_findings("key", found)
        log = EngineLog(disk / "logs" / "engine.log")
        with subprocess.Popen([sys.executable, "-c", "import sys; print('said', file=sys.stderr)"], stderr=log.stream):
            pass
        log.close()
    finally:
        (disk / "ballast").unlink()
    assert findings.load_findings("key", FieldConfig(depth=2, width=16), False) is None
    assert not [path for path in (disk / "cache").rglob("*") if path.is_file()]
    findings.save_findings("key", found)
    assert findings.load_findings("key", FieldConfig(depth=2, width=16), False) is not None


WRITING = f"""{TESTS}
from pathlib import Path
from tests.chaos.writers import WRITERS
names, folder, first, count = sys.argv[1].split(","), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
for number in range(count):
    for name in names:
        WRITERS[name](folder / name.replace(" ", "_"), first + number % 3)
"""


def test_two_programs_that_write_the_same_files_leave_one_of_them_whole(tmp_path: Path, amount: Amount) -> None:
    """A reader meanwhile never meets half a file."""
    names = ["avatar", "checkpoint", "status", "poses", "picture", "record"]
    count, seen = amount(6, 100), 0
    for name in names:
        (tmp_path / name).mkdir()
        WRITERS[name](tmp_path / name, 0)
    command = [sys.executable, "-c", WRITING, ",".join(names), str(tmp_path)]
    writers = [subprocess.Popen([*command, str(first), str(count)], cwd=ROOT, env=here()) for first in (10, 20)]
    try:
        while any(writer.poll() is None for writer in writers):
            seen += 1
            _read_all(tmp_path)
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
    assert [writer.returncode for writer in writers] == [0, 0] and seen > 3
    _read_all(tmp_path)
    assert not [path for path in tmp_path.rglob(".*") if path.is_file()]


def _read_all(folder: Path) -> None:
    import torch

    from livehand_core.avatars.arrays import read_arrays
    from livehand_core.captures.images import read_rgba8
    from livehand_core.motion import read_motion
    from livehand_core.training.checkpoints import load_checkpoint
    from livehand_core.training.control import read_status

    read_arrays(folder / "avatar" / "a.safetensors")
    found = load_checkpoint(folder / "checkpoint", torch.device("cpu"))
    assert (found.model["weight"] == found.step).all()
    read_status(folder / "status")
    assert len(read_motion(folder / "poses" / "poses.npz").sequence.poses) == 200
    read_rgba8(folder / "picture" / "picture.png")
