"""Pictures that Blender writes are signed where the scene wants it, and verified by an operator."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.blender.helpers import make_scene

pytestmark = pytest.mark.bpy


@pytest.fixture
def certified(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This Python as the engine's, with a certificate to sign with; gives an empty folder."""
    pytest.importorskip("c2pa")
    from livehand_core.provenance.certificate import make_certificate

    monkeypatch.setenv("LIVEHAND_CERTIFICATE", str(make_certificate("Blender", folder / "certificate").parent))
    return folder


def test_stills_and_animations_are_signed_and_verified(certified: Path, tiny_avatar: Path) -> None:
    import bpy

    from livehand_blender.provenance import operators
    from livehand_core.provenance.signing import verify

    scene, _ = make_scene(tiny_avatar)
    scene.livehand.sign = True
    scene.render.filepath = str(certified / "still.png")
    bpy.ops.render.render(write_still=True)
    scene.render.filepath, scene.frame_end = str(certified / "frame_##.png"), 2
    bpy.ops.render.render(animation=True)
    paths = [certified / name for name in ("still.png", "frame_01.png", "frame_02.png")]
    assert operators.failure == ""
    assert [(verify(path).state, verify(path).title) for path in paths] == [("valid", path.name) for path in paths]
    assert bpy.ops.livehand.verify(filepath=str(paths[0])) == {"FINISHED"}
    assert operators.told[0] == "still.png: valid" and "nobody vouches" in operators.told[1]
    content = bytearray(paths[0].read_bytes())
    content[-20] ^= 1
    paths[0].write_bytes(content)
    files = [{"name": path.name} for path in paths[:2]]
    assert bpy.ops.livehand.verify(directory=str(certified), files=files) == {"FINISHED"}
    assert operators.told[0].startswith("still.png: changed") and "frame_01.png: valid" in operators.told


def test_what_cannot_be_signed_is_told(certified: Path, tiny_avatar: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import bpy

    from livehand_blender.provenance import operators

    monkeypatch.setenv("LIVEHAND_CERTIFICATE", str(certified / "none"))
    scene, _ = make_scene(tiny_avatar)
    scene.livehand.sign = True
    scene.render.filepath = str(certified / "still.png")
    bpy.ops.render.render(write_still=True)
    assert "Not signed" in operators.failure and "--make-certificate" in operators.failure
    with pytest.raises(RuntimeError, match=r"none\.png"):
        bpy.ops.livehand.verify(filepath=str(certified / "none.png"))
