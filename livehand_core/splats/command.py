"""``livehand splats AVATAR --out hand.ply``: an avatar in a pose, or through a motion, as Gaussian splats."""

from __future__ import annotations

import argparse
import json
from contextlib import closing
from pathlib import Path
from typing import get_args

from ..errors import LiveHandError
from ..files import atomic_path, check_writable
from ..frames import HandInstance
from ..interrupts import INTERRUPTED, interruptible
from ..libraries import require
from ..meshes.choice import add_motion_arguments, chosen_hands, read_hands
from ..meshes.looks import LIGHTS, Shown
from ..views.hand_arguments import add_hand_arguments

RECORD = "livehand_splats.json"
LOW = 28.0
"""dB in the hand's box below which the command warns."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.description = (
        "Write an avatar in a pose as Gaussian splats (.ply in the usual layout), or a motion as a folder of them, "
        "one a frame. They are fitted to the renderer's own pictures, and measured on pictures by other cameras."
    )
    parser.add_argument("avatar", nargs="?", default="default", help="avatar file; 'default' when left out")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="a .ply file; a folder for a motion")
    hand = add_hand_arguments(parser, several=False)
    hand.add_argument("--hand", type=Path, metavar="JSON", help="a hand of a frame request, or a list of them")
    add_motion_arguments(hand)
    parser.add_argument("--count", type=int, default=40_000, metavar="N", help="about how many splats (40000)")
    parser.add_argument("--pictures", type=int, default=96, metavar="N", help="that they are fitted to (96)")
    parser.add_argument("--size", type=int, default=384, metavar="N", help="pixels a side of these (384)")
    parser.add_argument("--steps", type=int, default=1000, metavar="N", help="of the fit (1000)")
    parser.add_argument(
        "--seconds", type=float, default=0.0, metavar="S", help="at most for the fit; no limit by default"
    )
    parser.add_argument(
        "--light", choices=get_args(Shown), default="trained",
        help="in which a relightable avatar is shown: as trained (default), or even and white from everywhere",
    )  # fmt: skip
    parser.add_argument("--overwrite", action="store_true", help="replace existing files")
    parser.add_argument("--device", default="auto", help="auto, gpu, gpu:1, cpu")
    parser.add_argument("--threads", type=int, metavar="N", help="processor cores to use; all by default")
    parser.add_argument("--machine", action="store_true", help="print the progress as lines of JSON, for programs")


def run(args: argparse.Namespace) -> int:
    """Fit, write, read again and measure; 130 when interrupted, and the same command goes on with the next frame."""
    from ..avatars.metadata import read_metadata
    from ..progress import Progress
    from ..rendering.renderer import Renderer
    from ..views.shots import hand_of
    from ..workers import Workers
    from .cloud import BANDS, read_splats, write_splats
    from .drawing import Shape, draw
    from .fit import SplatSettings, fit_splats, quality

    require("meshes")
    hands = read_hands(args.hand, args.avatar) if args.hand is not None else chosen_hands(args)[0]
    settings = SplatSettings(args.count, args.pictures, args.size, args.steps, args.seconds, args.light)
    metadata = read_metadata(args.avatar)
    data = hand_of(metadata, hands[0].pose.side)
    files = _files(args, hands, {"avatar": metadata.content_hash, "light": args.light, "count": args.count})
    renderer, workers = Renderer(args.device, threads=args.threads), Workers(args.threads)
    measured, fitted = [], None
    with closing(Progress("steps", args.machine)) as progress, interruptible("stopping after this step") as stopped:
        for number, (path, instance) in enumerate(zip(files, hands, strict=True)):
            if stopped():
                return INTERRUPTED
            if path.exists() and not args.overwrite:
                continue
            place = "" if len(files) == 1 else f" of frame {number + 1} of {len(files)}"

            def tell(done: int, of: int, text: str, place: str = place) -> None:
                progress(done, of, text + place)

            fitted = fit_splats(renderer, instance, metadata, data, settings, workers, tell, stopped, fitted)
            if fitted is None:
                return INTERRUPTED
            write_splats(path, fitted.shape.splats(), f"LiveHand: {metadata.name}, metres, z up, {metadata.licence}")
            written = Shape.of(read_splats(path), BANDS)
            drawn = [draw(written, one.camera, workers).image for one in fitted.tests]
            measured.append(quality(drawn, [one.rgba for one in fitted.tests]))
            progress.close()
            print(f"{path}: {len(written.places)} splats, {measured[-1]:.1f} dB in the hand's box on other pictures")
    if metadata.relightable:
        print(f"Colour: {LIGHTS[args.light]}")
    if measured and min(measured) < LOW:
        print(
            f"Below {LOW:g} dB the splats do not hold the avatar's quality: more --steps, --count and --pictures help."
        )
    return 0


def _files(args: argparse.Namespace, hands: list[HandInstance], record: dict[str, object]) -> list[Path]:
    """A file a frame. Raises LiveHandError where they cannot be written, or are of something else."""
    moving = args.motion is not None or len(hands) > 1
    if not moving:
        if args.out.suffix.lower() != ".ply":
            raise LiveHandError(f"{args.out.name} is not a file of splats.", "Name it .ply.")
        check_writable(args.out)
        if args.out.exists() and not args.overwrite:
            raise LiveHandError(f"{args.out} already exists.", "Give another name, or --overwrite.")
        return [args.out]
    if args.out.suffix.lower() == ".ply":
        raise LiveHandError("A motion needs a file a frame.", "Give --out a folder.")
    told = args.out / RECORD
    check_writable(told)
    text = json.dumps(record | {"hands": [hand.to_json() for hand in hands]})
    if told.exists() and not args.overwrite and told.read_text(encoding="utf-8") != text:
        raise LiveHandError(f"{args.out} holds splats of something else.", "Give another folder, or --overwrite.")
    with atomic_path(told) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return [args.out / f"{number + 1:04}.ply" for number in range(len(hands))]
