"""What it is worth that light enters as gains on shading, and not as a code beside the field's input.

    .venv/bin/python tools/light_code.py captures/lights OUT --steps 2000

Trains three avatars of one capture under many lights, alike in settings, steps and seed, and measures them in lights,
poses and from cameras that none of them has seen: the relightable design; the same with nothing that stands in the
light, so that it has no shadows, which a code has not either; and an avatar that brings its light along, whose code
of identity is each picture's light: harmonics up to degree 2 in the wrist's frame, lamps among them, normalised as a
pose is. None has a detail texture. Writes the avatars and OUT/light_code.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import nn

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

from light_ablation import measured, nothing_in_the_light  # noqa: E402

from livehand_core.avatars import Avatar, save_avatar  # noqa: E402
from livehand_core.captures.capture import Capture, CaptureFrame, read_capture  # noqa: E402
from livehand_core.captures.lighting import HELD_OUT  # noqa: E402
from livehand_core.evaluation.evaluate import choose_frames  # noqa: E402
from livehand_core.files import atomic_path  # noqa: E402
from livehand_core.hand.data import ProxyModel  # noqa: E402
from livehand_core.hand.library import find_hand  # noqa: E402
from livehand_core.lights import Light  # noqa: E402
from livehand_core.training import trainer  # noqa: E402
from livehand_core.training.config import TrainingConfig, preset  # noqa: E402
from livehand_core.training.export import make_avatar, reference_light  # noqa: E402
from livehand_core.training.journal import Journal  # noqa: E402
from livehand_core.training.model import AvatarModel  # noqa: E402
from livehand_core.training.views import HandMesh  # noqa: E402

NUMBERS = 9
"""Harmonics of a code; more of them were no better."""

ROWS = {
    "gains": "gains on shading at the normal",
    "bare": "the same without shadows on itself",
    "code": "a code beside the input",
}


class CodedModel(AvatarModel):
    """Codes that are given and stay, whatever their length; textures are everyone's."""

    def __init__(
        self, config: TrainingConfig, poses: torch.Tensor, cameras: int, *others: Any, codes: torch.Tensor
    ) -> None:
        super().__init__(config, poses, cameras, identities=2)
        self.codes, self.identity_textures = nn.Parameter(codes), nn.ParameterList()

    def textures(self, identity: int) -> list[torch.Tensor] | None:
        return None

    def identity_groups(self, rate: float, texture_rate: float) -> list[dict[str, Any]]:
        return []

    def constrain(self) -> None:
        pass


def lights_of(capture: Capture, frames: Sequence[CaptureFrame], data: ProxyModel) -> np.ndarray:
    """(n, 27) the light of each picture in the wrist's frame, its lamps folded into the harmonics."""
    lights = [Light.from_json(reference_light(capture, [frame], data)) for frame in frames]
    return np.stack([light.limited((0.0, 0.0, 0.0), 0).harmonics[:NUMBERS].reshape(-1) for light in lights])


def numbered(frames: Sequence[CaptureFrame]) -> list[CaptureFrame]:
    """Each picture an identity of its own, and in a light that is not told."""
    return [replace(one, identity=f"{place:05d}", light=None, exposure=0.0) for place, one in enumerate(frames)]


def main() -> int:
    """0 when the table is written."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("capture", type=Path, help="folder of a capture under many lights")
    parser.add_argument("out", type=Path, help="folder of avatars and table")
    parser.add_argument("--steps", type=int, default=2000, help="after those on single rays")
    parser.add_argument("--ray-steps", type=int, default=400)
    parser.add_argument(
        "--limit", type=int, default=24, help="pictures that are measured, of the trained and the others"
    )
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    capture = read_capture(options.capture)
    new, seen = (choose_frames(capture, (split,), options.limit) for split in ("relight", "train"))
    lines = [f"| {options.steps} steps each | {' | '.join(HELD_OUT)} | all, worst | pictures trained on |"]
    lines.append("|---|---|---|---|---|---|")
    for name in options.rows:
        with nothing_in_the_light() if name == "bare" else nullcontext():
            avatar = trained(name, capture, [*new, *seen], options)
            shown = [*new, *seen]
            if name == "code":
                shown = [
                    replace(one, identity=other.identity) for one, other in zip(shown, numbered(shown), strict=True)
                ]
            found, known = (measured(avatar, capture, part) for part in (shown[: len(new)], shown[len(new) :]))
        every, trained_on = found["hand_box/psnr"], known["hand_box/psnr"]
        cells = [f"{np.mean(found[kind]):.2f} dB" if kind in found else "" for kind in HELD_OUT]
        cells += [f"{np.mean(every):.2f}, {min(every):.2f} dB", f"{np.mean(trained_on):.2f} dB"]
        lines.append(f"| {ROWS[name]} | {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    with atomic_path(options.out / "light_code.md") as path:
        path.write_text("\n".join(lines) + "\n")
    return 0


def trained(name: str, capture: Capture, shown: Sequence[CaptureFrame], options: argparse.Namespace) -> Avatar:
    """The avatar of a row; where codes are its light, those of ``shown`` are its identities, in that order."""
    coded = name == "code"
    data = find_hand(capture.hand_model, capture.poses.poses[0].side)
    frames = list(capture.frames_of("train"))
    given, codes = lights_of(capture, frames, data), torch.empty(0)
    config = preset(
        "cpu", steps=options.steps, ray_steps=options.ray_steps, seed=options.seed, detail_size=0, sampling="linear",
        samples=8, coarse_part=0.0, latent_size=given.shape[1], light="as_trained" if coded else "scene_light",
    )  # fmt: skip

    def code(lights: np.ndarray) -> torch.Tensor:
        return torch.tensor(config.pose_gain * (lights - given.mean(axis=0)) / given.std(axis=0), dtype=torch.float32)

    if coded:
        frames, codes = numbered(frames), code(given)
    (options.out / name).mkdir(parents=True, exist_ok=True)
    journal, mesh = Journal(options.out / name), HandMesh.of(data)
    form = mock.patch.object(trainer, "AvatarModel", partial(CodedModel, codes=codes)) if coded else nullcontext()
    with form:
        run = trainer.Trainer(options.out / name, capture, frames, config, mesh, torch.device("cpu"), journal)
    run.begin()
    run.train(lambda: False, lambda: None)
    run.close()
    journal.close()
    model = run.averaged()
    if coded:
        frames = numbered(shown)
        model.codes = nn.Parameter(code(lights_of(capture, shown, data)))
        own = [torch.zeros(1, *texture.shape).expand(len(frames), -1, -1, -1) for texture in model.field.textures]
        model.identity_textures = nn.ParameterList(own)
    avatar = make_avatar(model, run.config, capture, frames, data, {"steps": run.step})
    save_avatar(options.out / f"{name}.safetensors", avatar)
    return avatar


if __name__ == "__main__":
    sys.exit(main())
