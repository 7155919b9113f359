"""The list of avatars: import, use, default, removal, pictures, the range warning; missing and foreign files."""

from __future__ import annotations

import json
import os
import shutil
import struct
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.blender.helpers import ROOT, make_scene

pytestmark = pytest.mark.bpy


def names() -> list[str]:
    import bpy

    return [item.name for item in bpy.context.window_manager.livehand_avatars]


def test_an_avatar_is_imported_used_and_removed(folder: Path, tiny_avatar: Path) -> None:
    import bpy

    _, rig = make_scene("")
    assert bpy.ops.livehand.avatar_import(filepath=str(tiny_avatar), name="Mine: 1", assign=False) == {"FINISHED"}
    made = folder / "avatars" / "Mine_ 1.safetensors"
    assert made.read_bytes() == tiny_avatar.read_bytes() and names() == ["Default", "Mine_ 1"]
    assert rig.livehand.avatar == ""
    # The same avatar again is not a second one; another one of the same name is.
    assert bpy.ops.livehand.avatar_import(filepath=str(tiny_avatar), name="Mine: 1") == {"FINISHED"}
    assert names() == ["Default", "Mine_ 1"] and rig.livehand.avatar == str(made)
    bpy.ops.livehand.avatar_use(path=str(folder / "other.safetensors"))
    assert rig.livehand.avatar.endswith("other.safetensors")
    assert bpy.ops.livehand.avatar_use() == {"FINISHED"} and rig.livehand.avatar == str(made)
    assert bpy.ops.livehand.avatar_remove(path=str(made)) == {"FINISHED"}
    assert not made.exists() and names() == ["Default"]
    with pytest.raises(RuntimeError, match="not in the folder of avatars"):
        bpy.ops.livehand.avatar_remove(path=str(tiny_avatar))
    assert tiny_avatar.exists()


def test_an_official_checkpoint_becomes_an_avatar(folder: Path) -> None:
    import bpy

    golden = ROOT / "tests" / "golden" / "uvd_sr2_seed0.tar"
    assert bpy.ops.livehand.avatar_import(filepath=str(golden), factor="2", assign=False) == {"FINISHED"}
    assert names() == ["Default", "uvd_sr2_seed0"]
    broken = folder / "broken.tar"
    broken.write_bytes(b"nothing")
    with pytest.raises(RuntimeError, match=r"broken\.tar"):
        bpy.ops.livehand.avatar_import(filepath=str(broken))


@pytest.mark.parametrize("content", [None, b"", b"no avatar at all", b"\x10\0\0\0\0\0\0\0{}"])
def test_files_that_are_no_avatars_are_refused(folder: Path, content: bytes | None) -> None:
    import bpy

    path = folder / "foreign.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RuntimeError, match="foreign"):
        bpy.ops.livehand.avatar_import(filepath=str(path))
    assert not (folder / "avatars").exists()


def test_a_damaged_file_in_the_folder_is_shown_and_tells_why(folder: Path, tiny_avatar: Path) -> None:
    import bpy

    from livehand_blender.avatars.library import describe

    (folder / "avatars").mkdir()
    (folder / "avatars" / "bad.safetensors").write_bytes(b"nothing")
    shutil.copy(tiny_avatar, folder / "avatars" / "good.safetensors")
    bpy.ops.livehand.avatar_refresh()
    items = {item.name: item.usable for item in bpy.context.window_manager.livehand_avatars}
    assert items == {"Default": True, "bad": False, "good": True}
    assert "truncated" in describe(folder / "avatars" / "bad.safetensors")[1]
    # The list survives another file.
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    assert names() == ["Default", "bad", "good"]


def test_poses_outside_the_trained_range_are_named_worst_first(folder: Path, tiny_avatar: Path) -> None:
    from livehand_blender.avatars.range import out_of_range
    from livehand_core.avatars.metadata import read_metadata
    from livehand_core.hand.gestures import mirror_hand_pose
    from livehand_core.poses import HandPose

    metadata = read_metadata(tiny_avatar)
    joints = np.zeros((15, 3))
    joints[0, 2], joints[4, 1] = 1.0, 0.6
    pose = HandPose(np.zeros(3), joints, np.zeros(10), np.zeros(3))
    assert list(out_of_range(pose, metadata)) == ["index1", "middle2"]
    assert out_of_range(pose, metadata)["index1"] == pytest.approx(np.degrees(0.7), abs=0.1)
    left = HandPose(np.zeros(3), mirror_hand_pose(joints), np.zeros(10), np.zeros(3), "left")
    assert out_of_range(left, metadata) == pytest.approx(out_of_range(pose, metadata))
    assert out_of_range(HandPose.rest(), metadata) == {}


def test_pictures_are_rendered_once_and_kept(folder: Path, fresh_engine: Any, tiny_avatar: Path) -> None:
    from livehand_blender.avatars import pictures
    from livehand_core.avatars.metadata import read_metadata

    metadata = read_metadata(tiny_avatar)
    # No engine is started for a picture.
    assert pictures.icon_of_avatar(tiny_avatar, metadata) == 0
    assert pictures._work() is None and fresh_engine.engine_client().info is None
    fresh_engine.engine_client().start()
    pictures.icon_of_avatar(tiny_avatar, metadata)
    deadline = time.monotonic() + 200.0
    while not pictures.picture_path(metadata).is_file():
        assert time.monotonic() < deadline and not pictures._failed
        pictures._work()
        time.sleep(0.05)
    from PIL import Image

    with Image.open(pictures.picture_path(metadata)) as image:
        assert image.size == (pictures.SIZE, pictures.SIZE) and len(image.getcolors(pictures.SIZE**2) or ()) > 50


def bad_files(good: bytes) -> dict[str, bytes]:
    """Files that a folder of avatars has come to hold, by name."""
    size = struct.unpack("<Q", good[:8])[0]
    header = json.loads(good[8 : 8 + size])
    document = json.loads(header["__metadata__"]["livehand_avatar"])

    def with_document(text: str) -> bytes:
        text = json.dumps(header | {"__metadata__": {"livehand_avatar": text}})
        return struct.pack("<Q", len(text)) + text.encode() + good[8 + size :]

    changes = {
        "provenance": {"provenance": None},
        "hash": {"content_hash": [1, 2]},
        "depth": {"architecture": {**document["architecture"], "n_samples": 1e9}},
        "name": {"name": {"a": 1}},
        "identities": {"identities": [None]},
    }
    made = {name: with_document(json.dumps(document | change)) for name, change in changes.items()}
    made["deep"] = with_document("[" * 100000)
    made["list"] = struct.pack("<Q", 3) + b"[1]"
    return made | {"pointer": b"version https://git-lfs.github.com/spec/v1\n", "empty": b""}


def test_one_bad_file_never_empties_the_list_or_breaks_the_panel(folder: Path, tiny_avatar: Path) -> None:
    import bpy

    from livehand_blender.ui.avatar_panels import LIVEHAND_PT_avatars
    from tests.blender.layout import draw

    place = folder / "avatars"
    place.mkdir()
    bad = bad_files(tiny_avatar.read_bytes())
    for name, content in bad.items():
        (place / f"{name}.safetensors").write_bytes(content)
    shutil.copy(tiny_avatar, place / "good.safetensors")
    if os.name == "posix":
        os.mkfifo(place / "pipe.safetensors")
        (place / "folder.safetensors").mkdir()
        (place / "loop.safetensors").symlink_to(place / "loop.safetensors")
        shutil.copy(tiny_avatar, os.fsencode(place) + b"/caf\xe9.safetensors")
    bpy.ops.livehand.avatar_refresh()
    items = bpy.context.window_manager.livehand_avatars
    usable = {item.name for item in items if item.usable}
    assert {"Default", "good"} <= usable and usable.isdisjoint(bad)
    assert set(bad) <= {item.name for item in items}
    for number, item in enumerate(items):
        bpy.context.window_manager.livehand_avatar_index = number
        texts = " ".join(draw(LIVEHAND_PT_avatars, bpy.context))
        assert item.usable or item.name in texts, (item.name, texts)
        assert item.usable or any(
            word in texts for word in ("damaged", "not", "truncated", "pointer", "not an ordinary")
        )


def test_a_picture_lies_in_its_folder_whatever_the_avatar_says_of_itself(folder: Path, tiny_avatar: Path) -> None:
    from livehand_blender.avatars.pictures import picture_path
    from livehand_core.avatars.metadata import read_metadata

    metadata = read_metadata(tiny_avatar)
    forged = [
        replace(metadata, content_hash=text) for text in ("../../evil", "/etc/passwd", "a" * 5000, "\ud800", "a\0")
    ]
    forged += [replace(metadata, content_hash="", name="../../evil")]
    places = {picture_path(one) for one in [metadata, *forged]}
    assert len(places) == 7
    for place in places:
        assert place.parent == folder / "previews" and len(place.name) < 100 and place.resolve() == place
