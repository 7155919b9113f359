"""Rendering the frames of a capture with an avatar and measuring them; called by the command and by training."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, get_args

import numpy as np

from ..avatars.metadata import AvatarMetadata
from ..captures.capture import Capture, CaptureFrame, Problem, Split
from ..captures.contacts import read_contact
from ..errors import AvatarError, DeviceError, HandModelError, LibraryError, LiveHandError
from ..frames import FrameRequest, HandInstance
from ..identities import IdentityChoice
from ..passes import RenderPasses
from ..rendering import Renderer
from .contact import draw_alone, draw_contact, measure_contact, near_contact, together
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
    return renderer.render(request_of(avatar, capture, frame, identity))


def request_of(avatar: str, capture: Capture, frame: CaptureFrame, identity: IdentityChoice = 0) -> FrameRequest:
    """What :func:`render_frame` renders."""
    hand = HandInstance(capture.hand(frame), avatar, identity=identity)
    told = capture.light(frame)
    light = None if told is None else told.light.scaled(2.0**frame.exposure)
    return FrameRequest(frame.camera, (hand,), light=light)


class Picture(NamedTuple):
    """A frame as it is compared with its image.

    Attributes:
        image: (H, W, 4) sRGB premultiplied over black.
        warnings: of the renderer.
        near: measures what is near contact against a truth, of pictures that tell what is touched.
    """

    image: np.ndarray
    warnings: tuple[str, ...] = ()
    near: Callable[[np.ndarray], dict[str, float]] | None = None


def picture(
    renderer: Renderer, avatar: str, capture: Capture, frame: CaptureFrame, metadata: AvatarMetadata
) -> Picture:
    """The avatar as :func:`render_frame` has it, among what the picture tells that it touches.

    Raises:
        CaptureError: what it touches is told in a damaged file.
    """
    request = request_of(avatar, capture, frame, identity_of(frame, metadata))
    contact = read_contact(capture.path(frame))
    if contact is None:
        passes = renderer.render(request)
        return Picture(passes["rgba"], passes.warnings)
    image = draw_contact(renderer, request, contact)

    def near(truth: np.ndarray) -> dict[str, float]:
        pixels = near_contact(together(request, contact), contact, capture.hand_model)
        return measure_contact(image, draw_alone(renderer, request, contact), truth, pixels)

    return Picture(image, (), near)


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
        try:
            start = time.perf_counter()
            drawn = picture(renderer, avatar, capture, frame, metadata)
            seconds = time.perf_counter() - start
            image, truth = drawn.image, capture.image(frame)
            split, light = capture.split(frame), capture.light(frame)
            values = suite.measure(image, truth, split)
            if drawn.near is not None and any(protocol.name == "contact" for protocol in suite.protocols):
                values |= drawn.near(truth)
        except (AvatarError, HandModelError, DeviceError, LibraryError):
            raise
        except LiveHandError as error:
            yield Problem(frame.image, error.message.rstrip("."))
            continue
        features, kind = suite.features(image, truth), "" if light is None else light.kind
        yield Measured(frame, split, values, seconds, drawn.warnings, features, kind)
