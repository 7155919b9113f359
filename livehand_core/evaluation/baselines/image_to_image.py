"""Baseline: a U-Net from the proxy's raster to the picture, as SMPLpix does (Prokudin et al. 2021).

Its input is what a rasteriser knows of the posed proxy: colour, normal, depth, mask. It knows no more than that of
three dimensions.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from ...captures.capture import Capture, CaptureFrame
from ...framing import Box
from ...hand.data import ProxyModel
from ...kernels.mesh.raster import rasterise
from ...meshes.mesh import vertex_normals
from .method import Baseline, State
from .textured_mesh import TexturedMesh

CHANNELS = 8
"""Colour (3), normal in the camera's axes (3), depth relative to the hand's middle, mask."""

WIDTHS = (24, 48, 96, 128)
MARGIN, MULTIPLE = 12, 8
"""Pixels around the proxy that it may draw on; sides are multiples of the network's coarsest pixel."""

DEPTH_SCALE = 10.0
RATE = 1e-3
ALPHA_WEIGHT = 0.5


class UNet(nn.Module):
    """Four levels of two convolutions, (1, 8, H, W) -> (1, 4, H, W) straight colour and opacity in [0, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList(_block(a, b) for a, b in zip((CHANNELS, *WIDTHS), WIDTHS, strict=False))
        pairs = list(pairwise(WIDTHS))[::-1]
        self.up = nn.ModuleList(_block(fine + coarse, fine) for fine, coarse in pairs)
        self.out = nn.Conv2d(WIDTHS[0], 4, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        kept = []
        for level, block in enumerate(self.down):
            image = block(functional.avg_pool2d(image, 2) if level else image)
            kept.append(image)
        for block, fine in zip(self.up, reversed(kept[:-1]), strict=True):
            larger = functional.interpolate(image, scale_factor=2, mode="bilinear", align_corners=False)
            image = block(torch.cat([fine, larger], dim=1))
        answer: torch.Tensor = torch.sigmoid(self.out(image))
        return answer


class ImageToImage(Baseline):
    """Trained on the hand's box of one picture a step.

    Args:
        mesh: the textured mesh, whose colours the raster shows.
    """

    name, title = "image_to_image", "image to image"

    def __init__(
        self, capture: Capture, frames: tuple[CaptureFrame, ...], data: ProxyModel, seed: int, mesh: TexturedMesh
    ) -> None:
        super().__init__(capture, frames, data, seed)
        self._mesh, self._network = mesh, UNet()
        self._optimiser = torch.optim.Adam(self._network.parameters(), lr=RATE)

    def step(self, progress: float) -> bool:
        frame = self.frames[int(self.random.integers(len(self.frames)))]
        raster, box = self._raster(frame)
        if box is None:
            return True
        window = self.capture.image(frame)[box.window]
        truth = torch.from_numpy(np.ascontiguousarray(window.transpose(2, 0, 1)))[None]
        for group in self._optimiser.param_groups:
            group["lr"] = RATE * (0.02 + 0.98 * 0.5 * (1.0 + math.cos(math.pi * min(progress, 1.0))))
        found = self._network(raster)[..., : truth.shape[2], : truth.shape[3]]
        alpha = found[:, 3:]
        error = (found[:, :3] * alpha - truth[:, :3]).abs().mean() + ALPHA_WEIGHT * (alpha - truth[:, 3:]).abs().mean()
        self._optimiser.zero_grad()
        error.backward()
        self._optimiser.step()
        return True

    @torch.no_grad()
    def draw(self, frame: CaptureFrame) -> np.ndarray:
        answer = np.zeros((frame.camera.height, frame.camera.width, 4), np.float32)
        raster, box = self._raster(frame)
        if box is not None:
            found = self._network(raster)[0, :, : box.height, : box.width].numpy().transpose(1, 2, 0)
            answer[box.window] = np.concatenate([found[..., :3] * found[..., 3:], found[..., 3:]], axis=-1)
        return answer

    def state(self) -> State:
        return {"network": self._network.state_dict(), "optimiser": self._optimiser.state_dict()}

    def load(self, state: State) -> None:
        self._network.load_state_dict(state["network"])
        self._optimiser.load_state_dict(state["optimiser"])

    def _raster(self, frame: CaptureFrame) -> tuple[torch.Tensor, Box | None]:
        """(1, 8, h, w) of the hand's box, filled up to whole coarse pixels, and the box; None where it is not seen."""
        camera, vertices = frame.camera, self.vertices(frame)
        faces = self.data.faces.astype(np.int32)
        raster = rasterise(vertices, faces, camera, barycentric=True)
        assert raster.barycentric is not None
        rows, columns = np.nonzero(raster.face >= 0)
        if not len(rows):
            return torch.zeros(0), None
        box = Box(
            max(int(columns.min()) - MARGIN, 0),
            max(int(rows.min()) - MARGIN, 0),
            min(int(columns.max()) + 1 + MARGIN, camera.width),
            min(int(rows.max()) + 1 + MARGIN, camera.height),
        )
        face, weight = raster.face[rows, columns], raster.barycentric[rows, columns]
        turn = camera.world_to_camera[:3, :3].astype(np.float32)
        normals = np.einsum("pk,pkc->pc", weight, (vertex_normals(vertices, faces) @ turn.T)[faces[face]])
        middle = float(camera.project(vertices.mean(axis=0))[1])
        uv = np.einsum("pk,pkc->pc", weight, self.data.face_uv[face])
        depth = DEPTH_SCALE * (raster.depth[rows, columns] - middle)
        values = np.concatenate([self._mesh.looked_up(uv), normals, depth[:, None], np.ones((len(face), 1))], axis=1)
        height, width = (-(-side // MULTIPLE) * MULTIPLE for side in (box.height, box.width))
        answer = np.zeros((CHANNELS, height, width), np.float32)
        answer[:, rows - box.top, columns - box.left] = values.T
        return torch.from_numpy(answer)[None], box


def _block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1),
        nn.ReLU(True),
        nn.Conv2d(outputs, outputs, 3, padding=1),
        nn.ReLU(True),
    )
