"""Several captures as one training set: what stays apart, what is one person's, and what does not go together."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from livehand_core.captures.capture import Capture, read_capture, scan_capture, write_capture
from livehand_core.captures.images import write_image
from livehand_core.captures.joined import identities_in, identity_names, inspect_captures, join_captures
from livehand_core.captures.shooting import Shooting, Shot
from livehand_core.errors import CaptureError
from livehand_core.poses import PoseSequence

from .test_capture import HEIGHT, WIDTH, capture, edit, hand_image  # noqa: F401


def copy(source: Capture, folder: Path, identity: str, beta: float) -> Capture:
    """A capture of somebody else with the same cameras and joint angles."""
    poses = tuple(replace(pose, betas=beta + 0.1 * n + np.zeros(10)) for n, pose in enumerate(source.poses.poses))
    frames = tuple(replace(frame, identity=identity) for frame in source.frames)
    made = replace(source, folder=folder, frames=frames, poses=PoseSequence(poses), origin=f"of {folder.name}")
    for frame in frames:
        write_image(made.path(frame), hand_image())
    write_capture(made)
    return made


@pytest.fixture
def family(capture: Capture, tmp_path: Path) -> list[Path]:  # noqa: F811
    """Two folders of Anna, one of Ben, one of somebody without a name."""
    made = [("anna 1", "anna", 1.0), ("anna 2", "anna", 1.4), ("b", "ben", -2.0), ("someone", "", 0.0)]
    folders = [tmp_path / "family" / folder for folder, _, _ in made]
    for folder, (_, identity, beta) in zip(folders, made, strict=True):
        copy(capture, folder, identity, beta)
    return folders


def test_names_are_kept_in_the_folder(family: list[Path]) -> None:
    assert identity_names(read_capture(family[0]).frames) == ("anna",)
    assert identity_names(read_capture(family[3]).frames) == ("",)
    entries = json.loads((family[3] / "transforms.json").read_text())["frames"]
    assert not any("identity" in entry for entry in entries), "captures without a name are written as before"


def test_one_name_may_stand_for_all_frames(family: list[Path]) -> None:
    edit(read_capture(family[3]), lambda document: document["livehand"].update(identity="chi"))
    assert identity_names(read_capture(family[3]).frames) == ("chi",)


def test_joined(family: list[Path], capture: Capture) -> None:  # noqa: F811
    parts = [read_capture(folder) for folder in family]
    joined = join_captures(parts)
    assert len(joined.frames) == 24 and len(joined.poses.poses) == 12
    assert identity_names(joined.frames) == ("anna", "ben", "someone")
    assert joined.origin == "of anna 1; of anna 2; of b; of someone" and joined.licence == "CC0-1.0"
    flat = [(part, frame) for part in parts for frame in part.frames]
    for (part, before), after in zip(flat, joined.frames, strict=True):
        assert joined.path(after).samefile(part.path(before))
        assert joined.split(after) == part.split(before)
        assert after.camera is before.camera and after.camera_name.endswith(f"/{before.camera_name}")
        np.testing.assert_array_equal(joined.hand(after).betas, part.hand(before).betas)
        np.testing.assert_array_equal(joined.hand(after).full_pose, part.hand(before).full_pose)
    assert len({frame.camera_name for frame in joined.frames}) == 8, "each folder has its own cameras"
    assert joined.image(joined.frames[-1]).shape == (HEIGHT, WIDTH, 4)


def test_identities_and_their_shapes(family: list[Path]) -> None:
    joined = join_captures([read_capture(folder) for folder in family])
    train = joined.frames_of("train")
    anna, ben, someone = identities_in(joined, train, "the avatar")
    # Poses 0 and 1 of each folder are trained on: betas beta and beta + 0.1.
    assert anna.betas == pytest.approx((1.25,) * 10) and ben.betas == pytest.approx((-1.95,) * 10)
    assert someone.name == "someone" and anna.provenance == {"images": 4, "poses": 4, "cameras": 2}
    alone = read_capture(family[3])
    assert identities_in(alone, alone.frames, "the avatar")[0].name == "the avatar"


def test_names_may_be_given(family: list[Path]) -> None:
    captures = [read_capture(folder) for folder in family[:2]]
    assert identity_names(join_captures(captures, ["x", "y"]).frames) == ("x", "y")
    assert identity_names(join_captures(captures[:1], ["x"]).frames) == ("x",)
    assert identity_names(join_captures(captures, ["x", ""]).frames) == ("anna", "x")
    assert identity_names(join_captures(captures[:1], [""]).frames) == ("anna",)
    with pytest.raises(CaptureError, match="1 identities are named for 2 captures"):
        inspect_captures(family[:2], ["x"])


def test_folders_of_one_name_are_different_people(capture: Capture, tmp_path: Path) -> None:  # noqa: F811
    folders = [tmp_path / name / "take" for name in ("a", "b")]
    joined = join_captures([copy(capture, folder, "", 0.0) for folder in folders])
    assert identity_names(joined.frames) == ("a/take", "b/take")


def test_all_problems_of_all_folders_are_named_at_once(family: list[Path]) -> None:
    for folder in family[:2]:
        os.unlink(folder / "images/pose0/cam0.png")
    with pytest.raises(CaptureError) as caught:
        inspect_captures(family)
    for name in ("anna 1", "anna 2"):
        assert f"{name}/images/pose0/cam0.png: the image is missing" in str(caught.value)
    found = inspect_captures(family, skip_bad=True)
    assert len(found.capture.frames) == len(found.mask_pixels) == 22 and len(found.problems) == 2


def test_captures_that_do_not_go_together(family: list[Path], capture: Capture) -> None:  # noqa: F811
    first = read_capture(family[0])
    with pytest.raises(CaptureError, match="is given twice"):
        inspect_captures([family[0], family[0].parent / "b" / ".." / "anna 1"])
    other = replace(read_capture(family[2]), hand_model="mano")
    with pytest.raises(CaptureError, match=r"trained on together:\n.*'some-hand'\n.*b: a right hand of 'mano'"):
        join_captures([first, other])
    left = PoseSequence(tuple(pose.mirrored() for pose in first.poses.poses))
    with pytest.raises(CaptureError, match="a left hand"):
        join_captures([read_capture(family[2]), replace(first, poses=left)])


def test_a_pose_of_two_people_is_a_problem(family: list[Path]) -> None:
    def mix(document: dict) -> None:
        document["frames"][0]["identity"] = "ben"

    edit(read_capture(family[0]), mix)
    found, problems = scan_capture(family[0])
    assert [str(problem) for problem in problems] == ["pose 0: its images name several identities: 'anna', 'ben'"]
    assert {frame.pose for frame in found.frames} == {1, 2}
    with pytest.raises(CaptureError, match="several identities"):
        read_capture(family[0])


def test_a_shooting_tells_whose_hand_it_is(capture: Capture, tmp_path: Path) -> None:  # noqa: F811
    from livehand_core.captures.plan import Rig

    frame = capture.frames[0]
    rig = Rig(("cam0",), (frame.camera,), frozenset())
    shooting = Shooting(rig, capture.poses.poses, frozenset(), (Shot(0, 0),), "some-hand", identity="anna")
    assert shooting.fingerprint() != replace(shooting, identity="").fingerprint()
    folder = tmp_path / "shot"
    write_image(folder / shooting.image(0, 0), hand_image())
    assert shooting.write_documents(folder) == 1
    assert read_capture(folder).frames[0].identity == "anna"
