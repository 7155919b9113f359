"""Splats drawn plainly in float64, all of them at every pixel, differentiable: what the loops are held to. torch."""

from __future__ import annotations

import torch

from livehand_core.cameras import Camera
from livehand_core.splats.cloud import basis
from livehand_core.splats.kernels import BLUR, LEAST, MOST


def picture(
    places: torch.Tensor, turns: torch.Tensor, logs: torch.Tensor, logits: torch.Tensor, colours: torch.Tensor,
    camera: Camera,
) -> torch.Tensor:  # fmt: skip
    """(H, W, 4) premultiplied over black, of N splats as ``drawing.Shape`` has them."""
    matrix = torch.from_numpy(camera.world_to_camera.copy())
    local = places @ matrix[:3, :3].T + matrix[:3, 3]
    x, y, z = local.unbind(1)
    middle = torch.stack([camera.fx * x / z + camera.cx, camera.fy * y / z + camera.cy], dim=1)
    nought = torch.zeros_like(z)
    across = torch.stack([camera.fx / z, nought, -camera.fx * x / z**2], dim=1)
    down = torch.stack([nought, camera.fy / z, -camera.fy * y / z**2], dim=1)
    axes = torch.stack([across, down], dim=1) @ matrix[:3, :3] @ (_turned(turns) * logs.exp()[:, None])
    inverse = torch.linalg.inv(axes @ axes.transpose(1, 2) + BLUR * torch.eye(2, dtype=torch.float64))
    away = places.detach().numpy() - camera.camera_to_world[:3, 3]
    away /= (away**2).sum(axis=1, keepdims=True) ** 0.5
    towards = torch.from_numpy(basis(away)[:, : colours.shape[1]])
    colour = (0.5 + torch.einsum("nb,nbc->nc", towards, colours)).clamp(min=0.0)
    rows, columns = torch.meshgrid(torch.arange(camera.height), torch.arange(camera.width), indexing="ij")
    pixels = torch.stack([columns, rows], dim=-1).to(torch.float64) + camera.pixel_offset
    off = pixels[None] - middle[:, None, None]
    power = torch.einsum("nhwi,nij,nhwj->nhw", off, inverse, off)
    alpha = (torch.sigmoid(logits[:, 0])[:, None, None] * torch.exp(-0.5 * power)).clamp(max=MOST)
    alpha = torch.where(alpha < LEAST, torch.zeros_like(alpha), alpha)
    image = torch.zeros((camera.height, camera.width, 4), dtype=torch.float64)
    let = torch.ones((camera.height, camera.width), dtype=torch.float64)
    for n in torch.argsort(z.detach()).tolist():
        share = (let * alpha[n])[..., None]
        image = image + share * torch.cat([colour[n], torch.ones(1, dtype=torch.float64)])
        let = let * (1.0 - alpha[n])
    return image


def _turned(turns: torch.Tensor) -> torch.Tensor:
    w, i, j, k = (turns / turns.norm(dim=1, keepdim=True)).unbind(1)
    rows = [
        [1 - 2 * (j * j + k * k), 2 * (i * j - w * k), 2 * (i * k + w * j)],
        [2 * (i * j + w * k), 1 - 2 * (i * i + k * k), 2 * (j * k - w * i)],
        [2 * (i * k - w * j), 2 * (j * k + w * i), 1 - 2 * (i * i + j * j)],
    ]
    return torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)
