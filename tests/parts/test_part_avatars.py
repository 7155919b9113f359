"""Avatars of a part: all rooms draw the same, files bring its model, captures are checked, trained and measured."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from livehand_core import cli
from livehand_core.avatars import new_avatar
from livehand_core.avatars.file import Avatar, load_avatar, save_avatar
from livehand_core.avatars.metadata import Architecture, AvatarMetadata, PoseStatistics
from livehand_core.cameras import Camera
from livehand_core.captures.capture import Capture, read_capture
from livehand_core.captures.checks import inspect_capture
from livehand_core.errors import AvatarError, CaptureError
from livehand_core.frames import FrameRequest, HandInstance
from livehand_core.hand import library
from livehand_core.hand.data import ProxyModel
from livehand_core.networks.config import FieldConfig, SuperResolutionConfig
from livehand_core.poses import HandPose
from livehand_core.rendering.renderer import Renderer
from livehand_core.training.beginning import with_model
from livehand_core.training.config import preset
from livehand_core.training.model import AvatarModel, warm_start
from livehand_core.training.plain_step import Noise, plain_loss, plain_model, plain_rays
from livehand_core.training.step import TileTask, tile_loss
from livehand_core.training.tiles import Tile, partition
from livehand_core.training.views import HandMesh, View

CPU = torch.device("cpu")
PASSES = ("rgba", "depth", "normal", "uvd")
FIELD = FieldConfig(width=32, view_width=32, depth=3, normal_frequencies=2, texture_sizes=(16,), distance_scale=64.0)


def solid_part(part: ProxyModel, sampling: str = "surface") -> Avatar:
    """Dense inside, empty outside; colours that depend on the local pose."""
    architecture = Architecture(FIELD, SuperResolutionConfig(hidden=(16, 16)), n_samples=4, sampling=sampling)  # type: ignore[arg-type]
    avatar = new_avatar(part, architecture, seed=2, name="foot", licence="CC0-1.0", pixels_per_metre=250.0)
    state = {name: value.clone() for name, value in avatar.field_state.items()}
    for index in range(FIELD.depth):
        weight, bias = state[f"layers.{index}.weight"], state[f"layers.{index}.bias"]
        weight[0], bias[0] = 0.0, 0.0
        weight[0, 2 if index == 0 else 0] = -1000.0 / 64.0 if index == 0 else 1.0
        weight[1:, 0] *= index == 0
    state["density.weight"].zero_()
    state["density.weight"][0, 0] = 5000.0
    state["density.bias"].zero_()
    state["feature.weight"][:, 0] = 0.0
    half = np.full(12, 0.5)
    poses = PoseStatistics(*(tuple(values) for values in (0.0 * half, half, -half, half)))
    return replace(avatar, field_state=state, metadata=replace(avatar.metadata, pose_statistics=poses))


def drawn(avatar: Avatar, pose: HandPose, camera: Camera, **how: object) -> dict[str, np.ndarray]:
    renderer = Renderer("cpu", avatars={"foot": avatar}, threads=1, **how)  # type: ignore[arg-type]
    return dict(renderer.render(FrameRequest(camera, (HandInstance(pose, "foot"),), PASSES)).images)


@pytest.mark.parametrize("sampling", ["surface", "linear"])
def test_the_kernels_draw_what_the_reference_draws(
    part: ProxyModel, poses: Callable[..., list[HandPose]], camera: Callable[..., Camera], sampling: str
) -> None:
    avatar, (pose, other) = solid_part(part, sampling), poses(2)
    pose = replace(pose, global_orient=[0.2, -0.3, 0.1], transl=[0.01, 0.02, -0.01])
    exact, torchy = (drawn(avatar, pose, camera(0.7), **how) for how in ({"precision": "exact"}, {"kernels": "torch"}))
    assert (exact["rgba"][..., 3] > 0.5).mean() > 0.05
    np.testing.assert_allclose(exact["rgba"], torchy["rgba"], atol=2e-3)
    # Points as near to one chart as to another may have either's coordinates.
    assert (np.abs(exact["uvd"] - torchy["uvd"]).max(axis=-1) > 2e-3).mean() < 0.001
    fast = drawn(avatar, pose, camera(0.7))
    error = np.mean((fast["rgba"] - exact["rgba"]) ** 2)
    assert -10.0 * np.log10(error) > 45.0
    # The pose colours it, beyond where it moves it: at rest a texel that another pose holds still looks otherwise.
    assert np.abs(drawn(avatar, other, camera(0.7), precision="exact")["rgba"] - exact["rgba"]).max() > 0.02


def test_a_file_brings_its_model_along(
    part: ProxyModel, tmp_path: Path, poses: Callable[..., list[HandPose]], camera: Callable[..., Camera]
) -> None:
    avatar, (pose,) = solid_part(part), poses(1)
    save_avatar(tmp_path / "foot.safetensors", avatar, half=True)
    library._parts.clear()
    loaded = load_avatar(tmp_path / "foot.safetensors")
    assert loaded.metadata.joint_names == part.joint_names and loaded.metadata.conditioning == "local"
    library._parts.clear()
    request = FrameRequest(camera(0.7), (HandInstance(pose, str(tmp_path / "foot.safetensors")),))
    again = FrameRequest.from_json(request.to_json())
    assert again.hands[0].pose.hand_pose.shape == (4, 3)
    image = Renderer("cpu", precision="exact", threads=1).render(again)["rgba"]
    np.testing.assert_allclose(image, drawn(avatar, pose, camera(0.7), precision="exact")["rgba"], atol=0.02)


def test_a_pose_of_other_joints_is_refused_and_one_out_of_range_is_named(
    part: ProxyModel, camera: Callable[..., Camera]
) -> None:
    avatar = solid_part(part)
    with pytest.raises(AvatarError, match="5 joints, the pose 16"):
        drawn(avatar, HandPose.rest(), camera(0.7))
    far = np.zeros((4, 3))
    far[1, 2] = 1.2
    pose = HandPose(np.zeros(3), far, np.zeros(10), np.zeros(3))
    request = FrameRequest(camera(0.7), (HandInstance(pose, "foot"),))
    warnings = Renderer("cpu", avatars={"foot": avatar}, threads=1, precision="exact").render(request).warnings
    assert any("ankle by 40 degrees" in line for line in warnings)


def test_the_mirrored_part_is_the_mirrored_picture(
    part: ProxyModel, poses: Callable[..., list[HandPose]], camera: Callable[..., Camera]
) -> None:
    avatar, (pose,) = solid_part(part), poses(1)
    seen = camera(0.7)
    mirror = np.diag([-1.0, 1.0, 1.0, 1.0])
    flipped = replace(seen, camera_to_world=mirror @ seen.camera_to_world @ mirror)
    left = drawn(avatar, pose.mirrored(), flipped, precision="exact")["rgba"]
    right = drawn(avatar, pose, seen, precision="exact")["rgba"]
    np.testing.assert_allclose(left[:, ::-1], right, atol=1e-4)


def test_a_description_that_does_not_go_together_is_refused(part: ProxyModel) -> None:
    metadata = solid_part(part).metadata
    for wrong in ({"joints": ()}, {"hand_model": "mano"}, {"pose_statistics": PoseStatistics.of(np.zeros((2, 45)))}):
        with pytest.raises(ValueError):
            AvatarMetadata.from_json(replace(metadata).to_json() | {k: v for k, v in _plain(wrong).items()})


def _plain(values: dict[str, object]) -> dict[str, object]:
    return {
        key: {name: list(getattr(value, name)) for name in ("mean", "std", "min", "max")}
        if isinstance(value, PoseStatistics)
        else value
        for key, value in values.items()
    }


def test_a_capture_brings_its_model_along(capture: Capture, part: ProxyModel) -> None:
    library._parts.clear()
    found = inspect_capture(capture.folder)
    assert found.capture.hand_model == part.name and len(found.capture.frames) == 20
    assert found.overlap is not None and found.overlap > 0.9


def test_a_capture_without_its_model_or_with_other_poses_is_refused(capture: Capture, tmp_path: Path) -> None:
    for name in ("transforms.json", "poses.npz"):
        shutil.copy(capture.folder / name, tmp_path / name)
    with pytest.raises(CaptureError, match=r"model\.npz"):
        read_capture(tmp_path)
    shutil.copy(capture.folder / "model.npz", tmp_path / "model.npz")
    np.savez(tmp_path / "poses.npz", poses=np.zeros((4, 48)), trans=np.zeros((4, 3)))
    with pytest.raises(CaptureError, match="5 joints"):
        read_capture(tmp_path)


def test_the_step_is_the_plain_step(capture: Capture, part: ProxyModel) -> None:
    config = preset("cpu", steps=1, tile=0, hidden=(12, 8), samples=5, sampling="linear", texture_sizes=(16,))
    config = with_model(config, part)
    mesh = HandMesh.of(part)
    model = AvatarModel(config, torch.zeros(2, 0), 1, local_joints=mesh.local_joints)
    warm_start(model.field, config.bounds_margin, 0, steps=40)
    local = slice(model.field.config.encodings_size - model.field.config.local_size, model.field.config.encodings_size)
    with torch.no_grad():
        model.field.layers[0].weight[:, local].normal_(0.0, 0.3)  # type: ignore[index, operator]
        for name, parameter in model.super_resolution.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(0.0, 0.1)
    margins = (config.bounds_margin, config.lateral_margin)
    view = View(capture, capture.frames_of("train")[1], 0, mesh, 2, margins, CPU, 0, "uvd", "local")
    whole = Tile(0, 0, view.low.width, view.low.height)
    sampled = view.rays(whole, config.samples, torch.Generator().manual_seed(5))
    plain = plain_rays(view, model.field.config, config.samples, torch.Generator().manual_seed(5))
    assert plain.positions.shape == sampled.positions.shape and sampled.positions[..., 6:].abs().max() > 0.1
    # Points as near to one face as to another may have either's coordinates.
    assert ((plain.positions - sampled.positions).abs().amax(dim=-1) > 1e-4).float().mean() < 0.02
    radius = model.super_resolution.config.receptive_radius
    (tile,) = partition(view.mask, radius, config.tile)
    generator = torch.Generator().manual_seed(5)
    rays = view.rays(tile.grown(radius), config.samples, generator)
    loss = tile_loss(model, TileTask(view, tile, 1, view.mask.size - tile.pixels, rays, generator), config).total
    (found,) = torch.autograd.grad(loss, [model.field.layers[0].weight])  # type: ignore[list-item]
    generator = torch.Generator().manual_seed(5)
    rays, wide = view.rays(whole, config.samples, generator), plain_model(model, torch.float64)
    wanted = plain_loss(wide, config, view, rays, Noise.drawn(config, rays, generator), border=radius)
    (oracle,) = torch.autograd.grad(wanted, [wide.field.layers[0].weight])  # type: ignore[list-item]
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-5)
    for a, b in ((found, oracle), (found[:, local], oracle[:, local])):
        assert b.norm() > 0.0 and (a.double() - b).norm() <= 1e-3 * b.norm()


def test_check_train_render_and_evaluate_by_command(
    capture: Capture, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    library._parts.clear()
    assert cli.main(["check", str(capture.folder)]) == 0
    settings = ["hidden=[16,16]", "width=32", "view_width=32", "ray_steps=20", "texture_sizes=[32]", "coarse_part=0.5"]
    run = tmp_path / "run"
    given = [part for setting in settings for part in ("--set", setting)]
    assert cli.main(["train", str(capture.folder), "--out", str(run), "--steps", "12", "--device", "cpu", *given]) == 0
    avatar = str(run / "avatar.safetensors")
    assert load_avatar(avatar).metadata.joints == ("leg", "shin", "ankle", "ball", "toe")
    out = tmp_path / "view.png"
    motion = f"{capture.folder / 'poses.npz'}@2"
    assert cli.main(["render", avatar, "--out", str(out), "--pose", motion, "--size", "64x48", "--device", "cpu"]) == 0
    assert out.is_file()
    capsys.readouterr()
    found = tmp_path / "evaluation"
    arguments = ["evaluate", avatar, str(capture.folder), "--out", str(found), "--device", "cpu"]
    assert cli.main([*arguments, "--protocols", "hand_box", "--limit", "2"]) == 0
