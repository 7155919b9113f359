"""Frames to a video: an ffmpeg of its own process, as the package imageio-ffmpeg brings it, fed over a pipe."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np

from ..engine.interpreters import start_options
from ..errors import LiveHandError
from ..files import atomic_path
from ..libraries import require

_BT709 = ["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv"]


@dataclass(frozen=True)
class Format:
    """A kind of video.

    Attributes:
        codec: ffmpeg's name.
        pixels: pixel format of the video.
        options: of the codec.
        alpha: whether it can be transparent.
        meaning: for people.
    """

    codec: str
    pixels: str
    options: tuple[str, ...]
    alpha: bool
    meaning: str


FORMATS = {
    ".mp4": Format("libx264", "yuv420p", ("-crf", "16", "-preset", "slow", "-movflags", "+faststart"), False, "H.264"),
    ".mov": Format("prores_ks", "yuva444p10le", ("-profile:v", "4444"), True, "ProRes 4444, may be transparent"),
    ".webm": Format("libvpx-vp9", "yuva420p", ("-crf", "22", "-b:v", "0"), True, "VP9, may be transparent"),
}
"""Suffix -> format."""


def check_video() -> None:
    """Raises LiveHandError when there is nothing to write videos with."""
    require("videos", "A folder takes PNG frames instead.")


def write_video(path: Path, frames: Iterable[np.ndarray], fps: float) -> None:
    """Write a video by its suffix, under a temporary name first.

    Args:
        path: ends in one of ``FORMATS``.
        frames: 8 bit sRGB pictures of one size, (H, W, 3) or (H, W, 4) with straight alpha; one or more.
        fps: frames a second.

    Raises:
        LiveHandError: no ffmpeg, an ffmpeg that failed, or a folder that cannot be written.
    """
    check_video()
    import imageio_ffmpeg

    kind = FORMATS[path.suffix.lower()]
    rest = iter(frames)
    first = next(rest)
    height, width, channels = first.shape
    pixels = kind.pixels if channels == 4 else kind.pixels.replace("yuva", "yuv")
    ground = "black@0" if channels == 4 else "black"
    # Players want even sides, and BT.709 throughout; ffmpeg would otherwise take BT.601's matrix.
    filters = f"pad=ceil(iw/2)*2:ceil(ih/2)*2:color={ground},scale=out_color_matrix=bt709,format={pixels}"
    entering = ["-f", "rawvideo", "-pix_fmt", "rgba" if channels == 4 else "rgb24", "-s", f"{width}x{height}"]
    with atomic_path(path) as temporary, TemporaryFile() as said:
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-loglevel", "error", *entering, "-r", f"{fps:g}", "-i", "-"]
        command += ["-an", "-c:v", kind.codec, *kind.options, "-vf", filters, *_BT709, str(temporary)]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said, **start_options()
        )
        assert process.stdin is not None
        try:
            with suppress(BrokenPipeError), process.stdin as pipe:
                for frame in chain([first], rest):
                    pipe.write(np.ascontiguousarray(frame).data)
            code = process.wait()
        finally:
            process.kill()
        if code:
            said.seek(0)
            lines = said.read().decode(errors="replace").strip().splitlines()
            if any(os.strerror(errno.ENOSPC) in line for line in lines):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            raise LiveHandError(
                f"ffmpeg could not write {path.name} ({lines[-1] if lines else f'it ended with {code}'}).",
                "Choose another suffix, or a folder for PNG frames.",
            )
