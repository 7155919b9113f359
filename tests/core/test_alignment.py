"""An avatar's picture lies where its proxy does, whatever its rays' place in a pixel: alpha against the silhouette."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from livehand_core.avatars import Architecture, Avatar, new_avatar
from livehand_core.benchmark.plain import PlainRenderer
from livehand_core.cameras import Camera, look_at
from livehand_core.frames import FrameRequest, HandInstance
from livehand_core.hand.skinning import pose_vertices
from livehand_core.kernels.mesh.raster import rasterise
from livehand_core.networks import FieldConfig, RadianceField, SuperResolution, SuperResolutionConfig
from livehand_core.passes import RenderPasses
from livehand_core.poses import HandPose
from livehand_core.rendering import Renderer

from .conftest import camera_at, solid, tube_hand
from .oracle import upsampled_opacity

HANDS = {("tube", "right"): tube_hand()}
FINE = 8
"""Samples across a pixel of the silhouette."""

SHIFTS = 8
"""Places of the hand between two rays of the feature image."""


def avatar_of(factor: int, published: bool) -> Avatar:
    """A solid tube in the published form, or with rays through the middles of pixels."""
    architecture = Architecture(
        FieldConfig(depth=3, width=24, feature_channels=16, pose_size=48 if published else 45),
        SuperResolutionConfig(factor=factor, in_channels=16, hidden=(10, 6), out_channels=3),
        n_samples=8,
    )
    wrist = replace(architecture, field=replace(architecture.field, pose_size=45))
    made = new_avatar(tube_hand(), wrist)
    if not published:
        return solid(made)
    metadata = replace(made.metadata, architecture=architecture, conditioning="published", pixel_offset=0.0)
    torch.manual_seed(0)
    networks = RadianceField(architecture.field), SuperResolution(architecture.super_resolution)
    return solid(Avatar(metadata, *(dict(network.state_dict()) for network in networks)))


def view(along: int, width: int, height: int, focal: float, **changes: object) -> Camera:
    """A camera straight above the tube, which lies across the image (0) or stands upright in it (1)."""
    up = np.array([0.0, 1.0, 0.0] if along == 0 else [1.0, 0.0, 0.0])
    matrix = look_at(np.array([-0.08, 0.0, 0.4]), np.array([-0.08, 0.0, 0.0]), up)
    return Camera(width, height, focal, focal, width / 2, height / 2, matrix, **changes)  # type: ignore[arg-type]


def displacement(alpha: np.ndarray, camera: Camera, along: int) -> float:
    """Pixels from the middle of the proxy's silhouette to alpha's, square to the tube: its open end has no edge."""
    fine = camera.centred(0.5).resized(camera.width * FINE, camera.height * FINE)
    vertices = pose_vertices(tube_hand(), HandPose.rest()).astype(np.float32)
    face = rasterise(vertices, tube_hand().faces, fine).face
    covered = (face >= 0).reshape(camera.height, FINE, camera.width, FINE).mean(axis=(1, 3))
    assert covered[0].max() == covered[-1].max() == covered[:, 0].max() == covered[:, -1].max() == 0.0
    assert covered.mean() > 0.05 and alpha.mean() == pytest.approx(covered.mean(), rel=0.2)
    square = np.mgrid[: camera.height, : camera.width][along]
    return float((square * (alpha / alpha.sum() - covered / covered.sum())).sum())


def mean_displacement(by: str, avatar: Avatar, camera: Camera, along: int, scale: float | None = None) -> float:
    """Over hands here and there between the low rays, which find an edge to half of their distance only."""
    step = avatar.metadata.architecture.super_resolution.factor / (scale or 1.0)
    shifts = (np.arange(SHIFTS) + 0.5) / SHIFTS * step
    cameras = [replace(camera, cx=camera.cx + shift, cy=camera.cy + shift) for shift in shifts]
    return float(np.mean([displacement(picture(by, avatar, one, scale), one, along) for one in cameras]))


def picture(by: str, avatar: Avatar, camera: Camera, scale: float | None = None) -> np.ndarray:
    """Alpha, drawn by one of the formulations."""
    instance = HandInstance(HandPose.rest(), "a")
    if by == "plain":
        return PlainRenderer(avatar, tube_hand()).render(instance, camera).rgba[..., 3]
    renderer = Renderer("cpu", HANDS, {"a": avatar}, precision="exact", kernels=by)  # type: ignore[arg-type]
    passes: RenderPasses = renderer.render(FrameRequest(camera, (instance,), internal_scale=scale))
    return passes["rgba"][..., 3]


@pytest.mark.parametrize("by", ["auto", "torch", "plain"])
@pytest.mark.parametrize("published", [True, False])
@pytest.mark.parametrize("factor", [2, 4])
def test_alpha_lies_on_the_silhouette(by: str, published: bool, factor: int) -> None:
    avatar = avatar_of(factor, published)
    for along, camera in (
        (0, view(0, 128, 96, 200.0)),
        (1, view(1, 96, 128, 500.0, projection="orthographic")),
        (1, view(1, 96, 128, 200.0).centred(0.0)),
    ):
        assert abs(mean_displacement(by, avatar, camera, along)) < 0.1


@pytest.mark.parametrize("by", ["auto", "torch"])
@pytest.mark.parametrize("published", [True, False])
@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_and_stays_there_when_the_networks_see_another_size(by: str, published: bool, scale: float) -> None:
    for along in (0, 1):
        camera = view(along, 128, 144, 200.0)
        assert abs(mean_displacement(by, avatar_of(2, published), camera, along, scale)) < 0.1


@pytest.mark.parametrize("published", [True, False])
def test_all_formulations_draw_the_same_alpha(published: bool) -> None:
    """The published form rounds the feature image down, and stretches it."""
    avatar, camera = avatar_of(4, published), camera_at((-0.08, 0.03, 0.4), 101, 75, 160.0)
    wanted = picture("plain", avatar, camera)
    for by in ("auto", "torch"):
        assert np.quantile(np.abs(picture(by, avatar, camera) - wanted), 0.999) < 1e-4, by


@pytest.mark.parametrize("offset", [0.0, 0.5])
@pytest.mark.parametrize("factor", [2, 4])
def test_opacity_is_upsampled_as_the_oracle_has_it(offset: float, factor: int) -> None:
    from livehand_core.rendering.torch.picture import upsample_bilinear

    opacity = np.random.default_rng(0).random((5, 7))
    wanted = upsampled_opacity(opacity, factor, offset)
    answer = upsample_bilinear(torch.from_numpy(opacity)[None], factor, offset)[0]
    np.testing.assert_allclose(answer.numpy(), wanted, atol=1e-12)
