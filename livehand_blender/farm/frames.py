"""Renders a list of frames, each by one worker only, each picture whole or not there. Called by the batch."""

from __future__ import annotations

import errno
import os
import re
import shutil
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from livehand_core.claims import claimed, disk_time
from livehand_core.errors import LiveHandError
from livehand_core.farm.output import Output
from livehand_core.files import atomic_path, check_writable
from livehand_core.progress import Pace
from livehand_core.provenance.layout import sidecar
from livehand_core.whole_files import is_complete

from .. import compat
from ..render.session import last_frame

WAIT_SECONDS = 1.0

Sign = Callable[[Path, str], Path]
"""Signs a file, which will have a name; gives the file that holds the manifest."""


def render_frames(
    scene: Any,
    frames: list[int],
    output: Output,
    stop: Callable[[], bool],
    sign: Sign | None = None,
    resume: bool = False,
    keep_going: bool = False,
) -> list[int]:
    """Render, log and write each frame that no other batch renders or has rendered meanwhile; gives those that failed.

    Frames of other batches are waited for at the end, and rendered here when those batches die or fail at them.

    Args:
        stop: asked after each frame whether to end.
        sign: signs each picture before it gets its name.
        resume: pictures that are there count as rendered.
        keep_going: go on with the next frame after one that failed.

    Raises:
        KeyboardInterrupt: ``stop`` said so; no file is left of the frame in progress.
        LiveHandError: the folder cannot be written.
    """
    check_writable(output.path(frames[0] if frames else 0))
    # By the disk's clock, which is the pictures'.
    since = 0.0 if resume else disk_time(output.pattern.parent)
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
                elif not output.finished(frame, since) and not _render_one(scene, frame, output, pace, sign):
                    failed.append(frame)
            if stop():
                raise KeyboardInterrupt
            if failed and not keep_going:
                break
        if others.keys() != set(wanted):
            for frame, holder_name in others.items():
                print(f"frame {frame} is being rendered by {holder_name}; waiting for it.", flush=True)
        wanted = list(others) if not failed or keep_going else []
        if wanted:
            time.sleep(WAIT_SECONDS)
    if failed:
        print(f"Failed: {', '.join(map(str, failed))}. The others are finished; go on with --resume.", file=sys.stderr)
    return failed


def write_picture(path: Path, render: Callable[[Path], None], sign: Sign | None = None) -> None:
    """Have ``render`` write to a temporary path beside ``path`` and rename it when it is a complete picture.

    Args:
        sign: signs it before it gets its name.

    Raises:
        LiveHandError: the render or the signature failed, or the disk is full or not writable.
    """
    try:
        with atomic_path(path) as temporary:
            render(temporary)
            if not is_complete(temporary):
                full = shutil.disk_usage(path.parent).free < 1e6
                raise OSError(errno.ENOSPC if full else errno.EIO, "the file is incomplete")
            if sign is not None:
                beside = sign(temporary, path.name)
                if beside != temporary:
                    # The manifest comes first: a picture that is there has one.
                    os.replace(beside, sidecar(path))
    except RuntimeError as error:
        message = re.sub(r"^Error:\s*", "", str(error).strip())
        raise LiveHandError(message) from error


def _render_one(scene: Any, frame: int, output: Output, pace: Pace, sign: Sign | None) -> bool:
    """Render and log one frame; whether its picture is there."""
    began, before = time.monotonic(), last_frame()
    error = ""
    try:
        write_picture(output.path(frame), partial(_render_still, scene, frame, output.file_format), sign)
    except LiveHandError as caught:
        error = str(caught)
    record = last_frame()
    fresh = record if record is not before else None
    seconds = time.monotonic() - began
    left = pace.count(seconds)
    engine = f" (engine {fresh.engine_seconds:.2f} s)" if fresh is not None else ""
    outcome = f"FAILED: {error}" if error else str(output.path(frame))
    print(f"frame {frame} ({pace.done} of {pace.of}): {seconds:.2f} s{engine}, {left} left, {outcome}", flush=True)
    for line in fresh.warnings if fresh is not None else ():
        print(f"  warning: {line}", flush=True)
    return not error


def _render_still(scene: Any, frame: int, file_format: str, path: Path) -> None:
    import bpy

    compat.set_image_format(scene.render.image_settings, file_format)
    scene.render.filepath = str(path)
    scene.render.use_overwrite, scene.render.use_placeholder = True, False
    scene.frame_set(frame)
    before = last_frame()
    bpy.ops.render.render(write_still=True, scene=scene.name)
    record = last_frame()
    if record is not None and record is not before and record.error:
        # Blender writes the empty picture of a frame that failed or was cancelled, too.
        raise LiveHandError(record.error)
