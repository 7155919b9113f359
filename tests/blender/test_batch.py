"""scripts/render_batch.py: its command line, and whole runs in processes of their own."""

from __future__ import annotations

import argparse
import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from livehand_blender.render.pictures import is_complete
from tests.blender.exr import read_exr
from tests.blender.helpers import ROOT, index_pass, make_scene, run_python

SCRIPT = ROOT / "scripts" / "render_batch.py"
ENVIRONMENT = {"LIVEHAND_PYTHON": sys.executable}


def _load():
    spec = importlib.util.spec_from_file_location("render_batch", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up by name.
    sys.modules["render_batch"] = module
    spec.loader.exec_module(module)
    return module


batch = _load()


@pytest.mark.parametrize(
    ("text", "frames"),
    [
        ("7", [7]),
        ("1-3,15,20-26x2", [1, 2, 3, 15, 20, 22, 24, 26]),
        ("5, 1-3 ,2", [5, 1, 2, 3]),
        ("-3--1,0", [-3, -2, -1, 0]),
        ("1-10x4", [1, 5, 9]),
    ],
)
def test_frame_lists(text: str, frames: list[int]) -> None:
    assert batch.parse_frames(text) == frames


@pytest.mark.parametrize("text", ["", "a", "1,,2", "3-1", "1-5x0", "1-", "1.5", "1-2-3"])
def test_bad_frame_lists_are_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        batch.parse_frames(text)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 20])
def test_chunks_share_out_every_frame_once(count: int) -> None:
    frames = list(range(1, 12))
    parts = [batch.chunk_of(frames, index, count) for index in range(1, count + 1)]
    assert [frame for part in parts for frame in part] == frames
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_bad_chunks_are_refused() -> None:
    assert batch.parse_chunk("2/8") == (2, 8)
    for text in ("0/3", "4/3", "1", "a/b"):
        with pytest.raises(argparse.ArgumentTypeError):
            batch.parse_chunk(text)


def test_output_patterns() -> None:
    assert batch.parse_output(Path("/o/####.png"), None).path(12) == Path("/o/0012.png")
    assert batch.parse_output(Path("/o/a_##_b.exr"), None).path(-3) == Path("/o/a_-3_b.exr")
    assert batch.parse_output(Path("/o/shot"), "png").path(7) == Path("/o/shot0007.png")
    movie = batch.parse_output(Path("/o/a_####.mp4"), None)
    assert movie.movie == Path("/o/a.mp4") and movie.path(3) == Path("/o/a.frames/0003.png")
    for pattern, chosen in (("/o/a.tiff", None), ("/o/a", None), ("/o/a.png", "exr")):
        with pytest.raises(batch.BatchError):
            batch.parse_output(Path(pattern), chosen)


def test_help_needs_no_blender() -> None:
    answer = run_python("-S", SCRIPT, "--help")
    assert answer.returncode == 0 and "--frames" in answer.stdout and "Exit code" in answer.stdout


def test_wrong_calls_give_2(tmp_path: Path) -> None:
    for arguments in (["--frames", "9-1", "--output", "a.png"], [], ["--output", str(tmp_path / "a.xyz")]):
        answer = run_python(SCRIPT, *arguments)
        assert answer.returncode == 2, answer.stdout
        assert "rror" in answer.stderr


@pytest.fixture
def animation(addon, tiny_avatar: Path, tmp_path: Path) -> Path:
    """A file of five frames in which a hand closes."""
    import bpy

    scene, _ = make_scene(tiny_avatar)
    for frame, gesture in ((1, "REST"), (5, "FIST")):
        scene.frame_set(frame)
        assert bpy.ops.livehand.pose_preset(gesture=gesture, keyframe=True) == {"FINISHED"}
    scene.frame_start, scene.frame_end = 1, 5
    path = tmp_path / "animation.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    return path


def _rendered(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"^frame (-?\d+) \(", text, flags=re.MULTILINE)]


@pytest.mark.bpy
def test_chunks_resume_log_and_range_warning(animation: Path, tmp_path: Path) -> None:
    pattern = tmp_path / "out" / "####.png"
    first = run_python(SCRIPT, animation, "--output", pattern, "--chunk", "1/2", environment=ENVIRONMENT)
    assert first.returncode == 0, first.stdout + first.stderr
    assert _rendered(first.stdout) == [1, 2] and "warning" not in first.stdout
    untouched = (tmp_path / "out" / "0001.png").stat().st_mtime_ns
    second = run_python(SCRIPT, animation, "--output", pattern, "--resume", environment=ENVIRONMENT)
    assert second.returncode == 0, second.stdout + second.stderr
    assert _rendered(second.stdout) == [3, 4, 5]
    assert re.search(
        r"^frame 4 \(2 of 3\): [\d.]+ s \(engine [\d.]+ s\), \d+:\d\d left, .*0004\.png$", second.stdout, re.M
    )
    assert "warning: " in second.stdout
    assert (tmp_path / "out" / "0001.png").stat().st_mtime_ns == untouched
    pictures = sorted((tmp_path / "out").iterdir())
    assert [picture.name for picture in pictures] == [f"000{i}.png" for i in range(1, 6)]
    assert len({picture.read_bytes() for picture in pictures}) == 5


@pytest.mark.bpy
def test_multilayer_exr(animation: Path, tmp_path: Path) -> None:
    arguments = ["--frames", "2", "--output", tmp_path / "a.exr"]
    answer = run_python(SCRIPT, animation, *arguments, environment=ENVIRONMENT)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    path = tmp_path / "a0002.exr"
    assert is_complete(path)
    channels = {name.split(".", 1)[1] for name in read_exr(path)}
    assert {"Combined.R", "Depth.Z", f"{index_pass()}.X"} <= channels


@pytest.mark.bpy
def test_movie_is_made_by_the_last_chunk_and_keeps_colours(animation: Path, tmp_path: Path) -> None:
    import bpy

    bpy.context.scene.render.film_transparent = False
    bpy.context.scene.render.resolution_percentage = 200
    bpy.ops.wm.save_mainfile()
    movie = tmp_path / "hand.mp4"
    for chunk in ("2/2", "1/2"):
        assert not movie.exists()
        answer = run_python(SCRIPT, animation, "--output", movie, "--chunk", chunk, environment=ENVIRONMENT)
        assert answer.returncode == 0, answer.stdout + answer.stderr
    assert is_complete(movie) and not list(tmp_path.glob(".*"))
    clip = bpy.data.movieclips.load(str(movie))
    assert clip.frame_duration == 5 and tuple(clip.size) == (144, 96)
    if shutil.which("ffmpeg") is None:
        return
    third = tmp_path / "third.png"
    command = ["ffmpeg", "-v", "error", "-i", movie, "-vf", "select=eq(n\\,2)", "-frames:v", "1", third]
    subprocess.run(list(map(str, command)), check=True)
    seen, meant = (
        np.asarray(Image.open(path).convert("RGB"), dtype=np.float64)
        for path in (third, tmp_path / "hand.frames" / "0003.png")
    )
    # H.264 with subsampled chroma: close on average.
    assert np.abs(seen - meant).mean() < 1.5


@pytest.mark.bpy
def test_failures_are_told_and_end_with_1(animation: Path, tmp_path: Path) -> None:
    import bpy

    rig = next(obj for obj in bpy.data.objects if obj.type == "ARMATURE")
    for frame, height in ((2, 1.0), (3, 2.0), (4, 1.0)):
        rig.scale.z = height
        rig.keyframe_insert("scale", frame=frame)
    bpy.ops.wm.save_mainfile()
    arguments = [SCRIPT, animation, "--frames", "2-4", "--output", tmp_path / "o" / "#.png"]
    stopped = run_python(*arguments, environment=ENVIRONMENT)
    assert stopped.returncode == 1 and _rendered(stopped.stdout) == [2, 3]
    assert "FAILED: The armature" in stopped.stdout and "non-uniformly" in stopped.stdout
    kept = run_python(*arguments, "--resume", "--keep-going", environment=ENVIRONMENT)
    assert kept.returncode == 1 and _rendered(kept.stdout) == [3, 4]
    assert sorted(path.name for path in (tmp_path / "o").iterdir()) == ["2.png", "4.png"]
    for wrong, told in (
        ([tmp_path / "none.blend"], "is not there"),
        ([animation, "--scene", "Nowhere"], "no scene 'Nowhere'"),
        ([animation, "--engine", "NOWHERE"], "'NOWHERE' is unknown"),
    ):
        answer = run_python(SCRIPT, *wrong, "--output", tmp_path / "x.png", environment=ENVIRONMENT)
        assert answer.returncode == 2 and told in answer.stderr, answer.stderr


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 16 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.bpy
@pytest.mark.parametrize("name", ["#.exr", "#.png"])
def test_full_disk(animation: Path, small_disk: Path, name: str) -> None:
    kept = small_disk / name.replace("#", "1")
    kept.write_bytes(b"former")
    (small_disk / "ballast").write_bytes(bytes(8192))
    arguments = ["--output", small_disk / name, "--frames", "1"]
    if name == "#.png":
        (small_disk / "more").write_bytes(bytes(4096))
    answer = run_python(SCRIPT, animation, *arguments, environment=ENVIRONMENT)
    assert answer.returncode == 1, answer.stdout
    assert "The disk is full while writing" in answer.stdout and str(kept) in answer.stdout
    assert kept.read_bytes() == b"former" and not list(small_disk.glob(".*"))


def test_cut_pictures_are_noticed(tmp_path: Path) -> None:
    whole = tmp_path / "a.png"
    Image.new("RGB", (64, 64), (200, 100, 50)).save(whole)
    assert is_complete(whole)
    whole.write_bytes(whole.read_bytes()[:-1])
    assert not is_complete(whole)
    assert not is_complete(tmp_path / "none.png")
    (tmp_path / "empty.jpg").write_bytes(b"")
    assert not is_complete(tmp_path / "empty.jpg")


@pytest.mark.bpy
def test_cut_exr_is_noticed(empty_scene, tmp_path: Path) -> None:
    import bpy

    image = bpy.data.images.new("noise", 40, 40, float_buffer=True)
    image.pixels.foreach_set(np.random.default_rng(0).random(6400).astype(np.float32))
    image.file_format = "OPEN_EXR"
    path = tmp_path / "a.exr"
    image.filepath_raw = str(path)
    image.save()
    assert is_complete(path)
    content = path.read_bytes()
    for length in (3, 100, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        assert not is_complete(path), length
