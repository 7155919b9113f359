"""Where pictures come from: videos of every kind, folders, cameras that are not there; and the newest frame wins."""

from __future__ import annotations

import errno
import itertools
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from livehand_core.errors import LiveHandError
from livehand_core.tracking.sources import FrameSource, Newest, SourceError, open_source, paced
from livehand_core.tracking.values import SourceFrame

from . import films


def numbered(count: int, size: tuple[int, int] = (64, 48)) -> list[np.ndarray]:
    """Frames whose grey tells their number."""
    return [np.full((size[1], size[0], 3), 10 + 8 * i, np.uint8) for i in range(count)]


def test_a_video_gives_all_frames_at_their_times(tmp_path: Path) -> None:
    source = open_source(films.write_film(tmp_path / "film.mp4", numbered(20), 25.0))
    frames = list(source)
    source.close()
    assert len(frames) == 20 == source.count and source.fps == pytest.approx(25.0) and not source.live
    np.testing.assert_allclose([frame.time for frame in frames], np.arange(20) / 25.0, atol=1e-3)
    np.testing.assert_allclose([frame.picture.mean() for frame in frames], 10 + 8 * np.arange(20), atol=4)
    assert source.warnings == []


def test_colours_are_red_green_blue(tmp_path: Path) -> None:
    red = np.zeros((48, 64, 3), np.uint8)
    red[..., 0] = 200
    (frame,) = open_source(films.write_film(tmp_path / "red.mp4", [red]))
    assert frame.picture[20, 20].argmax() == 0
    cv2.imwrite(str(tmp_path / "red.png"), red[..., ::-1])
    (still,) = open_source(tmp_path / "red.png")
    np.testing.assert_array_equal(still.picture, red)


def test_a_video_of_variable_rate_keeps_its_times(tmp_path: Path) -> None:
    path = films.write_film(
        tmp_path / "vfr.mkv",
        numbered(10),
        10.0,
        *["-vf", "settb=1/100,setpts=N*N", "-fps_mode", "passthrough", "-enc_time_base", "1:100"],
    )
    times = [frame.time for frame in open_source(path)]
    np.testing.assert_allclose(times, np.arange(10) ** 2 / 100.0, atol=0.02)
    assert (np.diff(times) > 0.0).all()


def test_a_video_turned_by_its_metadata_stands_upright(tmp_path: Path) -> None:
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:24] = 220
    films.write_film(tmp_path / "plain.mp4", [picture] * 3)
    turned = films.copy_film(tmp_path / "plain.mp4", tmp_path / "turned.mp4", 90)
    frame = next(iter(open_source(turned)))
    assert frame.picture.shape == (64, 48, 3)
    left, right = frame.picture[:, :16].mean(), frame.picture[:, -16:].mean()
    assert abs(left - right) > 150


@pytest.mark.parametrize("size", [(101, 67), (2, 2), (3840, 2160)])
def test_videos_of_any_size(tmp_path: Path, size: tuple[int, int]) -> None:
    (frame,) = open_source(films.write_film(tmp_path / "film.mp4", numbered(1, size)))
    assert frame.picture.shape == (size[1], size[0], 3)


def test_a_truncated_video_tells_or_is_refused(tmp_path: Path) -> None:
    whole = films.write_film(tmp_path / "whole.mp4", films.moving(30), 30.0, "-movflags", "+faststart")
    content = whole.read_bytes()
    (tmp_path / "cut.mp4").write_bytes(content[: len(content) // 2])
    source = open_source(tmp_path / "cut.mp4")
    assert 0 < len(list(source)) < 30
    assert "cut off" in source.warnings[0]
    # Without its index, which stands at the end of most files.
    late = films.write_film(tmp_path / "late.mp4", films.moving(30))
    (tmp_path / "lost.mp4").write_bytes(late.read_bytes()[: late.stat().st_size // 2])
    with pytest.raises(SourceError, match="damaged, cut off, or no video"):
        open_source(tmp_path / "lost.mp4")


def test_what_is_no_source_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("hello")
    (tmp_path / "folder").mkdir()
    for text, word in (("empty.mp4", "empty"), ("text.mp4", "damaged"), ("folder", "no pictures"), ("no", "not exist")):
        with pytest.raises(SourceError, match=word) as told:
            open_source(tmp_path / text)
        assert told.value.remedy


def test_a_camera_that_is_not_there_is_told_plainly() -> None:
    with pytest.raises(SourceError, match="amera 63"):
        open_source("camera:63")
    with pytest.raises(SourceError, match="There is no camera 99"):
        open_source("99")


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells why by opening the device")
@pytest.mark.parametrize(
    ("error", "said", "remedy"),
    [
        (PermissionError(errno.EACCES, "Permission denied"), "may not be used", "group video"),
        (OSError(errno.EBUSY, "Device or resource busy"), "busy", "Close other programs"),
    ],
)
def test_a_camera_that_is_in_use_or_not_permitted_says_so(
    monkeypatch: pytest.MonkeyPatch, error: OSError, said: str, remedy: str
) -> None:
    real = open

    def guarded(path: Any, *args: Any, **kwargs: Any) -> Any:
        if str(path) == "/dev/video61":
            raise error
        return real(path, *args, **kwargs)

    exists = Path.exists
    monkeypatch.setattr(Path, "exists", lambda self: str(self) == "/dev/video61" or exists(self))
    monkeypatch.setattr("builtins.open", guarded)
    with pytest.raises(SourceError, match=said) as caught:
        open_source("camera:61")
    assert remedy in caught.value.remedy


def test_a_folder_goes_by_the_numbers_in_its_names(tmp_path: Path) -> None:
    for number in (10, 2, 1):
        cv2.imwrite(str(tmp_path / f"pic{number}.png"), np.full((8, 8, 3), number, np.uint8))
    (tmp_path / "pic3.png").write_text("no picture")
    (tmp_path / "notes.txt").write_text("left alone")
    source = open_source(tmp_path, fps=10.0)
    frames = list(source)
    assert [frame.picture[0, 0, 0] for frame in frames] == [1, 2, 10]
    assert [frame.time for frame in frames] == [0.0, 0.1, pytest.approx(0.3)]
    assert source.count == 4 and "pic3.png" in source.warnings[0]


def test_the_newest_frame_wins_and_nothing_queues() -> None:
    """A slow taker never sees an old frame: what came in between is dropped."""
    go = threading.Event()

    def frames() -> Iterator[SourceFrame]:
        for number in range(100):
            yield SourceFrame(np.zeros((2, 2, 3), np.uint8), number / 100.0, number)
        go.set()
        time.sleep(0.2)

    newest = Newest(frames())
    assert go.wait(5.0)
    taken = newest.take()
    assert taken is not None and taken[0].number == 99 and newest.dropped == 99
    assert newest.take(0.05) is None
    newest.close()
    assert newest.over


def test_a_source_that_fails_is_told_to_the_taker_and_closed() -> None:
    closed = []

    def unplugged() -> Iterator[SourceFrame]:
        yield SourceFrame(np.zeros((2, 2, 3), np.uint8), 0.0, 0)
        raise SourceError("camera 0 gives no more pictures.", "Plug it in again.")

    def broken() -> Iterator[SourceFrame]:
        raise RuntimeError("driver")
        yield

    newest = Newest(unplugged(), lambda: closed.append(1))
    with pytest.raises(SourceError, match="no more pictures"):
        for _ in range(20):
            newest.take(0.2)
    assert closed == [1]
    with pytest.raises(LiveHandError, match="driver"):
        Newest(broken()).take(2.0)


def test_a_recorded_film_plays_at_its_own_pace_and_loops() -> None:
    def film() -> FrameSource:
        return FrameSource(iter([SourceFrame(np.zeros((2, 2, 3), np.uint8), i / 50.0, i) for i in range(5)]), fps=50.0)

    began = time.monotonic()
    frames = list(itertools.islice(paced(film(), loop=True, reopen=film), 12))
    assert time.monotonic() - began >= 11 / 50.0 - 0.01
    assert [frame.number for frame in frames] == list(range(12))
    np.testing.assert_allclose([frame.time for frame in frames], np.arange(12) / 50.0, atol=1e-9)
    assert len(list(paced(film()))) == 5
