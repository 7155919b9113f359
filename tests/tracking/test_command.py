"""``livehand track``: motion files of a film, whole, resumed, of both hands, with an overlay; and what is refused."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pytest

from livehand_core.cli import main
from livehand_core.motion import read_motion
from livehand_core.tracking import clip as clips
from livehand_core.tracking.command import _record
from livehand_core.tracking.sources import open_source
from livehand_core.tracking.takes import read_notes
from livehand_core.tracking.values import TrackingOptions

from . import films


def track(film: Path, out: Path, *more: str) -> int:
    return main(["track", str(film), "-o", str(out), "--detail", "lite", "--threads", "1", *more])


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pictures = [*films.moving(14), *[films.empty()] * 4, *films.moving(14)]
    return films.write_film(tmp_path_factory.mktemp("film") / "hand.mp4", pictures)


def test_a_film_becomes_a_motion_that_blender_and_others_read(film: Path, tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    out = tmp_path / "motion.npz"
    assert track(film, out, "--overlay", str(tmp_path / "over.mp4")) == 0
    assert "right hand in 28 of 32 frames, 30 a second" in capsys.readouterr().out
    motion = read_motion(out)
    assert motion.has_wrist and len(motion.sequence.poses) == 32 and motion.sequence.fps == 30.0
    assert motion.sequence.poses[0].side == "right" and motion.notes == ()
    # The world's z is up and the camera looks along y: the hand is in front of it, fingers down as in the picture.
    pose = motion.sequence.poses[5]
    assert 0.1 < pose.transl[1] < 2.0
    notes = read_notes(out)
    assert (notes.confidence[:14] > 0.5).all() and (notes.confidence[14:18] == 0.0).all()
    assert (notes.camera.width, notes.camera.height) == (480, 360)
    # Filled in: no pose jumps.
    turns = np.stack([one.hand_pose for one in motion.sequence.poses])
    assert np.abs(np.diff(turns, axis=0)).max() < 0.5
    over = list(open_source(tmp_path / "over.mp4"))
    plain = list(open_source(film))
    assert len(over) == 32 and np.abs(over[5].picture.astype(int) - plain[5].picture).mean() > 2.0
    assert not list(tmp_path.glob(".*"))


def test_both_hands_get_a_file_each_or_one_of_interhand(tmp_path: Path) -> None:
    one = films.placed(scale=0.5, size=(320, 360))
    both = np.concatenate([one, one[:, ::-1]], axis=1)
    film = films.write_film(tmp_path / "both.mp4", [both] * 6)
    assert track(film, tmp_path / "m.npz", "--hands", "both", "--keep-shape") == 0
    right, left = (read_motion(tmp_path / f"m.{side}.npz").sequence.poses[3] for side in ("right", "left"))
    assert (right.side, left.side) == ("right", "left") and right.transl[0] < left.transl[0]
    assert track(film, tmp_path / "m.json", "--hands", "both", "--keep-shape") == 0
    document = json.loads((tmp_path / "m.json").read_text())
    assert all(entry["right"] and entry["left"] for entry in document["0"].values())


def test_a_run_that_was_stopped_goes_on_where_it_was(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = ("--keep-shape",)
    whole, resumed = tmp_path / "whole.npz", tmp_path / "resumed.npz"
    assert track(film, whole, *quick) == 0
    asked: list[int] = []
    real = clips.find_landmarks

    def stopped(source, options, store, progress, stop, threads):  # type: ignore[no-untyped-def]
        return real(source, options, store, progress, lambda: asked.append(1) or len(asked) > 11, threads)

    monkeypatch.setattr(clips, "find_landmarks", stopped)
    assert track(film, resumed, *quick) == 130
    monkeypatch.undo()
    assert not resumed.exists() and (tmp_path / ".resumed.npz.tracking").is_dir()
    seen: list[int] = []
    network = clips.LandmarkTracker.__call__
    monkeypatch.setattr(clips.LandmarkTracker, "__call__", lambda self, p, t: seen.append(1) or network(self, p, t))  # type: ignore[misc]
    assert track(film, resumed, *quick) == 0
    assert len(seen) == 32 - 11
    first, second = (read_motion(path).sequence for path in (whole, resumed))
    for one, other in zip(first.poses, second.poses, strict=True):
        np.testing.assert_allclose(one.full_pose, other.full_pose, atol=0.02)
    assert not list(tmp_path.glob(".*"))


def test_what_was_found_in_another_film_or_is_damaged_is_not_used(film: Path, tmp_path: Path) -> None:
    args = argparse.Namespace(input=str(film), hands="auto", mirror=False, detail="lite", fps=None)
    store = clips.Store(tmp_path / "kept", _record(args))
    store.begin()
    clip = clips.find_landmarks(open_source(film), TrackingOptions(detail="lite"), store, threads=1)
    assert clip is not None
    store.write(clip, 0)
    again = store.read()
    assert again.times == clip.times and len(again.hands[0]) == 1
    np.testing.assert_array_equal(again.hands[3][0].image, clip.hands[3][0].image)
    assert len(clips.Store(tmp_path / "kept", {"input": "another"}).read()) == 0
    part = next((tmp_path / "kept").glob("part_*"))
    part.write_bytes(part.read_bytes()[:100])
    assert len(store.read()) == 0


def test_what_cannot_be_done_is_told_at_once(film: Path, tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    wall = films.write_film(tmp_path / "wall.mp4", [films.empty()] * 3)
    there = tmp_path / "there.npz"
    there.touch()
    for more, word in (
        ((str(wall), "-o", str(tmp_path / "a.npz")), "No hand was found in 3 frames"),
        ((str(film), "-o", str(tmp_path / "a.fbx")), "unknown suffix"),
        ((str(film), "-o", str(there)), "already exists"),
        ((str(film), "-o", str(tmp_path / "a.npz"), "--overlay", str(tmp_path / "a.gif")), "not a video"),
        ((str(film), "-o", str(tmp_path / "a.npz"), "--smoothing", "7"), "smoothing of 7"),
        ((str(film), "-o", str(tmp_path / "a.npz"), "--model", "nobody"), "nobody"),
        ((str(tmp_path / "no.mp4"), "-o", str(tmp_path / "a.npz")), "does not exist"),
    ):
        assert main(["track", *more]) == 2
        assert word in capsys.readouterr().err
