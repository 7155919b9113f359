"""The engine's environment: made from wheels without a network, cancelled, refused, replaced when good, removed."""

from __future__ import annotations

import base64
import hashlib
import sys
import threading
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from livehand_blender.environment import lines, recipe
from livehand_blender.environment.recipe import Wish, make_environment, read_stamp, remove_environment
from livehand_core.engine import interpreters
from livehand_core.errors import EngineError, LiveHandError


def never() -> bool:
    return False


def wheel(folder: Path, name: str, version: str = "1.0", requires: tuple[str, ...] = ()) -> Path:
    """A wheel of one empty module."""
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    if name == "livehand_core":
        metadata += "Provides-Extra: engine\nProvides-Extra: train\n"
    metadata += "".join(f"Requires-Dist: {line}\n" for line in requires)
    members = {
        f"{name}/__init__.py": "",
        f"{info}/METADATA": metadata,
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b'=').decode()},\n"
        for path, text in members.items()
    )
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member, text in {**members, f"{info}/RECORD": record + f"{info}/RECORD,,\n"}.items():
            archive.writestr(member, text)
    return path


@pytest.fixture
def wish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wish:
    """An environment of stand-ins for torch and the rest, from wheels."""
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    wheels = tmp_path / "wheels"
    for name in interpreters.REQUIRED_MODULES:
        wheel(wheels, name)
    requires = tuple(
        f'{name} ; extra == "{extra}"' for name in interpreters.REQUIRED_MODULES for extra in ("engine", "train")
    )
    source = wheel(tmp_path, "livehand_core", requires=requires)
    return Wish(tmp_path / "own" / "environment", Path(sys.executable), source, wheels=wheels, online=False)


@pytest.mark.slow
def test_an_environment_is_made_replaced_and_removed_without_a_network(wish: Wish, tmp_path: Path) -> None:
    told: list[tuple[float, str]] = []
    wish = replace(wish, log=tmp_path / "own" / "environment.log")
    stamp = make_environment(wish, lambda part, text: told.append((part, text)), never)
    assert stamp.torch == "1.0" and stamp.current and stamp.python.startswith("3.")
    assert read_stamp(wish.folder) == stamp
    assert [part for part, _ in told] == sorted(part for part, _ in told) and told[-1] == (1.0, "Done")
    assert any("Unpacking" in text for _, text in told)
    assert "Successfully installed" in (tmp_path / "own" / "environment.log").read_text()
    python = interpreters.environment_python(wish.folder)
    assert interpreters.check_interpreter(python)[1] == "1.0"

    # A new one that fails leaves the old one as it was.
    (wish.wheels / "torch-1.0-py3-none-any.whl").unlink()  # type: ignore[operator]
    with pytest.raises(EngineError, match=r"torch.*environment\.log"):
        make_environment(wish, lambda part, text: None, never)
    assert read_stamp(wish.folder) == stamp and not wish.folder.with_name("environment.old").exists()
    remove_environment(wish.folder)
    assert not wish.folder.exists()
    with pytest.raises(EngineError, match="is not there"):
        interpreters.check_interpreter(python)


def test_cancelling_leaves_nothing(wish: Wish) -> None:
    began = time.monotonic()
    with pytest.raises(EngineError, match="cancelled"):
        make_environment(wish, lambda part, text: None, lambda: time.monotonic() - began > 0.3)
    assert not wish.folder.exists()


def test_what_cannot_be_made_is_refused_with_a_remedy(
    wish: Wish, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(changed: Wish, text: str) -> None:
        with pytest.raises(EngineError, match=text) as caught:
            make_environment(changed, lambda part, text: None, never)
        assert caught.value.remedy and not changed.folder.exists()

    refused(replace(wish, wheels=None), "offline")
    refused(replace(wish, wheels=tmp_path / "own"), "no wheels")
    refused(replace(wish, source=tmp_path / "gone.whl"), "is not there")
    refused(replace(wish, base=tmp_path / "gone"), "does not run")
    blocked = tmp_path / "file"
    blocked.write_text("")
    refused(replace(wish, folder=blocked / "environment"), "cannot be written")
    monkeypatch.setitem(recipe.NEEDED_BYTES, "CPU", 1e18)
    refused(replace(wish, wheels=None, online=True), "GB free")


def test_an_unfinished_environment_has_no_stamp(tmp_path: Path) -> None:
    assert read_stamp(tmp_path) is None
    (tmp_path / recipe.STAMP).write_text("{")
    assert read_stamp(tmp_path) is None


def test_progress_is_read_from_pip() -> None:
    told: list[tuple[float, str]] = []
    meter = recipe._Meter(100e6, lambda part, text: told.append((part, text)))
    for line in (
        "Collecting torch",
        "  Downloading torch-2.9-cp311-manylinux.whl (80.0 MB)",
        "Progress 40000000 of 80000000",
        "  Downloading numpy-2.whl (20.0 MB)",
        "Installing collected packages: numpy, torch",
    ):
        meter.take(line)
    assert told[2] == (pytest.approx(0.02 + 0.78 * 0.4), "Downloading torch (40 of 80 MB)")
    assert told[3][0] == pytest.approx(0.02 + 0.78 * 0.8) and told[-1] == (0.82, "Unpacking 2 packages")


def test_a_program_is_ended_with_its_children(tmp_path: Path) -> None:
    child = "subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"
    code = f"import subprocess, sys; print('up', flush=True); {child}"
    up = threading.Event()
    began = time.monotonic()
    with pytest.raises(LiveHandError, match="cancelled"):
        lines.run_lines([sys.executable, "-c", code], {}, None, up.is_set, lambda line: up.set())
    assert time.monotonic() - began < 20.0
    assert lines.run_lines(
        [sys.executable, "-c", "print('ERROR: no'); raise SystemExit(3)"], {}, tmp_path / "l", never
    ) == (
        3,
        ["ERROR: no"],
    )
    assert lines.failure_line(["ERROR: no", "hint"]) == "no" and lines.failure_line([]) == "it said nothing"
