"""The clips of ``docs/live.md``: ``python tools/live_pictures.py FILMS`` with the films of ``tools/tracking_films.py``.

``live.webp``: our own hand, filmed by Cycles, and the avatar by what the tracker saw. ``reenactment.webp``: the film
beside its mirror image, so that there are two hands, tracked and drawn in one frame; and the one motion on each
identity of the avatar, or where it has but one on hands of other shapes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

from tracking_films import FOCAL, FPS, SIZE  # noqa: E402

from livehand_core.avatars.identities import reenacted  # noqa: E402
from livehand_core.files import atomic_path  # noqa: E402
from livehand_core.frames import DEFAULT_AVATAR, FrameRequest  # noqa: E402
from livehand_core.live.following import Followed  # noqa: E402
from livehand_core.live.stage import GROUND, Stage  # noqa: E402
from livehand_core.rendering import Renderer  # noqa: E402
from livehand_core.tracking.sources import open_source  # noqa: E402
from livehand_core.tracking.tracker import HandTracker  # noqa: E402
from livehand_core.tracking.values import SourceFrame, TrackingOptions  # noqa: E402
from livehand_core.views.hand_arguments import open_avatar  # noqa: E402
from livehand_core.views.shots import hand_of  # noqa: E402

SIDE = 200
STEP = 2
WARM_UP = 6
SHAPES = ((2.0, 1.5), (0.0, 0.0), (-2.0, -1.5))
"""Betas of size and of finger length of a large, the usual and a small hand."""


class Studio:
    """Draws what was tracked with an avatar."""

    def __init__(self, avatar: str) -> None:
        name, arrays, self.names = open_avatar(avatar)
        self.metadata = arrays.metadata
        self.stage, self._renderer = Stage(name, arrays.metadata, self.names, (2 * SIDE, SIDE)), Renderer("cpu")

    def cell(self, request: FrameRequest) -> Image.Image:
        """A request's frame before the window's ground."""
        rgba = self._renderer.render(request)["rgba"]
        shown = 255.0 * rgba[..., :3] + (1.0 - rgba[..., 3:]) * np.array(GROUND)
        return Image.fromarray(np.clip(shown, 0.0, 255.0).astype(np.uint8))

    def each_person(self, followed: Followed) -> Iterator[Image.Image]:
        """The motion on each identity; where there is one, on each shape."""
        request = self.stage.request(followed)
        if len(self.names) > 1:
            for identity in range(len(self.names)):
                self.stage.identity = identity
                yield self.cell(self.stage.request(followed))
            self.stage.identity = 0
            return
        for shape in SHAPES:
            betas = np.array([*shape, *[0.0] * 8])
            hands = [
                replace(hand, pose=reenacted(hand.pose, betas, hand_of(self.metadata, hand.pose.side)))
                for hand in request.hands
            ]
            yield self.cell(replace(request, hands=tuple(hands)))


def row(cells: Sequence[Image.Image]) -> Image.Image:
    """Pictures side by side."""
    sheet = Image.new("RGB", (sum(cell.width for cell in cells), SIDE), GROUND)
    left = 0
    for cell in cells:
        sheet.paste(cell, (left, 0))
        left += cell.width
    return sheet


def filmed(picture: np.ndarray) -> Image.Image:
    """A film's picture, as high as a cell."""
    width = round(picture.shape[1] / picture.shape[0] * SIDE)
    return Image.fromarray(picture).resize((width, SIDE), Image.Resampling.LANCZOS)


def live(studio: Studio, film: Path) -> Iterator[Image.Image]:
    """The film and the avatar."""
    tracker = HandTracker(TrackingOptions(hands="right", fov=_fov(SIZE)))
    for frame in open_source(film, FPS):
        tracked = tracker(frame)
        if frame.number % STEP == 0:
            request = studio.stage.request(Followed(frame.picture, tracked, 0.0))
            yield row([filmed(frame.picture), studio.cell(request)])


def reenactment(studio: Studio, film: Path) -> Iterator[Image.Image]:
    """Two hands and the avatar's two above; one motion on several people's hands below."""
    one = HandTracker(TrackingOptions(hands="right", fov=_fov(SIZE)))
    both = HandTracker(TrackingOptions(hands="both", fov=_fov(2 * SIZE)))
    first = next(iter(open_source(film, FPS))).picture
    # The hands were there before the film began: the second one is looked for every quarter of a second only.
    for ago in range(WARM_UP, 0, -1):
        both(SourceFrame(np.concatenate([first, first[:, ::-1]], axis=1), -0.3 * ago, 0))
    for frame in open_source(film, FPS):
        wide = np.concatenate([frame.picture, frame.picture[:, ::-1]], axis=1)
        of_both, of_one = both(SourceFrame(wide, frame.time, frame.number)), one(frame)
        if frame.number % STEP == 0:
            above = row([filmed(wide), studio.cell(studio.stage.request(Followed(wide, of_both, 0.0)))])
            people = studio.each_person(Followed(frame.picture, of_one, 0.0))
            below = row([filmed(frame.picture), *people])
            sheet = Image.new("RGB", (max(above.width, below.width), 2 * SIDE), GROUND)
            sheet.paste(above, (0, 0))
            sheet.paste(below, (0, SIDE))
            yield sheet


def _fov(side: int) -> float:
    return float(np.degrees(2.0 * np.arctan(0.5 * side / FOCAL)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("films", type=Path)
    parser.add_argument("--avatar", default=DEFAULT_AVATAR, help="avatar file; each of its identities is shown")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images")
    parser.add_argument("--motions", nargs="+", default=["fist", "pinch", "wave"])
    parser.add_argument("--clips", nargs="+", choices=("live", "reenactment"), default=["live", "reenactment"])
    args = parser.parse_args()
    studio = Studio(args.avatar)
    for name in args.clips:
        make = live if name == "live" else reenactment
        frames = [frame for motion in args.motions for frame in make(studio, args.films / motion)]
        with atomic_path(args.out / f"{name}.webp") as temporary:
            frames[0].save(
                temporary, save_all=True, append_images=frames[1:], duration=round(1e3 * STEP / FPS), loop=0, quality=72
            )
        print(f"{name}: {len(frames)} frames")


if __name__ == "__main__":
    main()
