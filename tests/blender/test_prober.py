"""The other Blender that probes: kept through a render and no longer, and how it ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from livehand_core.errors import EngineError

pytestmark = pytest.mark.bpy

CHILD = """
import os, sys
for line in sys.stdin:
    job = open(line.strip()).read()
    print("process", os.getpid(), flush=True)
    if job == "die":
        print("LookupError: no such scene", flush=True)
        sys.exit(1)
    while job == "last":
        pass
    print("LiveHand probe over", flush=True)
"""


@pytest.fixture
def prober(addon: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """One whose other Blender is a small script."""
    import bpy

    from livehand_blender.render import prober as module

    (tmp_path / "probe_child.py").write_text(CHILD, encoding="utf-8")
    monkeypatch.setattr(module, "__file__", str(tmp_path / "prober.py"))
    if bpy.app.binary_path:
        pytest.skip("the script is no Blender")
    made = module.Prober()
    yield made
    made.keep(False)


def ask(prober: Any, tmp_path: Path, job: str = "", cancelled: Any = bool) -> tuple[bool, list[str]]:
    path = tmp_path / "job.json"
    path.write_text(job, encoding="utf-8")
    return prober.run(path, cancelled, lambda line: None)  # type: ignore[no-any-return]


def test_it_is_kept_where_more_is_to_come_and_ends_with_it(prober: Any, tmp_path: Path) -> None:
    import psutil

    alone = [ask(prober, tmp_path)[1] for _ in range(2)]
    assert alone[0] != alone[1], "a process each"
    prober.keep(True)
    together = [ask(prober, tmp_path) for _ in range(3)]
    assert all(done for done, _ in together) and len({lines[0] for _, lines in together}) == 1
    number = int(together[0][1][0].split()[1])
    prober.keep(False)
    assert not psutil.pid_exists(number)


def test_one_that_fails_says_why_and_the_next_begins_anew(prober: Any, tmp_path: Path) -> None:
    prober.keep(True)
    ask(prober, tmp_path)
    done, lines = ask(prober, tmp_path, "die")
    assert not done and lines[-1] == "LookupError: no such scene"
    assert ask(prober, tmp_path)[0]


def test_one_that_is_cancelled_is_ended(prober: Any, tmp_path: Path) -> None:
    prober.keep(True)
    looks = iter(range(100))
    with pytest.raises(EngineError, match="cancelled"):
        ask(prober, tmp_path, "last", lambda: next(looks) > 3)
    assert prober._process is None and ask(prober, tmp_path)[0]
