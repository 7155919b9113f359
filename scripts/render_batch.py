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
# The core comes with the installed extension; only where there is none, from this checkout.
sys.path.append(str(ROOT))

from livehand_core.claims import claimed, disk_time  # noqa: E402
from livehand_core.errors import LiveHandError  # noqa: E402
from livehand_core.files import atomic_path, check_writable  # noqa: E402
from livehand_core.frame_lists import chunk_of, parse_chunk, parse_frames  # noqa: E402
from livehand_core.interrupts import INTERRUPTED, interruptible  # noqa: E402
from livehand_core.progress import Pace  # noqa: E402

WAIT_SECONDS = 1.0
FORMATS = {".png": "PNG", ".exr": "OPEN_EXR_MULTILAYER", ".mp4": "FFMPEG"}
SUFFIXES = {"png": ".png", "exr": ".exr", "mp4": ".mp4"}


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

    def finished(self, frame: int, since: float = 0.0) -> bool:
        """Whether the picture is there, no older than ``since``. It is renamed into place when complete, so it is not
        looked into."""
        try:
            status = self.path(frame).stat()
        except OSError:
            return False
        return status.st_size > 0 and status.st_mtime >= since


@dataclass(frozen=True)
class Addon:
    """The add-on's modules that are used here, wherever it was loaded from.

    Attributes:
        session: render/session, which tells of the last frame.
        compat: differences between Blender versions.
        whole_files: of the core, which tells whether a file is whole.
    """

    session: Any
    compat: Any
    whole_files: Any


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
        with interruptible("stopping; a second time ends at once") as stop:
            addon.session.stop_when(stop)
            failed = render_frames(scene, frames, output, options, addon, stop)
            if output.movie is not None and not failed:
                finish_movie(scene, everything, output, addon)
    except (BatchError, LiveHandError) as error:
        print(f"Error: {error}", file=sys.stderr, flush=True)
        return 2
    except KeyboardInterrupt:
        print("Interrupted. The frames before are finished; go on with --resume.", file=sys.stderr, flush=True)
        return INTERRUPTED
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
    rooms = (f"{package}.render.session", f"{package}.compat", "livehand_core.whole_files")
    return Addon(*(importlib.import_module(room) for room in rooms))


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
    scene: Any, frames: list[int], output: Output, options: argparse.Namespace, addon: Addon, stop: Callable[[], bool]
) -> list[int]:
    """Render, log and write each frame that no other batch renders or has rendered meanwhile; gives those that failed.

    Frames of other batches are waited for at the end, and rendered here when those batches die or fail at them.

    Raises:
        KeyboardInterrupt: ``stop`` said so; no file is left of the frame in progress.
        LiveHandError: the folder cannot be written.
    """
    check_writable(output.path(frames[0] if frames else 0))
    # By the disk's clock, which is the pictures'.
    since = 0.0 if options.resume else disk_time(output.pattern.parent)
    wanted = [frame for frame in frames if not output.finished(frame, since)]
    print(f"{len(wanted)} of {len(frames)} frames to render with {scene.render.engine}.", flush=True)
    failed: list[int] = []
    pace = Pace(len(wanted))
    while wanted:
        others: dict[int, str] = {}
        for frame in wanted:
            if output.finished(frame, since):
                continue
            with claimed(output.path(frame)) as holder:
                if holder is not None:
                    others[frame] = str(holder)
                elif not output.finished(frame, since) and not _render_one(scene, frame, output, addon, pace):
                    failed.append(frame)
            if stop():
                raise KeyboardInterrupt
            if failed and not options.keep_going:
                break
        if others.keys() != set(wanted):
            for frame, holder_name in others.items():
                print(f"frame {frame} is being rendered by {holder_name}; waiting for it.", flush=True)
        wanted = list(others) if not failed or options.keep_going else []
        if wanted:
            time.sleep(WAIT_SECONDS)
    if failed:
        print(f"Failed: {', '.join(map(str, failed))}. The others are finished; go on with --resume.", file=sys.stderr)
    return failed


def _render_one(scene: Any, frame: int, output: Output, addon: Addon, pace: Pace) -> bool:
    """Render and log one frame; whether its picture is there."""
    began, before = time.monotonic(), addon.session.last_frame()
    error = ""
    try:
        write_picture(output.path(frame), addon, partial(_render_still, scene, frame, output.file_format, addon))
    except BatchError as caught:
        error = str(caught)
    record = addon.session.last_frame()
    fresh = record if record is not before else None
    seconds = time.monotonic() - began
    left = pace.count(seconds)
    engine = f" (engine {fresh.engine_seconds:.2f} s)" if fresh is not None else ""
    outcome = f"FAILED: {error}" if error else str(output.path(frame))
    print(f"frame {frame} ({pace.done} of {pace.of}): {seconds:.2f} s{engine}, {left} left, {outcome}", flush=True)
    for line in fresh.warnings if fresh is not None else ():
        print(f"  warning: {line}", flush=True)
    return not error


def write_picture(path: Path, addon: Addon, render: Callable[[Path], None]) -> None:
    """Have ``render`` write to a temporary path beside ``path`` and rename it when it is a complete picture.

    Raises:
        BatchError: the render failed, or the disk is full or not writable.
    """
    try:
        with atomic_path(path) as temporary:
            render(temporary)
            if not addon.whole_files.is_complete(temporary):
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
    with claimed(output.movie) as holder:
        if holder is not None:
            print(f"{output.movie.name} is being made by {holder}.")
            return
        write_picture(output.movie, addon, partial(_encode, scene, [output.path(frame) for frame in frames], addon))
    print(f"{output.movie}: {len(frames)} frames.", flush=True)


def _render_still(scene: Any, frame: int, file_format: str, addon: Addon, path: Path) -> None:
    import bpy

    addon.compat.set_image_format(scene.render.image_settings, file_format)
    scene.render.filepath = str(path)
    scene.render.use_overwrite, scene.render.use_placeholder = True, False
    scene.frame_set(frame)
    before = addon.session.last_frame()
    bpy.ops.render.render(write_still=True, scene=scene.name)
    record = addon.session.last_frame()
    if record is not before and record.error:
        # Blender writes the empty picture of a frame that failed or was cancelled, too.
        raise BatchError(record.error)


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


def _own_arguments() -> list[str]:
    """What follows ``--`` under Blender, everything with the bpy package."""
    if Path(sys.argv[0]).name == Path(__file__).name:
        return sys.argv[1:]
    return sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else []


def _leave(code: int) -> None:
    """End the process at once; the engine process ends by itself when its input closes."""
    from livehand_blender.lifecycle import end_process

    end_process(code)


if __name__ == "__main__":
    try:
        exit_code = main(_own_arguments())
    except SystemExit as stop:
        exit_code = stop.code if isinstance(stop.code, int) else 1
    except BaseException:
        traceback.print_exc()
        exit_code = 1
    _leave(exit_code)
