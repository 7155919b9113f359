"""The live picture without a window: GPU calls are replaced, the engine process is real."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.blender.helpers import make_scene

pytestmark = pytest.mark.bpy
SIZE = (640, 400)


@pytest.fixture
def view(addon, monkeypatch: pytest.MonkeyPatch):
    """A Viewport, a context of a 3D view that looks at the hand, and lists of what was drawn and written."""

    import bpy

    from livehand_blender.render import session, viewport

    monkeypatch.setenv("LIVEHAND_PYTHON", sys.executable)
    drawn: list[np.ndarray] = []
    written: list[str] = []
    monkeypatch.setattr(viewport, "gpu", SimpleNamespace(state=SimpleNamespace(blend_set=lambda _: None)))
    monkeypatch.setattr(viewport, "_texture", lambda rgba: rgba)
    monkeypatch.setattr(viewport, "draw_texture_2d", lambda picture, *_: drawn.append(picture))
    monkeypatch.setattr(viewport, "_write", lambda _, text: written.append(text))
    engine = SimpleNamespace(
        bind_display_space_shader=lambda _: None, unbind_display_space_shader=lambda: None, tag_redraw=lambda: None
    )
    context = SimpleNamespace(region=SimpleNamespace(width=SIZE[0], height=SIZE[1]), region_data=SimpleNamespace())
    live = viewport.Viewport(engine)
    yield SimpleNamespace(viewport=live, context=context, drawn=drawn, written=written)
    if bpy.app.timers.is_registered(live._timer):
        bpy.app.timers.unregister(live._timer)
    session.close()


def _look_through_camera(view, scene) -> object:
    import bpy

    bpy.context.view_layer.update()
    depsgraph = bpy.context.evaluated_depsgraph_get()
    view.context.region_data.view_matrix = scene.camera.matrix_world.inverted()
    view.context.region_data.window_matrix = scene.camera.calc_matrix_camera(depsgraph, x=SIZE[0], y=SIZE[1])
    view.viewport.update(depsgraph)
    return depsgraph


def _draw_until(view, depsgraph, done) -> None:
    deadline = time.monotonic() + 120.0
    while not done():
        assert time.monotonic() < deadline, view.written
        view.viewport.draw(view.context, depsgraph)
        time.sleep(0.02)


def test_a_small_picture_comes_first_and_the_full_one_after(view, tiny_avatar: Path) -> None:
    scene, _ = make_scene(tiny_avatar)
    depsgraph = _look_through_camera(view, scene)
    started = time.monotonic()
    view.viewport.draw(view.context, depsgraph)
    assert time.monotonic() - started < 1.0, "the first draw must not wait for the engine's start"
    assert view.written == ["The engine is starting."]
    _draw_until(view, depsgraph, lambda: view.drawn and view.drawn[-1].shape[1] == SIZE[0])
    shapes = {picture.shape for picture in view.drawn}
    assert shapes == {(160, 256, 4), (SIZE[1], SIZE[0], 4)}
    assert 0.02 < (view.drawn[-1][..., 3] > 0.5).mean() < 0.6

    # The newest state wins: the hand leaves the picture, and soon nothing of it is drawn.
    scene.camera.location.x += 10.0
    depsgraph = _look_through_camera(view, scene)
    _draw_until(view, depsgraph, lambda: view.drawn[-1].max() == 0.0)


def test_failures_are_written_into_the_view(view, tmp_path: Path) -> None:
    scene, rig = make_scene(tmp_path / "missing.safetensors")
    depsgraph = _look_through_camera(view, scene)
    _draw_until(view, depsgraph, lambda: any("missing.safetensors" in text for text in view.written))
    rig.scale = (1.0, 1.0, 2.0)
    view.viewport.draw(view.context, _look_through_camera(view, scene))
    assert "non-uniformly" in view.written[-1]
    rig.hide_viewport = True
    view.viewport.draw(view.context, _look_through_camera(view, scene))
    assert "No LiveHand hand" in view.written[-1] and not view.drawn
