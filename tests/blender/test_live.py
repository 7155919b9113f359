"""Live tracking in Blender: the rig follows, takes become actions, what goes wrong ends it, videos become actions."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from livehand_core.errors import EngineError
from livehand_core.hand.gestures import gesture
from livehand_core.poses import HandPose, Side
from livehand_core.rotations import axis_angle_to_matrix
from livehand_core.tracking.client import Newest
from livehand_core.tracking.values import TrackedFrame, TrackedHand, source_camera
from tests.blender.hands import angles, bone, create, ik, shown
from tests.tracking import films

pytestmark = pytest.mark.bpy

CAMERA = source_camera(640, 480, 60.0)


class FakeClient:
    """Stands in for the tracker's process: frames are handed in."""

    def __init__(self) -> None:
        self.status, self.error, self.source_name, self.closed = "running", None, "film.mp4", False
        self.frames: list[Newest] = []
        self.started: tuple[Any, ...] = ()
        self.smoothing = 0.5

    def start(self, *told: Any, **more: Any) -> None:
        self.started = (*told, more)

    def newest(self) -> Newest | None:
        return self.frames.pop(0) if self.frames else None

    def set_smoothing(self, value: float) -> None:
        self.smoothing = value

    def close(self) -> None:
        self.closed = True


def tracked(name: str, side: Side = "right", x: float = 0.0, turn: float = 0.0, state: str = "tracked") -> TrackedHand:
    upright = np.array([0.5 * np.pi, 0.0, turn])
    pose = HandPose(upright, gesture(name, side), np.zeros(10), np.array([x, 0.0, 0.5]), side)
    return TrackedHand(pose, 0.9, state, np.zeros((21, 2)), 0.02)  # type: ignore[arg-type]


def frame(*hands: TrackedHand, number: int = 0, came: float | None = None) -> Newest:
    moment = time.monotonic() if came is None else came
    return Newest(TrackedFrame(number, number / 30.0, CAMERA, hands), moment, 30.0, 0)


@pytest.fixture
def client(addon: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeClient]:
    from livehand_blender.live import session

    fake = FakeClient()
    monkeypatch.setattr(session, "make_client", lambda python, log: fake)
    yield fake
    session.stop()


def start(**settings: Any) -> Any:
    import bpy

    live = bpy.context.scene.livehand_live
    for key, value in {"source": "FILE", "path": "/film.mp4", **settings}.items():
        setattr(live, key, value)
    assert bpy.ops.livehand.live_start() == {"FINISHED"}
    return live


def tick(client: FakeClient, *frames: Newest) -> float | None:
    from livehand_blender.live import session

    client.frames += frames
    answer: float | None = None
    for _ in frames or (1,):
        answer = session.tick()
    return answer


def test_the_rig_follows_from_where_it_is(client: FakeClient) -> None:
    rig = create()
    rig.location = (1.0, 2.0, 0.5)
    before = shown(rig)
    start(mirror=True, smoothing=0.8, fov=1.0, detail="LITE")
    source, options, more = client.started
    assert source == "/film.mp4" and more["loop"] and options.mirror and options.detail == "lite"
    assert options.fov == pytest.approx(57.2958, rel=1e-4) and options.hands == "auto"
    tick(client, frame(tracked("fist")), frame(tracked("fist", x=0.2)))
    pose = shown(rig)
    np.testing.assert_allclose(angles(pose), angles(tracked("fist").pose), atol=0.05)
    # x of the camera stays x; its depth becomes y, its height z.
    np.testing.assert_allclose(pose.transl - before.transl, [0.2, 0.0, 0.0], atol=1e-4)
    turn = axis_angle_to_matrix(pose.global_orient)
    expected = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]]) @ axis_angle_to_matrix(tracked("fist").pose.global_orient)
    np.testing.assert_allclose(turn, expected, atol=1e-4)


def test_the_wrist_may_stay_and_the_other_hand_mirrors(client: FakeClient) -> None:
    rig = create("left")
    before = shown(rig)
    start(wrist=False)
    tick(client, frame(tracked("peace", "right", x=0.3, turn=1.0)))
    pose = shown(rig)
    np.testing.assert_allclose(pose.transl, before.transl, atol=1e-5)
    np.testing.assert_allclose(pose.global_orient, before.global_orient, atol=1e-5)
    np.testing.assert_allclose(angles(pose), angles(tracked("peace", "left").pose), atol=0.05)


def test_both_hands_move_their_own_rigs(client: FakeClient) -> None:
    import bpy

    left, right = create("left"), create("right")
    start(hands="BOTH")
    assert client.started[1].hands == "both"
    tick(client, frame(tracked("fist", "right"), tracked("peace", "left")))
    np.testing.assert_allclose(angles(shown(right)), angles(tracked("fist", "right").pose), atol=0.05)
    np.testing.assert_allclose(angles(shown(left)), angles(tracked("peace", "left").pose), atol=0.05)
    bpy.ops.livehand.live_stop()
    bpy.data.objects.remove(left)
    with pytest.raises(RuntimeError, match="one hand only"):
        bpy.ops.livehand.live_start()


def test_a_take_is_a_new_action_at_the_scenes_rate(client: FakeClient) -> None:
    import bpy

    rig, scene = create(), bpy.context.scene
    scene.render.fps = 24
    scene.frame_set(11)
    start(take="Wave")
    names = []
    for _ in range(2):
        assert bpy.ops.livehand.live_record() == {"FINISHED"}
        began = time.monotonic()
        frames = [
            frame(tracked("fist" if i >= 15 else "open", x=0.01 * i), number=i, came=began + i / 30.0)
            for i in range(31)
        ]
        tick(client, *frames)
        assert bpy.ops.livehand.live_record() == {"FINISHED"}
        names.append(rig.animation_data.action.name)
    assert names == ["Wave 001", "Wave 002"]
    assert not client.closed, "tracking goes on after a take"
    start_frame, end_frame = rig.animation_data.action.frame_range
    assert start_frame == 11 and end_frame == 11 + 24
    bpy.ops.livehand.live_stop()
    for at, name in ((11, "open"), (35, "fist")):
        scene.frame_set(at)
        np.testing.assert_allclose(angles(shown(rig)), angles(tracked(name).pose), atol=0.05)
    scene.frame_set(23)
    half = shown(rig).transl[0]
    scene.frame_set(11)
    assert half - shown(rig).transl[0] == pytest.approx(0.15, abs=0.01)


def test_a_take_onto_ik_keys_the_tips(client: FakeClient) -> None:
    import bpy

    from livehand_blender.compat import action_curves

    rig, scene = create(), bpy.context.scene
    start(onto="IK")
    bpy.ops.livehand.live_record()
    began = time.monotonic()
    tick(client, *(frame(tracked("relaxed", turn=0.02 * i), number=i, came=began + i / 30.0) for i in range(16)))
    bpy.ops.livehand.live_stop()
    assert ik(rig, "index").influence == 1.0
    paths = {curve.data_path for curve in action_curves(rig)}
    assert sum("_ik" in path for path in paths) == 5
    scene.frame_set(int(rig.animation_data.action.frame_range[1]))
    np.testing.assert_allclose(angles(shown(rig)), angles(tracked("relaxed").pose), atol=6.0)
    # The tips are what is keyed: one that is moved takes its finger along.
    target = bone(rig, "index_ik")
    for curve in action_curves(rig):
        if curve.data_path.startswith(target.path_from_id()):
            curve.mute = True
    target.location.z += 0.02
    assert np.abs(angles(shown(rig)) - angles(tracked("relaxed").pose)).max() > 6.0


def test_a_take_without_frames_is_refused_and_makes_nothing(client: FakeClient) -> None:
    import bpy

    create()
    start()
    count = len(bpy.data.actions)
    bpy.ops.livehand.live_record()
    tick(client, frame())
    with pytest.raises(RuntimeError, match="no hand was seen"):
        bpy.ops.livehand.live_record()
    assert len(bpy.data.actions) == count
    bpy.ops.livehand.live_stop()
    with pytest.raises(RuntimeError, match=r"nothing is tracked|poll"):
        bpy.ops.livehand.live_record()


def test_a_hidden_hand_moves_nothing(client: FakeClient) -> None:
    rig = create()
    start()
    tick(client, frame(tracked("fist")))
    bone(rig, "index1").rotation_mode = "XYZ"
    before = angles(shown(rig))
    tick(client, frame(tracked("open", state="held")))
    np.testing.assert_allclose(angles(shown(rig)), before, atol=1e-6)


@pytest.mark.parametrize("how", ["delete", "file", "addon", "error", "scene"])
def test_what_goes_away_ends_the_session_and_the_camera(client: FakeClient, how: str) -> None:
    import bpy

    from livehand_blender.live import session

    rig = create()
    start()
    tick(client, frame(tracked("fist")))
    if how == "delete":
        bpy.data.objects.remove(rig)
    elif how == "file":
        bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    elif how == "addon":
        session._leave()
    elif how == "scene":
        bpy.context.scene.name = "another"
    else:
        client.error = EngineError("Camera 0 gives no more pictures.", "Plug it in again.")  # type: ignore[assignment]
    assert tick(client, frame(tracked("open"))) is None
    assert client.closed and not session.running()
    words = {"delete": "is gone", "file": "Another file", "error": "no more pictures", "scene": "scene is gone"}
    assert words.get(how, "") in session.message()


def test_nothing_starts_without_a_hand_or_a_source(client: FakeClient) -> None:
    import bpy

    with pytest.raises(RuntimeError, match=r"poll|Select a LiveHand hand"):
        bpy.ops.livehand.live_start()
    create()
    bpy.context.scene.livehand_live.source = "FILE"
    bpy.context.scene.livehand_live.path = " "
    with pytest.raises(RuntimeError, match="No video is chosen"):
        bpy.ops.livehand.live_start()
    assert not client.started


def test_smoothing_changes_while_it_runs(client: FakeClient) -> None:
    create()
    live = start()
    live.smoothing = 0.9
    assert client.smoothing == pytest.approx(0.9)


def eventually(said: Callable[[], object], seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not said():
        assert time.monotonic() < until, "it did not come to pass"
        time.sleep(0.05)


def test_a_real_film_moves_the_rig(addon: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real process; the timer is called by hand, since none runs in the background."""
    import bpy

    from livehand_blender.live import session

    monkeypatch.setenv("LIVEHAND_PYTHON", sys.executable)
    film = films.write_film(tmp_path / "hand.mp4", films.moving(30))
    rig = create()
    before = angles(shown(rig))
    start(path=str(film), detail="LITE")

    def followed() -> bool:
        session.tick()
        assert session.running(), session.message()
        return bool(np.abs(angles(shown(rig)) - before).max() > 10.0)

    eventually(followed)
    known = session.current()
    assert known is not None and known.client.source_name == "hand.mp4"
    bpy.ops.livehand.live_stop()
    assert not session.running()


def test_a_video_becomes_an_action_that_lies_on_the_filmed_hand(
    addon: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import bpy
    from bpy_extras.object_utils import world_to_camera_view
    from mathutils import Vector

    from livehand_core.tracking.landmarks import LandmarkTracker

    monkeypatch.setenv("LIVEHAND_PYTHON", sys.executable)
    pictures = films.moving(20)
    film = films.write_film(tmp_path / "hand.mp4", pictures, 25.0)
    rig, scene = create(), bpy.context.scene
    rig.location, rig.rotation_euler = (0.4, -0.2, 1.0), (0.3, 0.2, 0.1)
    scene.frame_set(5)
    scene.livehand_live.detail = "LITE"
    assert bpy.ops.livehand.track_video(filepath=str(film)) == {"FINISHED"}
    assert rig.animation_data.action.name == "hand" and tuple(rig.animation_data.action.frame_range) == (5, 24)
    assert (scene.render.resolution_x, scene.render.resolution_y) == (480, 360)
    assert scene.render.fps / scene.render.fps_base == pytest.approx(25.0)
    (image,) = scene.camera.data.background_images
    assert image.clip is not None and image.clip.frame_start == 5 and scene.camera.data.show_background_images
    number = 10
    (seen,) = LandmarkTracker(1, "lite", 1)(pictures[number], 0.0)
    scene.frame_set(5 + number)
    placed = rig.evaluated_get(bpy.context.evaluated_depsgraph_get())
    for landmark, name in ((0, "wrist"), (5, "index1"), (17, "pinky1"), (9, "middle1")):
        head = placed.matrix_world @ placed.pose.bones[f"{name}.R"].head
        x, y, depth = world_to_camera_view(scene, scene.camera, Vector(head))
        off = np.array([480 * x, 360 * (1 - y)]) - seen.image[landmark]
        assert depth > 0.0 and np.linalg.norm(off) < 0.08 * seen.size
    # Once more, onto the same camera: the film is not added twice.
    assert bpy.ops.livehand.track_video(filepath=str(film), shape=False) == {"FINISHED"}
    assert len(scene.camera.data.background_images) == 1
    wall = films.write_film(tmp_path / "wall.mp4", [films.empty()] * 3)
    with pytest.raises(RuntimeError, match="No hand was found"):
        bpy.ops.livehand.track_video(filepath=str(wall))
