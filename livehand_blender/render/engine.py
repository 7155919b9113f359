"""The render engine "LiveHand" in Blender's list: a thin class over render/scene, render/session and render/passes."""

from __future__ import annotations

import time
import traceback
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import bpy
import numpy as np

from livehand_core.compilation import describe
from livehand_core.errors import CameraError, LiveHandError, RenderCancelled
from livehand_core.frames import FrameRequest
from livehand_core.passes import RenderPasses, empty_images

from .. import compat
from ..registration import classes, handlers, leaving, registration
from . import session
from .camera import FrameView, border_pixels, read_view
from .cryptomatte import CRYPTO_PASS, metadata
from .passes import BLENDER_PASSES, HandLabel, blender_pixels, pass_image, wanted_passes
from .probe_watch import hands_in_known_light
from .scene import frame_request, read_frame
from .shutter import shutter_times, split_frame

ENGINE_ID = "LIVEHAND"


class LiveHandRenderEngine(bpy.types.RenderEngine):
    """Renders the scene's LiveHand hands in the engine process; nothing else of the scene is drawn."""

    bl_idname = ENGINE_ID
    bl_label = "LiveHand"
    bl_use_preview = False
    bl_use_postprocess = True
    bl_use_eevee_viewport = True
    bl_use_shading_nodes_custom = False
    bl_use_spherical_stereo = False

    _viewport: Any = None

    def update_render_passes(self, scene: Any = None, renderlayer: Any = None) -> None:
        """Tell the compositor which sockets this view layer has."""
        self.register_pass(scene, renderlayer, "Combined", 4, "RGBA", "COLOR")
        for entry in wanted_passes(renderlayer):
            self.register_pass(scene, renderlayer, entry.name, len(entry.channels), entry.channels, entry.kind)

    def render(self, depsgraph: Any) -> None:
        """Render one frame of one view layer.

        An exception that left here, or one between begin_result and end_result, would crash Blender when it writes
        a multilayer EXR. So every failure becomes a report, and a result is always begun and ended.
        """
        started = time.perf_counter()
        frame = session.FrameRecord()
        for view in _view_names(depsgraph.scene_eval):
            pixels: dict[str, Any] = {}
            try:
                pixels = self._render_pixels(depsgraph, view, frame)
            except RenderCancelled:
                frame.error = "The render was cancelled."
            except LiveHandError as error:
                frame.error = str(error)
                self.report({"ERROR"}, str(error))
            except KeyboardInterrupt:
                # No Exception: left alone it would leave here, and Blender would write an empty picture and go on.
                frame.error = "The render was interrupted."
                self.report({"ERROR"}, frame.error)
            except Exception as error:
                traceback.print_exc()
                frame.error = f"LiveHand failed unexpectedly ({type(error).__name__}: {error})."
                self.report({"ERROR"}, f"{frame.error} The console has the details.")
            try:
                self._write_result(depsgraph, view, pixels, frame.labels)
            except Exception as error:
                traceback.print_exc()
                frame.error = f"The picture could not be handed to Blender ({error})."
                self.report({"ERROR"}, frame.error)
        frame.seconds = time.perf_counter() - started
        session.record(frame)

    def view_update(self, context: Any, depsgraph: Any) -> None:
        """The scene changed, or the view shows this engine from now on."""
        self._live().update(context, depsgraph)

    def view_draw(self, context: Any, depsgraph: Any) -> None:
        """Draw the newest picture; never waits for the engine process."""
        self._live().draw(context, depsgraph)

    def _live(self) -> Any:
        if self._viewport is None:
            # Needs a window's GPU, which Blender in the background has not.
            from .viewport import Viewport

            self._viewport = Viewport(self)
        return self._viewport

    def _render_pixels(self, depsgraph: Any, view: str, frame: session.FrameRecord) -> dict[str, Any]:
        """Name of a Blender pass -> its flat pixels, for the passes that the view layer has."""
        camera = self._camera(depsgraph, view)
        self.update_stats("", "LiveHand: looking at the light")
        hands, problem = hands_in_known_light(depsgraph, self.test_break)
        blurred = self._blurred(depsgraph, camera, view, frame)
        self.update_stats("", "LiveHand: reading the scene")
        read = read_frame(depsgraph, self._view(depsgraph, camera, view), hands)
        request, labels = read.request, read.labels
        count = len(request.hands)
        self.update_stats("", f"LiveHand: rendering {count} hand{'' if count == 1 else 's'}")
        self.update_progress(0.1 if blurred is None else 0.85)
        answer = self._draw(request, frame)
        frame.stage_seconds = answer.stage_seconds
        light = tuple(line for line in (problem, *read.notes) if line)
        frame.warnings = (*answer.warnings, *light)
        frame.note = "" if count else f"No hand is seen in the view layer {depsgraph.view_layer_eval.name!r}."
        for line in (*answer.warnings, *session.news(light)):
            self.report({"WARNING"}, line)
        self.update_progress(0.9)
        scene, layer = depsgraph.scene_eval, depsgraph.view_layer_eval
        background = None if scene.render.film_transparent else compat.background_colour(scene, layer)
        size = (request.camera.width, request.camera.height)
        combined, hole = blurred or _picture(answer)
        pixels = {"Combined": blender_pixels("rgba", combined, *size, background, hole)}
        for entry in wanted_passes(layer):
            pixels[entry.name] = blender_pixels(entry.core, pass_image(entry, answer, labels), *size)
        frame.labels = labels
        return pixels

    def _tell_compiling(self, done: int, of: int) -> None:
        """The render's own line and bar, while a first frame waits for its renderer."""
        self.update_stats("", f"LiveHand: {describe(done, of)}")
        self.update_progress(0.1 + 0.75 * done / of)

    def _draw(self, request: FrameRequest, frame: session.FrameRecord) -> RenderPasses:
        """A request's images; the engine process is not asked for an empty one."""
        if not request.hands:
            return RenderPasses(empty_images(request.camera.width, request.camera.height, request.passes), {})
        answer, waited = session.render(request, self.test_break, self._tell_compiling)
        frame.engine_seconds += waited
        return answer

    def _blurred(self, depsgraph: Any, camera: Any, view: str, frame: session.FrameRecord) -> tuple[Any, Any] | None:
        """Mean of the picture and of the hole in it while the shutter is open, None without motion blur.

        The other passes stay those of the frame itself, as in Blender's own engines; so does the camera's choice,
        when a marker cuts to another one meanwhile.
        """
        scene = depsgraph.scene_eval
        if not (scene.render.use_motion_blur and getattr(depsgraph.view_layer_eval, "use_motion_blur", True)):
            return None
        # Blender maps frames to stretched time itself when one is set.
        now, steps = (scene.frame_current, scene.frame_subframe), scene.livehand.motion_blur_steps
        render = scene.render
        times = shutter_times(sum(now), render.motion_blur_position, render.motion_blur_shutter, steps)
        picture, hole = 0.0, 0.0
        last, answer = None, None
        try:
            for step, time_ in enumerate(times):
                self.update_stats("", f"LiveHand: motion blur, step {step + 1} of {steps}")
                self.update_progress(0.85 * step / steps)
                self.frame_set(*split_frame(time_))
                request = frame_request(depsgraph, self._view(depsgraph, camera, view))
                request = replace(request, passes=tuple({"rgba", "holdout"} & set(request.passes)))
                if answer is None or request.to_json() != last:
                    # What does not move is rendered once.
                    last = request.to_json()
                    answer = self._draw(request, frame)
                drawn, cut = _picture(answer)
                picture, hole = picture + drawn / steps, hole + cut / steps
        finally:
            self.frame_set(*now)
        return picture, hole

    def _camera(self, depsgraph: Any, view: str) -> Any:
        """The (original) camera object of a view, None without one; that view is active from now on."""
        if view:
            self.active_view_set(view)
        camera = self.camera_override or depsgraph.scene_eval.camera
        return camera and camera.original

    def _view(self, depsgraph: Any, camera: Any, view: str) -> FrameView:
        """What a camera sees at the moment that the depsgraph stands at, or one eye of a stereo pair.

        Raises:
            CameraError: there is no camera.
        """
        camera = camera and camera.evaluated_get(depsgraph)
        frame_view = read_view(depsgraph.scene_eval, camera)
        if not view:
            return frame_view
        shift = (self.camera_shift_x(camera), frame_view.shift[1])
        return replace(frame_view, matrix_world=np.array(self.camera_model_matrix(camera)), shift=shift)

    def _write_result(self, depsgraph: Any, view: str, pixels: dict[str, Any], labels: Sequence[HandLabel]) -> None:
        """Hand the pixels over; passes that are missing stay empty."""
        layer = depsgraph.view_layer_eval
        for entry in wanted_passes(layer):
            self.add_pass(entry.name, len(entry.channels), entry.channels, layer=layer.name)
        result = self.begin_result(0, 0, *self._size(depsgraph), layer=layer.name, view=view)
        try:
            for render_pass in result.layers[0].passes:
                if render_pass.name in pixels:
                    render_pass.rect.foreach_set(pixels[render_pass.name])
        finally:
            self.end_result(result)
        if CRYPTO_PASS in pixels:
            # Only what the whole result is stamped with reaches the file.
            for key, value in metadata(layer.name, [label.name for label in labels]).items():
                self.get_result().stamp_data_add_field(key, value)

    def _size(self, depsgraph: Any) -> tuple[int, int]:
        """Width and height of the rendered region; at least one pixel, so that a result can always be begun."""
        scene = depsgraph.scene_eval
        try:
            _, _, width, height = border_pixels(read_view(scene, scene.camera))
        except CameraError:
            width, height = self.resolution_x, self.resolution_y
        return max(width, 1), max(height, 1)


def _picture(answer: RenderPasses) -> tuple[Any, Any]:
    """The hands' picture, and the hole in it, 0 where no hand is held out."""
    return answer["rgba"], answer.images.get("holdout", np.float32(0.0))


def _view_names(scene: Any) -> list[str]:
    """Names of the stereo views to render, one empty name without stereo."""
    if not scene.render.use_multiview:
        return [""]
    shown = scene.render.views if scene.render.views_format == "MULTIVIEW" else scene.render.stereo_views
    return [view.name for view in shown if view.use]


@bpy.app.handlers.persistent
def _render_begins(*_: Any) -> None:
    session.forget_news()


register, unregister = registration(
    leaving(session.close), classes(LiveHandRenderEngine), handlers(("render_init", _render_begins))
)


PASS_SWITCHES = tuple(entry.switch for entry in BLENDER_PASSES)
"""Properties of the view layer's pass settings, in the order of the table."""
