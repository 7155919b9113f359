"""One frame by the formulas of docs/method.md 1, in float32 torch: what every shortcut is measured and checked by.

It is the reference without a shortcut: every ray with bounds, all of its samples, the networks as they are written down
(pose beside the position in each sample's input, the feature layer by itself), super-resolution of the whole image. No
crop, no early end, nothing folded. Only the nearest surface is a library's, since trying 1538 triangles for each sample
would measure nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ..avatars.file import Avatar
from ..cameras import Camera
from ..frames import HandInstance
from ..hand.data import HandData
from ..rendering.clock import Clock
from ..rendering.plan import plan_hand
from ..rendering.setup import feature_camera
from ..rendering.torch.hand import TorchHand
from ..rendering.view import View


@dataclass(frozen=True)
class PlainFrame:
    """One hand's picture and what it took.

    Attributes:
        rgba: (H, W, 4) float32, premultiplied, display-referred.
        valid: (h, w) bool, the rays that were evaluated, of the feature image.
        weights: (R, S) compositing weights of their samples.
        transmittance: (R, S) what is left of the light when it reaches each sample; 0 where a ray needs fewer.
        stage_seconds: time of each stage, by the renderer's names.
    """

    rgba: np.ndarray
    valid: np.ndarray
    weights: np.ndarray
    transmittance: np.ndarray
    stage_seconds: dict[str, float]


class PlainRenderer:
    """Draws one hand of one avatar, without haste.

    Example:
        >>> plain = PlainRenderer(load_avatar("default"), builtin_hand("right"))
        >>> plain.render(HandInstance(HandPose.rest()), camera).rgba.shape
        (334, 512, 4)

    Args:
        avatar: whose hand is drawn; hands of the other side are mirrored.
        hand: the model it was trained on.
        device: torch's name of where to compute.
    """

    def __init__(self, avatar: Avatar, hand: HandData, device: str = "cpu") -> None:
        self._hand = TorchHand(avatar, hand, torch.device(device), plain=True)
        self._wait = None if device == "cpu" else torch.cuda.synchronize

    @torch.inference_mode()
    def render(self, instance: HandInstance, camera: Camera) -> PlainFrame:
        """Draw a hand into the whole of the camera's image, at the image's own size."""
        hand, clock, nothing = self._hand, Clock(None, self._wait), frozenset[str]()
        view, vertices = hand.seen(instance, camera, clock)
        plan = plan_hand(hand.metadata, view, vertices, crop=False, received=hand.received(view, vertices))
        seen = None if plan is None else hand.features(plan, instance.identity, nothing, clock)
        if plan is None or seen is None:
            return self._empty(view, clock)
        layer = hand.layer(plan, seen, hand.upsample(plan, seen, clock), nothing, clock)
        # What is brighter than white is only kept in scene-linear answers.
        rgba = np.concatenate([np.minimum(layer.rgba[..., :3], layer.rgba[..., 3:]), layer.rgba[..., 3:]], axis=2)
        weights, needed = seen.weights.cpu().numpy(), seen.intervals.cpu().numpy() > 0.0
        return PlainFrame(
            rgba=rgba[:, ::-1] if view.mirrored else rgba,
            valid=seen.valid.cpu().numpy(),
            weights=weights,
            transmittance=np.where(needed, 1.0 - np.pad(weights.cumsum(axis=1)[:, :-1], ((0, 0), (1, 0))), 0.0),
            stage_seconds=clock.seconds,
        )

    def _empty(self, view: View, clock: Clock) -> PlainFrame:
        """Of a hand that no ray meets."""
        metadata, low = self._hand.metadata, feature_camera(self._hand.metadata, view.camera)
        nothing = np.zeros((0, metadata.architecture.n_samples + metadata.architecture.n_importance), np.float32)
        rgba = np.zeros((view.camera.height, view.camera.width, 4), np.float32)
        return PlainFrame(rgba, np.zeros((low.height, low.width), bool), nothing, nothing, clock.seconds)
