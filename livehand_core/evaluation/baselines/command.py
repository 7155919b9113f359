"""``livehand evaluate AVATAR CAPTURE --baselines``: what the method is compared with, trained here, in one table."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...captures.capture import Capture, CaptureFrame, Split
from ...captures.fingerprint import capture_hash
from ...captures.joined import identity_names, inspect_captures
from ...devices import pick_device
from ...documents import Reader
from ...errors import CaptureError, LiveHandError, TrainingError
from ...files import atomic_path, check_writable
from ...hand.library import find_model
from ...interrupts import INTERRUPTED, interruptible
from ...progress import Progress
from ...rendering import Renderer
from ...training.config import PRESETS
from ...training.control import AVATAR_FILE, CHECKPOINT_FILE, read_status
from ..evaluate import choose_frames, render_frame
from ..session import held_out_splits
from ..suite import Suite
from . import sheet
from .image_to_image import ImageToImage
from .method import Baseline, train
from .names import METHODS
from .textured_mesh import TexturedMesh
from .world_nerf import WorldNerf

RECORD = "baselines.json"
PROTOCOLS = ("full_image", "hand_box")
METRICS = ("hand_box/psnr", "hand_box/ssim", "full_image/psnr", "full_image/ssim")
FRAMES = 12
"""Frames a split where --limit says nothing: a NeRF draws for minutes what the others draw in seconds."""

RAY_STEPS = PRESETS["cpu"]["ray_steps"]

Draw = Callable[[CaptureFrame], np.ndarray]


@dataclass(frozen=True)
class Record:
    """What was compared, and the figures so far.

    Attributes:
        capture: its hash.
        minutes: of the processor's cores that each was trained for.
        splits, limit: which frames were measured.
        seed: of all that was drawn.
        methods: name -> minutes trained, frames, and split -> metric -> mean.
    """

    capture: str
    minutes: float
    splits: tuple[str, ...]
    limit: int
    seed: int = 0
    methods: dict[str, dict[str, Any]] = field(default_factory=dict)


def run_baselines(args: argparse.Namespace, folder: Path) -> int:
    """Train what is not trained yet, measure what is not measured yet, print the table; 130 when interrupted.

    Args:
        args: of ``livehand evaluate``.
        folder: of the results; what is there already is gone on with.

    Raises:
        CaptureError, TrainingError: a capture or settings that no table can be made of.
    """
    if len(args.captures) != 1:
        raise CaptureError("Baselines are trained on one capture.", "Give one.")
    if not 0.0 < args.minutes <= 1e5:
        raise TrainingError(f"Training for {args.minutes:g} minutes is not possible.", "Give --minutes above 0.")
    splits: tuple[Split, ...] = tuple(args.splits) or held_out_splits(args.captures)
    capture = inspect_captures(args.captures, args.identities, args.skip_bad, ("train", *splits)).capture
    train_frames = capture.frames_of("train")
    _check(capture, train_frames)
    check_writable(folder / RECORD)
    wanted = Record(capture_hash(capture), args.minutes, splits, args.limit or FRAMES)
    record = _known(folder / RECORD, wanted)
    frames = choose_frames(capture, splits, record.limit)
    suite = Suite(PROTOCOLS, pick_device("cpu"))
    data = find_model(capture.hand_model, capture.poses.poses[0].side)
    if not data.is_hand:
        raise CaptureError(
            f"The capture {capture.folder} is of no hand.", "Baselines are of hands: give such a capture."
        )
    made: dict[str, Baseline] = {}

    def of(name: str) -> Baseline:
        if name not in made:
            arguments = capture, train_frames, data, record.seed
            if name == ImageToImage.name:
                mesh = of(TexturedMesh.name)
                assert isinstance(mesh, TexturedMesh)
                made[name] = ImageToImage(*arguments, mesh)
            else:
                made[name] = (TexturedMesh if name == TexturedMesh.name else WorldNerf)(*arguments)
        return made[name]

    names = [name for name in METHODS if name in (args.baselines or METHODS)]
    for name in [one for one in names if one not in record.methods]:
        if name == "given":
            minutes, draw = 0.0, _drawn_by(args.avatar, args, capture)
        elif name == "avatar":
            if not _train_avatar(args, folder / name):
                return INTERRUPTED
            minutes, draw = args.minutes, _drawn_by(str(folder / name / AVATAR_FILE), args, capture)
        else:
            with interruptible("stopping after this step") as stopped, closing(Progress("seconds")) as progress:
                told = None
                for part in (TexturedMesh.name, name) if name == ImageToImage.name else (name,):
                    told = train(of(part), folder / f"{part}.pt", args.minutes, stopped, progress)
                    if told is None:
                        return _interrupted(record)
            assert told is not None
            minutes, draw = told, of(name).draw
        with interruptible("stopping after this frame") as stopped:
            figures = _measured(capture, frames, suite, draw, name, folder, stopped)
        if figures is None:
            return _interrupted(record)
        record.methods[name] = {"minutes": round(minutes, 2), **figures}
        with atomic_path(folder / RECORD) as temporary:
            temporary.write_text(json.dumps(asdict(record), indent=1) + "\n", encoding="utf-8")
    print(table(record, names))
    if shown := sheet.write(folder, names):
        print(f"\nThe methods side by side: {shown}")
    return 0


def table(record: Record, names: Sequence[str]) -> str:
    """The figures as a table in Markdown."""
    split = record.splits[0]
    rows = [
        f"| {METHODS[name]} | " + " | ".join(_number(record.methods[name]["splits"][split].get(key)) for key in METRICS)
        + f" | {record.methods[name]['minutes']:g} | {record.methods[name]['seconds']:.2g} |"
        for name in names
        if name in record.methods
    ]  # fmt: skip
    head = "| | PSNR hand box, dB | SSIM | PSNR full image, dB | SSIM | trained, minutes | drawing, s |"
    frames = max((record.methods[name]["frames"][split] for name in names if name in record.methods), default=0)
    note = f"Split '{split}', {frames} frames; minutes are of all processor cores of this machine."
    return "\n".join([head, "|---|---|---|---|---|---|---|", *rows, "", note])


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}" if value > 1.5 else f"{value:.4f}"


def _check(capture: Capture, frames: Sequence[CaptureFrame]) -> None:
    """Raises CaptureError where baselines cannot be trained."""
    if not frames:
        raise CaptureError(f"The capture {capture.folder} has no training frames.", "Capture more views.")
    if len(identity_names(frames)) > 1:
        raise CaptureError("Baselines show one person, and the capture has several.", "Give a capture of one.")
    if len({frame.light for frame in frames}) > 1:
        raise CaptureError("Baselines know no light, and the capture has several.", "Give a capture of one light.")


def _known(path: Path, wanted: Record) -> Record:
    """The record that is gone on with. Raises TrainingError for one of another capture or with other settings."""
    if not path.is_file():
        return wanted
    told = Reader("The record", TrainingError, "Give another --out.", limit=1 << 24).json(path)
    compared = {key: value for key, value in asdict(wanted).items() if key != "methods"}
    differing = [key for key, value in compared.items() if told.get(key) != json.loads(json.dumps(value))]
    if differing:
        raise TrainingError(
            f"{path} compares with another {', '.join(differing)}.", "Give another --out, or the settings of then."
        )
    wanted.methods.update(told["methods"])
    return wanted


def _train_avatar(args: argparse.Namespace, run: Path) -> bool:
    """Train the method itself for the same time; False when it was stopped."""
    from ...cli import main

    resumed = (run / CHECKPOINT_FILE).is_file()
    if resumed and read_status(run).state == "done":
        return True
    words = ["train", str(args.captures[0]), "--out", str(run), "--minutes", f"{args.minutes:g}"]
    # As large a part of the time goes into the first stage as in a run of ten minutes.
    rays = min(RAY_STEPS, round(0.1 * RAY_STEPS * args.minutes))
    words += ["--set", "clock=processor", "light=as_trained", f"ray_steps={rays}", "--device", "cpu", "--preset", "cpu"]
    words += ["--resume"] if resumed else []
    words += ["--skip-bad"] if args.skip_bad else []
    code = main(words)
    if code not in (0, INTERRUPTED):
        raise TrainingError("The avatar of the comparison could not be trained.", f"Look into {run}.")
    return code == 0


def _drawn_by(avatar: str, args: argparse.Namespace, capture: Capture) -> Draw:
    renderer = Renderer(args.device, precision=args.precision)
    return lambda frame: render_frame(renderer, avatar, capture, frame)["rgba"]


def _measured(
    capture: Capture,
    frames: Sequence[CaptureFrame],
    suite: Suite,
    draw: Draw,
    name: str,
    folder: Path,
    stopped: Callable[[], bool],
) -> dict[str, Any] | None:
    """Means by split, frames by split, and seconds a frame; None when it was stopped. Some pictures are kept."""
    import time

    values: dict[str, list[dict[str, float]]] = {}
    seconds = []
    with closing(Progress("frames")) as progress:
        for number, frame in enumerate(frames):
            if stopped():
                return None
            progress(number, len(frames), f"measuring {METHODS[name]}")
            began = time.perf_counter()
            image = draw(frame)
            seconds.append(time.perf_counter() - began)
            truth = capture.image(frame)
            sheet.keep(folder, name, number, image, truth)
            try:
                found = suite.measure(image, truth, capture.split(frame))
            except LiveHandError as error:
                print(f"not measured: {frame.image}: {error.message}", file=sys.stderr)
                continue
            values.setdefault(capture.split(frame), []).append(found)
        progress(len(frames), len(frames), f"measuring {METHODS[name]}")
    if not values:
        raise CaptureError(
            "None of the frames could be measured.", "livehand check lists what is wrong with a capture."
        )
    means = {
        split: {key: float(np.mean([row[key] for row in rows])) for key in METRICS if key in rows[0]}
        for split, rows in values.items()
    }
    frames_of = {split: len(rows) for split, rows in values.items()}
    return {"splits": means, "frames": frames_of, "seconds": float(np.median(seconds))}


def _interrupted(record: Record) -> int:
    print(f"stopped; {len(record.methods)} measured. The same command goes on.", file=sys.stderr)
    return INTERRUPTED
