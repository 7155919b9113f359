"""A file is made by one program only, and by another one when its maker is gone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from livehand_core import claims
from livehand_core.claims import claimed
from livehand_core.errors import LiveHandError

HOLD = """
import sys, time
from pathlib import Path
from livehand_core.claims import claimed
with claimed(Path(sys.argv[1])) as holder:
    print("other" if holder else "mine", flush=True)
    time.sleep(60 if holder is None else 0)
"""


def hold(target: Path) -> tuple[subprocess.Popen[str], str]:
    """Another program that claims the target; what it said."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(target)], stdout=subprocess.PIPE, text=True)
    return process, process.stdout.readline().strip()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_another_program_sees_the_claim_until_its_end(tmp_path: Path) -> None:
    target = tmp_path / "0001.png"
    with claimed(target) as holder:
        assert holder is None
        with claimed(target) as again:
            assert again is not None and again.pid == os.getpid() and str(os.getpid()) in str(again)
        assert hold(target)[1] == "other"
        assert names(tmp_path) == [".0001.png.claim1"]
    assert names(tmp_path) == []
    with claimed(target) as holder:
        assert holder is None


def test_a_dead_holders_claim_is_taken_over_at_once(tmp_path: Path) -> None:
    target = tmp_path / "0001.png"
    process, said = hold(target)
    assert said == "mine"
    with claimed(target) as holder:
        assert holder is not None and holder.pid == process.pid
    process.kill()
    process.wait()
    with claimed(target) as holder:
        assert holder is None
        assert hold(target)[1] == "other"
    assert names(tmp_path) == []


@pytest.mark.parametrize("content", ["", "{", "[]", json.dumps({"host": "far", "space": "", "pid": 1, "began": 0.0})])
def test_a_claim_that_nobody_touches_counts_for_a_while_only(tmp_path: Path, content: str) -> None:
    target, claim = tmp_path / "0001.png", tmp_path / ".0001.png.claim3"
    claim.write_text(content)
    with claimed(target) as holder:
        assert holder is not None
    old = time.time() - claims.STALE_SECONDS - 5.0
    os.utime(claim, (old, old))
    with claimed(target) as holder:
        assert holder is None and ".0001.png.claim4" in names(tmp_path)
    assert names(tmp_path) == []


def test_a_claim_is_touched_while_it_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "TOUCH_SECONDS", 0.05)
    with claimed(tmp_path / "a"):
        claim = tmp_path / ".a.claim1"
        os.utime(claim, (1.0, 1.0))
        deadline = time.monotonic() + 10.0
        while claim.stat().st_mtime < 2.0:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_of_many_that_find_a_dead_claim_one_takes_it(tmp_path: Path) -> None:
    for attempt in range(20):
        target = tmp_path / f"{attempt}.png"
        process, _ = (None, None) if attempt else hold(target)
        if process is not None:
            process.kill()
            process.wait()
        ready, won = threading.Barrier(8), []

        def take(ready: threading.Barrier = ready, won: list[int] = won, target: Path = target) -> None:
            ready.wait()
            with claimed(target) as holder:
                if holder is None:
                    won.append(1)
                ready.wait()

        threads = [threading.Thread(target=take) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) == 1


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LiveHandError, match="cannot be written"), claimed(tmp_path / "file" / "a.png"):
        pass
