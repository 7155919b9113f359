"""The live picture without a window: GPU calls are replaced, the engine process is real."""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.blender.helpers import make_scene

pytestmark = pytest.mark.bpy
SIZE = (640, 400)


class _Screen:
    """In place of the GPU: keeps what would be drawn."""

    drawn: list[Any]

    def show(self, picture) -> bool:
        if picture is not None and (not self.drawn or self.drawn[-1] is not picture):
            self.drawn.append(picture)
        return False

    def draw(self, *_: object) -> None:
        pass


@pytest.fixture
def view(fresh_engine, monkeypatch: pytest.MonkeyPatch):
    """A Viewport, a context of a 3D view that looks at the hand, lists of what was drawn and written, and its note."""
    import bpy

    from livehand_blender.render import notes, viewport

    _Screen.drawn = drawn = []
    written: list[str] = []
    cleared: list[tuple[float, ...]] = []
    buffer = SimpleNamespace(clear=lambda color: cleared.append(color))
    monkeypatch.setattr(viewport, "gpu", SimpleNamespace(state=SimpleNamespace(active_framebuffer_get=lambda: buffer)))
    monkeypatch.setattr(viewport, "Screen", _Screen)
    engine = SimpleNamespace(
        tag_redraw=lambda: None, as_pointer=lambda: 1, update_stats=lambda _, text: written.append(text)
    )
    areas = [area for screen in bpy.data.screens for area in screen.areas if area.type == "VIEW_3D"]
    context = SimpleNamespace(
        region=SimpleNamespace(width=SIZE[0], height=SIZE[1], as_pointer=lambda: 5),
        region_data=SimpleNamespace(view_perspective="PERSP"),
        space_data=areas[0].spaces.active,
        scene=bpy.context.scene,
    )
    live = viewport.Viewport(engine)
    yield SimpleNamespace(
        viewport=live,
        context=context,
        drawn=drawn,
        written=written,
        cleared=cleared,
        engine=engine,
        note=lambda: notes.kept(context.region),
    )
    live._live.close()


def _look_through_camera(view, scene) -> object:
    import bpy

    bpy.context.view_layer.update()
    depsgraph = bpy.context.evaluated_depsgraph_get()
    view.context.region_data.view_matrix = scene.camera.matrix_world.inverted()
    view.context.region_data.window_matrix = scene.camera.calc_matrix_camera(depsgraph, x=SIZE[0], y=SIZE[1])
    view.viewport.update(view.context, depsgraph)
    return depsgraph


def _draw_until(view, depsgraph, done) -> None:
    deadline = time.monotonic() + 120.0
    while not done():
        assert time.monotonic() < deadline, view.note()
        view.viewport.draw(view.context, depsgraph)
        # Blender's event loop calls the timers; there is none here.
        view.viewport._live._tick()
        time.sleep(0.02)


def test_a_small_picture_comes_first_and_the_full_one_after(view, tiny_avatar: Path) -> None:
    scene, _ = make_scene(tiny_avatar)
    scene.render.film_transparent = True
    depsgraph = _look_through_camera(view, scene)
    started = time.monotonic()
    view.viewport.draw(view.context, depsgraph)
    assert time.monotonic() - started < 1.0, "the first draw must not wait for the engine's start"
    assert view.note() == "LiveHand: the engine is starting"
    _draw_until(view, depsgraph, lambda: view.drawn and view.drawn[-1].full)
    first, last = view.drawn[0], view.drawn[-1]
    assert not first.full and first.camera.width < last.camera.width <= SIZE[0]
    # Only the hand's window is asked for; the camera says where in the view it lies.
    assert last.camera.width * last.camera.height < 0.75 * SIZE[0] * SIZE[1]
    alpha = last.passes["rgba"][..., 3] > 0.5
    assert 0.1 < alpha.mean() < 0.9 and not view.cleared
    assert abs(np.median(last.passes["depth"][alpha]) - last.distance) < 0.03

    # The newest state wins: the hand leaves the picture, and nothing of it is kept.
    scene.camera.location.x += 10.0
    depsgraph = _look_through_camera(view, scene)
    view.viewport.draw(view.context, depsgraph)
    assert view.viewport._live.picture is None


def test_an_opaque_film_shows_the_worlds_colour(view, tiny_avatar: Path) -> None:
    import bpy

    scene, _ = make_scene(tiny_avatar)
    scene.render.film_transparent = False
    scene.world = bpy.data.worlds.new("World")
    scene.world.color = (0.25, 0.5, 0.75)
    if bpy.app.version < (5, 0, 0):
        scene.world.use_nodes = False
    else:
        scene.world.node_tree.nodes.clear()
    view.viewport.draw(view.context, _look_through_camera(view, scene))
    assert view.cleared == [(0.25, 0.5, 0.75, 1.0)]


def test_moving_on_gives_up_the_full_picture(view, tiny_avatar: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from livehand_blender.render import session

    scene, rig = make_scene(tiny_avatar)
    depsgraph = _look_through_camera(view, scene)
    _draw_until(view, depsgraph, lambda: view.drawn and view.drawn[-1].full)
    client, sent = session.engine_client(), []
    submit, cancel = client.submit, client.cancel
    monkeypatch.setattr(client, "submit", lambda request, channel: sent.append(channel) or submit(request, channel))
    monkeypatch.setattr(client, "cancel", lambda channel: sent.append(f"cancel {channel}") or cancel(channel))
    monkeypatch.setattr(client, "busy", lambda channel: False)
    rig.location.x += 0.01
    view.viewport.draw(view.context, _look_through_camera(view, scene))
    view.viewport.draw(view.context, depsgraph)
    moving, full = view.viewport._live._channels[False], view.viewport._live._channels[True]
    assert sent == [f"cancel {full}", moving], "one request for one state"
    view.viewport._live._changed -= 1.0
    view.viewport._live._tick()
    rig.location.x += 0.01
    view.viewport.draw(view.context, _look_through_camera(view, scene))
    assert sent[2:] == [full, f"cancel {full}", moving]


def test_a_rewritten_avatar_is_drawn_anew(view, tiny_avatar: Path, tmp_path: Path) -> None:
    avatar = tmp_path / "run.safetensors"
    avatar.write_bytes(tiny_avatar.read_bytes())
    scene, _ = make_scene(avatar)
    depsgraph = _look_through_camera(view, scene)
    _draw_until(view, depsgraph, lambda: view.drawn and view.drawn[-1].full)
    count = len(view.drawn)
    os.utime(avatar, (1.0, 1.0))
    _draw_until(view, depsgraph, lambda: len(view.drawn) > count)


def test_a_view_that_is_gone_is_forgotten(view, tiny_avatar: Path) -> None:
    scene, _ = make_scene(tiny_avatar)
    view.viewport.draw(view.context, _look_through_camera(view, scene))

    def freed() -> None:
        raise ReferenceError("StructRNA of type RenderEngine has been removed")

    view.engine.as_pointer = freed
    live = view.viewport._live
    assert live._tick() is None and live._wish is None


def test_the_render_region_and_pixel_size_limit_the_picture(view, tiny_avatar: Path) -> None:
    from livehand_blender.render.camera import core_camera, read_view
    from livehand_blender.render.region import pixel_share, view_camera, view_limits

    scene, _ = make_scene(tiny_avatar, width=300, height=200)
    depsgraph = _look_through_camera(view, scene)
    camera = view_camera(view.context, depsgraph)
    assert view_limits(view.context, camera) is None
    scene.render.use_border = True
    scene.render.border_min_x, scene.render.border_max_x = 0.25, 0.5
    scene.render.border_min_y, scene.render.border_max_y = 0.1, 0.6
    view.context.region_data.view_perspective = "CAMERA"
    view.context.space_data.camera = scene.camera
    x, y, width, height = view_limits(view.context, camera)
    # The camera's frame has 3 : 2 in a view of 8 : 5, whose width it fills.
    frame = (SIZE[0], SIZE[0] / 1.5)
    top = 0.5 * (SIZE[1] - frame[1])
    assert abs(x - 0.25 * frame[0]) <= 1 and abs(width - 0.25 * frame[0]) <= 2
    assert y == max(round(top + 0.4 * frame[1]), 0) and abs(height - 0.5 * frame[1]) <= 2
    # Through the camera, the view's transform is the camera's own and not what float32 matrices left of it.
    scene.camera.rotation_euler.rotate_axis("Y", 0.3)
    depsgraph = _look_through_camera(view, scene)
    exact = core_camera(read_view(scene, scene.camera)).camera_to_world
    np.testing.assert_array_equal(view_camera(view.context, depsgraph).camera_to_world, exact)
    view.context.region_data.view_perspective = "PERSP"
    assert not np.array_equal(view_camera(view.context, depsgraph).camera_to_world, exact)
    scene.render.preview_pixel_size = "4"
    assert pixel_share(scene) == 0.25


def test_failures_are_written_into_the_view(view, tmp_path: Path) -> None:
    scene, rig = make_scene(tmp_path / "missing.safetensors")
    depsgraph = _look_through_camera(view, scene)
    _draw_until(view, depsgraph, lambda: "missing.safetensors" in view.note())
    rig.scale = (1.0, 1.0, 2.0)
    view.viewport.draw(view.context, _look_through_camera(view, scene))
    assert "non-uniformly" in view.note()
    rig.hide_viewport = True
    view.viewport.draw(view.context, _look_through_camera(view, scene))
    assert "No LiveHand hand" in view.note() and not view.drawn
    assert not any(view.written), "Blender's line is for size and rate"


def test_the_view_says_that_the_engine_compiles_and_how_far_it_is(view, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a guess by the time that a first picture takes: the engine's own word."""
    from livehand_blender.render import session, viewport

    state: dict[str, Any] = {"compiling": (12, 44), "info": object()}
    client = SimpleNamespace(submit=lambda request, channel: 1, cancel=lambda channel: None, **state)
    client.poll_numbered, client.busy, client.wait = lambda channel: None, lambda channel: True, lambda *_: False
    monkeypatch.setattr(session, "engine_client", lambda: client)
    scene, _ = make_scene(Path("default"))
    depsgraph = _look_through_camera(view, scene)
    drawn: list[str] = []
    view.viewport._live._redraw = lambda: drawn.append(view.note())
    view.viewport.draw(view.context, depsgraph)
    assert view.note().startswith("LiveHand: compiling the renderer") and "12 of about 44 parts" in view.note()
    client.compiling = (13, 44)
    view.viewport._live._tick()
    assert drawn, "a new number is drawn"
    client.compiling = None
    assert viewport.why_nothing(view.viewport._live, view.viewport._hands) == ""
