"""``livehand mesh AVATAR --out hand.glb``: an avatar as a mesh file, its surface as it stands or with its rig."""

from __future__ import annotations

import argparse
from contextlib import closing
from pathlib import Path
from typing import get_args

from ..errors import LiveHandError, PoseError
from ..files import check_writable
from ..frames import DEFAULT_AVATAR, HandInstance
from ..libraries import require
from ..views.hand_arguments import add_hand_arguments
from .choice import add_motion_arguments, check_rate, chosen_hands, read_hands
from .files import WRITERS
from .gltf import GLTF_SUFFIXES, check_rig_suffix
from .looks import LIGHTS, Shown, Surface


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.description = (
        "Take the surface out of an avatar's density at a pose and write it with vertex colours, in metres. "
        "The mesh is closed, at the wrist by a flat cap. With --rig the proxy, textured with the avatar's colour, "
        "or that surface keeps its bones: a skinned glTF, animated where a motion is given."
    )
    parser.add_argument("avatar", nargs="?", default=DEFAULT_AVATAR, help="avatar file; 'default' when left out")
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FILE",
        help=f"mesh file: {', '.join(WRITERS)}; with --rig {', '.join(GLTF_SUFFIXES)}",
    )
    hand = add_hand_arguments(parser, several=False)
    hand.add_argument(
        "--hand", type=Path, metavar="JSON", help="a hand of a frame request: pose, scale, identity; for --rig also a "
        "list of them, one a frame",
    )  # fmt: skip
    add_motion_arguments(hand)
    rig = parser.add_argument_group("with its rig")
    rig.add_argument("--rig", action="store_true", help="keep the bones: skinned glTF (.glb, .gltf)")
    rig.add_argument(
        "--surface", choices=get_args(Surface), default="proxy",
        help="the proxy with a texture (default), or the density's surface with vertex colours",
    )  # fmt: skip
    rig.add_argument("--texture", type=int, default=1024, metavar="N", help="texels a side (1024)")
    rig.add_argument(
        "--light", choices=get_args(Shown), default="even",
        help="in which a relightable avatar's texture is: even and white from everywhere (default), or as trained",
    )  # fmt: skip
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
    check_rig_suffix(args.out) if args.rig else check_suffix(args.out)
    check_writable(args.out)
    if args.out.exists() and not args.overwrite:
        raise LiveHandError(f"{args.out} already exists.", "Give another name, or --overwrite.")
    if args.rig:
        return _run_rigged(args)
    from .extract import MeshSettings, extract_mesh

    settings = MeshSettings(args.resolution * 1e-3, args.threshold, args.device, args.threads)
    instance = _instance(args)
    with closing(Progress("steps", args.machine)) as progress:
        mesh = extract_mesh(instance, settings, progress)
    write_mesh(args.out, mesh)
    size = (mesh.vertices.max(axis=0) - mesh.vertices.min(axis=0)) * 1e3
    print(
        f"{args.out}: {len(mesh.vertices)} vertices, {len(mesh.faces)} triangles, "
        f"{size[0]:.0f} x {size[1]:.0f} x {size[2]:.0f} mm"
    )
    return 0


def _run_rigged(args: argparse.Namespace) -> int:
    """Make a skinned glTF; what is said of it ends in what its morph targets are needed for."""
    from ..avatars.metadata import read_metadata
    from ..progress import Progress
    from .rigged import RigSettings, extract_rigged
    from .skinned_gltf import write_rigged

    check_rate(args.fps)
    if args.hand is not None:
        hands, fps = read_hands(args.hand, args.avatar), args.fps or 24.0
    else:
        hands, fps = chosen_hands(args)
    settings = RigSettings(
        args.surface, args.resolution * 1e-3, args.threshold, args.texture, fps, args.light, args.device, args.threads
    )
    metadata = read_metadata(args.avatar)
    with closing(Progress("steps", args.machine)) as progress:
        rigged = extract_rigged(hands, settings, progress)
    write_rigged(args.out, rigged.mesh, copyright=metadata.licence)
    mesh, frames = rigged.mesh, len(rigged.mesh.motion.turns)
    print(
        f"{args.out}: {len(mesh.vertices)} vertices, {len(mesh.faces)} triangles, {len(mesh.skeleton.names)} bones, "
        f"{len(mesh.targets)} morph targets, {frames} frame{'s'[: frames != 1]}"
    )
    shown = f"in {LIGHTS[args.light]}" if metadata.relightable else "with the avatar's own light and shade in it"
    print(f"Colour: {'texture' if mesh.texture else 'at the vertices'}, {shown}")
    print(
        f"The bones bring the proxy to {1e3 * rigged.off:.2f} mm of its pose with the morph targets keyed beside them, "
        f"and to {1e3 * rigged.off_without:.1f} mm without these"
    )
    return 0


def _instance(args: argparse.Namespace) -> HandInstance:
    if args.motion is not None:
        raise LiveHandError("A mesh without a rig cannot move.", "Add --rig, or give --pose FILE@FRAME.")
    if args.hand is None:
        return chosen_hands(args)[0][0]
    hands = read_hands(args.hand, args.avatar)
    if len(hands) > 1:
        raise PoseError(f"{args.hand} holds {len(hands)} hands.", "Give one, or add --rig.")
    return hands[0]
