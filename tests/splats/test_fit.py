"""The fit of splats: nearer to pictures that it never saw, stopped when asked, carried from pose to pose."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from livehand_core import cli
from livehand_core.cameras import Camera
from livehand_core.errors import LiveHandError
from livehand_core.hand.builtin import builtin_hand
from livehand_core.hand.skinning import pose_vertices
from livehand_core.interrupts import INTERRUPTED
from livehand_core.meshes.portraits import Portrait, cameras_on_sphere
from livehand_core.poses import HandPose
from livehand_core.rotations import axis_angle_to_matrix
from livehand_core.splats import command, fit
from livehand_core.splats.drawing import Shape, draw
from livehand_core.splats.fit import Fitted, SplatSettings, carried, descend, quality
from livehand_core.workers import Workers
from tests.meshes.test_command import avatar

__all__ = ["avatar"]

CENTRE = np.array([0.0, 0.0, 0.1])


def ball(count: int, seed: int) -> Shape:
    """Splats on a ball of 5 cm with stripes."""
    random = np.random.default_rng(seed)
    away = random.normal(size=(count, 3))
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    colours = np.zeros((count, 9, 3), np.float32)
    colours[:, 0] = np.where(np.sin(40.0 * away[:, :1]) > 0.0, [1.2, -0.5, 0.3], [-0.8, 0.4, 1.0])
    size = 0.05 * np.sqrt(4.0 * np.pi / count)
    return Shape(
        (CENTRE + 0.05 * away).astype(np.float32),
        random.normal(size=(count, 4)).astype(np.float32),
        np.full((count, 3), np.log(0.6 * size), np.float32),
        np.full((count, 1), 2.0, np.float32),
        colours,
    )


def pictures(count: int, turn: float) -> list[Portrait]:
    truth = ball(1500, 0)
    cameras = cameras_on_sphere(truth.places, count, 64, turn)
    return [Portrait(one, draw(truth, one, Workers(1)).image, np.zeros((64, 64), np.float32)) for one in cameras]


def told(_done: int, _of: int, _text: str) -> None:
    """Nobody listens."""


def measured(shape: Shape, others: list[Portrait]) -> float:
    return quality([draw(shape, one.camera, Workers(1)).image for one in others], [one.rgba for one in others])


def test_splats_come_nearer_to_pictures_that_they_were_not_fitted_to() -> None:
    start = ball(1500, 1)
    start.colours[:] = 0.0
    others = pictures(3, 1.0)
    before = measured(start, others)
    assert descend(start, pictures(16, 0.0), 260, 0.0, Workers(2), told, lambda: False)
    assert measured(start, others) > before + 6.0
    assert all(np.isfinite(part).all() for part in vars(start).values())


def test_the_fit_ends_in_time_and_when_asked() -> None:
    shown, start = pictures(4, 0.0), ball(1500, 1)
    steps: list[int] = []
    assert descend(start, shown, 100_000, 0.2, Workers(1), lambda done, of, text: steps.append(done), lambda: False)
    assert steps[-1] == 100_000 and len(steps) < 2000
    asked = iter([False, False, True])
    assert not descend(start, shown, 50, 0.0, Workers(1), told, lambda: next(asked))


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"seconds": -1.0}, {"seconds": float("nan")}, {"pictures": 2}])
def test_numbers_that_make_no_splats_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(LiveHandError, match=r"Choose from|Give a time"):
        SplatSettings(**wrong)  # type: ignore[arg-type]


def test_splats_go_with_their_skin() -> None:
    """A rigid motion of the whole hand carries them with it exactly, and a bent finger takes its own along."""
    data, random = builtin_hand("right"), np.random.default_rng(0)
    rest = pose_vertices(data, HandPose.rest()).astype(np.float32)
    face = random.integers(len(data.faces), size=300)
    shape = ball(300, 0)
    shape.places[:] = rest[data.faces[face]].mean(axis=1) + random.normal(scale=1e-3, size=(300, 3))
    before = Fitted(shape, face, rest, [])
    turn, shift = axis_angle_to_matrix(np.array([0.3, -1.1, 0.6])), np.array([0.1, 0.2, -0.3])
    moved = carried(before, (rest @ turn.T + shift).astype(np.float32), data.faces)
    assert np.allclose(moved.places, shape.places @ turn.T + shift, atol=1e-5)
    camera = cameras_on_sphere(rest, 1, 64)[0]
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = turn, shift
    turned = Camera(64, 64, camera.fx, camera.fy, camera.cx, camera.cy, matrix @ camera.camera_to_world)
    for one in (shape, moved):
        one.colours[:, 1:] = 0.0
    seen = [draw(one, by, Workers(1)).image for one, by in ((shape, camera), (moved, turned))]
    assert np.quantile(np.abs(seen[0] - seen[1]), 0.99) < 1e-3
    hand_pose = np.zeros((15, 3))
    hand_pose[0, 2] = 1.0
    bent = pose_vertices(data, HandPose(np.zeros(3), hand_pose, np.zeros(10), np.zeros(3), "right"))
    away = np.linalg.norm(
        carried(before, bent.astype(np.float32), data.faces).places - bent[data.faces[face]].mean(axis=1), axis=1
    )
    assert away.max() < 8e-3


def test_ctrl_c_ends_the_fit_and_leaves_no_file(avatar: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from contextlib import contextmanager

    asked = iter(range(10_000))

    @contextmanager
    def soon(_text: str):  # type: ignore[no-untyped-def]
        yield lambda: next(asked) > 8

    monkeypatch.setattr(command, "interruptible", soon)
    line = ["splats", str(avatar), "--out", str(tmp_path / "a.ply"), "--count", "1500", "--pictures", "5"]
    assert cli.main([*line, "--size", "64", "--steps", "1000", "--threads", "1"]) == INTERRUPTED
    assert not list(tmp_path.iterdir())


def test_a_motions_frames_begin_with_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """They take fewer steps, and the same splats."""
    counted: list[int] = []

    def count(shape, shown, steps, *_):  # type: ignore[no-untyped-def]
        counted.append(steps)
        return True

    monkeypatch.setattr(fit, "descend", count)
    monkeypatch.setattr(fit, "portraits", lambda renderer, instance, cameras, light, progress: iter(pictures(8, 0.0)))
    data = builtin_hand("right")
    settings = SplatSettings(count=2000, pictures=4, side=64, steps=100)
    given = SimpleNamespace(pose=HandPose.rest(), scale=1.0), SimpleNamespace(relightable=False), data, settings
    first = fit.fit_splats(None, *given, Workers(1), told, lambda: False)  # type: ignore[arg-type]
    assert first is not None
    second = fit.fit_splats(None, *given, Workers(1), told, lambda: False, first)  # type: ignore[arg-type]
    assert counted == [100, 30] and second is not None and np.array_equal(second.face, first.face)
    assert np.allclose(second.shape.places, first.shape.places, atol=1e-6)
