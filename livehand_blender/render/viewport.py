"""The live picture of one 3D view: requests go out, answers come in, and Blender's interface waits for neither.

Called by render/engine's view_update and view_draw. The newest state wins: a request replaces those of the same view
that are not begun. While things move a smaller picture is asked for, and the full one once they rest.
"""

from __future__ import annotations

import itertools
from typing import Any

import bpy
import gpu
import numpy as np
from gpu_extras.presets import draw_texture_2d

from livehand_core.errors import LiveHandError
from livehand_core.frames import FrameRequest, HandInstance
from livehand_core.passes import RenderPasses

from . import session
from .camera import region_camera
from .scene import visible_hands

POLL_SECONDS = 0.02
MOVING_SIDE = 256
"""Longer side in pixels of the picture that is asked for while things move."""

_numbers = itertools.count(1)


class Viewport:
    """State of one 3D view that shows the LiveHand engine.

    Args:
        engine: the RenderEngine object of that view; it may be freed by Blender at any time.
    """

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self._channel = f"viewport {next(_numbers)}"
        self._hands: tuple[HandInstance, ...] = ()
        self._asked: dict[str, Any] = {}
        self._full = True
        self._texture: Any = None
        self._message = ""
        # Timers are told apart by identity, and every look-up of a method makes a new object.
        self._timer = self._look

    def update(self, depsgraph: Any) -> None:
        """Read the hands again after the scene changed."""
        try:
            self._hands = visible_hands(depsgraph)
            self._message = "" if self._hands else "No LiveHand hand is visible: Shift A, Armature, LiveHand Hand."
        except LiveHandError as error:
            self._hands, self._message = (), str(error)

    def draw(self, context: Any, depsgraph: Any) -> None:
        """Ask for what the view shows now, and draw the newest picture there is."""
        self._ask(context)
        self._take()
        if self._texture is not None and self._hands:
            region = context.region
            gpu.state.blend_set("ALPHA_PREMULT")
            self._engine.bind_display_space_shader(depsgraph.scene)
            draw_texture_2d(self._texture, (0, 0), region.width, region.height)
            self._engine.unbind_display_space_shader()
            gpu.state.blend_set("NONE")
        starting = self._texture is None and session.engine_client().info is None
        message = self._message or ("The engine is starting." if starting else "")
        if message:
            _write(context, message)

    def _ask(self, context: Any) -> None:
        if not self._hands:
            return
        region, view = context.region, context.region_data
        try:
            camera = region_camera(view.view_matrix, view.window_matrix, region.width, region.height)
            request = FrameRequest(camera, self._hands, linear=True)
            wanted = request.to_json()
            client = session.engine_client()
            if wanted != self._asked:
                self._asked, self._full = wanted, False
                share = min(1.0, MOVING_SIDE / max(region.width, region.height))
                size = (max(round(region.width * share), 1), max(round(region.height * share), 1))
                client.submit(FrameRequest(camera.resized(*size), self._hands, linear=True), self._channel)
                self._watch()
            elif not self._full and not client.busy(self._channel):
                self._full = True
                client.submit(request, self._channel)
                self._watch()
        except LiveHandError as error:
            self._message = str(error)

    def _take(self) -> None:
        answer = session.engine_client().poll(self._channel)
        if not self._hands:
            # An answer to what the view no longer shows; the scene's own message stays.
            return
        if isinstance(answer, RenderPasses):
            self._message = "".join(answer.warnings[:1])
            self._texture = _texture(answer["rgba"])
        elif answer is not None:
            self._message = str(answer)

    def _watch(self) -> None:
        """Have the view drawn again when the answer is there."""
        if not bpy.app.timers.is_registered(self._timer):
            bpy.app.timers.register(self._timer, first_interval=POLL_SECONDS)

    def _look(self) -> float | None:
        try:
            if session.engine_client().busy(self._channel):
                return POLL_SECONDS
            self._engine.tag_redraw()
        except ReferenceError:
            # Blender has freed the view's engine: nobody looks at this channel any more.
            session.engine_client().cancel(self._channel)
        return None


def _texture(rgba: np.ndarray) -> Any:
    height, width = rgba.shape[:2]
    pixels = np.ascontiguousarray(rgba[::-1], dtype=np.float32)
    buffer = gpu.types.Buffer("FLOAT", pixels.size, pixels.ravel())
    return gpu.types.GPUTexture((width, height), format="RGBA16F", data=buffer)


def _write(context: Any, text: str) -> None:
    import blf

    blf.size(0, 13.0 * context.preferences.system.ui_scale)
    blf.color(0, 1.0, 1.0, 1.0, 1.0)
    for line, start in enumerate(range(0, len(text), 110)):
        blf.position(0, 20.0, 60.0 - 18.0 * line, 0.0)
        blf.draw(0, text[start : start + 110])
