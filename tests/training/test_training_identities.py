"""Training on several identities: gradients of codes and textures, the norm's bound, one avatar of two captures."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from livehand_core import cli
from livehand_core.avatars import load_avatar
from livehand_core.captures.capture import Capture, write_capture
from livehand_core.captures.images import write_image
from livehand_core.captures.joined import join_captures
from livehand_core.frames import FrameRequest, HandInstance
from livehand_core.hand import library
from livehand_core.hand.data import HandData
from livehand_core.poses import PoseSequence
from livehand_core.rendering import Renderer
from livehand_core.training.config import TrainingConfig, preset
from livehand_core.training.empty_space import EmptySpace
from livehand_core.training.journal import Journal
from livehand_core.training.model import AvatarModel, warm_start
from livehand_core.training.plain_step import Noise, plain_loss, plain_model
from livehand_core.training.ray_stage import RayPool, draw_rays, ray_loss, train_on_rays
from livehand_core.training.step import TileTask, tile_loss
from livehand_core.training.tiles import Tile, partition
from livehand_core.training.trainer import Trainer
from livehand_core.training.views import HandMesh, View

CPU = torch.device("cpu")
TEXTURES = {"texture_sizes": (8, 32), "texture_channels": 3}
BLUE = 0.2
"""What the second person has of the first one's blue."""
SHORT = {"ray_steps": 0, "hidden": (16, 16), "tile": 12, "samples": 4, "coarse_samples": 4, "tiles_per_step": 2}


@pytest.fixture(autouse=True)
def one_thread_and_a_short_warm_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    monkeypatch.setattr("livehand_core.training.trainer.warm_start", partial(warm_start, steps=15))
    torch.set_num_threads(1)


@pytest.fixture
def family(capture: Capture, tmp_path: Path) -> list[Path]:
    """The tubes' capture as it is, and again with little blue and of another shape, as somebody else's."""
    folders = []
    for name, blue, beta in (("anna", 1.0, 0.0), ("ben", BLUE, 0.5)):
        folder = tmp_path / "family" / name
        poses = tuple(replace(pose, betas=beta + np.zeros(10)) for pose in capture.poses.poses)
        made = replace(capture, folder=folder, poses=PoseSequence(poses))
        for frame in capture.frames:
            write_image(folder / frame.image, capture.image(frame) * [1.0, 1.0, blue, 1.0])
        write_capture(made)
        folders.append(folder)
    return folders


def model_of(config: TrainingConfig, capture: Capture, identities: int = 3) -> AvatarModel:
    torch.manual_seed(0)
    poses = torch.tensor(np.stack([pose.hand_pose.reshape(-1) for pose in capture.poses.poses]), dtype=torch.float32)
    model = AvatarModel(config, poses, 4, identities)
    warm_start(model.field, config.bounds_margin, 0, steps=40)
    with torch.no_grad():
        for texture in (*model.field.textures, *model.identity_textures):
            texture.normal_(0.0, 0.3)
    return model


def views_of(capture: Capture, tubes: HandData, config: TrainingConfig, *identities: int) -> list[View]:
    mesh, margins = HandMesh.of(tubes), (config.bounds_margin, config.lateral_margin)
    frames = capture.frames_of("train")
    return [View(capture, frames[n], 0, mesh, 2, margins, CPU, k) for n, k in enumerate(identities)]


@pytest.mark.parametrize("textures", [{}, TEXTURES])
def test_gradients_are_those_of_the_plain_step(capture: Capture, tubes: HandData, textures: dict) -> None:
    """In float64: of the codes, of the textures' residuals, and of everything else."""
    config = preset("cpu", steps=1, tile=0, hidden=(16, 8), view_noise=0.03, **textures)
    model = model_of(config, capture)
    (view,) = views_of(capture, tubes, config, 1)
    parameters = {name: value for name, value in model.named_parameters() if name != "calibration"}
    assert "codes" in parameters
    radius = model.super_resolution.config.receptive_radius
    (tile,) = partition(view.mask, radius, config.tile)
    generator = torch.Generator().manual_seed(5)
    rays = view.rays(tile.grown(radius), config.samples, generator)
    shown = [capture.poses.poses[frame.pose] for frame in capture.frames_of("train")]
    empty = (
        EmptySpace(shown, view.mesh, config, CPU, 3).draw(400, torch.Generator().manual_seed(2))._replace(identity=1)
    )
    task = TileTask(view, tile, 1, view.mask.size - tile.pixels, rays, generator, empty)
    loss = tile_loss(model, task, config).total
    found = torch.autograd.grad(loss, list(parameters.values()))

    generator = torch.Generator().manual_seed(5)
    whole = view.rays(Tile(0, 0, view.low.width, view.low.height), config.samples, generator)
    noise = Noise.drawn(config, whole, generator)
    wide = plain_model(model, torch.float64)
    wanted = plain_loss(wide, config, view, whole, noise, border=radius, empty=empty)
    theirs = dict(wide.named_parameters())
    oracle = torch.autograd.grad(wanted, [theirs[key] for key in parameters])
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-5)
    for key, a, b in zip(parameters, found, oracle, strict=True):
        assert b.norm() > 0.0, key
        assert (a.double() - b).norm() <= 1e-3 * b.norm(), key
        if key == "codes" or key.startswith("identity_textures"):
            assert not a[0].any() and not a[2].any(), "the others' are not touched"


def test_rays_of_several_identities_at_once(capture: Capture, tubes: HandData) -> None:
    """The mean over mixed rays and its gradients are those of each identity's own, by their share."""
    config = preset("cpu", steps=1, coarse_samples=4, hidden=(16, 16), pose_noise=0.0, view_noise=0.0, **TEXTURES)
    model = model_of(config, capture)
    with ThreadPoolExecutor(1) as pool:
        rays = draw_rays(views_of(capture, tubes, config, 2, 0), 4, 0, pool)
    mixed = rays.take(torch.randperm(len(rays.intervals), generator=torch.Generator().manual_seed(1)))
    parameters = [value for name, value in model.named_parameters() if name.startswith(("field", "codes", "identity"))]

    def loss_of(some: RayPool) -> torch.Tensor:
        return ray_loss(model, some, config, torch.Generator().manual_seed(0))

    def gradient(loss: torch.Tensor) -> list[torch.Tensor]:
        return list(torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True))

    parts = [mixed.take((mixed.identities == one).nonzero()[:, 0]) for one in (0, 2)]
    shares = [len(part.intervals) / len(mixed.intervals) for part in parts]
    assert min(shares) > 0.1
    whole = loss_of(mixed)
    separate = torch.stack([share * loss_of(part) for share, part in zip(shares, parts, strict=True)]).sum()
    assert whole.item() == pytest.approx(separate.item(), rel=1e-5)
    for a, b in zip(gradient(whole), gradient(separate), strict=True):
        assert (a - b).norm() <= 1e-4 * b.norm() + 1e-9


def test_one_identity_takes_no_code(capture: Capture, tubes: HandData) -> None:
    config = preset("cpu", steps=1, hidden=(16, 8))
    model = model_of(config, capture, identities=1)
    assert model.codes is None and model.field.config.latent_size == 0 and model.code(0) is None


def test_codes_stay_within_the_unit_ball(capture: Capture, tubes: HandData) -> None:
    """However fast they are learnt, and also while their mean is exported; short ones are left alone."""
    config = preset(
        "cpu", steps=1, ray_steps=30, ray_batch=256, coarse_samples=4, hidden=(16, 16), code_rate=0.5, **TEXTURES
    )
    model = model_of(config, capture)
    assert model.codes is not None
    with torch.no_grad():
        model.codes[2] *= 0.25
    model.constrain()
    np.testing.assert_allclose(model.codes.norm(dim=1).detach(), [1.0, 1.0, 0.25], rtol=1e-5)
    before = model.codes.detach().clone()
    with ThreadPoolExecutor(1) as pool:
        train_on_rays(model, views_of(capture, tubes, config, 0, 1), config, pool, lambda line: None)
    assert (model.codes - before)[:2].norm() > 0.1, "they were learnt"
    assert model.codes.norm(dim=1).max() <= 1.0 + 1e-6


def trainer(run: Path, folders: list[Path], tubes: HandData, **changes: object) -> Trainer:
    from livehand_core.captures.capture import read_capture

    run.mkdir(exist_ok=True)
    joined = join_captures([read_capture(folder) for folder in folders])
    config = preset("cpu", **({"steps": 6} | SHORT | TEXTURES | changes))
    return Trainer(run, joined, list(joined.frames_of("train")), config, HandMesh.of(tubes), CPU, Journal(run))


def test_resume_gives_the_same_result(tmp_path: Path, family: list[Path], tubes: HandData) -> None:
    straight = trainer(tmp_path / "straight", family, tubes)
    assert {view.identity for view in straight.views} == {0, 1}
    straight.begin()
    straight.train(lambda: False, lambda: None)
    first = trainer(tmp_path / "stopped", family, tubes)
    first.begin()
    first.train(lambda: first.step >= 2, lambda: None)
    first.save()
    second = trainer(tmp_path / "stopped", family, tubes)
    second.resume()
    second.train(lambda: False, lambda: None)
    for expected, found in zip(straight.model.parameters(), second.model.parameters(), strict=True):
        torch.testing.assert_close(found, expected, rtol=0.0, atol=0.0)
    averaged = straight.averaged()
    assert averaged.codes is not None and averaged.codes.norm(dim=1).max() <= 1.0 + 1e-6


def test_a_run_on_two_people(
    tmp_path: Path, capture: Capture, family: list[Path], tubes: HandData, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the command, to a file whose identities differ as the people do; the blend lies between them."""
    monkeypatch.setattr(library, "_builtin", lambda side: tubes)
    run = tmp_path / "run"
    settings = SHORT | {"ray_steps": 300, "ray_batch": 512, "texture_sizes": [8, 32], "texture_channels": 3}
    arguments = [f"{key}={list(value) if isinstance(value, tuple) else value}" for key, value in settings.items()]
    length = ["--out", str(run), "--steps", "4", "--preset", "cpu", "--name", "both"]
    assert cli.main(["train", *map(str, family), *length, "--set", *arguments]) == 0
    avatar = load_avatar(run / "avatar.safetensors")
    assert [one.name for one in avatar.metadata.identities] == ["anna", "ben"]
    assert avatar.metadata.identities[1].betas == pytest.approx((0.5,) * 10)
    assert avatar.latent is not None and avatar.latent.shape == (2, 8)
    assert avatar.latent.norm(dim=1).max() <= 1.0 + 1e-6
    assert [tuple(texture.shape) for texture in avatar.identity_textures] == [(2, 8, 8, 3), (2, 32, 32, 3)]

    data = {(tubes.name, "right"): tubes}
    frame = capture.frames_of("train")[0]

    def picture(identity: object) -> np.ndarray:
        renderer = Renderer("cpu", data, {"a": avatar}, "exact", 1)
        hand = HandInstance(capture.hand(frame), "a", identity=identity)  # type: ignore[arg-type]
        return renderer.render(FrameRequest(frame.camera, (hand,), ("rgba_low",)))["rgba_low"]

    # By the field alone, which has been trained: how blue each is, and the blend between them.
    def blue(image: np.ndarray) -> float:
        return float(image[..., 2].sum() / image[..., 0].sum())

    wanted = blue(capture.image(frame))
    anna, half, ben = (blue(picture(one)) for one in ("anna", {"anna": 1.0, "ben": 1.0}, "ben"))
    assert anna == pytest.approx(wanted, rel=0.3) and ben == pytest.approx(BLUE * wanted, rel=0.5)
    assert ben < 0.9 * half < 0.81 * anna
