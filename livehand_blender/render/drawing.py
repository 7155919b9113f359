"""A live picture on the GPU: uploaded in small pieces, drawn as a card in space with a depth for each pixel.

Called by render/viewport and render/overlay inside Blender's draw calls. The card stands where the hands were when the
picture was made, so that an older picture stays with the scene while the view turns. Colours are scene-linear: the
frame buffer's own colour management shows them.
"""

from __future__ import annotations

import functools
import time
from typing import Any, Literal

import gpu
import numpy as np
from gpu_extras.batch import batch_for_shader

from .live import LivePicture
from .squares import squares

UPLOAD_SECONDS = 0.002
"""What a draw call may spend on uploading, more than one piece at least."""

_PIECE_PIXELS = 64 * 1024
"""Pixels of one texture: quick to upload even where the driver is software."""

DepthUse = Literal["TEST", "WRITE", "NONE"]
"""Heed the depths that are there, write the hands' own over them, or leave them alone."""

_TILE = 16
"""Side in pixels of the squares that are drawn; those without a hand are not."""

_VERTEX = """
void main()
{
  pixel = pos;
  vec2 ray = (pixel - lens.zw) / lens.xy;
  float spread = more.y > 0.5 ? 1.0 : more.x;
  gl_Position = clip_from_camera * vec4(ray * spread, more.x, 1.0);
}
"""

_FRAGMENT = """
void main()
{
  /* Bilinear by hand: textures of some versions are not filtered, and depths must not be. */
  vec2 texel = pixel - vec2(0.0, more.w) - 0.5;
  ivec2 last = textureSize(colours, 0) - 1;
  ivec2 low = clamp(ivec2(floor(texel)), ivec2(0), last);
  ivec2 high = min(low + 1, last);
  vec2 part = clamp(texel - vec2(low), 0.0, 1.0);
  vec4 above = mix(texelFetch(colours, low, 0), texelFetch(colours, ivec2(high.x, low.y), 0), part.x);
  vec4 below = mix(texelFetch(colours, ivec2(low.x, high.y), 0), texelFetch(colours, high, 0), part.x);
  vec4 colour = mix(above, below, part.y);
  if (colour.a <= 0.0) {
    discard;
  }
  float depth = texelFetch(depths, clamp(ivec2(floor(texel + 0.5)), ivec2(0), last), 0).r;
  depth = depth > 1e9 ? more.x : depth;
  depth -= more.z;
  vec2 ray = (pixel - lens.zw) / lens.xy;
  vec4 place = clip_from_camera * vec4(ray * (more.y > 0.5 ? 1.0 : depth), depth, 1.0);
  gl_FragDepth = clamp(0.5 * place.z / place.w + 0.5, 0.0, 1.0);
  if (under.w > 1.5) {
    colour = vec4(under.rgb * colour.a, 0.0);
  }
  else if (under.w > 0.5) {
    colour = vec4(vec3(1.0 - colour.a), 1.0);
  }
  colour_out = colour;
}
"""


class Screen:
    """The picture that one view shows, and the next one while it is being uploaded."""

    def __init__(self) -> None:
        self._shown: _Card | None = None
        self._next: _Card | None = None

    def show(self, picture: LivePicture | None) -> bool:
        """Begin or go on to upload a picture; whether more calls are needed. Spends about 2 ms."""
        if picture is None:
            self._shown = self._next = None
            return False
        newest = self._next or self._shown
        if newest is None or newest.picture is not picture:
            self._next = _Card(picture)
        if self._next is not None and self._next.upload():
            self._shown, self._next = self._next, None
        return self._next is not None

    def draw(self, view: Any, depth: DepthUse, bias: float = 0.0) -> None:
        """Draw the newest whole picture into the frame buffer that is bound.

        Args:
            view: the 3D view's region data, whose two matrices place the picture.
            depth: what to do with the frame buffer's depths.
            bias: metres by which the hands are drawn nearer than they are.
        """
        self._draw(view, depth, bias, "ALPHA_PREMULT", (0.0, 0.0, 0.0, 0.0))

    def clear_background(self, view: Any, depth: DepthUse, bias: float, colour: tuple[float, ...] | None) -> None:
        """Take Blender's background out of the overlays' frame buffer, which is bound, where the hands are.

        It is drawn there before them, and added to them later: dark hands would be as glass.

        Args:
            view, depth, bias: as of :meth:`draw`.
            colour: (3,) the background's, linear, which other overlays lie upon; None where there are none.
        """
        if colour is None:
            self._draw(view, depth, bias, "MULTIPLY", (0.0, 0.0, 0.0, 1.0))
        else:
            self._draw(view, depth, bias, "SUBTRACT", (*colour, 2.0))

    def _draw(self, view: Any, depth: DepthUse, bias: float, blend: str, under: tuple[float, ...]) -> None:
        if self._shown is None:
            return
        clip_from_world = np.array(view.window_matrix) @ np.array(view.view_matrix)
        gpu.state.blend_set(blend)
        gpu.state.depth_test_set("LESS_EQUAL" if depth == "TEST" else "ALWAYS")
        gpu.state.depth_mask_set(depth == "WRITE")
        self._shown.draw(clip_from_world, bias, under)
        gpu.state.depth_mask_set(False)
        gpu.state.depth_test_set("NONE")
        gpu.state.blend_set("NONE")


class _Card:
    """One picture in horizontal pieces, each of which holds one more row on either side for the filter."""

    def __init__(self, picture: LivePicture) -> None:
        self.picture = picture
        height, width = picture.passes["rgba"].shape[:2]
        rows = max(_PIECE_PIXELS // width // _TILE, 1) * _TILE
        self._starts = list(range(0, height, rows))
        self._rows, self._height = rows, height
        self._pieces: list[tuple[Any, Any, Any, float]] = []
        self._begun = 0

    def upload(self) -> bool:
        """Upload some more; whether all is there."""
        until = time.perf_counter() + UPLOAD_SECONDS
        passes = self.picture.passes
        while self._begun < len(self._starts) and (self._begun == 0 or time.perf_counter() < until):
            start = self._starts[self._begun]
            end = min(start + self._rows, self._height)
            first, last = max(start - 1, 0), min(end + 1, self._height)
            seen = squares(passes["rgba"][first:last, :, 3], start - first, end - first, _TILE)
            seen[:, 1::2] += first
            if len(seen):
                colours = _texture(passes["rgba"][first:last], "RGBA32F")
                depths = _texture(passes["depth"][first:last], "R32F")
                self._pieces.append((colours, depths, _batch(seen), float(first)))
            self._begun += 1
        return self._begun == len(self._starts)

    def draw(self, clip_from_world: np.ndarray, bias: float, under: tuple[float, ...]) -> None:
        from mathutils import Matrix

        camera = self.picture.camera
        shader = _shader()
        shader.bind()
        shader.uniform_float("clip_from_camera", Matrix((clip_from_world @ camera.camera_to_world).tolist()))
        shader.uniform_float("lens", (camera.fx, camera.fy, camera.cx, camera.cy))
        shader.uniform_float("under", under)
        flat = float(camera.projection == "orthographic")
        for colours, depths, batch, first in self._pieces:
            shader.uniform_float("more", (self.picture.distance, flat, bias, first))
            shader.uniform_sampler("colours", colours)
            shader.uniform_sampler("depths", depths)
            batch.draw(shader)


def _texture(image: np.ndarray, form: str) -> Any:
    height, width = image.shape[:2]
    values = np.ascontiguousarray(image, dtype=np.float32).ravel()
    return gpu.types.GPUTexture((width, height), format=form, data=gpu.types.Buffer("FLOAT", values.size, values))


@functools.cache
def _shader() -> Any:
    between = gpu.types.GPUStageInterfaceInfo("livehand_card")
    between.smooth("VEC2", "pixel")
    info = gpu.types.GPUShaderCreateInfo()
    info.push_constant("MAT4", "clip_from_camera")
    for name in ("lens", "more", "under"):
        info.push_constant("VEC4", name)
    info.sampler(0, "FLOAT_2D", "colours")
    info.sampler(1, "FLOAT_2D", "depths")
    info.vertex_in(0, "VEC2", "pos")
    info.vertex_out(between)
    info.fragment_out(0, "VEC4", "colour_out")
    if hasattr(info, "depth_write"):
        # From 5.0 on; the shading languages before it on OpenGL and Vulkan need no word of it.
        info.depth_write("ANY")
    info.vertex_source(_VERTEX)
    info.fragment_source(_FRAGMENT)
    return gpu.shader.create_from_info(info)


def _batch(seen: np.ndarray) -> Any:
    """Two triangles for each (left, top, right, bottom) of an (N, 4) array."""
    corners = seen[:, [0, 1, 2, 1, 0, 3, 0, 3, 2, 1, 2, 3]].reshape(-1, 2)
    return batch_for_shader(_shader(), "TRIS", {"pos": np.ascontiguousarray(corners, dtype=np.float32)})


def release() -> None:
    """Let go of what is kept for all views; the add-on is being switched off."""
    _shader.cache_clear()
