"""Render frames of a .blend file without a window: frame lists, chunks for a farm, resume, a log line a frame.

    blender --background FILE --python scripts/render_batch.py -- --frames 1-10,15,20-40x2 --output out/####.png
    python scripts/render_batch.py FILE --output out/####.exr            (with the bpy package)

The file's own engine renders, LiveHand or any other. The LiveHand extension is switched on where it is installed;
otherwise the add-on is loaded from this checkout. Pictures are written under another name and renamed when complete, so
that --resume can trust what is there. An .mp4 is put together from PNG frames kept in NAME.frames beside it, once all
of its frames are there.

Exit code: 0 all frames are there; 1 a frame failed; 2 the call is wrong; 130 interrupted.
"""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import re
import shutil
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FORMATS = {".png": "PNG", ".exr": "OPEN_EXR_MULTILAYER", ".mp4": "FFMPEG"}
SUFFIXES = {"png": ".png", "exr": ".exr", "mp4": ".mp4"}
_PART = re.compile(r"(-?\d+)(?:-(-?\d+)(?:x(\d+))?)?")


class BatchError(Exception):
    """Something that ends the batch, with a message for the user."""


@dataclass(frozen=True)
class Output:
    """Where pictures go.

    Attributes:
        pattern: path with a group of ``#`` where the frame number goes.
        file_format: Blender's name of the picture format.
        movie: path of the movie made from the pictures, None without one.
    """

    pattern: Path
    file_format: str
    movie: Path | None = None

    def path(self, frame: int) -> Path:
        """The picture of one frame."""
        name = re.sub("#+", lambda group: f"{frame:0{len(group[0])}d}", self.pattern.name, count=1)
        return self.pattern.with_name(name)

    def finished(self, frame: int) -> bool:
        """Whether the picture is there. It is renamed into place when complete, so it is not looked into."""
        path = self.path(frame)
        return path.is_file() and path.stat().st_size > 0


@dataclass(frozen=True)
class Addon:
    """The add-on's modules that are used here, wherever it was loaded from.

    Attributes:
        session: render/session, which tells of the last frame.
        compat: differences between Blender versions.
        pictures: render/pictures, which tells whether a file is whole.
    """

    session: Any
    compat: Any
    pictures: Any


def parse_frames(text: str) -> list[int]:
    """``"1-10,15,20-40x2"`` -> frame numbers in the order given, each once.

    Raises:
        argparse.ArgumentTypeError: a part that is no number or range, a range that runs backwards, a step of 0.
    """
    frames: dict[int, None] = {}
    for part in text.split(","):
        match = _PART.fullmatch(part.strip())
        if match is None:
            raise argparse.ArgumentTypeError(f"{part.strip()!r} is no frame or range; write 7, 1-10 or 20-40x2")
        first = int(match[1])
        last = int(match[2]) if match[2] is not None else first
        step = int(match[3]) if match[3] is not None else 1
        if last < first or step < 1:
            raise argparse.ArgumentTypeError(
                f"{part.strip()!r} holds no frames; write the lower one first, a step of 1 up"
            )
        frames.update(dict.fromkeys(range(first, last + 1, step)))
    return list(frames)


def parse_chunk(text: str) -> tuple[int, int]:
    """``"2/8"`` -> (2, 8).

    Raises:
        argparse.ArgumentTypeError: not of the form i/n with 1 <= i <= n.
    """
    match = re.fullmatch(r"(\d+)/(\d+)", text.strip())
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise argparse.ArgumentTypeError(f"{text!r} is no chunk; write 1/8 for the first of eight")
    return int(match[1]), int(match[2])


def chunk_of(frames: list[int], index: int, count: int) -> list[int]:
    """The ``index``-th (from 1) of ``count`` runs of neighbouring frames whose lengths differ by one at most."""
    return frames[(index - 1) * len(frames) // count : index * len(frames) // count]


def parse_output(pattern: Path, chosen: str | None) -> Output:
    """Output of a pattern and, unless its suffix tells, a format out of png, exr, mp4.

    Raises:
        BatchError: neither tells, or they contradict each other.
    """
    suffix = SUFFIXES[chosen] if chosen else pattern.suffix.lower()
    if suffix not in FORMATS:
        raise BatchError(f"The format of {pattern} is unknown. Give --format png, exr or mp4.")
    if pattern.suffix.lower() in FORMATS and pattern.suffix.lower() != suffix:
        raise BatchError(f"{pattern} and --format {chosen} contradict each other. Leave one of them out.")
    path = pattern if pattern.suffix.lower() == suffix else pattern.with_name(pattern.name + suffix)
    if suffix == ".mp4":
        # Blender would put the range of frames in place of the hashes.
        path = path.with_name((path.stem.rstrip("#").rstrip("._-") or "movie") + suffix)
        return Output(path.with_name(f"{path.stem}.frames") / "####.png", "PNG", path)
    if "#" not in path.name:
        path = path.with_name(f"{path.stem}####{path.suffix}")
    return Output(path, FORMATS[suffix])


def argument_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="render_batch.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", nargs="?", type=Path, help=".blend file; under Blender the one that is open by default")
    parser.add_argument(
        "--frames", type=parse_frames, metavar="LIST", help="such as 1-10,15,20-40x2 (default: the scene's)"
    )
    parser.add_argument(
        "--output", type=Path, required=True, metavar="PATTERN", help="such as out/####.png or out/a.mp4"
    )
    parser.add_argument(
        "--format", type=str.lower, choices=sorted(SUFFIXES), help="default: by the pattern's suffix; exr is multilayer"
    )
    parser.add_argument("--resume", action="store_true", help="skip frames whose picture is there")
    parser.add_argument("--chunk", type=parse_chunk, metavar="I/N", help="render the I-th of N parts of the list")
    parser.add_argument("--scene", help="scene's name (default: the active one)")
    parser.add_argument("--engine", help="render engine's id in place of the file's, e.g. LIVEHAND")
    parser.add_argument("--keep-going", action="store_true", help="go on with the next frame after one that failed")
    return parser


def main(arguments: list[str]) -> int:
    """Run the command line; gives the exit code."""
    options = argument_parser().parse_args(arguments)
    try:
        output = parse_output(options.output.absolute(), options.format)
        addon = enable_addon()
        scene = open_scene(options)
        everything = options.frames or list(range(scene.frame_start, scene.frame_end + 1, scene.frame_step))
        frames = chunk_of(everything, *options.chunk) if options.chunk else everything
        failed = render_frames(scene, frames, output, options, addon)
        if output.movie is not None and not failed:
            finish_movie(scene, everything, output, addon)
    except BatchError as error:
        print(f"Error: {error}", file=sys.stderr, flush=True)
        return 2
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr, flush=True)
        return 130
    return 1 if failed else 0


def enable_addon() -> Addon:
    """Make the LiveHand engine known to Blender; gives the rooms of the add-on that are needed here.

    Raises:
        BatchError: the bpy package is missing, or neither an installed extension nor this checkout can be used.
    """
    try:
        import bpy
    except ImportError as error:
        raise BatchError(f"There is no Blender here ({error}). Run it under Blender, or pip install bpy.") from error
    # Blender's own module, which is there once bpy is.
    addon_utils = importlib.import_module("addon_utils")
    names = [
        module.__name__ for module in addon_utils.modules() if re.fullmatch(r"bl_ext\..*\.livehand", module.__name__)
    ]
    known = {cls.bl_idname: cls for cls in bpy.types.RenderEngine.__subclasses__() if hasattr(cls, "bl_idname")}
    if "LIVEHAND" in known:
        package = known["LIVEHAND"].__module__.rsplit(".", 2)[0]
    elif names and addon_utils.enable(names[0]) is not None:
        package = names[0]
    else:
        sys.path.insert(0, str(ROOT))
        package = "livehand_blender"
        try:
            importlib.import_module(package).register()
        except ImportError as error:
            raise BatchError(f"The LiveHand add-on cannot be loaded from {ROOT} ({error}).") from error
    print(f"LiveHand is {package}.", flush=True)
    return Addon(
        *(importlib.import_module(f"{package}.{room}") for room in ("render.session", "compat", "render.pictures"))
    )


def open_scene(options: argparse.Namespace) -> Any:
    """The scene to render, made the active one.

    Raises:
        BatchError: no such file, scene or engine.
    """
    import bpy

    if options.file is not None:
        if not options.file.is_file():
            raise BatchError(f"{options.file} is not there.")
        try:
            bpy.ops.wm.open_mainfile(filepath=str(options.file.absolute()))
        except RuntimeError as error:
            raise BatchError(f"{options.file} cannot be opened: {str(error).strip()}") from error
    elif not bpy.data.filepath:
        raise BatchError("No .blend file is given.")
    scene = bpy.context.scene
    if options.scene:
        if options.scene not in bpy.data.scenes:
            raise BatchError(f"There is no scene {options.scene!r}; there are {', '.join(bpy.data.scenes.keys())}.")
        scene = bpy.data.scenes[options.scene]
        bpy.context.window.scene = scene
    if options.engine:
        try:
            scene.render.engine = options.engine
        except TypeError as error:
            raise BatchError(f"The engine {options.engine!r} is unknown here.") from error
    return scene


def render_frames(
    scene: Any, frames: list[int], output: Output, options: argparse.Namespace, addon: Addon
) -> list[int]:
    """Render, log and write each frame; gives those that failed."""
    wanted = [frame for frame in frames if not (options.resume and output.finished(frame))]
    print(f"{len(wanted)} of {len(frames)} frames to render with {scene.render.engine}.", flush=True)
    failed: list[int] = []
    first_done = 0.0
    for done, frame in enumerate(wanted, 1):
        began, before = time.monotonic(), addon.session.last_frame()
        path = output.path(frame)
        try:
            write_picture(path, addon, partial(_render_still, scene, frame, output.file_format, addon))
            error = ""
        except BatchError as caught:
            error = str(caught)
        record = addon.session.last_frame()
        fresh = record if record is not before else None
        error = error or (fresh.error if fresh is not None else "")
        seconds = time.monotonic() - began
        # The first frame also starts the engine, so it tells nothing of the others once there is a second.
        first_done = first_done or time.monotonic()
        pace = seconds if done == 1 else (time.monotonic() - first_done) / (done - 1)
        left = pace * (len(wanted) - done)
        engine = f" (engine {fresh.engine_seconds:.2f} s)" if fresh is not None else ""
        outcome = f"FAILED: {error}" if error else str(path)
        print(
            f"frame {frame} ({done} of {len(wanted)}): {seconds:.2f} s{engine}, {clock(left)} left, {outcome}",
            flush=True,
        )
        for line in fresh.warnings if fresh is not None else ():
            print(f"  warning: {line}", flush=True)
        if error:
            failed.append(frame)
            if not options.keep_going:
                break
    if failed:
        print(f"Failed: {', '.join(map(str, failed))}. The others are finished; go on with --resume.", file=sys.stderr)
    return failed


def write_picture(path: Path, addon: Addon, render: Callable[[Path], None]) -> None:
    """Have ``render`` write to a temporary path beside ``path`` and rename it when it is a complete picture.

    Raises:
        BatchError: the render failed, or the disk is full or not writable.
    """
    from livehand_core.errors import LiveHandError
    from livehand_core.files import atomic_path

    try:
        with atomic_path(path) as temporary:
            render(temporary)
            if not addon.pictures.is_complete(temporary):
                full = shutil.disk_usage(path.parent).free < 1e6
                raise OSError(errno.ENOSPC if full else errno.EIO, "the file is incomplete")
    except LiveHandError as error:
        raise BatchError(str(error)) from error
    except RuntimeError as error:
        message = re.sub(r"^Error:\s*", "", str(error).strip())
        raise BatchError(message) from error


def finish_movie(scene: Any, frames: list[int], output: Output, addon: Addon) -> None:
    """Put the movie together when all of its pictures are there, other chunks' included.

    Raises:
        BatchError: the movie cannot be written.
    """
    assert output.movie is not None
    missing = [frame for frame in frames if not output.finished(frame)]
    if missing:
        print(f"{len(missing)} frames of other chunks are missing; the last one to finish makes {output.movie.name}.")
        return
    write_picture(output.movie, addon, partial(_encode, scene, [output.path(frame) for frame in frames], addon))
    print(f"{output.movie}: {len(frames)} frames.", flush=True)


def _render_still(scene: Any, frame: int, file_format: str, addon: Addon, path: Path) -> None:
    import bpy

    addon.compat.set_image_format(scene.render.image_settings, file_format)
    scene.render.filepath = str(path)
    scene.render.use_overwrite, scene.render.use_placeholder = True, False
    scene.frame_set(frame)
    bpy.ops.render.render(write_still=True, scene=scene.name)


def _encode(scene: Any, pictures: list[Path], addon: Addon, path: Path) -> None:
    """Write pictures as an H.264 movie through a scene of its own with an image strip."""
    import bpy

    editing = bpy.data.scenes.new("LiveHand Movie")
    try:
        strips = addon.compat.strips(editing.sequence_editor_create())
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
        addon.compat.set_image_format(render.image_settings, "FFMPEG")
        render.ffmpeg.format, render.ffmpeg.codec = "MPEG4", "H264"
        render.ffmpeg.constant_rate_factor = "HIGH"
        render.use_file_extension = False
        render.filepath = str(path)
        bpy.ops.render.render(animation=True, scene=editing.name)
    finally:
        bpy.data.scenes.remove(editing)


def clock(seconds: float) -> str:
    """``75`` -> ``1:15``."""
    whole = round(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"


def _own_arguments() -> list[str]:
    """What follows ``--`` under Blender, everything with the bpy package."""
    if Path(sys.argv[0]).name == Path(__file__).name:
        return sys.argv[1:]
    return sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else []


def _leave(code: int) -> None:
    """End the process at once: Blender may hang or crash at exit while an engine's class is registered.

    The engine process ends by itself when its input closes.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    try:
        exit_code = main(_own_arguments())
    except SystemExit as stop:
        exit_code = stop.code if isinstance(stop.code, int) else 1
    except BaseException:
        traceback.print_exc()
        exit_code = 1
    _leave(exit_code)
