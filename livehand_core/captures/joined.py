"""Captures of several people, or several of one, as one training set; and the identities in it.

Called by training and evaluation. Each folder stays as it is: what is joined are frames, poses and what is held out.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np

from ..avatars.identity import Identity
from ..errors import CaptureError
from ..poses import PoseSequence
from .capture import Capture, CaptureFrame, Split, raise_problems
from .checks import Inspection, find_problems, inspect_capture
from .light_part import CaptureLight


def inspect_captures(
    folders: Sequence[Path],
    names: Sequence[str] = (),
    skip_bad: bool = False,
    splits: Collection[Split] | None = None,
    progress: Callable[[int, int], None] = lambda done, count: None,
) -> Inspection:
    """Look at the captures of a training set or an evaluation, and join them.

    Args:
        folders: one or more.
        names: of the identities, one a folder, in place of those that the captures tell; an empty one stands for what
            the capture tells. Two folders may have one.
        skip_bad: leave out what cannot be used in place of raising.
        splits: keep and look at the images of these splits only; None for all.
        progress: called with images looked at and images to look at, folder by folder.

    Raises:
        CaptureError: a folder holds no capture; or one error that lists all that cannot be used, of all of them; or
            captures that do not go together.
    """
    if names and len(names) != len(folders):
        raise CaptureError(
            f"{len(names)} identities are named for {len(folders)} captures.",
            "Give one name for each capture, in the same order.",
        )
    if len(folders) == 1:
        found = inspect_capture(folders[0], skip_bad, splits, progress)
        return replace(found, capture=join_captures([found.capture], names))
    if skip_bad:
        every = [inspect_capture(folder, True, splits, progress) for folder in folders]
    else:
        every = [find_problems(folder, splits, progress) for folder in folders]
    captures = [found.capture for found in every]
    _, labels = _labels(captures)
    listed = [
        problem._replace(place=f"{label}/{problem.place}")
        for label, found in zip(labels, every, strict=True)
        for problem in found.problems
    ]
    if not skip_bad:
        raise_problems(Path(" + ".join(labels)), listed)
    pixels = tuple(chain.from_iterable(found.mask_pixels for found in every))
    return Inspection(join_captures(captures, names), pixels, tuple(listed))


def join_captures(captures: Sequence[Capture], names: Sequence[str] = ()) -> Capture:
    """One capture with the frames and poses of all, in their order.

    Cameras are called ``FOLDER/CAMERA``, since each folder has its own. A capture that tells no identity is one of its
    folder's name, as soon as there are several.

    Args:
        captures: one or more, of one hand model and side.
        names: see :func:`inspect_captures`.

    Raises:
        CaptureError: they are of other hand models or sides, or a folder is given twice.
    """
    if len(captures) == 1:
        return _named(captures[0], names[0]) if names and names[0] else captures[0]
    _check_kinds(captures)
    root, labels = _labels(captures)
    plain = [capture.folder.resolve().name for capture in captures]
    frames: list[CaptureFrame] = []
    cameras, held_out, first = set[str](), set[int](), 0
    lights: list[CaptureLight] = []
    held_out_lights = set[int]()
    for number, (capture, label) in enumerate(zip(captures, labels, strict=True)):
        # A name that two folders share is no identity's.
        default = label if plain.count(plain[number]) > 1 else plain[number]
        for frame in capture.frames:
            frames.append(
                replace(
                    frame,
                    image=os.path.join(label, frame.image),
                    mask=os.path.join(label, frame.mask) if frame.mask else "",
                    camera_name=f"{label}/{frame.camera_name}",
                    pose=first + frame.pose,
                    light=None if frame.light is None else len(lights) + frame.light,
                    identity=(names[number] if names else "") or frame.identity or default,
                )
            )
        cameras |= {f"{label}/{camera}" for camera in capture.held_out_cameras}
        held_out |= {first + pose for pose in capture.held_out_poses}
        first += len(capture.poses.poses)
        held_out_lights |= {len(lights) + light for light in capture.held_out_lights}
        lights += capture.lights
    return Capture(
        root,
        tuple(frames),
        PoseSequence(tuple(chain.from_iterable(capture.poses.poses for capture in captures)), captures[0].poses.fps),
        captures[0].hand_model,
        frozenset(cameras),
        frozenset(held_out),
        "; ".join(dict.fromkeys(capture.licence for capture in captures if capture.licence)),
        "; ".join(dict.fromkeys(capture.origin for capture in captures if capture.origin)),
        tuple(dict.fromkeys(chain.from_iterable(capture.notes for capture in captures))),
        tuple(lights),
        frozenset(held_out_lights),
        "; ".join(dict.fromkeys(capture.consent for capture in captures if capture.consent)),
    )


def identity_names(frames: Sequence[CaptureFrame]) -> tuple[str, ...]:
    """The names of the identities in some frames, sorted; one empty name where none is told."""
    return tuple(sorted({frame.identity for frame in frames}))


def identities_in(capture: Capture, frames: Sequence[CaptureFrame], unnamed: str) -> tuple[Identity, ...]:
    """The identities in some frames of a capture, in the order of :func:`identity_names`.

    The shape of each is the mean over the poses that it is seen in: one person's betas differ from fit to fit.

    Args:
        unnamed: what an identity is called that the capture does not name.
    """
    found = []
    for name in identity_names(frames):
        own = [frame for frame in frames if frame.identity == name]
        poses = sorted({frame.pose for frame in own})
        betas = np.mean([capture.poses.poses[pose].betas for pose in poses], axis=0)
        story = {"images": len(own), "poses": len(poses), "cameras": len({frame.camera_name for frame in own})}
        found.append(Identity(name or unnamed, tuple(betas), story))
    return tuple(found)


def _named(capture: Capture, name: str) -> Capture:
    return replace(capture, frames=tuple(replace(frame, identity=name) for frame in capture.frames))


def _labels(captures: Sequence[Capture]) -> tuple[Path, tuple[str, ...]]:
    """The folder that all lie in, and where each lies in it. Raises CaptureError when one is given twice."""
    folders = [capture.folder.resolve() for capture in captures]
    for folder in folders:
        if folders.count(folder) > 1:
            raise CaptureError(f"The capture {folder} is given twice.", "Give each folder once.")
    try:
        root = Path(os.path.commonpath(folders))
    except ValueError:
        # On several drives; a joined path that is absolute stands for itself.
        return Path(folders[0].anchor), tuple(folder.as_posix() for folder in folders)
    return root, tuple(folder.relative_to(root).as_posix() for folder in folders)


def _check_kinds(captures: Sequence[Capture]) -> None:
    kinds = {(capture.hand_model, capture.poses.poses[0].side) for capture in captures}
    if len(kinds) < 2:
        return
    listed = "".join(
        f"\n  {capture.folder}: a {capture.poses.poses[0].side} hand of {capture.hand_model!r}" for capture in captures
    )
    raise CaptureError(
        f"These captures cannot be trained on together:{listed}\n",
        "Train on captures of one hand model and side together.",
    )
