"""The batch: its command line, and whole runs in processes of their own."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from livehand_core.errors import LiveHandError
from livehand_core.farm.output import parse_output
from livehand_core.frame_lists import chunk_of, parse_chunk, parse_frames
from livehand_core.whole_files import is_complete
from tests.blender.exr import read_exr
from tests.blender.helpers import ROOT, index_pass, make_scene, run_python

BATCH = ("-m", "livehand_blender.batch")
ENVIRONMENT = {"LIVEHAND_PYTHON": sys.executable}


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
    assert parse_frames(text) == frames


@pytest.mark.parametrize("text", ["", "a", "1,,2", "3-1", "1-5x0", "1-", "1.5", "1-2-3"])
def test_bad_frame_lists_are_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        parse_frames(text)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 20])
def test_chunks_share_out_every_frame_once(count: int) -> None:
    frames = list(range(1, 12))
    parts = [chunk_of(frames, index, count) for index in range(1, count + 1)]
    assert [frame for part in parts for frame in part] == frames
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_bad_chunks_are_refused() -> None:
    assert parse_chunk("2/8") == (2, 8)
    for text in ("0/3", "4/3", "1", "a/b"):
        with pytest.raises(argparse.ArgumentTypeError):
            parse_chunk(text)


def test_output_patterns() -> None:
    assert parse_output(Path("/o/####.png"), None).path(12) == Path("/o/0012.png")
    assert parse_output(Path("/o/a_##_b.exr"), None).path(-3) == Path("/o/a_-3_b.exr")
    assert parse_output(Path("/o/shot"), "png").path(7) == Path("/o/shot0007.png")
    movie = parse_output(Path("/o/a_####.mp4"), None)
    assert movie.movie == Path("/o/a.mp4") and movie.path(3) == Path("/o/a.frames/0003.png")
    for pattern, chosen in (("/o/a.tiff", None), ("/o/a", None), ("/o/a.png", "exr")):
        with pytest.raises(LiveHandError):
            parse_output(Path(pattern), chosen)


def test_help_needs_no_blender() -> None:
    answer = run_python("-S", *BATCH, "--help")
    assert answer.returncode == 0 and "--frames" in answer.stdout and "Exit code" in answer.stdout


def test_wrong_calls_give_2(tmp_path: Path) -> None:
    for arguments in (["--frames", "9-1", "--output", "a.png"], [], ["--output", str(tmp_path / "a.xyz")]):
        answer = run_python(*BATCH, *arguments)
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
    first = run_python(*BATCH, animation, "--output", pattern, "--chunk", "1/2", environment=ENVIRONMENT)
    assert first.returncode == 0, first.stdout + first.stderr
    assert _rendered(first.stdout) == [1, 2] and "warning" not in first.stdout
    untouched = (tmp_path / "out" / "0001.png").stat().st_mtime_ns
    second = run_python(*BATCH, animation, "--output", pattern, "--resume", environment=ENVIRONMENT)
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
    answer = run_python(*BATCH, animation, *arguments, environment=ENVIRONMENT)
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
        answer = run_python(*BATCH, animation, "--output", movie, "--chunk", chunk, environment=ENVIRONMENT)
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
    arguments = [*BATCH, animation, "--frames", "2-4", "--output", tmp_path / "o" / "#.png"]
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
        answer = run_python(*BATCH, *wrong, "--output", tmp_path / "x.png", environment=ENVIRONMENT)
        assert answer.returncode == 2 and told in answer.stderr, answer.stderr


def _begin(animation: Path, pattern: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, *BATCH, str(animation), "--output", str(pattern), *more]
    environment = {**os.environ, **ENVIRONMENT, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)


def _solid(path: Path) -> bool:
    """Whether a picture shows a hand; an empty one is what Blender writes of a frame that was broken off."""
    return is_complete(path) and np.asarray(Image.open(path))[..., 3].max() > 0


@pytest.fixture
def slow_animation(animation: Path) -> Path:
    """The same, of frames that take long enough to be interrupted."""
    import bpy

    bpy.context.scene.render.resolution_x, bpy.context.scene.render.resolution_y = 1800, 1800
    bpy.ops.wm.save_mainfile()
    return animation


@pytest.mark.bpy
@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_the_batch_and_leaves_whole_frames_only(slow_animation, tmp_path, number) -> None:
    pattern = tmp_path / "out" / "#.png"
    process = _begin(slow_animation, pattern)
    for line in process.stdout:
        if line.startswith("frame 1 "):
            break
    # In the middle of the second frame.
    time.sleep(0.3)
    process.send_signal(number)
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 130 and "--resume" in rest and "frame 3" not in rest, rest
    left = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert left in (["1.png"], ["1.png", "2.png"]), left
    assert all(_solid(tmp_path / "out" / name) for name in left)
    resumed = _begin(slow_animation, pattern, "--resume", "--frames", "1-3")
    said, _ = resumed.communicate(timeout=120)
    assert resumed.returncode == 0 and _rendered(said) == [frame for frame in (1, 2, 3) if f"{frame}.png" not in left]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["1.png", "2.png", "3.png"]


@pytest.mark.bpy
@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_an_interrupt_in_a_script_of_ones_own_is_a_failure_and_no_empty_frame(slow_animation, tmp_path) -> None:
    code = (
        "import bpy, os, signal, time\n"
        "import livehand_blender; livehand_blender.register()\n"
        "from livehand_blender.render import session\n"
        f"bpy.ops.wm.open_mainfile(filepath={str(slow_animation)!r})\n"
        "session.engine_client().start()\n"
        # A shell's background jobs ignore interrupts, and so would this process.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "def interrupted(*_, **__):\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    time.sleep(10.0)\n"
        "type(session.engine_client()).render = interrupted\n"
        "try: bpy.ops.render.render()\n"
        "except BaseException as error: print('RAISED', type(error).__name__, error, flush=True)\n"
    )
    answer = run_python("-c", code, environment=ENVIRONMENT)
    assert "RAISED" in answer.stdout and "interrupted" in answer.stdout, answer


@pytest.mark.bpy
def test_two_batches_on_one_output_share_the_frames(slow_animation: Path, tmp_path: Path) -> None:
    pattern = tmp_path / "out" / "#.png"
    batches = [_begin(slow_animation, pattern, *more) for more in ((), ("--resume",))]
    said = [process.communicate(timeout=200)[0] for process in batches]
    assert [process.returncode for process in batches] == [0, 0], said
    rendered = [_rendered(text) for text in said]
    assert sorted(rendered[0] + rendered[1]) == [1, 2, 3, 4, 5], said
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [f"{frame}.png" for frame in range(1, 6)]


@pytest.mark.bpy
@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_the_frames_of_a_batch_that_was_killed_are_taken_over(slow_animation: Path, tmp_path: Path) -> None:
    pattern = tmp_path / "out" / "#.png"
    first = _begin(slow_animation, pattern, "--frames", "1-2")
    deadline = time.monotonic() + 100.0
    while not list((tmp_path / "out").glob(".1.png.claim*")):
        assert time.monotonic() < deadline and first.poll() is None
        time.sleep(0.01)
    first.kill()
    first.wait()
    second = _begin(slow_animation, pattern, "--frames", "1-2", "--resume")
    said, _ = second.communicate(timeout=100)
    assert second.returncode == 0 and _rendered(said) == [1, 2], said
    assert [path.name for path in sorted((tmp_path / "out").glob("*")) if "tmp" not in path.name] == ["1.png", "2.png"]


@pytest.mark.bpy
def test_an_output_that_cannot_be_written_is_told_before_anything_is_rendered(animation: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    answer = run_python(*BATCH, animation, "--output", tmp_path / "file" / "#.png", environment=ENVIRONMENT)
    assert answer.returncode == 2 and "cannot be written" in answer.stderr and not _rendered(answer.stdout), answer


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
    answer = run_python(*BATCH, animation, *arguments, environment=ENVIRONMENT)
    # Where nothing at all can be written it is told before the work begins.
    code, said = (2, answer.stderr) if name == "#.png" else (1, answer.stdout)
    assert answer.returncode == code and bool(_rendered(answer.stdout)) == (code == 1), answer.stdout
    assert "The disk is full while writing" in said and str(kept) in said
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
