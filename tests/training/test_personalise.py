"""Personalise: an identity between those that an avatar knows is found from four pictures; mistakes are named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from livehand_core import cli
from livehand_core.avatars import Architecture, Avatar, Identity, load_avatar, new_avatar, save_avatar
from livehand_core.captures.capture import Capture, write_capture
from livehand_core.captures.images import write_image
from livehand_core.captures.light_part import CaptureLight
from livehand_core.errors import AvatarError, TrainingError
from livehand_core.frames import FrameRequest, HandInstance
from livehand_core.hand import library
from livehand_core.hand.data import HandData
from livehand_core.lights import Light
from livehand_core.networks import FieldConfig, RadianceField, SuperResolutionConfig
from livehand_core.networks.config import LIT_CHANNELS
from livehand_core.poses import PoseSequence
from livehand_core.rendering import Renderer
from livehand_core.training.model import warm_start
from livehand_core.training.personal_model import band_spreads, enlarged
from livehand_core.training.personalise import Personal, check_avatar, personalised

MARGIN = 0.003
SIZES = FieldConfig(
    latent_size=8, normal_frequencies=2, width=32, depth=2, view_width=16, texture_sizes=(8, 32), density_scale=1000.0,
    distance_scale=64.0,
)  # fmt: skip


@pytest.fixture(scope="module")
def family(tubes: HandData) -> Avatar:
    """A solid hand of two identities, whose texels and codes are far apart."""
    torch.set_num_threads(1)
    architecture = Architecture(SIZES, SuperResolutionConfig(hidden=(16, 16)), n_samples=6)
    people = (Identity("anna", (0.0,) * 10), Identity("ben", (0.0,) * 10))
    avatar = new_avatar(tubes, architecture, name="family", identities=people)
    torch.manual_seed(0)
    field = RadianceField(SIZES)
    field.load_state_dict(avatar.field_state)
    warm_start(field, MARGIN, 0, steps=60)
    with torch.no_grad():
        # Texels that matter for colours.
        field.layers[0].weight[:, SIZES.encodings_size : SIZES.position_size] *= 30.0
    textures = tuple(0.5 * torch.randn(texture.shape) for texture in avatar.identity_textures)
    codes = torch.nn.functional.normalize(torch.randn(2, 8), dim=1)
    metadata = replace(avatar.metadata, depth_margin=MARGIN, lateral_margin=MARGIN, last_interval=0.001)
    return replace(avatar, metadata=metadata, field_state=field.state_dict(), latent=codes, identity_textures=textures)


def rendered(avatar: Avatar, capture: Capture, frame: int, tubes: HandData, identity: object) -> np.ndarray:
    renderer = Renderer("cpu", {(tubes.name, tubes.side): tubes}, {"family": avatar}, kernels="torch")
    shot = capture.frames[frame]
    hand = HandInstance(capture.hand(shot), "family", identity=identity)  # type: ignore[arg-type]
    return renderer.render(FrameRequest(shot.camera, (hand,)))["rgba"]


@pytest.fixture(scope="module")
def pictures(family: Avatar, capture: Capture, tubes: HandData, tmp_path_factory: pytest.TempPathFactory) -> Capture:
    """Two cameras and two poses of somebody who is three quarters ben."""
    folder = tmp_path_factory.mktemp("pictures")
    chosen = [n for n, frame in enumerate(capture.frames) if frame in capture.frames_of("train")][:4]
    frames = tuple(capture.frames[n] for n in chosen)
    for n, frame in zip(chosen, frames, strict=True):
        write_image(folder / frame.image, rendered(family, capture, n, tubes, {"anna": 0.25, "ben": 0.75}))
    made = replace(capture, folder=folder, frames=frames, held_out_cameras=frozenset(), held_out_poses=frozenset())
    write_capture(made)
    return made


def test_somebody_between_two_is_found(family: Avatar, capture: Capture, pictures: Capture, tubes: HandData) -> None:
    said: list[str] = []
    settings = Personal("chi", minutes=5.0, steps=40, refine=False, consent="her own")
    new = personalised(family, pictures, pictures.frames, tubes, settings, said.append)
    assert [one.name for one in new.metadata.identities] == ["anna", "ben", "chi"]
    story = new.metadata.identities[2].provenance
    assert story["consent"] == "her own" and story["images"] == 4
    assert story["blend"]["ben"] > 0.6 > story["blend"]["anna"]
    # The others and both networks are as they were.
    assert torch.equal(new.latent[:2], family.latent) and new.field_state is family.field_state
    unseen = len(capture.frames) - 1
    truth = rendered(family, capture, unseen, tubes, {"anna": 0.25, "ben": 0.75})
    errors = {
        name: np.abs(rendered(new, capture, unseen, tubes, name) - truth).mean() for name in ("anna", "ben", "chi")
    }
    assert min(errors["anna"], errors["ben"]) > 0.002
    assert errors["chi"] < 0.6 * min(errors["anna"], errors["ben"]), errors


def test_bands_are_told_apart_by_what_known_hands_differ_by() -> None:
    """What is smooth over a quarter lies in the band of 4, white noise in the finest, hardly in coarse ones."""
    torch.manual_seed(2)
    parts = enlarged(torch.randn(4, 4, 6), 128)
    smooth = band_spreads(torch.stack([parts, -parts]))
    assert list(smooth) == [1, 4, 16, 64, 128]
    assert smooth[4] > 2.0 * max(smooth[16], smooth[64], smooth[128])
    noise = band_spreads(torch.randn(5, 128, 128, 6))
    assert 0.7 < noise[128] < 1.0 and noise[64] > 4.0 * noise[4] and noise[1] < 0.02
    assert set(band_spreads(torch.zeros(2, 16, 16, 1))) == {1, 4, 16}


def test_alone_and_by_the_command(
    family: Avatar, pictures: Capture, tubes: HandData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = library.find_hand
    monkeypatch.setattr(library, "find_hand", lambda name, side: tubes if name == tubes.name else found(name, side))
    save_avatar(tmp_path / "family.safetensors", family)
    words = ["personalise", str(tmp_path / "family.safetensors"), str(pictures.folder), "--no-refine", "--steps", "2"]
    assert cli.main([*words, "-o", str(tmp_path / "chi.safetensors"), "--alone", "--limit", "2"]) == 0
    alone = load_avatar(tmp_path / "chi.safetensors")
    assert [one.name for one in alone.metadata.identities] == ["chi"] and len(alone.latent) == 1
    assert alone.metadata.identities[0].provenance["images"] == 2


def test_through_a_relightable_avatar(pictures: Capture, tubes: HandData) -> None:
    """In light that the pictures tell: what the identity adds to the detail texture is fitted beside the rest."""
    people = (Identity("anna", (0.0,) * 10), Identity("ben", (0.0,) * 10))
    architecture = Architecture(
        SIZES, SuperResolutionConfig(hidden=(16, 16), out_channels=LIT_CHANNELS), n_samples=6, detail_size=32,
        detail_channels=3,
    )  # fmt: skip
    lit = new_avatar(tubes, architecture, name="lit", identities=people)
    settings = Personal("chi", steps=4, refine=False)
    with pytest.raises(TrainingError, match="do not tell in which light"):
        personalised(lit, pictures, pictures.frames, tubes, settings, print)
    told = replace(pictures, lights=(CaptureLight(Light.uniform((1.0, 1.0, 1.0)), "sky"),))
    new = personalised(lit, told, [replace(frame, light=0) for frame in pictures.frames], tubes, settings, print)
    assert new.identity_detail is not None and new.identity_detail.shape == (3, 32, 32, 3)
    assert (new.identity_detail[2] != 0.0).any() and not (new.identity_detail[:2] != 0.0).any()


def test_what_cannot_be_fitted_is_said(family: Avatar, pictures: Capture, tubes: HandData) -> None:
    one = new_avatar(tubes, name="single")
    with pytest.raises(AvatarError, match="knows one hand only"):
        check_avatar(one, tubes)
    with pytest.raises(AvatarError, match="hand model"):
        check_avatar(family, replace(tubes, name="other"))
    lit = replace(family, metadata=replace(family.metadata, name="x"), fine_state=family.field_state)
    with pytest.raises(AvatarError, match="no identity can be fitted"):
        check_avatar(lit, tubes)
    with pytest.raises(AvatarError, match="knows an identity 'ben' already"):
        personalised(family, pictures, pictures.frames, tubes, Personal("ben", steps=2, refine=False), print)
    with pytest.raises(TrainingError, match="no name"):
        Personal("")


def test_pictures_that_do_not_fit_are_said(
    family: Avatar, pictures: Capture, tubes: HandData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    found = library.find_hand
    monkeypatch.setattr(library, "find_hand", lambda name, side: tubes if name == tubes.name else found(name, side))
    save_avatar(tmp_path / "family.safetensors", family)
    out = ["-o", str(tmp_path / "new.safetensors")]
    left = replace(pictures, folder=tmp_path / "left")
    mirrored = tuple(replace(pose, side="left") for pose in pictures.poses.poses)
    (tmp_path / "left").mkdir()
    write_capture(replace(left, poses=PoseSequence(mirrored)))
    command = ["personalise", str(tmp_path / "family.safetensors")]
    assert cli.main([*command, str(tmp_path / "left"), *out]) == 2
    assert "of a left hand" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert cli.main([*command, str(tmp_path / "empty"), *out]) == 2
    assert "holds no pictures" in capsys.readouterr().err
    write_image(tmp_path / "wall.png", np.full((64, 96, 3), 0.5))
    (tmp_path / "text.jpg").write_text("no picture")
    assert cli.main([*command, str(tmp_path / "wall.png"), str(tmp_path / "text.jpg"), *out]) == 2
    told = capsys.readouterr().err
    assert "2 of 2 pictures cannot be used" in told and "no hand was found" in told and "no picture that can" in told
    assert not (tmp_path / "new.safetensors").exists()
