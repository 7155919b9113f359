"""A hand's identity in Blender: what is asked of the engine, keyed blends, the shape that follows, undo."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from livehand_core.frames import HandInstance
from livehand_core.hand.looks import LOOKS
from livehand_core.motion import WriteOptions, write_motion
from livehand_core.poses import HandPose, PoseSequence
from tests.blender.hands import create, evaluated, mesh_points, shown
from tests.blender.helpers import make_scene

pytestmark = pytest.mark.bpy

ANNA = (1.5, -0.5, 0.25, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, -2.0)
BEN = (-1.0, 2.0) + (0.0,) * 8


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An untrained avatar of three identities, the last of an unknown shape."""
    from livehand_core.avatars import Architecture, Identity, new_avatar, save_avatar
    from livehand_core.hand.builtin import builtin_hand
    from livehand_core.networks import FieldConfig

    identities = (Identity("anna", ANNA), Identity("ben", BEN), Identity("chi"))
    sizes = Architecture(FieldConfig(latent_size=8))
    path = tmp_path_factory.mktemp("avatar") / "family.safetensors"
    save_avatar(path, new_avatar(builtin_hand("right"), sizes, name="family", identities=identities))
    return str(path)


def asked(rig: Any) -> HandInstance:
    """What the engine would be asked for."""
    import bpy

    from livehand_blender.render.scene import visible_hands

    bpy.context.view_layer.update()
    (hand,) = visible_hands(bpy.context.evaluated_depsgraph_get())
    return hand.instance


def betas(rig: Any) -> np.ndarray:
    return np.array(shown(rig).betas)


def driven(rig: Any) -> bool:
    from livehand_blender.rig.shape import blends_betas

    return blends_betas(rig)


@pytest.mark.parametrize(
    ("first", "second", "blend", "wanted"),
    [
        ("", "", 0.0, 0),
        ("ben", "", 0.7, "ben"),
        ("anna", "ben", 0.0, "anna"),
        ("anna", "ben", 1.0, "ben"),
        ("anna", "anna", 0.5, "anna"),
        ("anna", "ben", 0.25, {"anna": 0.75, "ben": 0.25}),
        ("", "chi", 0.5, {"anna": 0.5, "chi": 0.5}),
        ("", "anna", 0.5, "anna"),
    ],
)
def test_the_request(addon, family: str, first: str, second: str, blend: float, wanted: Any) -> None:
    _, rig = make_scene(family)
    settings = rig.livehand
    settings.identity, settings.second_identity, settings.identity_blend = first, second, blend
    assert asked(rig).identity == wanted


def test_names_are_offered(addon, family: str) -> None:
    from livehand_blender.properties import _identity_search

    _, rig = make_scene(family)
    assert _identity_search(rig.livehand, None, "") == ["anna", "ben", "chi"]
    rig.livehand.avatar = ""
    assert _identity_search(rig.livehand, None, "") == ["default", "old", "young"]


def test_the_shipped_avatars_first_skin_leaves_the_shape_alone(addon) -> None:
    rig = create()
    assert not driven(rig)
    rig.livehand.identity = "young"
    np.testing.assert_allclose(betas(rig), LOOKS["young"].shape, atol=1e-5)
    rig.livehand.identity = ""
    assert not driven(rig)
    np.testing.assert_allclose(betas(rig), 0.0)


def test_shape_follows_the_identity_and_a_keyed_blend(addon, family: str) -> None:
    scene, rig = make_scene(family)
    np.testing.assert_allclose(betas(rig), ANNA, atol=1e-5)
    settings = rig.livehand
    settings.identity, settings.second_identity = "anna", "ben"
    for frame, value in ((1, 0.0), (11, 1.0)):
        settings.identity_blend = value
        assert rig.keyframe_insert('["identity_blend"]', frame=frame)
    scene.frame_set(6)
    share = evaluated(rig).livehand.identity_blend
    assert 0.2 < share < 0.8
    wanted = (1.0 - share) * np.array(ANNA) + share * np.array(BEN)
    np.testing.assert_allclose(betas(rig), wanted, atol=1e-5)
    assert asked(rig).identity == {"anna": pytest.approx(1.0 - share), "ben": pytest.approx(share)}
    # Joints and mesh are those of a hand with these betas of its own.
    blended = mesh_points(rig)
    other = create(betas=wanted)
    np.testing.assert_allclose(blended, mesh_points(other), atol=2e-6)
    scene.frame_set(11)
    np.testing.assert_allclose(betas(rig), BEN, atol=1e-5)


def test_shape_may_be_ones_own(addon, family: str) -> None:
    _, rig = make_scene(family)
    settings = rig.livehand
    settings.identity_shape = False
    assert not driven(rig)
    own = (0.5,) * 10
    settings.betas = own
    settings.identity = "ben"
    np.testing.assert_allclose(betas(rig), own)
    settings.identity_shape = True
    np.testing.assert_allclose(betas(rig), BEN, atol=1e-5)
    # What is set all the same is an own shape, too.
    settings.betas = own
    assert not driven(rig) and not settings.identity_shape
    np.testing.assert_allclose(betas(rig), own)


def test_a_shape_that_was_there_before_stays(addon, family: str) -> None:
    rig = create(betas=(1.0,) * 10)
    rig.livehand.avatar = family
    assert not driven(rig) and not rig.livehand.identity_shape
    np.testing.assert_allclose(betas(rig), 1.0)


def test_unknown_shapes_and_other_avatars(addon, family: str, tiny_avatar: Path) -> None:
    _, rig = make_scene(family)
    rig.livehand.identity = "chi"
    assert not driven(rig)
    np.testing.assert_allclose(betas(rig), 0.0)
    rig.livehand.identity = "ben"
    np.testing.assert_allclose(betas(rig), BEN, atol=1e-5)
    # A file that cannot be read just now changes nothing; another avatar takes the shape away.
    rig.livehand.avatar = "/nowhere.safetensors"
    np.testing.assert_allclose(betas(rig), BEN, atol=1e-5)
    rig.livehand.avatar = str(tiny_avatar)
    np.testing.assert_allclose(betas(rig), 0.0)
    assert rig.livehand.identity_shape


def test_an_artists_own_driver_stays(addon, family: str) -> None:
    rig = create()
    curve = rig.driver_add("livehand.betas", 3)
    curve.driver.expression = "2.5"
    rig.livehand.avatar = family
    wanted = np.array(ANNA)
    wanted[3] = 2.5
    np.testing.assert_allclose(betas(rig), wanted, atol=1e-5)
    rig.livehand.identity_shape = False
    assert [curve.array_index for curve in rig.animation_data.drivers if curve.data_path == "livehand.betas"] == [3]


def test_undo_and_redo(addon, family: str) -> None:
    import bpy

    _, rig = make_scene(family)
    name = rig.name
    bpy.ops.ed.undo_push(message="before")
    rig.livehand.identity, rig.livehand.second_identity = "ben", "anna"
    rig.livehand.identity_blend = 0.5
    bpy.ops.ed.undo_push(message="blend")
    wanted = 0.5 * (np.array(ANNA) + np.array(BEN))
    np.testing.assert_allclose(betas(rig), wanted, atol=1e-5)
    bpy.ops.ed.undo()
    rig = bpy.data.objects[name]
    assert (rig.livehand.identity, rig.livehand.second_identity, rig.livehand.identity_blend) == ("", "", 0.0)
    np.testing.assert_allclose(betas(rig), ANNA, atol=1e-5)
    bpy.ops.ed.redo()
    rig = bpy.data.objects[name]
    np.testing.assert_allclose(betas(rig), wanted, atol=1e-5)
    assert asked(rig).identity == {"ben": 0.5, "anna": 0.5}


def test_saved_duplicated_and_appended_hands_keep_it(addon, family: str, tmp_path: Path) -> None:
    import bpy

    _, rig = make_scene(family)
    rig.livehand.identity, rig.livehand.second_identity, rig.livehand.identity_blend = "anna", "ben", 0.25
    rig.select_set(True)
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.duplicate()
    twin = bpy.context.object
    twin.livehand.identity_blend = 1.0
    np.testing.assert_allclose(betas(twin), BEN, atol=1e-5)
    wanted = 0.75 * np.array(ANNA) + 0.25 * np.array(BEN)
    np.testing.assert_allclose(betas(rig), wanted, atol=1e-5)
    name = rig.name
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "scene.blend"))
    rig = bpy.data.objects[name]
    np.testing.assert_allclose(betas(rig), wanted, atol=1e-5)
    assert rig.livehand.identity_blend == pytest.approx(0.25)


def test_library_overrides(addon, family: str, tmp_path: Path) -> None:
    import bpy

    _, rig = make_scene(family)
    name, library = rig.name, str(tmp_path / "library.blend")
    bpy.ops.wm.save_as_mainfile(filepath=library)
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    with bpy.data.libraries.load(library, link=True) as (_, wanted):
        wanted.objects = [name]
    linked = bpy.data.objects[name]
    override = linked.override_create(remap_local_usages=True)
    bpy.context.scene.collection.objects.link(override)
    override.livehand.identity_blend = 0.5
    override.livehand.second_identity = "ben"
    assert asked(override).identity == {"anna": 0.5, "ben": 0.5}
    wanted_betas = 0.5 * (np.array(ANNA) + np.array(BEN))
    np.testing.assert_allclose(betas(override), wanted_betas, atol=1e-5)
    override.livehand.identity = "ben"
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
    override = next(obj for obj in bpy.context.scene.objects if obj.override_library is not None)
    assert asked(override).identity == "ben"
    np.testing.assert_allclose(betas(override), BEN, atol=1e-5)


def take(path: Path, shape: Sequence[float]) -> Path:
    """A motion file of two poses."""
    random = np.random.default_rng(0)
    poses = [HandPose(np.zeros(3), 0.2 * random.normal(size=(15, 3)), shape, np.zeros(3)) for _ in range(2)]
    write_motion(path, [PoseSequence(tuple(poses))], WriteOptions())
    return path


def test_one_motion_on_every_identity(addon, family: str, tmp_path: Path) -> None:
    """The joints' angles are the motion's, the shape each identity's, the wrist where the motion has it."""
    import bpy

    from livehand_blender.rig.hand_rig import HandRig
    from livehand_core.hand.skinning import pose_joints

    path = take(tmp_path / "take.npz", (3.0,) * 10)
    poses = []
    for identity in ("anna", "ben"):
        _, rig = make_scene(family)
        rig.livehand.identity = identity
        bpy.ops.livehand.import_motion(filepath=str(path))
        bpy.context.scene.frame_set(1)
        poses.append(shown(rig))
        assert driven(rig)
    np.testing.assert_allclose(poses[0].hand_pose, poses[1].hand_pose, atol=1e-4)
    np.testing.assert_allclose(poses[0].betas, ANNA, atol=1e-5)
    np.testing.assert_allclose(poses[1].betas, BEN, atol=1e-5)
    wrists = [pose_joints(HandRig.of(rig).data, pose)[0] for pose in poses]
    original = HandPose(np.zeros(3), np.zeros((15, 3)), (3.0,) * 10, np.zeros(3))
    for wrist in wrists:
        np.testing.assert_allclose(wrist, pose_joints(HandRig.of(rig).data, original)[0], atol=1e-6)


def test_an_unknown_identity_is_named_when_rendering(addon, family: str) -> None:
    import bpy

    from livehand_blender.render.scene import frame_request
    from livehand_core.errors import AvatarError
    from livehand_core.rendering import Renderer

    _, rig = make_scene(family)
    rig.livehand.identity = "dora"
    bpy.context.view_layer.update()
    request = frame_request(bpy.context.evaluated_depsgraph_get())
    with pytest.raises(AvatarError, match=r"'family' has no identity 'dora'.*'anna', 'ben', 'chi'"):
        Renderer("cpu", threads=1).render(request)


def test_the_panels_show_the_identities(addon, family: str, tiny_avatar: Path) -> None:
    import bpy

    from livehand_blender.ui import avatar_panels, rig_panels
    from tests.blender.layout import draw

    _, rig = make_scene(family)
    panel, context = rig_panels.LIVEHAND_PT_identity, bpy.context
    assert panel.poll(context)
    assert "Blend" in draw(panel, context)
    assert "Thumb Thickness" in draw(rig_panels.LIVEHAND_PT_shape, context)
    rig.livehand.second_identity = "dora"
    assert "The avatar has no identity 'dora'" in " ".join(draw(panel, context))
    page = SimpleNamespace(draw=lambda holder, _: avatar_panels._draw_papers(holder.layout, Path(family)))
    papers = draw(page, None)
    assert "anna, ben, chi" in " ".join(papers)
    # An avatar of one identity needs no panel, but a name that is left over is told.
    rig.livehand.avatar = str(tiny_avatar)
    assert panel.poll(context)
    rig.livehand.second_identity = ""
    assert not panel.poll(context)
