"""What a scene asks the engine for."""

from __future__ import annotations

import numpy as np
import pytest

from livehand_core.errors import AvatarError, CameraError, PoseError
from livehand_core.frames import FrameRequest
from tests.blender.helpers import make_scene

pytestmark = pytest.mark.bpy


def _request() -> FrameRequest:
    import bpy

    from livehand_blender.render.scene import frame_request

    bpy.context.view_layer.update()
    return frame_request(bpy.context.evaluated_depsgraph_get())


def test_request_holds_what_the_scene_shows(addon) -> None:
    scene, rig = make_scene("/avatars/a.safetensors")
    rig.scale = (2.0, 2.0, 2.0)
    rig.location = (0.1, 0.2, 0.3)
    rig.livehand.betas[3] = 1.5
    scene.render.resolution_percentage = 50
    request = _request()
    assert FrameRequest.from_json(request.to_json()).to_json() == request.to_json()
    assert (request.camera.width, request.camera.height) == (36, 24)
    (hand,) = request.hands
    assert hand.avatar == "/avatars/a.safetensors" and hand.scale == pytest.approx(2.0)
    assert hand.pose.side == "right" and hand.pose.betas[3] == pytest.approx(1.5)
    from livehand_blender.rig.hand_rig import HandRig
    from livehand_core.hand.skinning import pose_joints

    wrist = hand.scale * pose_joints(HandRig.of(rig).data, hand.pose)[0]
    np.testing.assert_allclose(wrist, (0.1, 0.2, 0.3), atol=1e-6)
    assert request.linear and request.passes == ("rgba", "depth", "mask")


def test_passes_follow_the_view_layer(addon) -> None:
    scene, _ = make_scene("")
    settings = scene.view_layers[0].livehand
    settings.use_depth = settings.use_mask = False
    settings.use_normal = settings.use_uvd = settings.use_low = True
    assert _request().passes == ("rgba", "normal", "uvd", "rgba_low")


def test_both_hands_and_instances_are_found(addon) -> None:
    import bpy

    from livehand_blender.rig.armature import create_hand

    scene, _ = make_scene("")
    create_hand(bpy.context, "left")
    assert [hand.pose.side for hand in _request().hands] == ["right", "left"]
    collection = bpy.data.collections.new("Library")
    left = bpy.context.object
    for obj in (left, *left.children):
        scene.collection.objects.unlink(obj)
        collection.objects.link(obj)
    instance = bpy.data.objects.new("Instance", None)
    instance.instance_type, instance.instance_collection = "COLLECTION", collection
    instance.location = (0.0, 0.0, 1.0)
    scene.collection.objects.link(instance)
    hands = _request().hands
    assert [hand.pose.side for hand in hands] == ["right", "left"]
    assert hands[1].pose.transl[2] == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("how", ["viewport", "collection", "excluded"])
def test_hidden_hands_are_left_out(addon, how: str) -> None:
    import bpy

    from livehand_blender.render.scene import NoHandError

    scene, rig = make_scene("")
    collection = bpy.data.collections.new("Hidden")
    scene.collection.children.link(collection)
    for obj in (rig, *rig.children):
        scene.collection.objects.unlink(obj)
        collection.objects.link(obj)
    assert len(_request().hands) == 1
    if how == "viewport":
        rig.hide_viewport = True
    elif how == "collection":
        collection.hide_viewport = True
    else:
        bpy.context.view_layer.layer_collection.children["Hidden"].exclude = True
    assert _request().hands == ()
    bpy.data.objects.remove(rig)
    with pytest.raises(NoHandError, match="Shift A, Armature, LiveHand Hand"):
        _request()


def test_no_hand_no_camera_and_other_bad_scenes_are_refused(addon, tmp_path) -> None:
    import bpy

    scene, rig = make_scene("")
    camera = scene.camera
    scene.camera = None
    with pytest.raises(CameraError, match="has no camera"):
        _request()
    scene.camera = camera
    camera.data.type = "PANO"
    with pytest.raises(CameraError, match="panoramic"):
        _request()
    camera.data.type = "PERSP"
    scene.render.use_border = True
    scene.render.border_min_x = scene.render.border_max_x = 0.5
    with pytest.raises(CameraError, match="nothing to render"):
        _request()
    scene.render.use_border = False
    rig.scale = (1.0, 2.0, 1.0)
    with pytest.raises(PoseError, match="non-uniformly"):
        _request()
    rig.scale = (1.0, 1.0, 1.0)
    rig.livehand.avatar = "//beside.safetensors"
    with pytest.raises(AvatarError, match="not saved yet"):
        _request()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    assert _request().hands[0].avatar == str(tmp_path / "beside.safetensors")


def test_only_hands_made_by_livehand_count(addon) -> None:
    import bpy

    make_scene("")
    bpy.ops.object.armature_add()
    assert len(_request().hands) == 1
