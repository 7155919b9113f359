"""The engine's environment: made from wheels without a network, cancelled, refused, replaced when good, removed."""

from __future__ import annotations

import base64
import hashlib
import sys
import threading
import time
import tomllib
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from build_extension import core_version, write_wheel
from packaging.requirements import Requirement

from livehand_blender.environment import lines, recipe
from livehand_blender.environment.recipe import Wish, make_environment, read_stamp, remove_environment
from livehand_core.engine import interpreters
from livehand_core.errors import EngineError, LiveHandError
from livehand_core.libraries import DISTRIBUTIONS, lacking
from tests.blender.helpers import ROOT


def never() -> bool:
    return False


VERSION = "99.0"
PREPARE = recipe._prepare


def wheel(folder: Path, package: str, module: str = "") -> Path:
    """A wheel of one empty module, newer than any that is asked for."""
    name = package.replace("-", "_")
    info = f"{name}-{VERSION}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {package}\nVersion: {VERSION}\n"
    members = {
        f"{module or name}/__init__.py": "",
        f"{info}/METADATA": metadata,
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b'=').decode()},\n"
        for path, text in members.items()
    )
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}-{VERSION}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member, text in {**members, f"{info}/RECORD": record + f"{info}/RECORD,,\n"}.items():
            archive.writestr(member, text)
    return path


@pytest.fixture
def wish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wish:
    """An environment of the wheel that the extension carries and of stand-ins for all that it asks for."""
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    wheels = tmp_path / "wheels"
    modules = {package: module for module, package in DISTRIBUTIONS.items()}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    for package in {Requirement(line).name for line in lines} - {project["name"]}:
        wheel(wheels, package, modules.get(package, ""))
    source = write_wheel(tmp_path, core_version())
    # Stand-ins draw nothing; tests/blender/test_first_contact.py has the libraries themselves.
    monkeypatch.setattr(recipe, "_prepare", lambda *_: None)
    return Wish(tmp_path / "own" / "environment", Path(sys.executable), source, wheels=wheels, online=False)


@pytest.mark.slow
def test_an_environment_is_made_replaced_and_removed_without_a_network(wish: Wish, tmp_path: Path) -> None:
    told: list[tuple[float, str]] = []
    wish = replace(wish, log=tmp_path / "own" / "environment.log")
    stamp = make_environment(wish, lambda part, text: told.append((part, text)), never)
    assert stamp.torch == "" and stamp.current and stamp.python.startswith("3.")
    assert read_stamp(wish.folder) == stamp
    assert [part for part, _ in told] == sorted(part for part, _ in told) and told[-1] == (1.0, "Done")
    assert any("Unpacking" in text for _, text in told)
    assert "Successfully installed" in (tmp_path / "own" / "environment.log").read_text()
    python = interpreters.environment_python(wish.folder)
    missing = interpreters.check_interpreter(python).missing
    assert not lacking("pictures", missing) and {"torch", "igl", "skimage", "cv2", "ai_edge_litert"} <= set(missing)

    # A new one that fails leaves the old one as it was.
    (wish.wheels / f"torch-{VERSION}-py3-none-any.whl").unlink()  # type: ignore[operator]
    with pytest.raises(EngineError, match=r"torch.*environment\.log"):
        make_environment(replace(wish, training=True), lambda part, text: None, never)
    assert read_stamp(wish.folder) == stamp and not wish.folder.with_name("environment.old").exists()
    remove_environment(wish.folder)
    assert not wish.folder.exists()
    with pytest.raises(EngineError, match="is not there"):
        interpreters.check_interpreter(python)


@pytest.mark.slow
def test_an_environment_that_does_not_render_is_not_kept(wish: Wish, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipe, "_prepare", PREPARE)
    with pytest.raises(EngineError, match=r"does not render: .*Error") as caught:
        make_environment(wish, lambda part, text: None, never)
    assert caught.value.remedy and not wish.folder.exists()


@pytest.mark.slow
@pytest.mark.parametrize("parts", [("training", "meshes", "tracking"), ("torch",)])
def test_an_environment_has_what_it_was_made_for(wish: Wish, parts: tuple[str, ...]) -> None:
    more = "tracking" in parts
    wish = replace(wish, training=True, tracking=True) if more else replace(wish, build="CUDA")
    stamp = make_environment(wish, lambda part, text: None, never)
    missing = interpreters.check_interpreter(interpreters.environment_python(wish.folder)).missing
    assert not [job for job in (*parts, "pictures") if lacking(job, missing)]
    assert more or lacking("tracking", missing)
    assert (stamp.torch, stamp.training, stamp.tracking) == (VERSION, more, more)
    assert read_stamp(wish.folder) == stamp


def test_each_part_is_brought_by_its_switch_alone(wish: Wish) -> None:
    assert wish.extras == ("engine",)
    assert replace(wish, tracking=True).extras == ("engine", "track")
    assert replace(wish, training=True).extras == ("train",)
    room = [one.sizes[1] for one in (wish, replace(wish, tracking=True), replace(wish, training=True))]
    assert room == sorted(room) and room[0] < 0.7e9


def test_a_button_that_adds_a_part_keeps_the_others(addon, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import bpy

    from livehand_blender.environment import operators

    stamp = recipe.Stamp("1", "3.11", "", "CPU", True, 2000)
    wanted: list[Wish] = []

    def make(wish: Wish, *_: object) -> recipe.Stamp:
        wanted.append(wish)
        return replace(stamp, training=wish.training, tracking=wish.tracking)

    monkeypatch.setattr(operators, "make_environment", make)
    monkeypatch.setattr(operators, "read_stamp", lambda _: stamp)
    bpy.ops.livehand.environment_make()
    bpy.ops.livehand.environment_make(tracking=True)
    bpy.ops.livehand.environment_make(tracking=True, training=False)
    assert [(wish.training, wish.tracking) for wish in wanted] == [(False, False), (True, True), (False, True)]


@pytest.mark.parametrize(("platform", "indexed"), [("darwin", False), ("win32", True)])
def test_torch_comes_from_its_own_index_where_that_has_a_build(
    wish: Wish, platform: str, indexed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(recipe, "sys", SimpleNamespace(platform=platform))
    monkeypatch.setattr(recipe, "_make_venv", lambda *_: ["pip"])
    monkeypatch.setattr(recipe, "_pip", lambda _wish, _pip, arguments, *_: asked.append(list(arguments)))
    monkeypatch.setattr(recipe, "check_interpreter", lambda *_: ("3.11", "2.9", ()))
    wish.folder.mkdir(parents=True)
    recipe._make(replace(wish, wheels=None, training=True), lambda part, text: None, never)
    assert asked[-1] == [f"{wish.source}[train]"]
    assert asked[:-1] == ([["--index-url", recipe.CPU_INDEX, "torch", "torchvision"]] if indexed else [])


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
    monkeypatch.setattr(recipe, "RENDERING_BYTES", (0.0, 1e18))
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
