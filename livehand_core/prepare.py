"""``livehand prepare``: compile the processor's kernels once, so that no artist waits for them at the first frame."""

from __future__ import annotations

import argparse
import time

import numpy as np

from .devices import add_instructions, choose_instructions
from .libraries import require

SIZE = 96


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the subcommand."""
    parser.description = (
        "Compile the renderer for this processor and keep what comes out. It happens by itself at the first frame, "
        "where it takes up to a minute; afterwards, and after this command, the first frame takes seconds."
    )
    parser.add_argument("--exact", action="store_true", help="also compile what --precision exact needs")
    add_instructions(parser)
    parser.add_argument("--machine", action="store_true", help="print the progress as lines of JSON, for programs")


def run(args: argparse.Namespace) -> int:
    """Draw one small frame with every pass."""
    require("rendering")
    choose_instructions(args.instructions)
    start = time.perf_counter()
    prepare(("fast", "exact") if args.exact else ("fast",))
    print(f"The renderer is ready ({time.perf_counter() - start:.1f} s).")
    return 0


def prepare(precisions: tuple[str, ...] = ("fast",)) -> None:
    """Draw one small frame of the default avatar with every pass, which compiles or finds all that a frame runs."""
    from .cameras import Camera, look_at
    from .frames import FrameRequest, HandInstance
    from .lights import Lamp, Light
    from .passes import PASSES
    from .poses import HandPose
    from .rendering.renderer import Renderer

    middle = np.array([-0.09, 0.0, 0.0])
    matrix = look_at(middle + np.array([0.1, 0.1, 0.4]), middle, np.array([0.0, 1.0, 0.0]))
    camera = Camera(SIZE, SIZE, 1.5 * SIZE, 1.5 * SIZE, SIZE / 2, SIZE / 2, matrix)
    light = Light.uniform((1.0, 1.0, 1.0), (Lamp((1.0, 1.0, 1.0), direction=(0.0, 1.0, 0.0)),))
    request = FrameRequest(camera, (HandInstance(HandPose.rest()),), tuple(PASSES), linear=True, light=light)
    for precision in precisions:
        Renderer("cpu", precision=precision).render(request)  # type: ignore[arg-type]
