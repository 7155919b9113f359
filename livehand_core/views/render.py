"""Rendering a view's frames into files: ``render_view``. What is there is kept, what is written is whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CaptureError, LiveHandError
from ..files import write_arrays
from ..passes import RenderPasses
from ..rendering import Renderer
from .film import FORMATS, write_video
from .pictures import PASS_PICTURES, Background, arranged, fitted, load_png, over, save_png
from .shots import Shot
from .target import Target

SHEET_SIDE = 16384
"""Largest side of a sheet in pixels."""

DIFFERENCE_GAIN = 4.0


@dataclass(frozen=True)
class Look:
    """How frames are shown.

    Attributes:
        background: sRGB colour, or None for transparency where the format has it.
        difference: beside truth and render also their difference, times four.
        fps: of a video.
        columns: of a sheet; None for about a square.
        keep_frames: keep the frames that a video or sheet was made of.
    """

    background: Background = None
    difference: bool = False
    fps: float = 24.0
    columns: int | None = None
    keep_frames: bool = False

    def __post_init__(self) -> None:
        if not 0.1 <= self.fps <= 1000.0:
            raise LiveHandError(f"A video of {self.fps:g} frames a second is not possible.", "Give 0.1 to 1000.")
        if self.columns is not None and self.columns < 1:
            raise LiveHandError(f"A sheet of {self.columns} columns is not possible.", "Give 1 or more.")


def render_view(
    renderer: Renderer,
    shots: Sequence[Shot],
    target: Target,
    look: Look,
    record: Mapping[str, Any],
    overwrite: bool = False,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> tuple[str, ...]:
    """Render frames, and make the video or sheet of them.

    Frames of an interrupted run with the same record are kept; so a run that was stopped goes on where it was.

    Args:
        renderer: draws.
        shots: the frames.
        target: where they go.
        look: how they are shown.
        record: plain values that decide how the frames look, kept beside them.
        overwrite: replace what is there.
        progress: called with frames done and in all, those that were there counted as done.

    Returns:
        The renderer's warnings, each once.

    Raises:
        LiveHandError: files are there that are not of this render, a file cannot be written, a frame cannot be drawn.
    """
    if target.is_video and look.background is None and not FORMATS[target.out.suffix.lower()].alpha:
        raise LiveHandError(f"{target.out.name} cannot be transparent.", "Give --background, or name it .mov or .webm.")
    if not target.is_folder and not target.is_video:
        _check_sheet(shots, look)
    missing = target.prepare(record, len(shots), overwrite)
    warnings: dict[str, None] = {}
    done = len(shots) - len(missing)
    progress(done, len(shots))
    for number in missing:
        shot = shots[number - 1]
        passes = renderer.render(shot.request)
        warnings.update(dict.fromkeys(passes.warnings))
        _write(target, number, passes, _picture(shot, passes, look, warnings))
        done += 1
        progress(done, len(shots))
    if not target.is_folder:
        if target.is_video:
            write_video(target.out, _even(target, len(shots), look.background), look.fps)
        else:
            _write_sheet(target, len(shots), look)
        if not look.keep_frames:
            target.discard_frames()
    return tuple(warnings)


def _picture(shot: Shot, passes: RenderPasses, look: Look, warnings: dict[str, None]) -> np.ndarray:
    """The frame as it is shown, 8 bit; a truth that cannot be read is empty, and told among the warnings."""
    rgba = passes["rgba"]
    rendered = over(rgba, look.background)
    if shot.truth is None:
        return rendered
    try:
        truth = shot.truth()
    except CaptureError as error:
        truth = np.zeros_like(rgba)
        warnings[f"There is no truth beside a frame: {error.message}"] = None
    pictures = [over(truth, look.background), rendered]
    if look.difference:
        difference = np.ones_like(truth)
        difference[..., :3] = DIFFERENCE_GAIN * np.abs(rgba[..., :3] - truth[..., :3])
        pictures.append(over(difference, look.background))
    return arranged(pictures, len(pictures), look.background)


def _write(target: Target, number: int, passes: RenderPasses, picture: np.ndarray) -> None:
    for name in target.passes:
        save_png(target.pass_picture(name, number), PASS_PICTURES[name][0](passes[name]))
    if target.arrays:
        write_arrays(target.array(number), passes.images)
    save_png(target.frame(number), picture)


def _even(target: Target, count: int, background: Background) -> Iterator[np.ndarray]:
    """All frames, smaller ones filled up to one size."""
    paths = [target.frame(number) for number in range(1, count + 1)]
    height, width = np.max([_size(path) for path in paths], axis=0)
    for path in paths:
        yield fitted(load_png(path), int(height), int(width), background)


def _size(path: Path) -> tuple[int, int]:
    """Height and width of a picture; its pixels are not read."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            return image.height, image.width
    except (OSError, SyntaxError, ValueError) as error:
        raise LiveHandError(f"The frame {path} cannot be read ({error}).", "Delete it and render again.") from error


def _columns(count: int, look: Look) -> int:
    return min(look.columns or max(round(count**0.5), 1), count)


def _check_sheet(shots: Sequence[Shot], look: Look) -> None:
    """Raises LiveHandError when a sheet of all frames would be larger than pictures are."""
    columns = _columns(len(shots), look)
    across = 1 if shots[0].truth is None else 3 if look.difference else 2
    width = columns * across * max(shot.request.camera.width for shot in shots)
    height = -(-len(shots) // columns) * max(shot.request.camera.height for shot in shots)
    if max(width, height) > SHEET_SIDE:
        raise LiveHandError(
            f"A sheet of {len(shots)} frames would be {width} x {height} pixels.",
            "Give fewer --frames, a smaller --size, or a folder.",
        )


def _write_sheet(target: Target, count: int, look: Look) -> None:
    pictures = [load_png(target.frame(number)) for number in range(1, count + 1)]
    save_png(target.out, arranged(pictures, _columns(count, look), look.background))
