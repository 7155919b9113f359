"""Command line arguments that say which hand is meant; ``livehand render`` and ``livehand mesh`` share them."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from ..avatars.arrays import AvatarArrays, read_arrays
from ..avatars.identities import identity_names
from ..avatars.metadata import AvatarMetadata
from ..frames import DEFAULT_AVATAR
from ..hand.library import find_model
from ..motion import ReadOptions
from ..poses import BETA_COUNT
from .hands import PoseReader


def add_hand_arguments(parser: argparse.ArgumentParser, several: bool) -> argparse._ArgumentGroup:
    """Declare them, and give the group "the hand"; with ``several``, poses and identities may be lists."""
    group = parser.add_argument_group("the hand")
    many = {"nargs": "+"} if several else {}
    again = "; several are gone through one after the other" if several else ""
    group.add_argument(
        "--pose",
        metavar="POSE",
        help=f"name of a gesture, or FILE or FILE@FRAME of a motion (.npz, .json){again}",
        **many,  # type: ignore[arg-type]
    )
    group.add_argument("--side", choices=("right", "left"), help="hand that is shown; the avatar's own by default")
    group.add_argument(
        "--betas", nargs="+", type=float, metavar="B", help=f"shape: up to {BETA_COUNT} coefficients, in deviations"
    )
    group.add_argument(
        "--identity",
        metavar="WHO",
        help=f"number or name of one of the avatar's identities, or a blend as NAME=0.3,NAME=0.7{again}",
        **many,  # type: ignore[arg-type]
    )
    group.add_argument(
        "--keep-wrist", action="store_true", help="also take the wrist's position and rotation from pose files (z up)"
    )
    files = parser.add_argument_group("how motion files are read, where they do not tell themselves")
    files.add_argument("--up", choices=("z", "y", "-y"), help="axis of the file that points up")
    files.add_argument("--file-side", choices=("right", "left"), help="hand that is read from the file")
    files.add_argument("--flat-mean", action=argparse.BooleanOptionalAction, help="angles count from the flat hand")
    files.add_argument("--pca", action=argparse.BooleanOptionalAction, help="angles are principal components")
    files.add_argument("--file-model", metavar="NAME", help="hand model of the file: mano, livehand-builtin-1")
    files.add_argument("--file-capture", metavar="NAME", help="capture of an InterHand2.6M file")
    files.add_argument("--bridge", action="store_true", help="interpolate frames without numbers (NaN)")
    files.add_argument("--file-fps", type=float, metavar="FPS", help="frames a second of the file")
    return group


def pose_reader(args: argparse.Namespace, metadata: AvatarMetadata, keep_wrist: bool) -> PoseReader:
    """What reads the poses that the arguments name, for an avatar that has been read.

    Raises:
        PoseError: more shape coefficients than there are.
    """
    from ..errors import PoseError

    betas = None
    if args.betas is not None:
        if len(args.betas) > BETA_COUNT:
            raise PoseError(f"--betas has {len(args.betas)} numbers.", f"Give up to {BETA_COUNT}.")
        betas = np.pad(np.array(args.betas), (0, BETA_COUNT - len(args.betas)))
    side = args.side or metadata.side
    options = ReadOptions(
        args.file_side,
        args.up,
        args.pca,
        args.flat_mean,
        args.file_model,
        args.file_fps,
        args.file_capture,
        prefer=side,
        bridge=args.bridge,
    )
    part = find_model(metadata.hand_model, metadata.side) if metadata.joints else None
    return PoseReader(side, betas, keep_wrist, options, part)


def open_avatar(avatar: str) -> tuple[str, AvatarArrays, tuple[str, ...]]:
    """An avatar's id or absolute path, its weights, and the names of its identities.

    Raises:
        AvatarError: the file is missing or damaged.
    """
    arrays = read_arrays(avatar)
    count = 1 if arrays.latent is None else len(arrays.latent)
    name = avatar if avatar == DEFAULT_AVATAR else str(Path(avatar).resolve())
    return name, arrays, identity_names(arrays.metadata, count)
