"""The same animated hand by the avatar and by Cycles: seconds a frame and PSNR against a converged reference.

    .venv/bin/python scripts/compare_with_cycles.py --docs docs/evaluation.md

Cycles is tried with 1, 2, 4, 8 ... samples, without and with its denoiser, until it comes as near to the reference as
the avatar does; all is rendered by Blender, in one run, on this machine, which should do nothing else meanwhile.
Writes comparison.md, comparison.json and sheet.png into --out. Ctrl-C ends it; a table of what was tried is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import environment
import numpy as np
from cycles_table import Comparison, Found, cycles_name, markdown, put_into, search

REFERENCE_SEED, CANDIDATE_SEED = 1_000_000, 5_000_000
"""Cycles' seeds; the reference's noise must not be the candidates' own."""

FIRST, LAST = 4, 70
"""Frames of the demo's film that the compared ones are spread over: gestures and what lies between."""


def main() -> int:
    """Compare; 0 when it is done, 1 when nothing can be told that belongs into a document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--avatar", type=Path, help="avatar file in place of the one that ships inside")
    parser.add_argument("--out", type=Path, default=environment.ROOT / "out" / "cycles", help="folder of the results")
    parser.add_argument("--frames", type=int, default=8, help="of the animation, evenly spread")
    parser.add_argument("--reference-samples", type=int, default=512, help="paths a pixel of the reference")
    parser.add_argument("--keep-reference", action="store_true", help="take the reference's pictures that OUT holds")
    parser.add_argument("--most-samples", type=int, default=256, help="where the search ends")
    parser.add_argument("--repeats", type=int, default=3, help="of the avatar's frames, before and after Cycles'")
    parser.add_argument("--docs", type=Path, help="Markdown file to put the table into, between its marks")
    options = parser.parse_args()
    options.out = options.out.resolve()
    environment.enter()
    sys.path.insert(0, str(environment.ROOT))
    os.environ.setdefault("LIVEHAND_PYTHON", sys.executable)
    subprocess.run([sys.executable, "-m", "livehand_core", "prepare"], cwd=environment.ROOT, check=False)
    import livehand_blender
    from livehand_core.errors import LiveHandError

    try:
        livehand_blender.register()
        comparison = compare(options)
    except (LiveHandError, RuntimeError) as error:
        print(f"\nThe comparison stopped: {error}", file=sys.stderr)
        return 2
    finally:
        livehand_blender.unregister()
    text = markdown(comparison)
    (options.out / "comparison.md").write_text(text + "\n", encoding="utf-8")
    document = asdict(comparison) | {"ratio": comparison.ratio}
    (options.out / "comparison.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(f"\n{text}")
    if options.docs and not comparison.clear:
        print(f"\n{options.docs} is left as it is.", file=sys.stderr)
        return 1
    if options.docs:
        put_into(options.docs, text)
    return 0


def compare(options: argparse.Namespace) -> Comparison:
    """Scene, avatar, reference, search, avatar once more."""
    import bpy
    import demo
    import demo_scene

    options.out.mkdir(parents=True, exist_ok=True)
    frames = [round(float(frame)) for frame in np.linspace(FIRST, LAST, options.frames)]
    stills = Stills(avatar_scene(options), frames, options.out / "frames")
    say(f"{len(frames)} frames of {demo_scene.WIDTH}x{demo_scene.HEIGHT} with the avatar, {options.repeats} times")
    seconds, engine = avatar_times(stills, options.repeats)
    stills.place = demo.stage_cycles(stills.scene)
    stills.scene.render.engine = "CYCLES"
    reference, noise = make_reference(stills, options.reference_samples, options.keep_reference)
    ours = Found("the avatar", tuple(seconds), *errors(stills.pictures("avatar"), reference))
    say(f"the avatar: {ours.median:.3f} s a frame, {ours.hand_box:.2f} dB in the hand's box; reference {noise:.1f} dB")
    tried = try_cycles(stills, reference, ours.hand_box, options.most_samples)
    # Once more at the end, for a machine's clock wanders; without Cycles' hand, which would shade the avatar.
    stills.scene, stills.place = avatar_scene(options), nothing
    again, engine_again = avatar_times(stills, options.repeats)
    ours = Found(ours.name, (*seconds, *again), ours.hand_box, ours.full_image)
    facts = {
        "frames": len(frames),
        "size": f"{demo_scene.WIDTH} x {demo_scene.HEIGHT}",
        "machine": machine(),
        "blender": bpy.app.version_string,
        "reference_samples": options.reference_samples,
        "avatar": str(options.avatar or "default"),
    }
    comparison = Comparison(ours, (*engine, *engine_again), tuple(tried), noise, facts)
    write_sheet(options.out / "sheet.png", stills, reference, comparison)
    return comparison


def avatar_scene(options: argparse.Namespace) -> Any:
    """The demo's scene, anew, for PNG pictures by the avatar."""
    import demo_scene

    from livehand_blender import compat

    scene = demo_scene.build(str(options.avatar.resolve()) if options.avatar else "")
    scene.render.film_transparent = True
    compat.set_image_format(scene.render.image_settings, "PNG")
    scene.render.image_settings.color_mode = "RGBA"
    return scene


def nothing() -> None:
    """Nothing is to be placed."""


class Stills:
    """Some frames of the scene, rendered one after the other and timed.

    Attributes:
        place: called at each frame before it is timed.
    """

    def __init__(self, scene: Any, frames: Sequence[int], folder: Path) -> None:
        self.scene, self.frames, self._folder = scene, tuple(frames), folder
        self.place: Callable[[], None] = nothing
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, name: str, frame: int) -> Path:
        """Of one picture."""
        return self._folder / f"{name}_{frame:04d}.png"

    def render(
        self,
        name: str,
        before: Callable[[int], None] = lambda frame: None,
        after: Callable[[], None] = lambda: None,
    ) -> list[float]:
        """Render every frame; Blender's seconds of each, writing the PNG included.

        Args:
            name: of the pictures.
            before, after: called around each frame, and not timed.
        """
        import bpy

        seconds = []
        for frame in self.frames:
            self.scene.frame_set(frame)
            self.place()
            before(frame)
            self.scene.render.filepath = str(self.path(name, frame))
            started = time.perf_counter()
            bpy.ops.render.render(write_still=True)
            seconds.append(time.perf_counter() - started)
            after()
        return seconds

    def pictures(self, name: str) -> list[np.ndarray]:
        """(H, W, 4) sRGB premultiplied over black, as captures and avatars have it."""
        from livehand_core.captures.images import read_image

        return [read_image(self.path(name, frame)) for frame in self.frames]


def avatar_times(stills: Stills, repeats: int) -> tuple[list[float], list[float]]:
    """Seconds of frames, and thereof in the engine, after one round that loads and starts what has to."""
    from livehand_blender.render import session

    engine: list[float] = []

    def after() -> None:
        record = session.last_frame()
        engine.append(record.engine_seconds if record else 0.0)

    stills.render("avatar")
    seconds = [one for _ in range(repeats) for one in stills.render("avatar", after=after)]
    return seconds, engine


def make_reference(stills: Stills, samples: int, keep: bool) -> tuple[list[np.ndarray], float]:
    """The frames by very many samples, and how uncertain they are: PSNR in dB of the noise left in the hand's box.

    Two halves with seeds of their own are averaged; half their difference is the noise of their mean.
    """
    from livehand_core.evaluation.metrics import PROTOCOLS, psnr

    halves = []
    for half in (0, 1):
        name = f"reference{half}_{samples // 2}"
        if not keep or not all(stills.path(name, frame).is_file() for frame in stills.frames):
            set_cycles(stills.scene, samples // 2, "OFF")
            say(f"reference, half {half + 1} of 2: {samples // 2} samples, {len(stills.frames)} frames")
            first_seed = REFERENCE_SEED * (1 + half)
            stills.render(name, partial(seed, stills.scene, first_seed))
        halves.append(stills.pictures(name))
    reference = [0.5 * (first + second) for first, second in zip(*halves, strict=True)]
    noise = []
    for first, second, mean in zip(*halves, reference, strict=True):
        x0, y0, x1, y1 = PROTOCOLS["hand_box"].region(mean)
        noise.append(psnr(0.5 * (first + second)[y0:y1, x0:x1, :3], first[y0:y1, x0:x1, :3]))
    return reference, float(np.mean(noise))


def try_cycles(stills: Stills, reference: list[np.ndarray], ours: float, most: int) -> list[Found]:
    """Cheap settings first; Ctrl-C ends the search and keeps what was found."""
    from livehand_core.interrupts import interruptible

    def attempt(samples: int, denoiser: str) -> Found:
        set_cycles(stills.scene, samples, denoiser)
        name = f"cycles_{samples}_{denoiser.lower()}"
        seconds = stills.render(name, partial(seed, stills.scene, CANDIDATE_SEED))
        found = Found(
            cycles_name(samples, denoiser), tuple(seconds), *errors(stills.pictures(name), reference), samples, denoiser
        )
        say(f"{found.name}: {found.median:.2f} s a frame, {found.hand_box:.2f} dB")
        return found

    tried = []
    with interruptible("stopping after these samples") as stopped:
        for found in search(ours, most, attempt):
            tried.append(found)
            if stopped():
                break
    return tried


def set_cycles(scene: Any, samples: int, denoiser: str) -> None:
    """Number of samples, and the denoiser by its name in ``cycles_table.DENOISERS``."""
    scene.cycles.samples = samples
    scene.cycles.use_denoising = denoiser != "OFF"
    if denoiser != "OFF":
        scene.cycles.denoising_quality = denoiser


def seed(scene: Any, first: int, number: int) -> None:
    scene.cycles.seed = first + number


def errors(pictures: Sequence[np.ndarray], reference: Sequence[np.ndarray]) -> tuple[float, float]:
    """Mean PSNR in dB in the hand's box and over the whole image."""
    from livehand_core.evaluation.metrics import measure

    rows = [measure(picture, truth) for picture, truth in zip(pictures, reference, strict=True)]
    box, full = (float(np.mean([row[f"{name}/psnr"] for row in rows])) for name in ("hand_box", "full_image"))
    return box, full


def write_sheet(path: Path, stills: Stills, reference: list[np.ndarray], comparison: Comparison) -> None:
    """Reference, avatar and Cycles at equal error, one column a frame, around the hand."""
    from PIL import Image, ImageDraw, ImageFont

    from livehand_core.evaluation.metrics import MASK
    from livehand_core.evaluation.pictures import around

    rows = [("reference", reference), (comparison.ours.name, stills.pictures("avatar"))]
    shown = comparison.equal or comparison.cycles[-1]
    rows.append((shown.name, stills.pictures(f"cycles_{shown.samples}_{shown.denoiser.lower()}")))
    windows = [around(picture[..., 3] >= MASK) for picture in reference]
    cells = [
        [
            Image.fromarray(np.rint(255.0 * np.clip(picture[window][..., :3], 0.0, 1.0)).astype(np.uint8))
            for picture, window in zip(pictures, windows, strict=True)
        ]
        for _, pictures in rows
    ]
    height, label = max(cell.height for row in cells for cell in row), 24
    sheet = Image.new("RGB", (sum(cell.width + 4 for cell in cells[0]), len(rows) * (height + label)), (24, 25, 27))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(15)
    for number, ((name, _), row) in enumerate(zip(rows, cells, strict=True)):
        left, top = 0, number * (height + label)
        draw.text((4, top + 3), name, (236, 236, 236), font)
        for cell in row:
            sheet.paste(cell, (left, top + label))
            left += cell.width + 4
    sheet.save(path, optimize=True)


def machine() -> str:
    """Processor and cores."""
    from livehand_core.benchmark.machine import describe

    known = describe()
    return f"{known['processor']}, {known['cores']} cores"


def say(text: str) -> None:
    """One line of progress, visible at once also through a pipe."""
    print(f"[cycles] {text}", flush=True)


if __name__ == "__main__":
    try:
        status = main()
    except KeyboardInterrupt:
        status = 130
    from livehand_blender.lifecycle import end_process

    end_process(status)
