"""An avatar's field at one pose, asked at points and along short rays; any form of avatar, on any device."""

from __future__ import annotations

import numpy as np
import torch

from ..avatars.arrays import AvatarArrays
from ..avatars.file import Avatar
from ..avatars.metadata import AvatarMetadata
from ..kernels.mesh.nearest import ray_coordinates
from ..kernels.mesh.proxy import PosedProxy
from ..rendering.torch.identity_textures import IdentityTextures
from ..rendering.torch.integration import integrate
from ..workers import Workers

RAY_SAMPLES = 10
"""Samples of a ray that looks a vertex' colour up."""

SAMPLES_AT_ONCE = 8192
"""So many that a layer's activations stay in a processor's cache."""


class Surroundings:
    """Canonical coordinates around a posed proxy.

    Args:
        proxy: the posed mesh.
        metadata: of the avatar: how the sign of d is found, and whether its field takes normals.
        workers: threads.
    """

    def __init__(self, proxy: PosedProxy, metadata: AvatarMetadata, workers: Workers) -> None:
        self._proxy, self._workers = proxy, workers
        self._pseudo_normal = metadata.sign == "pseudo_normal"
        self._columns = metadata.architecture.field.coordinate_count

    def at(self, points: np.ndarray) -> np.ndarray:
        """(N, 3 or 6) float32 coordinates of (N, 3) float32 points; the third is the signed distance in metres."""
        return self.along(points, np.zeros_like(points), 0.0, 1)[:, 0]

    def along(self, origins: np.ndarray, directions: np.ndarray, length: float, samples: int) -> np.ndarray:
        """(R, S, 3 or 6) float32 coordinates of samples evenly spaced along rays of that length, ends included."""
        count = len(origins)
        near, far = np.zeros(count, np.float32), np.full(count, length, np.float32)
        out = np.empty((count, samples, self._columns), np.float32)
        self._workers.parallel_for(
            count,
            lambda start, stop: ray_coordinates(
                self._proxy, origins, directions, near, far, samples, self._pseudo_normal, self._columns > 3, out,
                start, stop,
            ),
        )  # fmt: skip
        return out


class PosedField:
    """A field with a frame's pose and identity. Points are in the frame in which the avatar is evaluated.

    Args:
        avatar: its weights.
        around: the posed proxy.
        pose, code: as :func:`livehand_core.rendering.setup.conditioning` gives them.
        shares: as :func:`livehand_core.rendering.setup.identity_shares` gives them.
        device: torch's name of it.
    """

    def __init__(
        self,
        avatar: AvatarArrays,
        around: Surroundings,
        pose: np.ndarray,
        code: np.ndarray | None,
        shares: np.ndarray,
        device: str,
    ) -> None:
        self._around, self._device = around, torch.device(device)
        self._last_interval = avatar.metadata.last_interval
        whole = Avatar.of(avatar)
        coarse, fine, _ = whole.networks(self._device)
        self._field = coarse if fine is None else fine
        IdentityTextures(list(self._field.textures), whole.identity_textures).show(shares)
        self._world = avatar.metadata.architecture.field.coordinates == "xyz"
        self._pose = self._tensor(pose)
        self._code = None if code is None else self._tensor(code)

    def densities(self, points: np.ndarray, coordinates: np.ndarray) -> np.ndarray:
        """(N,) float32 raw densities in 1/m, negative where there is nothing.

        Args:
            points: (N, 3) metres.
            coordinates: (N, 3 or 6) of these points, see :class:`Surroundings`.
        """
        places = points if self._world else coordinates
        answer = np.empty(len(places), np.float32)
        for first in range(0, len(places), SAMPLES_AT_ONCE):
            part = slice(first, first + SAMPLES_AT_ONCE)
            _, sigma = self._field.density_of(self._tensor(places[part])[:, None], self._pose, self._code)
            answer[part] = sigma[:, 0].cpu()
        return answer

    def colours(self, origins: np.ndarray, directions: np.ndarray, length: float) -> tuple[np.ndarray, np.ndarray]:
        """What rays see: (R, 3) display-referred sRGB premultiplied by (R,) opacities.

        Args:
            origins: (R, 3) float32, metres.
            directions: (R, 3) float32 unit vectors.
            length: of all rays, metres.
        """
        step = SAMPLES_AT_ONCE // RAY_SAMPLES
        parts = [slice(first, first + step) for first in range(0, len(origins), step)]
        answers = [self._rays(origins[part], directions[part], length) for part in parts]
        colours, opacities = zip(*answers, strict=True) if answers else ((np.zeros((0, 3)),), (np.zeros(0),))
        return np.concatenate(colours), np.concatenate(opacities)

    def _rays(self, origins: np.ndarray, directions: np.ndarray, length: float) -> tuple[np.ndarray, np.ndarray]:
        depths = np.linspace(0.0, length, RAY_SAMPLES, dtype=np.float32)
        if self._world:
            places = origins[:, None] + directions[:, None] * depths[:, None]
        else:
            places = self._around.along(origins, directions, length, RAY_SAMPLES)
        colour, sigma = self._field(self._tensor(places), self._tensor(directions), self._pose, self._code)
        along = self._tensor(depths).expand(len(origins), -1)
        lengths = torch.ones_like(along[:, 0])
        seen = integrate(colour[..., :3], sigma, along, lengths, last_interval=self._last_interval)
        return np.asarray(seen.features.cpu()), np.asarray(seen.opacity.cpu())

    def _tensor(self, values: np.ndarray) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.float32, device=self._device)
