"""Nothing of a hand's surroundings is out of date: worlds, panoramas and materials that change or are animated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.blender.helpers import make_scene
from tests.blender.lit_hands import answering, asked, probing, request_now
from tests.blender.test_light_paths import render, strength
from tests.blender.test_near_meshes import ball
from tests.blender.test_scene_light import panorama, world_of

pytestmark = pytest.mark.bpy


@pytest.fixture
def scene(addon: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """A hand that answers to light, over three frames."""
    answering(monkeypatch)
    found, _ = make_scene("", width=16, height=16)
    found.frame_start, found.frame_end = 1, 3
    found.render.filepath = str(tmp_path / "frame")
    return found


def shining(material_of: Any) -> Any:
    """An emission material of an object; its node."""
    import bpy

    material = bpy.data.materials.new("shining")
    material.use_nodes = True
    node = material.node_tree.nodes.new("ShaderNodeEmission")
    material.node_tree.links.new(node.outputs[0], material.node_tree.get_output_node("ALL").inputs["Surface"])
    material_of.data.materials.append(material)
    return node


def test_surroundings_that_change_by_keys_or_drivers_are_probed_anew(
    scene: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked(monkeypatch)
    runs = probing(monkeypatch)
    _, background = world_of(1.0)
    node = shining(ball("lantern", (0.0, -0.2, 0.0)))

    def probed() -> list[list[int]]:
        runs.clear()
        render(animation=True)
        return [*runs]

    assert probed() == [[1]]
    strength = background.inputs["Strength"]
    for frame, value in ((1, 1.0), (2, 1.0), (3, 2.0)):
        strength.default_value = value
        strength.keyframe_insert("default_value", frame=frame)
    assert probed()[-1] == [3] and [2] not in runs
    background.id_data.animation_data_clear()
    node.inputs["Strength"].driver_add("default_value").driver.expression = "2 if frame == 2 else 1"
    assert probed()[-2:] == [[2], [3]]


def test_a_probe_is_looked_at_again_where_something_comes_to_a_hand(
    scene: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked(monkeypatch)
    runs = probing(monkeypatch)
    world_of(1.0)
    cup = ball("cup", (0.0, -0.2, 0.0))
    render()
    assert runs == [[1]]
    cup.hide_render = True
    for frame, hidden in ((1, True), (3, False)):
        cup.hide_render = hidden
        cup.keyframe_insert("hide_render", frame=frame)
    cup.location.x = 0.1
    runs.clear()
    render(animation=True)
    assert runs == [[3]], "where nothing stands, nothing is probed"


def test_a_panorama_that_is_painted_or_read_anew_lights_anew(scene: Any, tmp_path: Path) -> None:
    import bpy

    texture = panorama(*world_of())
    image = texture.image
    first = strength(request_now())
    image.pixels.foreach_set(np.full(len(image.pixels), 0.25, np.float32))
    image.update()
    assert strength(request_now()) == pytest.approx(0.25, abs=0.01) != first

    def write(value: float) -> None:
        made = bpy.data.images.new("made", 16, 8, float_buffer=True)
        made.pixels.foreach_set(np.full(len(made.pixels), value, np.float32))
        made.filepath_raw, made.file_format = str(tmp_path / "sky.hdr"), "HDR"
        made.save()
        bpy.data.images.remove(made)

    write(0.5)
    texture.image = bpy.data.images.load(str(tmp_path / "sky.hdr"))
    before = strength(request_now())
    assert before == pytest.approx(np.mean(texture.image.pixels[:3]), rel=0.02)
    write(0.125)
    texture.image.reload()
    after = strength(request_now())
    assert after == pytest.approx(np.mean(texture.image.pixels[:3]), rel=0.02) and after < 0.6 * before


def test_a_film_around_a_hand_is_probed_at_each_frame(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked(monkeypatch)
    runs = probing(monkeypatch)
    texture = panorama(*world_of())
    render(animation=True)
    assert runs == []
    texture.image.source = "SEQUENCE"
    render(animation=True)
    assert runs == [[1], [2], [3]]


def test_a_panorama_that_is_endlessly_bright_is_named(scene: Any) -> None:
    import bpy

    from livehand_blender.render.scene import read_frame

    image = panorama(*world_of()).image
    image.pixels.foreach_set(np.full(len(image.pixels), np.inf, np.float32))
    image.update()
    bpy.context.view_layer.update()
    note = read_frame(bpy.context.evaluated_depsgraph_get()).notes[0]
    assert repr(image.name) in note and "finite" in note
