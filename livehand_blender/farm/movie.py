"""Puts pictures together as a video, once all of them are there. Called by the batch."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from livehand_core.claims import claimed
from livehand_core.farm.output import Output

from .. import compat
from .frames import Sign, write_picture


def finish_movie(scene: Any, frames: list[int], output: Output, sign: Sign | None = None) -> None:
    """Put the movie together when all of its pictures are there, other chunks' included.

    Raises:
        LiveHandError: the movie cannot be written.
    """
    assert output.movie is not None
    missing = [frame for frame in frames if not output.finished(frame)]
    if missing:
        print(f"{len(missing)} frames of other chunks are missing; the last one to finish makes {output.movie.name}.")
        return
    with claimed(output.movie) as holder:
        if holder is not None:
            print(f"{output.movie.name} is being made by {holder}.")
            return
        write_picture(output.movie, partial(_encode, scene, [output.path(frame) for frame in frames]), sign)
    print(f"{output.movie}: {len(frames)} frames.", flush=True)


def _encode(scene: Any, pictures: list[Path], path: Path) -> None:
    """Write pictures as an H.264 movie through a scene of its own with an image strip."""
    import bpy

    editing = bpy.data.scenes.new("LiveHand Movie")
    try:
        strips = compat.strips(editing.sequence_editor_create())
        strip = strips.new_image("Frames", str(pictures[0]), channel=1, frame_start=1, fit_method="ORIGINAL")
        for picture in pictures[1:]:
            strip.elements.append(picture.name)
        render, source = editing.render, bpy.data.images.load(str(pictures[0]))
        render.resolution_x, render.resolution_y = source.size
        bpy.data.images.remove(source)
        render.resolution_percentage = 100
        render.fps, render.fps_base = scene.render.fps, scene.render.fps_base
        editing.frame_start, editing.frame_end = 1, len(pictures)
        editing.view_settings.view_transform = "Standard"
        compat.set_image_format(render.image_settings, "FFMPEG")
        render.ffmpeg.format, render.ffmpeg.codec = "MPEG4", "H264"
        render.ffmpeg.constant_rate_factor = "HIGH"
        render.use_file_extension = False
        render.filepath = str(path)
        bpy.ops.render.render(animation=True, scene=editing.name)
    finally:
        bpy.data.scenes.remove(editing)
