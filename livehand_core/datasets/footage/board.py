"""The board in videos: its corners, and the lens and the places of a camera that follow from them.

Corners are in OpenCV's pixels here, whose centres are whole numbers; cameras that leave this module have ours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...captures.lens import Lens
from ...errors import CaptureError
from ...rotations import axis_angle_to_matrix
from ...tracking.sources import Source
from .board_sheet import COLUMNS, ROWS, Board

LEAST_CORNERS = 8
"""Of 24 that must be seen for a place to be told."""

MOST_FRAMES = 600
"""Of a video that are looked at, evenly spread."""

MOST_VIEWS, LEAST_VIEWS = 40, 5
"""From which a lens is found."""

FOCAL_DEVIATION = 0.02
"""Of the focal length, as the corners tell it; where it is larger they do not tell it."""

WORST_PIXELS = 2.5
"""Root mean square by which corners may be off in a frame, in pixels of an image 1000 wide."""


@dataclass(frozen=True)
class BoardSeen:
    """The board in one frame.

    Attributes:
        number: of the frame.
        time: seconds since the video's first frame.
        ids: (m,) numbers of the corners; ``corners``: (m, 2) their pixels.
    """

    number: int
    time: float
    ids: np.ndarray
    corners: np.ndarray


@dataclass(frozen=True)
class BoardFilm:
    """The board in one video.

    Attributes:
        name: of the camera.
        size: width and height of its pictures.
        fps: frames a second.
        seen: the frames in which it was found, in their order.
    """

    name: str
    size: tuple[int, int]
    fps: float
    seen: tuple[BoardSeen, ...]


@dataclass(frozen=True)
class BoardLens:
    """A lens that was found.

    Attributes:
        intrinsics: (3, 3) K; ``lens``: distortion.
        rms: pixels that the corners are off; NaN where the lens was given.
    """

    intrinsics: np.ndarray
    lens: Lens
    rms: float = float("nan")

    @property
    def coefficients(self) -> np.ndarray:
        """(8,) as OpenCV orders them."""
        k = (*self.lens.radial, *[0.0] * 6)[:6]
        return np.array([*k[:2], *self.lens.tangential, *k[2:]])


def find_board(
    name: str, source: Source, board: Board, tell: Callable[[int, int], None], stop: Callable[[], bool]
) -> BoardFilm | None:
    """Look for the board in a video; None when ``stop`` said so.

    Raises:
        CaptureError: it is hardly seen anywhere.
    """
    import cv2

    detector = cv2.aruco.CharucoDetector(board.charuco())
    step = max(1, (source.count or 0) // MOST_FRAMES)
    seen, size, count = [], (0, 0), 0
    for frame in source:
        if stop():
            return None
        count += 1
        if frame.number % step:
            continue
        size = (frame.picture.shape[1], frame.picture.shape[0])
        corners, ids, _, _ = detector.detectBoard(cv2.cvtColor(frame.picture, cv2.COLOR_RGB2GRAY))
        if ids is not None and len(ids) >= LEAST_CORNERS:
            seen.append(BoardSeen(frame.number, frame.time, ids.reshape(-1), corners.reshape(-1, 2).astype(np.float64)))
        tell(count, max(source.count or 0, count + 1))
    tell(count, count)
    if not seen:
        raise CaptureError(
            f"No board was found in the {count} frames of {name}.",
            f"Film the {COLUMNS} x {ROWS} board of livehand footage --board, whole, sharp, larger in the picture.",
        )
    return BoardFilm(name, size, source.fps, tuple(seen))


def find_lens(film: BoardFilm, board: Board) -> BoardLens:
    """The lens of a camera that has seen the board in several places and tilts.

    Raises:
        CaptureError: it has not, or corners are off.
    """
    import cv2

    views = _different(film)
    if len(views) < LEAST_VIEWS:
        raise _unseen(film)
    points = [board.corners[one.ids].astype(np.float32) for one in views]
    pixels = [one.corners.astype(np.float32)[:, None] for one in views]
    while True:
        rms, k, coefficients, _, _, deviations, _, off = cv2.calibrateCameraExtended(
            points, pixels, film.size, None, None, flags=cv2.CALIB_FIX_K3
        )
        off = np.asarray(off).reshape(-1)
        worst = int(off.argmax())
        # A frame that was blurred, or in which corners were mistaken.
        if off[worst] < 3.0 * max(float(np.median(off)), 0.1) or len(points) <= LEAST_VIEWS:
            break
        del points[worst], pixels[worst]
    if float(deviations[0, 0]) > FOCAL_DEVIATION * k[0, 0] or not 0.2 < k[0, 0] / max(film.size) < 20.0:
        raise _unseen(film)
    if rms > _worst(film):
        raise CaptureError(
            f"The board's corners in {film.name} are off by {rms:.1f} pixels in the mean.",
            "Glue the print on something flat, and film it sharply, without motion blur.",
        )
    k1, k2, p1, p2 = (float(number) for number in np.ravel(coefficients)[:4])
    return BoardLens(np.asarray(k, dtype=np.float64), Lens((k1, k2), (p1, p2)), float(rms))


def place(one: BoardSeen, lens: BoardLens, board: Board) -> tuple[np.ndarray, float] | None:
    """(4, 4) from the board to the camera, and pixels that the corners are off; None where there is none."""
    import cv2

    points = board.corners[one.ids]
    good, turns, shifts, _ = cv2.solvePnPGeneric(
        points, one.corners, lens.intrinsics, lens.coefficients, flags=cv2.SOLVEPNP_IPPE
    )
    if not good:
        return None
    turn, shift = cv2.solvePnPRefineLM(
        points, one.corners, lens.intrinsics, lens.coefficients, turns[0].copy(), shifts[0].copy()
    )
    shown, _ = cv2.projectPoints(points, turn, shift, lens.intrinsics, lens.coefficients)
    matrix = np.eye(4)
    matrix[:3, :3] = axis_angle_to_matrix(np.ravel(turn))
    matrix[:3, 3] = np.ravel(shift)
    return matrix, float(np.sqrt(np.mean(np.sum((shown.reshape(-1, 2) - one.corners) ** 2, axis=1))))


def places(film: BoardFilm, lens: BoardLens, board: Board) -> list[tuple[BoardSeen, np.ndarray]]:
    """The frames in which the board's place is told well, with (4, 4) from the board to the camera."""
    found = [(one, place(one, lens, board)) for one in film.seen]
    return [(one, at[0]) for one, at in found if at is not None and at[1] < _worst(film) and at[0][2, 3] > 0.0]


def _worst(film: BoardFilm) -> float:
    return WORST_PIXELS * max(1.0, max(film.size) / 1000.0)


def _unseen(film: BoardFilm) -> CaptureError:
    return CaptureError(
        f"The board in {film.name} does not tell the lens: it is not seen in enough different places and tilts "
        f"({len(film.seen)} frames show it).",
        "Move it through the whole picture, near and far, tilted to all sides; or give the lens by --calibration.",
    )


def _different(film: BoardFilm) -> list[BoardSeen]:
    """Frames that differ most: each next one is the farthest from those that were taken."""
    signs = np.stack([_look(one.corners / film.size[0]) for one in film.seen])
    chosen = [int(np.argmax([len(one.ids) for one in film.seen]))]
    nearest = np.linalg.norm(signs - signs[chosen[0]], axis=1)
    while len(chosen) < min(MOST_VIEWS, len(signs)):
        following = int(nearest.argmax())
        if nearest[following] < 0.01:
            break
        chosen.append(following)
        nearest = np.minimum(nearest, np.linalg.norm(signs - signs[following], axis=1))
    return [film.seen[index] for index in sorted(chosen)]


def _look(at: np.ndarray) -> np.ndarray:
    """(5,) where corners lie in the picture, and how far they spread to the right, downwards and aslant."""
    covariance: Any = np.cov(at.T)
    aslant = np.sign(covariance[0, 1]) * abs(covariance[0, 1]) ** 0.5
    return np.array([*at.mean(axis=0), covariance[0, 0] ** 0.5, covariance[1, 1] ** 0.5, aslant])


def together(films: Sequence[tuple[BoardFilm, BoardLens]]) -> list[str]:
    """A line for people about each lens that was found."""
    return [
        f"{film.name}: focal length {lens.intrinsics[0, 0]:.1f} pixels, corners off by {lens.rms:.2f}"
        for film, lens in films
        if np.isfinite(lens.rms)
    ]
