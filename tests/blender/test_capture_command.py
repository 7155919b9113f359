"""The command that captures the built-in hand: from a checkout and from an installed extension, in any folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.blender.helpers import ROOT, run_python

pytestmark = pytest.mark.bpy
PLAN = ["--poses", "3", "--cameras", "4", "--held-out-cameras", "1", "--held-out-poses", "1"]
SMALL = [*PLAN, "--samples", "1", "--width", "48", "--height", "64", "--limit"]


@pytest.mark.parametrize("package", ["livehand_blender", "livehand"])
def test_a_capture_goes_on_where_it_was(package: str, tmp_path: Path) -> None:
    if package == "livehand_blender":
        script = ROOT / package / "capture" / "__main__.py"
    else:
        installed = shutil.copytree(
            ROOT / "livehand_blender", tmp_path / package, ignore=shutil.ignore_patterns("__pycache__")
        )
        script = installed / "capture" / "__main__.py"
    folder = tmp_path / "capture"
    first = run_python(script, "--", folder, *SMALL, "2", folder=tmp_path, environment={"PYTHONPATH": str(ROOT)})
    assert first.returncode == 0, first.stderr
    assert "4 cameras, 3 poses, 2 images" in first.stdout and f"2 images in {folder}" in first.stdout
    pictures = {path: path.stat().st_mtime_ns for path in folder.rglob("*.png")}
    assert len(pictures) == 2
    if package == "livehand_blender":
        again = run_python("-m", "livehand_blender.capture", folder, *SMALL, "3")
    else:
        again = run_python(script, "--", folder, *SMALL, "3", folder=tmp_path, environment={"PYTHONPATH": str(ROOT)})
    assert again.returncode == 0, again.stderr
    assert len(list(folder.rglob("*.png"))) == 3 and all(p.stat().st_mtime_ns == t for p, t in pictures.items())
    frames = json.loads((folder / "transforms.json").read_text(encoding="utf-8"))["frames"]
    assert {folder / frame["file_path"] for frame in frames} == set(folder.rglob("*.png"))
