"""The extension zip: built, judged by Blender's own tool, installed into a fresh Blender, rendering there."""

from __future__ import annotations

import importlib.util
import json
import sys
import zipfile
from pathlib import Path

import pytest
from extension_variants import variant

from tests.blender.helpers import ROOT, run_python

pytestmark = pytest.mark.bpy

INSTALLED = """
import os, sys
import bpy

zip_path, avatar, out = sys.argv[1:]
bpy.ops.extensions.package_install_files(filepath=zip_path, repo="user_default", enable_on_install=True)
bpy.ops.preferences.addon_enable(module="bl_ext.user_default.livehand")
bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
import livehand_core
print("CORE", livehand_core.__file__)
bpy.ops.livehand.add_hand(avatar=avatar, location=(0, 0, 0))
scene = bpy.context.scene
camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
scene.collection.objects.link(camera)
camera.location, camera.rotation_euler = (-0.09, -0.5, 0.0), (1.5707963, 0.0, 0.0)
scene.camera = camera
bpy.ops.livehand.use_engine()
scene.render.resolution_x, scene.render.resolution_y = 72, 48
scene.render.filepath = out
print("RENDERED", bpy.ops.render.render(write_still=True))
bpy.ops.wm.save_as_mainfile(filepath=out.replace(".png", ".blend"))
from bl_ext.user_default.livehand.preferences import log_path
print("LOG", log_path(), log_path().is_file())
bpy.ops.preferences.addon_disable(module="bl_ext.user_default.livehand")
"""


def _builder():
    spec = importlib.util.spec_from_file_location("build_extension", ROOT / "scripts" / "build_extension.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("extension")
    return _builder().build(folder / "dist", folder / "tree")


def _extension_tool() -> Path:
    import bpy

    scripts = Path(bpy.utils.resource_path("LOCAL")) / "scripts"
    return next(scripts.glob("addons*/bl_pkg/cli/blender_ext.py"))


def test_the_core_inside_has_what_its_gpu_renderer_reads(archive: Path) -> None:
    (wheel,) = (archive.parent.parent / "tree" / "wheels").glob("*.whl")
    folder = "livehand_core/rendering/gpu/shaders/"
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith(folder)}
    assert inside == {f"{folder}{path.name}" for path in (ROOT / folder).iterdir()} and len(inside) > 10


def test_blenders_tool_accepts_zip_and_tree(archive: Path, tmp_path: Path) -> None:
    tool = _extension_tool()
    answer = run_python(tool, "validate", archive)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    tree = archive.parent.parent / "tree"
    answer = run_python(tool, "build", "--source-dir", tree, "--output-dir", tmp_path)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert len(list(tmp_path.glob("livehand-*.zip"))) == 1


def test_zip_holds_the_add_on_and_one_light_wheel(archive: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(archive) as file:
        names = file.namelist()
        (wheel,) = [name for name in names if name.endswith(".whl")]
        file.extract(wheel, tmp_path)
    assert {"blender_manifest.toml", "__init__.py", "rig/conversion.py", "render/engine.py", "ui/panels.py"} <= set(
        names
    )
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]
    with zipfile.ZipFile(tmp_path / wheel) as file:
        inside = file.namelist()
        metadata = file.read(next(name for name in inside if name.endswith("METADATA"))).decode()
    assert "livehand_core/engine/server.py" in inside and "livehand_core/assets/hand_right.npz" in inside
    assert "Requires-Dist: numpy" in metadata and "Provides-Extra: engine" in metadata
    # The tracker's networks are 9 MB of it.
    assert archive.stat().st_size < 15e6


def test_pip_accepts_the_wheel(archive: Path, tmp_path: Path) -> None:
    wheel = next((archive.parent.parent / "tree" / "wheels").glob("*.whl"))
    answer = run_python("-m", "pip", "install", "--no-index", "--no-deps", "--target", tmp_path / "site", wheel)
    assert answer.returncode == 0, answer.stderr
    code = f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r}); import livehand_core as l; print(l.__file__)"
    answer = run_python("-I", "-c", code)
    assert answer.stdout.startswith(str(tmp_path / "site")), answer.stderr


def test_the_same_sources_give_the_same_bytes(archive: Path, tmp_path: Path) -> None:
    again = _builder().build(tmp_path / "dist", tmp_path / "tree")
    assert again.read_bytes() == archive.read_bytes()


def _life(*arguments: str | Path, user: Path) -> dict:
    variables = {"BLENDER_USER_RESOURCES": str(user), "PYTHONPATH": "", "PYTHONSAFEPATH": "1"}
    # As in Blender: the second start finds the modules compiled.
    variables["PYTHONDONTWRITEBYTECODE"] = ""
    answer = run_python(ROOT / "scripts" / "matrix_lifecycle.py", *arguments, environment=variables)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "Traceback" not in answer.stdout + answer.stderr, answer.stdout + answer.stderr
    return json.loads(answer.stdout.splitlines()[-1])


def test_upgraded_switched_off_and_on_and_uninstalled_nothing_stays(archive: Path, tmp_path: Path) -> None:
    present = _builder().core_version()
    older, changed = variant(tmp_path / "older", version="0.0.1"), variant(tmp_path / "changed", mark="changed")
    user = tmp_path / "user"
    user.mkdir()
    seen = _life(older, archive, changed, user=user)
    assert seen["older"] == ["0.0.1", "0.0.1", ""]
    assert seen["newer"] == [present, present, ""], "the older core is still in use"
    assert seen["changed"] == [present, present, "changed"], "the same version's changed core was not unpacked"
    assert seen["hooks"]["operators"] and seen["again"] == seen["hooks"]
    assert not any(seen["clean"].values()) and not any(seen["disabled"].values()), seen["disabled"]
    assert not any(seen["uninstalled"].values()), seen["uninstalled"]
    assert seen["left"] == []


def test_enabling_is_quick_and_imports_nothing_heavy(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "user").mkdir()
    _life("--install", archive, user=tmp_path / "user")
    seen = [_life("--enable", user=tmp_path / "user") for _ in range(3)]
    assert all(one["enabled"] and one["heavy"] == [] for one in seen)
    # The processor's time: other work on the machine does not count.
    assert min(one["processor"] for one in seen) < 0.3, seen


@pytest.mark.parametrize(("last", "status"), [("raise RuntimeError('failed')", 1), ("sys.exit(7)", 7), ("pass", 0)])
def test_a_script_ends_with_its_own_status(last: str, status: int) -> None:
    """The engine is registered when the interpreter ends; Blender 4.5 would hang."""
    code = f"import sys, bpy, livehand_blender\nlivehand_blender.register()\nprint('said')\n{last}\n"
    answer = run_python("-c", code, limit=60.0)
    assert answer.returncode == status and "said" in answer.stdout, answer.stderr


def test_a_foreign_folder_is_never_replaced(tmp_path: Path) -> None:
    precious = tmp_path / "thesis.txt"
    precious.write_text("precious")
    with pytest.raises(ValueError, match="not replaced"):
        _builder().build(tmp_path / "dist", tmp_path)
    assert precious.read_text() == "precious"


def test_installed_extension_renders(archive: Path, tiny_avatar: Path, tmp_path: Path) -> None:
    script = tmp_path / "installed.py"
    script.write_text(INSTALLED)
    environment = {
        "BLENDER_USER_RESOURCES": str(tmp_path / "user"),
        "LIVEHAND_PYTHON": sys.executable,
        "PYTHONPATH": "",
        "PYTHONSAFEPATH": "1",
    }
    answer = run_python(script, archive, tiny_avatar, tmp_path / "out.png", environment=environment)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert f"CORE {tmp_path / 'user'}" in answer.stdout, answer.stdout
    assert "RENDERED {'FINISHED'}" in answer.stdout, answer.stdout + answer.stderr
    # A fresh installation compiles its renderer, and the render's line says so.
    assert "LiveHand: compiling the renderer for this processor" in answer.stdout, answer.stdout
    assert (tmp_path / "out.png").is_file()
    log = next(line for line in answer.stdout.splitlines() if line.startswith("LOG "))
    assert log.startswith(f"LOG {tmp_path / 'user'}") and log.endswith("True")

    # The batch of the installed extension, called as with Blender's --python-expr.
    code = "import bpy, addon_utils; addon_utils.enable('bl_ext.user_default.livehand'); "
    code += "from bl_ext.user_default.livehand import batch; batch.run()"
    arguments = [tmp_path / "out.blend", "--frames", "1", "--output", tmp_path / "#.png"]
    answer = run_python("-c", code, "--", *arguments, environment=environment)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "LiveHand is bl_ext.user_default.livehand." in answer.stdout and (tmp_path / "1.png").is_file()
