"""``livehand part SMPLX_NEUTRAL.npz --part right-foot --out DIR``: a body model's part as the model of a capture."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from ..documents import MEBIBYTE, Reader
from ..errors import PoseError
from ..files import check_writable, write_arrays
from .part import part_arrays
from .smplx_reader import ROOTS, body_part, part_poses, read_body

MOTION = Reader("The motion", PoseError, "Give an .npz with poses (n, 165) and trans (n, 3).", limit=1024 * MEBIBYTE)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.description = (
        "Read a SMPL-X body model and write it, or one part of it, as the model of a capture: model.npz. Poses of the "
        "whole body become poses.npz of that part."
    )
    parser.add_argument("model", type=Path, help="SMPLX_NEUTRAL.npz, or another gender's, or the .pkl of one")
    parser.add_argument("--part", choices=ROOTS, default="body", help="what of it (body)")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write to")
    parser.add_argument("--betas", type=float, nargs="*", metavar="B", help="shape; by default the poses' own")
    parser.add_argument("--expression", type=float, nargs="*", default=[], metavar="E", help="of the face")
    parser.add_argument("--poses", type=Path, metavar="FILE", help=".npz with poses (n, 165) and trans (n, 3)")
    parser.add_argument(
        "--add-hands-mean", action="store_true", help="the poses' hands are relative to the model's mean pose"
    )


def run(args: argparse.Namespace) -> int:
    """Read and write."""
    body = read_body(args.model)
    motion = {} if args.poses is None else MOTION.arrays(args.poses, ("poses", "trans", "betas", "mocap_framerate"))
    missing = [name for name in ("poses", "trans") if name not in motion]
    if args.poses is not None and missing:
        raise MOTION.damaged(args.poses, f"it has no {missing[0]}")
    betas = args.betas
    if betas is None:
        # Files of one person say it once, or in each frame.
        known = np.atleast_2d(motion.get("betas", np.zeros(0)))[0]
        betas = known[: body.shape_size].tolist()
    model = body_part(body, args.part, betas, args.expression)
    args.out.mkdir(parents=True, exist_ok=True)
    check_writable(args.out / "model.npz")
    write_arrays(args.out / "model.npz", part_arrays(model) | {"joint_names": np.array(model.joint_names)})
    print(f"{args.out / 'model.npz'}: {model.vertex_count} vertices, {model.joint_count} joints; its hand_model is")
    print(model.name)
    if motion:
        poses = part_poses(
            body, args.part, motion["poses"], motion["trans"], betas, args.expression, args.add_hands_mean
        )
        rate = float(np.ravel(motion.get("mocap_framerate", 30.0))[0])
        write_arrays(
            args.out / "poses.npz",
            {
                "poses": np.stack([pose.full_pose for pose in poses]),
                "trans": np.stack([pose.transl for pose in poses]),
                "mocap_framerate": np.array(rate),
            },
        )
        print(f"{args.out / 'poses.npz'}: {len(poses)} poses")
    return 0
