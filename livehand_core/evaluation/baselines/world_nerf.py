"""Baseline: a plain NeRF in world coordinates, told the pose, with hierarchical sampling (Mildenhall et al. 2020).

No proxy: rays are sampled through the box in which the hand is ever seen, by a coarse field, and where that is dense by
a fine one.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from ...cameras import Camera
from ...captures.capture import Capture, CaptureFrame
from ...hand.data import ProxyModel
from ...networks import FieldConfig, RadianceField
from ...rendering.torch.integration import Integrated, integrate
from ...rendering.torch.sampling import from_weights, stratified
from .method import Baseline, State

SIZES = FieldConfig(
    coordinates="xyz", depth=8, width=128, pose_size=48, feature_channels=3, view_width=64, position_frequencies=8
)
COARSE, FINE = 32, 32
"""Samples a ray of the first pass, and those that are added for the second."""

PICTURES, RAYS = 4, 128
"""Pictures a step, and rays of each."""

ROOM = 0.02
"""Metres around the hand's extent."""

RATE = 1e-3
AT_ONCE = 4096


class WorldNerf(Baseline):
    """Two fields. Coordinates run from -1 to 1 along the box's longest side."""

    name, title = "world_nerf", "NeRF in world coordinates"

    def __init__(self, capture: Capture, frames: tuple[CaptureFrame, ...], data: ProxyModel, seed: int) -> None:
        super().__init__(capture, frames, data, seed)
        used = {frame.pose: frame for frame in capture.frames}.values()
        low = np.min([self.vertices(frame).min(axis=0) for frame in used], axis=0) - ROOM
        high = np.max([self.vertices(frame).max(axis=0) for frame in used], axis=0) + ROOM
        self._middle, self._half = 0.5 * (low + high), 0.5 * float((high - low).max())
        self._corner = (0.5 * (high - low) / self._half).astype(np.float32)
        self._fields = torch.nn.ModuleList(RadianceField(SIZES) for _ in range(2))
        with torch.no_grad():
            for field in self._fields:
                # A thin fog to begin with: a density that is negative everywhere would never learn.
                field.density.bias.fill_(1.0)  # type: ignore[union-attr,operator]
        self._optimiser = torch.optim.Adam(self._fields.parameters(), lr=RATE)

    def step(self, progress: float) -> bool:
        rays = [
            self._drawn_rays(self.frames[int(number)])
            for number in self.random.integers(len(self.frames), size=PICTURES)
        ]
        origins, directions, poses, truth = (torch.from_numpy(np.concatenate(part)) for part in zip(*rays, strict=True))
        for group in self._optimiser.param_groups:
            group["lr"] = RATE * (0.02 + 0.98 * 0.5 * (1.0 + math.cos(math.pi * min(progress, 1.0))))
        loss = torch.zeros(())
        for seen in self._passes(origins, directions, poses, jitter=True):
            found = torch.cat([seen.features, seen.opacity[:, None]], dim=1)
            loss = loss + (found - truth).square().mean()
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()
        return True

    @torch.no_grad()
    def draw(self, frame: CaptureFrame) -> np.ndarray:
        camera = frame.camera
        places = np.stack(np.meshgrid(np.arange(camera.width), np.arange(camera.height)), axis=-1).reshape(-1, 2)
        origins, directions = self._rays(camera, places)
        hit = np.flatnonzero(_spans(origins, directions, self._corner)[2])
        pose = np.broadcast_to(self.capture.hand(frame).full_pose.astype(np.float32), (len(hit), 48))
        answer = np.zeros((len(places), 4), np.float32)
        for first in range(0, len(hit), AT_ONCE):
            part = slice(first, first + AT_ONCE)
            chosen = hit[part]
            rays = [
                torch.from_numpy(np.ascontiguousarray(v)) for v in (origins[chosen], directions[chosen], pose[part])
            ]
            seen = self._passes(rays[0], rays[1], rays[2], jitter=False)[1]
            answer[chosen, :3], answer[chosen, 3] = seen.features.numpy(), seen.opacity.numpy()
        return answer.reshape(camera.height, camera.width, 4)

    def state(self) -> State:
        return {"fields": self._fields.state_dict(), "optimiser": self._optimiser.state_dict()}

    def load(self, state: State) -> None:
        self._fields.load_state_dict(state["fields"])
        self._optimiser.load_state_dict(state["optimiser"])

    def _drawn_rays(self, frame: CaptureFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Rays of a picture that pass the box, half of them on the hand: origins, directions, poses, truth."""
        image, camera = self.capture.image(frame), frame.camera
        on_hand = np.argwhere(image[..., 3] > 0.5)[:, ::-1]
        places = np.stack(
            [self.random.integers(camera.width, size=RAYS), self.random.integers(camera.height, size=RAYS)], 1
        )
        if len(on_hand):
            places[: RAYS // 2] = on_hand[self.random.integers(len(on_hand), size=RAYS // 2)]
        origins, directions = self._rays(camera, places)
        hit = _spans(origins, directions, self._corner)[2]
        pose = np.broadcast_to(self.capture.hand(frame).full_pose.astype(np.float32), (int(hit.sum()), 48))
        truth = image[places[hit, 1], places[hit, 0]].astype(np.float32)
        return origins[hit], directions[hit], np.ascontiguousarray(pose), truth

    def _rays(self, camera: Camera, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(R, 3) origins and unit directions in the box's coordinates, of (R, 2) pixels."""
        across = (places + camera.pixel_offset - [camera.cx, camera.cy]) / [camera.fx, camera.fy]
        matrix = camera.camera_to_world
        if camera.projection == "orthographic":
            local = np.concatenate([across, np.zeros((len(places), 1))], axis=1)
            origins = local @ matrix[:3, :3].T + matrix[:3, 3]
            directions = np.broadcast_to(matrix[:3, 2], origins.shape)
        else:
            directions = np.concatenate([across, np.ones((len(places), 1))], axis=1) @ matrix[:3, :3].T
            directions /= np.linalg.norm(directions, axis=1, keepdims=True)
            origins = np.broadcast_to(matrix[:3, 3], directions.shape)
        return ((origins - self._middle) / self._half).astype(np.float32), directions.astype(np.float32)

    def _passes(
        self, origins: torch.Tensor, directions: torch.Tensor, poses: torch.Tensor, jitter: bool
    ) -> tuple[Integrated, Integrated]:
        """What the coarse field sees of R rays, and the fine one."""
        near, far, _ = (torch.from_numpy(v) for v in _spans(origins.numpy(), directions.numpy(), self._corner))
        depths = stratified(near, far, COARSE, torch.rand(len(near), COARSE) if jitter else None)
        coarse = self._seen(0, origins, directions, poses, depths)
        depths = from_weights(depths, coarse.weights, FINE, torch.rand(len(near), FINE) if jitter else None)
        return coarse, self._seen(1, origins, directions, poses, depths)

    def _seen(
        self, number: int, origins: torch.Tensor, directions: torch.Tensor, poses: torch.Tensor, depths: torch.Tensor
    ) -> Integrated:
        points = origins[:, None] + directions[:, None] * depths[..., None]
        colour, sigma = self._fields[number](points, directions, poses)
        # The last sample stands for as much as the others, so that rays may pass.
        return integrate(colour, 10.0 * sigma, depths, torch.ones(len(depths)), last_interval=2.0 / COARSE)


def _spans(
    origins: np.ndarray, directions: np.ndarray, corner: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(R,) where rays enter and leave the box between -corner and corner, in front of the camera; whether they do."""
    with np.errstate(divide="ignore", invalid="ignore"):
        one, other = (-corner - origins) / directions, (corner - origins) / directions
    near = np.nanmax(np.minimum(one, other), axis=1)
    far = np.nanmin(np.maximum(one, other), axis=1)
    near = np.maximum(near, 1e-3).astype(np.float32)
    return near, far.astype(np.float32), far > near
