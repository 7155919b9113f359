"""``livehand render AVATAR --out ...``: stills, sequences and videos of an avatar."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..devices import add_instructions, choose_instructions
from ..errors import LiveHandError
from ..files import check_writable
from ..frames import DEFAULT_AVATAR
from ..libraries import require
from ..provenance.certificate import load_identity
from ..provenance.sign_command import add_certificate
from .cameras import PATHS, CameraKind
from .film import FORMATS
from .hand_arguments import add_hand_arguments
from .pictures import PASS_PICTURES, TRANSPARENT

SIZE = (512, 512)
FRAMES = 72
SPIRAL_ELEVATION, ELEVATION = 50.0, 10.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    videos = ", ".join(f"{suffix} ({kind.meaning})" for suffix, kind in FORMATS.items())
    parser.description = (
        "Render views of an avatar: poses, shapes, identities or motion files, seen by a camera that stands still, "
        "orbits, spirals or sways; or the frames of a capture, photograph and render side by side. "
        "--out FOLDER writes PNG frames, --out FILE.png one picture or a sheet of --frames; a video is named "
        f"{videos}. Ctrl-C leaves only whole frames, and the same command continues from there."
    )
    parser.add_argument("avatar", nargs="?", default=DEFAULT_AVATAR, help="avatar file; 'default' when left out")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER|FILE", help="where the pictures go")
    hand = add_hand_arguments(parser, several=True)
    hand.add_argument("--motion", type=Path, metavar="FILE", help="play a motion file (.npz, InterHand2.6M .json)")
    hand.add_argument(
        "--shapes",
        nargs="*",
        type=int,
        metavar="N",
        help="vary these shape coefficients, counted from 0 (the first three)",
    )
    hand.add_argument(
        "--shapes-by",
        type=float,
        default=2.0,
        metavar="D",
        help="vary them by this many standard deviations either way (2)",
    )
    hand.add_argument("--loop", action="store_true", help="go from the last pose or identity back to the first")
    view = parser.add_argument_group("the camera")
    view.add_argument(
        "--camera", choices=PATHS, help="how the camera moves; by default it orbits if nothing else moves"
    )
    view.add_argument(
        "--azimuth",
        type=float,
        default=0.0,
        help="direction of the camera in degrees: 0 sees the palm, 180 the back of the hand",
    )
    view.add_argument(
        "--elevation", type=float, help=f"degrees ({ELEVATION:g}; a spiral's highest and lowest: {SPIRAL_ELEVATION:g})"
    )
    view.add_argument("--turns", type=float, default=1.0, help="turns of an orbit or spiral (1)")
    view.add_argument("--swing", type=float, default=15.0, help="degrees to each side of a sway (15)")
    view.add_argument("--fov", type=float, default=24.0, help="field of view in degrees (24)")
    view.add_argument("--zoom", type=float, default=1.0, help="1 fits the hand into the picture")
    capture = parser.add_argument_group("a capture's frames in place of hand and camera")
    capture.add_argument(
        "--capture",
        type=Path,
        metavar="FOLDER",
        help="show the frames of a capture, photograph and render side by side",
    )
    capture.add_argument(
        "--split", choices=("train", "camera", "pose", "both"), default="both", help="which frames (both)"
    )
    capture.add_argument("--difference", action="store_true", help="also show their difference, times four")
    pictures = parser.add_argument_group("the pictures")
    pictures.add_argument("--size", metavar="WxH", help=f"pixels ({SIZE[0]}x{SIZE[1]}; a capture's own)")
    pictures.add_argument("--frames", type=int, metavar="N", help=f"number of frames ({FRAMES}; 1 for FILE.png)")
    pictures.add_argument("--fps", type=float, help="frames a second (24, or the motion's)")
    pictures.add_argument("--background", help="transparent, a colour's name, or #rrggbb; black for .mp4 and captures")
    meanings = "; ".join(f"{name}: {meaning}" for name, (_, meaning) in PASS_PICTURES.items())
    pictures.add_argument(
        "--passes", nargs="+", default=[], choices=tuple(PASS_PICTURES), help=f"more pictures in FOLDER ({meanings})"
    )
    pictures.add_argument(
        "--arrays", action="store_true", help="also write all passes as float32 to FOLDER/arrays/*.npz"
    )
    pictures.add_argument("--columns", type=int, metavar="N", help="columns of a sheet")
    pictures.add_argument("--overwrite", action="store_true", help="replace existing files")
    pictures.add_argument("--keep-frames", action="store_true", help="keep the frames of a video or sheet")
    pictures.add_argument("--sign", action="store_true", help="give them Content Credentials (see livehand sign)")
    add_certificate(pictures)
    computing = parser.add_argument_group("the renderer")
    computing.add_argument("--device", default="auto", help="auto, gpu, gpu:1, cpu")
    computing.add_argument(
        "--precision", choices=("fast", "exact"), default="fast", help="precision of the arithmetic (fast)"
    )
    add_instructions(computing)
    computing.add_argument("--threads", type=int, metavar="N", help="processor cores to use; all by default")


def run(args: argparse.Namespace) -> int:
    """Render; 0 when all is there, 130 when it was interrupted."""
    require("pictures")
    if args.sign:
        require("provenance")
        # Before anything is rendered: there may be none.
        identity = load_identity(args.certificate, args.key)
    choose_instructions(args.instructions)
    from ..progress import Progress
    from ..rendering import Renderer
    from .hand_arguments import open_avatar
    from .render import Look, render_view
    from .target import Target

    target = Target.of(args.out, args.passes, args.arrays)
    check_writable(args.out, target.frames / "frame")
    look = Look(_background(args, target.is_video), args.difference, args.fps or 24.0, args.columns, args.keep_frames)
    avatar, arrays, names = open_avatar(args.avatar)
    shots, fps = (
        _capture_shots(args, avatar, names) if args.capture else _view_shots(args, avatar, arrays, names, target)
    )
    if fps and not args.fps:
        look = Look(look.background, look.difference, fps, look.columns, look.keep_frames)
    record = {
        "avatar": arrays.metadata.content_hash or arrays.metadata.name,
        **_settings(args),
        "number of frames": len(shots),
    }
    progress = Progress("frames" if len(shots) > 1 else "frame")
    renderer = Renderer(args.device, precision=args.precision, threads=args.threads)
    try:
        warnings = render_view(renderer, shots, target, look, record, args.overwrite, progress)
    except KeyboardInterrupt:
        progress.close()
        done = sum(target.complete(number) for number in range(1, len(shots) + 1))
        print(
            f"livehand: interrupted; {done} of {len(shots)} frames are in {target.frames}. "
            "The same command goes on from there.",
            file=sys.stderr,
        )
        return 130
    finally:
        progress.close()
    for line in warnings:
        print(f"livehand: {line}", file=sys.stderr)
    if args.sign:
        from ..provenance.facts import avatar_facts
        from ..provenance.signing import Signer

        signer = Signer(identity, avatar_facts([args.avatar]))
        for file in sorted(args.out.rglob("*.png")) if args.out.is_dir() else [args.out]:
            signer.sign(file)
    print(args.out)
    return 0


def _settings(args: argparse.Namespace) -> dict[str, Any]:
    """What decides how frames look, as plain values; the rest may change between a run and its continuation."""
    left_out = {
        "run",
        "out",
        "avatar",
        "overwrite",
        "keep_frames",
        "columns",
        "fps",
        "threads",
        "device",
        "instructions",
        "given",
        "sign",
        "certificate",
        "key",
    }
    values = {key: value for key, value in vars(args).items() if key not in left_out}
    return {key: str(value) if isinstance(value, Path) else value for key, value in values.items()}


def _background(args: argparse.Namespace, video: bool) -> tuple[float, float, float] | None:
    from .pictures import read_background

    opaque = args.capture or (video and not FORMATS[args.out.suffix.lower()].alpha)
    return read_background(args.background or ("black" if opaque else TRANSPARENT))


def _frames(args: argparse.Namespace, usual: int) -> int:
    count = usual if args.frames is None else int(args.frames)
    if not 1 <= count <= 9999:
        raise LiveHandError(f"A view of {count} frames is not possible.", "Give --frames 1 to 9999.")
    return count


def read_size(text: str | None) -> tuple[int, int]:
    """Width and height of ``WIDTHxHEIGHT``. Raises LiveHandError when it is not understood."""
    if text is None:
        return SIZE
    width, _, height = text.lower().partition("x")
    if not (width.isdigit() and height.isdigit() and int(width) and int(height)):
        raise LiveHandError(f"The size {text!r} is not understood.", "Write WIDTHxHEIGHT, such as 512x334.")
    return int(width), int(height)


def _capture_shots(args: argparse.Namespace, avatar: str, names: Sequence[str]) -> tuple[list[Any], float]:
    """The chosen frames of a capture; no rate of its own."""
    from ..captures.capture import read_capture
    from ..errors import CaptureError
    from .shots import capture_shots

    for name in ("pose", "motion", "camera", "shapes", "size"):
        if getattr(args, name) is not None:
            raise LiveHandError(f"--{name} does not go with --capture, which has its own.", "Leave one of them out.")
    capture = read_capture(args.capture)
    frames = capture.frames_of(args.split)
    if not frames:
        raise CaptureError(f"The capture {args.capture} has no frames of the split {args.split!r}.", "Choose another.")
    count = min(_frames(args, len(frames)), len(frames))
    chosen = [frames[(2 * number + 1) * len(frames) // (2 * count)] for number in range(count)]
    return capture_shots(capture, chosen, avatar, _passes(args), names), 0.0


def _passes(args: argparse.Namespace) -> tuple[str, ...]:
    return ("rgba", *args.passes)


def _view_shots(
    args: argparse.Namespace, avatar: str, arrays: Any, names: Sequence[str], target: Any
) -> tuple[list[Any], float]:
    """The frames of a view, and the motion's rate or 0."""
    from ..identities import identity_weights
    from .cameras import WORLD, CameraPath, hand_axes
    from .hand_arguments import pose_reader
    from .hands import HandTrack, read_identity, resampled
    from .shots import hand_of, view_shots

    metadata = arrays.metadata
    if args.motion is not None and args.pose is not None:
        raise LiveHandError("--pose and --motion were both given.", "Leave one of them out.")
    reader = pose_reader(args, metadata, args.keep_wrist)
    rate = 0.0
    if args.motion is not None:
        motion = reader.motion(args.motion, lambda line: print(f"livehand: {line}", file=sys.stderr))
        rate = args.fps or motion.fps
        poses = resampled(motion, rate)
    else:
        poses = tuple(reader.pose(text) for text in args.pose or [reader.usual])
    identities = tuple(read_identity(text) for text in args.identity or ["0"])
    for identity in identities:
        identity_weights(identity, names, metadata.name)
    sweep = () if args.shapes is None else tuple(args.shapes) or (0, 1, 2)
    track = HandTrack(
        poses, args.motion is not None, args.loop, avatar, identities, sweep, args.shapes_by, args.betas is None
    )
    still = not target.is_folder and not target.is_video
    kind: CameraKind = args.camera or ("still" if track.moves or (still and args.frames is None) else "orbit")
    elevation = args.elevation if args.elevation is not None else SPIRAL_ELEVATION if kind == "spiral" else ELEVATION
    path = CameraPath(kind, args.azimuth, elevation, args.turns, args.swing, args.fov, args.zoom)
    axes = WORLD if args.keep_wrist else hand_axes(hand_of(metadata, reader.side))
    usual = 1 if still else len(poses) if args.motion is not None else FRAMES
    frames = _frames(args, usual)
    return view_shots(track, path, axes, frames, read_size(args.size), _passes(args), metadata, names), rate
