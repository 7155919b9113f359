"""``livehand import``: an official LiveHand checkpoint becomes an avatar file."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..files import check_writable
from ..libraries import require


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.description = "Turn an official LiveHand checkpoint (NNNNNN.tar) into an avatar file."
    parser.add_argument("checkpoint", type=Path, help="the .tar of a training run; config.txt beside it is read")
    parser.add_argument("output", type=Path, help="avatar file to write, ending in .safetensors")
    parser.add_argument("--latents", type=Path, help="lat_codes/NNNNNN.npy, for avatars of several identities")
    parser.add_argument(
        "--factor", type=int, choices=(2, 4), help="factor of the super-resolution, if config.txt does not say it"
    )
    parser.add_argument(
        "--coordinates", choices=("uvd", "xyz"), help="what the field reads, if the checkpoint does not say it"
    )
    parser.add_argument("--mano", type=Path, help="MANO_RIGHT.pkl or MANO_LEFT.pkl that it was trained with")
    parser.add_argument("--uv", type=Path, help="MANO_UV_right.obj or MANO_UV_left.obj that it was trained with")
    parser.add_argument("--side", choices=("right", "left"), default="right", help="the hand, without --mano")
    parser.add_argument("--name", default="", help="the avatar's name; default: the file's")
    parser.add_argument(
        "--half", action="store_true", help="store 16-bit weights: half the size, accurate to three digits"
    )


def run(args: argparse.Namespace) -> int:
    """Import; a LiveHandError is reported by the caller."""
    require("import")
    check_writable(args.output)
    from ..hand.mano_reader import read_mano
    from .file import save_avatar
    from .official import import_checkpoint

    hand = read_mano(args.mano, args.uv) if args.mano else None
    avatar = import_checkpoint(
        args.checkpoint,
        args.latents,
        factor=args.factor,
        coordinates=args.coordinates,
        hand=hand,
        side=args.side,
        name=args.name or args.output.stem,
    )
    metadata = save_avatar(args.output, avatar, half=args.half)
    field, super_resolution = metadata.architecture.field, metadata.architecture.super_resolution
    identities = 0 if avatar.latent is None else len(avatar.latent)
    print(
        f"{args.output}: {field.coordinates}, {field.depth} layers of {field.width}, super-resolution by "
        f"{super_resolution.factor}, {identities} identity codes, {args.output.stat().st_size / 1e6:.1f} MB"
    )
    return 0
