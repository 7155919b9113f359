"""LiveHand's own Rendered shading in one 3D view. Called by render/engine's view_update and view_draw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gpu

from livehand_core.errors import LiveHandError

from .. import compat
from . import notes, session
from .drawing import Screen
from .live import LiveView
from .region import pixel_share, view_camera, view_limits
from .scene import VisibleHand, visible_hands


class Viewport:
    """State of one 3D view that shows the LiveHand engine.

    Args:
        engine: the RenderEngine object of that view; it may be freed by Blender at any time.
    """

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self._live = LiveView(engine.tag_redraw, lambda: _exists(engine))
        self._screen = Screen()
        self._hands: tuple[VisibleHand, ...] = ()
        self._trouble = ""
        self._told = ""
        self._local = False

    def update(self, context: Any, depsgraph: Any) -> None:
        """Read the hands again after the scene changed."""
        self._local = context.space_data.local_view is not None
        try:
            self._hands = visible_hands(depsgraph, context.space_data)
            self._trouble = "" if self._hands else "No LiveHand hand is visible: Shift A, Armature, LiveHand Hand."
        except LiveHandError as error:
            self._hands, self._trouble = (), str(error)

    def draw(self, context: Any, depsgraph: Any) -> None:
        """Ask for what the view shows now, and draw the newest picture there is."""
        if (context.space_data.local_view is not None) != self._local:
            # Entering or leaving local view does not always update the depsgraph.
            self.update(context, depsgraph)
        scene, problem = context.scene, self._trouble
        try:
            camera = view_camera(context, depsgraph)
            limits = view_limits(context, camera)
            self._live.ask(camera, self._hands, limits, scene.livehand.viewport_rate, pixel_share(scene))
        except LiveHandError as error:
            problem = str(error)
        self._live.take()
        if not scene.render.film_transparent:
            colour = compat.background_colour(scene, depsgraph.view_layer)
            gpu.state.active_framebuffer_get().clear(color=(*colour, 1.0))
        if self._screen.show(self._live.picture):
            self._engine.tag_redraw()
        self._screen.draw(context.region_data, "WRITE")
        self._tell(context, problem)

    def _tell(self, context: Any, problem: str) -> None:
        """What is wrong, in the view itself; else one line where Blender writes what its engines are doing."""
        trouble = problem or why_nothing(self._live, self._hands)
        notes.keep(context.region, trouble)
        text = "" if trouble else _status(self._live)
        if text != self._told:
            self._told = text
            self._engine.update_stats("", text)


def why_nothing(live: LiveView, hands: Sequence[VisibleHand]) -> str:
    """Why a view with hands shows none, or what is wrong with its picture or its light; empty when all is well."""
    if not hands:
        return ""
    noted = next((note for hand in hands for note in hand.notes), "")
    if live.message or (noted and live.picture is not None):
        return f"LiveHand: {live.message or noted}"
    if live.picture is not None or not live.asked:
        return ""
    if not session.engine_client().info:
        return "LiveHand: the engine is starting"
    return f"LiveHand: {live.compiling}" if live.compiling else ""


def _status(live: LiveView) -> str:
    """Size and rate of the live picture."""
    picture = live.picture
    if picture is None:
        return ""
    size = f"{picture.camera.width} x {picture.camera.height}"
    return f"LiveHand: {size}" + ("" if picture.full else f", {live.rate:.0f} updates a second")


def _exists(engine: Any) -> bool:
    """Whether Blender still has the view's engine; a freed one raises ReferenceError at any touch."""
    return engine.as_pointer() != 0
