"""F12 through the real engine process with an untrained avatar: passes, film, regions, and what may go wrong."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from livehand_core.errors import RenderCancelled
from tests.blender.helpers import index_pass, make_scene, render_exr

pytestmark = pytest.mark.bpy


def _render_fails(match: str) -> None:
    import bpy

    with pytest.raises(RuntimeError, match=match):
        bpy.ops.render.render()


def test_all_passes_arrive_with_names_sizes_and_meaning(engine, tiny_avatar: Path, tmp_path: Path) -> None:
    from livehand_blender.render.passes import FAR

    scene, _ = make_scene(tiny_avatar)
    settings = scene.view_layers[0].livehand
    settings.use_normal = settings.use_uvd = settings.use_low = True
    images = render_exr(scene, tmp_path / "all.exr")
    expected = {f"Combined.{c}" for c in "RGBA"} | {f"LowRes.{c}" for c in "RGBA"} | {"Depth.Z", f"{index_pass()}.X"}
    expected |= {f"Normal.{c}" for c in "XYZ"} | {f"Canonical.{c}" for c in "UVD"}
    assert set(images) == expected
    assert all(image.shape == (48, 72) and np.isfinite(image).all() for image in images.values())
    hand = images[f"{index_pass()}.X"] == 1.0
    assert 0.05 < hand.mean() < 0.6 and set(np.unique(images[f"{index_pass()}.X"])) == {0.0, 1.0}
    # The camera stands half a metre before the hand.
    assert np.all(np.abs(images["Depth.Z"][hand] - 0.5) < 0.06)
    assert np.all(images["Depth.Z"][images["Combined.A"] == 0.0] == np.float32(FAR))
    # The hand shows the camera its palm, which faces -Y; normals are in world space. The untrained density is a fog
    # through the whole hand, so that some of its normals are the back's.
    normal = np.stack([images[f"Normal.{axis}"][hand] for axis in "XYZ"], axis=-1)
    np.testing.assert_allclose(np.linalg.norm(normal, axis=-1), 1.0, atol=1e-3)
    assert np.mean(normal[:, 1] < 0.0) > 0.6
    assert np.all((images["Canonical.U"] >= 0.0) & (images["Canonical.U"] <= 1.0))
    # Fingers point to the left of the picture: the wrist's side touches neither the left nor the upper edge.
    assert not hand[:, 0].any() and not hand[0].any()
    assert images["Combined.A"][hand].mean() > 0.5


def test_opaque_film_lies_over_the_world_colour(engine, tiny_avatar: Path, tmp_path: Path) -> None:
    import bpy

    scene, _ = make_scene(tiny_avatar)
    clear = render_exr(scene, tmp_path / "clear.exr")
    world = bpy.data.worlds.new("World")
    world.use_nodes = True
    node = next(node for node in world.node_tree.nodes if node.type == "BACKGROUND")
    node.inputs["Color"].default_value, node.inputs["Strength"].default_value = (0.1, 0.2, 0.4, 1.0), 2.0
    scene.world = world
    scene.render.film_transparent = False
    full = render_exr(scene, tmp_path / "full.exr")
    np.testing.assert_allclose(full["Combined.A"], 1.0, atol=1e-6)
    for channel, colour in zip("RGB", (0.2, 0.4, 0.8), strict=True):
        wanted = clear[f"Combined.{channel}"] + (1.0 - clear["Combined.A"]) * colour
        np.testing.assert_allclose(full[f"Combined.{channel}"], wanted, atol=1e-5)


def test_standard_view_shows_the_avatars_own_colours(engine, tiny_avatar: Path, tmp_path: Path) -> None:
    """The PNG that Blender writes holds the renderer's sRGB values to half a step of 8 bits and a rounding."""
    import bpy
    from PIL import Image

    from livehand_blender.render.scene import frame_request
    from livehand_core.frames import FrameRequest

    scene, _ = make_scene(tiny_avatar)
    scene.render.image_settings.file_format = "PNG"
    scene.render.dither_intensity = 0.0
    scene.render.filepath = str(tmp_path / "a.png")
    bpy.ops.render.render(write_still=True)
    request = frame_request(bpy.context.evaluated_depsgraph_get())
    direct = engine.engine_client().render(FrameRequest(request.camera, request.hands))["rgba"]
    shown = np.asarray(Image.open(tmp_path / "a.png").convert("RGBA"), dtype=np.float64) / 255
    solid = direct[..., 3] > 0.98
    assert solid.any()
    straight = direct[..., :3] / np.maximum(direct[..., 3:], 1e-6)
    assert np.abs(shown[..., :3] - straight)[solid].max() < 1.01 / 255
    assert np.abs(shown[..., 3] - direct[..., 3]).max() < 1.01 / 255


def test_region_is_the_window_of_the_full_frame(engine, tiny_avatar: Path, tmp_path: Path) -> None:
    scene, _ = make_scene(tiny_avatar)
    full = render_exr(scene, tmp_path / "full.exr")
    render = scene.render
    render.use_border, render.use_crop_to_border = True, True
    render.border_min_x, render.border_max_x, render.border_min_y, render.border_max_y = 0.25, 0.75, 0.25, 0.75
    part = render_exr(scene, tmp_path / "part.exr")
    assert part[f"{index_pass()}.X"].shape == (24, 36)
    window = full[f"{index_pass()}.X"][12:36, 18:54]
    assert np.mean(window != part[f"{index_pass()}.X"]) < 0.03 and window.any()
    render.use_crop_to_border = False
    uncropped = render_exr(scene, tmp_path / "uncropped.exr")
    np.testing.assert_array_equal(uncropped[f"{index_pass()}.X"][12:36, 18:54], part[f"{index_pass()}.X"])
    assert not uncropped[f"{index_pass()}.X"][:12].any()


def test_percentage_and_orthographic_camera(engine, tiny_avatar: Path, tmp_path: Path) -> None:
    scene, _ = make_scene(tiny_avatar)
    scene.render.resolution_percentage = 50
    scene.camera.data.type, scene.camera.data.ortho_scale = "ORTHO", 0.3
    images = render_exr(scene, tmp_path / "ortho.exr")
    assert images[f"{index_pass()}.X"].shape == (24, 36) and images[f"{index_pass()}.X"].any()


def test_stereo_views_have_the_disparity_of_their_depth(engine, tiny_avatar: Path, tmp_path: Path) -> None:
    import bpy

    from tests.blender.exr import read_exr

    scene, _ = make_scene(tiny_avatar, width=144, height=96)
    stereo = scene.camera.data.stereo
    stereo.interocular_distance, stereo.convergence_distance = 0.02, 1.0
    scene.render.use_multiview = True
    scene.render.image_settings.file_format = "OPEN_EXR_MULTILAYER"
    scene.render.filepath = str(tmp_path / "s.exr")
    assert bpy.ops.render.render(write_still=True) == {"FINISHED"}
    layer = scene.view_layers[0].name
    centres = []
    for suffix in ("L", "R"):
        mask = read_exr(tmp_path / f"s_{suffix}.exr")[f"{layer}.{index_pass()}.X"] > 0
        centres.append(np.nonzero(mask)[1].mean())
    focal = 144 * scene.camera.data.lens / scene.camera.data.sensor_width
    assert centres[0] - centres[1] == pytest.approx(focal * 0.02 * (1 / 0.5 - 1 / 1.0), abs=0.6)


def test_each_view_layer_has_its_own_hands_and_passes(engine, tiny_avatar: Path, tmp_path: Path) -> None:
    import bpy

    from livehand_blender import compat
    from tests.blender.exr import read_exr

    scene, rig = make_scene(tiny_avatar)
    hidden = bpy.data.collections.new("Hand")
    scene.collection.children.link(hidden)
    for obj in (rig, *rig.children):
        scene.collection.objects.unlink(obj)
        hidden.objects.link(obj)
    bpy.ops.livehand.add_hand(avatar=str(tiny_avatar), location=(0.0, 0.0, 0.1))
    other = scene.view_layers.new("Other")
    other.livehand.use_depth = False
    other.layer_collection.children["Hand"].exclude = True
    compat.set_image_format(scene.render.image_settings, "OPEN_EXR_MULTILAYER")
    scene.render.filepath = str(tmp_path / "layers.exr")
    bpy.ops.render.render(write_still=True)
    images = read_exr(tmp_path / "layers.exr")
    first = scene.view_layers[0].name
    assert f"{first}.Depth.Z" in images and "Other.Depth.Z" not in images
    assert (images[f"Other.{index_pass()}.X"] > 0).sum() < (images[f"{first}.{index_pass()}.X"] > 0).sum()


def test_compositor_has_a_socket_for_every_pass(engine, tiny_avatar: Path) -> None:
    import bpy

    scene, _ = make_scene(tiny_avatar)
    scene.view_layers[0].livehand.use_uvd = True
    if hasattr(scene, "compositing_node_group"):
        tree = bpy.data.node_groups.new("Compositing", "CompositorNodeTree")
        scene.compositing_node_group = tree
    else:
        scene.use_nodes = True
        tree = scene.node_tree
    node = tree.nodes.new("CompositorNodeRLayers")
    node.scene = scene
    scene.view_layers.update()
    enabled = {socket.name for socket in node.outputs if socket.enabled}
    assert enabled >= {"Image", "Alpha", "Depth", index_pass(), "Canonical"} and "LowRes" not in enabled


def test_animation_renders_every_frame(engine, tiny_avatar: Path, tmp_path: Path) -> None:
    import bpy

    scene, rig = make_scene(tiny_avatar)
    for frame, x in ((1, 0.0), (3, 0.05)):
        rig.location.x = x
        rig.keyframe_insert("location", frame=frame)
    scene.frame_start, scene.frame_end = 1, 3
    scene.render.image_settings.file_format = "PNG"
    scene.render.filepath = str(tmp_path / "f_")
    bpy.ops.render.render(animation=True)
    pictures = sorted(tmp_path.glob("f_*.png"))
    assert len(pictures) == 3 and len({picture.read_bytes() for picture in pictures}) == 3


def test_pose_outside_the_training_range_warns(engine, tiny_avatar: Path) -> None:
    import bpy

    make_scene(tiny_avatar)
    bpy.ops.render.render()
    assert engine.last_frame().warnings == ()
    bpy.ops.livehand.pose_preset(gesture="FIST")
    bpy.ops.render.render()
    assert len(engine.last_frame().warnings) == 1 and not engine.last_frame().error


def test_bad_scenes_fail_with_the_remedy_and_leave_blender_alive(engine, tiny_avatar: Path, tmp_path: Path) -> None:
    import bpy

    from livehand_blender import compat

    scene, rig = make_scene(tiny_avatar)
    # Multilayer EXR of a failed frame is where Blender crashes if a result is not begun and ended.
    compat.set_image_format(scene.render.image_settings, "OPEN_EXR_MULTILAYER")
    scene.render.filepath = str(tmp_path / "bad.exr")
    rig.scale = (1.0, 1.0, 2.0)
    _render_fails("non-uniformly")
    rig.scale = (1.0, 1.0, 1.0)
    scene.camera.data.type = "PANO"
    _render_fails("panoramic")
    scene.camera.data.type = "PERSP"
    rig.livehand.avatar = str(tmp_path / "missing.safetensors")
    _render_fails(r"missing\.safetensors")
    (tmp_path / "rubbish.safetensors").write_bytes(b"rubbish")
    rig.livehand.avatar = str(tmp_path / "rubbish.safetensors")
    _render_fails(r"rubbish\.safetensors")
    rig.livehand.avatar = str(tiny_avatar)
    with pytest.raises(RuntimeError, match="non-uniformly"):
        rig.scale = (1.0, 1.0, 2.0)
        bpy.ops.render.render(write_still=True)
    scene.camera = None
    _render_fails("no camera")


def test_an_unexpected_failure_is_reported(engine, tiny_avatar: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_scene(tiny_avatar)

    def broken(*_: object) -> None:
        raise ZeroDivisionError("surprise")

    monkeypatch.setattr(engine, "render", broken)
    _render_fails("surprise")
    assert "ZeroDivisionError" in engine.last_frame().error


def test_interpreter_missing_or_without_torch(fresh_engine, tiny_avatar: Path, tmp_path, monkeypatch) -> None:
    from livehand_core.engine import interpreters

    make_scene(tiny_avatar)
    base_python = sys.executable
    # This Python, which would serve, is the last place that is looked in.
    monkeypatch.setattr(interpreters.sys, "executable", "")
    monkeypatch.setenv("LIVEHAND_PYTHON", str(tmp_path / "no_python"))
    _render_fails("no_python is not there")
    bare = tmp_path / "bare_python"
    # -S leaves site-packages out: a Python without torch.
    bare.write_text(f'#!/bin/sh\nexec {base_python} -S "$@"\n')
    bare.chmod(0o755)
    monkeypatch.setenv("LIVEHAND_PYTHON", str(bare))
    _render_fails("has no")


def test_engine_of_another_protocol(fresh_engine, tiny_avatar: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from livehand_core.engine import connection

    make_scene(tiny_avatar)
    monkeypatch.setattr(connection, "PROTOCOL_VERSION", 999)
    _render_fails("protocol")


def test_engine_killed_in_the_middle_of_a_frame(fresh_engine, tiny_avatar: Path) -> None:
    import bpy

    scene, _ = make_scene(tiny_avatar, width=2400, height=1600)
    pid = fresh_engine.engine_client().start().pid
    threading.Timer(0.3, os.kill, (pid, signal.SIGKILL)).start()
    _render_fails("engine")
    scene.render.resolution_percentage = 3
    assert bpy.ops.render.render() == {"FINISHED"}
    assert fresh_engine.engine_client().start().pid != pid


def test_cancel_takes_effect_at_once(engine, tiny_avatar: Path) -> None:
    import bpy

    from livehand_blender.render.scene import frame_request

    make_scene(tiny_avatar, width=2400, height=1600)
    bpy.context.view_layer.update()
    request = frame_request(bpy.context.evaluated_depsgraph_get())
    engine.engine_client().start()
    started = time.monotonic()
    with pytest.raises(RenderCancelled):
        engine.render(request, lambda: time.monotonic() - started > 0.3)
    assert time.monotonic() - started < 0.5


def test_engine_check_operator(engine) -> None:
    import bpy

    assert bpy.ops.livehand.engine_check() == {"FINISHED"}
    assert any(line.startswith("torch") for line in engine.status_lines())


def test_native_panels_know_the_engine_while_it_is_registered(addon) -> None:
    import bpy

    import livehand_blender

    def knowing() -> set[str]:
        panels = bpy.types.Panel.__subclasses__()
        names = {panel.__name__ for panel in panels if "LIVEHAND" in getattr(panel, "COMPAT_ENGINES", ())}
        return {name for name in names if not name.startswith("LIVEHAND")}

    names = knowing()
    assert "RENDER_PT_format" in names and "DATA_PT_camera" in names
    assert not names & {"VIEWLAYER_PT_filter", "VIEWLAYER_PT_layer_passes"}
    assert not any("freestyle" in name for name in names), "the engine draws no lines"
    livehand_blender.unregister()
    left = knowing()
    livehand_blender.register()
    assert not left and knowing() == names
