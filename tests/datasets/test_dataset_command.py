"""``livehand dataset``: what it leaves out and says so, resuming, parts on several machines, what it refuses."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from livehand_core.captures.capture import read_capture
from livehand_core.captures.checks import find_problems
from livehand_core.cli import main
from livehand_core.hand.library import find_hand
from livehand_core.hand.skinning import pose_joints
from livehand_core.progress import MACHINE_LINE
from tests.datasets import layouts
from tests.datasets.hands_world import World, make_world, save


@pytest.fixture
def world() -> World:
    return make_world()


@pytest.fixture
def source(tmp_path: Path, world: World) -> Path:
    folder = tmp_path / "interhand"
    layouts.interhand(folder, world)
    return folder


def left_out(capture: Path) -> dict[str, str]:
    return {entry["place"]: entry["reason"] for entry in json.loads((capture / "left_out.json").read_text())}


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def run(source: Path, capture: Path, *options: str) -> int:
    return main(["dataset", "interhand", str(source), str(capture), "--no-refine", *options])


def edit(path: Path, change: object) -> None:
    document = json.loads(path.read_text())
    change(document)  # type: ignore[operator]
    path.write_text(json.dumps(document))


def annotation(source: Path, kind: str) -> Path:
    return source / "annotations" / "test" / f"InterHand2.6M_test_{kind}.json"


def test_the_capture_is_sound(source: Path, tmp_path: Path) -> None:
    assert run(source, tmp_path / "capture") == 0
    found = find_problems(tmp_path / "capture")
    assert not found.problems and found.overlap is not None and found.overlap > 0.9
    assert found.capture.frames[0].identity == "subject7"


@pytest.mark.parametrize(("layout", "old"), [("all", True), ("machine_annot", False), ("human_annot", True)])
def test_both_annotation_layouts(tmp_path: Path, world: World, layout: str, old: bool) -> None:
    layouts.interhand(tmp_path / "old", world, "train", layout, old)
    assert run(tmp_path / "old", tmp_path / "capture") == 0
    assert len(read_capture(tmp_path / "capture").frames) == 9


def test_bad_images_are_listed_and_the_rest_goes_on(source: Path, tmp_path: Path) -> None:
    images = sorted((source / "images").rglob("*.jpg"))
    black, grey, gone, broken, turned = images[:5]
    save(black, np.zeros_like(np.asarray(Image.open(black))))
    save(grey, np.repeat(np.asarray(Image.open(grey).convert("L"))[..., None], 3, 2))
    gone.unlink()
    broken.write_bytes(broken.read_bytes()[:300])
    save(turned, np.asarray(Image.open(turned))[:90])
    assert run(source, tmp_path / "capture") == 0
    reasons = left_out(tmp_path / "capture")
    assert reasons[str(black)] == "it is black"
    assert "grey" in reasons[str(grey)]
    assert "is missing" in reasons[str(gone)] and "cannot be read" in reasons[str(broken)]
    assert not any(str(source) in reason for reason in reasons.values())
    assert len(reasons) == 5 and "pixels" in reasons[str(turned)]
    assert len(read_capture(tmp_path / "capture").frames) == 4


def test_wrong_sizes_in_the_metadata_are_mended_by_the_image(source: Path, tmp_path: Path) -> None:
    def swap(document: dict) -> None:
        for image in document["images"]:
            image["width"], image["height"] = image["height"], image["width"]

    edit(annotation(source, "data"), swap)
    assert run(source, tmp_path / "capture") == 0
    assert {(f.camera.width, f.camera.height) for f in read_capture(tmp_path / "capture").frames} == {(160, 200)}


def test_fits_far_off_their_joints_are_left_out(source: Path, tmp_path: Path) -> None:
    def shift(document: dict) -> None:
        document["0"]["106"]["right"]["trans"][0] += 0.04

    edit(annotation(source, "MANO_NeuralAnnot"), shift)
    assert run(source, tmp_path / "capture") == 0
    assert left_out(tmp_path / "capture") == {
        "Capture0/0001_pose/000106": "the fitted joints lie far off the annotated ones"
    }
    assert len(read_capture(tmp_path / "capture").poses.poses) == 2


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "there is no fit of the right hand"),
        ({"right": None, "left": None}, "there is no fit of the right hand"),
        ({"right": {"pose": [0.0] * 48, "shape": [0.0] * 10, "trans": [0.0] * 3}}, "there is no fit of the right hand"),
        ({"right": {"pose": [float("nan")] * 48, "shape": [0.0] * 10, "trans": [0.0] * 3}}, "not finite"),
        ({"right": {"pose": [0.1] * 47, "shape": [0.0] * 10, "trans": [0.0] * 3}}, "cannot be used"),
        ({"right": {"pose": [0.1] * 48}}, "cannot be used"),
    ],
)
def test_bad_fits_are_left_out(source: Path, tmp_path: Path, value: object, reason: str) -> None:
    edit(annotation(source, "MANO_NeuralAnnot"), lambda document: document["0"].update({"100": value}))
    assert run(source, tmp_path / "capture") == 0
    assert reason in left_out(tmp_path / "capture")["Capture0/0001_pose/000100"]


def test_one_frame_number_in_two_sequences_is_left_out(source: Path, tmp_path: Path) -> None:
    def rename(document: dict) -> None:
        document["images"][0]["seq_name"] = "0002_other"

    edit(annotation(source, "data"), rename)
    assert run(source, tmp_path / "capture") == 0
    (reason,) = left_out(tmp_path / "capture").values()
    assert "two sequences have this frame number" in reason


def test_the_shape_of_a_person_is_one_and_the_wrist_stays(source: Path, tmp_path: Path, world: World) -> None:
    rng = np.random.default_rng(0)

    def vary(document: dict) -> None:
        for entry in document["0"].values():
            entry["right"]["shape"] = (np.array(entry["right"]["shape"]) + rng.normal(0, 0.3, 10)).tolist()

    edit(annotation(source, "MANO_NeuralAnnot"), vary)
    fits = json.loads(annotation(source, "MANO_NeuralAnnot").read_text())["0"]
    assert run(source, tmp_path / "capture") == 0
    hand, capture = find_hand("mano", "right"), read_capture(tmp_path / "capture")
    assert len({pose.betas.tobytes() for pose in capture.poses.poses}) == 1
    for pose, fit in zip(capture.poses.poses, fits.values(), strict=True):
        wrist = hand.rest_joints(np.array(fit["right"]["shape"]))[0] + fit["right"]["trans"]
        assert np.allclose(pose_joints(hand, pose)[0], wrist, atol=1e-6)


def test_interacting_hands_are_taken_when_asked_for(source: Path, tmp_path: Path) -> None:
    def both(document: dict) -> None:
        for entry in document["annotations"]:
            entry["hand_type"] = "interacting"

    edit(annotation(source, "data"), both)
    assert run(source, tmp_path / "none") == 2
    assert run(source, tmp_path / "capture", "--interacting") == 0
    assert len(read_capture(tmp_path / "capture").frames) == 9


def test_it_goes_on_where_it_was_and_on_many_machines(source: Path, tmp_path: Path) -> None:
    whole, parts, workers = (tmp_path / name for name in ("whole", "parts", "workers"))
    assert run(source, whole) == 0
    for share in ("3/3", "1/3", "2/3"):
        assert run(source, parts, "--part", share) == 0
        assert not (parts / "transforms.json").exists()
    assert run(source, parts, "--merge") == 0
    assert run(source, workers, "--workers", "2") == 0
    assert files_of(whole) == files_of(parts) == files_of(workers)
    # Killed: an image of the first instant and the part of the second are gone; the third is whole.
    before = files_of(whole)
    kept = {path: os.stat(path).st_mtime_ns for path in (whole / "images").rglob("*.png") if "000112" in str(path)}
    min(whole.rglob("*.png")).unlink()
    sorted((whole / "parts").glob("*.json"))[1].unlink()
    assert run(source, whole) == 0
    assert files_of(whole) == before
    assert len(kept) == 3 and all(os.stat(path).st_mtime_ns == time for path, time in kept.items())
    # Other settings make all anew.
    assert run(source, whole, "--crop") == 0
    assert all(os.stat(path).st_mtime_ns != time for path, time in kept.items())


def test_the_progress_tells_of_how_many(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(source, tmp_path / "capture", "--machine") == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith(MACHINE_LINE)]
    told = [json.loads(line.removeprefix(MACHINE_LINE)) for line in lines]
    assert told[0] == {"done": 1, "of": 0, "text": "reading"}
    preparing = [one for one in told if one.get("text") == "preparing"]
    assert {one["of"] for one in preparing} == {3} and preparing[-1]["done"] == 3
    assert any("images of 3 poses" in one.get("found", "") for one in told)


def test_limits_and_choices(source: Path, tmp_path: Path) -> None:
    assert run(source, tmp_path / "a", "--limit", "1", "--cameras", "cam400001", "400002") == 0
    frames = read_capture(tmp_path / "a").frames
    assert sorted(frame.camera_name for frame in frames) == ["cam400001", "cam400002"]
    assert run(source, tmp_path / "b", "--every", "2") == 0
    assert len(read_capture(tmp_path / "b").poses.poses) == 2
    assert run(source, tmp_path / "c", "--subjects", "8") == 2


@pytest.mark.parametrize("kind", ["data", "camera", "joint_3d", "MANO_NeuralAnnot"])
def test_missing_annotations_are_named(
    source: Path, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    annotation(source, kind).unlink()
    assert run(source, tmp_path / "capture") == 2
    assert f"InterHand2.6M_test_{kind}.json" in capsys.readouterr().err


def test_a_split_that_is_not_there_is_named(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(source, tmp_path / "capture", "--split", "val") == 2
    assert "Choose --split test." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("kind", "change", "reason"),
    [
        ("data", lambda document: document["images"][0].update(frame_idx="first"), "'first'"),
        ("data", lambda document: document.pop("images"), "there is no 'images'"),
        ("camera", lambda document: document["0"].pop("campos"), "there is no 'campos'"),
        ("MANO_NeuralAnnot", lambda document: document.pop("0"), "there is no '0'"),
    ],
)
def test_annotations_of_another_form_are_named(
    source: Path,
    tmp_path: Path,
    kind: str,
    change: Callable[[dict], object],
    reason: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    edit(annotation(source, kind), change)
    assert run(source, tmp_path / "capture") == 2
    assert reason in capsys.readouterr().err
    assert not (tmp_path / "capture" / "transforms.json").exists()


def test_another_data_set_is_not_mixed_in(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(source, tmp_path / "capture") == 0
    assert run(source, tmp_path / "capture", "--side", "left") == 2
    assert "Choose another folder" in capsys.readouterr().err


def test_without_mano_it_says_what_to_get(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("LIVEHAND_MANO")
    assert run(source, tmp_path / "capture") == 2
    assert "LIVEHAND_MANO" in capsys.readouterr().err


def test_pickles_with_code_are_refused_and_nothing_runs(tmp_path: Path, world: World) -> None:
    class Evil:
        def __reduce__(self) -> object:
            return os.system, (f"touch {tmp_path / 'ran'}",)

    layouts.ho3d(tmp_path / "ho3d", world)
    victim = next((tmp_path / "ho3d").rglob("*.pkl"))
    victim.write_bytes(pickle.dumps({"handPose": Evil()}))
    assert main(["dataset", "ho3d", str(tmp_path / "ho3d"), str(tmp_path / "capture")]) == 0
    assert not (tmp_path / "ran").exists()
    assert len(read_capture(tmp_path / "capture").frames) == 8
    assert "refused" in next(iter(left_out(tmp_path / "capture").values()))


@pytest.mark.parametrize("kind", ["hanco", "freihand", "dexycb", "ho3d", "arctic", "livehand", "cameras"])
def test_a_folder_of_something_else_is_refused(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert main(["dataset", kind, str(tmp_path / "empty"), str(tmp_path / "capture")]) == 2
    assert str(tmp_path / "empty") in capsys.readouterr().err
    shutil.rmtree(tmp_path / "empty")
    assert main(["dataset", kind, str(tmp_path / "empty"), str(tmp_path / "other")]) == 2
