"""``livehand bench-training CAPTURE``: the training step's time and gradients beside the plain formulation's."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from ..files import atomic_path, check_writable
from ..libraries import require
from .config import PRESETS, TrainingConfig, preset

MEASURES = ("step", "parts", "gradients")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.description = (
        "Time the training step against the plain one and compare their gradients, over whole images and on the "
        "processor. Nothing else should run meanwhile. docs/performance.md explains the figures."
    )
    parser.add_argument("capture", type=Path, help="folder of a capture")
    parser.add_argument("--preset", choices=tuple(PRESETS), default="cpu", help="sizes and losses of the run")
    parser.add_argument("--images", type=int, default=2, help="images a step")
    parser.add_argument("--steps", type=int, default=5, help="steps of the trainer that are timed")
    parser.add_argument("--plain-steps", type=int, default=2, help="plain steps that are timed")
    parser.add_argument("--only", choices=MEASURES, help="one of the three measures")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures as one JSON object")


def run(args: argparse.Namespace) -> int:
    """Measure and print the tables; 0 when it is done."""
    require("training")
    check_writable(args.json)
    config = preset(args.preset, steps=1, tiles_per_step=args.images)
    figures: dict[str, Any] = {}
    for name in (args.only,) if args.only else MEASURES:
        if name == "step":
            figures |= _step(args, config)
        elif name == "parts":
            figures["parts_ms"] = _parts(args.capture, config)
        else:
            figures["gradient_error"] = _gradients(args.capture, config)
    if args.json:
        with atomic_path(args.json) as temporary:
            temporary.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 0


def _step(args: argparse.Namespace, config: TrainingConfig) -> dict[str, Any]:
    from .measure import measure_training_step

    figures = measure_training_step(args.capture, config, args.steps, args.plain_steps)
    print(
        f"step over {figures['images']} whole images, {figures['cores']} cores: plain {figures['plain_ms']:.0f} ms, "
        f"ours {figures['fast_ms']:.0f} ms, {figures['ratio']:.2f} times as fast"
    )
    return dict(figures)


def _parts(capture: Path, config: TrainingConfig) -> dict[str, Any]:
    from .measure import measure_parts

    parts = measure_parts(capture, config)
    print(f"{'one image, one core, ms':26}{'plain':>8}{'ours':>8}{'ratio':>8}")
    for part, (plain, fast) in parts.items():
        print(f"{part:26}{plain:8.0f}{fast:8.0f}{plain / fast:8.1f}")
    return {part: {"plain": plain, "fast": fast} for part, (plain, fast) in parts.items()}


def _gradients(capture: Path, config: TrainingConfig) -> float:
    from .measure import gradient_error

    errors = gradient_error(capture, config)
    worst = max(errors, key=lambda key: errors[key])
    print(f"gradients against the plain step in float64: worst {errors[worst]:.1e} ({worst})")
    return errors[worst]
