"""``livehand personalise AVATAR IMAGES... -o NEW``: a new identity from a few pictures."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from ..captures.capture import Capture, CaptureFrame, read_capture
from ..errors import CaptureError, TrainingError
from ..libraries import require

if TYPE_CHECKING:
    from ..avatars import Avatar
    from ..hand.data import HandData


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.description = (
        "Fit a new identity through an avatar of several: its code, texels, shape and the pictures' poses and colour; "
        "the networks stay. The pictures are a capture's folder, or photos of one hand."
    )
    parser.add_argument("avatar", metavar="AVATAR", help="avatar of several identities (.safetensors)")
    parser.add_argument(
        "pictures", type=Path, nargs="+", metavar="IMAGES", help="photos, a folder of them, or a capture"
    )
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="NEW", help="the new avatar (.safetensors)")
    parser.add_argument("--name", default="", help="of the new identity; NEW's own name by default")
    parser.add_argument("--alone", action="store_true", help="write an avatar of this identity alone")
    parser.add_argument("--limit", type=int, metavar="N", help="use so many pictures of a capture, evenly over it")
    parser.add_argument("--fov", type=float, help="degrees across a photo's longer side, where the photo does not tell")
    parser.add_argument("--mirror", action="store_true", help="the photos show the other hand: fit its mirror image")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the capture that is made of the photos")
    parser.add_argument("--no-refine", action="store_true", help="take the pictures' poses as they are")
    parser.add_argument("--minutes", type=float, default=2.5, help="longest fit (2.5)")
    parser.add_argument("--steps", type=int, default=200, help="most steps (200)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--consent", default="", help="what the hand's owner has agreed to")


def run(args: argparse.Namespace) -> int:
    """Fit and write; 0."""
    require("training")
    from ..avatars import load_avatar, save_avatar
    from ..hand.library import find_hand
    from .personalise import Personal, check_avatar, personalised

    if args.out.suffix.lower() != ".safetensors":
        raise TrainingError(f"{args.out} is no name for an avatar.", "Let it end in .safetensors.")
    settings = Personal(
        args.name or args.out.stem, args.minutes, args.steps, args.seed, args.alone, not args.no_refine, args.consent
    )
    if settings.refine:
        require("datasets", "Or give --no-refine.")
    avatar = load_avatar(args.avatar)
    metadata = avatar.metadata
    hand = avatar.arrays().refined(find_hand(metadata.hand_model, metadata.side))
    check_avatar(avatar, hand)
    with ExitStack() as stack:
        capture = _capture(args, avatar, hand, stack)
        frames = _frames(capture, args.limit)
        print(f"{len(frames)} pictures of {len({frame.pose for frame in frames})} poses")
        new = personalised(avatar, capture, frames, hand, settings, print)
    written = save_avatar(args.out, new)
    story = next(one for one in written.identities if one.name == settings.name).provenance
    nearest = max(story["blend"], key=story["blend"].get)
    print(f"{args.out}: identity {settings.name!r}, nearest to {nearest!r} ({100.0 * story['blend'][nearest]:.0f} %)")
    return 0


def _capture(args: argparse.Namespace, avatar: Avatar, hand: HandData, stack: ExitStack) -> Capture:
    """The pictures as a capture.

    Raises:
        CaptureError: they cannot be used, or are of another hand model or side.
    """
    first, *others = args.pictures
    if (first / "transforms.json").is_file() or first.name == "transforms.json":
        if others:
            raise CaptureError("A capture is given with other pictures.", "Give one capture, or photos.")
        capture = read_capture(first)
        side, metadata = capture.poses.poses[0].side, avatar.metadata
        if (capture.hand_model, side) != (metadata.hand_model, metadata.side):
            raise CaptureError(
                f"The capture {first} is of a {side} hand of {capture.hand_model!r}, the avatar of a "
                f"{metadata.side} one of {metadata.hand_model!r}.",
                "Give a capture of the avatar's hand model and side.",
            )
        return capture
    require("tracking")
    require("datasets")
    from .photos import SUFFIXES, photo_capture

    photos = [one for one in args.pictures if not one.is_dir()]
    for one in args.pictures:
        photos += sorted(p for p in one.iterdir() if p.suffix.lower() in SUFFIXES) if one.is_dir() else []
    if not photos:
        raise CaptureError(f"{first} holds no pictures.", "Give photos, a folder of them, or a capture.")
    folder = args.keep or Path(stack.enter_context(TemporaryDirectory(prefix="livehand_photos_")))
    footprint = avatar.metadata.pixels_per_metre
    capture = photo_capture(photos, folder, hand, footprint, args.fov, args.mirror)
    return replace(capture, consent=args.consent)


def _frames(capture: Capture, limit: int | None) -> list[CaptureFrame]:
    """The pictures that are fitted to: none that are held out. Raises CaptureError when there are none."""
    frames = list(capture.frames_of("train"))
    if not frames:
        raise CaptureError(f"The capture {capture.folder} has no pictures that are not held out.", "Give others.")
    if limit is None or limit >= len(frames):
        return frames
    if limit < 1:
        raise CaptureError(f"{limit} pictures show no hand.", "Give --limit 1 or more.")
    return [frames[index] for index in np.linspace(0, len(frames) - 1, limit).astype(int)]
