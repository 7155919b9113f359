"""Baseline: the proxy with a texture, each texel the mean of what the training pictures show of it."""

from __future__ import annotations

import numpy as np
import torch

from ...captures.capture import Capture, CaptureFrame
from ...hand.data import ProxyModel
from ...kernels.mesh.raster import rasterise
from ...meshes.baking import Texels, bilinear
from .method import Baseline, State

SIDE = 512
"""Texels."""

FINER = 2
"""Samples a pixel along each side, so that silhouettes have no steps."""


class TexturedMesh(Baseline):
    """Nothing is learnt but the mean; it is done when every picture was looked at once."""

    name, title = "textured_mesh", "textured proxy mesh"

    def __init__(self, capture: Capture, frames: tuple[CaptureFrame, ...], data: ProxyModel, seed: int) -> None:
        super().__init__(capture, frames, data, seed)
        self._texels, self._order, self._done = Texels(data, SIDE), self.random.permutation(len(frames)), 0
        self._texture: np.ndarray | None = None

    def step(self, progress: float) -> bool:
        if self._done >= len(self.frames):
            return False
        frame = self.frames[self._order[self._done]]
        self._texels.gather(self.vertices(frame), frame.camera, self.capture.image(frame))
        self._done, self._texture = self._done + 1, None
        return self._done < len(self.frames)

    @property
    def texture(self) -> np.ndarray:
        """(SIDE, SIDE, 3) float32 sRGB, as it is now."""
        if self._texture is None:
            self._texture = self._texels.texture()
        return self._texture

    def draw(self, frame: CaptureFrame) -> np.ndarray:
        camera = frame.camera.resized(frame.camera.width * FINER, frame.camera.height * FINER)
        raster = rasterise(self.vertices(frame), self.data.faces.astype(np.int32), camera, barycentric=True)
        assert raster.barycentric is not None
        answer = np.zeros((camera.height, camera.width, 4), np.float32)
        seen = raster.face >= 0
        uv = np.einsum("pk,pkc->pc", raster.barycentric[seen], self.data.face_uv[raster.face[seen]])
        answer[seen, :3], answer[seen, 3] = self.looked_up(uv), 1.0
        return answer.reshape(frame.camera.height, FINER, frame.camera.width, FINER, 4).mean(axis=(1, 3))

    def looked_up(self, uv: np.ndarray) -> np.ndarray:
        """(N, 3) colours at (N, 2) texture coordinates."""
        return bilinear(self.texture, np.clip(uv * SIDE - 0.5, 0.0, SIDE - 1.0))

    def state(self) -> State:
        colour, weight = self._texels.gathered
        return {"colour": torch.from_numpy(colour), "weight": torch.from_numpy(weight), "done": self._done}

    def load(self, state: State) -> None:
        colour, weight = self._texels.gathered
        colour[:], weight[:] = state["colour"].numpy(), state["weight"].numpy()
        self._done, self._texture = int(state["done"]), None
