"""``livehand train CAPTURE --out RUN``: train an avatar on a capture."""

from __future__ import annotations

import argparse
import json
import os
import sys
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
    from .devices import Devices
    from .followers import QuietMonitor
    from .trainer import Trainer

CONFIG_FILE = "config.toml"
FOLLOWER_FAILED = 3


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.description = (
        "Train an avatar on a capture, or one of several identities on captures of several people. RUN gets the "
        "settings (config.toml), metrics.jsonl, TensorBoard events, a checkpoint, previews, curves, and "
        "avatar.safetensors, which is renewed with every checkpoint. Ctrl-C ends it cleanly; --resume continues it. "
        "Held-out cameras and poses are measured and never trained on. A run in another terminal, or one started by "
        "Blender, is watched and controlled with --status, --pause, --go-on and --stop."
    )
    parser.add_argument(
        "captures", type=Path, nargs="*", metavar="CAPTURE", help="folders of captures; a resumed run knows its own"
    )
    parser.add_argument(
        "--identities",
        nargs="+",
        action="extend",
        metavar="NAME",
        help="whose hand each capture shows, in the same order; by default what they say, else their folders' names",
    )
    parser.add_argument("--out", type=Path, metavar="RUN", help="folder of the run")
    parser.add_argument(
        "--published-config", type=Path, metavar="FILE",
        help="the published code's config.txt: its data are prepared, and trained on in basedir/expname",
    )  # fmt: skip
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
    parser.add_argument(
        "--devices",
        type=int,
        default=1,
        metavar="N",
        help="train on N CUDA devices, or with N processes on the processor, which share each step's images",
    )
    parser.add_argument(
        "--slurm",
        nargs="*",
        metavar="OPTION=VALUE",
        help="train as a job of Slurm, queued again and resumed when its time ends; options of sbatch, such as "
        "time=60 (minutes) partition=gpu cpus_per_task=8",
    )
    parser.add_argument(
        "--refine",
        action=argparse.BooleanOptionalAction,
        help="correct poses, shape, the proxy's surface and, with --set refine_cameras=true, cameras while training; "
        "by default for captures made of data sets and footage",
    )
    parser.add_argument("--resume", action="store_true", help="go on from RUN's checkpoint with RUN's settings")
    parser.add_argument(
        "--begin-with", metavar="AVATAR",
        help="begin a new run with what an avatar ('default' or a file) has learnt, in place of from nothing",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--skip-bad", action="store_true", help="go on without images and poses that cannot be used")
    parser.add_argument("--name", default="avatar", help="name of the avatar")
    parser.add_argument("--licence", default="", help="SPDX id or a short statement; the capture's by default")
    parser.add_argument("--consent", default="", help="what the hand's owner has agreed to; by default as captured")
    other = parser.add_mutually_exclusive_group()
    other.add_argument("--status", type=Path, metavar="RUN", help="print how a run is doing, and exit")
    other.add_argument("--pause", type=Path, metavar="RUN", help="tell a run to write a checkpoint and pause, and exit")
    other.add_argument("--go-on", type=Path, metavar="RUN", help="tell a paused run to continue, and exit")
    other.add_argument(
        "--write-poses", type=Path, metavar="RUN", help="take a run's refined poses into its captures, and exit"
    )
    other.add_argument("--stop", type=Path, metavar="RUN", help="tell a run to stop cleanly, and exit")
    parser.add_argument("--json", action="store_true", help="with --status: JSON for programs")


def run(args: argparse.Namespace) -> int:
    """Train, or watch and steer a run; 0 when it is done, 130 when it was interrupted."""
    if _steer(args):
        return 0
    if args.published_config is not None:
        _prepare_published(args)
    if args.out is None:
        raise TrainingError("No folder for the run is given.", "Give one with --out RUN.")
    if args.devices < 1:
        raise TrainingError(f"{args.devices} devices cannot train.", "Give --devices 1 or more.")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and "LOCAL_RANK" in os.environ:
        # One of those that torchrun started.
        require("training")
        from .devices import joined

        with joined(args.device) as devices:
            return _lead(args, devices) if devices.leads else _follow(args, devices)
    if args.slurm is not None:
        from .cluster import submit_command

        gpus = args.devices if args.device.startswith("cuda") else 0
        return submit_command(args.given, args.out, args.slurm, gpus, args.resume)
    if args.devices > 1:
        from .launch import train_on_devices

        return train_on_devices(args.given, args.out, args.devices, args.device)
    return _lead(args, None)


def _prepare_published(args: argparse.Namespace) -> None:
    """Prepare the data that a published configuration names, and put them and its run in the arguments' place.

    Raises:
        CaptureError: the file or its data cannot be used.
    """
    require("datasets")
    from ..datasets.published_config import capture_of, read_config
    from ..progress import Progress

    config = read_config(args.published_config)
    progress = Progress("frames")
    capture = capture_of(config, "right", lambda done: progress(done, done + 1, "preparing"))
    progress.close()
    if config.unused:
        print(f"{args.published_config}: not used: {', '.join(config.unused)}")
    args.captures, args.out = [capture.folder], args.out or config.run
    where = args.given.index("--published-config") if "--published-config" in args.given else None
    if where is not None:
        # What other processes of this run are given.
        args.given[where : where + 2] = [str(capture.folder), "--out", str(args.out)]


def _lead(args: argparse.Namespace, devices: Devices | None) -> int:
    """Train and write the run's files, alone or before the others."""
    status = _described(args)
    with locked(args.out), interruptible("stopping after this step") as stop:
        if devices is not None:
            devices.stopping = stop
        monitor = Monitor(args.out, status, stop)
        try:
            done = _train(args, status, monitor, devices)
        except KeyboardInterrupt:
            monitor.close("stopped", "Stopped before there was a checkpoint." if not _resumable(args.out) else "")
            return INTERRUPTED
        except BaseException as error:
            message = str(error) if isinstance(error, LiveHandError) else f"{type(error).__name__}: {error}"
            monitor.close("failed", message)
            raise
        monitor.close("done" if done else "stopped")
    return 0 if done else INTERRUPTED


def _follow(args: argparse.Namespace, devices: Devices) -> int:
    """Train beside the leader, which is told what went wrong here."""
    from .followers import QuietMonitor

    with interruptible() as stop:
        devices.stopping = stop
        try:
            done = _train(args, _described(args), QuietMonitor(), devices)
        except BaseException as error:
            devices.report(error)
            # Without waiting for those that are gone.
            sys.stderr.flush()
            os._exit(FOLLOWER_FAILED)
    return 0 if done else INTERRUPTED


def _described(args: argparse.Namespace) -> RunStatus:
    """What the run is told to do, with what a resumed one knows itself. Raises TrainingError without a capture."""
    known = read_status(args.out) if args.resume else RunStatus("starting", args.name, preset=args.preset or "")
    captures = args.captures or [Path(folder) for folder in (known.capture, *known.more_captures) if folder]
    if not captures:
        raise TrainingError("No capture to train on is given.", "Give the folder of a capture.")
    first, *others = (str(capture.resolve()) for capture in captures)
    names = tuple(args.identities or known.identities)
    status = replace(known, capture=first, more_captures=tuple(others), identities=names, device=args.device)
    return replace(status, skip_bad=args.skip_bad or known.skip_bad, message="")


def _steer(args: argparse.Namespace) -> bool:
    """Do what --status, --pause, --go-on and --stop ask for; False when none was given."""
    if args.status is not None:
        status = read_status(args.status)
        print(json.dumps(asdict(status)) if args.json else describe(status))
        return True
    if args.write_poses is not None:
        require("training")
        from .refined import write_back

        for file in write_back(args.write_poses):
            print(f"written: {file}")
        return True
    orders: tuple[tuple[Path | None, Order], ...] = ((args.pause, "pause"), (args.go_on, "go"), (args.stop, "stop"))
    for folder, order in orders:
        if folder is not None:
            give_order(folder, order)
            return True
    return False


def _train(
    args: argparse.Namespace, status: RunStatus, monitor: Monitor | QuietMonitor, devices: Devices | None
) -> bool:
    """Train; False when the run was stopped early."""
    require("training")
    import torch

    from ..avatars.file import load_avatar
    from ..captures.checks import SMALLEST_MASK
    from ..captures.joined import identity_names, inspect_captures
    from ..devices import pick_device
    from ..hand.library import find_model
    from .devices import Devices, OthersGone
    from .export import licence_of
    from .followers import QuietJournal, QuietSession, keep_for_the_leader
    from .journal import Journal
    from .memory import keep_freed_memory
    from .perceptual import load_lpips
    from .refined import is_imported
    from .session import Session
    from .trainer import Trainer
    from .views import HandMesh

    keep_freed_memory()
    devices = devices or Devices(torch.device(pick_device(args.device)))
    device = devices.device
    config = _settings(args, "cpu" if device.type == "cpu" else "published", devices.count)
    monitor.tell(name=config.name, device=str(device), message="Reading the capture.")
    folders = [Path(folder) for folder in (status.capture, *status.more_captures)]
    # Before the capture is gone through: what the run writes may turn out to be unwritable.
    journal = Journal(args.out) if devices.leads else QuietJournal()
    inspection = inspect_captures(folders, status.identities, status.skip_bad)
    capture = inspection.capture
    licence_of(config, capture)
    frames = [
        frame
        for frame, pixels in zip(capture.frames, inspection.mask_pixels, strict=True)
        if capture.split(frame) == "train" and pixels >= SMALLEST_MASK
    ]
    data = find_model(capture.hand_model, capture.poses.poses[0].side)
    if not data.has_texture:
        raise TrainingError(
            f"The hand model {data.name!r} has no texture coordinates, in which an avatar is learnt.",
            "Put MANO_UV_right.obj (MANO's page, downloads) beside the hand model's file.",
        )
    if args.refine is None and not args.resume and not any(item.startswith("refine=") for item in args.set):
        config = replace(config, refine=is_imported(capture) and data.is_hand and config.coordinates == "uvd")
    if config.refine and config.refine_silhouettes:
        require("datasets", "Or train with --set refine_silhouettes=false, or --no-refine.")
    beginning = None if args.begin_with is None else load_avatar(args.begin_with)
    lpips, perceptual = load_lpips(device)
    for line in capture.notes:
        journal.say(line)
    for problem in inspection.problems:
        journal.say(f"left out: {problem}")
    journal.say(f"{len(frames)} training images of {len(capture.frames)} in {capture.folder}; device {device}")
    if devices.count > 1:
        journal.say(f"{devices.count} processes share the {config.tiles_per_step} images of a step")
    if len(identity_names(frames)) > 1:
        images = Counter(frame.identity for frame in frames)
        journal.say("identities: " + ", ".join(f"{name} ({images[name]} images)" for name in sorted(images)))
    journal.say(f"perceptual loss: {perceptual}")
    if config.refine:
        journal.say("fits are refined: --no-refine trains on them as they are")
    trainer = Trainer(args.out, capture, frames, config, HandMesh.of(data), device, journal, lpips, devices)
    session: Session | QuietSession = QuietSession()
    if isinstance(monitor, Monitor):
        save_config(trainer.config, args.out / CONFIG_FILE)
        session = Session(trainer, capture, frames, data, journal, args.out / AVATAR_FILE, perceptual, monitor)
    try:
        monitor.tell(message="Getting ready; after an installation the kernels are compiled once.")
        trainer.rehearse()
        if args.resume and _resumable(args.out):
            trainer.resume()
            journal.say(f"resumed at step {trainer.step}")
        else:
            monitor.tell(state="rays", message="First stage: single rays from all images.")
            monitor.watch(trainer)
            trainer.begin(monitor.point, beginning)
            session.checkpoint()
        monitor.watch(trainer)
        monitor.tell(state="training", message="")
        done = trainer.train(monitor.stop_asked, session.after_step)
    except (CaptureError, OthersGone) as error:
        if devices.leads:
            raise _kept(error, trainer, folders, args.out) from error
        if isinstance(error, OthersGone) and trainer.step:
            keep_for_the_leader(args.out, trainer.step, trainer.save, error)
        raise
    session.finish()
    journal.say(
        f"{'done' if done else 'interrupted; --resume goes on'} at step {trainer.step}: {args.out / AVATAR_FILE}"
    )
    trainer.close()
    journal.close()
    return done


def _kept(error: LiveHandError, trainer: Trainer, folders: list[Path], run: Path) -> TrainingError:
    """What is told when a run cannot go on in its middle, its capture or a process gone; its state is saved first."""
    gone = [folder for folder in folders if not (folder / "transforms.json").is_file()]
    reason = f"The capture {gone[0]}, which the run needs, is gone." if gone else error.message
    bring = "bring it back, and " if gone else ""
    if trainer.step == 0 and not _resumable(run):
        return TrainingError(reason, f"{bring}start again.".capitalize())
    trainer.save()
    return TrainingError(reason, f"All up to step {trainer.step} is kept: {bring}resume the run in {run}.")


def _resumable(run: Path) -> bool:
    return (run / CHECKPOINT_FILE).is_file()


def _settings(args: argparse.Namespace, default_preset: str, devices: int) -> TrainingConfig:
    """The run's settings; a new run draws an image a step for each device at least."""
    config = _chosen(args, default_preset)
    if config.tiles_per_step >= devices:
        return config
    if args.resume or any(item.startswith("tiles_per_step=") for item in args.set):
        raise TrainingError(
            f"{devices} devices cannot share the {config.tiles_per_step} images of a step.",
            f"Give --devices {config.tiles_per_step}, or begin a run with --set tiles_per_step={devices}.",
        )
    return replace(config, tiles_per_step=devices)


def _chosen(args: argparse.Namespace, default_preset: str) -> TrainingConfig:
    changes: dict[str, Any] = dict(_assignment(item) for item in args.set)
    if args.steps is not None:
        changes |= {"steps": args.steps, "minutes": 0.0}
    if args.minutes is not None:
        changes |= {"minutes": args.minutes, "steps": 0}
    if args.refine is not None:
        changes["refine"] = args.refine
    papers = {"licence": args.licence, "consent": args.consent}
    if args.resume:
        changes |= {key: value for key, value in papers.items() if value}
        return load_config(args.out / CONFIG_FILE, **changes)
    changes |= {"seed": args.seed, "name": args.name, **papers}
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
        if text.replace("_", "").isalnum():
            # A word, whose quotes a shell has taken or nobody has given.
            return key, text
        raise TrainingError(
            f"The value of {item!r} is not TOML ({error}).", "Write KEY=VALUE, e.g. tile=64."
        ) from error
