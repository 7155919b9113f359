"""Which cameras took the videos: as files say, by the board, or by pycolmap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...cameras import Camera
from ...errors import CaptureError
from ...poses import Side
from ...tracking.sources import open_source
from .board import BoardFilm, BoardLens, find_board, find_lens, together
from .board_places import moving_by_board, rig_by_board
from .calibration_file import FoundCamera, assigned, read_calibration
from .colmap_run import MOST_FRAMES, reconstruct
from .geometry import ShotCamera
from .pipeline import Fitted, Interrupted, Run, Wish, fit_moving, names_of, take_frames
from .readings import placed
from .still import MOVE, STATIONARY, fit_still
from .video import Video, common_span


def told_cameras(wish: Wish) -> list[FoundCamera] | None:
    """The camera of each video as files tell it; None without files.

    Raises:
        CaptureError: the files cannot be read, or do not tell of all.
    """
    if not wish.calibration:
        return None
    told = assigned(read_calibration(wish.calibration), names_of(wish.videos))
    lost = [camera.name for camera in told if camera.matrix is None]
    if lost and not (wish.board_in_videos or wish.board_videos):
        raise CaptureError(
            f"The calibration does not tell where {' and '.join(lost)} stand.",
            "Add R|t, or film the board: --board-in-videos or --board-videos.",
        )
    return told


def find_and_fit(run: Run, side: Side, videos: list[Video], told: list[FoundCamera] | None) -> Fitted:
    """Find the cameras, and fit the hand to what they see.

    Args:
        told: cameras that files tell.

    Raises:
        Interrupted: it was asked to stop.
        CaptureError: the cameras are not told, or do not fit the videos.
    """
    wish, names = run.wish, [video.name for video in videos]
    by_board = wish.board_in_videos or bool(wish.board_videos)
    if len(videos) == 1:
        return _still(run, side, videos[0], None if told is None else told[0])
    if by_board:
        shots = _rig(run, videos, told)
        found = [_found(name, shot) for name, shot in zip(names, shots, strict=True)]
        return fit_moving(replace_reading(run), side, videos, found, known=True)
    if wish.colmap:
        shots = _rig_by_colmap(run, videos)
        found = [_found(name, shot) for name, shot in zip(names, shots, strict=True)]
        return fit_moving(replace_reading(run), side, videos, found, known=False)
    assert told is not None
    return fit_moving(run, side, videos, told, known=None)


def replace_reading(run: Run) -> Run:
    """The run with matrices that are known to lead from the camera to the world."""
    run.wish = replace(run.wish, reading="camera to world")
    return run


def _still(run: Run, side: Side, video: Video, told: FoundCamera | None) -> Fitted:
    wish = run.wish
    if wish.colmap:
        return fit_still(run, side, video, _path_by_colmap(run, video), known=False)
    if not wish.board_in_videos:
        raise CaptureError(STATIONARY, f"{MOVE} Give --board-in-videos (a board lies beside the hand) or --colmap.")
    film = _film(run, wish.videos, 0)
    lens = _lens(run, 0, video, told) or find_lens(film, wish.board)
    run.remarks += together([(film, lens)])
    return fit_still(run, side, video, moving_by_board(film, lens, wish.board), known=True)


def _rig(run: Run, videos: Sequence[Video], told: list[FoundCamera] | None) -> list[ShotCamera]:
    """The fixed cameras by the board."""
    wish, pairs = run.wish, []
    for index, video in enumerate(videos):
        film = _film(run, wish.videos if wish.board_in_videos else wish.board_videos, index)
        lens = _lens(run, index, video, None if told is None else told[index]) or find_lens(film, wish.board)
        pairs.append((film, lens))
    run.remarks += together(pairs)
    return rig_by_board(pairs, wish.board)


def _lens(run: Run, index: int, video: Video, told: FoundCamera | None) -> BoardLens | None:
    """The lens of a camera where a file tells it, or a video of the board by itself; None where neither does."""
    if told is not None:
        shot = placed(told, (video.width, video.height), "world to camera")
        k = shot.camera.intrinsics
        k[:2, 2] -= 0.5
        return BoardLens(k, shot.lens)
    if run.wish.board_in_videos and run.wish.board_videos:
        return find_lens(_film(run, run.wish.board_videos, index), run.wish.board)
    return None


def _film(run: Run, paths: Sequence[Path], index: int) -> BoardFilm:
    name, source = names_of(paths)[index], open_source(paths[index], run.wish.fps)
    try:
        film = find_board(
            name,
            source,
            run.wish.board,
            lambda done, of: run.tell(done, of, f"looking for the board in {name}"),
            run.stop,
        )
    finally:
        source.close()
    if film is None:
        raise Interrupted
    return film


def _path_by_colmap(run: Run, video: Video) -> dict[int, ShotCamera]:
    """The moving camera in some frames."""
    seen = [number for number, hand in enumerate(video.hands) if hand is not None]
    count = min(MOST_FRAMES, len(seen))
    numbers = sorted({seen[(2 * k + 1) * len(seen) // (2 * count)] for k in range(count)})
    names = _extracted(run, 0, video, numbers)
    shots = reconstruct(run.work / "frames", names, run.work / "colmap")
    return {int(Path(shot.name).stem[-6:]): ShotCamera(shot.camera, shot.lens) for shot in shots}


def _rig_by_colmap(run: Run, videos: Sequence[Video]) -> list[ShotCamera]:
    """The fixed cameras by a frame of each, taken in the middle of what all show."""
    offsets = run.wish.offsets or (0.0,) * len(videos)
    shifted = [video.shifted(offset) for video, offset in zip(videos, offsets, strict=True)]
    middle = 0.5 * sum(common_span(shifted))
    names = []
    for index, video in enumerate(shifted):
        names += _extracted(run, index, video, [int(np.abs(video.common_times - middle).argmin())])
    found = {Path(s.name).parent.name: s for s in reconstruct(run.work / "frames", names, run.work / "colmap")}
    lost = [video.name for video in videos if video.name not in found]
    if lost:
        raise CaptureError(
            f"pycolmap cannot place {' and '.join(lost)}: its picture has too little in common with the others'.",
            "Calibrate with the board: it needs no texture and no common background.",
        )
    return [ShotCamera(found[video.name].camera, found[video.name].lens) for video in videos]


def _extracted(run: Run, index: int, video: Video, numbers: list[int]) -> list[str]:
    paths = take_frames(run, index, video, numbers)
    return [path.relative_to(run.work / "frames").as_posix() for path in paths]


def _found(name: str, shot: ShotCamera) -> FoundCamera:
    camera: Camera = shot.camera
    size = (camera.width, camera.height)
    return FoundCamera(name, camera.intrinsics, shot.lens, camera.camera_to_world, "camera to world", size, 0.5)
