"""Light between Blender and the core: lamps and panoramas as Cycles has them, and captures under many lights."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from livehand_core.captures.capture import read_capture
from livehand_core.captures.checks import find_problems
from livehand_core.captures.lighting import Lighting, light_shots, sky
from livehand_core.captures.plan import Rig
from livehand_core.captures.shooting import Shooting, Shot
from livehand_core.errors import CaptureError, LightError
from livehand_core.lights import Lamp, Light
from livehand_core.panoramas import panorama_light
from livehand_core.poses import HandPose
from livehand_core.rotations import axis_angle_to_matrix
from tests.blender.helpers import make_scene
from tests.blender.lit_ball import RADIUS, ball_scene, rendered
from tests.blender.test_capture_panel import settings

pytestmark = pytest.mark.bpy

TOLERANCE = 0.02
"""Of the mean over the ball."""


def lamp(kind: str, place: tuple[float, float, float] = (0.3, 0.2, 1.0), **changes: Any) -> Any:
    """A lamp object that looks at the ball."""
    import bpy
    from mathutils import Vector

    data = bpy.data.lights.new(kind, kind)
    for name, value in changes.items():
        setattr(data, name, value)
    obj = bpy.data.objects.new(kind, data)
    bpy.context.scene.collection.objects.link(obj)
    obj.location = place
    obj.rotation_euler = (-Vector(place)).to_track_quat("-Z", "Y").to_euler()
    bpy.context.view_layer.update()
    return obj


def check(scene: Any, folder: Path, light: Light, pixels: float = 0.06) -> None:
    """Cycles shows the ball as the light says: the mean by 2 %, and most pixels, too."""
    seen, normals = rendered(scene, folder)
    ours = light.irradiance(RADIUS * normals, normals) / math.pi
    np.testing.assert_allclose(ours.mean(axis=0), seen.mean(axis=0), rtol=TOLERANCE)
    assert np.sqrt(np.mean((ours - seen) ** 2)) < pixels * seen.mean()


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("SUN", {"energy": 2.0, "color": (1.0, 0.5, 0.2), "angle": 0.3}),
        ("POINT", {"energy": 20.0, "shadow_soft_size": 0.1}),
        ("POINT", {"energy": 20.0, "shadow_soft_size": 0.0}),
        ("SPOT", {"energy": 50.0, "spot_size": 1.0, "spot_blend": 0.3}),
        ("AREA", {"energy": 10.0, "shape": "SQUARE", "size": 0.3}),
        ("AREA", {"energy": 10.0, "shape": "RECTANGLE", "size": 1.6, "size_y": 0.4}),
        ("AREA", {"energy": 10.0, "shape": "DISK", "size": 1.0}),
        ("AREA", {"energy": 10.0, "shape": "ELLIPSE", "size": 0.4, "size_y": 0.2}),
        ("AREA", {"energy": 10.0, "size": 0.2, "spread": 1.2}),
    ],
)
def test_lamps_give_a_white_ball_what_cycles_gives_it(
    addon, tmp_path: Path, kind: str, changes: dict[str, Any]
) -> None:
    from livehand_blender.render.lamps import lamps_of

    scene = ball_scene()
    obj = lamp(kind, **changes)
    check(scene, tmp_path, Light(lamps=tuple(lamps_of(obj, (0.0, 0.0, 0.0)))))


def test_a_scaled_lamp_is_as_large_as_it_looks(addon, tmp_path: Path) -> None:
    import bpy

    from livehand_blender.render.lamps import lamps_of

    scene = ball_scene()
    obj = lamp("AREA", energy=10.0, shape="SQUARE", size=0.1)
    obj.scale = (6.0, 2.0, 1.0)
    bpy.context.view_layer.update()
    check(scene, tmp_path, Light(lamps=tuple(lamps_of(obj, (0.0, 0.0, 0.0)))))


def test_lamps_with_a_temperature_an_exposure_or_nodes(addon, tmp_path: Path) -> None:
    from livehand_blender.render.lamps import lamps_of

    scene = ball_scene()
    obj = lamp("POINT", energy=20.0)
    if hasattr(obj.data, "exposure"):
        obj.data.exposure = 1.0
    if hasattr(obj.data, "use_temperature"):
        obj.data.use_temperature, obj.data.temperature = True, 3200.0
    obj.data.use_nodes = True
    emission = next(node for node in obj.data.node_tree.nodes if node.type == "EMISSION")
    emission.inputs["Strength"].default_value = 0.5
    check(scene, tmp_path, Light(lamps=tuple(lamps_of(obj, (0.0, 0.0, 0.0)))))


def test_lamps_that_cannot_be_meant(addon) -> None:
    from livehand_blender.render.lamps import lamps_of

    obj = lamp("POINT", energy=-5.0)
    with pytest.raises(LightError, match=r"'POINT' has the strength -5"):
        lamps_of(obj, (0.0, 0.0, 0.0))
    obj.data.energy = 0.0
    assert lamps_of(obj, (0.0, 0.0, 0.0)) == []


def stage(scene: Any) -> Any:
    from livehand_blender.capture.lighting import LightStage

    rig = Rig(("a",), (), frozenset())
    return LightStage(scene, Shooting(rig, (HandPose.rest(),), frozenset(), (Shot(0, 0, 0),), "m"), (), 4, 8)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_light_that_a_capture_shows_is_the_one_that_it_tells(addon, tmp_path: Path, seed: int) -> None:
    scene, random = ball_scene(), np.random.default_rng(seed)
    show = stage(scene).show
    panorama = sky(random)
    turned = Lighting(panorama_light(panorama), "sky", panorama).moved(
        axis_angle_to_matrix(random.normal(size=3)), np.zeros(3)
    )
    show(turned)
    check(scene, tmp_path, turned.light, pixels=0.1)
    near = Lamp((0.5, 0.4, 0.3), position=(0.4, 0.5, 0.6), size=0.4, emission="disc", axis=(-0.4, -0.5, -0.6))
    lamps = (near, Lamp((0.5, 1.0, 2.0), direction=(0.0, 0.6, 0.8), size=0.3))
    show(Lighting(Light.uniform((0.1, 0.2, 0.3), lamps), "lamps", None, lamps))
    check(scene, tmp_path, Light.uniform((0.1, 0.2, 0.3), lamps))
    assert sum(obj.type == "LIGHT" for obj in scene.objects) == 2


def test_the_studio_as_data_is_the_studio(addon, tmp_path: Path) -> None:
    from mathutils import Matrix

    from livehand_blender.capture.studio import CENTRE, add_studio, studio_light

    scene = ball_scene()
    rig = add_studio(scene)
    rig.matrix_world = Matrix.Translation([-x for x in CENTRE])
    check(scene, tmp_path, studio_light().moved(np.eye(3), [-x for x in CENTRE]))


def test_panoramas_of_files_are_read(addon, tmp_path: Path) -> None:
    from livehand_blender.capture.lighting import float_image, read_panoramas

    panorama = sky(np.random.default_rng(0))
    image = float_image("panorama", panorama)
    image.filepath_raw, image.file_format = str(tmp_path / "room.exr"), "OPEN_EXR"
    image.save()
    (found,) = read_panoramas(tmp_path)
    np.testing.assert_allclose(found, panorama, rtol=2e-3)
    with pytest.raises(CaptureError, match="holds no panoramas"):
        read_panoramas(tmp_path / "nothing")
    (tmp_path / "bad.hdr").write_bytes(b"rubbish")
    with pytest.raises(CaptureError, match=r"bad\.hdr"):
        read_panoramas(tmp_path)


@pytest.mark.slow
def test_the_panel_captures_under_many_lights(addon, tmp_path: Path) -> None:
    """A moved, scaled left hand: pictures fit their lights, and each training picture has its own."""
    import bpy

    scene, rig = make_scene("", side="left")
    rig.location, rig.rotation_euler, rig.scale = (0.3, 0.2, 1.0), (0.3, 0.5, 1.0), (2.0, 2.0, 2.0)
    bpy.context.view_layer.update()
    from livehand_blender.capture.planning import image_counts

    chosen = settings(scene, many_lights=True, samples=2)
    folder = tmp_path / "capture"
    assert bpy.ops.livehand.capture(folder=str(folder)) == {"FINISHED"}
    assert not find_problems(folder).problems
    capture = read_capture(folder)
    splits = [capture.split(frame) for frame in capture.frames]
    training, tests = image_counts(chosen, 1)
    assert (splits.count("train"), len(splits) - splits.count("train")) == (training, tests)
    assert splits.count("relight") == 2 and len(capture.lights) >= 4
    # The scene's own light is left alone.
    assert not any(obj.name.startswith("LiveHand lamp") for obj in scene.objects)


def test_light_shots_of_blender_are_those_of_the_core(addon) -> None:
    from livehand_blender.capture.studio import CENTRE, studio_light

    rig = Rig(("a", "b"), (), frozenset({"b"}))
    plan = Shooting(rig, (HandPose.rest(),) * 2, frozenset({1}), (Shot(0, 0), Shot(1, 1)), "m")
    lit, lights = light_shots(plan, studio_light(), np.array(CENTRE), 0)
    assert len(lit.lights) == len(lights) >= 3
