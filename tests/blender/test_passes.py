"""Passes by Blender's names in a multilayer EXR that is read back, and motion blur against pictures at subframes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from livehand_blender.render.shutter import shutter_times, split_frame
from tests.blender.helpers import index_pass, make_scene, render_exr

pytestmark = pytest.mark.bpy


def test_hashes_are_those_of_the_specification(addon) -> None:
    from livehand_blender.render.cryptomatte import hash_float, metadata, murmur3

    # Published values of MurmurHash3_x86_32 with seed 0.
    assert murmur3(b"") == 0
    assert murmur3(b"hello") == 0x248BFA47
    assert murmur3(b"hello, world") == 0x149BBB7F
    assert murmur3(b"The quick brown fox jumps over the lazy dog") == 0x2E4FF723
    names = [f"Hand.{number:03d}" for number in range(500)]
    floats = np.array([hash_float(name) for name in names])
    assert np.isfinite(floats).all() and len(set(floats)) == 500
    assert np.all(np.abs(floats) >= np.finfo(np.float32).tiny), "no denormals, which some programs flush"
    fields = metadata("ViewLayer", ["Hand"])
    assert all(key.startswith("cryptomatte/") and len(key.split("/")[1]) == 7 for key in fields)
    assert json.loads(next(v for k, v in fields.items() if k.endswith("manifest"))) == {
        "Hand": f"{murmur3(b'Hand'):08x}"
    }


def test_index_uv_and_cryptomatte_of_two_hands(engine, tiny_avatar: Path, tmp_path: Path) -> None:
    import bpy

    from livehand_blender.render.cryptomatte import hash_float
    from livehand_blender.rig.armature import create_hand

    scene, rig = make_scene(tiny_avatar)
    other = create_hand(bpy.context, "left", avatar=str(tiny_avatar))
    rig.name, other.name = "Near", "Far"
    rig.location, other.location = (0.0, 0.0, 0.05), (-0.2, 0.0, -0.06)
    settings = scene.view_layers[0].livehand
    settings.use_uv = settings.use_uvd = settings.use_cryptomatte = True
    images = render_exr(scene, tmp_path / "a.exr")
    index = images[f"{index_pass()}.X"]
    assert set(np.unique(index)) == {0.0, 1.0, 2.0}, "numbers, where no hand has a Pass Index"
    hashes = images["CryptoObject00.r"]
    for number, name in ((1.0, "Near"), (2.0, "Far")):
        assert np.all(hashes[index == number] == hash_float(name))
    assert np.all(hashes[index == 0.0] == 0.0)
    there = index > 0.0
    np.testing.assert_allclose(images["CryptoObject00.g"][there], images["Combined.A"][there].clip(0, 1), atol=1e-6)
    data = (tmp_path / "a.exr").read_bytes()
    assert b"MurmurHash3_32" in data and b'"Near"' in data
    np.testing.assert_array_equal(images["UV.A"], images["Canonical.U"] != 0.0)
    for channel in "UV":
        np.testing.assert_array_equal(images[f"UV.{channel}"], images[f"Canonical.{channel}"])

    other.pass_index = 7
    index = render_exr(scene, tmp_path / "b.exr")[f"{index_pass()}.X"]
    assert set(np.unique(index)) == {0.0, 7.0}


def test_the_open_shutter_lies_where_its_position_says() -> None:
    assert shutter_times(10.0, "CENTER", 0.5, 2) == [9.875, 10.125]
    assert shutter_times(10.0, "START", 1.0, 2) == [10.25, 10.75]
    assert shutter_times(0.0, "END", 1.0, 2) == [-0.75, -0.25]
    assert split_frame(-0.25) == (-1, 0.75) and split_frame(3.0) == (3, 0.0)


def test_motion_blur_is_the_mean_of_subframes(engine, tiny_avatar: Path, tmp_path: Path) -> None:
    scene, rig = make_scene(tiny_avatar)
    for frame, x in ((0, 0.0), (10, 0.4)):
        rig.location.x = x
        rig.keyframe_insert("location", frame=frame)
    render = scene.render
    sharp = []
    for moment in shutter_times(4.0, "START", 1.0, 3):
        whole, part = split_frame(moment)
        scene.frame_set(whole, subframe=part)
        sharp.append(render_exr(scene, tmp_path / "sharp.exr"))
    scene.frame_set(4)
    still = render_exr(scene, tmp_path / "still.exr")
    render.use_motion_blur, render.motion_blur_shutter, render.motion_blur_position = True, 1.0, "START"
    scene.livehand.motion_blur_steps = 3
    blurred = render_exr(scene, tmp_path / "blurred.exr")
    for channel in "RGBA":
        wanted = np.mean([image[f"Combined.{channel}"] for image in sharp], axis=0)
        np.testing.assert_allclose(blurred[f"Combined.{channel}"], wanted, atol=1e-4)
    assert np.abs(blurred["Combined.A"] - still["Combined.A"]).max() > 0.2
    np.testing.assert_array_equal(blurred["Depth.Z"], still["Depth.Z"])
    assert scene.frame_current == 4 and scene.frame_subframe == 0.0
