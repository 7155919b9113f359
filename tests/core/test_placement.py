"""Surface sampling: where the samples of a ray lie, and that every room draws an avatar of it alike."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from livehand_core.avatars import Architecture, Avatar, new_avatar
from livehand_core.avatars.arrays import read_arrays
from livehand_core.avatars.file import save_avatar
from livehand_core.errors import AvatarError
from livehand_core.frames import FrameRequest, HandInstance
from livehand_core.kernels.mesh.bounds import ray_bounds
from livehand_core.kernels.mesh.placement import MOST_PARTS, Placed, Trace, corner_rows, place_samples
from livehand_core.kernels.mesh.proxy import PosedProxy, ProxyTopology
from livehand_core.kernels.mesh.raster import rasterise
from livehand_core.kernels.mesh.rays import camera_rays, valid_pixels
from livehand_core.networks import FieldConfig, SuperResolutionConfig
from livehand_core.poses import HandPose
from livehand_core.rendering import Renderer
from livehand_core.rendering.torch.placement import surface_samples
from livehand_core.rendering.torch.proxy import Proxy
from livehand_core.rendering.torch.rays import Rays

from .conftest import camera_at, solid, tube_hand

PARTS = 4
FIELD = FieldConfig(depth=3, width=32, feature_channels=16, normal_frequencies=2)
SIZES = Architecture(FIELD, SuperResolutionConfig(in_channels=16, hidden=(10, 6)), n_samples=PARTS, sampling="surface")


def slabs(edge: float) -> tuple[PosedProxy, np.ndarray]:
    """Two slabs that face the camera, from z = 0.30 to 0.304, only where x < ``edge``, and from 0.34 to 0.36; and a
    layer from 1 mm in front of their faces to 1 mm behind them."""
    corners, faces = [], []
    # Each face's corners counter-clockwise from outside; a corner's bits are its x, y and z.
    squares = [(0, 2, 3, 1), (4, 5, 7, 6), (0, 1, 5, 4), (2, 6, 7, 3), (0, 4, 6, 2), (1, 3, 7, 5)]
    for z, right in (((0.30, 0.304), edge), ((0.34, 0.36), 0.1)):
        first = len(corners)
        corners += [[(-0.1, right)[k & 1], (-0.1, 0.1)[k >> 1 & 1], z[k >> 2]] for k in range(8)]
        faces += [[first + a, first + b, first + c] for p, q, r, t in squares for a, b, c in ((p, q, r), (p, r, t))]
    vertices = np.array(corners, np.float32)
    topology = ProxyTopology.of_mesh(vertices, np.array(faces), np.zeros((len(faces), 3, 2)))
    levels = np.tile(np.float32([0.001, 0.002]), (len(vertices), 1))
    return PosedProxy.of(vertices, topology), corner_rows(levels, topology)


def along(x: float, proxy: PosedProxy, levels: np.ndarray, jitter: np.ndarray | None = None) -> Placed:
    """All samples of one ray along z, ``x`` metres beside the axis."""
    placed, trace = Placed.room(1, MOST_PARTS * PARTS, 6), Trace.from_near(np.float32([0.25]))
    lines = np.float32([[x, 0.0, 0.0]]), np.float32([[0.0, 0.0, 1.0]]), np.ones(1, np.float32), np.float32([0.36])
    place_samples(proxy, levels, *lines, trace, PARTS, True, placed, 0, 1, jitter)
    return placed


def test_a_straight_crossing_takes_even_samples_from_the_layers_beginning() -> None:
    placed = along(-0.05, *slabs(0.0))
    np.testing.assert_allclose(placed.depths[0, :PARTS], 0.299 + 0.0005 * (np.arange(PARTS) + 0.5), atol=1e-5)
    np.testing.assert_allclose(placed.intervals[0, :PARTS], 0.0005, rtol=1e-3)
    np.testing.assert_allclose(placed.coordinates[0, :PARTS, 2], 0.00075 - 0.0005 * np.arange(PARTS), atol=1.2e-4)


def test_a_ray_past_an_edge_goes_on_to_what_lies_behind() -> None:
    """A finger before the palm: what of it is grazed counts, and the palm has all of its samples."""
    proxy, levels = slabs(0.0)
    count = int(along(0.0005, proxy, levels).taken[0])
    depths = along(0.0005, proxy, levels).depths[0, :count]
    front, behind = depths[depths < 0.32], depths[depths > 0.32]
    # As long as in the layer beside it, in the longest steps.
    assert PARTS <= len(front) <= 2 * PARTS and front.min() > 0.298 and front.max() < 0.306
    np.testing.assert_allclose(behind[:PARTS], 0.339 + 0.0005 * (np.arange(PARTS) + 0.5), atol=2e-4)
    # Out of the edge's reach the nearer slab has none.
    beside = along(0.003, proxy, levels)
    assert (beside.depths[0, : beside.taken[0]] > 0.338).all()


def test_jitter_stays_in_the_intervals() -> None:
    shifts = np.random.default_rng(0).random((1, MOST_PARTS * PARTS), dtype=np.float32)
    placed = along(-0.05, *slabs(0.0), shifts)
    begins = placed.depths[0, :PARTS] - shifts[0, :PARTS] * placed.intervals[0, :PARTS]
    np.testing.assert_allclose(begins, 0.299 + 0.0005 * np.arange(PARTS), atol=1e-5)


def surface_avatar() -> Avatar:
    avatar = solid(new_avatar(tube_hand(), SIZES))
    assert avatar.levels is not None
    thicker = avatar.levels * torch.linspace(1.0, 1.5, len(avatar.levels))[:, None]
    return replace(avatar, levels=thicker)


def test_the_kernel_and_the_reference_place_alike_at_once_or_by_crossings() -> None:
    hand, camera = tube_hand(), camera_at((0.06, 0.1, 0.33))
    avatar = surface_avatar()
    levels = avatar.arrays().levels(hand)
    assert levels is not None
    vertices, topology = hand.v_template.astype(np.float32), ProxyTopology.of(hand)
    pixels = valid_pixels(*ray_bounds(rasterise(vertices, topology.faces, camera).depth, 5, 0.003))
    rays, proxy = camera_rays(camera, pixels.columns, pixels.rows), PosedProxy.of(vertices, topology)
    count, rows = len(pixels.near), corner_rows(levels, topology)

    def placed(room: int, times: int) -> list[Placed]:
        trace, answer = Trace.from_near(pixels.near), []
        for _ in range(times):
            answer.append(Placed.room(count, room, 6))
            lines = rays.origins, rays.directions, rays.lengths, pixels.far
            place_samples(proxy, rows, *lines, trace, PARTS, True, answer[-1], 0, count)
        return answer

    (whole,), parts = placed(MOST_PARTS * PARTS, 1), placed(PARTS, MOST_PARTS)
    for name in ("depths", "intervals", "coordinates"):
        joined = np.concatenate([getattr(part, name) for part in parts], axis=1)
        filled = np.arange(MOST_PARTS * PARTS) < whole.taken[:, None]
        np.testing.assert_allclose(joined[filled], getattr(whole, name)[filled], atol=1e-4)

    faces = torch.from_numpy(hand.faces).long()
    reference = Proxy.of(torch.from_numpy(vertices), faces, torch.from_numpy(hand.face_uv).float())
    origins = torch.from_numpy(np.broadcast_to(rays.origins, rays.directions.shape).copy())
    lines = Rays(origins, torch.from_numpy(rays.directions), torch.from_numpy(rays.lengths))
    bounds = torch.from_numpy(pixels.near), torch.from_numpy(pixels.far)
    wanted = surface_samples(reference, torch.from_numpy(levels), lines, bounds, PARTS, "pseudo_normal")
    # A sample that lies on the layer's border within rounding may be in or out, and moves those behind it.
    assert (np.abs(whole.intervals - wanted.intervals.numpy()).max(axis=1) < 1e-6).mean() > 0.98
    alike = np.abs(whole.intervals - wanted.intervals.numpy()).max(axis=1) < 1e-6
    needed = whole.intervals[alike] > 0.0
    assert np.abs(whole.depths[alike] - wanted.depths.numpy()[alike])[needed].max() < 1e-5
    assert 1.5 < whole.taken.mean() < 3.0 * PARTS


def picture(avatar: Avatar, kernels: str, precision: str) -> np.ndarray:
    renderer = Renderer(
        "cpu", {("tube", "right"): tube_hand()}, {"a": avatar}, precision=precision, kernels=kernels,  # type: ignore[arg-type]
    )  # fmt: skip
    instance = HandInstance(HandPose.rest(), "a")
    return renderer.render(FrameRequest(camera_at((0.06, 0.1, 0.33)), (instance,)))["rgba"]


def test_the_processor_draws_what_the_reference_draws() -> None:
    avatar = surface_avatar()
    wanted, exact, fast = (picture(avatar, *how) for how in (("torch", "exact"), ("auto", "exact"), ("auto", "fast")))
    assert (wanted[..., 3] > 0.5).mean() > 0.05
    assert np.quantile(np.abs(exact - wanted), 0.99) < 1e-4
    assert ((exact - wanted) ** 2).mean() < 1e-6
    assert np.quantile(np.abs(fast - exact), 0.99) < 8e-3


def test_few_samples_do_what_many_between_the_bounds_do() -> None:
    avatar = surface_avatar()
    sizes = replace(SIZES, sampling="linear", n_samples=96)
    many = replace(avatar, metadata=replace(avatar.metadata, architecture=sizes), levels=None)
    error = ((picture(avatar, "auto", "exact") - picture(many, "auto", "exact")) ** 2).mean()
    coarse = replace(many, metadata=replace(avatar.metadata, architecture=replace(sizes, n_samples=PARTS)))
    assert error < 0.25 * ((picture(coarse, "auto", "exact") - picture(many, "auto", "exact")) ** 2).mean()


def test_the_layer_is_kept_with_the_avatar_and_checked(tmp_path: Path) -> None:
    avatar, path = surface_avatar(), tmp_path / "a.safetensors"
    assert save_avatar(path, avatar).architecture.sampling == "surface"
    assert avatar.levels is not None
    np.testing.assert_array_equal(read_arrays(path).levels(tube_hand()), avatar.levels.numpy())
    with pytest.raises(AvatarError, match="levels is missing"):
        save_avatar(path, replace(avatar, levels=None))
    save_avatar(path, replace(avatar, levels=avatar.levels[:-1]))
    with pytest.raises(AvatarError, match="layer"):
        read_arrays(path).levels(tube_hand())
    save_avatar(path, replace(avatar, levels=0.0 * avatar.levels))
    with pytest.raises(AvatarError, match="thickness"):
        read_arrays(path)
    with pytest.raises(ValueError, match="surface sampling"):
        replace(SIZES, n_importance=4)
