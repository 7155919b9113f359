"""Rendering the frames of a capture with an avatar and measuring them; called by the command and by training."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import get_args

import numpy as np

from ..avatars.metadata import AvatarMetadata
from ..captures.capture import Capture, CaptureFrame, Problem, Split
from ..errors import AvatarError, DeviceError, HandModelError, LibraryError, LiveHandError
from ..frames import FrameRequest, HandInstance
from ..identities import IdentityChoice
from ..passes import RenderPasses
from ..rendering import Renderer
from .suite import Suite

SPLITS: tuple[Split, ...] = get_args(Split)

BY_WEIGHT: tuple[Split, ...] = ("both", "relight", "camera", "pose", "light", "train")
"""Splits, the one that says most of an avatar first."""


@dataclass(frozen=True)
class Measured:
    """One frame and what was found.

    Attributes:
        frame: of the capture.
        split: what is new about it.
        values: ``"PROTOCOL/METRIC"`` -> value.
        seconds: rendering time.
        warnings: of the renderer, such as a pose outside the avatar's training range.
        features: (2, n) of the rendered and the true image, where FID and KID are measured.
        light: kind of light that it was taken in; empty where that is not told.
    """

    frame: CaptureFrame
    split: Split
    values: dict[str, float]
    seconds: float
    warnings: tuple[str, ...] = ()
    features: np.ndarray | None = field(default=None, repr=False)
    light: str = ""


def render_frame(
    renderer: Renderer, avatar: str, capture: Capture, frame: CaptureFrame, identity: IdentityChoice = 0
) -> RenderPasses:
    """The avatar in the frame's pose and light, seen by the frame's camera and exposed as its image is."""
    hand = HandInstance(capture.hand(frame), avatar, identity=identity)
    told = capture.light(frame)
    light = None if told is None else told.light.scaled(2.0**frame.exposure)
    return renderer.render(FrameRequest(frame.camera, (hand,), light=light))


def identity_of(frame: CaptureFrame, metadata: AvatarMetadata) -> IdentityChoice:
    """Which of the avatar's identities a frame shows: the one of its name, or the only one there is."""
    return frame.identity if frame.identity and len(metadata.identities) > 1 else 0


def choose_frames(capture: Capture, splits: Sequence[Split], limit: int = 0) -> list[CaptureFrame]:
    """The frames to measure, split by split, those first that say most of the avatar.

    Within a split they are drawn in an order of their own, so that any first part is a fair sample.

    Args:
        splits: which.
        limit: frames a split, evenly chosen; 0 for all.
    """
    chosen: list[CaptureFrame] = []
    for split in (split for split in BY_WEIGHT if split in splits):
        frames = capture.frames_of(split)
        if limit and len(frames) > limit:
            frames = tuple(frames[index * len(frames) // limit] for index in range(limit))
        order = np.random.default_rng(0).permutation(len(frames))
        chosen += [frames[index] for index in order]
    return chosen


def measure_frames(
    renderer: Renderer,
    avatar: str,
    metadata: AvatarMetadata,
    capture: Capture,
    frames: Sequence[CaptureFrame],
    suite: Suite,
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[Measured | Problem]:
    """Render and measure frame after frame until all are done or ``stopped`` answers True.

    A frame that cannot be measured, such as one whose mask shows next to nothing, is a Problem; the others go on.

    Raises:
        AvatarError, HandModelError, DeviceError, LibraryError: what all frames need cannot be used.
    """
    for frame in frames:
        if stopped():
            return
        start = time.perf_counter()
        try:
            passes = render_frame(renderer, avatar, capture, frame, identity_of(frame, metadata))
            seconds = time.perf_counter() - start
            image, truth = passes["rgba"], capture.image(frame)
            split, light = capture.split(frame), capture.light(frame)
            values = suite.measure(image, truth, split)
        except (AvatarError, HandModelError, DeviceError, LibraryError):
            raise
        except LiveHandError as error:
            yield Problem(frame.image, error.message.rstrip("."))
            continue
        features, kind = suite.features(image, truth), "" if light is None else light.kind
        yield Measured(frame, split, values, seconds, passes.warnings, features, kind)
