"""The printed board at true size, and cameras that are calibrated by it: fixed ones, late ones, one that moves."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from livehand_core.cameras import Camera, look_at
from livehand_core.cli import main
from livehand_core.datasets.footage.board import BoardFilm, BoardSeen, find_board, find_lens
from livehand_core.datasets.footage.board_places import BOARD_UP, moving_by_board, rig_by_board
from livehand_core.datasets.footage.board_sheet import PAPERS, POINT, SQUARE, Board, black_boxes, write_board
from livehand_core.errors import CaptureError, LiveHandError
from livehand_core.rotations import axis_angle_to_matrix
from livehand_core.tracking.sources import FrameSource
from livehand_core.tracking.values import SourceFrame

VIEW = Camera(640, 480, 700.0, 702.0, 322.0, 236.0, np.eye(4))
MIDDLE = np.array([2.5 * SQUARE, 3.5 * SQUARE, 0.0]) * 1e-3


def painted(boxes: list[tuple[float, float, float, float]], size: tuple[float, float], scale: float) -> np.ndarray:
    picture = np.full((round(size[1] * scale), round(size[0] * scale)), 255, np.uint8)
    for x, y, width, height in boxes:
        picture[round(y * scale) : round((y + height) * scale), round(x * scale) : round((x + width) * scale)] = 0
    return picture


@pytest.mark.parametrize("paper", PAPERS)
def test_the_pdf_is_the_board_at_true_size(paper: str, tmp_path: Path) -> None:
    assert main(["footage", "--board", str(tmp_path / "board.pdf"), "--paper", paper]) == 0
    content = (tmp_path / "board.pdf").read_bytes()
    width, height = PAPERS[paper]
    assert f"/MediaBox [0 0 {width * POINT:.4f} {height * POINT:.4f}]".encode() in content
    assert b"/PrintScaling /None" in content
    place = int(content[content.rindex(b"startxref") :].split()[1])
    assert content[place:].startswith(b"xref")
    rows = re.findall(rb"([\d.]+) ([\d.]+) ([\d.]+) ([\d.]+) re f", content)
    boxes = [tuple(float(number) / POINT for number in row) for row in rows]
    upright = [(x, height - y - h, w, h) for x, y, w, h in boxes]
    assert all(x >= 4.0 and x + w <= width - 4.0 and y >= 4.0 and y + h <= height - 4.0 for x, y, w, h in upright)
    scale = 4.0
    detector = cv2.aruco.CharucoDetector(Board().charuco())
    corners, ids, _, _ = detector.detectBoard(painted(upright, (width, height), scale))
    assert len(ids) == 24
    millimetres = corners[np.argsort(ids.ravel()), 0] / scale
    np.testing.assert_allclose(millimetres[1] - millimetres[0], [SQUARE, 0.0], atol=0.1)
    np.testing.assert_allclose(millimetres[-1] - millimetres[0], [3 * SQUARE, 5 * SQUARE], atol=0.1)


def test_other_files_and_sizes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LiveHandError, match="not a PDF"):
        write_board(tmp_path / "board.png")
    with pytest.raises(LiveHandError, match="not possible"):
        Board(0.3)


def swung(time: float) -> np.ndarray:
    """(4, 4) from the board to the world of a board that is swung about, seconds."""
    matrix = np.eye(4)
    turn = np.array([0.5 * np.sin(1.7 * time), 0.55 * np.cos(1.3 * time), 0.3 * np.sin(0.9 * time)])
    matrix[:3, :3] = axis_angle_to_matrix(turn)
    matrix[:3, 3] = [0.1 * np.sin(1.1 * time), 0.08 * np.cos(1.9 * time), 0.07 * np.sin(0.7 * time)]
    matrix[:3, 3] -= matrix[:3, :3] @ MIDDLE
    return matrix


def from_side(x: float) -> Camera:
    matrix = look_at(np.array([x, 0.05, -0.75]), np.zeros(3), np.array([0.0, -1.0, 0.0]))
    return Camera(VIEW.width, VIEW.height, VIEW.fx, VIEW.fy, VIEW.cx, VIEW.cy, matrix)


def seen(view: Camera, board_to_world: np.ndarray, number: int, time: float, noise: float = 0.1) -> BoardSeen:
    """The board's corners by a camera, in OpenCV's pixels."""
    points = Board().corners @ board_to_world[:3, :3].T + board_to_world[:3, 3]
    random = np.random.default_rng(number)
    pixels = view.project(points)[0] - 0.5 + random.normal(0.0, noise, (24, 2))
    return BoardSeen(number, time, np.arange(24), pixels)


def film(view: Camera, name: str, offset: float = 0.0, fps: float = 20.0, count: int = 160) -> BoardFilm:
    shots = tuple(seen(view, swung(n / fps + offset), n, n / fps) for n in range(count))
    return BoardFilm(name, (view.width, view.height), fps, shots)


@pytest.mark.parametrize("offset", [0.0, 1.15])
def test_lenses_and_places_of_fixed_cameras(offset: float) -> None:
    views = [from_side(-0.3), from_side(0.25)]
    films = [film(views[0], "one"), film(views[1], "two", offset)]
    pairs = [(one, find_lens(one, Board())) for one in films]
    for _, lens in pairs:
        assert lens.intrinsics[0, 0] == pytest.approx(VIEW.fx, rel=0.005) and lens.rms < 0.3
    shots = rig_by_board(pairs, Board())
    relative = np.linalg.inv(shots[0].camera.camera_to_world) @ shots[1].camera.camera_to_world
    true = np.linalg.inv(views[0].camera_to_world) @ views[1].camera_to_world
    np.testing.assert_allclose(relative[:3, 3], true[:3, 3], atol=0.004)
    np.testing.assert_allclose(relative[:3, :3], true[:3, :3], atol=0.006)
    assert shots[0].camera.cx == pytest.approx(VIEW.cx, abs=3.0)


def test_a_board_that_keeps_still_does_not_tell_a_lens() -> None:
    still = BoardFilm("one", (640, 480), 20.0, tuple(seen(from_side(0.0), swung(0.0), n, n / 20.0) for n in range(40)))
    with pytest.raises(CaptureError, match="does not tell the lens"):
        find_lens(still, Board())


def test_a_camera_that_moved_is_told() -> None:
    one, two = film(from_side(-0.3), "one"), film(from_side(0.25), "two")
    moved = film(from_side(0.5), "two")
    halves = BoardFilm(
        "two",
        two.size,
        20.0,
        tuple((a, b)[n % 40 > 20] for n, (a, b) in enumerate(zip(two.seen, moved.seen, strict=True))),
    )
    lens = find_lens(one, Board())
    with pytest.raises(CaptureError, match="does not keep its place"):
        rig_by_board([(one, lens), (halves, lens)], Board())


def test_a_moving_camera_is_placed_in_each_frame() -> None:
    views = [from_side(x) for x in np.linspace(-0.5, 0.5, 30)]
    tilted = swung(2.0)
    shots = tuple(seen(view, tilted, n, n / 20.0) for n, view in enumerate(views))
    lens = find_lens(film(from_side(0.0), "one"), Board())
    placed = moving_by_board(BoardFilm("one", (640, 480), 20.0, shots), lens, Board())
    assert len(placed) == 30
    up = np.eye(4)
    up[:3, :3] = BOARD_UP
    for number, view in enumerate(views):
        true = up @ np.linalg.inv(tilted) @ view.camera_to_world
        np.testing.assert_allclose(placed[number].camera.camera_to_world[:3, 3], true[:3, 3], atol=0.006)
        assert placed[number].camera.camera_to_world[2, 3] > 0.0, "above the paper"


def pictures(views: Sequence[Camera]) -> list[np.ndarray]:
    """What cameras see of the printed board on a grey table."""
    scale = 6.0
    sheet = painted([(x + 10, y + 10, w, h) for x, y, w, h in black_boxes()], (195.0, 265.0), scale)
    answer = []
    for view in views:
        corners = np.array([[-10, -10], [185, -10], [185, 255], [-10, 255]]) * 1e-3
        points = np.column_stack([corners, np.zeros(4)]) @ swung(2.0)[:3, :3].T + swung(2.0)[:3, 3]
        source = np.array([[0, 0], [195, 0], [195, 265], [0, 265]], np.float32) * scale - 0.5
        large = view.resized(4 * view.width, 4 * view.height)
        move = cv2.getPerspectiveTransform(source, (large.project(points)[0] - 0.5).astype(np.float32))
        picture = cv2.warpPerspective(sheet, move, (large.width, large.height), borderValue=120)
        picture = cv2.resize(picture, (view.width, view.height), interpolation=cv2.INTER_AREA)
        answer.append(np.repeat(picture[..., None], 3, axis=2))
    return answer


def test_the_board_is_found_in_pictures() -> None:
    views = [from_side(x) for x in (-0.2, 0.0, 0.2)]
    frames = (SourceFrame(picture, n / 20.0, n) for n, picture in enumerate(pictures(views)))
    found = find_board("one", FrameSource(frames, count=3), Board(), lambda done, of: None, lambda: False)
    assert found is not None and len(found.seen) == 3
    for one, view in zip(found.seen, views, strict=True):
        points = Board().corners[one.ids] @ swung(2.0)[:3, :3].T + swung(2.0)[:3, 3]
        assert np.linalg.norm(one.corners + 0.5 - view.project(points)[0], axis=1).mean() < 0.8
    blank = (SourceFrame(np.full((480, 640, 3), 90, np.uint8), 0.0, 0) for _ in range(2))
    with pytest.raises(CaptureError, match="No board was found in the 2 frames of wall"):
        find_board("wall", FrameSource(blank, count=2), Board(), lambda done, of: None, lambda: False)
