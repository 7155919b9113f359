"""Make docs/images/lights.webp anew: an avatar in lights it was never shown, beside Cycles.

    .venv/bin/python tools/light_pictures.py captures/lights [--avatar FILE] [--out FILE]

Eight pictures of new poses by new cameras in held-out lights, of as many kinds as there are; each with the truth, the
avatar, and their absolute difference times four. Prints what is shown, with PSNR in the hand's box.
"""

from __future__ import annotations

import argparse
import sys
from itertools import zip_longest
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from livehand_core.avatars.metadata import read_metadata  # noqa: E402
from livehand_core.captures.capture import Capture, CaptureFrame, read_capture  # noqa: E402
from livehand_core.captures.images import mask_box  # noqa: E402
from livehand_core.evaluation.evaluate import identity_of, render_frame  # noqa: E402
from livehand_core.evaluation.pictures import DIFFERENCE_GAIN  # noqa: E402
from livehand_core.rendering import Renderer  # noqa: E402

COUNT, COLUMNS, CELL = 8, 2, 240
LARGEST_BYTES = 200_000


def main() -> int:
    """0 when the picture is written."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("capture", type=Path, help="folder of a capture in many lights")
    parser.add_argument("--avatar", default="default", help="avatar file")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images" / "lights.webp")
    options = parser.parse_args()
    capture = read_capture(options.capture)
    renderer, metadata = Renderer(), read_metadata(options.avatar)
    cells = []
    for frame in chosen(capture):
        truth = capture.image(frame)
        image = render_frame(renderer, options.avatar, capture, frame, identity_of(frame, metadata))["rgba"]
        x0, y0, x1, y1 = mask_box(truth[..., 3] >= 0.5)
        error = np.mean((image[y0:y1, x0:x1, :3] - truth[y0:y1, x0:x1, :3]) ** 2)
        light = capture.light(frame)
        print(f"{frame.image}: {light.kind if light else ''}, {-10.0 * np.log10(error):.1f} dB")
        difference = DIFFERENCE_GAIN * np.abs(image[..., :3] - truth[..., :3])
        window = around(x0, y0, x1, y1)
        cells.append(np.concatenate([cut(each[..., :3], window) for each in (truth, image, difference)], axis=1))
    rows = [np.concatenate(cells[start : start + COLUMNS], axis=1) for start in range(0, COUNT, COLUMNS)]
    write(np.concatenate(rows), options.out)
    return 0


def chosen(capture: Capture) -> list[CaptureFrame]:
    """Pictures that are new in pose, camera and light, the kinds of light in turn, each pose as seldom as it goes."""
    kinds: dict[str, list[CaptureFrame]] = {}
    for frame in capture.frames_of("relight"):
        light = capture.light(frame)
        assert light is not None
        kinds.setdefault(light.kind, []).append(frame)
    spread = [frames[:: max(len(frames) // 3, 1)] for _, frames in sorted(kinds.items())]
    return [frame for some in zip_longest(*spread) for frame in some if frame is not None][:COUNT]


def around(x0: int, y0: int, x1: int, y1: int) -> tuple[float, float, float, float]:
    """The square around a box, a little larger."""
    half, x, y = 0.54 * max(x1 - x0, y1 - y0), 0.5 * (x0 + x1), 0.5 * (y0 + y1)
    return x - half, y - half, x + half, y + half


def cut(image: np.ndarray, window: tuple[float, float, float, float]) -> np.ndarray:
    """(CELL, CELL, 3) bytes of a square of the picture; black beside it."""
    from PIL import Image

    pixels = Image.fromarray(np.rint(np.clip(image, 0.0, 1.0) * 255.0).astype(np.uint8))
    square = pixels.crop(tuple(round(edge) for edge in window))  # type: ignore[arg-type]
    return np.asarray(square.resize((CELL, CELL), Image.Resampling.LANCZOS))


def write(sheet: np.ndarray, path: Path) -> None:
    """As WebP, at most LARGEST_BYTES; or as a file of another kind by its name."""
    from PIL import Image

    for quality in (90, 84, 76, 66):
        Image.fromarray(sheet).save(path, quality=quality)
        if path.stat().st_size <= LARGEST_BYTES:
            break
    print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    sys.exit(main())
