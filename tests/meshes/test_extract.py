"""Surfaces out of avatars whose field is known: where they are, their colour, their end at the wrist."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from livehand_core.avatars import Architecture, Avatar, Identity, new_avatar
from livehand_core.errors import AvatarError, LiveHandError
from livehand_core.frames import HandInstance
from livehand_core.hand.data import HandData
from livehand_core.hand.skinning import pose_vertices
from livehand_core.kernels.mesh.nearest import nearest_points
from livehand_core.kernels.mesh.proxy import PosedProxy, ProxyTopology
from livehand_core.meshes import Mesh, MeshSettings, extract_mesh
from livehand_core.meshes.mesh import border_edges, components, vertex_normals
from livehand_core.meshes.wrist import find_cap
from livehand_core.networks.config import FieldConfig
from livehand_core.poses import HandPose
from tests.core.conftest import solid, tube_hand

STEP = 2e-3
COLOUR = (0.7, 0.5, 0.2)


def coloured(avatar: Avatar) -> Avatar:
    """The avatar with one colour, COLOUR, in all directions."""
    state = {name: value.clone() for name, value in avatar.field_state.items()}
    state["colour.weight"].zero_()
    for channel, value in enumerate(COLOUR):
        state["colour.bias"][channel] = float(np.log(value / (1.0 - value)))
    return replace(avatar, field_state=state)


@pytest.fixture(scope="module")
def tube() -> HandData:
    return tube_hand()


@pytest.fixture(scope="module")
def avatar(tube: HandData) -> Avatar:
    return coloured(solid(new_avatar(tube)))


def extract(avatar: Avatar, hand: HandData, pose: HandPose, scale: float = 1.0, **settings: float) -> Mesh:
    instance = HandInstance(pose, "known", scale)
    options = MeshSettings(threads=1, **({"resolution": STEP} | settings))  # type: ignore[arg-type]
    return extract_mesh(instance, options, hands={(hand.name, hand.side): hand}, avatars={"known": avatar})


def distances(mesh: Mesh, hand: HandData, pose: HandPose, scale: float = 1.0) -> np.ndarray:
    """Of the mesh's vertices to the posed proxy, in the world."""
    topology = ProxyTopology.of(hand)
    proxy = PosedProxy.of((scale * pose_vertices(hand, pose)).astype(np.float32), topology)
    return np.asarray(np.linalg.norm(nearest_points(proxy, mesh.vertices)[2] - mesh.vertices, axis=1))


def test_the_surface_of_a_solid_hand_is_its_proxy(avatar: Avatar, tube: HandData, bent: HandPose) -> None:
    mesh = extract(avatar, tube, bent)
    cap = find_cap(pose_vertices(tube, bent), np.asarray(tube.faces), 0.01)
    assert cap is not None
    height = cap.heights(mesh.vertices)
    skin = height < -0.5 * STEP
    # The distance never falls below 0.1 mm (docs/method.md 1.5), so the surface is not told more exactly.
    assert distances(mesh, tube, bent)[skin].max() < 0.25e-3
    assert np.abs(height[height > -0.5 * STEP]).max() < 0.1 * STEP
    assert (~skin).sum() > 50


@pytest.fixture
def bent() -> HandPose:
    random = np.random.default_rng(0)
    angles = 0.15 * random.normal(size=(15, 3))
    return HandPose([0.3, -0.4, 0.2], angles, random.normal(size=10), [0.02, -0.01, 0.03], "right")


def test_the_mesh_is_closed_one_piece_and_coloured(avatar: Avatar, tube: HandData, bent: HandPose) -> None:
    mesh = extract(avatar, tube, bent)
    assert len(border_edges(mesh.faces)) == 0
    assert components(mesh.faces, len(mesh.vertices))[0] == 1
    assert np.allclose(mesh.colours, COLOUR, atol=2e-3)
    assert ((mesh.normals * vertex_normals(mesh.vertices, mesh.faces)).sum(axis=1) > 0.999).all()


def test_a_left_hand_is_the_mirror_image(avatar: Avatar, tube: HandData, bent: HandPose) -> None:
    right, left = extract(avatar, tube, bent), extract(avatar, tube, bent.mirrored())
    assert np.allclose(left.vertices, right.vertices * [-1.0, 1.0, 1.0], atol=1e-6)
    assert ((left.normals * vertex_normals(left.vertices, left.faces)).sum(axis=1) > 0.999).all()


def test_a_scaled_hand_keeps_the_resolution_of_the_world(avatar: Avatar, tube: HandData, bent: HandPose) -> None:
    large = extract(avatar, tube, bent, scale=2.0, resolution=2.0 * STEP)
    usual = extract(avatar, tube, bent)
    assert np.allclose(large.vertices, 2.0 * usual.vertices, atol=1e-5)


def test_the_threshold_decides_where_the_surface_is(avatar: Avatar, tube: HandData) -> None:
    """The density is 5e6 times the depth: at 1e4 1/m the surface lies 2 mm deep."""
    mesh = extract(avatar, tube, HandPose.rest(), threshold=1e4)
    cap = find_cap(pose_vertices(tube, HandPose.rest()), np.asarray(tube.faces), 0.01)
    assert cap is not None
    # Not where the tube's flat end and the cap are near.
    middle = (cap.heights(mesh.vertices) < -10e-3) & (mesh.vertices[:, 0] > -0.14)
    assert np.abs(distances(mesh, tube, HandPose.rest())[middle] - 2e-3).max() < 0.2e-3


def test_avatars_in_world_coordinates(tube: HandData) -> None:
    """A field that is dense everywhere: the surface is where the avatar's reach ends."""
    avatar = new_avatar(tube, Architecture(FieldConfig(coordinates="xyz", depth=6, width=16)))
    state = {name: value.clone() for name, value in avatar.field_state.items()}
    state["density.weight"].zero_()
    state["density.bias"].fill_(1e6)
    mesh = extract(replace(avatar, field_state=state), tube, HandPose.rest())
    reach = avatar.metadata.depth_margin
    cap = find_cap(pose_vertices(tube, HandPose.rest()), np.asarray(tube.faces), reach)
    assert cap is not None
    skin = cap.heights(mesh.vertices) < -STEP
    assert np.abs(distances(mesh, tube, HandPose.rest())[skin] - reach).max() < STEP


def test_an_identity_brings_its_own_textures(tube: HandData) -> None:
    """What an identity adds to the textures, and its code, are as good as in an avatar of that identity alone."""
    field = FieldConfig(depth=2, width=32, latent_size=4, texture_sizes=(6,))
    people = (Identity("anna"), Identity("ben"))
    made = solid(new_avatar(tube, Architecture(field), identities=people))
    random = torch.Generator().manual_seed(0)
    residuals = tuple(50.0 * torch.randn(texture.shape, generator=random) for texture in made.identity_textures)
    both = replace(made, identity_textures=residuals)
    alone = replace(made, field_state=dict(made.field_state), latent=made.latent[1:].repeat(2, 1))
    alone.field_state["textures.0"] = made.field_state["textures.0"] + residuals[0][1]

    def colours(avatar: Avatar, identity: int | str) -> np.ndarray:
        instance, settings = HandInstance(HandPose.rest(), "known", identity=identity), MeshSettings(4e-3, threads=1)
        hands = {(tube.name, tube.side): tube}
        return extract_mesh(instance, settings, hands=hands, avatars={"known": avatar}).colours

    assert np.allclose(colours(both, "ben"), colours(alone, 0), atol=1e-4)
    assert np.abs(colours(both, "ben") - colours(both, "anna")).max() > 0.02


def test_progress_goes_through_its_three_parts_and_may_end_the_work(avatar: Avatar, tube: HandData) -> None:
    told: list[tuple[int, int, str]] = []
    hands, avatars = {(tube.name, tube.side): tube}, {"known": avatar}
    instance, settings = HandInstance(HandPose.rest(), "known"), MeshSettings(resolution=4e-3, threads=1)
    extract_mesh(instance, settings, lambda *step: told.append(step), hands=hands, avatars=avatars)
    assert list(dict.fromkeys(text for _, _, text in told)) == ["density", "surface", "colours"]
    assert all(0 <= done <= of for done, of, _ in told)
    assert [step for step in told if step[0] == step[1]] == [(of, of, text) for _, of, text in told if _ == of]

    class Enough(Exception):
        pass

    def stop(done: int, of: int, text: str) -> None:
        raise Enough

    with pytest.raises(Enough):
        extract_mesh(instance, settings, stop, hands=hands, avatars=avatars)


def test_what_cannot_be_extracted_is_said(avatar: Avatar, tube: HandData) -> None:
    with pytest.raises(LiveHandError, match="no surface at a density of 1e\\+09 1/m; its densest is"):
        extract(avatar, tube, HandPose.rest(), threshold=1e9)
    with pytest.raises(LiveHandError, match=r"resolution of 0\.01 mm"):
        MeshSettings(resolution=1e-5)
    with pytest.raises(LiveHandError, match="threshold"):
        MeshSettings(threshold=-1.0)
    instance = HandInstance(HandPose.rest(), "known", identity=3)
    with pytest.raises(AvatarError, match="not number 3"):
        extract_mesh(instance, hands={(tube.name, tube.side): tube}, avatars={"known": avatar})
    with pytest.raises(AvatarError, match="may not be mirrored"):
        fixed = replace(avatar, metadata=replace(avatar.metadata, mirrorable=False))
        extract(fixed, tube, HandPose.rest("left"))
