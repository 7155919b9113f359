"""What refinement is worth: one capture with true poses and with fits 5 mm off, each trained as it is and refined.

    .venv/bin/python tools/refinement_gain.py captures/default OUT --steps 600
    .venv/bin/python tools/refinement_gain.py captures/twin OUT --twin captures/twin_source

Four runs of the same images, seed and steps: clean, off, off_refined, clean_refined. Held-out poses are the true ones
in all. Each run is measured on held-out pictures, and its poses against the true ones; what a step takes is measured
in one process that alternates between a run with and one without. OUT/table.json keeps what is done, runs go on from
their checkpoints, so that it can be stopped and started again.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

from twin import disturbed_fit, with_true_poses  # noqa: E402

from livehand_core import cli  # noqa: E402
from livehand_core.captures.capture import Capture, read_capture, write_capture  # noqa: E402
from livehand_core.captures.pose_file import REFINED_POSES, read_pose_file  # noqa: E402
from livehand_core.files import atomic_path  # noqa: E402
from livehand_core.hand.library import find_hand  # noqa: E402
from livehand_core.hand.skinning import pose_vertices  # noqa: E402
from livehand_core.poses import HandPose, PoseSequence  # noqa: E402
from livehand_core.training.control import CHECKPOINT_FILE  # noqa: E402

RUNS = {"off": False, "off_refined": True, "clean": False, "clean_refined": True}
"""Name, whose first word is that of the poses -> whether they are refined."""

BLOCK = 5
"""Steps that are timed at once."""


def selected(capture: Capture, options: argparse.Namespace) -> Capture:
    """Some of a capture: so many training poses, seen by the cameras that see most of them, and held-out pictures."""
    train = capture.frames_of("train")
    seen = sorted({frame.pose for frame in train})
    some = {seen[int(index)] for index in np.linspace(0, len(seen) - 1, min(options.poses, len(seen)))}
    of_pose: Counter[int] = Counter()
    kept = []
    for frame in train:
        if frame.pose in some and of_pose[frame.pose] < options.cameras:
            of_pose[frame.pose] += 1
            kept.append(frame)
    held_out = capture.frames_of("both")
    places = np.linspace(0, len(held_out) - 1, min(options.pictures, len(held_out))).astype(int)
    kept += [held_out[place] for place in places]
    numbers = sorted({frame.pose for frame in kept})
    order = {number: place for place, number in enumerate(numbers)}
    return replace(
        capture,
        frames=tuple(replace(frame, pose=order[frame.pose]) for frame in kept),
        poses=PoseSequence(tuple(capture.poses.poses[number] for number in numbers), capture.poses.fps),
        held_out_poses=frozenset(order[number] for number in capture.held_out_poses if number in order),
    )


def with_fits(capture: Capture, options: argparse.Namespace) -> Capture:
    """The capture whose training poses are off; a person has one shape, which is off too."""
    random = np.random.default_rng(options.seed)
    shape = random.normal(0.0, 1.0, 10)
    poses = [
        pose if number in capture.held_out_poses else disturbed_fit(pose, random, options.off, shape)
        for number, pose in enumerate(capture.poses.poses)
    ]
    return replace(capture, poses=PoseSequence(tuple(poses), capture.poses.fps))


def written(capture: Capture, folder: Path) -> Capture:
    """The capture in a folder of its own, whose images are those of the source."""
    folder.mkdir(parents=True, exist_ok=True)
    images = folder / "images"
    if not images.is_symlink():
        images.symlink_to((capture.folder / "images").resolve())
    capture = replace(capture, folder=folder)
    write_capture(capture)
    return capture


def distance(capture: Capture, poses: tuple[HandPose, ...]) -> float:
    """Millimetres between the vertices of poses and of the capture's, mean over those that are trained on."""
    numbers = sorted({frame.pose for frame in capture.frames_of("train")})
    data = find_hand(capture.hand_model, capture.poses.poses[0].side)
    pairs = [(pose_vertices(data, poses[n]), pose_vertices(data, capture.poses.poses[n])) for n in numbers]
    return 1e3 * float(np.mean([np.linalg.norm(one - other, axis=1).mean() for one, other in pairs]))


def trained(name: str, captures: dict[str, Capture], options: argparse.Namespace) -> dict[str, float]:
    """Train one of RUNS and measure it."""
    run, own = options.out / name, captures[name.split("_")[0]]
    words = ["train", str(own.folder), "--out", str(run), "--steps", str(options.steps), "--preset", "cpu"]
    words += ["--seed", str(options.seed), "--device", "cpu", "--refine" if RUNS[name] else "--no-refine"]
    words += ["--set", f"ray_steps={options.ray_steps}", "preview_minutes=1000.0", "light=as_trained", *options.set]
    began = time.perf_counter()
    if cli.main([*words, "--resume"] if (run / CHECKPOINT_FILE).is_file() else words):
        raise SystemExit(f"{name} was not trained")
    seconds = time.perf_counter() - began
    file = options.out / f"{name}.json"
    words = ["evaluate", str(run / "avatar.safetensors"), str(captures["clean"].folder), "--splits", "both"]
    words += ["--protocols", "full_image", "hand_box", "--no-report", "--json", str(file), "--device", "cpu"]
    if cli.main(words):
        raise SystemExit(f"{name} was not measured")
    found = json.loads(file.read_text(encoding="utf-8"))
    refined = run / REFINED_POSES
    poses = read_pose_file(refined, own.hand_model).poses.poses if refined.is_file() else own.poses.poses
    return {
        "hand_box_psnr": found["hand_box"]["psnr"],
        "hand_box_ssim": found["hand_box"]["ssim"],
        "full_image_psnr": found["full_image"]["psnr"],
        "vertices_mm": distance(captures["clean"], poses),
        "seconds": seconds,
    }


def step_times(capture: Capture, options: argparse.Namespace) -> dict[str, float]:
    """Processor and wall milliseconds of a step, median over blocks; both runs in one process, block by block."""
    import torch

    from livehand_core.training.config import preset
    from livehand_core.training.journal import Journal
    from livehand_core.training.trainer import Trainer
    from livehand_core.training.views import HandMesh

    frames, mesh = list(capture.frames_of("train")), HandMesh.of(find_hand(capture.hand_model, "right"))
    trainers = {}
    for name, refine in (("plain", False), ("refined", True)):
        config = preset(
            "cpu", steps=10**6, ray_steps=0, refine=refine, refine_silhouettes=False, refine_start=0.0,
            coarse_part=0.99, light=options.light,
        )  # fmt: skip
        folder = options.out / f"steps_{name}"
        folder.mkdir(parents=True, exist_ok=True)
        run = trainers[name] = Trainer(folder, capture, frames, config, mesh, torch.device("cpu"), Journal(folder))
        run.begin()
        for _ in range(2):
            run.advance()
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in trainers}
    for _ in range(options.blocks):
        for name, run in trainers.items():
            since = time.process_time(), time.perf_counter()
            for _ in range(BLOCK):
                run.advance()
            taken[name].append((time.process_time() - since[0], time.perf_counter() - since[1]))
    answer: dict[str, float] = {}
    for place, kind in enumerate(("processor", "wall")):
        plain, refined = (1e3 / BLOCK * float(np.median([row[place] for row in rows])) for rows in taken.values())
        answer |= {f"{kind}_ms_plain": plain, f"{kind}_ms_refined": refined, f"{kind}_ratio": refined / plain}
    for run in trainers.values():
        run.close()
    return answer


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("capture", type=Path, help="capture whose poses are true, or one that was prepared of a twin")
    parser.add_argument("out", type=Path, help="where captures, runs and the table go")
    parser.add_argument("--twin", type=Path, help="the twin that the capture was prepared of, which has the true poses")
    parser.add_argument("--poses", type=int, default=12, help="that are trained on (12)")
    parser.add_argument("--cameras", type=int, default=10, help="training pictures of each (10)")
    parser.add_argument("--pictures", type=int, default=16, help="held-out pictures (16)")
    parser.add_argument("--off", type=float, default=0.005, help="metres that fits are off in the mean")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--ray-steps", type=int, default=400)
    parser.add_argument("--blocks", type=int, default=12, help=f"of {BLOCK} steps each that are timed; 0 for none")
    parser.add_argument("--light", default="as_trained", help="what timed avatars answer to")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="further settings of all runs")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()

    source = read_capture(options.capture)
    source = selected(source if options.twin is None else with_true_poses(options.twin, source), options)
    fits = with_fits(source, options)
    captures = {"clean": written(source, options.out / "captures" / "clean")}
    captures["off"] = written(fits, options.out / "captures" / "off")
    file = options.out / "table.json"
    table = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    table.setdefault("fits", {"vertices_mm": distance(captures["clean"], fits.poses.poses)})
    work = {"step": lambda: step_times(captures["clean"], options)} if options.blocks else {}
    for name in (*work, *RUNS):
        if name not in table:
            table[name] = work[name]() if name in work else trained(name, captures, options)
        with atomic_path(file) as temporary:
            temporary.write_text(json.dumps(table, indent=1), encoding="utf-8")
        print(name, json.dumps(table[name]), flush=True)
    psnr = {name: table[name]["hand_box_psnr"] for name in RUNS}
    cost = psnr["clean"] - psnr["off"]
    print(f"fits that are {table['fits']['vertices_mm']:.2f} mm off cost {cost:.2f} dB; refinement brings them to")
    print(f"{table['off_refined']['vertices_mm']:.2f} mm and gives {psnr['off_refined'] - psnr['off']:.2f} dB back;")
    print(f"of true poses it costs {psnr['clean'] - psnr['clean_refined']:.2f} dB")


if __name__ == "__main__":
    main()
