"""``livehand mesh --rig``: the skinned glTF by the rules of its standard, and where the rig brings the mesh."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from livehand_core import cli
from livehand_core.hand.builtin import builtin_hand
from livehand_core.hand.gestures import gesture
from livehand_core.hand.skinning import pose_vertices
from livehand_core.meshes.rig import rigged_proxy, strongest, vertices_of
from livehand_core.meshes.skinned_gltf import write_rigged
from livehand_core.motion import write_motion
from livehand_core.poses import HandPose, PoseSequence
from tests.meshes.gltf_rules import Gltf, broken_rules
from tests.meshes.test_command import avatar

__all__ = ["avatar"]


def moving(count: int, side: str = "right") -> list[HandPose]:
    random = np.random.default_rng(3)
    names = ("open", "fist", "point", "pinch", "ok")
    poses = []
    for frame in range(count):
        part = frame / max(count - 1, 1) * (len(names) - 1)
        first = min(int(part), len(names) - 2)
        one, other = gesture(names[first], side), gesture(names[first + 1], side)  # type: ignore[arg-type]
        joints = one + (part - first) * (other - one)
        turn = random.normal(size=3)
        poses.append(HandPose(turn, joints, np.full(10, 0.5), random.normal(size=3), side))  # type: ignore[arg-type]
    return poses


@pytest.mark.parametrize("side", ["right", "left"])
def test_a_rig_brings_the_mesh_onto_the_proxy(side: str) -> None:
    data, poses = builtin_hand(side), moving(40, side)  # type: ignore[arg-type]
    rig = rigged_proxy(data, poses, 24.0)
    assert len(rig.targets) < 40 and rig.motion.weights.min() >= 0.0 and rig.motion.weights.max() <= 1.0
    own, alone = vertices_of(data), 0.0
    for frame, pose in enumerate(poses):
        exact = pose_vertices(data, pose)[own]
        assert np.linalg.norm(rig.posed(frame) - exact, axis=1).max() < 1e-4
        alone = max(alone, np.linalg.norm(rig.posed(frame, with_targets=False) - exact, axis=1).max())
    # What the morph targets are for: bones alone are far off in a fist.
    assert alone > 5e-3


def test_more_than_four_bones_a_vertex_are_made_up_for_by_the_targets() -> None:
    from dataclasses import replace

    data, random = builtin_hand("right"), np.random.default_rng(1)
    weights = 0.7 * data.weights + 0.3 * random.dirichlet(np.ones(16), len(data.weights))
    data = replace(data, weights=weights.astype(np.float32))
    assert np.allclose(strongest(data.weights)[1].sum(axis=1), 1.0, atol=1e-6)
    poses = moving(6)
    rig = rigged_proxy(data, poses, 24.0)
    own = vertices_of(data)
    for frame, pose in enumerate(poses):
        assert np.linalg.norm(rig.posed(frame) - pose_vertices(data, pose)[own], axis=1).max() < 2e-4


@pytest.mark.parametrize("suffix", [".glb", ".gltf"])
@pytest.mark.parametrize("frames", [1, 5])
def test_the_file_keeps_the_rules_and_holds_the_motion(suffix: str, frames: int, tmp_path: Path) -> None:
    poses = moving(frames)
    rig = rigged_proxy(builtin_hand("right"), poses, 30.0)
    path = tmp_path / f"hand{suffix}"
    write_rigged(path, rig, copyright="CC0-1.0")
    assert broken_rules(path) == []
    file = Gltf.read(path)
    assert file.document["asset"]["copyright"] == "CC0-1.0"
    names = [node["name"] for node in file.document["nodes"]]
    assert names[1] == "wrist.R" and "index3.R" in names
    for frame in range(frames):
        found = file.posed(frame)
        exact = pose_vertices(builtin_hand("right"), poses[frame])[vertices_of(builtin_hand("right"))]
        assert np.linalg.norm(found[:, [0, 2, 1]] * [1, -1, 1] - exact, axis=1).max() < 1e-4


def test_the_rules_find_what_breaks_them(tmp_path: Path) -> None:
    write_rigged(tmp_path / "hand.gltf", rigged_proxy(builtin_hand("right"), moving(2), 30.0))
    sound = (tmp_path / "hand.gltf").read_text()

    def broken(change: Any) -> list[str]:
        document = json.loads(sound)
        change(document)
        (tmp_path / "broken.gltf").write_text(json.dumps(document))
        with np.errstate(all="ignore"):
            return broken_rules(tmp_path / "broken.gltf")

    assert broken(lambda d: None) == []
    assert broken(lambda d: d["accessors"][0]["max"].__setitem__(0, 1.0))
    assert broken(lambda d: d["bufferViews"][1].update(byteOffset=d["bufferViews"][1]["byteOffset"] + 2))
    assert broken(lambda d: d["nodes"][1]["rotation"].__setitem__(3, 2.0))
    assert broken(lambda d: d["accessors"][0].pop("min"))
    assert broken(lambda d: d["skins"][0]["joints"].pop())
    assert broken(lambda d: d["meshes"][0]["weights"].pop())


def run(avatar: Path, out: Path, *words: object) -> int:
    line = ["mesh", str(avatar), "--rig", "--out", str(out), "--threads", "1", "--texture", "64", *map(str, words)]
    return cli.main(line)


def test_a_motion_becomes_an_animated_textured_file(
    avatar: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from livehand_core.meshes import rigged

    monkeypatch.setattr(rigged, "PICTURES", 4)
    monkeypatch.setattr(rigged, "PICTURE_SIDE", 96)
    write_motion(tmp_path / "take.npz", [PoseSequence(tuple(moving(4)), 12.0)])
    assert run(avatar, tmp_path / "hand.glb", "--motion", tmp_path / "take.npz", "--keep-wrist") == 0
    told = capsys.readouterr()
    assert "16 bones" in told.out and "4 frames" in told.out and "texture" in told.out and "morph targets" in told.out
    assert broken_rules(tmp_path / "hand.glb") == []
    file = Gltf.read(tmp_path / "hand.glb")
    assert file.array(file.document["animations"][0]["samplers"][0]["input"])[:, 0] == pytest.approx(
        [0, 1 / 12, 2 / 12, 3 / 12]
    )
    picture = file.picture()
    assert picture.shape == (64, 64, 3) and picture.std() > 0.0


def test_the_density_s_surface_is_carried_by_the_rig(avatar: Path, tmp_path: Path) -> None:
    words = ("--surface", "density", "--resolution", 6, "--pose", "point")
    assert run(avatar, tmp_path / "hand.glb", *words) == 0
    assert (
        cli.main(["mesh", str(avatar), "--out", str(tmp_path / "still.npz"), "--threads", "1", *map(str, words[2:])])
        == 0
    )
    assert broken_rules(tmp_path / "hand.glb") == []
    file = Gltf.read(tmp_path / "hand.glb")
    with np.load(tmp_path / "still.npz") as still:
        # In its own pose it is what it was.
        assert np.allclose(file.posed(0)[:, [0, 2, 1]] * [1, -1, 1], still["vertices"], atol=2e-6)
    assert "COLOR_0" in file.document["meshes"][0]["primitives"][0]["attributes"]


def test_what_is_wrong_is_said_and_nothing_is_written(
    avatar: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from dataclasses import replace

    from livehand_core.frames import HandInstance

    shapes = [replace(pose, betas=np.full(10, 0.1 * number)) for number, pose in enumerate(moving(2))]
    for name, hands in {
        "shapes": [HandInstance(pose) for pose in shapes],
        "scales": [HandInstance(moving(1)[0], scale=1.0), HandInstance(moving(1)[0], scale=2.0)],
        "none": [],
    }.items():
        (tmp_path / f"{name}.json").write_text(json.dumps([hand.to_json() for hand in hands]))
    for words, said in {
        ("--hand", tmp_path / "shapes.json"): "shape changes",
        ("--hand", tmp_path / "scales.json"): "several sides, scales or identities",
        ("--hand", tmp_path / "none.json"): "holds no hand",
        ("--texture", "8"): "from 64 to 4096",
        ("--motion", tmp_path / "none.npz"): "none.npz",
        ("--motion", tmp_path / "none.npz", "--pose", "fist"): "were both given",
        ("--fps", "0"): "frames a second",
    }.items():
        assert run(avatar, tmp_path / "hand.glb", *words) == 2
        assert said in capsys.readouterr().err
    assert run(avatar, tmp_path / "hand.ply") == 2
    assert "cannot hold a rig" in capsys.readouterr().err
    assert cli.main(["mesh", str(avatar), "--out", str(tmp_path / "hand.glb"), "--motion", "take.npz"]) == 2
    assert "Add --rig" in capsys.readouterr().err
    assert not (tmp_path / "hand.glb").exists()
