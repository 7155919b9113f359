"""Render frames of a .blend file without a window: frame lists, chunks for a farm, resume, a log line a frame.

    blender --background FILE --command livehand_batch --frames 1-10,15,20-40x2 --output out/####.png
    blender --background FILE --python-expr "from bl_ext.user_default.livehand import batch; batch.run()" -- ARGUMENTS
    python -m livehand_blender.batch FILE --output out/####.exr            (a checkout, with the bpy package)

In place of a .blend file it takes a farm job, which knows the rest: livehand_batch JOB/job.json --chunk 2/8. Such a job
is written by --write-job JOB.

The file's own engine renders, LiveHand or any other. Pictures are written under another name and renamed when
complete, so that --resume can trust what is there. An .mp4 is put together from PNG frames kept in NAME.frames beside
it, once all of its frames are there.

Exit code: 0 all frames are there; 1 a frame failed; 2 the call is wrong; 130 interrupted.
"""

from __future__ import annotations

import argparse
import importlib
import re
import shlex
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from livehand_core.errors import LiveHandError
from livehand_core.farm.job import BLENDER, SCENE_FILE, check_worker, read_job
from livehand_core.farm.output import SUFFIXES, Output, parse_output
from livehand_core.files import remove_leftovers
from livehand_core.frame_lists import chunk_of, parse_chunk, parse_frames
from livehand_core.interrupts import INTERRUPTED, interruptible

COMMAND = "livehand_batch"
"""What Blender calls this by, after ``--command``."""

WRONG_CALL = 2

_command: Any = None


def argument_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog=COMMAND, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "file", nargs="?", type=Path, help=".blend file, by default the one that is open, or job.json of a farm job"
    )
    parser.add_argument(
        "--frames", type=parse_frames, metavar="LIST", help="such as 1-10,15,20-40x2 (default: the scene's)"
    )
    parser.add_argument("--output", type=Path, metavar="PATTERN", help="such as out/####.png or out/a.mp4")
    parser.add_argument(
        "--format", type=str.lower, choices=sorted(SUFFIXES), help="default: by the pattern's suffix; exr is multilayer"
    )
    parser.add_argument("--resume", action="store_true", help="skip frames whose picture is there")
    parser.add_argument("--chunk", type=parse_chunk, metavar="I/N", help="render the I-th of N parts of the list")
    parser.add_argument("--scene", help="scene's name (default: the active one)")
    parser.add_argument("--engine", help="render engine's id in place of the file's, e.g. LIVEHAND")
    parser.add_argument("--keep-going", action="store_true", help="go on with the next frame after one that failed")
    parser.add_argument(
        "--sign", action="store_true", help="give pictures and video Content Credentials (livehand sign)"
    )
    parser.add_argument("--merge", action="store_true", help="of a farm job: render what is missing, make the video")
    job = parser.add_argument_group("writing a farm job in place of rendering")
    job.add_argument("--write-job", type=Path, metavar="FOLDER", help="pack all that the frames need into a folder")
    job.add_argument("--chunks", type=int, default=8, metavar="N", help="parts that it is shared out in (default 8)")
    job.add_argument(
        "--worker",
        metavar="COMMAND",
        help=f"how a worker of it begins (default: blender --background --command {COMMAND})",
    )
    return parser


def main(arguments: list[str]) -> int:
    """Run the command line in the add-on that is registered; gives the exit code."""
    options = argument_parser().parse_args(arguments)
    try:
        if options.file is not None and (options.file.suffix == ".json" or options.file.is_dir()):
            return _render(_of_job(options))
        if options.output is None:
            raise LiveHandError("No place for the pictures is given.", "Give --output PATTERN.")
        if options.merge:
            raise LiveHandError("Only a farm job is merged.", "Give its job.json.")
        scene = open_scene(options)
        frames = options.frames or list(range(scene.frame_start, scene.frame_end + 1, scene.frame_step))
        if options.write_job is not None:
            return _write_job(scene, frames, options)
        output = parse_output(options.output.absolute(), options.format)
        part = chunk_of(frames, *options.chunk) if options.chunk else frames
        movie = output.movie is not None
        return _render(Work(scene, part, frames, output, options.resume, options.keep_going, movie, options.sign))
    except LiveHandError as error:
        print(f"Error: {error}", file=sys.stderr, flush=True)
        return WRONG_CALL
    except KeyboardInterrupt:
        print("Interrupted. The frames before are finished; go on with --resume.", file=sys.stderr, flush=True)
        return INTERRUPTED


@dataclass(frozen=True)
class Work:
    """What is rendered: some of all frames of a scene; whether the video is made, and what the dead left removed."""

    scene: Any
    frames: list[int]
    everything: list[int]
    output: Output
    resume: bool
    keep_going: bool
    movie: bool
    sign: bool
    tidy: bool = False


def _render(work: Work) -> int:
    """Render; 1 when a frame failed."""
    from .farm.frames import render_frames
    from .farm.movie import finish_movie
    from .farm.signing import signing
    from .render.session import stop_when

    # Pictures are signed here, before they get their names.
    wanted, work.scene.livehand.sign = work.sign or work.scene.livehand.sign, False
    with interruptible("stopping; a second time ends at once") as stop, signing(wanted) as sign:
        stop_when(stop)
        failed = render_frames(work.scene, work.frames, work.output, stop, sign, work.resume, work.keep_going)
        if work.movie and not failed:
            finish_movie(work.scene, work.everything, work.output, sign)
        if work.tidy and not failed:
            remove_leftovers(work.output.pattern.parent)
    return 1 if failed else 0


def _of_job(options: argparse.Namespace) -> Work:
    """What a worker does of a farm job: a chunk, or all that is missing and the video.

    Raises:
        LiveHandError: the job cannot be rendered here, or the call contradicts it.
    """
    folder, job = read_job(options.file)
    check_worker(folder, job)
    if (options.chunk is None) == (not options.merge):
        raise LiveHandError("A worker renders a chunk of the job, or merges.", "Give --chunk I/N, or --merge.")
    if options.chunk is not None and options.chunk[1] != job.chunks:
        raise LiveHandError(
            f"The job has {job.chunks} chunks, not {options.chunk[1]}.", f"Give --chunk I/{job.chunks}."
        )
    options.file, options.scene, options.engine = folder / SCENE_FILE, job.scene, job.engine
    scene, output = open_scene(options), job.output_in(folder)
    frames = job.frame_list if options.merge else job.chunk(options.chunk[0])
    movie = options.merge and output.movie is not None
    return Work(scene, frames, job.frame_list, output, True, options.keep_going, movie, job.sign, options.merge)


def _write_job(scene: Any, frames: list[int], options: argparse.Namespace) -> int:
    from .farm.packing import Wish, write_job_folder

    output = parse_output(options.output, options.format)
    if options.chunks < 1:
        raise LiveHandError(f"{options.chunks} chunks are none.", "Give --chunks 1 or more.")
    chunks = min(options.chunks, len(frames))
    # As they were given, beside the job: the folder may lie elsewhere on a worker.
    pattern, file_format = str(options.output), ".mp4" if output.movie else output.pattern.suffix
    listed = ",".join(map(str, frames))
    command = tuple(shlex.split(options.worker)) if options.worker else BLENDER
    wish = Wish(listed, chunks, pattern, file_format.removeprefix("."), command, options.sign)
    write_job_folder(scene, options.write_job, wish)
    return 0


def open_scene(options: argparse.Namespace) -> Any:
    """The scene to render, made the active one.

    Raises:
        LiveHandError: no such file, scene or engine.
    """
    import bpy

    if options.file is not None:
        if not options.file.is_file():
            raise LiveHandError(f"{options.file} is not there.")
        try:
            bpy.ops.wm.open_mainfile(filepath=str(options.file.absolute()))
        except RuntimeError as error:
            raise LiveHandError(f"{options.file} cannot be opened: {str(error).strip()}") from error
    elif not bpy.data.filepath:
        raise LiveHandError("No .blend file is given.")
    scene = bpy.context.scene
    if options.scene:
        if options.scene not in bpy.data.scenes:
            raise LiveHandError(f"There is no scene {options.scene!r}; there are {', '.join(bpy.data.scenes.keys())}.")
        scene = bpy.data.scenes[options.scene]
        bpy.context.window.scene = scene
    if options.engine:
        try:
            scene.render.engine = options.engine
        except TypeError as error:
            raise LiveHandError(f"The engine {options.engine!r} is unknown here.") from error
    return scene


def run(arguments: list[str] | None = None) -> None:
    """Run the command line and end the process with its exit code.

    Args:
        arguments: None takes what follows ``--`` under Blender, and everything with the bpy package.
    """
    try:
        given = _own_arguments() if arguments is None else arguments
        if {"-h", "--help"} & set(given):
            argument_parser().parse_args(given)
        package = _enabled()
        print(f"LiveHand is {package}.", flush=True)
        exit_code = int(importlib.import_module(f"{package}.batch").main(given))
    except SystemExit as stop:
        exit_code = stop.code if isinstance(stop.code, int) else 1
    except LiveHandError as error:
        print(f"Error: {error}", file=sys.stderr)
        exit_code = 2
    except BaseException:
        traceback.print_exc()
        exit_code = 1
    _leave(exit_code)


def _enabled() -> str:
    """The package that made the LiveHand engine known to Blender: the installed extension's, else this one's.

    Raises:
        LiveHandError: the bpy package is missing, or this add-on cannot be loaded.
    """
    try:
        import bpy
    except ImportError as error:
        raise LiveHandError(
            f"There is no Blender here ({error}).", "Run it under Blender, or pip install bpy."
        ) from error
    known = {cls.bl_idname: cls for cls in bpy.types.RenderEngine.__subclasses__() if hasattr(cls, "bl_idname")}
    if "LIVEHAND" in known:
        return str(known["LIVEHAND"].__module__.rsplit(".", 2)[0])
    # Blender's own module, which is there once bpy is.
    addon_utils = importlib.import_module("addon_utils")
    for module in addon_utils.modules():
        if re.fullmatch(r"bl_ext\..*\.livehand", module.__name__) and addon_utils.enable(module.__name__) is not None:
            return str(module.__name__)
    assert __package__ is not None
    try:
        importlib.import_module(__package__).register()
    except ImportError as error:
        raise LiveHandError(f"The LiveHand add-on cannot be loaded ({error}).") from error
    return __package__


def _own_arguments() -> list[str]:
    if Path(sys.argv[0]).name == Path(__file__).name:
        return sys.argv[1:]
    return sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else []


def _leave(code: int) -> None:
    """End the process at once; the engine process ends by itself when its input closes."""
    if "bpy" not in sys.modules:
        sys.exit(code)
    from .lifecycle import end_process

    end_process(code)


def register() -> None:
    """Make the command known to Blender's command line."""
    import bpy

    global _command
    _command = bpy.utils.register_cli_command(COMMAND, run)


def unregister() -> None:
    import bpy

    bpy.utils.unregister_cli_command(_command)


if __name__ == "__main__":
    run()
