"""Frames a second on a CUDA device, with and without graphs, and time by kernel; says so where there is no device.

python scripts/bench_cuda.py [--frames 72]
"""

from __future__ import annotations

import argparse
import time

import torch

from livehand_core.avatars.arrays import read_arrays
from livehand_core.avatars.file import Avatar
from livehand_core.benchmark.animation import AnimationSettings, animation
from livehand_core.frames import FrameRequest
from livehand_core.hand.library import find_hand
from livehand_core.rendering.clock import Clock
from livehand_core.rendering.cuda.hand import GraphHand

SIZES = ((512, 334), (1920, 1080))
PASSES = frozenset({"depth"})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=72)
    parser.add_argument("--avatar", default="default")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        print("No CUDA device is here: nothing was measured.")
        return
    device = torch.device("cuda")
    arrays = read_arrays(arguments.avatar)
    avatar, hand = Avatar.of(arrays), find_hand(arrays.metadata.hand_model, arrays.metadata.side)
    print(torch.cuda.get_device_name(device), "torch", torch.__version__)
    for width, height in SIZES:
        requests = animation(AnimationSettings(arguments.avatar, width, height, frames=arguments.frames))
        for graphs in (True, False):
            drawn = GraphHand(avatar, hand, device, torch.float16, graphs)
            # The first round captures a graph for each set of capacities.
            for _ in range(2):
                run_all(drawn, requests)
            before = drawn.runs
            seconds = run_all(drawn, requests)
            median = sorted(seconds)[len(seconds) // 2]
            label = "graphs" if graphs else "eager"
            repeats = drawn.runs - before - len(requests)
            rate = f"{1.0 / median:.0f} frames/s, median {1e3 * median:.3f} ms"
            print(f"{width}x{height} {label}: {rate}, {repeats} frames repeated")
        print_kernels(drawn, requests[len(requests) // 2])


def run_all(hand: GraphHand, requests: list[FrameRequest]) -> list[float]:
    """Seconds of each frame, pose in to picture in the processor's memory."""
    seconds = []
    for request in requests:
        start = time.perf_counter()
        hand.render(request.hands[0], request.camera, PASSES, Clock(), 1.0)
        seconds.append(time.perf_counter() - start)
    return seconds


def print_kernels(hand: GraphHand, request: FrameRequest) -> None:
    """The kernels that took longest in one frame that ran without a graph."""
    activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as profile:
        hand.render(request.hands[0], request.camera, PASSES, Clock(), 1.0)
    print(profile.key_averages().table(sort_by="self_cuda_time_total", row_limit=15))


if __name__ == "__main__":
    main()
