"""``livehand bench``: measure the renderer and the engine on this machine."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..devices import add_instructions, choose_instructions, pick_device
from ..errors import LiveHandError
from ..files import atomic_path, check_writable
from ..frames import DEFAULT_AVATAR
from ..libraries import require
from .animation import FRAMES, REFERENCE_SIZE, AnimationSettings, animation

if TYPE_CHECKING:
    from .report import Report

PLAIN_FRAMES = 5
SOAK_LARGE = (1920, 1080)
UNTRAINED = "untrained"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.description = (
        "Measure how fast an avatar is drawn here: an animation of a hand under a slow orbit, stage by stage, against "
        "the plain formulation in the same run, and against the matrix products that this machine is capable of. "
        "docs/performance.md explains the figures."
    )
    parser.add_argument(
        "--avatar",
        default=DEFAULT_AVATAR,
        help="avatar file; 'untrained' makes one of published size with random weights, which no ray ends early in: "
        "its frames cost more than any trained avatar's",
    )
    parser.add_argument(
        "--size", type=_size, metavar="WxH", help="size of the image (512x334, twice as wide for two hands)"
    )
    parser.add_argument("--hands", type=int, default=1, help="1, or 2 for a right and a left one")
    parser.add_argument("--frames", type=int, default=FRAMES, help="frames of the animation")
    parser.add_argument("--keep-pixels", action="store_true", help="hands as large in pixels as at 512x334")
    parser.add_argument("--device", default="auto", help="auto, gpu, gpu:1, cpu")
    parser.add_argument(
        "--precision",
        choices=("fast", "exact"),
        help="precision of the arithmetic; the renderer's own choice by default",
    )
    add_instructions(parser)
    parser.add_argument(
        "--plain-frames", type=int, default=PLAIN_FRAMES, help="frames for the plain formulation; 0 leaves it out"
    )
    parser.add_argument("--no-engine", action="store_true", help="do not measure the engine process")
    parser.add_argument(
        "--soak", type=int, default=0, metavar="N", help="also render N frames through one engine process"
    )
    parser.add_argument("--json", metavar="PATH", help="write the figures as one JSON object; - for standard output")


def run(args: argparse.Namespace) -> int:
    """Measure; 0 when it is done."""
    check_writable(None if args.json == "-" else args.json)
    width, height = args.size or (REFERENCE_SIZE[0] * args.hands, REFERENCE_SIZE[1])
    settings = AnimationSettings(args.avatar, width, height, args.hands, args.frames, args.keep_pixels)
    if args.avatar == UNTRAINED:
        require("torch", "The default avatar can be measured without.")
        from tempfile import TemporaryDirectory

        with TemporaryDirectory(prefix="livehand_bench_") as folder:
            path = _untrained(Path(folder))
            report = replace(_measure(args, replace(settings, avatar=str(path))), settings=settings)
    else:
        report = _measure(args, settings)
    from .report import table

    text = json.dumps(report.to_json(), indent=2, allow_nan=False)
    if args.json == "-":
        print(text)
    else:
        print(table(report))
        if args.json:
            with atomic_path(args.json) as temporary:
                temporary.write_text(text + "\n", encoding="utf-8")
    return 0


def _measure(args: argparse.Namespace, settings: AnimationSettings) -> Report:
    require("rendering")
    choose_instructions(args.instructions)
    if args.plain_frames:
        require("plain", "--plain-frames 0 leaves it out.")
    from .load import LoadWatch

    requests, watch = animation(settings), LoadWatch()
    with ExitStack() as stack:
        started = transport = None
        if not args.no_engine:
            from .engine_run import measure_transport, started_engine

            # First of all, while this process holds neither torch nor compiled kernels.
            _say("engine: two starts")
            started = stack.enter_context(started_engine(requests[0], args.device))
            transport = measure_transport(requests).median_ms
        from ..rendering import Renderer
        from .timing import time_in_turns

        _say(f"renderer{' and engine' if started else ''}: {settings.frames} frames")
        options = {"precision": args.precision} if args.precision else {}
        renderer = Renderer(args.device, **options)
        with watch.during("frames", *([started[0].start().pid] if started else [])):
            timings, *others = time_in_turns([renderer.render, *([started[0].render] if started else [])], requests)
        engine = None
        if started:
            from .engine_run import engine_figures

            engine = engine_figures(*started, others[0])
    soaked = None
    if args.soak:
        from .soak import SETTLE, soak

        if args.soak <= SETTLE:
            raise LiveHandError(f"A soak of {args.soak} frames is too short.", f"Give more than {SETTLE}.")
        _say(f"soak: {args.soak} frames")
        large = replace(settings, width=SOAK_LARGE[0], height=SOAK_LARGE[1], keep_pixels=False, frames=1)
        soaked = soak(requests, animation(large)[0], args.soak, args.device, _say)

    from .machine import describe, usable_cores

    warnings = renderer.render(requests[-1]).warnings
    machine, comparison, peaks = describe(), None, {}
    device = str(renderer.device)
    plain = "cpu" if device == "cpu" else pick_device("auto")
    if args.plain_frames:
        from .comparison import compare
        from .peaks import cuda_peaks, gemm_peaks

        _say(f"plain formulation: {args.plain_frames} frames")
        with watch.during("comparison"):
            comparison = compare(renderer.render, animation(replace(settings, frames=args.plain_frames)), plain)
        _say("matrix products")
        if plain.startswith("cuda"):
            peaks = cuda_peaks(plain)
        elif device == "cpu":
            # Of a GPU that torch does not reach, they say nothing.
            peaks = gemm_peaks(machine["instructions"], usable_cores())
    from .report import Report

    return Report(
        settings=settings,
        device=device,
        precision=args.precision or "",
        arithmetic=renderer.arithmetic(settings.avatar),
        machine=machine,
        load=watch.load(),
        timings=timings,
        comparison=comparison,
        peaks=peaks,
        engine=engine,
        soak=soaked,
        transport_ms=transport,
        warnings=warnings,
    )


def _untrained(folder: Path) -> Path:
    """An avatar of published size with random weights."""
    from ..avatars import new_avatar, save_avatar
    from ..hand.builtin import builtin_hand

    path = folder / "untrained.safetensors"
    save_avatar(path, new_avatar(builtin_hand("right")))
    return path


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a size; write WIDTHxHEIGHT, e.g. 512x334")
    return int(width), int(height)


def _say(line: str) -> None:
    """Progress, kept apart from the figures on standard output."""
    print(f"[bench] {line}", file=sys.stderr, flush=True)
