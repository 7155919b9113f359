"""``livehand mesh AVATAR --out hand.glb``: the surface of an avatar as a mesh file."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from ..documents import Reader
from ..errors import LiveHandError, PoseError
from ..files import check_writable
from ..frames import DEFAULT_AVATAR, HandInstance
from ..libraries import require
from ..views.hand_arguments import add_hand_arguments
from .files import WRITERS


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.description = (
        "Take the surface out of an avatar's density at a pose and write it with vertex colours, in metres. "
        "The mesh is closed, at the wrist by a flat cap."
    )
    parser.add_argument("avatar", nargs="?", default=DEFAULT_AVATAR, help="avatar file; 'default' when left out")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help=f"mesh file: {', '.join(WRITERS)}")
    hand = add_hand_arguments(parser, several=False)
    hand.add_argument("--hand", type=Path, metavar="JSON", help="a hand of a frame request: pose, scale, identity")
    surface = parser.add_argument_group("the surface")
    surface.add_argument("--resolution", type=float, default=1.0, metavar="MM", help="millimetres between vertices (1)")
    surface.add_argument(
        "--threshold",
        type=float,
        metavar="D",
        help="density at which the surface lies, in 1/m; by default the one that halves the light between two samples",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1")
    parser.add_argument("--threads", type=int, metavar="N", help="processor cores to use; all by default")
    parser.add_argument("--machine", action="store_true", help="print the progress as lines of JSON, for programs")


def run(args: argparse.Namespace) -> int:
    """Extract and write."""
    from ..progress import Progress
    from .files import check_suffix, write_mesh

    require("meshes")
    from .extract import MeshSettings, extract_mesh

    check_suffix(args.out)
    check_writable(args.out)
    if args.out.exists() and not args.overwrite:
        raise LiveHandError(f"{args.out} already exists.", "Give another name, or --overwrite.")
    settings = MeshSettings(args.resolution * 1e-3, args.threshold, args.device, args.threads)
    instance = _instance(args)
    progress = Progress("steps", args.machine)
    try:
        mesh = extract_mesh(instance, settings, progress)
    finally:
        progress.close()
    write_mesh(args.out, mesh)
    size = (mesh.vertices.max(axis=0) - mesh.vertices.min(axis=0)) * 1e3
    print(
        f"{args.out}: {len(mesh.vertices)} vertices, {len(mesh.faces)} triangles, "
        f"{size[0]:.0f} x {size[1]:.0f} x {size[2]:.0f} mm"
    )
    return 0


def _instance(args: argparse.Namespace) -> HandInstance:
    from ..avatars.identities import betas_of, reenacted
    from ..identities import identity_weights
    from ..views.hand_arguments import open_avatar, pose_reader
    from ..views.hands import read_identity
    from ..views.shots import hand_of

    if args.hand is not None:
        return _read_hand(args.hand, args.avatar)
    avatar, arrays, names = open_avatar(args.avatar)
    metadata = arrays.metadata
    pose = pose_reader(args, metadata.side, args.keep_wrist).pose(args.pose or "relaxed")
    identity = read_identity(args.identity or "0")
    identity_weights(identity, names, metadata.name)
    betas = betas_of(metadata, identity) if args.betas is None else None
    if betas is not None:
        pose = reenacted(pose, betas, hand_of(metadata, pose.side))
    return HandInstance(pose, avatar, 1.0, identity)


def _read_hand(path: Path, avatar: str) -> HandInstance:
    """What ``HandInstance.to_json`` writes; the avatar is the command line's."""
    hand = Reader("The hand", PoseError, "Write it with HandInstance.to_json.", limit=1 << 20).json(path)
    try:
        return replace(HandInstance.from_json(hand), avatar=avatar)
    except LiveHandError as error:
        raise PoseError(f"{path} holds no hand. {error.message}", error.remedy) from error
