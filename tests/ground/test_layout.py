"""The house rules that a reader can rely on: one arrow, a light core, small modules, licences, one set of versions."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import environment
import pytest

from livehand_core import libraries

ROOT = Path(__file__).resolve().parents[2]
CORE = sorted((ROOT / "livehand_core").rglob("*.py"))
ADDON = sorted((ROOT / "livehand_blender").rglob("*.py"))
SCRIPTS = sorted(path for folder in ("scripts", "tools") for path in (ROOT / folder).rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Top-level names of the absolute imports anywhere in a module."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return names


def test_the_core_knows_nothing_of_blender() -> None:
    found = {str(path.relative_to(ROOT)): imported(path) & {"bpy", "mathutils", "livehand_blender"} for path in CORE}
    assert len(CORE) > 10 and not {path: names for path, names in found.items() if names}


def test_the_add_on_never_imports_torch() -> None:
    heavy = {"torch", "smplx", "safetensors", "igl", "scipy", "PIL", "tensorboard", "lpips"}
    found = {str(path.relative_to(ROOT)): imported(path) & heavy for path in ADDON}
    assert len(ADDON) > 10 and not {path: names for path, names in found.items() if names}


def test_the_add_on_imports_itself_relatively() -> None:
    assert not [path for path in ADDON if "livehand_blender" in imported(path)]


def test_importing_the_core_is_light() -> None:
    code = (
        "import sys, livehand_core, livehand_core.frames, livehand_core.poses, livehand_core.hand.builtin, "
        "livehand_core.hand.skinning, livehand_core.hand.limits, livehand_core.engine.client\n"
        "heavy = {'torch', 'bpy', 'smplx', 'scipy', 'PIL', 'igl', 'safetensors'} & set(sys.modules)\n"
        "print(sorted(heavy))\n"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.strip() == "[]"


@pytest.mark.parametrize("path", [*CORE, *ADDON, *SCRIPTS], ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_are_small_and_say_what_they_are_for(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") < 400
    assert not text.strip() or ast.get_docstring(ast.parse(text)), "a module's docstring says what it is for"


def test_licence_texts() -> None:
    texts = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "LICENSES").glob("*.txt")}
    assert (
        "GNU GENERAL PUBLIC LICENSE" in texts["GPL-3.0-or-later"] and "Version 3, 29 June" in texts["GPL-3.0-or-later"]
    )
    assert "Apache License" in texts["Apache-2.0"] and "Version 2.0" in texts["Apache-2.0"]
    assert "CC0 1.0 Universal" in texts["CC0-1.0"]
    for folder, name in (
        ("livehand_core", "Apache-2.0"),
        ("livehand_core/assets", "CC0-1.0"),
        ("livehand_blender", "GPL-3.0-or-later"),
    ):
        assert (ROOT / folder / "LICENSE").read_text(encoding="utf-8") == texts[name]
    reuse = tomllib.loads((ROOT / "REUSE.toml").read_text(encoding="utf-8"))
    assert {a["SPDX-License-Identifier"] for a in reuse["annotations"]} == set(texts)


def project() -> dict[str, object]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.mark.parametrize("version", environment.BLENDER_OF_PYTHON)
def test_the_lock_pins_every_dependency(version: tuple[int, int]) -> None:
    def normal(name: str) -> str:
        return re.sub(r"[-_.]+", "-", name).lower()

    pins = {normal(name): pin for name, pin in environment.read_lock(environment.lock_file(version)).items()}
    extras = project()["optional-dependencies"]
    assert isinstance(extras, dict)
    for requirement in (line for lines in extras.values() for line in lines):
        name = re.match(r"[A-Za-z0-9._-]+", requirement)
        assert name is not None
        if name[0] != "livehand":
            assert normal(name[0]) in pins, f"{requirement} is pinned nowhere"
    series = {(3, 11): "4.5.", (3, 13): "5.3."}[version]
    assert pins["bpy"].startswith(series)
    assert (int(pins["numpy"].split(".")[0]) < 2) == (version == (3, 11)), "Blender 4.5 pins NumPy below 2"


def test_every_library_the_core_imports_is_declared() -> None:
    distribution = libraries.DISTRIBUTIONS
    extras = project()["optional-dependencies"]
    assert isinstance(extras, dict)
    declared = " ".join(["numpy", *(line for lines in extras.values() for line in lines)])
    names = set().union(*map(imported, CORE)) - set(sys.stdlib_module_names) - {"livehand_core"}
    assert "torch" in names
    assert not [name for name in names if not re.search(rf"\b{distribution.get(name, name)}\b", declared)]


def test_versions_agree() -> None:
    import livehand_core

    manifest = tomllib.loads((ROOT / "blender_manifest.toml").read_text(encoding="utf-8"))
    assert manifest["version"] == livehand_core.__version__
    assert f"## {livehand_core.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_continuous_integration_runs_the_documented_command() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "python3 scripts/test.py" in script and "python3 scripts/test.py" in (ROOT / "README.md").read_text("utf-8")


def test_documents_are_read_through_readers_only() -> None:
    """What lies on the disk may be anything: a ``Reader`` gives its content, or one error that names it."""
    careless = re.compile(r"json\.loads?\([^\n]*(read_text|open\()|json\.load\(|tomllib\.load\(|(?<!\w)pickle\.load\(")
    found = [str(path) for path in [*CORE, *ADDON] if careless.search(path.read_text(encoding="utf-8"))]
    assert not found
