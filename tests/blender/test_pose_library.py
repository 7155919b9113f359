"""The gestures as pose assets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from livehand_blender.rig.thumbnails import pose_thumbnail
from livehand_core.hand.builtin import builtin_hand
from livehand_core.hand.gestures import GESTURES, gesture
from livehand_core.poses import HandPose
from tests.blender.hands import SIDES, angles, bone, create, shown

pytestmark = pytest.mark.bpy


@pytest.mark.parametrize("side", SIDES)
def test_thumbnails_show_the_hand(side: str) -> None:
    pictures = {
        name: pose_thumbnail(builtin_hand(side), replace(HandPose.rest(side), hand_pose=gesture(name, side)), 64)
        for name in ("rest", "fist", "point")
    }
    for picture in pictures.values():
        assert picture.shape == (64, 64, 4) and picture.dtype == np.float32
        covered = picture[..., 3].mean()
        assert 0.08 < covered < 0.7
        # Skin is warm, and premultiplied.
        assert picture[..., 0].sum() > picture[..., 2].sum() and (picture[..., :3] <= picture[..., 3:] + 1e-6).all()
    # Rows run bottom up: a pointing finger is narrow at the top, the wrist wide at the bottom.
    alpha = pictures["point"][..., 3]
    assert 0 < (alpha[-8:].max(axis=0) > 0.5).sum() < (alpha[:8].max(axis=0) > 0.5).sum()


@pytest.mark.parametrize("side", SIDES)
def test_assets_of_this_file_pose_either_hand(addon, side: str) -> None:
    import bpy

    rig = create(side)
    bone(rig, "index_control").rotation_euler[0] = 0.4
    assert bpy.ops.livehand.make_pose_library(target="FILE") == {"FINISHED"}
    assert bpy.ops.livehand.make_pose_library(target="FILE") == {"FINISHED"}
    assets = [action for action in bpy.data.actions if action.asset_data is not None]
    assert len(assets) == len(GESTURES)
    for name in ("fist", "point", "rest"):
        action = bpy.data.actions[f"Hand {name.title()}"]
        assert "LiveHand" in action.asset_data.tags and tuple(action.preview.image_size) == (128, 128)
        rig.pose.apply_pose_from_action(action)
        wanted = angles(replace(HandPose.rest(side), hand_pose=gesture(name, side)))
        np.testing.assert_allclose(angles(shown(rig)), wanted, atol=0.1)


def test_the_library_is_a_folder_of_its_own(addon, tmp_path: Path) -> None:
    import bpy

    before = len(bpy.data.actions)
    libraries = bpy.context.preferences.filepaths.asset_libraries
    count = len(libraries)
    folder = tmp_path / "Poses äöü"
    for _ in range(2):
        assert bpy.ops.livehand.make_pose_library(directory=str(folder)) == {"FINISHED"}
    assert len(libraries) == count + 1 and len(bpy.data.actions) == before
    libraries.remove(libraries[-1])
    assert sorted(path.name for path in folder.iterdir()) == ["blender_assets.cats.txt", "livehand_poses.blend"]
    with bpy.data.libraries.load(str(folder / "livehand_poses.blend"), assets_only=True) as (source, target):
        target.actions = source.actions
    assert len(target.actions) == len(GESTURES)
    fist = next(action for action in target.actions if action.name == "Hand Fist")
    assert str(fist.asset_data.catalog_id) in (folder / "blender_assets.cats.txt").read_text(encoding="utf-8")
    assert tuple(fist.preview.image_size) == (128, 128) and max(fist.preview.image_pixels_float) > 0.5
    rig = create("left")
    rig.pose.apply_pose_from_action(fist)
    wanted = angles(replace(HandPose.rest(), hand_pose=gesture("fist")))
    np.testing.assert_allclose(angles(shown(rig)), wanted, atol=0.1)


def test_a_folder_that_cannot_be_written_is_told(addon, tmp_path: Path) -> None:
    import bpy

    (tmp_path / "file").write_text("not a folder")
    before = len(bpy.data.actions)
    with pytest.raises(RuntimeError, match="cannot be written"):
        bpy.ops.livehand.make_pose_library(directory=str(tmp_path / "file"))
    assert len(bpy.data.actions) == before
