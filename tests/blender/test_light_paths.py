"""The scene's light in every way of drawing a hand: views, final frames, animation, blur, compositing; and probes
that final frames wait for."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from livehand_core.errors import LightError
from livehand_core.frames import FrameRequest
from livehand_core.lights import Light
from tests.blender.helpers import flat_world, make_scene
from tests.blender.lit_hands import answering, asked, probing, request_now
from tests.blender.test_lights import lamp
from tests.blender.test_near_meshes import ball
from tests.blender.test_scene_light import facing, world_of

pytestmark = pytest.mark.bpy


@pytest.fixture
def scene(addon: None, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A hand that answers to light in a dark world, and a lamp."""
    answering(monkeypatch)
    found, _ = make_scene("", width=16, height=16)
    world_of(0.0)
    lamp("POINT", energy=20.0, place=(0.0, -1.0, 0.0))
    return found


def strength(request: FrameRequest) -> float:
    """Of the light at the first hand."""
    light = request.light_of(request.hands[0])
    assert light is not None
    return float(facing(light)[0])


def render(**options: Any) -> None:
    import bpy

    assert bpy.ops.render.render(**options) == {"FINISHED"}


def animated(obj: Any, path: str, *values: Any) -> None:
    """Keys at frames 1, 2, ..."""
    for frame, value in enumerate(values, 1):
        setattr(obj, path, value)
        obj.keyframe_insert(path, frame=frame)


def test_final_frames_carry_the_light_and_what_stands_in_it(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    requests, runs = asked(monkeypatch), probing(monkeypatch, lambda frame, name: 0.5)
    render()
    (request,) = requests
    assert strength(request) == pytest.approx(strength(request_now())) and not runs
    ball("cup", (0.0, -0.2, 0.0))
    render()
    assert [mesh.name for mesh in requests[-1].occluders] == ["cup"] and runs == [[1]]
    assert not requests[-1].occluders[0].sky, "the probe has seen the surroundings past it"
    assert strength(requests[-1]) == pytest.approx(strength(request) + 0.5, rel=1e-3)


def test_lamps_move_in_animations_and_within_an_open_shutter(
    scene: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import bpy

    requests = asked(monkeypatch)
    animated(bpy.data.objects["POINT"], "location", (0.0, -1.0, 0.0), (0.0, -1.5, 0.0), (0.0, -2.0, 0.0))
    scene.frame_start, scene.frame_end = 1, 3
    scene.render.filepath = str(tmp_path / "frame")
    render(animation=True)
    found = [strength(request) for request in requests]
    assert len(found) == 3 and found[0] > 1.5 * found[1] > 1.5 * found[2]
    requests.clear()
    scene.render.use_motion_blur, scene.livehand.motion_blur_steps = True, 3
    scene.frame_set(2)
    render()
    blurred = [strength(request) for request in requests[:3]]
    assert blurred[0] > blurred[1] > blurred[2] and blurred[1] == pytest.approx(found[1], rel=1e-4)


def test_views_ask_anew_when_a_lamp_moves(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import bpy

    from livehand_blender.render import session
    from livehand_blender.render.camera import core_camera, read_view
    from livehand_blender.render.live import LiveView
    from livehand_blender.render.scene import visible_hands

    sent: list[FrameRequest] = []
    client = SimpleNamespace(
        submit=lambda request, channel: (sent.append(request), len(sent))[1],
        cancel=lambda channel: None,
        poll_numbered=lambda channel: None,
        busy=lambda channel: True,
        wait=lambda *_: False,
        compiling=None,
    )
    monkeypatch.setattr(session, "engine_client", lambda: client)
    view = LiveView(lambda: None, lambda: True)
    camera = core_camera(read_view(scene, scene.camera))
    ball("cup", (0.0, -0.2, 0.0))

    def ask() -> FrameRequest:
        bpy.context.view_layer.update()
        view.ask(camera, visible_hands(bpy.context.evaluated_depsgraph_get()))
        return sent[-1]

    first = ask()
    assert [mesh.name for mesh in first.occluders] == ["cup"] and strength(first) > 0.0
    ask()
    assert len(sent) == 1, "nothing moves, nothing is asked for"
    bpy.data.objects["POINT"].location.y = -2.0
    assert strength(ask()) < 0.5 * strength(first) and len(sent) == 2
    bpy.context.scene.world = flat_world((0.5, 0.5, 0.5))
    assert strength(ask()) > 0.4 and len(sent) == 3
    bpy.data.objects["cup"].location.x += 0.01
    ask()
    assert len(sent) == 4
    view.close()


def test_compositing_lights_hands_as_the_main_scene(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import bpy

    from livehand_blender.compositing.operators import follow_all
    from livehand_blender.compositing.setup import set_up

    requests = asked(monkeypatch)
    probing(monkeypatch)
    scene.render.engine = "CYCLES"
    node = scene.world.node_tree.nodes["Background"]
    node.inputs["Strength"].default_value = 0.5
    apart = bpy.data.collections.new("apart")
    scene.collection.children.link(apart)
    other = lamp("POINT", energy=200.0, place=(0.0, -1.0, 0.2))
    apart.objects.link(other)
    scene.collection.objects.unlink(other)
    bpy.context.view_layer.update()
    with_other = strength(request_now())
    set_up(scene)
    hands = scene.livehand.hand_scene

    def hand_frame() -> FrameRequest:
        follow_all()
        render(scene=hands.name)
        return requests[-1]

    assert strength(hand_frame()) == pytest.approx(with_other, rel=1e-4)
    scene.view_layers[0].layer_collection.children["apart"].exclude = True
    bpy.context.view_layer.update()
    alone = strength(request_now())
    assert alone < 0.5 * with_other and strength(hand_frame()) == pytest.approx(alone, rel=1e-4)
    scene.livehand.light_strength = 2.0
    assert strength(hand_frame()) == pytest.approx(2.0 * alone, rel=1e-4)
    scene.world = flat_world((4.0, 4.0, 4.0))
    bright = strength(hand_frame())
    assert bright == pytest.approx(strength(request_now()), rel=1e-4) and bright > 4.0
    scene.view_layers[0].use_sky = False
    assert strength(hand_frame()) < 1.0
    ball("cup", (0.0, -0.2, 0.0))
    assert [mesh.name for mesh in hand_frame().occluders] == ["cup"]
    # What was probed for it is the main scene's.
    assert scene.livehand.light_probes
    scene.livehand.light = "TRAINED"
    assert hand_frame().light_of(requests[-1].hands[0]) is None


def test_a_probe_is_waited_for_once_and_again_when_something_moves(
    scene: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import bpy

    requests, runs = asked(monkeypatch), probing(monkeypatch, lambda frame, name: 0.1 * frame)
    cup = ball("cup", (0.0, -0.2, 0.0))
    scene.frame_start, scene.frame_end = 1, 4
    scene.render.filepath = str(tmp_path / "frame")
    render(animation=True)
    assert runs == [[1]], "nothing moves"
    animated(cup, "location", (0.0, -0.2, 0.0), (0.0, -0.2, 0.0), (0.1, -0.2, 0.0))
    runs.clear()
    render(animation=True)
    assert runs[-1] == [3] and len(runs) <= 2
    assert strength(requests[-1]) > strength(requests[0])
    runs.clear()
    rig = bpy.data.objects["LiveHand Right"]
    rig.location.z = 0.3
    render()
    assert len(runs) == 1, "the hand is elsewhere"


def test_a_probe_that_fails_or_lasts_is_told_once_and_the_frames_are_rendered(
    scene: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from livehand_blender.render import probe, probe_watch, session

    requests, tries = asked(monkeypatch), []

    def fail(*_: Any) -> Any:
        tries.append(1)
        raise LightError("The light could not be probed (out of memory).", "The hands keep the light that they had.")

    monkeypatch.setattr(probe, "_run", fail)
    ball("cup", (0.0, -0.2, 0.0))
    scene.frame_start, scene.frame_end = 1, 3
    scene.render.filepath = str(tmp_path / "frame")
    render(animation=True)
    assert len(requests) == 3 and len(tries) == 1 and strength(requests[-1]) > 0.0

    def last(_job: Any, _folder: Any, _looks: Any, task: Any) -> Any:
        while True:
            task.check()
            time.sleep(0.01)

    monkeypatch.setattr(probe, "_run", last)
    monkeypatch.setattr(probe_watch, "WAIT_SECONDS", 0.2)
    render()
    frame = session.last_frame()
    assert len(requests) == 4 and frame is not None and "took more than 0.2 s" in frame.warnings[0]


def test_what_a_probe_found_reaches_the_views(scene: Any) -> None:
    """They are read again only where Blender updates its scene, which Python's own assignments do not bring about."""
    import bpy

    from livehand_blender.render.light import Probe, keep_probes

    seen: list[str] = []

    def note(_scene: Any, depsgraph: Any) -> None:
        seen.extend(update.id.name for update in depsgraph.updates)

    bpy.context.view_layer.update()
    bpy.app.handlers.depsgraph_update_post.append(note)
    try:
        bpy.context.view_layer.update()
        assert not seen
        light = Light.uniform((0.5, 0.5, 0.5))
        keep_probes(scene, {"LiveHand Right": [Probe(light, (0.0, 0.0, 0.0), 1)]})
        bpy.context.view_layer.update()
    finally:
        bpy.app.handlers.depsgraph_update_post.remove(note)
    assert scene.name in seen


def test_baked_light_is_interpolated_and_probed_no_more(
    scene: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import bpy

    from livehand_blender.ui.light_panels import LIVEHAND_PT_light
    from tests.blender.layout import draw

    requests, runs = asked(monkeypatch), probing(monkeypatch, lambda frame, name: float(frame))
    bpy.data.objects.remove(bpy.data.objects["POINT"])
    cup = ball("cup", (0.0, -0.2, 0.0))
    rig = bpy.data.objects["LiveHand Right"]
    bpy.context.view_layer.objects.active = rig
    animated(cup, "location", (0.0, -0.2, 0.0), (0.1, -0.2, 0.0))
    scene.frame_start, scene.frame_end = 1, 12
    scene.frame_set(5)
    scene.livehand.bake_step = 5
    assert bpy.ops.livehand.bake_light() == {"FINISHED"}
    assert runs == [[1, 6, 11, 12]] and scene.frame_current == 5
    scene.render.filepath = str(tmp_path / "frame")
    render(animation=True)
    assert len(runs) == 1
    np.testing.assert_allclose([strength(request) for request in requests], range(1, 13), rtol=1e-3)
    assert "Baked at 4 frames, 1 to 12." in " ".join(draw(LIVEHAND_PT_light, bpy.context))
    assert bpy.ops.livehand.forget_light() == {"FINISHED"}
    assert not scene.livehand.light_probes and "Baked" not in " ".join(draw(LIVEHAND_PT_light, bpy.context))
    with pytest.raises(RuntimeError, match="Nothing is probed"):
        bpy.ops.livehand.forget_light()


def test_a_scene_without_light_is_told_once(scene: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import bpy

    from livehand_blender.render import session

    requests = asked(monkeypatch)
    told: list[list[str]] = []
    news = session.news
    monkeypatch.setattr(session, "news", lambda lines: (told.append(news(lines)), told[-1])[1])
    bpy.data.objects.remove(bpy.data.objects["POINT"])
    scene.frame_start, scene.frame_end = 1, 3
    scene.render.filepath = str(tmp_path / "frame")
    render(animation=True)
    assert [len(lines) for lines in told] == [1, 0, 0] and "No light reaches" in told[0][0]
    light = requests[0].light_of(requests[0].hands[0])
    assert light is not None and light.is_dark


def test_light_that_cannot_be_meant(scene: Any) -> None:
    """Lamps in the hand, without end or below nothing, a world of fog: what can be used is, the rest is told."""
    import bpy

    from livehand_blender.render.scene import read_frame

    def notes() -> str:
        bpy.context.view_layer.update()
        return " ".join(read_frame(bpy.context.evaluated_depsgraph_get()).notes)

    inside = lamp("POINT", energy=1.0, place=(-0.09, 0.0, 0.0))
    light = request_now().light_of(request_now().hands[0])
    assert light is not None and len(light.lamps) == 2 and np.isfinite(light.irradiance(np.zeros(3), np.eye(3))).all()
    wrong = ((-3.0, "negative"), (float("inf"), "finite"), (float("nan"), "strength"), (1e30, "colour"))
    for energy, word in wrong:
        inside.data.energy = energy
        if inside.data.energy == pytest.approx(energy) or energy != energy:
            assert word in notes() and repr(inside.name) in notes(), energy
        assert len(request_now().light_of(request_now().hands[0]).lamps) >= 1  # type: ignore[union-attr]
    inside.data.energy = 1.0
    world, _ = world_of(0.2)
    volume = world.node_tree.nodes.new("ShaderNodeVolumeScatter")
    world.node_tree.links.new(volume.outputs[0], world.node_tree.get_output_node("ALL").inputs["Volume"])
    light = request_now().light_of(request_now().hands[0])
    assert light is not None and len(light.lamps) == 2, "fog needs a probe; lamps shine on"
    assert float(np.abs(light.harmonics).max()) == 0.0


def test_a_render_on_another_thread_has_the_main_one_probe(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As F12 in a window: only the main thread may write the scene, and only its timers do."""
    from livehand_blender import background
    from livehand_blender.render import probe_watch
    from livehand_blender.render.light import probes
    from livehand_blender.render.probe import Look

    runs = probing(monkeypatch, lambda frame, name: 0.7)

    def ask(given_up: bool = False) -> str:
        look, answers = Look(7, {"LiveHand Right": np.zeros(3)}), list[str]()
        worker = threading.Thread(
            target=lambda: answers.append(probe_watch._probe_there(scene, look, lambda: given_up))
        )
        worker.start()
        while worker.is_alive():
            if not given_up:
                probe_watch._look()
                background._poll()
            time.sleep(0.01)
        assert not probe_watch._asked
        return answers[0]

    assert ask() == "" and runs == [[7]] and probes(scene)["LiveHand Right"][0].frame == 7
    assert ask(given_up=True) == "" and len(runs) == 1

    def fail(*_: Any) -> Any:
        raise LightError("The scene cannot be written to be probed (disk full).", "Free some space.")

    monkeypatch.setattr(probe_watch, "probe_task", fail)
    assert "disk full" in ask()
    monkeypatch.setattr(probe_watch, "WAIT_SECONDS", 0.0)
    monkeypatch.setattr(probe_watch, "_look", lambda: None)
    assert "took more than 0 s" in ask()
