"""Edges of what passes in front of the rest of a hand: found where they are, and blended by what each side covers."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from livehand_core.cameras import Camera, look_at
from livehand_core.hand.data import HandData
from livehand_core.hand.skinning import pose_vertices
from livehand_core.kernels.mesh.raster import Raster, rasterise
from livehand_core.kernels.networks.convolution import MARGIN
from livehand_core.kernels.shading.edges import STEEP, Edges, blend
from livehand_core.rendering.shading.edges import among, edges_of
from livehand_core.rendering.shading.mesh import ShadedMesh
from livehand_core.rendering.torch.shading import LitEdges, blended, encoded
from livehand_core.rendering.view import mirror_camera
from livehand_core.rotations import axis_angle_to_matrix

from .lit import FOLDED, folded_pose

CAMERA = Camera(
    96, 64, 150.0, 150.0, 48.3, 31.8, look_at(np.array([0.0, 0.0, -0.4]), np.zeros(3), np.array([0.0, 1, 0]))
)
PARALLEL = replace(CAMERA, fx=400.0, fy=400.0, projection="orthographic")


def prism(sides: int, radius: float, half: float, turn: np.ndarray, shift: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and outward triangles of a closed prism along x."""
    angle = 2.0 * np.pi * (np.arange(sides) + 0.5) / sides
    ring = radius * np.stack([np.zeros(sides), np.cos(angle), np.sin(angle)], axis=1)
    ends = [ring + np.array([side * half, 0.0, 0.0]) for side in (-1.0, 1.0)]
    vertices = np.concatenate([*ends, [[-half, 0.0, 0.0], [half, 0.0, 0.0]]])
    faces = []
    for k in range(sides):
        other = (k + 1) % sides
        faces += [[k, other, sides + k], [other, sides + other, sides + k]]
        faces += [[2 * sides, other, k], [2 * sides + 1, sides + k, sides + other]]
    corners = vertices[faces]
    if np.sum(corners[:, 0] * np.cross(corners[:, 1], corners[:, 2])) < 0.0:
        faces = [[a, c, b] for a, b, c in faces]
    return vertices @ turn.T + shift, np.array(faces)


def scene(*parts: tuple[np.ndarray, np.ndarray]) -> tuple[ShadedMesh, np.ndarray]:
    """Closed meshes as one."""
    starts = np.cumsum([0, *(len(vertices) for vertices, _ in parts)])
    vertices = np.concatenate([vertices for vertices, _ in parts]).astype(np.float32)
    faces = np.concatenate([faces + start for (_, faces), start in zip(parts, starts, strict=False)])
    model = SimpleNamespace(
        faces=faces, face_uv=np.random.default_rng(0).random((len(faces), 3, 2)), v_template=vertices
    )
    mesh = ShadedMesh.of(model)  # type: ignore[arg-type]
    return mesh, mesh.closed(vertices)


def crossing(angle: float = 0.3, sides: int = 24) -> tuple[ShadedMesh, np.ndarray]:
    """One bar before another."""
    front = prism(
        sides, 0.009, 0.06, axis_angle_to_matrix(np.array([0.0, 0.0, angle])), np.array([0.002, 0.001, -0.03])
    )
    turn = axis_angle_to_matrix(np.array([0.0, 0.2, 1.5]))
    return scene(front, prism(sides, 0.02, 0.07, turn, np.zeros(3)))


def looked_at(mesh: ShadedMesh, vertices: np.ndarray, camera: Camera) -> tuple[Raster, Edges]:
    raster = rasterise(vertices, mesh.faces, camera)
    return raster, edges_of(mesh, vertices, camera, raster.depth, raster.face)


def projected(vertices: np.ndarray, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """(V, 2) in pixels of the raster, and depths, float64."""
    matrix = camera.world_to_camera
    points = vertices.astype(np.float64) @ matrix[:3, :3].T + matrix[:3, 3]
    plane = points[:, :2] / points[:, 2:] if camera.projection == "perspective" else points[:, :2]
    centre = np.array([camera.cx, camera.cy]) - camera.pixel_offset
    return plane * [camera.fx, camera.fy] + centre, points[:, 2]


def shares_of(mesh: ShadedMesh, vertices: np.ndarray, camera: Camera, raster: Raster) -> dict[tuple[int, int], float]:
    """(into, source) -> share, from where in the picture the lines between pixels cross the outlines of the mesh."""
    places, depths = projected(vertices, camera)
    a, b, c = (places[mesh.faces[:, corner]] for corner in range(3))
    area = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
    outline = {
        tuple(sorted((mesh.faces[face, (corner + 1) % 3], mesh.faces[face, (corner + 2) % 3])))
        for face, row in enumerate(mesh.neighbours)
        for corner, other in enumerate(row)
        if other == face or area[face] * area[other] <= 0.0
    }
    one, two = (np.array([side[end] for side in sorted(outline)]) for end in range(2))
    height, width = raster.face.shape
    found: dict[tuple[int, int], float] = {}
    for y, x, down in np.ndindex(height, width, 2):
        p, q = (y, x), (y + down, x + 1 - down)
        if q[0] >= height or q[1] >= width or min(raster.face[p], raster.face[q]) < 0:
            continue
        if raster.depth[p] > raster.depth[q]:
            p, q = q, p
        near, far = float(raster.depth[p]), float(raster.depth[q])
        size = 2.0 / (camera.fx + camera.fy) * (near if camera.projection == "perspective" else 1.0)
        if far - near <= STEEP * size:
            continue
        start, step = np.array(p[::-1], float), np.array(q[::-1], float) - p[::-1]
        along = places[two] - places[one]
        # start + t step = places[one] + u along.
        determinant = step[0] * along[:, 1] - step[1] * along[:, 0]
        offset = places[one] - start
        with np.errstate(divide="ignore", invalid="ignore"):
            t = (offset[:, 0] * along[:, 1] - offset[:, 1] * along[:, 0]) / determinant
            u = (offset[:, 0] * step[1] - offset[:, 1] * step[0]) / determinant
        depth = depths[one] + u * (depths[two] - depths[one])
        met = (t >= 0.0) & (t < 1.0) & (u >= 0.0) & (u <= 1.0) & (depth < 0.5 * (near + far))
        if not met.any():
            continue
        first = np.flatnonzero(met)[t[met].argmin()]
        across, level = abs(along[first]) @ abs(step)[::-1], abs(along[first]) @ abs(step)
        if across < level or (across == level and down):
            continue
        into, source = (p, q) if t[first] < 0.5 else (q, p)
        found[into[0] * width + into[1], source[0] * width + source[1]] = abs(t[first] - 0.5)
    return found


@pytest.mark.parametrize("camera", [CAMERA, PARALLEL], ids=["perspective", "parallel"])
@pytest.mark.parametrize("angle", [0.3, -1.2])
def test_edges_lie_where_the_outlines_cross_the_lines_between_pixels(camera: Camera, angle: float) -> None:
    mesh, vertices = crossing(angle)
    raster, edges = looked_at(mesh, vertices, camera)
    wanted = shares_of(mesh, vertices, camera, raster)
    found = {(int(into), int(source)): float(share) for into, source, share in zip(*edges, strict=True)}
    assert len(wanted) > 25 and set(found) == {pair for pair, share in wanted.items() if share > 1e-7}
    for pair, share in found.items():
        assert abs(share - wanted[pair]) < 1e-4


def test_shares_are_a_half_at_most_and_one_for_all_neighbours(hand: HandData) -> None:
    mesh = ShadedMesh.of(hand)
    vertices = mesh.closed(pose_vertices(hand, folded_pose()).astype(np.float32))
    for focal in (20.0, 60.0, 150.0, 400.0):
        _, edges = looked_at(mesh, vertices, replace(FOLDED, fx=focal, fy=focal))
        assert len(edges.share) > 0
        assert (edges.share > 0.0).all() and (edges.share <= 0.5).all()
        assert np.bincount(edges.into, edges.share).max() <= 1.0 + 1e-6


@pytest.mark.parametrize("sides", [5, 24, 200])
def test_one_convex_thing_has_no_inner_edge_however_steep_it_is(sides: int) -> None:
    for angle in np.linspace(0.0, 1.5, 6):
        turn = axis_angle_to_matrix(np.array([0.3, 0.9 * angle, angle]))
        _, edges = looked_at(*scene(prism(sides, 0.03, 0.06, turn, np.zeros(3))), CAMERA)
        assert not len(edges.share)


@pytest.mark.parametrize("angle", [0.0, 0.02, 0.1, 0.2, 0.3, 0.6])
@pytest.mark.parametrize("turned", [False, True])
def test_a_straight_edge_covers_of_each_pixel_what_its_area_says(angle: float, turned: bool) -> None:
    # White before black, a pixel being 2.5 mm wide.
    about = angle + (0.5 * np.pi if turned else 0.0)
    plate = prism(4, 0.08, 0.2, axis_angle_to_matrix(np.array([0.0, 0.0, about])), np.array([0.0, 0.0, -0.1]))
    mesh, vertices = scene(plate, prism(4, 0.3, 0.4, np.eye(3), np.array([0.0, 0.0, 0.4])))
    raster, edges = looked_at(mesh, vertices, PARALLEL)
    white = (raster.face < len(plate[1])).astype(np.float64)
    drawn = blended_by(edges, np.stack([white, white, white, np.ones_like(white)], axis=2))[..., 0]
    # The same at 16 x 16 places in each pixel.
    fine = replace(PARALLEL, width=96 * 16, height=64 * 16, fx=6400.0, fy=6400.0, cx=48.3 * 16, cy=31.8 * 16)
    area = (rasterise(vertices, mesh.faces, fine).face < len(plate[1])).reshape(64, 16, 96, 16).mean(axis=(1, 3))
    inside = np.s_[8:-8, 8:-8]
    error = np.abs(drawn - area)[inside]
    edge = (area[inside] > 0.0) & (area[inside] < 1.0)
    assert edge.sum() > 40
    # A 32nd is what the 16 places leave open.
    assert error.max() < 0.13 * np.tan(angle) + 0.035
    assert error[edge].mean() < 0.25 * np.abs(white - area)[inside][edge].mean() + 0.02


def blended_by(edges: Edges, linear: np.ndarray) -> np.ndarray:
    """(H, W, 4) premultiplied scene-linear colour and opacity, in float64 and plain."""
    answer = linear.copy()
    height, width = linear.shape[:2]
    for into, source, share in zip(*edges, strict=True):
        (y, v), (x, u) = np.unravel_index((into, source), (height, width))
        own, its = linear[y, x], linear[v, u]
        both = min(own[3], its[3])
        if both > 0.03:
            answer[y, x, :3] += share * both * (its[:3] / its[3] - own[:3] / own[3])
    return answer


def shaded_picture(raster: Raster) -> np.ndarray:
    """(H, W, 4) premultiplied scene-linear noise, bright here and there, and opacities of all kinds."""
    random = np.random.default_rng(1)
    alpha = np.where(random.random(raster.face.shape) < 0.3, 0.01 + 0.9 * random.random(raster.face.shape) ** 3, 1.0)
    colour = random.random((*raster.face.shape, 3)) ** 2 * 3.0
    return np.concatenate([colour * alpha[..., None], alpha[..., None]], axis=2)


def displayed(linear: np.ndarray) -> np.ndarray:
    """In sRGB, going on above 1."""
    alpha = linear[..., 3:]
    straight = linear[..., :3] / alpha
    curve = np.where(straight <= 0.0031308, 12.92 * straight, 1.055 * straight ** (1.0 / 2.4) - 0.055)
    return np.concatenate([curve * alpha, alpha], axis=2)


def test_kernel_and_torch_blend_as_the_plain_sum_does() -> None:
    raster, edges = looked_at(*crossing(), CAMERA)
    linear = shaded_picture(raster)
    wanted = displayed(blended_by(edges, linear))
    places = np.flatnonzero(raster.face >= 0)
    within = LitEdges.of(among(edges, places, raster.face.size), torch.device("cpu"), torch.float64)
    colour, alpha = (torch.from_numpy(part) for part in np.split(linear.reshape(-1, 4)[places], [3], axis=1))
    colour.requires_grad_()
    found = encoded(blended(colour, alpha[:, 0], within), alpha)
    np.testing.assert_allclose(found.detach().numpy(), wanted.reshape(-1, 4)[places, :3], atol=1e-9)
    assert torch.autograd.gradcheck(lambda some: blended(some, alpha[:, 0], within), colour, fast_mode=True)

    picture = np.pad(displayed(linear), ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0))).astype(np.float32)
    drawn, before = np.pad(raster.face >= 0, MARGIN), picture.copy()
    blend(edges, raster.face.shape[1], drawn, picture)
    inner = picture[MARGIN:-MARGIN, MARGIN:-MARGIN]
    np.testing.assert_allclose(inner[..., :3], wanted[..., :3], atol=2e-6)
    np.testing.assert_array_equal(picture[..., 3], before[..., 3])
    untouched = np.ones(raster.face.size, bool)
    untouched[edges.into] = False
    same = np.pad(untouched.reshape(raster.face.shape), MARGIN, constant_values=True)
    np.testing.assert_array_equal(picture[same], before[same])
    # Of what is not drawn nothing is known.
    hidden = np.pad(np.where(np.arange(96) % 2 == 0, raster.face >= 0, False), MARGIN)
    picture[~hidden] = np.nan
    blend(edges, raster.face.shape[1], hidden, picture)
    assert np.isfinite(picture[hidden]).all()


def test_a_mirrored_hand_has_mirrored_edges() -> None:
    mesh, vertices = crossing()
    _, edges = looked_at(mesh, vertices, CAMERA)
    mirrored = vertices * np.array([-1.0, 1.0, 1.0], np.float32)
    _, other = looked_at(mesh, mirrored, mirror_camera(CAMERA))

    def table(edges: Edges, flipped: bool) -> dict[tuple[int, int], float]:
        places = [(one // 96 * 96 + 95 - one % 96) if flipped else one for one in (edges.into, edges.source)]
        return dict(zip(zip(*(one.tolist() for one in places), strict=True), edges.share.tolist(), strict=True))

    one, two = table(edges, False), table(other, True)
    assert set(one) == set(two)
    assert max(abs(one[pair] - two[pair]) for pair in one) < 1e-5


def test_tiles_know_only_their_own_edges() -> None:
    edges = Edges(np.array([5, 6, 7]), np.array([6, 7, 8]), np.array([0.1, 0.2, 0.3], np.float32))
    some = among(edges, np.array([8, 7, 5]), 12)
    assert [values.tolist() for values in some] == [[1], [0], [pytest.approx(0.3)]]
