"""Each stage of the kernels alone, against the torch reference."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
import torch

from livehand_core.avatars import Avatar
from livehand_core.cameras import Camera
from livehand_core.framing import Box
from livehand_core.networks import SuperResolution, SuperResolutionConfig
from livehand_core.rendering import integrate, stratified
from livehand_core.rendering.gpu import super_resolution
from livehand_core.rendering.gpu.device import Gpu, Recorder
from livehand_core.rendering.gpu.frame import Picture, record_features, record_resized, room
from livehand_core.rendering.gpu.hand import GpuHand
from livehand_core.rendering.placing import on_canvas
from livehand_core.rendering.torch.picture import resized, support_mask
from livehand_core.rendering.torch.rays import camera_rays
from livehand_core.surface import (
    SurfaceNormals,
    canonical_coordinates,
    nearest_surface,
    rasterise_depth,
    ray_bounds,
    smooth_normals,
    vertex_normals,
)
from tests.core.conftest import tube_hand

from .avatars import VARIANTS, avatar_of
from .frames import VIEWS, gpu_hand, planned, run


def record_pose(hand: GpuHand, camera: Camera) -> Recorder:
    """A frame's beginning: the mesh posed."""
    record, plan = Recorder(), planned(hand, camera)
    correctives, transforms = hand.model.joints(plan.view.pose)
    hand._networks.mesh.pose(record, plan.view.pose, correctives, transforms)
    return record


def test_skinning_and_normals(gpu: Gpu) -> None:
    hand, camera = gpu_hand(gpu, avatar_of("twice")), VIEWS["perspective"][0]
    mesh, plan = hand._networks.mesh, planned(hand, camera)
    (posed,) = run(gpu, record_pose(hand, camera), [(mesh.posed, mesh.posed.size // 4)])
    rows = posed.reshape(-1, 4)[:, :3]
    count = len(plan.vertices)
    assert np.abs(rows[:count] - plan.vertices).max() < 1e-6
    expected = vertex_normals(torch.from_numpy(plan.vertices), torch.from_numpy(tube_hand().faces)).numpy()
    assert np.abs(rows[count : 2 * count] - expected).max() < 1e-4


@pytest.mark.parametrize("view", VIEWS)
def test_depth_and_bounds(gpu: Gpu, view: str) -> None:
    hand, (camera, scale) = gpu_hand(gpu, avatar_of("twice")), VIEWS[view]
    plan = planned(hand, camera, scale)
    record, seen = record_pose(hand, camera), plan.low_box.of(plan.low)
    pixels = seen.width * seen.height
    features = record_features(hand._networks, record, plan, (np.zeros(45), None), 0.0)
    depth, count, rays = run(
        gpu, record, [(gpu.scratch("low depth", 4), pixels), (features.count, 1), (gpu.scratch("rays", 4), 4 * pixels)]
    )
    reference_depth = rasterise_depth(torch.from_numpy(plan.vertices), torch.from_numpy(tube_hand().faces), seen)
    near, far = ray_bounds(reference_depth, plan.kernel, hand.metadata.depth_margin)
    found, expected = depth.reshape(seen.height, seen.width), reference_depth.numpy()
    both = np.isfinite(expected) & (found < 1e29)
    # A pixel on the very edge may fall to either side.
    assert (np.isfinite(expected) != (found < 1e29)).mean() < 0.002
    assert np.quantile(np.abs(found - expected)[both], 0.998) < 1e-5
    rows = rays.reshape(-1, 4)[: count.view(np.uint32)[0]]
    place = rows[:, 0].astype(int)
    assert len(np.unique(place)) == len(place) and abs(len(place) - int((near < far).sum())) <= 0.01 * pixels
    for column, bound in ((1, near.clamp(min=0.0)), (2, far)):
        error = np.abs(rows[:, column] - bound.numpy().reshape(-1)[place])
        assert np.quantile(error, 0.95) < 1e-5
    lengths = camera_rays(seen, torch.from_numpy(place % seen.width), torch.from_numpy(place // seen.width)).lengths
    assert np.abs(rows[:, 3] - lengths.numpy()).max() < 1e-5


class Marched(NamedTuple):
    """A march's rays and samples, and the feature image's rows that it left."""

    place: torch.Tensor
    rays: torch.Tensor
    positions: torch.Tensor
    depths: torch.Tensor
    intervals: torch.Tensor
    image: np.ndarray
    seen: Camera


def marched(gpu: Gpu, avatar: Avatar, half: bool, inputs: tuple[np.ndarray, np.ndarray | None]) -> Marched:
    """One march to the end of every ray, over the kernels' own samples."""
    hand, camera = gpu_hand(gpu, avatar, half), VIEWS["perspective"][0]
    plan, architecture = planned(hand, camera), hand.metadata.architecture
    record, seen = record_pose(hand, camera), plan.low_box.of(plan.low)
    features = record_features(hand._networks, record, plan, inputs, -1.0)
    pixels, samples = seen.width * seen.height, room(architecture)
    axes = 6 if architecture.field.normal_frequencies else 3
    stride = axes + 2
    groups = architecture.field.feature_channels // 4 + 1
    sizes = {"rays": 4 * pixels, "positions": pixels * samples * stride, "image": pixels * groups * 4}
    wanted = [(features.count, 1), *((gpu.scratch(name, 4), size) for name, size in sizes.items())]
    count, rays, positions, image = run(gpu, record, wanted)
    number = int(count.view(np.uint32)[0])
    rows = torch.from_numpy(rays.reshape(-1, 4)[:number])
    own = torch.from_numpy(positions[: number * samples * stride].reshape(number, samples, stride))
    positions, depths, intervals = own[..., :axes], own[..., axes], own[..., axes + 1]
    return Marched(rows[:, 0].long(), rows, positions, depths, intervals, image.reshape(pixels, groups * 4), seen)


@pytest.mark.parametrize("variant", ["normals", "face normals"])
def test_samples_in_the_texture_cube(gpu: Gpu, variant: str) -> None:
    hand, camera = gpu_hand(gpu, avatar_of(variant)), VIEWS["perspective"][0]
    plan, metadata = planned(hand, camera), hand.metadata
    found = marched(gpu, avatar_of(variant), False, (np.zeros(45), None))
    rows, place, seen, (_, samples, axes) = found.rays, found.place, found.seen, found.positions.shape
    lines = camera_rays(seen, place % seen.width, place // seen.width)
    points = lines.at(stratified(rows[:, 1], rows[:, 2], samples)).reshape(-1, 3)
    vertices, faces = torch.from_numpy(plan.vertices), torch.from_numpy(tube_hand().faces)
    nearest, normals = nearest_surface(points, vertices, faces), SurfaceNormals.of(vertices, faces)
    face_uv = torch.from_numpy(tube_hand().face_uv).float()
    expected = canonical_coordinates(points, vertices, faces, face_uv, nearest, metadata.sign, normals)
    positions = found.positions.reshape(-1, axes).numpy()
    # Near the medial axis two places are equally near.
    assert np.quantile(np.abs(positions[:, :3] - expected.numpy()), 0.995) < 1e-5
    assert np.quantile(np.abs(np.abs(positions[:, 2]) - expected[:, 2].abs().numpy()), 1.0) < 1e-5
    if axes == 6:
        smooth = smooth_normals(faces, nearest, normals).numpy()
        assert np.quantile(np.abs(positions[:, 3:] - smooth), 0.995) < 1e-4


def loud(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Weights by which every input matters, and densities of both signs up to hundreds a metre."""
    random = torch.Generator().manual_seed(7)
    answer = {}
    for name, value in state.items():
        gain = 150.0 if name.startswith("density") else 1.5
        spread = gain / value.shape[-1] ** 0.5 if name.endswith("weight") else 0.1 * gain
        answer[name] = spread * torch.randn(value.shape, generator=random)
    return answer


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("variant", VARIANTS)
def test_field_and_integration(gpu: Gpu, variant: str, half: bool) -> None:
    """Against the modules' answer to the same samples and its integration."""
    if half and not gpu.has_half:
        pytest.skip(f"{gpu.adapter.name} has no float16")
    avatar = avatar_of(variant)
    avatar = replace(avatar, field_state=loud(avatar.field_state))
    avatar = replace(avatar, metadata=replace(avatar.metadata, last_interval=0.002))
    angles = np.random.default_rng(3).normal(size=avatar.metadata.architecture.field.pose_size)
    code = None if avatar.latent is None else avatar.latent[1].numpy()
    tensors = torch.tensor(angles, dtype=torch.float32), None if code is None else torch.from_numpy(code)
    first = marched(gpu, avatar, half, (angles, code))
    with torch.no_grad():
        # As much of space is empty as is not.
        middle = avatar.networks()[0].density_of(first.positions, *tensors)[1].median()
        state = avatar.field_state | {"density.bias": avatar.field_state["density.bias"] - middle}
        avatar = replace(avatar, field_state=state)
        found = marched(gpu, avatar, half, (angles, code))
        width = found.seen.width
        lines = camera_rays(found.seen, found.place % width, found.place // width)
        raw = avatar.networks()[0](found.positions, lines.view_directions, *tensors)
        theirs = integrate(*raw, found.depths, lines.lengths, intervals=found.intervals)
    ours = found.image[found.place.numpy()]
    channels = avatar.metadata.architecture.field.feature_channels
    allowed = 0.02 if half else 2e-4
    assert 0.05 < float(theirs.opacity.mean()) < 0.95
    assert np.abs(ours[:, :channels] - theirs.features.numpy()).max() < allowed
    assert np.abs(ours[:, channels] - theirs.opacity.numpy()).max() < allowed
    clear = theirs.opacity > 0.05
    expected = (theirs.depth / theirs.opacity)[clear].numpy()
    assert np.abs(ours[:, channels + 1][clear.numpy()] - expected).max() < allowed
    beside = np.ones(len(found.image), dtype=bool)
    beside[found.place.numpy()] = False
    assert np.all(found.image[beside][:, : channels + 1] == 0.0)


@pytest.mark.parametrize("scratch", [1 << 26, 40_000])
@pytest.mark.parametrize(("factor", "outputs"), [(2, 4), (2, 3), (4, 4), (4, 3)])
def test_super_resolution_whole_and_in_tiles(
    gpu: Gpu, factor: int, outputs: int, scratch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(super_resolution, "SCRATCH_BYTES", scratch * factor * factor)
    config = SuperResolutionConfig(factor, 8, (10, 6), outputs)
    torch.manual_seed(factor)
    module = SuperResolution(config).eval()
    for head in (module.colour0, module.colour1):
        torch.nn.init.normal_(head.weight)
        torch.nn.init.normal_(head.bias)
    state = {name: value.detach().numpy() for name, value in module.state_dict().items()}
    network = super_resolution.SuperResolution(gpu, config, state, half=False)
    height, width = 29, 37
    features, opacity = torch.rand(8, height, width), torch.rand(height, width)
    rays = torch.zeros(height, width)
    rays[3:14, 20:] = 1.0
    rays[25:, :2] = 1.0
    rays[1, 1] = 1.0
    image = torch.cat([features, opacity[None], torch.zeros(1, height, width), rays[None], rays[None]]).permute(1, 2, 0)
    record = Recorder()
    answer = network.upsample(record, gpu.upload(image.numpy()), width, height)
    assert (len(record.parts) > 1) == (scratch < 1 << 26)
    size = (factor * height, factor * width, 4)
    (ours,) = run(gpu, record, [(answer, int(np.prod(size)))])
    with torch.no_grad():
        theirs = module(features[None], opacity[None, None])[0].permute(1, 2, 0).numpy()
    # Where no ray is nothing is drawn, and nothing need be right.
    drawn = support_mask(rays > 0.0, factor).numpy()
    assert 0.1 < drawn.mean() < 0.4
    assert np.abs(ours.reshape(size)[..., :outputs] - theirs)[drawn].max() < 1e-4


@pytest.mark.parametrize("size", [(40, 30), (23, 19), (71, 64)])
def test_resizing(gpu: Gpu, size: tuple[int, int]) -> None:
    random = np.random.default_rng(1)
    picture = random.random((14, 18, 8), dtype=np.float32)
    record = Recorder()
    place = Box(-3, 5, 15, 19)
    with pytest.raises(AssertionError):
        record_resized(gpu, record, Picture(gpu.upload(picture), 18, place, (33, 26)), size, "resized")
    place = Box(7, 20, 25, 34)
    answer = record_resized(gpu, record, Picture(gpu.upload(picture), 18, place, (33, 26)), size, "resized")
    (ours,) = run(gpu, record, [(answer.buffer, size[0] * size[1] * 8)])
    canvas = on_canvas(torch.from_numpy(picture), place, (33, 26))
    theirs = resized(canvas, *size).numpy()
    assert np.abs(ours.reshape(theirs.shape) - theirs).max() < 1e-5
