"""Refinement: gradients from positions to the proxy, pose, shape and surface, against central differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from livehand_core.hand.data import HandData
from livehand_core.hand.model import HandModel
from livehand_core.kernels.mesh.nearest import nearest_points
from livehand_core.kernels.mesh.proxy import PosedProxy, ProxyTopology
from livehand_core.networks import FieldConfig, RadianceField
from livehand_core.surface import vertex_normals
from livehand_core.training.march import Samples, ray_values
from livehand_core.training.refinement import _Canonical, vertex_gradients

NUMBERS = 48 + 3 + 10


@pytest.fixture(scope="module")
def shaped(tubes: HandData) -> HandData:
    """The tube hand with shape directions and correctives, which it does not have by itself."""
    from dataclasses import replace

    random, count = np.random.default_rng(0), len(tubes.v_template)
    shapes = 0.002 * random.standard_normal((count, 3, 10)).astype(np.float32)
    return replace(tubes, shapedirs=shapes, posedirs=0.001 * random.standard_normal((count, 3, 135)).astype(np.float32))


Nearest = tuple[np.ndarray, np.ndarray]


def nearest(points: torch.Tensor, vertices: torch.Tensor, topology: ProxyTopology) -> Nearest:
    face, weights, _ = nearest_points(PosedProxy.of(vertices.detach().numpy(), topology), points.numpy())
    return face, weights


def canonical(
    points: torch.Tensor, vertices: torch.Tensor, normals: torch.Tensor, topology: ProxyTopology, found: Nearest
) -> torch.Tensor:
    """(N, 6) in torch, float64, what is nearest staying so: written from docs/method.md 1.5, point by point."""
    (face, weights), rows = found, []
    for k, point in enumerate(points):
        corners = [c for c in range(3) if weights[k, c] > 1e-6]
        ids = [int(topology.faces[face[k], c]) for c in corners]
        speaks = int(face[k])
        if len(corners) == 2:
            speaks = min(speaks, int(topology.neighbours[speaks, 3 - sum(corners)]))
        uv = [topology.face_uv[speaks, list(topology.faces[speaks]).index(i)] for i in ids]
        places = vertices[ids]
        edges = (places[1:] - places[:1]).T
        share = torch.ones(1, dtype=torch.float64)
        if len(ids) > 1:
            rest = torch.linalg.solve(edges.T @ edges, edges.T @ (point - places[0]))
            share = torch.cat([1.0 - rest.sum()[None], rest])
        away = point - share @ places
        distance = (away.square().sum() + 1e-8).sqrt()
        side = (away * normals[ids].sum(dim=0)).sum().sign().detach()
        normal = torch.nn.functional.normalize(share @ normals[ids], dim=0)
        rows.append(
            torch.cat([share @ torch.tensor(np.array(uv), dtype=torch.float64), (side * distance)[None], normal])
        )
    return torch.stack(rows)


def draw(vertices: torch.Tensor, count: int, far: float) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    near = vertices[torch.randint(len(vertices), (count,), generator=generator)].detach()
    return near + far * torch.randn(count, 3, generator=generator, dtype=torch.float64)


def test_the_proxys_gradient_is_torchs(shaped: HandData) -> None:
    """Inside triangles, on edges and at corners, above and below the surface."""
    model, topology = HandModel(shaped), ProxyTopology.of(shaped)
    vertices = torch.tensor(shaped.v_template, dtype=torch.float64, requires_grad=True)
    normals = vertex_normals(vertices, model.faces).detach().requires_grad_()
    points = draw(vertices, 300, 0.004)
    positions = canonical(points, vertices, normals, topology, nearest(points, vertices, topology))
    gradient = torch.randn(positions.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    wanted = torch.autograd.grad((positions * gradient).sum(), [vertices, normals])
    side = positions[:, 2].sign().detach().numpy()
    arrays = vertices.detach().numpy(), normals.detach().numpy()
    found = vertex_gradients(gradient.numpy(), side, points.numpy(), *arrays, topology)
    _, weights, _ = nearest_points(PosedProxy.of(arrays[0], topology), points.numpy())
    assert {1, 2, 3} == set((weights > 1e-6).sum(axis=1)), "not all kinds of nearest places were drawn"
    for ours, theirs in zip(found, wanted, strict=True):
        assert np.abs(ours - theirs.numpy()).max() < 1e-12 * np.abs(ours).max()


def test_the_rays_gradient_of_positions(tubes: HandData) -> None:
    """The hand-written loops against autograd through the plain field, in float64, textures and normals included."""
    torch.manual_seed(0)
    sizes = FieldConfig(
        pose_size=45, width=32, view_width=16, normal_frequencies=2, density_scale=300.0, distance_scale=64.0,
        texture_sizes=(8, 32),
    )  # fmt: skip
    field = RadianceField(sizes).double()
    with torch.no_grad():
        field.density.bias.fill_(0.3)
        for texture in field.textures:
            texture.normal_(std=0.3)
    rays, count = 40, 6
    positions = torch.rand(rays, count, 6, dtype=torch.float64)
    positions[..., 2] = 0.01 * (positions[..., 2] - 0.5)
    directions = torch.nn.functional.normalize(torch.randn(rays, 3, dtype=torch.float64), dim=-1)
    intervals, lengths = torch.full((rays, count), 0.001, dtype=torch.float64), torch.ones(rays, dtype=torch.float64)
    pose, weights = torch.randn(45, dtype=torch.float64), torch.randn(rays, 33, dtype=torch.float64)

    def loss(places: torch.Tensor) -> torch.Tensor:
        return (ray_values(field, Samples(places, intervals, lengths, None), directions, pose) * weights).sum()

    given = positions.clone().requires_grad_()
    (found,) = torch.autograd.grad(loss(given), given)
    assert (found.abs().amax(dim=-1) > 0).float().mean() > 0.5
    step = 1e-8
    for index in ((0, 0, 0), (3, 1, 1), (5, 2, 2), (7, 0, 3), (9, 1, 4), (11, 3, 5), (20, 2, 2), (30, 0, 1)):
        ahead, behind = positions.clone(), positions.clone()
        ahead[index] += step
        behind[index] -= step
        wanted = float((loss(ahead) - loss(behind)).detach()) / (2.0 * step)
        assert float(found[index]) == pytest.approx(wanted, rel=1e-5, abs=1e-6 * float(found.abs().max())), index


def test_pose_shape_surface_and_place_to_a_loss(shaped: HandData) -> None:
    """From pose, betas and offsets through skinning, normals and the nearest point to a sum over positions."""
    model, topology = HandModel(shaped), ProxyTopology.of(shaped)
    generator = torch.Generator().manual_seed(3)
    start = 0.1 * torch.randn(NUMBERS + len(shaped.v_template), generator=generator, dtype=torch.float64)
    start[NUMBERS:] *= 0.01

    def posed(numbers: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        angles, place, betas = numbers[:48].view(1, 16, 3), numbers[None, 48:51], numbers[None, 51:NUMBERS]
        vertices = model.pose(betas, angles, place, numbers[NUMBERS:])[0][0]
        return vertices, vertex_normals(vertices, model.faces)

    points = draw(posed(start)[0], 30, 0.003)
    near = nearest(points, posed(start)[0], topology)
    weights = torch.randn(30, 6, generator=generator, dtype=torch.float64)
    given = start.clone().requires_grad_()
    vertices, normals = posed(given)
    values = canonical(points, vertices.detach(), normals.detach(), topology, near)
    attached = _Canonical.apply(vertices, normals, values[:, None], (points[:, None], topology))
    (found,) = torch.autograd.grad((attached[:, 0] * weights).sum(), given)

    def loss(numbers: torch.Tensor) -> float:
        return float((canonical(points, *posed(numbers), topology, near) * weights).sum())

    step = 1e-7
    for index in (0, 2, 3, 17, 30, 47, 48, 50, 51, 60, NUMBERS + 5):
        ahead, behind = start.clone(), start.clone()
        ahead[index] += step
        behind[index] -= step
        wanted = (loss(ahead) - loss(behind)) / (2.0 * step)
        assert float(found[index]) == pytest.approx(wanted, rel=1e-4, abs=1e-5 * float(found.abs().max())), index
