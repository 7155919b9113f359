"""Farm jobs from Blender: written by the panel's operator, complete in themselves, rendered by workers that may die."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from livehand_core.avatars import read_metadata
from livehand_core.farm.job import Job, missing_frames, read_job
from livehand_core.whole_files import is_complete
from tests.blender.helpers import ROOT, make_scene, run_python

ENVIRONMENT = {"LIVEHAND_PYTHON": sys.executable, "PYTHONPATH": str(ROOT)}
BATCH = ("-m", "livehand_blender.batch")


@pytest.fixture
def scene_file(addon, tiny_avatar: Path, tmp_path: Path) -> Path:
    """A saved file of six frames, with an avatar and an image that lie elsewhere."""
    import bpy

    shutil.copy(tiny_avatar, tmp_path / "mine.safetensors")
    scene, _ = make_scene("//mine.safetensors")
    for frame, gesture in ((1, "REST"), (6, "FIST")):
        scene.frame_set(frame)
        assert bpy.ops.livehand.pose_preset(gesture=gesture, keyframe=True) == {"FINISHED"}
    scene.frame_start, scene.frame_end = 1, 6
    image = bpy.data.images.new("plate", 8, 8)
    image.filepath_raw, image.file_format = str(tmp_path / "plate.png"), "PNG"
    image.save()
    image.source, image.use_fake_user = "FILE", True
    path = tmp_path / "shot.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    return path


def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **settings: object) -> tuple[Path, Job]:
    """The job that the operator writes, moved away from all that the scene was made of."""
    import bpy

    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for name, value in settings.items():
        setattr(bpy.context.scene.livehand_farm, name, value)
    assert bpy.ops.livehand.farm_write(folder=str(tmp_path / "job")) == {"FINISHED"}
    for left in ("mine.safetensors", "plate.png", "shot.blend"):
        (tmp_path / left).unlink()
    return read_job(Path(shutil.move(tmp_path / "job", tmp_path / "a farm")))


@pytest.mark.bpy
def test_a_job_is_complete_in_itself(
    scene_file: Path, tiny_avatar: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import bpy

    before = bpy.context.scene.objects
    folder, job = write(tmp_path, monkeypatch, chunks=3, file_format="MP4")
    assert bpy.data.filepath == str(scene_file) and before == bpy.context.scene.objects
    metadata = read_metadata(tiny_avatar)
    (avatar,) = job.avatars
    assert avatar.content_hash == metadata.content_hash and (folder / avatar.file).is_file()
    assert (job.name, job.frames, job.chunks, job.outside) == ("scene", "1,2,3,4,5,6", 3, ())
    done = run_python("-m", "livehand_core", "farm", folder, "--local", "2", environment=ENVIRONMENT, limit=400)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 of 6 frames are there" in done.stdout and is_complete(folder / "video.mp4")
    by_two = {path.name: path.read_bytes() for path in (folder / "video.frames").iterdir()}
    shutil.rmtree(folder / "video.frames")
    merged = run_python(*BATCH, folder / "job.json", "--merge", environment=ENVIRONMENT, limit=400)
    assert merged.returncode == 0, merged.stdout + merged.stderr
    assert {path.name: path.read_bytes() for path in (folder / "video.frames").iterdir()} == by_two
    for words, said in (
        (("--chunk", "1/2"), "3 chunks, not 2"),
        ((), "--chunk I/N, or --merge"),
    ):
        refused = run_python(*BATCH, folder / "job.json", *words, environment=ENVIRONMENT)
        assert refused.returncode == 2 and said in refused.stderr, refused.stderr
    document = json.loads((folder / "job.json").read_text())
    (folder / "job.json").write_text(json.dumps(document | {"addon_version": "0.0.1"}))
    refused = run_python(*BATCH, folder / "job.json", "--merge", environment=ENVIRONMENT)
    assert refused.returncode == 2 and "this worker has" in refused.stderr


@pytest.mark.bpy
@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_what_a_killed_worker_leaves_is_done_by_the_merge_and_signed(
    scene_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("c2pa")
    from livehand_core.provenance.certificate import make_certificate
    from livehand_core.provenance.signing import verify

    monkeypatch.setenv("LIVEHAND_CERTIFICATE", str(make_certificate("Farm", tmp_path / "certificate").parent))
    folder, job = write(tmp_path, monkeypatch, chunks=2, sign=True)
    environment = {**os.environ, **ENVIRONMENT}
    worker = subprocess.Popen([*job.worker(str(folder / "job.json"), "--chunk", "1/2")], env=environment)
    deadline = time.monotonic() + 200.0
    while 1 in missing_frames(folder, job):
        assert time.monotonic() < deadline and worker.poll() is None
        time.sleep(0.05)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    first = (folder / "frames" / "0001.png").read_bytes()
    merged = run_python(*BATCH, folder / "job.json", "--merge", environment=ENVIRONMENT, limit=400)
    assert merged.returncode == 0, merged.stdout + merged.stderr
    assert not missing_frames(folder, job) and (folder / "frames" / "0001.png").read_bytes() == first
    for frame in job.frame_list:
        report = verify(folder / "frames" / f"{frame:04d}.png")
        assert report.state == "valid" and report.title == f"{frame:04d}.png"
        assert [avatar.content_hash for avatar in report.avatars] == [job.avatars[0].content_hash]


@pytest.mark.bpy
def test_a_job_that_cannot_be_written_says_why(scene_file: Path, tmp_path: Path, monkeypatch) -> None:
    import bpy

    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (tmp_path / "plate.png").unlink()
    with pytest.raises(RuntimeError, match=r"plate\.png"):
        bpy.ops.livehand.farm_write(folder=str(tmp_path / "job"))
    (tmp_path / "file").write_text("")
    with pytest.raises(RuntimeError, match="cannot be written"):
        bpy.ops.livehand.farm_write(folder=str(tmp_path / "file" / "job"))
    with pytest.raises(RuntimeError, match="does not exist"):
        bpy.ops.livehand.farm_submit(folder=str(tmp_path / "none"))
