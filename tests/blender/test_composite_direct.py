"""The hands of a composite are those that LiveHand renders directly, whatever the scene does.

The hand scene follows its main scene by rule: the cases here are of kinds that a list once forgot.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.blender.exr import read_exr
from tests.blender.helpers import make_scene

pytestmark = pytest.mark.bpy

Images = list[dict[str, np.ndarray]]


@pytest.fixture
def scene(addon, tiny_avatar: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A hand in a collection of its own, before nothing."""
    import bpy

    monkeypatch.setenv("LIVEHAND_PYTHON", sys.executable)
    scene, rig = make_scene(tiny_avatar, width=48, height=32)
    collection = bpy.data.collections.new("Hands")
    scene.collection.children.link(collection)
    for obj in (rig, *rig.children):
        scene.collection.objects.unlink(obj)
        collection.objects.link(obj)
    scene.cycles.samples, scene.cycles.use_denoising = 1, False
    scene.livehand.motion_blur_steps = 3
    return scene


def _rig(scene: Any) -> Any:
    return next(obj for obj in scene.objects if obj.type == "ARMATURE")


def _key(thing: Any, path: str, *pairs: tuple[float, Any]) -> None:
    """Linear keys of a property at frames."""
    from livehand_blender import compat

    owner, _, name = path.rpartition(".")
    for frame, value in pairs:
        setattr(thing.path_resolve(owner) if owner else thing, name, value)
        thing.keyframe_insert(path, frame=frame)
    for curve in compat.action_curves(thing):
        for point in curve.keyframe_points:
            point.interpolation = "LINEAR"


def _render(scene: Any, path: Path) -> Images:
    """The pictures of a frame, one a view."""
    import bpy

    from livehand_blender import compat

    compat.set_image_format(scene.render.image_settings, "OPEN_EXR")
    scene.render.image_settings.color_mode = "RGBA"
    path.mkdir()
    scene.render.filepath = str(path / "picture.exr")
    assert bpy.ops.render.render(write_still=True, scene=scene.name) == {"FINISHED"}
    return [read_exr(file) for file in sorted(path.glob("*.exr"))]


def _both(scene: Any, folder: Path) -> tuple[Images, Images]:
    """A scene with nothing but hands, by LiveHand and as a composite over Cycles' empty picture."""
    import bpy

    scene.render.engine = "LIVEHAND"
    direct = _render(scene, folder / "direct")
    scene.render.engine = "CYCLES"
    bpy.context.window.scene = scene
    assert bpy.ops.livehand.setup_compositing() == {"FINISHED"}
    return direct, _render(scene, folder / "composite")


def _same(direct: Images, composite: Images) -> None:
    assert len(direct) == len(composite) > 0
    for ours, theirs in zip(direct, composite, strict=True):
        for channel in "RGBA":
            np.testing.assert_allclose(theirs[channel], ours[channel], atol=2e-3, err_msg=channel)


def _moving(scene: Any) -> None:
    _key(_rig(scene), "location", (1, (-0.05, 0.0, 0.0)), (11, (0.05, 0.0, 0.0)))
    scene.frame_set(6)


def _still(scene: Any) -> None:
    """Only what make_scene does."""


def _time_stretch(scene: Any) -> None:
    _moving(scene)
    scene.render.frame_map_old, scene.render.frame_map_new = 100, 200


def _stretched_blur(scene: Any) -> None:
    _time_stretch(scene)
    scene.render.use_motion_blur, scene.render.motion_blur_shutter = True, 2.0


def _keyed_shutter(scene: Any) -> None:
    _moving(scene)
    scene.render.use_motion_blur = True
    _key(scene, "render.motion_blur_shutter", (1, 0.1), (11, 4.0))
    scene.frame_set(9)


def _driven_shutter(scene: Any) -> None:
    _moving(scene)
    scene.render.use_motion_blur = True
    driver = scene.driver_add("render.motion_blur_shutter").driver
    driver.expression = "frame / 2"


def _shutter_by_nla(scene: Any) -> None:
    _keyed_shutter(scene)
    animation = scene.animation_data
    action = animation.action
    animation.action = None
    animation.nla_tracks.new().strips.new("Shutter", 1, action)
    scene.frame_set(10)


def _subframe(scene: Any) -> None:
    _moving(scene)
    scene.frame_set(6, subframe=0.5)


def _border(scene: Any) -> None:
    render = scene.render
    render.use_border = True
    render.border_min_x, render.border_max_x, render.border_min_y, render.border_max_y = 0.3, 0.7, 0.2, 0.9


def _pixel_aspect(scene: Any) -> None:
    scene.render.pixel_aspect_x, scene.render.resolution_percentage = 2.0, 80


def _other_camera(scene: Any, name: str, x: float) -> Any:
    import bpy

    camera = bpy.data.objects.new(name, scene.camera.data)
    scene.collection.objects.link(camera)
    camera.location, camera.rotation_euler = (x, -0.5, 0.0), scene.camera.rotation_euler
    return camera


def _stereo(scene: Any) -> None:
    scene.render.use_multiview = True
    scene.camera.data.stereo.interocular_distance = 0.05
    scene.render.image_settings.views_format = "INDIVIDUAL"


def _cameras_as_views(scene: Any) -> None:
    """Three cameras told apart by suffix, one more than the usual two."""
    scene.render.use_multiview, scene.render.views_format = True, "MULTIVIEW"
    scene.camera.name = "Eye_L"
    _other_camera(scene, "Eye_R", -0.13)
    _other_camera(scene, "Eye_far", 0.0)
    scene.render.views.new("far").camera_suffix = "_far"
    scene.render.image_settings.views_format = "INDIVIDUAL"


def _camera_cut(scene: Any) -> None:
    """The cut comes while the shutter is open; the first half of the frame must not be another camera's."""
    first, second = scene.camera, _other_camera(scene, "Second", 0.05)
    for frame, camera in ((1, first), (6, second)):
        scene.timeline_markers.new(camera.name, frame=frame).camera = camera
    scene.render.use_motion_blur, scene.render.motion_blur_shutter = True, 1.0
    scene.frame_set(6)


def _rigid_body(scene: Any) -> None:
    """The hand hangs on a cube that falls; the simulation's cache is the main scene's."""
    import bpy

    bpy.ops.mesh.primitive_cube_add(size=0.01, location=(-0.09, 0.0, 0.05))
    cube = bpy.context.object
    cube.visible_camera = False
    bpy.ops.rigidbody.object_add()
    rig = _rig(scene)
    rig.parent, rig.location = cube, (0.09, 0.0, -0.05)
    for frame in range(1, 5):
        scene.frame_set(frame)


def _instances_by_nodes(scene: Any) -> None:
    """Geometry nodes stand the hand's collection on two points."""
    import bpy

    hands = bpy.data.collections["Hands"]
    scene.view_layers[0].layer_collection.children["Hands"].exclude = True
    mesh = bpy.data.meshes.new("Points")
    mesh.from_pydata([(0.0, 0.0, 0.04), (0.03, 0.0, -0.04)], [], [])
    points = bpy.data.objects.new("Points", mesh)
    scene.collection.objects.link(points)
    tree = bpy.data.node_groups.new("Stand", "GeometryNodeTree")
    for side in ("INPUT", "OUTPUT"):
        tree.interface.new_socket("Geometry", in_out=side, socket_type="NodeSocketGeometry")
    source, result = tree.nodes.new("NodeGroupInput"), tree.nodes.new("NodeGroupOutput")
    info, stand = tree.nodes.new("GeometryNodeCollectionInfo"), tree.nodes.new("GeometryNodeInstanceOnPoints")
    info.inputs["Collection"].default_value = hands
    tree.links.new(source.outputs[0], stand.inputs["Points"])
    tree.links.new(info.outputs[0], stand.inputs["Instance"])
    tree.links.new(stand.outputs[0], result.inputs[0])
    points.modifiers.new("Stand", "NODES").node_group = tree


def _background_set(scene: Any) -> None:
    """The hand belongs to another scene, which is this one's set; another stands in this scene."""
    import bpy

    hands = bpy.data.collections["Hands"]
    behind = bpy.data.scenes.new("Set")
    behind.collection.children.link(hands)
    scene.collection.children.unlink(hands)
    scene.background_set = behind
    bpy.ops.livehand.add_hand(avatar=_rig(behind).livehand.avatar, location=(0.0, 0.0, 0.08))


def _driven_by_the_scene(scene: Any) -> None:
    """A driver reads a custom property of the scene that is evaluated."""
    if not hasattr(scene, "bl_rna") or not _context_drivers():
        pytest.skip("this Blender's drivers know no context")
    scene["push"] = 0.07
    variable = _rig(scene).driver_add("location", 2).driver
    variable.expression = "push"
    variable = variable.variables.new()
    variable.name, variable.type = "push", "CONTEXT_PROP"
    variable.targets[0].data_path = '["push"]'


def _context_drivers() -> bool:
    import bpy

    return "CONTEXT_PROP" in bpy.types.DriverVariable.bl_rna.properties["type"].enum_items


def _hidden_by_keys(scene: Any) -> None:
    _key(_rig(scene), "hide_render", (1, False), (5, True))
    scene.frame_set(6)


def _appears_within_the_shutter(scene: Any) -> None:
    _key(_rig(scene), "hide_render", (1, True), (6, False))
    scene.render.use_motion_blur, scene.render.motion_blur_shutter = True, 1.0
    scene.frame_set(6)


def _held_out(scene: Any) -> None:
    import bpy

    rig = _rig(scene)
    bpy.ops.livehand.add_hand(avatar=rig.livehand.avatar, location=(0.0, -0.1, 0.03))
    bpy.context.object.is_holdout = True


def _clipped(scene: Any) -> None:
    scene.camera.data.clip_end = 0.5


CASES: dict[str, tuple[Callable[[Any], None], bool]] = {
    "still": (_still, True),
    "time stretching": (_time_stretch, True),
    "time stretching with blur": (_stretched_blur, True),
    "keyed shutter": (_keyed_shutter, True),
    "driven shutter": (_driven_shutter, True),
    "shutter by NLA": (_shutter_by_nla, True),
    "subframe": (_subframe, True),
    "border": (_border, True),
    "pixel aspect": (_pixel_aspect, True),
    "stereo": (_stereo, True),
    "cameras as views": (_cameras_as_views, True),
    "camera cut under the shutter": (_camera_cut, True),
    "rigid body": (_rigid_body, True),
    "instances by nodes": (_instances_by_nodes, True),
    "background set": (_background_set, True),
    "driven by the scene": (_driven_by_the_scene, True),
    "hidden by keys": (_hidden_by_keys, False),
    "appears within the shutter": (_appears_within_the_shutter, True),
    "held out": (_held_out, True),
    "clipped": (_clipped, True),
}
"""Name -> what the scene does, and whether a hand is seen then."""


@pytest.mark.parametrize("case", CASES)
def test_the_composite_shows_what_the_engine_shows(scene, tmp_path: Path, case: str) -> None:
    prepare, seen = CASES[case]
    plain = None
    if prepare is not _still:
        plain = _render(scene, tmp_path / "plain")
    prepare(scene)
    direct, composite = _both(scene, tmp_path)
    assert all((images["A"].max() > 0.02) == seen for images in direct)
    if plain is not None:
        images = direct[-1]
        moved = images["A"].shape != plain[0]["A"].shape or np.abs(images["A"] - plain[0]["A"]).max() > 0.02
        assert moved, "the case does nothing, so it tests nothing"
    _same(direct, composite)
