"""``livehand train CAPTURE --out RUN``: train an avatar on a capture."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import CaptureError, LiveHandError, TrainingError
from ..interrupts import INTERRUPTED, interruptible
from ..libraries import require
from ..processes import Order
from .config import PRESETS, TrainingConfig, load_config, preset, save_config
from .control import (
    AVATAR_FILE,
    CHECKPOINT_FILE,
    RunStatus,
    describe,
    give_order,
    locked,
    read_status,
)
from .lengths import LENGTHS, settings_of
from .monitor import Monitor

if TYPE_CHECKING:
    from .trainer import Trainer

CONFIG_FILE = "config.toml"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.description = (
        "Train an avatar on a capture, or one of several identities on captures of several people. RUN gets the "
        "settings (config.toml), metrics.jsonl, TensorBoard events, a checkpoint, previews, curves, and "
        "avatar.safetensors, which is renewed with every checkpoint. Ctrl-C ends it cleanly; --resume goes on. "
        "Held-out cameras and poses are measured and never trained on. A run in another terminal, or one started by "
        "Blender, is watched and steered with --status, --pause, --go-on and --stop."
    )
    parser.add_argument(
        "captures", type=Path, nargs="*", metavar="CAPTURE", help="folders of captures; a resumed run knows its own"
    )
    parser.add_argument(
        "--identities",
        nargs="+",
        action="extend",
        metavar="NAME",
        help="whose hand each capture shows, in their order; by default as they say, or called after their folders",
    )
    parser.add_argument("--out", type=Path, metavar="RUN", help="folder of the run")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--steps", type=int, help="length of the run in steps; only such a run can be repeated exactly")
    length.add_argument("--minutes", type=float, help="length of the run in minutes of training")
    parser.add_argument(
        "--preset",
        choices=(*LENGTHS, *PRESETS),
        help="quick, standard, full: 'cpu' or 'published' by device, with a length of its own",
    )
    parser.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help="change single settings"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1")
    parser.add_argument("--resume", action="store_true", help="go on from RUN's checkpoint with RUN's settings")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--skip-bad", action="store_true", help="go on without images and poses that cannot be used")
    parser.add_argument("--name", default="avatar", help="name of the avatar")
    parser.add_argument("--licence", default="", help="SPDX id; the capture's by default")
    other = parser.add_mutually_exclusive_group()
    other.add_argument("--status", type=Path, metavar="RUN", help="say how a run stands, and end")
    other.add_argument("--pause", type=Path, metavar="RUN", help="have a run write a checkpoint and wait, and end")
    other.add_argument("--go-on", type=Path, metavar="RUN", help="have a paused run go on, and end")
    other.add_argument("--stop", type=Path, metavar="RUN", help="have a run end cleanly, and end")
    parser.add_argument("--json", action="store_true", help="with --status: JSON for programs")


def run(args: argparse.Namespace) -> int:
    """Train, or watch and steer a run; 0 when it is done, 130 when it was interrupted."""
    if _steer(args):
        return 0
    if args.out is None:
        raise TrainingError("It is not said where the run goes.", "Give --out RUN, a folder.")
    known = read_status(args.out) if args.resume else RunStatus("starting", args.name, preset=args.preset or "")
    captures = args.captures or [Path(folder) for folder in (known.capture, *known.more_captures) if folder]
    if not captures:
        raise TrainingError("It is not said what to train on.", "Give the folder of a capture.")
    first, *others = (str(capture.resolve()) for capture in captures)
    names = tuple(args.identities or known.identities)
    with locked(args.out), interruptible("stopping after this step") as stop:
        status = replace(known, capture=first, more_captures=tuple(others), identities=names, device=args.device)
        status = replace(status, skip_bad=args.skip_bad or known.skip_bad, message="")
        monitor = Monitor(args.out, status, stop)
        try:
            done = _train(args, status, monitor)
        except KeyboardInterrupt:
            monitor.close("stopped", "Stopped before there was a checkpoint." if not _resumable(args.out) else "")
            return INTERRUPTED
        except BaseException as error:
            message = str(error) if isinstance(error, LiveHandError) else f"{type(error).__name__}: {error}"
            monitor.close("failed", message)
            raise
        monitor.close("done" if done else "stopped")
    return 0 if done else INTERRUPTED


def _steer(args: argparse.Namespace) -> bool:
    """Do what --status, --pause, --go-on and --stop ask for; False when none was given."""
    if args.status is not None:
        status = read_status(args.status)
        print(json.dumps(asdict(status)) if args.json else describe(status))
        return True
    orders: tuple[tuple[Path | None, Order], ...] = ((args.pause, "pause"), (args.go_on, "go"), (args.stop, "stop"))
    for folder, order in orders:
        if folder is not None:
            give_order(folder, order)
            return True
    return False


def _train(args: argparse.Namespace, status: RunStatus, monitor: Monitor) -> bool:
    """Train; False when the run was stopped early."""
    require("training")
    import torch

    from ..captures.checks import SMALLEST_MASK, check_one_light
    from ..captures.joined import identity_names, inspect_captures
    from ..devices import pick_device
    from ..hand.library import find_hand
    from .journal import Journal
    from .memory import keep_freed_memory
    from .perceptual import load_lpips
    from .session import Session
    from .trainer import Trainer
    from .views import HandMesh

    keep_freed_memory()
    device = torch.device(pick_device(args.device))
    config = _settings(args, "cpu" if device.type == "cpu" else "published")
    monitor.tell(name=config.name, device=str(device), message="Reading the capture.")
    folders = [Path(folder) for folder in (status.capture, *status.more_captures)]
    # Before the capture is gone through: what the run writes may turn out to be unwritable.
    journal = Journal(args.out)
    inspection = inspect_captures(folders, status.identities, status.skip_bad)
    capture = inspection.capture
    frames = [
        frame
        for frame, pixels in zip(capture.frames, inspection.mask_pixels, strict=True)
        if capture.split(frame) == "train" and pixels >= SMALLEST_MASK
    ]
    check_one_light(capture, frames)
    data = find_hand(capture.hand_model, capture.poses.poses[0].side)
    lpips, perceptual = load_lpips(device)
    for line in capture.notes:
        journal.say(line)
    for problem in inspection.problems:
        journal.say(f"left out: {problem}")
    journal.say(f"{len(frames)} training images of {len(capture.frames)} in {capture.folder}; device {device}")
    if len(identity_names(frames)) > 1:
        images = Counter(frame.identity for frame in frames)
        journal.say("identities: " + ", ".join(f"{name} ({images[name]} images)" for name in sorted(images)))
    journal.say(f"perceptual loss: {perceptual}")
    trainer = Trainer(args.out, capture, frames, config, HandMesh.of(data), device, journal, lpips)
    save_config(config, args.out / CONFIG_FILE)
    session = Session(trainer, capture, frames, data, journal, args.out / AVATAR_FILE, perceptual, monitor)
    try:
        monitor.tell(message="Getting ready; once after an installation the loops are compiled.")
        trainer.rehearse()
        if args.resume and _resumable(args.out):
            trainer.resume()
            journal.say(f"resumed at step {trainer.step}")
        else:
            monitor.tell(state="rays", message="First stage: single rays from all images.")
            monitor.watch(trainer)
            trainer.begin(monitor.point)
            session.checkpoint()
        monitor.watch(trainer)
        monitor.tell(state="training", message="")
        done = trainer.train(monitor.stop_asked, session.after_step)
    except CaptureError as error:
        raise _kept(error, trainer, folders, args.out) from error
    session.finish()
    journal.say(
        f"{'done' if done else 'interrupted; --resume goes on'} at step {trainer.step}: {args.out / AVATAR_FILE}"
    )
    trainer.close()
    journal.close()
    return done


def _kept(error: CaptureError, trainer: Trainer, folders: list[Path], run: Path) -> TrainingError:
    """What is told when the capture cannot be read any more in the middle of a run, whose state is saved first."""
    gone = [folder for folder in folders if not (folder / "transforms.json").is_file()]
    reason = f"The capture {gone[0]} is gone, which the run needs." if gone else error.message
    if trainer.step == 0 and not _resumable(run):
        return TrainingError(reason, "Bring it back, and start again.")
    trainer.save()
    return TrainingError(reason, f"All up to step {trainer.step} is kept: bring it back, and resume the run in {run}.")


def _resumable(run: Path) -> bool:
    return (run / CHECKPOINT_FILE).is_file()


def _settings(args: argparse.Namespace, default_preset: str) -> TrainingConfig:
    changes: dict[str, Any] = dict(_assignment(item) for item in args.set)
    if args.steps is not None:
        changes |= {"steps": args.steps, "minutes": 0.0}
    if args.minutes is not None:
        changes |= {"minutes": args.minutes, "steps": 0}
    if args.resume:
        return load_config(args.out / CONFIG_FILE, **changes)
    changes |= {"seed": args.seed, "name": args.name, "licence": args.licence}
    if args.preset in LENGTHS:
        length = {} if "minutes" in changes or "steps" in changes else {"minutes": LENGTHS[args.preset].minutes}
        return preset(default_preset, **(settings_of(args.preset) | length | changes))
    return preset(args.preset or default_preset, **changes)


def _assignment(item: str) -> tuple[str, Any]:
    from dataclasses import fields
    from tomllib import TOMLDecodeError, loads

    key, _, text = item.partition("=")
    known = {field.name for field in fields(TrainingConfig)}
    if key not in known:
        raise TrainingError(f"The setting {key!r} is unknown.", f"Choose from {', '.join(sorted(known))}.")
    try:
        return key, loads(f"value = {text}")["value"]
    except TOMLDecodeError as error:
        raise TrainingError(
            f"The value of {item!r} is not TOML ({error}).", "Write KEY=VALUE, e.g. tile=64."
        ) from error
