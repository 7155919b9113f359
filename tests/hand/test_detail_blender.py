"""The detail hand and the studio inside Blender: object, update, a small Cycles picture with a clean mask."""

from __future__ import annotations

import numpy as np
import pytest

from livehand_core.hand.gestures import gesture
from livehand_core.hand.looks import LOOKS, look_of
from livehand_core.poses import HandPose

bpy = pytest.importorskip("bpy")
pytestmark = pytest.mark.bpy


@pytest.fixture
def scene():  # type: ignore[no-untyped-def]
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    yield bpy.context.scene
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)


def test_update_moves_the_mesh_to_the_pose(scene) -> None:  # type: ignore[no-untyped-def]
    from livehand_blender.capture.detail_hand import create_detail_hand, posed_detail, update_detail_hand

    for side in ("right", "left"):
        thing = create_detail_hand(side, scene)
        pose = HandPose(np.array([0.2, 0.5, -0.3]), gesture("fist", side), np.ones(10), np.array([0.1, 0.2, 0.3]), side)
        update_detail_hand(thing, pose)
        points = np.empty(3 * len(thing.data.vertices), dtype=np.float32)
        thing.data.vertices.foreach_get("co", points)
        np.testing.assert_allclose(points.reshape(-1, 3), posed_detail(pose), atol=1e-6)
        assert thing.data.materials[0].node_tree is not None
    assert len(scene.collection.objects) == 2


@pytest.mark.parametrize("look", sorted(LOOKS))
def test_the_wrist_is_closed_in_the_colour_of_the_skin(scene, look: str) -> None:  # type: ignore[no-untyped-def]
    from livehand_blender.capture.detail_hand import create_detail_hand, detail_mesh
    from livehand_core.hand.skin import skin_images, stored_planes

    mesh = create_detail_hand("right", scene, look).data
    number = np.empty(len(mesh.polygons), dtype=np.int32)
    mesh.polygons.foreach_get("material_index", number)
    topology = detail_mesh("right")
    np.testing.assert_array_equal(number, np.arange(len(number)) >= topology.skin_faces)
    cap = np.array(mesh.materials[1].node_tree.nodes["Principled BSDF"].inputs["Base Color"].default_value)[:3]
    back = (stored_planes()["melanin"] > 100)[::-1] & (stored_planes()["blood"] > 60)[::-1]
    skin = skin_images(look_of(look)).colour[back][:, :3] ** 2.2
    np.testing.assert_allclose(cap, np.median(skin, axis=0), rtol=0.3)


def test_a_picture_has_skin_on_a_transparent_ground(scene, tmp_path) -> None:  # type: ignore[no-untyped-def]
    from PIL import Image

    from livehand_blender.capture.detail_hand import create_detail_hand
    from livehand_blender.capture.studio import add_studio, configure_cycles, move_studio

    create_detail_hand("right", scene)
    rig = add_studio(scene)
    move_studio(rig, np.eye(4))
    configure_cycles(scene, 2, (64, 48), denoise=False, threads=1)
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    camera.location = (-0.08, 0.5, 0.01)
    camera.rotation_euler = (-np.pi / 2, 0.0, 0.0)
    scene.collection.objects.link(camera)
    scene.camera = camera
    scene.render.filepath = str(tmp_path / "hand.png")
    bpy.ops.render.render(write_still=True)
    image = np.asarray(Image.open(tmp_path / "hand.png"), dtype=np.float64) / 255.0
    assert image.shape == (48, 64, 4)
    alpha = image[..., 3]
    assert alpha[0].max() == 0.0 and 0.08 < (alpha > 0.99).mean() < 0.6
    red, green, blue = image[alpha > 0.99][:, :3].mean(axis=0)
    assert red > green > blue > 0.1 and red < 0.95
