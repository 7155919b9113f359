"""What each part of the recipe is worth: trains variants for the same time and measures them on held-out views.

    .venv/bin/python tools/ablation.py captures/default --minutes 4

The minutes are the processor's, so a busy machine delays the table and does not change it. Every variant is a training
run of its own in out/ablation, so an interrupted table goes on where it was. The rows without super-resolution are the
first variant's own volume-rendered image. Writes ablation.json and ablation.md.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from livehand_core.captures.capture import Capture, CaptureFrame, Split, read_capture, write_capture  # noqa: E402
from livehand_core.evaluation.metrics import measure  # noqa: E402
from livehand_core.files import atomic_path  # noqa: E402
from livehand_core.frames import FrameRequest, HandInstance  # noqa: E402
from livehand_core.hand.library import find_hand  # noqa: E402
from livehand_core.training.control import read_status  # noqa: E402

SPLIT: Split = "both"
METRICS = ("full_image/psnr", "full_image/ssim", "hand_box/psnr", "hand_box/ssim")


@dataclass(frozen=True)
class Variant:
    """One row of the table.

    Attributes:
        name: of its folder.
        meaning: for the reader.
        settings: what differs from the preset.
        frames: chooses the training images that it is given; None for all.
        turned: train and measure on the capture with each pose and its cameras turned at random.
    """

    name: str
    meaning: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    frames: Callable[[Capture], tuple[CaptureFrame, ...]] | None = None
    turned: bool = False


def images(part: float) -> Callable[[Capture], tuple[CaptureFrame, ...]]:
    """Chooses a part of the training images, evenly in the order that they were made in."""

    def chosen(capture: Capture) -> tuple[CaptureFrame, ...]:
        train = capture.frames_of("train")
        return tuple(train[int(index / part)] for index in range(int(len(train) * part)))

    return chosen


def cameras(count: int) -> Callable[[Capture], tuple[CaptureFrame, ...]]:
    """Chooses the images of ``count`` of the training cameras."""
    return lambda capture: _of(capture, "camera_name", count)


def poses(count: int) -> Callable[[Capture], tuple[CaptureFrame, ...]]:
    """Chooses the images of ``count`` of the training poses."""
    return lambda capture: _of(capture, "pose", count)


def _of(capture: Capture, key: str, count: int) -> tuple[CaptureFrame, ...]:
    train = capture.frames_of("train")
    every = sorted({getattr(frame, key) for frame in train})
    # Neighbours in the list are alike (transitions between gestures, rings of the dome), so any few are drawn.
    kept = {every[index] for index in np.random.default_rng(0).permutation(len(every))[:count]}
    return tuple(frame for frame in train if getattr(frame, key) in kept)


_WORLD = {
    "coordinates": "xyz",
    "sampling": "linear",
    "texture_sizes": [],
    "normal_frequencies": 0,
    "distance_scale": 1.0,
    "empty_space_weight": 0.0,
    "position_frequencies": 14,
}

VARIANTS = (
    Variant("recipe", "the preset as it is: (u, v, d), textures, surface sampling, tiles of 32, perceptual term"),
    Variant("waves", "without textures: the published encoding alone", {"texture_sizes": []}),
    Variant("xyz", "world coordinates in place of (u, v, d), frequencies up to 0.8 mm", _WORLD),
    Variant("flat", "without the surface's normal", {"normal_frequencies": 0}),
    Variant("fog", "without the empty-space loss", {"empty_space_weight": 0.0}),
    Variant("squares", "without perceptual term", {"structure_weight": 0.0, "gradient_weight": 0.0}),
    Variant("whole", "full image a step in place of two tiles", {"tile": 0, "tiles_per_step": 1}),
    Variant("samples8", "8 samples a ray from bound to bound", {"sampling": "linear", "samples": 8}),
    Variant("samples16", "16 samples a ray from bound to bound", {"sampling": "linear", "samples": 16}),
    Variant("samples32", "32 samples a ray from bound to bound", {"sampling": "linear", "samples": 32}),
    Variant(
        "published_condition",
        "published conditioning, each pose turned at random with its cameras and light (the recipe stays as it is)",
        {"conditioning": "published"},
        turned=True,
    ),
    Variant("half", "half of the images", frames=images(0.5)),
    Variant("quarter", "a quarter of the images", frames=images(0.25)),
    Variant("cameras30", "30 of the cameras", frames=cameras(30)),
    Variant("cameras12", "12 of the cameras", frames=cameras(12)),
    Variant("poses30", "30 of the poses", frames=poses(30)),
    Variant("poses12", "12 of the poses", frames=poses(12)),
    Variant("patches", "tiles of 64 in place of 32", {"tile": 64}),
)


def main() -> int:
    """Train, measure, write; the exit code of the step that failed, or 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("capture", type=Path, help="folder of a capture with held-out cameras and poses")
    parser.add_argument("--minutes", type=float, default=4.0, help="training of each variant, all cores at work")
    parser.add_argument("--ray-steps", type=int, default=1000, help="first stage of each variant")
    parser.add_argument("--only", nargs="+", choices=[variant.name for variant in VARIANTS], help="these rows")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "ablation", help="folder of runs and table")
    options = parser.parse_args()
    capture = read_capture(options.capture)
    rows: dict[str, dict[str, Any]] = {}
    for variant in VARIANTS:
        if options.only and variant.name not in options.only:
            continue
        run = options.out / variant.name
        print(f"{variant.name}: {variant.meaning}", flush=True)
        shown = turned(capture, run / "turned") if variant.turned else capture
        given = shown if variant.frames is None else stored(shown, variant.frames(shown), run / "capture")
        settings = {"clock": "processor", "ray_steps": options.ray_steps, **variant.settings}
        code = train(given.folder, run, options.minutes, settings)
        if code:
            return code
        rows[variant.name] = {"meaning": variant.meaning, **figures(run, shown.folder)}
        write(options.out, rows, options.minutes)
    if "recipe" in rows:
        for name, values in without_super_resolution(options.out / "recipe", capture).items():
            rows[name] = values
        write(options.out, rows, options.minutes)
    print((options.out / "ablation.md").read_text(encoding="utf-8"))
    return 0


def stored(capture: Capture, frames: Sequence[CaptureFrame], folder: Path) -> Capture:
    """A capture of these frames in ``folder``; the images stay where they are."""

    def here(frame: CaptureFrame) -> CaptureFrame:
        mask = capture.mask_path(frame)
        return replace(frame, image=str(capture.path(frame).resolve()), mask=str(mask.resolve()) if mask else "")

    frames = tuple(here(frame) for frame in frames)
    folder.mkdir(parents=True, exist_ok=True)
    answer = replace(capture, folder=folder, frames=frames)
    write_capture(answer)
    return answer


def turned(capture: Capture, folder: Path) -> Capture:
    """The capture with each pose turned about the wrist and its cameras with it: the same images, the light turned too.

    To avatars of the wrist's frame nothing changes; published ones are told another turn of the wrist a pose.
    """
    turns = Rotation.random(len(capture.poses.poses), random_state=0).as_matrix()
    data = find_hand(capture.hand_model, capture.poses.poses[0].side)
    poses, shifts = [], []
    for pose, turn in zip(capture.poses.poses, turns, strict=True):
        wrist = data.rest_joints(pose.betas)[0]
        middle = wrist + pose.transl
        shifts.append(middle - turn @ middle)
        poses.append(pose.moved(turn, shifts[-1], wrist))
    frames = [
        replace(frame, camera=frame.camera.moved(turns[frame.pose], shifts[frame.pose])) for frame in capture.frames
    ]
    return stored(replace(capture, poses=replace(capture.poses, poses=tuple(poses))), frames, folder)


def train(capture: Path, run: Path, minutes: float, settings: Mapping[str, Any]) -> int:
    """A run of ``livehand train``, or what is left of it; its exit code."""
    command = [sys.executable, "-m", "livehand_core", "train", str(capture), "--out", str(run)]
    if (run / "avatar.safetensors").is_file():
        if read_status(run).state == "done":
            return 0
        return subprocess.run([*command, "--resume"], cwd=ROOT, check=False).returncode
    command += ["--preset", "cpu", "--minutes", str(minutes), "--name", run.name]
    if settings:
        command += ["--set", *(f"{key}={json.dumps(value)}" for key, value in settings.items())]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def figures(run: Path, capture: Path) -> dict[str, Any]:
    """Metrics over held-out views, seconds a frame, steps."""
    target = run / "metrics.json"
    command = [sys.executable, "-m", "livehand_core", "evaluate", str(run / "avatar.safetensors"), str(capture)]
    command += ["--splits", SPLIT, "--protocols", "full_image", "hand_box", "--no-report", "--json", str(target)]
    subprocess.run(command, cwd=ROOT, check=True)
    found = json.loads(target.read_text(encoding="utf-8"))
    values = {key: found[key.split("/")[0]][key.split("/")[1]] for key in METRICS}
    return {**values, "steps": read_status(run).step}


def without_super_resolution(run: Path, capture: Capture) -> dict[str, dict[str, Any]]:
    """The volume-rendered image of a run's avatar: enlarged, and with a ray for each pixel."""
    from PIL import Image

    from livehand_core.rendering import Renderer

    avatar = str(run / "avatar.safetensors")
    found: dict[str, list[dict[str, float]]] = {"enlarged": [], "every_pixel": []}
    renderer = Renderer()
    for frame in capture.frames_of(SPLIT):
        truth, hands = capture.image(frame), (HandInstance(capture.hand(frame), avatar),)
        size = (frame.camera.width, frame.camera.height)
        for name, scale in (("enlarged", 1.0), ("every_pixel", 2.0)):
            request = FrameRequest(frame.camera, hands, passes=("rgba", "rgba_low"), internal_scale=scale)
            low = renderer.render(request)["rgba_low"]
            planes = [
                np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.BILINEAR))
                for plane in np.moveaxis(low, -1, 0)
            ]
            found[name].append(measure(np.stack(planes, axis=-1), truth))
    meanings = {
        "enlarged": "no super-resolution: the field's image, enlarged bilinearly",
        "every_pixel": "no super-resolution: a ray for each pixel of the image",
    }
    return {
        name: {"meaning": meanings[name], **{key: float(np.mean([row[key] for row in rows])) for key in METRICS}}
        for name, rows in found.items()
    }


def write(folder: Path, rows: Mapping[str, Mapping[str, Any]], minutes: float) -> None:
    """The table for programs and for people."""
    lines = [
        f"{minutes:g} minutes of training each, all cores at work; means over held-out poses seen by held-out cameras.",
        "",
        "| variant | full image PSNR / SSIM | hand box PSNR / SSIM | steps |",
        "|---|---|---|---|",
    ]
    for row in rows.values():
        full, full_ssim, box, box_ssim = (row[key] for key in METRICS)
        lines.append(
            f"| {row['meaning']} | {full:.2f} / {full_ssim:.4f} | {box:.2f} / {box_ssim:.4f} | {row.get('steps', '')} |"
        )
    for name, text in (("ablation.json", json.dumps(rows, indent=1)), ("ablation.md", "\n".join(lines) + "\n")):
        with atomic_path(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
