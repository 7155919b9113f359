"""The clip of ``docs/live.md``: ``python tools/live_pictures.py FILMS`` with the films of ``tools/tracking_films.py``.

Our own hand, filmed by Cycles, is tracked; beside the film its motion is shown on the avatar's identities.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

from tracking_films import FOCAL, FPS, SIZE  # noqa: E402

from livehand_core.files import atomic_path  # noqa: E402
from livehand_core.live.following import Followed  # noqa: E402
from livehand_core.live.stage import GROUND, Stage  # noqa: E402
from livehand_core.rendering import Renderer  # noqa: E402
from livehand_core.tracking.sources import open_source  # noqa: E402
from livehand_core.tracking.tracker import HandTracker  # noqa: E402
from livehand_core.tracking.values import TrackingOptions  # noqa: E402
from livehand_core.views.hand_arguments import open_avatar  # noqa: E402

SIDE = 200
STEP = 2


def strip(picture: np.ndarray, stage: Stage, followed: Followed, renderer: Renderer, count: int) -> Image.Image:
    """The film's picture and the motion on each of ``count`` identities, side by side."""
    cells = [Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.LANCZOS)]
    for identity in range(count):
        stage.identity = identity
        rgba = renderer.render(stage.request(followed))["rgba"]
        shown = 255.0 * rgba[..., :3] + (1.0 - rgba[..., 3:]) * np.array(GROUND)
        cells.append(Image.fromarray(np.clip(shown, 0.0, 255.0).astype(np.uint8)))
    sheet = Image.new("RGB", (SIDE * len(cells), SIDE))
    for number, cell in enumerate(cells):
        sheet.paste(cell, (SIDE * number, 0))
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("films", type=Path)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images" / "live.webp")
    parser.add_argument("--motions", nargs="+", default=["fist", "pinch", "wave"])
    args = parser.parse_args()
    name, arrays, names = open_avatar("default")
    stage, renderer = Stage(name, arrays.metadata, names, (SIDE, SIDE)), Renderer("cpu")
    fov = float(np.degrees(2.0 * np.arctan(0.5 * SIZE / FOCAL)))
    frames = []
    for motion in args.motions:
        tracker = HandTracker(TrackingOptions(hands="right", fov=fov))
        for frame in open_source(args.films / motion, FPS):
            tracked = tracker(frame)
            if frame.number % STEP == 0:
                followed = Followed(frame.picture, tracked, 0.0)
                frames.append(strip(frame.picture, stage, followed, renderer, min(len(names), 3)))
    with atomic_path(args.out) as temporary:
        frames[0].save(
            temporary, save_all=True, append_images=frames[1:], duration=round(1e3 * STEP / FPS), loop=0, quality=72
        )
    print(f"{args.out}: {len(frames)} frames")


if __name__ == "__main__":
    main()
