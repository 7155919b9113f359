"""What happens beside the steps of a run: checkpoints, the avatar file and previews, each at its own pace."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from ..avatars import Avatar, save_avatar
from ..captures.capture import Capture, CaptureFrame
from ..captures.joined import identity_names
from ..captures.pose_file import REFINED_POSES
from ..errors import CaptureError
from ..hand.data import ProxyModel
from .curves import draw_curves, training_psnr
from .export import make_avatar
from .journal import Journal
from .memory import give_back_freed_memory
from .monitor import Monitor
from .previews import preview_frames, write_preview
from .refined import refined_capture
from .trainer import Trainer

CURVES_SECONDS = 5.0


class Session:
    """Called after every step by the trainer, and once at the end."""

    def __init__(
        self,
        trainer: Trainer,
        capture: Capture,
        frames: list[CaptureFrame],
        data: ProxyModel,
        journal: Journal,
        avatar_path: Path,
        perceptual: str,
        monitor: Monitor,
    ) -> None:
        """``frames``: those that are trained on; ``perceptual``: which perceptual term is used."""
        self._monitor = monitor
        self._trainer, self._capture, self._frames, self._data = trainer, capture, frames, data
        self._journal, self._avatar_path, self._perceptual = journal, avatar_path, perceptual
        self._refined = capture
        self._preview_frames = preview_frames(capture, identity_names(frames))
        self._saved = self._previewed = trainer.seconds
        self._drawn, self._new_numbers = time.monotonic(), False
        journal.on_numbers = self._note

    def after_step(self) -> None:
        """Write what is due."""
        config, seconds = self._trainer.config, self._trainer.seconds
        if seconds - self._saved >= 60.0 * config.checkpoint_minutes:
            self._saved = seconds
            self._save()
        if seconds - self._previewed >= 60.0 * config.preview_minutes:
            self._previewed = seconds
            self._preview(self._avatar())
        if self._new_numbers and time.monotonic() - self._drawn >= CURVES_SECONDS:
            self._draw()
        self._monitor.point(before_pause=self.pause)

    def checkpoint(self) -> None:
        """Write a checkpoint and the avatar as it is now."""
        self._save()

    def pause(self) -> None:
        """Write what a run that rests should leave behind."""
        self._journal.say(f"pausing at step {self._trainer.step}")
        self._save()
        self._draw()

    def finish(self) -> None:
        """Write everything once more."""
        self._preview(self._save())
        self._draw()

    def _note(self, kind: str, step: int, values: dict[str, float]) -> None:
        self._new_numbers = True
        if kind == "train":
            self._monitor.tell(loss=values.get("total"), psnr=training_psnr(values))
        elif kind == "preview":
            self._monitor.tell(held_out_psnr=values.get("both/full_image/psnr"))

    def _draw(self) -> None:
        self._drawn, self._new_numbers = time.monotonic(), False
        draw_curves(self._trainer.run)

    def _avatar(self) -> Avatar:
        trainer = self._trainer
        provenance: dict[str, Any] = {
            "steps": trainer.step,
            "tiles": trainer.step * trainer.config.tiles_per_step,
            "minutes": round(trainer.seconds / 60.0, 1),
            "device": str(trainer.device),
            "perceptual_loss": self._perceptual,
            "seed": trainer.config.seed,
        }
        model = trainer.averaged()
        # What previews show: where refined fits are, so that they measure what is drawn and not how the fits were off.
        self._refined = refined_capture(self._capture, model)
        return make_avatar(model, trainer.config, self._capture, self._frames, self._data, provenance)

    def _save(self) -> Avatar:
        self._trainer.save()
        avatar = self._avatar()
        save_avatar(self._avatar_path, avatar)
        if self._trainer.config.refine:
            self._refined.poses.save(self._trainer.run / REFINED_POSES)
        give_back_freed_memory()
        return avatar

    def _preview(self, avatar: Avatar) -> None:
        step = self._trainer.step
        path = self._trainer.run / "previews" / f"step_{step:06d}.png"
        device = str(self._trainer.device)
        try:
            values = write_preview(path, avatar, self._refined, self._preview_frames, self._data, device)
        except CaptureError as error:
            # The images that are trained on may all be in memory: a picture is not worth the run.
            self._journal.say(f"no preview: {error}")
            self._monitor.tell(message=f"No preview: {error.message}")
            return
        self._journal.numbers("preview", step, values)
        shown = ("train", "camera", "pose", "both")
        text = "  ".join(
            f"{split} {values[f'{split}/full_image/psnr']:.2f} / {values[f'{split}/hand_box/psnr']:.2f} dB"
            for split in shown
            if f"{split}/full_image/psnr" in values
        )
        self._journal.say(f"preview {path.name}, full image / hand box: {text}")
