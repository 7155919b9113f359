"""Several identities in one avatar: their file, the choice of one or a blend, its shape, and what is drawn of it."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from livehand_core.avatars import Architecture, Avatar, Identity, load_avatar, new_avatar, read_metadata, save_avatar
from livehand_core.avatars.identities import betas_of, reenacted, weights_of
from livehand_core.avatars.metadata import FORMAT_VERSION, content_hash
from livehand_core.errors import AvatarError, LiveHandError, PoseError
from livehand_core.frames import FrameRequest, HandInstance
from livehand_core.hand.data import HandData
from livehand_core.hand.looks import LOOKS
from livehand_core.hand.skinning import pose_joints
from livehand_core.identities import identity_weights
from livehand_core.networks import FieldConfig, SuperResolutionConfig
from livehand_core.poses import HandPose
from livehand_core.rendering import Renderer

from .conftest import camera_at, solid, tube_hand
from .test_avatars import rewrite

BETAS = (tuple(np.linspace(-1.0, 1.0, 10)), (2.0,) + (0.0,) * 9)
IDENTITIES = (Identity("anna", BETAS[0], {"images": 12}), Identity("ben", BETAS[1]), Identity("chi"))
SIZES = Architecture(
    FieldConfig(depth=3, width=24, feature_channels=16, latent_size=8, normal_frequencies=2),
    SuperResolutionConfig(in_channels=16, hidden=(10, 6)),
    n_samples=6,
)
CAMERA = camera_at((-0.08, 0.35, 0.12))


@pytest.fixture(scope="module")
def avatar() -> Avatar:
    """Solid, its identities far apart and of strong colours."""
    made = solid(new_avatar(tube_hand(), SIZES, seed=2, name="family", identities=IDENTITIES))
    state, begin = dict(made.field_state), SIZES.field.position_size
    state["layers.0.weight"][:, begin : begin + 8] *= 20.0
    state["colour.weight"] = 20.0 * state["colour.weight"]
    generator = torch.Generator().manual_seed(0)
    codes = torch.nn.functional.normalize(torch.randn((3, 8), generator=generator), dim=1)
    return replace(made, field_state=state, latent=codes)


@pytest.fixture(scope="module")
def tattooed(avatar: Avatar) -> Avatar:
    """With textures, and what each identity adds to them, as strong as the rest."""
    field = replace(SIZES.field, texture_sizes=(6, 20), texture_channels=3)
    made = solid(new_avatar(tube_hand(), replace(SIZES, field=field), seed=2, name="family", identities=IDENTITIES))
    state, generator = dict(made.field_state), torch.Generator().manual_seed(3)
    begin = field.position_size
    state["layers.0.weight"][:, begin : begin + 8] *= 10.0
    state["layers.0.weight"][1:, field.encodings_size : begin] *= 10.0
    state["colour.weight"] = 20.0 * state["colour.weight"]
    for name in ("textures.0", "textures.1"):
        state[name] = torch.randn(state[name].shape, generator=generator)
    residuals = tuple(0.7 * torch.randn(texture.shape, generator=generator) for texture in made.identity_textures)
    return replace(made, field_state=state, latent=avatar.latent, identity_textures=residuals)


def picture(avatar: Avatar, identity: Any, kernels: str = "auto", precision: str = "exact") -> np.ndarray:
    hands = {("tube", "right"): tube_hand()}
    renderer = Renderer("cpu", hands, {"a": avatar}, precision=precision, threads=1, kernels=kernels)  # type: ignore[arg-type]
    return renderer.render(FrameRequest(CAMERA, (HandInstance(HandPose.rest(), "a", identity=identity),)))["rgba"]


def test_the_file_keeps_names_shapes_and_codes(avatar: Avatar, tmp_path: Path) -> None:
    written = save_avatar(tmp_path / "a.safetensors", avatar)
    read = load_avatar(tmp_path / "a.safetensors")
    assert read.metadata == written and read.metadata.identities == IDENTITIES
    assert torch.equal(read.latent, avatar.latent)
    assert read_metadata(tmp_path / "a.safetensors").identities[0].provenance == {"images": 12}


def test_files_of_version_1_are_read_as_before(avatar: Avatar, tmp_path: Path) -> None:
    """Version 1 had no list of identities; codes were known by their numbers alone."""
    path = tmp_path / "old.safetensors"
    document = json.loads(json.dumps(save_avatar(path, avatar).to_json()))
    del document["identities"]
    document |= {"format_version": 1}
    blobs = {
        name: ("F32", tuple(value.shape), value.contiguous().numpy().astype("<f4").tobytes())
        for name, value in avatar.tensors().items()
    }
    rewrite(path, {"format_version": 1, "content_hash": content_hash(document, blobs)}, drop=("identities",))
    old = load_avatar(path)
    assert old.metadata.identities == () and torch.equal(old.latent, avatar.latent)
    np.testing.assert_array_equal(picture(old, 1), picture(avatar, "ben"))
    np.testing.assert_array_equal(picture(old, "2"), picture(avatar, "chi"))
    # Written again it is of today's version.
    assert save_avatar(path, old).format_version == FORMAT_VERSION and read_metadata(path).identities == ()


def test_the_shipped_avatar_has_every_look() -> None:
    metadata = read_metadata("default")
    assert [identity.name for identity in metadata.identities] == sorted(LOOKS)
    for name, look in LOOKS.items():
        betas = betas_of(metadata, name)
        assert betas is not None
        np.testing.assert_allclose(betas, look.shape, atol=1e-6)
    with pytest.raises(AvatarError, match=r"has 3 identities, not number 3\."):
        weights_of(metadata, 3)


@pytest.mark.parametrize(
    ("identities", "reason"),
    [
        ((Identity("a"), Identity("a")), "identities of one name"),
        ((Identity("a"), Identity("b")), "without latent codes"),
    ],
)
def test_identities_that_cannot_be_told_apart(identities: tuple[Identity, ...], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        new_avatar(tube_hand(), replace(SIZES, field=replace(SIZES.field, latent_size=0)), identities=identities)


@pytest.mark.parametrize(("name", "betas"), [("", None), (" a", None), ("a", (0.0,) * 9), ("a", (math.nan,) * 10)])
def test_bad_identities(name: str, betas: Any) -> None:
    with pytest.raises(ValueError, match="identity"):
        Identity(name, betas)


def test_a_table_of_another_length_is_not_written(avatar: Avatar, tmp_path: Path) -> None:
    with pytest.raises(AvatarError, match=r"latent is \(2, 8\), expected \(3, 8\)"):
        save_avatar(tmp_path / "a.safetensors", replace(avatar, latent=avatar.latent[:2]))


@pytest.mark.parametrize(
    ("choice", "reason"),
    [
        ({"anna": -0.1, "ben": 1.0}, r"identity 'anna' has the weight -0\.1"),
        ({"anna": math.nan}, "has the weight nan"),
        ({"anna": math.inf}, "has the weight inf"),
        ({"anna": 0.0}, "add up to 0"),
        ({}, "add up to 0"),
        ({0: 1.0}, "Give each identity's name"),
        ({"anna": "much"}, "Give each identity's name"),
        (None, "None cannot be a hand's identity"),
        (1.5, r"1\.5 cannot be a hand's identity"),
        (True, "True cannot be a hand's identity"),
    ],
)
def test_choices_that_cannot_be_used(choice: Any, reason: str) -> None:
    with pytest.raises(LiveHandError, match=reason):
        HandInstance(HandPose.rest(), identity=choice)
    document = FrameRequest(CAMERA, (HandInstance(HandPose.rest()),)).to_json()
    document["hands"][0]["identity"] = choice
    with pytest.raises(LiveHandError, match=reason):
        FrameRequest.from_json(document)


@pytest.mark.parametrize("choice", [2, "ben", {"anna": 0.25, "chi": 3}])
def test_choices_go_through_json(choice: Any) -> None:
    request = FrameRequest(CAMERA, (HandInstance(HandPose.rest(), identity=choice),))
    again = FrameRequest.from_json(json.loads(json.dumps(request.to_json())))
    assert again.hands[0].identity == choice


@pytest.mark.parametrize("choice", ["dora", {"anna": 1.0, "dora": 0.0}, 3, -1])
def test_unknown_identities_are_refused_and_the_known_ones_listed(avatar: Avatar, choice: Any) -> None:
    with pytest.raises(AvatarError, match=r"'family' has (no identity 'dora'|3 identities, not number)") as error:
        picture(avatar, choice)
    assert str(error.value).endswith(("'anna', 'ben', 'chi'.", "0 to 2."))


@given(st.lists(st.floats(0.0, 1e3), min_size=3, max_size=3).filter(lambda values: sum(values) > 1e-3))
def test_weights_are_shares(values: list[float]) -> None:
    names = ("anna", "ben", "chi")
    weights = identity_weights(dict(zip(names, values, strict=True)), names, "family")
    assert weights.sum() == pytest.approx(1.0) and weights.min() >= 0.0
    np.testing.assert_allclose(weights * sum(values), values, atol=1e-9)


@pytest.mark.parametrize(("kernels", "precision"), [("auto", "exact"), ("auto", "fast"), ("torch", "exact")])
def test_the_ends_of_a_blend_are_the_identities(avatar: Avatar, kernels: str, precision: str) -> None:
    anna, ben = (picture(avatar, name, kernels, precision) for name in ("anna", "ben"))
    assert np.abs(anna - ben).max() > 0.02, "the identities differ"
    np.testing.assert_array_equal(picture(avatar, {"anna": 1.0, "ben": 0.0}, kernels, precision), anna)
    np.testing.assert_array_equal(picture(avatar, {"anna": 0.0, "ben": 7.0}, kernels, precision), ben)
    np.testing.assert_array_equal(picture(avatar, 0, kernels, precision), anna)


def test_a_blend_is_drawn_with_the_mean_code(avatar: Avatar) -> None:
    mean = 0.25 * avatar.latent[0] + 0.75 * avatar.latent[2]
    alone = replace(avatar, latent=mean[None], metadata=replace(avatar.metadata, identities=()))
    mixed = picture(avatar, {"anna": 0.5, "chi": 1.5})
    np.testing.assert_allclose(mixed, picture(alone, 0), atol=1e-6)
    np.testing.assert_allclose(mixed, picture(avatar, {"anna": 1.0, "chi": 3.0}, "torch"), atol=2e-4)


def worn(avatar: Avatar, shares: tuple[float, ...]) -> Avatar:
    """An avatar of one identity: the blend, its code and textures worked out beforehand."""
    weights, state = torch.tensor(shares), dict(avatar.field_state)
    for index, residual in enumerate(avatar.identity_textures):
        state[f"textures.{index}"] = state[f"textures.{index}"] + torch.tensordot(weights, residual, dims=1)
    zeros = tuple(torch.zeros_like(residual[:1]) for residual in avatar.identity_textures)
    metadata = replace(avatar.metadata, identities=())
    code = (weights @ avatar.latent)[None]
    return replace(avatar, metadata=metadata, field_state=state, latent=code, identity_textures=zeros)


@pytest.mark.parametrize(("kernels", "precision"), [("auto", "exact"), ("torch", "exact"), ("auto", "fast")])
def test_each_identity_adds_to_the_textures(tattooed: Avatar, kernels: str, precision: str) -> None:
    hands = {("tube", "right"): tube_hand()}
    renderer = Renderer("cpu", hands, {"a": tattooed}, precision=precision, threads=1, kernels=kernels)  # type: ignore[arg-type]

    def shown(identity: Any) -> np.ndarray:
        hand = HandInstance(HandPose.rest(), "a", identity=identity)
        return renderer.render(FrameRequest(CAMERA, (hand,)))["rgba"]

    # One after the other in one renderer, there and back: nothing of an earlier one stays.
    for choice, shares in (
        ("anna", (1.0, 0.0, 0.0)),
        ({"anna": 1.0, "chi": 3.0}, (0.25, 0.0, 0.75)),
        ("ben", (0.0, 1.0, 0.0)),
        ("anna", (1.0, 0.0, 0.0)),
    ):
        wanted = picture(worn(tattooed, shares), 0, "torch")
        tolerance = 0.02 if precision == "fast" else 5e-4
        np.testing.assert_allclose(shown(choice), wanted, atol=tolerance)
    alone = replace(tattooed, identity_textures=tuple(torch.zeros_like(r) for r in tattooed.identity_textures))
    assert np.abs(shown("anna") - picture(alone, "anna", kernels, precision)).max() > 0.05


def test_the_plain_formulation_draws_the_same(tattooed: Avatar) -> None:
    from livehand_core.benchmark.plain import PlainRenderer

    plain = PlainRenderer(tattooed, tube_hand())
    for identity in ("ben", {"anna": 1.0, "chi": 1.0}):
        frame = plain.render(HandInstance(HandPose.rest(), "a", identity=identity), CAMERA)
        np.testing.assert_allclose(picture(tattooed, identity), frame.rgba, atol=2e-3)


def test_textures_of_identities_in_the_file(tattooed: Avatar, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_avatar(path, tattooed)
    read = load_avatar(path)
    assert [texture.shape for texture in read.identity_textures] == [(3, 6, 6, 3), (3, 20, 20, 3)]
    for before, after in zip(tattooed.identity_textures, read.identity_textures, strict=True):
        # Textures are stored with 8 bits over each channel's range.
        step = (before.amax((0, 1, 2)) - before.amin((0, 1, 2))) / 255.0
        assert ((after - before).abs() <= 0.5001 * step + 1e-7).all()
    with pytest.raises(AvatarError, match=r"identity_textures\.1 is missing, expected \(3, 20, 20, 3\)"):
        save_avatar(path, replace(tattooed, identity_textures=tattooed.identity_textures[:1]))


def test_the_shape_of_a_blend(avatar: Avatar) -> None:
    metadata = avatar.metadata
    np.testing.assert_allclose(betas_of(metadata, "ben"), BETAS[1])
    wanted = 0.25 * np.array(BETAS[0]) + 0.75 * np.array(BETAS[1])
    np.testing.assert_allclose(betas_of(metadata, {"anna": 1.0, "ben": 3.0}), wanted)
    # What does not count need not be known; what counts must be.
    np.testing.assert_allclose(betas_of(metadata, {"anna": 1.0, "chi": 0.0}), BETAS[0])
    assert betas_of(metadata, {"anna": 1.0, "chi": 0.1}) is None and betas_of(metadata, "chi") is None
    assert betas_of(replace(metadata, identities=())) is None


def test_a_motion_on_another_hand_keeps_its_wrist_and_joint_angles(hand: HandData, bent_pose: HandPose) -> None:
    other = reenacted(bent_pose, np.array(BETAS[1]), hand)
    np.testing.assert_allclose(pose_joints(hand, other)[0], pose_joints(hand, bent_pose)[0], atol=1e-9)
    np.testing.assert_array_equal(other.full_pose, bent_pose.full_pose)
    np.testing.assert_array_equal(other.betas, BETAS[1])
    back = reenacted(other, bent_pose.betas, hand)
    np.testing.assert_allclose(back.transl, bent_pose.transl, atol=1e-12)
    with pytest.raises(PoseError):
        reenacted(bent_pose, np.zeros(3), hand)


def test_altered_names_are_found_out(avatar: Avatar, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    metadata = save_avatar(path, avatar)
    named = [one | {"name": one["name"].upper()} for one in json.loads(json.dumps(metadata.to_json()))["identities"]]
    rewrite(path, {"identities": named})
    with pytest.raises(AvatarError, match="does not match its hash"):
        load_avatar(path)
    rewrite(path, {"identities": [{"name": "anna"}]})
    with pytest.raises(AvatarError, match="description does not fit"):
        read_metadata(path)
