"""``livehand render`` from its words to its files, on an untrained avatar of the built-in hand, made solid."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from livehand_core import cli
from livehand_core.avatars import Architecture, Identity, new_avatar, save_avatar
from livehand_core.cameras import Camera, look_at
from livehand_core.captures.capture import Capture, CaptureFrame, write_capture
from livehand_core.captures.images import write_image
from livehand_core.hand.builtin import builtin_hand
from livehand_core.hand.gestures import gesture
from livehand_core.motion import WriteOptions, write_motion
from livehand_core.networks.config import FieldConfig
from livehand_core.poses import HandPose, PoseSequence
from livehand_core.views.pictures import load_png
from tests.core.conftest import solid


@pytest.fixture(scope="module")
def avatar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of two identities, one much larger."""
    people = (Identity("anna"), Identity("ben", tuple([3.0] + [0.0] * 9)))
    field = FieldConfig(latent_size=4, depth=2, width=32)
    made = solid(new_avatar(builtin_hand("right"), Architecture(field, n_samples=4), identities=people))
    path = tmp_path_factory.mktemp("avatar") / "solid.safetensors"
    save_avatar(path, made)
    return path


def render(avatar: Path, out: Path, *words: object) -> int:
    size = () if "--capture" in words else ("--size", "40x48")
    given = ["render", str(avatar), "--out", str(out), "--threads", "1", "--precision", "exact", *size]
    return cli.main([*given, *map(str, words)])


def frames(folder: Path) -> list[np.ndarray]:
    return [load_png(path) for path in sorted(folder.glob("*.png"))]


def cover(picture: np.ndarray) -> float:
    return float((picture[..., 3] > 127).mean())


def test_a_still_shows_the_hand(avatar: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert render(avatar, tmp_path / "hand.png", "--pose", "open") == 0
    picture = load_png(tmp_path / "hand.png")
    assert picture.shape == (48, 40, 4) and 0.15 < cover(picture) < 0.6
    assert capsys.readouterr().out.strip() == str(tmp_path / "hand.png")
    assert [path.name for path in tmp_path.iterdir()] == ["hand.png"]


def test_an_orbit_is_what_moves_where_nothing_else_does(avatar: Path, tmp_path: Path) -> None:
    assert render(avatar, tmp_path / "turn", "--frames", 4, "--passes", "depth", "mask") == 0
    turned = frames(tmp_path / "turn")
    assert len(turned) == 4 and len(frames(tmp_path / "turn" / "depth")) == 4
    # From the edge the hand is narrower than from palm and back.
    assert max(cover(turned[1]), cover(turned[3])) < min(cover(turned[0]), cover(turned[2]))
    assert render(avatar, tmp_path / "turn", "--frames", 4, "--passes", "depth", "mask") == 0


def test_poses_shapes_and_identities_move_the_hand(avatar: Path, tmp_path: Path) -> None:
    assert render(avatar, tmp_path / "poses", "--pose", "open", "fist", "--frames", 3) == 0
    sizes = [cover(picture) for picture in frames(tmp_path / "poses")]
    assert sizes[0] > 1.2 * sizes[2]
    assert render(avatar, tmp_path / "shapes", "--shapes", 0, "--shapes-by", 3, "--frames", 4) == 0
    sizes = [cover(picture) for picture in frames(tmp_path / "shapes")]
    assert max(sizes) > 1.2 * min(sizes)
    assert render(avatar, tmp_path / "people", "--identity", "anna", "ben", "--frames", 2) == 0
    sizes = [cover(picture) for picture in frames(tmp_path / "people")]
    assert sizes[0] != sizes[1]


def test_a_motion_is_played_at_its_rate_or_another(avatar: Path, tmp_path: Path) -> None:
    poses = [HandPose(np.zeros(3), gesture(name), np.zeros(10), np.zeros(3)) for name in ("open", "fist", "open")]
    PoseSequence(tuple(poses), 10.0).save(tmp_path / "take.npz")
    assert render(avatar, tmp_path / "same", "--motion", tmp_path / "take.npz") == 0
    assert render(avatar, tmp_path / "double", "--motion", tmp_path / "take.npz", "--fps", 20) == 0
    same, double = frames(tmp_path / "same"), frames(tmp_path / "double")
    assert len(same) == 3 and len(double) == 5
    assert (same[0] == same[2]).all() and cover(same[1]) < 0.8 * cover(same[0])
    # The frames between reach farther, so the camera may stand a little farther away.
    for one, other in zip(same, double[::2], strict=True):
        assert cover(one) == pytest.approx(cover(other), rel=0.1)


def test_interhand_annotations_are_played(avatar: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    poses = [
        HandPose(np.zeros(3), gesture(name, "left"), np.zeros(10), np.zeros(3), "left") for name in ("open", "fist")
    ]
    write_motion(tmp_path / "take.json", [PoseSequence(tuple(poses), 30.0)], WriteOptions(flat_mean=True))
    motion = ("--motion", tmp_path / "take.json", "--file-side", "left", "--file-model", "livehand-builtin-1")
    assert render(avatar, tmp_path / "take", *motion, "--flat-mean", "--file-capture", "0") == 0
    # A right hand's avatar shows the left hand's motion as a right one.
    assert render(avatar, tmp_path / "same", "--pose", "open", "fist", "--frames", 2) == 0
    assert all((a == b).all() for a, b in zip(frames(tmp_path / "take"), frames(tmp_path / "same"), strict=True))
    assert render(avatar, tmp_path / "none", *motion, "--file-capture", "7") == 2
    assert "no capture '7'" in capsys.readouterr().err


def test_a_captures_frames_stand_beside_their_truth(avatar: Path, tmp_path: Path) -> None:
    view = look_at(np.array([-0.08, -0.5, 0.0]), np.array([-0.08, 0.0, 0.0]), np.array([0.0, 0.0, 1.0]))
    camera = Camera(40, 32, 90.0, 90.0, 20.0, 16.0, view)
    poses = PoseSequence(tuple(HandPose.rest() for _ in range(4)))
    shown = tuple(CaptureFrame(f"{i}.png", camera, "front", i) for i in range(4))
    folder = tmp_path / "capture"
    folder.mkdir()
    for number, frame in enumerate(shown):
        write_image(folder / frame.image, np.full((32, 40, 4), [0.1 * number, 0.0, 0.0, 1.0]))
    capture = Capture(folder, shown, poses, "livehand-builtin-1", held_out_poses=frozenset({1, 3}))
    write_capture(capture)
    assert render(avatar, tmp_path / "pairs", "--capture", folder, "--split", "pose") == 0
    pairs = frames(tmp_path / "pairs")
    assert [picture.shape for picture in pairs] == [(32, 80, 3)] * 2
    assert [int(picture[0, 0, 0]) for picture in pairs] == [26, 76]
    assert pairs[0][:, 40:].any()


def test_what_is_wrong_is_said_before_anything_is_drawn(
    avatar: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words, said in {
        ("--pose", "wave"): "thumb_up",
        ("--identity", "carl"): "'anna', 'ben'",
        ("--size", "0x5"): "WIDTHxHEIGHT",
        ("--frames", "0"): "--frames 1 to 9999",
        ("--background", "mauve-ish"): "not a colour",
        ("--pose", "open", "--motion", "x.npz"): "both given",
        ("--capture", str(tmp_path), "--camera", "orbit"): "does not go with --capture",
        ("--motion", str(tmp_path / "none.npz")): "does not exist",
        ("--shapes", "12"): "coefficient 12",
        ("--device", "tpu"): "unknown",
    }.items():
        assert render(avatar, tmp_path / "out", *words) == 2
        assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_interrupt_says_how_to_go_on(
    avatar: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from livehand_core.rendering.renderer import Renderer

    drawn, whole = [], Renderer.render

    def twice(self: Renderer, request: object) -> object:
        if len(drawn) == 2:
            raise KeyboardInterrupt
        drawn.append(request)
        return whole(self, request)  # type: ignore[arg-type]

    monkeypatch.setattr(Renderer, "render", twice)
    assert render(avatar, tmp_path / "turn", "--frames", 4) == 130
    assert "2 of 4 frames" in capsys.readouterr().err
    monkeypatch.undo()
    assert render(avatar, tmp_path / "turn", "--frames", 4) == 0
    assert len(frames(tmp_path / "turn")) == 4


def test_replacing_the_avatar_is_another_render(
    avatar: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert render(avatar, tmp_path / "turn", "--frames", 1) == 0
    other = tmp_path / "other.safetensors"
    made = solid(new_avatar(builtin_hand("right"), Architecture(FieldConfig(depth=2, width=32), n_samples=4)))
    save_avatar(other, replace(made, metadata=replace(made.metadata, name="other")))
    assert render(other, tmp_path / "turn", "--frames", 1) == 2
    assert "another avatar" in capsys.readouterr().err
