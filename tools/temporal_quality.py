"""Does an avatar shimmer? A slow orbit and a slow curl, frame to frame, beside path-traced frames of the same motions.

    .venv/bin/python tools/temporal_quality.py

Prints the change and the flicker along the surface's known motion, for the avatar and for Cycles, and writes
out/temporal/ORBIT_or_CURL.webp (a film: avatar, Cycles, both differences) and a contact sheet. Cycles' frames are made
once and kept in build/temporal.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from livehand_core.benchmark.animation import AnimationSettings, camera  # noqa: E402
from livehand_core.captures.plan import Rig  # noqa: E402
from livehand_core.captures.shooting import Shooting, Shot  # noqa: E402
from livehand_core.frames import FrameRequest, HandInstance  # noqa: E402
from livehand_core.hand.builtin import builtin_hand  # noqa: E402
from livehand_core.hand.gestures import gesture  # noqa: E402
from livehand_core.hand.looks import DEFAULT_LOOK  # noqa: E402
from livehand_core.poses import HandPose, interpolate  # noqa: E402

if TYPE_CHECKING:
    from livehand_core.benchmark.temporal import Seen

FRAMES = 10
CYCLES_SAMPLES = 32
ORBIT_STEP = 0.012
CURL_STEP = 0.02
"""Parts of the benchmark's orbit, and of the way from one gesture to the next, that pass from frame to frame."""

GAIN = 8.0
"""Of the differences in the pictures."""

ROOM = 12
"""Pixels around the hand in the pictures."""


def motion(name: str, frames: int, avatar: str) -> list[FrameRequest]:
    """The requests of ``orbit`` or ``curl``."""
    settings = AnimationSettings(avatar)
    relaxed, fist = (HandPose(np.zeros(3), gesture(kind), np.zeros(10), np.zeros(3)) for kind in ("relaxed", "fist"))
    requests = []
    for number in range(frames):
        if name == "orbit":
            pose, view = relaxed, camera(settings, 0.35 + ORBIT_STEP * number)
        else:
            pose, view = interpolate(relaxed, fist, 0.1 + CURL_STEP * number), camera(settings, 0.4)
        requests.append(FrameRequest(view, (HandInstance(pose, avatar),)))
    return requests


def main() -> int:
    """Measure; 0 when it is done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--avatar", default="default", help="avatar file")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "temporal", help="folder of films and figures")
    parser.add_argument("--cache", type=Path, default=ROOT / "build" / "temporal", help="folder of Cycles' frames")
    parser.add_argument("--frames", type=int, default=FRAMES, help="of each motion, at least 3")
    parser.add_argument("--samples", type=int, default=CYCLES_SAMPLES, help="paths a pixel of Cycles, denoised")
    parser.add_argument("--cycles", choices=("orbit", "curl"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.cycles:
        # Blender's module is a process of its own: it and torch bring their own libraries.
        render_cycles(options)
        from livehand_blender.lifecycle import end_process

        end_process(0)
    figures = {name: measure(name, options) for name in ("orbit", "curl")}
    print(f"{'':<8}{'':<10}{'change':>9}{'flicker':>9}{'sharpness':>11}   steps of 8 bits, RMS")
    for name, rows in figures.items():
        for who, row in rows.items():
            print(f"{name:<8}{who:<10}{row['change']:>9.2f}{row['flicker']:>9.2f}{row['sharpness']:>11.2f}")
    (options.out / "temporal.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 0


def measure(name: str, options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Both sequences of a motion: their figures by who drew them; the film is written beside."""
    from dataclasses import asdict

    from livehand_core.benchmark.temporal import see, steadiness
    from livehand_core.rendering import Renderer

    requests = motion(name, options.frames, options.avatar)
    renderer = Renderer("cpu")
    ours = [over_black(renderer.render(request)["rgba"]) for request in requests]
    theirs = cycles_frames(name, requests, options)
    data = builtin_hand("right")
    frames = [see(request, data) for request in requests]
    write_film(options.out, name, ours, theirs, frames)
    return {
        "avatar": asdict(steadiness(ours, frames, data)),
        "cycles": asdict(steadiness(theirs, frames, data)),
    }


def over_black(rgba: np.ndarray) -> np.ndarray:
    """(H, W, 3) of a premultiplied picture, through the 8 bits that Cycles' file has."""
    return np.rint(np.clip(rgba[..., :3], 0.0, 1.0) * 255.0) / 255.0


def cycles_frames(name: str, requests: list[FrameRequest], options: argparse.Namespace) -> list[np.ndarray]:
    """Cycles' pictures of a motion, rendered by a process of their own where they are not in the cache."""
    from PIL import Image

    paths = [frame_path(options, name, number) for number in range(len(requests))]
    if not all(path.is_file() for path in paths):
        command = [sys.executable, __file__, "--cycles", name, "--cache", str(options.cache)]
        command += ["--frames", str(options.frames), "--samples", str(options.samples)]
        subprocess.run(command, check=True)
    pictures = []
    for path in paths:
        rgba = np.asarray(Image.open(path).convert("RGBA"), dtype=np.float64) / 255.0
        pictures.append(over_black(rgba[..., :3] * rgba[..., 3:]))
    return pictures


def frame_path(options: argparse.Namespace, name: str, number: int) -> Path:
    """Where a frame of Cycles is kept."""
    return cache_folder(options, name) / shooting(name, options.frames).image(number, number)


def cache_folder(options: argparse.Namespace, name: str) -> Path:
    """The capture folder that Cycles' frames of a motion are kept in."""
    return Path(options.cache) / f"{name}_{options.frames}_frames_{options.samples}_samples"


def shooting(name: str, frames: int) -> Shooting:
    """A motion as a capture: its n-th image is its n-th pose seen by its n-th camera."""
    requests = motion(name, frames, "default")
    names = tuple(f"{number:03d}" for number in range(frames))
    rig = Rig(names, tuple(request.camera for request in requests), frozenset())
    poses = tuple(request.hands[0].pose for request in requests)
    order = tuple(Shot(number, number) for number in range(frames))
    return Shooting(rig, poses, frozenset(), order, builtin_hand("right").name, licence="CC0-1.0", origin="Cycles")


def render_cycles(options: argparse.Namespace) -> None:
    """Render the frames of one motion that are missing, lit as the default avatar's capture was."""
    from livehand_blender.capture import command as capture
    from livehand_blender.capture.shoot import shoot

    plan = shooting(options.cycles, options.frames)
    width, height = plan.rig.cameras[0].width, plan.rig.cameras[0].height
    scene = capture.set_up_scene(argparse.Namespace(samples=options.samples, width=width, height=height))
    scene.cycles.denoising_quality = "HIGH"

    def progress(done: int, count: int) -> bool:
        print(f"[temporal] Cycles, {options.cycles}: {done} of {count} frames", flush=True)
        return True

    hand = capture.StudioHand(scene, DEFAULT_LOOK)
    shoot(scene, plan, cache_folder(options, options.cycles), hand, builtin_hand("right"), progress=progress)


def hand_window(frames: list[Seen]) -> tuple[slice, slice]:
    """Rows and columns of the part of the picture that the hand moves in, with some room around it."""
    rows, columns = np.nonzero(np.logical_or.reduce([frame.face >= 0 for frame in frames]))
    return (
        slice(max(int(rows.min()) - ROOM, 0), int(rows.max()) + ROOM),
        slice(max(int(columns.min()) - ROOM, 0), int(columns.max()) + ROOM),
    )


def write_film(folder: Path, name: str, ours: list[np.ndarray], theirs: list[np.ndarray], frames: list[Seen]) -> None:
    """Avatar and Cycles above, their differences to the frame before below; a film and a sheet of four frames."""
    from PIL import Image

    from livehand_core.benchmark.temporal import difference_image

    data = builtin_hand("right")
    window, pictures = hand_window(frames), []
    for now in range(1, len(ours)):
        rows = [np.concatenate([ours[now][window], theirs[now][window]], axis=1)]
        changes = [
            GAIN * difference_image(film[now], film[now - 1], frames[now], frames[now - 1], data)[window]
            for film in (ours, theirs)
        ]
        rows.append(np.concatenate(changes, axis=1))
        picture = np.clip(np.concatenate(rows), 0.0, 1.0)
        pictures.append(Image.fromarray(np.rint(255.0 * picture).astype(np.uint8)))
    folder.mkdir(parents=True, exist_ok=True)
    there_and_back = pictures + pictures[-2:0:-1]
    there_and_back[0].save(
        folder / f"{name}.webp", save_all=True, append_images=there_and_back[1:], duration=80, loop=0, quality=90
    )
    chosen = [pictures[i] for i in np.linspace(0, len(pictures) - 1, 2).astype(int)]
    sheet = Image.new("RGB", (chosen[0].width, sum(picture.height for picture in chosen)))
    for place, picture in enumerate(chosen):
        sheet.paste(picture, (0, place * picture.height))
    sheet.save(folder / f"{name}.png")


if __name__ == "__main__":
    sys.exit(main())
