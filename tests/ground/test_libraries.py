"""What each job needs: one table, which the package's extras, the wheel and the commands keep to."""

from __future__ import annotations

import email
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from build_extension import metadata
from packaging.requirements import Requirement

from livehand_core import __version__, cli
from livehand_core.errors import LibraryError
from livehand_core.libraries import DISTRIBUTIONS, JOBS, MODULES, button_of, explained, lacking, packages, require

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def brought_by(extra: str) -> set[str]:
    """Packages that an extra installs, those of the extras that it names included."""
    found = set()
    for line in PROJECT["optional-dependencies"][extra]:
        requirement = Requirement(line)
        if requirement.name == PROJECT["name"]:
            found |= set().union(*map(brought_by, requirement.extras))
        else:
            found.add(requirement.name)
    return found | {Requirement(line).name for line in PROJECT["dependencies"]}


@pytest.mark.parametrize("name", JOBS)
def test_an_extra_brings_all_that_its_job_needs(name: str) -> None:
    job = JOBS[name]
    assert {*packages(job.modules), *packages(job.helpful)} <= brought_by(job.extra)


@pytest.mark.parametrize("name", JOBS)
def test_a_button_that_a_message_names_brings_what_the_job_needs(name: str) -> None:
    named = {
        "": "",
        "Make Environment": "engine",
        "Make Environment (Build: CUDA)": "torch",
        "Make Environment (With Tracking)": "track",
        "Make Environment (With Training)": "train",
    }
    extra = named[button_of(name)]
    assert not extra or set(packages(JOBS[name].modules)) <= brought_by(extra)


def test_rendering_asks_for_neither_torch_nor_anything_of_restricted_use() -> None:
    assert not brought_by("engine") & {"torch", "smplx", "igl", "scipy", "safetensors", "opencv-python-headless"}
    assert not brought_by("track") & {"torch", "smplx", "mediapipe"}
    assert {command[1] for command in cli.COMMANDS.values()} <= set(JOBS)


def test_rendering_needs_no_library_beyond_its_own() -> None:
    others = [name for name in (*MODULES, "scipy", "safetensors") if name not in JOBS["rendering"].modules]
    code = (
        f"import sys\nfor name in {others}: sys.modules[name] = None\n"
        "from livehand_core.cli import main\nraise SystemExit(main(['prepare']))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_the_wheel_asks_for_what_the_build_backend_makes_of_the_project(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "LICENSES", tmp_path / "LICENSES")
    (tmp_path / "livehand_core").mkdir()
    shutil.copy(ROOT / "livehand_core" / "__init__.py", tmp_path / "livehand_core")
    code = "from setuptools.build_meta import prepare_metadata_for_build_wheel as p; p('out')"
    (tmp_path / "out").mkdir()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (path,) = (tmp_path / "out").glob("*.dist-info/METADATA")
    theirs, ours = (
        email.message_from_string(path.read_text("utf-8")),
        email.message_from_string(metadata(PROJECT, __version__)),
    )
    for field in ("Name", "Version", "Requires-Python", "Summary"):
        assert ours[field] == theirs[field]
    assert ours.get_all("Provides-Extra") == theirs.get_all("Provides-Extra")

    def read(message: email.message.Message) -> list[str]:
        return sorted(str(Requirement(line)) for line in message.get_all("Requires-Dist") or ())

    assert read(ours) == read(theirs) and len(read(ours)) > 20


COMMANDS: list[tuple[str, list[str], str]] = [
    ("numba", ["prepare"], "Rendering needs numba"),
    ("llvmlite", ["bench", "--no-engine"], "Rendering needs llvmlite"),
    ("igl", ["bench", "--no-engine"], "--plain-frames 0"),
    ("torch", ["mesh", "--out", "OUT/hand.obj"], "mesh out of an avatar needs torch"),
    ("skimage", ["mesh", "--out", "OUT/hand.obj"], "mesh out of an avatar needs scikit-image"),
    ("torch", ["train", "OUT", "--out", "OUT/run"], "Training needs torch"),
    ("tomli_w", ["train", "OUT", "--out", "OUT/run"], "Training needs tomli_w"),
    ("skimage", ["evaluate", "default", "OUT"], "Evaluation needs scikit-image"),
    ("PIL", ["render", "--out", "OUT/hand.png"], "Rendering to files needs pillow"),
    ("imageio_ffmpeg", ["render", "--out", "OUT/hand.mp4", "--frames", "2", "--size", "32x32"], "PNG frames instead"),
    ("torch", ["import", "OUT/a.tar", "OUT/a.safetensors"], "official checkpoint needs torch"),
    ("PIL", ["check", "OUT"], "Checking a capture needs pillow"),
]


@pytest.mark.parametrize(("module", "command", "said"), COMMANDS, ids=[f"{row[1][0]}-{row[0]}" for row in COMMANDS])
def test_a_command_without_a_library_ends_in_one_message(
    module: str, command: list[str], said: str, tmp_path: Path
) -> None:
    words = [word.replace("OUT", str(tmp_path)) for word in command]
    code = (
        f"import sys; sys.modules[{module!r}] = None\n"
        f"from livehand_core.cli import main\nraise SystemExit(main({words}))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("livehand: ")]
    assert said in line and f"pip install {DISTRIBUTIONS.get(module, module)}" in line
    assert "Traceback" not in done.stderr and "livehand[" not in line


def test_a_library_that_is_there_and_cannot_be_loaded_is_told_as_that() -> None:
    error = explained(ImportError("libcudart.so is missing", name="torch._C"), "training")
    assert (
        "cannot be loaded" in error.message
        and "libcudart" in error.message
        and "--force-reinstall torch" in error.remedy
    )
    error = explained(ModuleNotFoundError("No module named 'igl'", name="igl"), "rendering")
    assert error.message.startswith("The plain formulation"), "a part of a frame that is another job's"


def test_what_is_missing_is_named_by_the_package_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lacking("training", ["torch", "igl", "lpips"]) == ["torch", "igl"]
    for name in ("PIL", "tomli_w"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(LibraryError, match="Training needs pillow and tomli_w, which are not installed in") as caught:
        require("training")
    assert "With Training" in caught.value.remedy and "pip install pillow tomli_w" in caught.value.remedy
    require("rendering")


def test_nobody_is_sent_to_a_package_that_is_not_published() -> None:
    """There is no ``livehand`` on any index: messages name the button, or libraries that are there."""
    wrong = re.compile(r"pip install[^\n]*\blivehand\b(?!-)|livehand\[\w+\]==")
    folders = ("livehand_core", "livehand_blender", "scripts", "tools")
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
        if (match := wrong.search(path.read_text(encoding="utf-8")))
    ]
    assert not found
