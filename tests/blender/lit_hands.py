"""Hands that answer to the scene's light without an avatar that is drawn, and what the engine is asked for."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from livehand_core.frames import FrameRequest
from livehand_core.panoramas import panorama_light
from livehand_core.passes import RenderPasses, empty_images


def answering(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every avatar stands in the scene's light."""
    from livehand_blender.render import light

    monkeypatch.setattr(light, "metadata_of", lambda avatar: SimpleNamespace(light="scene_light"))


def bringing_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """No avatar does."""
    from livehand_blender.render import light
    from livehand_blender.ui import light_panels

    for module in (light, light_panels):
        monkeypatch.setattr(module, "metadata_of", lambda avatar: SimpleNamespace(light="as_trained", name="plain"))


def asked(monkeypatch: pytest.MonkeyPatch) -> list[FrameRequest]:
    """The requests of final frames from now on; each is answered with an empty picture."""
    from livehand_blender.render import session

    requests: list[FrameRequest] = []

    def render(request: FrameRequest, *_: Any) -> tuple[RenderPasses, float]:
        requests.append(request)
        camera = request.camera
        return RenderPasses(empty_images(camera.width, camera.height, request.passes), {}), 0.0

    monkeypatch.setattr(session, "render", render)
    return requests


def probing(
    monkeypatch: pytest.MonkeyPatch, look: Callable[[Any, Any], float] = lambda frame, name: 1.0
) -> list[list[int]]:
    """Probes find a uniform light of ``look(frame, rig's name)`` without another Blender; the frames of each probe."""
    import numpy as np

    from livehand_blender.render import probe

    runs: list[list[int]] = []

    def run(_job: Any, _folder: Any, looks: Any, _task: Any) -> dict[str, list[Any]]:
        runs.append([one.frame for one in looks])
        answer: dict[str, list[Any]] = {}
        for one in looks:
            for name, point in one.points.items():
                light = panorama_light(np.full((8, 16, 3), look(one.frame, name)))
                answer.setdefault(name, []).append(probe.Probe(light, tuple(map(float, point)), one.frame))
        return answer

    monkeypatch.setattr(probe, "_run", run)
    return runs


def request_now() -> FrameRequest:
    """What the viewport's depsgraph asks for now."""
    import bpy

    from livehand_blender.render.scene import frame_request

    bpy.context.view_layer.update()
    return frame_request(bpy.context.evaluated_depsgraph_get())
