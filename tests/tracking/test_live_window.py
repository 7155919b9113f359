"""``livehand live``: the avatar beside the film, keys, takes, figures; and what ends it. Drawn by a stand-in engine."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from livehand_core.cli import main
from livehand_core.errors import EngineError, LiveHandError, PoseError
from livehand_core.frames import FrameRequest
from livehand_core.live import stage
from livehand_core.live.following import Followed, Follower
from livehand_core.live.recording import Recording
from livehand_core.live.stage import Shown, Stage
from livehand_core.motion import read_motion
from livehand_core.passes import RenderPasses
from livehand_core.tracking.sources import SourceError, open_source
from livehand_core.tracking.values import SourceFrame, TrackedFrame, TrackingOptions
from livehand_core.views.hand_arguments import open_avatar

from . import films
from .test_tracks import CAMERA

RED = (200, 0, 0)


class FakeEngine:
    """Answers at once with a red square where the hand is."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self.requests: list[FrameRequest] = []
        self.compiling = self.info = None
        self.failure: LiveHandError | None = None
        self._answer: tuple[int, Any] | None = None

    def busy(self, _channel: str) -> bool:
        return self._answer is not None

    def submit(self, request: FrameRequest, _channel: str) -> int:
        self.requests.append(request)
        rgba = np.zeros((request.camera.height, request.camera.width, 4), np.float32)
        if request.hands:
            rgba[:8, :8] = (RED[0] / 255.0, 0.0, 0.0, 1.0)
        self._answer = len(self.requests), self.failure or RenderPasses({"rgba": rgba}, {}, (), 0.01)
        return len(self.requests)

    def poll_numbered(self, _channel: str) -> tuple[int, Any] | None:
        answer, self._answer = self._answer, None
        return answer

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    fake = FakeEngine()
    monkeypatch.setattr(stage, "EngineClient", lambda *a, **k: fake)
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    return fake


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return films.write_film(tmp_path_factory.mktemp("film") / "hand.mp4", films.moving(45))


def live(film: Path, *more: str) -> int:
    return main(["live", str(film), "--detail", "lite", "--once", "--size", "128x96", *more])


def test_a_film_is_shown_recorded_and_measured(film: Path, engine: FakeEngine, tmp_path: Path) -> None:
    figures, frames = tmp_path / "figures.json", tmp_path / "frames"
    assert live(film, "--record", "--folder", str(tmp_path), "--figures", str(figures), "--frames", str(frames)) == 0
    motion = read_motion(tmp_path / "take_001.right.npz").sequence
    assert motion.fps == 30.0 and motion.poses[0].side == "right" and len(motion.poses) > 10
    pictures = list(open_source(tmp_path / "take_001.mp4"))
    assert pictures[0].picture.shape[:2] == (96, 256) and len(pictures) > 10
    assert len(list(frames.glob("*.png"))) == len(engine.requests)
    told = json.loads(figures.read_text())
    assert told["frames"] == len(engine.requests)
    request = engine.requests[-1]
    assert (request.camera.width, request.camera.height) == (128, 96) and request.hands[0].pose.side == "right"
    assert engine.closed


def shown_by(stage_: Stage, followed: Followed) -> Shown:
    stage_.ask(followed)
    shown = stage_.take()
    assert shown is not None
    return shown


@pytest.fixture
def followed(lite: Any) -> Followed:
    from livehand_core.tracking.tracker import HandTracker

    lite.forget()
    picture = films.placed()
    tracked = HandTracker(TrackingOptions(), landmarks=lite)(SourceFrame(picture, 0.0, 0))
    return Followed(picture, tracked, time.monotonic())


def test_beside_and_over(engine: FakeEngine, followed: Followed) -> None:
    name, arrays, names = open_avatar("default")
    own = Stage(name, arrays.metadata, names, (128, 96))
    beside = shown_by(own, followed).picture
    assert beside.shape == (96, 256, 3) and tuple(beside[2, 130]) == RED and tuple(beside[2, 2]) != RED
    own.view = "over"
    over = shown_by(own, followed).picture
    assert over.shape == (96, 128, 3) and tuple(over[2, 2]) == RED
    np.testing.assert_array_equal(over[50:], beside[50:, :128])


def test_every_identity_takes_the_same_motion_on_its_own_hand(engine: FakeEngine, followed: Followed) -> None:
    name, arrays, names = open_avatar("default")
    own = Stage(name, arrays.metadata, names, (128, 96))
    seen = []
    for _ in names:
        shown_by(own, followed)
        (hand,) = engine.requests[-1].hands
        seen.append((own.identity_name, hand.identity))
        np.testing.assert_array_equal(hand.pose.hand_pose, followed.tracked.hands[0].pose.hand_pose)
        own.next_identity()
    assert len(set(seen)) == len(names) and own.identity == 0


def test_an_engine_that_fails_is_told(engine: FakeEngine, followed: Followed) -> None:
    name, arrays, names = open_avatar("default")
    own = Stage(name, arrays.metadata, names, (64, 64))
    engine.failure = EngineError("It broke.", "Again.")
    own.ask(followed)
    with pytest.raises(EngineError, match="It broke"):
        own.take()


def test_keys(engine: FakeEngine, film: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pygame = pytest.importorskip("pygame")
    from livehand_core.live import window

    pressed: list[Any] = []
    done: list[str] = []
    heed = window.Window.heed

    def press(self: window.Window, actions: dict[str, Callable[[], None]]) -> bool:
        if not pressed:
            for key, text in ((pygame.K_m, "m"), (pygame.K_v, "v"), (pygame.K_PLUS, "+"), (pygame.K_i, "i")):
                pressed.append(key)
                pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=key, unicode=text))
            watched = {name: (lambda name=name, do=do: (done.append(name), do())[0]) for name, do in actions.items()}
            return heed(self, watched)
        pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_ESCAPE, unicode=""))
        return heed(self, actions)

    monkeypatch.setattr(window.Window, "heed", press)
    assert live(film, "--folder", str(tmp_path)) == 0
    assert done == ["mirror", "view", "calmer", "identity"]
    assert not list(tmp_path.iterdir()), "nothing is written unless it is recorded"


def test_a_take_without_a_hand_is_told(tmp_path: Path) -> None:
    recording = Recording(tmp_path, "livehand-builtin-1", video=False)
    followed = Followed(films.empty(), TrackedFrame(0, 0.0, CAMERA), time.monotonic())
    recording.add(Shown(films.empty(), followed, 0.0))
    with pytest.raises(PoseError, match="no hand was seen"):
        recording.finish()
    assert not list(tmp_path.iterdir())


def test_a_camera_that_is_unplugged_ends_the_window(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:  # type: ignore[no-untyped-def]
    from livehand_core.tracking import server
    from livehand_core.tracking.sources import Newest

    def frames() -> Iterator[SourceFrame]:
        yield SourceFrame(films.empty(), 0.0, 0)
        raise SourceError("camera 0 gives no more pictures.", "Plug it in again.")

    monkeypatch.setattr(server, "open_live", lambda *a, **k: (Newest(frames()), "camera 0", 30.0))
    assert main(["live", "--detail", "lite"]) == 2
    assert "no more pictures" in capsys.readouterr().err
    assert engine.closed


def test_options_change_while_it_runs() -> None:
    from livehand_core.tracking.sources import Newest

    def frames() -> Iterator[SourceFrame]:
        for number in range(200):
            time.sleep(0.02)
            yield SourceFrame(films.placed(), 0.02 * number, number)

    follower = Follower(Newest(frames()), TrackingOptions(detail="lite"))

    def side(wanted: str) -> None:
        until = time.monotonic() + 30.0
        while time.monotonic() < until:
            followed = follower.take()
            if followed is not None and [hand.pose.side for hand in followed.tracked.hands] == [wanted]:
                return
            time.sleep(0.01)
        raise AssertionError(f"no {wanted} hand")

    side("right")
    follower.change(TrackingOptions(detail="lite", mirror=True))
    side("left")
    assert follower.options.mirror
    follower.close()
