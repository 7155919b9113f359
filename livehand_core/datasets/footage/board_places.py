"""Where cameras stand, by a board that they see: those of a fixed rig, or one that moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...cameras import Camera
from ...errors import CaptureError
from ...motion.convention import up_rotation
from ...rotations import matrix_to_axis_angle
from .board import BoardFilm, BoardLens, BoardSeen, places
from .board_sheet import Board
from .geometry import ShotCamera
from .synchronise import SEARCH_SECONDS

LEVER = 0.3
"""Metres at which a turn counts as much as a shift: about as far as the hand is from the middle of the rig."""

STEADY = 0.03
"""Metres that the place of one camera as another sees it may vary; more and it moved."""

MOST = 80.0
"""Per cent of the frames; the others may be mistaken."""

LEAST_PAIRS = 3
"""Frames in which two cameras see the board at once."""

BOARD_UP = np.diag([1.0, -1.0, -1.0])
"""From the board's axes, z into the paper, to a world whose z points up out of it."""


@dataclass(frozen=True)
class _Path:
    """The board's places before one camera: (n,) seconds, (n, 4, 4) from the board to the camera."""

    times: np.ndarray
    matrices: np.ndarray

    def at(self, times: np.ndarray, gap: float) -> tuple[np.ndarray, np.ndarray]:
        """(m, 4, 4) at other times, and (m,) whether it is known there."""
        last = len(self.times) - 1
        after = np.clip(np.searchsorted(self.times, times), min(1, last), last)
        before = np.maximum(after - 1, 0)
        length = self.times[after] - self.times[before]
        share = np.clip(
            np.divide(times - self.times[before], length, out=np.zeros_like(times), where=length > 0.0), 0.0, 1.0
        )
        mixed = (1.0 - share[:, None, None]) * self.matrices[before] + share[:, None, None] * self.matrices[after]
        inside = (times >= self.times[0] - gap) & (times <= self.times[-1] + gap) & (length <= 3.0 * gap)
        return _rigid(mixed), inside


def rig_by_board(films: Sequence[tuple[BoardFilm, BoardLens]], board: Board) -> list[ShotCamera]:
    """The cameras of a fixed rig: the first one at the origin of a world that is z-up, looking along y.

    The films need not have begun at one moment: only at the right one does a board that is moved have all cameras stand
    still.

    Raises:
        CaptureError: two cameras never see the board at once, or one of them moved.
    """
    found = [places(film, lens, board) for film, lens in films]
    for (film, _), own in zip(films, found, strict=True):
        if not own:
            raise CaptureError(
                f"The board is not seen sharply enough in {film.name}.", "Film it closer, in better light."
            )
    paths = [_path(own) for own in found]
    gaps = [1.5 * max(1.0 / film.fps, _usual_step(path)) for (film, _), path in zip(films, paths, strict=True)]
    # From the first camera's axes to each one's.
    placed: dict[int, np.ndarray] = {0: np.eye(4)}
    shifted: dict[int, _Path] = {0: paths[0]}
    while len(placed) < len(films):
        tries = [
            (seen[2], new, known, seen)
            for new in range(len(films))
            if new not in placed
            for known in placed
            if (seen := _between(shifted[known], paths[new], max(gaps[known], gaps[new]))) is not None
        ]
        if not tries:
            lost = [film.name for index, (film, _) in enumerate(films) if index not in placed]
            raise CaptureError(
                f"{' and '.join(lost)} never show the board at the same time as another camera.",
                "Hold the board where two cameras see it at once, or lay it there.",
            )
        spread, new, known, (matrix, offset, _) = min(tries, key=lambda entry: entry[0])
        if spread > STEADY:
            raise CaptureError(
                f"{films[new][0].name} does not keep its place before {films[known][0].name}: it varies by "
                f"{1000.0 * spread:.0f} mm.",
                "Fix the cameras, film the board in both at the same time, and move it slowly.",
            )
        placed[new] = matrix @ placed[known]
        shifted[new] = _Path(paths[new].times + offset, paths[new].matrices)
    turn = np.eye(4)
    turn[:3, :3] = up_rotation("-y")
    return [shot(film, lens, turn @ np.linalg.inv(placed[index])) for index, (film, lens) in enumerate(films)]


def shot(film: BoardFilm, lens: BoardLens, camera_to_world: np.ndarray) -> ShotCamera:
    """A camera at a place, with our pixels."""
    k, (width, height) = lens.intrinsics, film.size
    matrix = camera_to_world.copy()
    matrix[:3, :3] = _rigid(matrix)[:3, :3]
    camera = Camera(width, height, float(k[0, 0]), float(k[1, 1]), float(k[0, 2]) + 0.5, float(k[1, 2]) + 0.5, matrix)
    return ShotCamera(camera, lens.lens)


def moving_by_board(film: BoardFilm, lens: BoardLens, board: Board) -> dict[int, ShotCamera]:
    """The camera in each frame that shows the board well, which lies still: its world, z up out of the paper."""
    up = np.eye(4)
    up[:3, :3] = BOARD_UP
    return {one.number: shot(film, lens, up @ np.linalg.inv(matrix)) for one, matrix in places(film, lens, board)}


def _path(found: Sequence[tuple[BoardSeen, np.ndarray]]) -> _Path:
    return _Path(np.array([one.time for one, _ in found]), np.stack([matrix for _, matrix in found]))


def _usual_step(path: _Path) -> float:
    return float(np.median(np.diff(path.times))) if len(path.times) > 1 else 0.0


def _between(known: _Path, new: _Path, gap: float) -> tuple[np.ndarray, float, float] | None:
    """From one camera's axes to another's, seconds by which the other film begins later, and metres that it varies."""
    best: tuple[float, float, np.ndarray] | None = None
    still = _variation(known.matrices) < 0.002 and _variation(new.matrices) < 0.002
    steps = int(SEARCH_SECONDS / max(gap / 1.5, 1e-3))
    for step in [0] if still else sorted(range(-steps, steps + 1), key=abs):
        offset = step * gap / 1.5
        if still:
            # A board that lies still was there all the time.
            pairs = np.linalg.inv(known.matrices[:1])
            relative, good = new.matrices @ pairs, np.ones(len(new.matrices), dtype=bool)
        else:
            matrices, good = new.at(known.times - offset, gap)
            relative = matrices @ np.linalg.inv(known.matrices)
        if good.sum() < (1 if still else LEAST_PAIRS):
            continue
        middle, varies = _middle(relative[good])
        if best is None or varies < best[0]:
            best = (varies, offset, middle)
    return None if best is None else (best[2], best[1], best[0])


def _middle(matrices: np.ndarray) -> tuple[np.ndarray, float]:
    """The usual one of (n, 4, 4), and metres within which most of the others lie."""
    middle = _rigid(np.median(matrices, axis=0)[None])[0]
    for _ in range(2):
        away = _away(matrices, middle)
        near = away <= max(2.0 * float(np.median(away)), 1e-6)
        middle = _rigid(matrices[near].mean(axis=0)[None])[0]
    return middle, float(np.percentile(_away(matrices, middle), MOST))


def _away(matrices: np.ndarray, middle: np.ndarray) -> np.ndarray:
    turned = matrix_to_axis_angle(matrices[:, :3, :3] @ middle[:3, :3].T)
    return np.asarray(
        np.linalg.norm(matrices[:, :3, 3] - middle[:3, 3], axis=1) + LEVER * np.linalg.norm(turned, axis=1)
    )


def _variation(matrices: np.ndarray) -> float:
    return _middle(matrices)[1] if len(matrices) > 1 else 0.0


def _rigid(matrices: np.ndarray) -> np.ndarray:
    """(..., 4, 4) with the nearest rotations."""
    answer = np.array(matrices)
    u, _, v = np.linalg.svd(answer[..., :3, :3])
    sign = np.sign(np.linalg.det(u @ v))
    u[..., :, 2] *= sign[..., None]
    answer[..., :3, :3] = u @ v
    return answer
