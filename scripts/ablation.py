"""What each part of the recipe is worth: trains variants for the same time and measures them on held-out views.

    .venv/bin/python scripts/ablation.py captures/default --minutes 4

Every variant is a training run of its own in out/ablation, so an interrupted table goes on where it was. The rows
without super-resolution are the first variant's own volume-rendered image. Writes ablation.json and ablation.md.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from livehand_core.captures.capture import Capture, Split, read_capture, write_capture  # noqa: E402
from livehand_core.evaluation.metrics import measure  # noqa: E402
from livehand_core.files import atomic_path  # noqa: E402
from livehand_core.frames import FrameRequest, HandInstance  # noqa: E402
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
        images: part of the training images that it is given.
    """

    name: str
    meaning: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    images: float = 1.0


_WORLD = {
    "coordinates": "xyz",
    "texture_sizes": [],
    "normal_frequencies": 0,
    "distance_scale": 1.0,
    "position_frequencies": 14,
}

VARIANTS = (
    Variant("recipe", "the preset as it is: (u, v, d), textures, 10 samples, tiles of 32, perceptual term"),
    Variant("waves", "without textures: the published encoding alone", {"texture_sizes": []}),
    Variant("xyz", "world coordinates in place of (u, v, d), frequencies up to 0.8 mm", _WORLD),
    Variant("flat", "without the surface's normal", {"normal_frequencies": 0}),
    Variant("squares", "without perceptual term", {"structure_weight": 0.0, "gradient_weight": 0.0}),
    Variant("whole", "full image a step in place of two tiles", {"tile": 0, "tiles_per_step": 1}),
    Variant("patches", "tiles of 64 in place of 32", {"tile": 64}),
    Variant("samples8", "8 samples a ray", {"samples": 8}),
    Variant("samples16", "16 samples a ray", {"samples": 16}),
    Variant("samples32", "32 samples a ray", {"samples": 32}),
    Variant("half", "half of the images", images=0.5),
    Variant("quarter", "a quarter of the images", images=0.25),
)


def main() -> int:
    """Train, measure, write; the exit code of the step that failed, or 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("capture", type=Path, help="folder of a capture with held-out cameras and poses")
    parser.add_argument("--minutes", type=float, default=4.0, help="training of each variant")
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
        folder = options.capture if variant.images == 1.0 else subset(capture, variant.images, run / "capture")
        code = train(folder, run, options.minutes, variant.settings)
        if code:
            return code
        rows[variant.name] = {"meaning": variant.meaning, **figures(run, options.capture)}
        write(options.out, rows, options.minutes)
    if "recipe" in rows:
        for name, values in without_super_resolution(options.out / "recipe", capture).items():
            rows[name] = values
        write(options.out, rows, options.minutes)
    print((options.out / "ablation.md").read_text(encoding="utf-8"))
    return 0


def subset(capture: Capture, part: float, folder: Path) -> Path:
    """A capture of a part of the training images, evenly chosen in the order that they were made in; its folder."""
    train = capture.frames_of("train")
    frames = tuple(train[int(index / part)] for index in range(int(len(train) * part)))
    frames = tuple(replace(frame, image=str(capture.path(frame).resolve())) for frame in frames)
    folder.mkdir(parents=True, exist_ok=True)
    write_capture(replace(capture, folder=folder, frames=frames))
    return folder


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
        f"{minutes:g} minutes of training each; means over held-out poses seen by held-out cameras.",
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
