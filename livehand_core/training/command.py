"""``livehand train CAPTURE --out RUN``: train an avatar on a capture."""

from __future__ import annotations

import argparse
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from .config import PRESETS, TrainingConfig, load_config, preset, save_config

CONFIG_FILE = "config.toml"
AVATAR_FILE = "avatar.safetensors"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.description = (
        "Train an avatar on a capture. RUN gets the settings (config.toml), metrics.jsonl, TensorBoard events, a "
        "checkpoint, previews, and avatar.safetensors, which is renewed with every checkpoint. Ctrl-C ends it cleanly; "
        "--resume goes on. Held-out cameras and poses are measured and never trained on."
    )
    parser.add_argument("capture", type=Path, help="folder of a capture")
    parser.add_argument("--out", type=Path, required=True, metavar="RUN", help="folder of the run")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--steps", type=int, help="length of the run in steps; only such a run can be repeated exactly")
    length.add_argument("--minutes", type=float, help="length of the run in minutes of training")
    parser.add_argument("--preset", choices=tuple(PRESETS), help="settings; by default 'cpu' or 'published' by device")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="change single settings")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1")
    parser.add_argument("--resume", action="store_true", help="go on from RUN's checkpoint with RUN's settings")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--name", default="avatar", help="name of the avatar")
    parser.add_argument("--licence", default="", help="SPDX id; the capture's by default")


def run(args: argparse.Namespace) -> int:
    """Train; 0 when the run is done, 130 when it was interrupted."""
    from ..captures.capture import read_capture
    from ..captures.checks import SMALLEST_MASK, check_capture
    from ..hand.library import find_hand
    from ..rendering.renderer import pick_device
    from .journal import Journal
    from .memory import keep_freed_memory
    from .perceptual import load_lpips
    from .session import Session
    from .trainer import Trainer
    from .views import HandMesh

    keep_freed_memory()
    device = pick_device(args.device)
    config = _settings(args, "cpu" if device.type == "cpu" else "published")
    capture = read_capture(args.capture)
    masks = check_capture(capture)
    frames = [
        frame
        for frame, pixels in zip(capture.frames, masks, strict=True)
        if capture.split(frame) == "train" and pixels >= SMALLEST_MASK
    ]
    data = find_hand(capture.hand_model, capture.poses.poses[0].side)
    args.out.mkdir(parents=True, exist_ok=True)
    journal = Journal(args.out)
    lpips, perceptual = load_lpips(device)
    journal.say(f"{len(frames)} training images of {len(capture.frames)} in {args.capture}; device {device}")
    journal.say(f"perceptual loss: {perceptual}")
    trainer = Trainer(args.out, capture, frames, config, HandMesh.of(data, device), device, journal, lpips)
    if args.resume:
        trainer.resume()
        journal.say(f"resumed at step {trainer.step}")
    else:
        trainer.begin()
    save_config(config, args.out / CONFIG_FILE)
    session = Session(trainer, capture, frames, data, journal, args.out / AVATAR_FILE, perceptual)
    with interruptible() as stop:
        done = trainer.train(stop, session.after_step)
    session.finish()
    journal.say(
        f"{'done' if done else 'interrupted; --resume goes on'} at step {trainer.step}: {args.out / AVATAR_FILE}"
    )
    trainer.close()
    journal.close()
    return 0 if done else 130


def _settings(args: argparse.Namespace, default_preset: str) -> TrainingConfig:
    changes: dict[str, Any] = dict(_assignment(item) for item in args.set)
    if args.steps is not None:
        changes |= {"steps": args.steps, "minutes": 0.0}
    if args.minutes is not None:
        changes |= {"minutes": args.minutes, "steps": 0}
    if args.resume:
        return load_config(args.out / CONFIG_FILE, **changes)
    changes |= {"seed": args.seed, "name": args.name, "licence": args.licence}
    return preset(args.preset or default_preset, **changes)


def _assignment(item: str) -> tuple[str, Any]:
    from dataclasses import fields
    from tomllib import TOMLDecodeError, loads

    from ..errors import TrainingError

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


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Within the block SIGINT and SIGTERM only set what the yielded function answers; a second one raises."""
    asked = False

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        print(f"{time.strftime('%H:%M:%S')} stopping after this step", flush=True)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
