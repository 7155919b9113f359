"""Skin that stands above the proxy: where its texture is looked up, what older avatars have, and how gains learn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from livehand_core.avatars.file import load_avatar, save_avatar
from livehand_core.hand.data import HandData
from livehand_core.kernels.shading.material import MILLIMETRE
from livehand_core.lights import Light
from livehand_core.networks.detail import DetailTexture
from livehand_core.rendering.shading.mesh import ShadedMesh
from livehand_core.rendering.shading.pixels import SeenSurface, lit_pixels
from livehand_core.rendering.shading.received import receive
from livehand_core.rendering.torch.shading import radiance

from .conftest import camera_at, tube_hand
from .lit import relightable

CAMERA = replace(camera_at((0.12, 0.25, -0.05)), fx=700.0, fy=700.0)


def mirrored_charts(hand: HandData) -> HandData:
    """The same hand, its texture seen in a mirror."""
    return replace(hand, uv=np.stack([1.0 - hand.uv[:, 0], hand.uv[:, 1]], axis=1).astype(hand.uv.dtype))


@pytest.mark.parametrize("hand", [tube_hand(), mirrored_charts(tube_hand())])
@pytest.mark.parametrize("projection", ["perspective", "orthographic"])
def test_texture_is_looked_up_where_the_ray_meets_raised_skin(hand: HandData, projection: str) -> None:
    camera = CAMERA if projection == "perspective" else replace(CAMERA, fx=2200.0, fy=2200.0, projection=projection)
    mesh, height = ShadedMesh.of(hand), 0.0008
    vertices = mesh.closed(hand.v_template.astype(np.float32))
    raised = (vertices + height * mesh.frames(vertices)[0]).astype(np.float32)
    surface, above = (SeenSurface.of(mesh, one, camera, 0.003) for one in (vertices, raised))
    (places,) = np.nonzero(((surface.face >= 0) & (above.face >= 0)).reshape(-1))
    pixels = lit_pixels(mesh, vertices, surface, receive(mesh, vertices, Light()), camera, places)
    weights, faces = above.barycentric.reshape(-1, 3)[places], above.face.reshape(-1)[places]
    wanted = np.einsum("pk,pkc->pc", weights, mesh.face_uv[faces])
    facing = -np.sum(pixels.normal * pixels.view, axis=1)
    # Not where a chart begins or the skin turns away.
    plain = (np.abs(wanted - pixels.uv).max(axis=1) < 0.05) & (facing > 0.5)
    assert plain.sum() > 500
    before = np.linalg.norm(wanted - pixels.uv, axis=1)[plain]
    after = np.linalg.norm(wanted - pixels.uv - height / MILLIMETRE * pixels.lean, axis=1)[plain]
    assert after.mean() < 0.4 * before.mean()


def test_relief_is_learnt_from_a_picture_of_what_stands_above_the_proxy() -> None:
    generator = torch.Generator().manual_seed(0)
    detail = DetailTexture(64, 3)
    with torch.no_grad():
        line = torch.arange(64) / 64.0
        detail.texture.copy_(
            torch.stack(torch.meshgrid((20 * line).sin(), (23 * line).cos(), indexing="ij"), -1)[..., [0, 1, 0]]
        )
    uv, footprint = torch.rand(4000, 2, generator=generator), torch.full((4000,), 1.0 / 64.0)
    lean = 0.01 * torch.randn(4000, 2, generator=generator)
    with torch.no_grad():
        wanted = detail(uv + 0.7 * lean, lean, footprint)
    optimiser = torch.optim.Adam([detail.relief], lr=0.05)
    for _ in range(60):
        optimiser.zero_grad()
        (detail(uv, lean, footprint) - wanted).square().mean().backward()
        optimiser.step()
    assert detail.relief.mean().item() == pytest.approx(0.7, abs=0.05)
    assert detail(uv[:0], lean[:0], footprint[:0]).shape == (0, 13)


def test_avatars_from_before_relief_have_flat_skin(tmp_path: Path) -> None:
    avatar = relightable(tube_hand())
    assert avatar.detail_state is not None
    older = {name: value for name, value in avatar.detail_state.items() if name != "relief"}
    save_avatar(tmp_path / "older.safetensors", replace(avatar, detail_state=older))
    state = load_avatar(tmp_path / "older.safetensors").detail_state
    assert state is not None and state["relief"].shape == (8, 8) and not state["relief"].any()


def test_a_gain_below_zero_gives_no_light_and_still_learns_to_rise() -> None:
    material = torch.full((1, 13), -0.2, requires_grad=True)
    shown = radiance(material, torch.ones(1), torch.ones(1, 5, 3))
    assert not shown.any()
    (up,) = torch.autograd.grad(-shown.sum(), material, retain_graph=True)
    (down,) = torch.autograd.grad(shown.sum(), material)
    # Light from behind may stay dead: of what hardly passes through skin it would learn noise.
    learns = [place for place in range(11) if not 6 <= place < 9]
    assert (up[0, learns] < 0.0).all() and not up[0, 6:9].any() and not down.any()
