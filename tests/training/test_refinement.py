"""Refinement in a run: fits that are off come back, limits hold, a run goes on; files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from livehand_core import cli
from livehand_core.avatars import load_avatar, read_metadata, save_avatar
from livehand_core.avatars.arrays import read_arrays, read_offsets
from livehand_core.captures.capture import Capture, read_capture, write_capture
from livehand_core.captures.pose_file import REFINED_POSES
from livehand_core.errors import AvatarError, TrainingError
from livehand_core.frames import FrameRequest, HandInstance
from livehand_core.hand import library
from livehand_core.hand.data import HandData
from livehand_core.hand.model import HandModel
from livehand_core.hand.skinning import pose_vertices
from livehand_core.kernels.mesh.nearest import nearest_points
from livehand_core.kernels.mesh.proxy import PosedProxy
from livehand_core.poses import PoseSequence
from livehand_core.rendering import Renderer
from livehand_core.surface import vertex_normals
from livehand_core.training.config import TrainingConfig, preset
from livehand_core.training.export import make_avatar
from livehand_core.training.refined import FORMER_POSES, is_imported, refined_capture, write_back
from livehand_core.training.refinement import LIMIT, POSE_SPREADS, Refinement
from livehand_core.training.trainer import Trainer
from livehand_core.training.views import HandMesh, TileRays, View
from tests.training import test_trainer
from tests.training.test_trainer import go, one_thread_and_a_short_warm_start, trainer  # noqa: F401 (a fixture)

CPU = torch.device("cpu")
PLACE = slice(48, 51)


def tiny(**changes: object) -> TrainingConfig:
    settings = {"refine": True, "refine_silhouettes": False, "refine_start": 0.0, "sampling": "linear"}
    return test_trainer.tiny(**(settings | changes))


def refinement_of(run: Trainer) -> Refinement:
    assert run.model.refinement is not None
    return run.model.refinement


def moved(capture: Capture, folder: Path, by: np.ndarray) -> Capture:
    """The capture with its training poses off by a translation each, (n, 3) metres, in a folder of its own."""
    poses = [replace(pose, transl=pose.transl + off) for pose, off in zip(capture.poses.poses, by, strict=True)]
    folder.mkdir()
    (folder / "images").symlink_to(capture.folder / "images")
    off = replace(capture, folder=folder, poses=PoseSequence(tuple(poses)))
    write_capture(off)
    return off


def distance(run: Trainer, capture: Capture, data: HandData) -> float:
    """Millimetres of the refined training poses' vertices from those of a capture, mean."""
    refined = refined_capture(capture, run.model).poses.poses
    numbers = sorted({frame.pose for frame in capture.frames_of("train")})
    pairs = [(pose_vertices(data, refined[n]), pose_vertices(data, capture.poses.poses[n])) for n in numbers]
    return 1e3 * float(np.mean([np.linalg.norm(a - b, axis=1).mean() for a, b in pairs]))


def skin(view: View, points: np.ndarray) -> np.ndarray:
    """(N, 6) u, v, d of points where the view's proxy is, and zeros: docs/method.md 1.5."""
    topology = view.mesh.topology
    face, weights, _ = nearest_points(PosedProxy.of(view.vertices.astype(np.float64), topology), points)
    corners = topology.faces[face]
    away = points - (weights[..., None] * view.vertices[corners]).sum(axis=1)
    normals = vertex_normals(torch.from_numpy(view.vertices).double(), view.mesh.model.faces).numpy()
    side = np.sign((away * (weights[..., None] * normals[corners]).sum(axis=1)).sum(axis=1))
    uv = (weights[..., None] * topology.face_uv[face]).sum(axis=1)
    return np.concatenate([uv, (side * np.sqrt((away**2).sum(axis=1) + 1e-8))[:, None], np.zeros((len(uv), 3))], axis=1)


def asked(refinement: Refinement, view: View, vertices: np.ndarray, random: np.random.Generator) -> torch.Tensor:
    """What a field that knows the skin asks of 100 places on it: that they are where its texture has them."""
    topology = view.mesh.topology
    face, share = random.integers(len(topology.faces), size=100), random.dirichlet(np.ones(3), size=100)
    points = (share[..., None] * vertices[topology.faces[face]]).sum(axis=1)
    known = (share[..., None] * topology.face_uv[face]).sum(axis=1)
    eye = view.camera.camera_to_world[:3, 3]
    depths = np.linalg.norm(points - eye, axis=1)
    rays = [np.arange(100), depths[:, None], np.full((100, 1), 1e-3), np.ones(100), skin(view, points)[:, None]]
    rays += [(points - eye) / depths[:, None] @ view.wrist, eye[None]]
    places = refinement.attached(view, TileRays(*(torch.from_numpy(value) for value in rays))).positions[:, 0]
    off = 0.1 * (places[:, :2] - torch.from_numpy(known))
    # Beside a seam of the texture the nearest place may be of its other side.
    return ((off.abs() < 0.01) * off).square().sum() + places[:, 2].square().sum()


def test_fits_come_back_to_where_the_hand_is(tmp_path: Path, capture: Capture, tubes: HandData) -> None:
    """What a field that knows the skin asks of fits that are 3 mm off, by steps of the size that a run takes."""
    shift = 0.003 * np.array([[0.0, 0.6, 0.8], [0.0, -0.8, 0.6], [0.0, 0.0, 0.0]])
    off = moved(capture, tmp_path / "off", shift)
    run, random = trainer(tmp_path / "run", off, tubes, tiny()), np.random.default_rng(0)
    refinement = refinement_of(run)
    assert distance(run, capture, tubes) == pytest.approx(3.0, abs=0.01)
    parameters = [refinement.pose, refinement.shape, refinement.offsets]
    for step in range(80):
        total = torch.zeros((), dtype=torch.float64)
        for view in random.choice(np.array(run.views), 2):
            refinement.place(view)
            total = total + asked(refinement, view, pose_vertices(tubes, capture.poses.poses[view.number]), random)
        for parameter, gradient in zip(parameters, torch.autograd.grad(total, parameters), strict=True):
            parameter.grad = gradient
        refinement.advance(0.02 * (1.0 - step / 80), False)
    assert distance(run, capture, tubes) < 0.5


def test_noise_moves_fits_little_and_a_sure_gradient_by_the_rate(capture: Capture, tubes: HandData) -> None:
    generator, rate = torch.Generator().manual_seed(2), 0.01
    for sure in (False, True):
        refinement = Refinement(capture.poses.poses, {0: 0}, 1, HandMesh.of(tubes))
        for _ in range(200):
            refinement.pose.grad = torch.zeros_like(refinement.pose)
            noise = torch.randn(51, generator=generator, dtype=torch.float64)
            refinement.pose.grad[0] = noise if not sure else 2.0 + noise
            refinement.advance(rate, False, noisy=True)
        moved = refinement.pose.detach()[0]
        assert not refinement.pose.detach()[1:].any()
        if sure:
            assert (moved < -120 * rate).all(), "a gradient that is sure moves a fit by the rate a step"
        else:
            # Adam alone wanders some 0.01 sqrt(200) = 0.14.
            assert float(moved.square().mean().sqrt()) < 0.045


def test_limits_hold_and_the_first_camera_stays(tmp_path: Path, capture: Capture, tubes: HandData) -> None:
    run = trainer(tmp_path / "run", capture, tubes, tiny(refine_rate=5.0, refine_cameras=True))
    run.begin()
    go(run, 6)
    refinement = refinement_of(run)
    assert all(float(value.detach().abs().max()) <= LIMIT for value in refinement.parameters())
    assert float(refinement.pose.detach().abs().max()) == LIMIT
    assert float(refinement.surface().detach().abs().max()) <= LIMIT * 1e-3 + 1e-12
    assert (refinement.cameras[0] == 0.0).all() and (refinement.cameras[1:] != 0.0).any()
    held_out = [number for number in range(len(capture.poses.poses)) if number in capture.held_out_poses]
    assert (refinement.pose[held_out] == 0.0).all(), "a pose that is not trained on was moved"


def test_a_run_goes_on_as_if_it_had_not_stopped(tmp_path: Path, capture: Capture, tubes: HandData) -> None:
    config = tiny(refine_cameras=True)
    straight = trainer(tmp_path / "straight", capture, tubes, config)
    straight.begin()
    go(straight, 6)
    first = trainer(tmp_path / "stopped", capture, tubes, config)
    first.begin()
    go(first, 3)
    first.save()
    second = trainer(tmp_path / "stopped", capture, tubes, config)
    second.resume()
    go(second, 6)
    pairs = zip(straight.model.state_dict().items(), second.model.state_dict().values(), strict=True)
    assert [name for (name, one), other in pairs if not torch.equal(one, other)] == []
    assert float(refinement_of(second).pose.detach().abs().max()) > 0.0


def test_without_it_nothing_of_it_is_there(tmp_path: Path, capture: Capture, tubes: HandData) -> None:
    run = trainer(tmp_path / "run", capture, tubes, tiny(refine=False))
    assert not [name for name in run.model.state_dict() if "refine" in name]
    assert refined_capture(capture, run.model) is capture


def test_the_avatar_is_drawn_on_the_surface_that_was_found(tmp_path: Path, capture: Capture, tubes: HandData) -> None:
    """Shape and offsets in the file; torch's skinning of offsets is that of the hand with them; renderers take it."""
    run = trainer(tmp_path / "run", capture, tubes, tiny())
    refinement = refinement_of(run)
    with torch.no_grad():
        refinement.offsets.copy_(torch.linspace(-2.0, 2.0, len(refinement.offsets)))
        refinement.shape.fill_(0.5)
    frames = list(capture.frames_of("train"))
    path = tmp_path / "avatar.safetensors"
    save_avatar(path, make_avatar(run.model, run.config, capture, frames, tubes, {}))
    offsets = read_offsets(path)
    assert offsets is not None and np.abs(offsets - refinement.surface().detach().numpy()).max() < 1e-8
    assert read_metadata(path).identities[0].betas == pytest.approx([0.35] * 10)
    arrays, pose = read_arrays(path), capture.poses.poses[0]
    hand = arrays.refined(tubes)
    model = HandModel(tubes)
    numbers = [
        torch.tensor(np.asarray(v), dtype=torch.float64)[None] for v in (pose.betas, pose.full_pose, pose.transl)
    ]
    ours = model.pose(numbers[0], numbers[1].view(1, 16, 3), numbers[2], torch.from_numpy(offsets).double())[0][0]
    assert np.abs(pose_vertices(hand, pose) - ours.numpy()).max() < 1e-6
    assert torch.equal(load_avatar(path).proxy_offsets, torch.from_numpy(offsets))
    frame = frames[0]
    hands = {(tubes.name, tubes.side): tubes}
    pictures = []
    for avatar in (path, tmp_path / "plain.safetensors"):
        if avatar != path:
            save_avatar(avatar, replace(load_avatar(path), proxy_offsets=None))
            assert read_offsets(avatar) is None and read_arrays(avatar).refined(tubes) is tubes
        request = FrameRequest(frame.camera, (HandInstance(pose, str(avatar)),), passes=frozenset({"depth"}))
        pictures.append(Renderer("cpu", hands).render(request)["depth"])
    assert not np.array_equal(*pictures), "the renderer draws the plain hand"
    with pytest.raises(AvatarError, match="surface of the avatar"):
        replace(arrays, values={**arrays.values, "proxy_offsets": offsets[:-1]}).refined(tubes)


@pytest.fixture
def own_hand(tubes: HandData, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands find the tube hand by its name."""
    found = library.find_hand
    monkeypatch.setattr(library, "find_hand", lambda name, side: tubes if name == tubes.name else found(name, side))


@pytest.mark.usefixtures("own_hand")
def test_refined_poses_go_back_into_the_capture(
    tmp_path: Path, capture_maker: Callable[..., Capture], tubes: HandData, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = capture_maker(tmp_path / "capture", tubes)
    before = own.poses.poses
    words = ["train", str(own.folder), "--out", str(tmp_path / "run"), "--steps", "3", "--refine", "--device", "cpu"]
    words += ["--set", "ray_steps=0", "tile=12", "hidden=[16,16]", "refine_silhouettes=false", "refine_start=0.0"]
    assert cli.main([*words, "empty_space_points=64", "refine_rate=0.5"]) == 0
    assert (tmp_path / "run" / REFINED_POSES).is_file()
    assert cli.main(["train", "--write-poses", str(tmp_path / "run")]) == 0
    after = read_capture(own.folder).poses.poses
    # Held-out poses take what those that were trained on were corrected by.
    for number, (one, other) in enumerate(zip(before, after, strict=True)):
        change = np.abs(one.full_pose - other.full_pose).max() + np.abs(one.transl - other.transl).max()
        assert 1e-6 < change < LIMIT * POSE_SPREADS.max() * 2.0, number
    assert (own.folder / FORMER_POSES).is_file()
    # A second time what the capture had at first is still there.
    former = (own.folder / FORMER_POSES).read_bytes()
    write_back(tmp_path / "run")
    assert (own.folder / FORMER_POSES).read_bytes() == former


def test_what_cannot_be_written_back_is_said(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no training run"):
        write_back(tmp_path)


def test_which_captures_are_refined_unasked(capture: Capture) -> None:
    assert is_imported(replace(capture, origin="prepared from InterHand2.6M"))
    assert is_imported(replace(capture, origin="Cycles, Blender 4.5; prepared from HanCo"))
    assert not is_imported(replace(capture, origin="Cycles, Blender 4.5.15, 8 samples; LiveHand's built-in hand"))


def test_world_coordinates_are_refused() -> None:
    settings = {"coordinates": "xyz", "normal_frequencies": 0, "distance_scale": 1.0, "empty_space_weight": 0.0}
    with pytest.raises(TrainingError, match="texture cube"):
        preset("published", steps=1, refine=True, **settings)
