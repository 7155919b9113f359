"""Texels past the charts of a part: tied to the charts' own in training, so that nothing else comes in at a seam."""

from __future__ import annotations

import numpy as np
import torch

from livehand_core.hand.builtin import builtin_hand
from livehand_core.hand.data import ProxyModel
from livehand_core.hand.part import covered_cells
from livehand_core.networks.encoding import look_up
from livehand_core.training.config import preset
from livehand_core.training.model import AvatarModel
from livehand_core.training.seams import Seams
from livehand_core.training.views import HandMesh

SIZE = 64


def points(part: ProxyModel, count: int = 4000) -> torch.Tensor:
    """(n, 2) texture coordinates all over the surface, those on borders among them."""
    random = np.random.default_rng(2)
    shares = random.dirichlet([0.4, 0.4, 0.4], count)
    corners = part.face_uv[random.integers(len(part.faces), size=count)].astype(np.float64)
    return torch.tensor(np.einsum("nk,nkc->nc", shares, corners))


def test_look_ups_within_charts_see_nothing_else(part: ProxyModel) -> None:
    seams = Seams(part.face_uv)
    past, source = seams.ties(SIZE)
    random = torch.Generator().manual_seed(1)
    texture = torch.nn.Parameter(torch.rand((SIZE, SIZE, 2), generator=random, dtype=torch.float64))
    before = texture.detach().clone()
    seams.dilate([texture])
    changed = (texture.detach() != before).any(dim=-1).reshape(-1)
    assert set(changed.nonzero()[:, 0].tolist()) <= set(past.tolist())
    # Each tied texel is within two of the one that it follows, and that one is of a chart.
    down, right = past // SIZE - source // SIZE, past % SIZE - source % SIZE
    assert int(torch.maximum(down.abs(), right.abs()).max()) <= 2
    assert not set(source.tolist()) & set(past.tolist())
    # Whatever stands in the background, what is looked up on the surface stays.
    places, seen = points(part), look_up(texture.detach(), points(part))
    other = texture.detach().clone().reshape(-1, 2)
    known = torch.zeros(SIZE * SIZE, dtype=torch.bool)
    known[past] = True
    known |= torch.from_numpy(covered_cells(part.face_uv, SIZE).reshape(-1) > 0)
    other[~known] = 1e6
    assert torch.equal(look_up(other.reshape(SIZE, SIZE, 2), places), seen)


def test_tied_texels_share_one_gradient(part: ProxyModel) -> None:
    """The step is that of a texture in which they are one texel, by an oracle that gathers it."""
    seams, places = Seams(part.face_uv), points(part)
    past, source = seams.ties(SIZE)
    random = torch.Generator().manual_seed(4)
    start = torch.rand((SIZE, SIZE, 2), generator=random, dtype=torch.float64)
    wanted = torch.rand((len(places), 2), generator=random, dtype=torch.float64)

    followed = torch.arange(SIZE * SIZE)
    followed[past] = source
    free = start.reshape(-1, 2)[followed].clone().requires_grad_()
    tied = torch.nn.Parameter(start.clone())
    seams.dilate([tied])
    oracle, optimiser = torch.optim.Adam([free], lr=0.01), torch.optim.Adam([tied], lr=0.01)
    for _ in range(3):
        oracle.zero_grad()
        (look_up(free[followed].reshape(SIZE, SIZE, 2), places) - wanted).square().sum().backward()
        oracle.step()
        optimiser.zero_grad()
        (look_up(tied, places) - wanted).square().sum().backward()
        seams.join_gradients([tied])
        optimiser.step()
        seams.dilate([tied])
    torch.testing.assert_close(tied.detach().reshape(-1, 2), free.detach()[followed])


def test_only_parts_have_seams(part: ProxyModel) -> None:
    config = preset("cpu", steps=1, conditioning="local")
    mesh = HandMesh.of(part)
    model = AvatarModel(config, torch.zeros(2, 0), 1, 1, mesh.local_joints, mesh.seams)
    past, source = Seams(part.face_uv).ties(512)
    texels = model.field.textures[2].detach().reshape(512 * 512, -1)
    assert len(past) and torch.equal(texels[past], texels[source])
    assert HandMesh.of(builtin_hand("right")).seams is None
