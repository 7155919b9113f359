"""What a relightable avatar owes to shadows on itself and to its detail texture, in lights that it was not trained in.

    .venv/bin/python tools/light_ablation.py captures/lights --limit 12

Draws held-out pictures as the avatar is, with nothing standing in the light, and with the detail texture's mean in its
place. The weights stay, so each row says what its part does in this avatar, and not what one trained without it would
have learnt. Writes light_ablation.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from livehand_core.avatars.file import Avatar, load_avatar  # noqa: E402
from livehand_core.captures.capture import Capture, CaptureFrame, read_capture  # noqa: E402
from livehand_core.captures.lighting import HELD_OUT  # noqa: E402
from livehand_core.evaluation.evaluate import choose_frames, identity_of, render_frame  # noqa: E402
from livehand_core.evaluation.metrics import measure  # noqa: E402
from livehand_core.files import atomic_path  # noqa: E402
from livehand_core.rendering.renderer import Renderer  # noqa: E402
from livehand_core.rendering.shading import shadows  # noqa: E402

METRICS = ("hand_box/psnr", "detail/energy_0_1", "detail/correlation_0_1")
HEAD = "| In lights never trained in | HDRI | soft lamps | hard sun | detail 0 to 1 px: energy, correlation |\n"


def main() -> int:
    """0 when the table is written."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("capture", type=Path, help="folder of a capture under many lights")
    parser.add_argument("--avatar", default="default", help="file of a relightable avatar; 'default' when left out")
    parser.add_argument("--limit", type=int, default=0, help="pictures, evenly chosen; 0 for all that were held out")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "light_ablation.md")
    options = parser.parse_args()
    capture, avatar = read_capture(options.capture), load_avatar(options.avatar)
    frames = choose_frames(capture, ("relight",), options.limit)
    rows = [row("as it is", avatar, capture, frames)]
    with nothing_in_the_light():
        rows.append(row("without shadows on itself", avatar, capture, frames))
    rows.append(row("without the detail texture", smooth(avatar), capture, frames))
    text = HEAD + "|---|---|---|---|---|\n" + "\n".join(rows) + "\n"
    with atomic_path(options.out) as path:
        path.write_text(text)
    print(text)
    return 0


def row(name: str, avatar: Avatar, capture: Capture, frames: list[CaptureFrame]) -> str:
    """A line of the table: dB in the hand's box by kind of light."""
    found = measured(avatar, capture, frames)
    cells = [f"{np.mean(found[kind]):.2f} dB" if kind in found else "" for kind in HELD_OUT]
    detail = ", ".join(f"{np.mean(values):.2f}" for key, values in found.items() if key.startswith("detail/"))
    return f"| {name} | {' | '.join(cells)} | {detail} |"


def measured(avatar: Avatar, capture: Capture, frames: list[CaptureFrame]) -> dict[str, list[float]]:
    """dB in the hand's box by kind of light, and values of METRICS, of each picture."""
    renderer = Renderer("cpu", avatars={"shown": avatar})
    found: dict[str, list[float]] = {}
    for frame in frames:
        light = capture.light(frame)
        image = render_frame(renderer, "shown", capture, frame, identity_of(frame, avatar.metadata))["rgba"]
        values = measure(image, capture.image(frame), ("hand_box", "detail"))
        found.setdefault("" if light is None else light.kind, []).append(values["hand_box/psnr"])
        # Hands that are small in the picture have no bands of detail.
        for key in (key for key in METRICS if key in values):
            found.setdefault(key, []).append(values[key])
    return found


@contextmanager
def nothing_in_the_light() -> Iterator[None]:
    """Hands let all light through."""
    empty = shadows.Occluders(np.zeros((3, 3), np.float32), np.zeros((3, 0), np.int32), 0)
    with mock.patch.object(shadows.Occluders, "of", lambda meshes, solid=False: empty):
        yield


def smooth(avatar: Avatar) -> Avatar:
    """The avatar with detail textures that are their mean everywhere."""

    def flat(texture: torch.Tensor) -> torch.Tensor:
        return texture.mean(dim=(-3, -2), keepdim=True).expand_as(texture).contiguous()

    state, residual = avatar.detail_state, avatar.identity_detail
    return replace(
        avatar,
        detail_state=None if state is None else {**state, "texture": flat(state["texture"])},
        identity_detail=None if residual is None else flat(residual),
    )


if __name__ == "__main__":
    sys.exit(main())
