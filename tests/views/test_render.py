"""Frames into files: what is kept, what is refused, what a video holds. The renderer here draws plain colours."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from livehand_core.cameras import Camera
from livehand_core.captures.images import read_image, write_image
from livehand_core.errors import LiveHandError
from livehand_core.frames import FrameRequest
from livehand_core.passes import RenderPasses
from livehand_core.views.film import FORMATS, write_video
from livehand_core.views.pictures import DEPTH_STEP, PASS_PICTURES, arranged, load_png, over, read_background
from livehand_core.views.render import Look, render_view
from livehand_core.views.shots import Shot
from livehand_core.views.target import RECORD, Target

WIDTH, HEIGHT = 30, 21
PLAIN = Look()


class Painter:
    """A renderer whose pictures tell the focal length that they were asked for; stops after ``patience`` frames."""

    def __init__(self, patience: int = 1000) -> None:
        self.drawn: list[float] = []
        self.patience = patience

    def render(self, request: FrameRequest) -> RenderPasses:
        if len(self.drawn) == self.patience:
            raise KeyboardInterrupt
        self.drawn.append(request.camera.fx)
        height, width = request.camera.height, request.camera.width
        rgba = np.zeros((height, width, 4), np.float32)
        rgba[height // 3 :, :, :] = 0.5 * request.camera.fx / 20.0, 0.25, 0.1, 0.5
        depth = np.full((height, width, 1), np.inf, np.float32)
        depth[height // 3 :] = 0.5123
        normal = np.zeros((height, width, 3), np.float32)
        normal[height // 3 :, :, 2] = -1.0
        images = {"rgba": rgba, "depth": depth, "normal": normal}
        return RenderPasses({name: images[name] for name in request.passes}, {}, ("Careful.",))


def shots(count: int, passes: tuple[str, ...] = ("rgba",), width: int = WIDTH) -> list[Shot]:
    return [
        Shot(FrameRequest(Camera(width, HEIGHT, i + 1.0, 1.0, 0.0, 0.0, np.eye(4)), (), passes)) for i in range(count)
    ]


def render(painter: Painter, target: Target, count: int, look: Look = PLAIN, **options: object) -> tuple[str, ...]:
    record = {"what": options.pop("what", "a test")}
    return render_view(painter, shots(count, ("rgba", *target.passes)), target, look, record, **options)  # type: ignore[arg-type]


def test_an_interrupted_sequence_goes_on_with_what_is_missing(tmp_path: Path) -> None:
    target = Target.of(tmp_path / "seq", ("depth", "normal"), arrays=True)
    with pytest.raises(KeyboardInterrupt):
        render(Painter(patience=3), target, 7)
    assert [target.complete(number) for number in range(1, 8)] == [True] * 3 + [False] * 4
    times = {number: target.frame(number).stat().st_mtime_ns for number in (1, 2, 3)}
    (tmp_path / "seq" / "depth" / "0002.png").unlink()
    painter, told = Painter(), []
    render(painter, target, 7, progress=lambda *step: told.append(step))
    assert painter.drawn == [2.0, 4.0, 5.0, 6.0, 7.0]
    assert told[0] == (2, 7) and told[-1] == (7, 7)
    assert all(target.frame(number).stat().st_mtime_ns == times[number] for number in (1, 3))
    assert not [path for path in (tmp_path / "seq").rglob("*tmp*")]


def test_frames_of_another_render_are_not_mixed_in(tmp_path: Path) -> None:
    target = Target.of(tmp_path / "seq")
    render(Painter(), target, 2)
    with pytest.raises(LiveHandError, match="another what"):
        render(Painter(), target, 2, what="something else")
    painter = Painter()
    render(painter, target, 1, what="something else", overwrite=True)
    assert painter.drawn == [1.0] and not target.frame(2).exists()
    (tmp_path / "seq" / RECORD).unlink()
    with pytest.raises(LiveHandError, match=r"0001\.png.*did not make"):
        render(Painter(), target, 1)


def test_overwriting_leaves_other_files_alone(tmp_path: Path) -> None:
    target = Target.of(tmp_path / "seq")
    render(Painter(), target, 1)
    (tmp_path / "seq" / "notes.png").write_bytes(b"mine")
    render(Painter(), target, 1, overwrite=True)
    assert (tmp_path / "seq" / "notes.png").read_bytes() == b"mine"


def test_pictures_are_what_the_passes_say(tmp_path: Path) -> None:
    target = Target.of(tmp_path / "seq", ("depth", "normal"), arrays=True)
    render(Painter(), target, 1)
    colour = load_png(target.frame(1))
    assert colour.shape == (HEIGHT, WIDTH, 4)
    # Straight alpha: the colour that was premultiplied by one half.
    assert colour[-1, 0].tolist() == [13, 128, 51, 128] and not colour[0].any()
    depth = load_png(target.pass_picture("depth", 1))
    assert depth.dtype == np.uint16 and depth[-1, 0] == round(0.5123 / DEPTH_STEP) and depth[0, 0] == 0
    assert load_png(target.pass_picture("normal", 1))[-1, 0].tolist() == [128, 128, 0]
    with np.load(target.array(1)) as arrays:
        assert set(arrays) == {"rgba", "depth", "normal"} and np.isinf(arrays["depth"][0, 0, 0])
    assert render(Painter(), Target.of(tmp_path / "two"), 2) == ("Careful.",)


def test_backgrounds() -> None:
    half = np.array([[[0.25, 0.0, 0.0, 0.5]]], np.float32)
    assert over(half, (1.0, 1.0, 1.0)).tolist() == [[[191, 128, 128]]]
    assert over(half, None).tolist() == [[[128, 0, 0, 128]]]
    assert read_background("transparent") is None
    assert read_background("#ff0080") == pytest.approx((1.0, 0.0, 128 / 255))
    with pytest.raises(LiveHandError, match="not a colour"):
        read_background("mauve-ish")


def test_a_sheet_has_its_frames_in_rows(tmp_path: Path) -> None:
    target = Target.of(tmp_path / "sheet.png")
    render(Painter(), target, 5, Look((0.0, 0.0, 0.0), columns=3))
    picture = load_png(target.out)
    assert picture.shape == (2 * HEIGHT, 3 * WIDTH, 3)
    reds = [picture[(i // 3 + 1) * HEIGHT - 1, (i % 3 + 1) * WIDTH - 1, 0] for i in range(6)]
    assert reds == [round(127.5 * (i + 1) / 20) for i in range(5)] + [0]
    assert not target.frames.exists()
    with pytest.raises(LiveHandError, match="already exists"):
        render(Painter(), target, 5)
    with pytest.raises(LiveHandError, match="60000 x 21 pixels"):
        render(Painter(), Target.of(tmp_path / "large.png"), 2000, Look(columns=2000))
    assert not (tmp_path / "large.png.frames").exists()


def test_the_truth_is_beside_the_render(tmp_path: Path) -> None:
    truth = np.full((HEIGHT, WIDTH, 4), 0.5, np.float32)
    write_image(tmp_path / "truth.png", truth)
    shot = Shot(shots(10)[9].request, partial(read_image, tmp_path / "truth.png"))
    target = Target.of(tmp_path / "pair.png")
    render_view(Painter(), [shot], target, Look((0.0, 0.0, 0.0), difference=True), {})  # type: ignore[arg-type]
    picture = load_png(target.out)
    assert picture.shape == (HEIGHT, 3 * WIDTH, 3)
    row = picture[-1]
    assert row[0].tolist() == [128, 128, 128] and row[WIDTH].tolist() == [64, 64, 26]
    # Four times |0.25 - 0.502|, |0.25 - 0.502|, |0.1 - 0.502| are beyond white.
    assert row[2 * WIDTH].tolist() == [255, 255, 255]


@pytest.mark.parametrize("suffix", sorted(FORMATS))
def test_videos_hold_all_frames_in_their_colours(suffix: str, tmp_path: Path) -> None:
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")
    colours = [(200, 40, 40), (40, 200, 40), (40, 40, 200), (128, 128, 128), (250, 250, 250)]
    frames = [np.full((37, 51, 3), colour, np.uint8) for colour in colours]
    write_video(tmp_path / f"film{suffix}", frames, 12.5)
    reader = imageio_ffmpeg.read_frames(str(tmp_path / f"film{suffix}"))
    about = next(reader)
    # Odd sides are filled up to even ones.
    assert about["size"] == (52, 38) and about["fps"] == pytest.approx(12.5)
    found = [np.frombuffer(frame, np.uint8).reshape(38, 52, 3)[10, 10] for frame in reader]
    assert len(found) == len(colours)
    assert np.abs(np.array(found, int) - colours).max() <= 6


@pytest.mark.parametrize(("suffix", "decoder"), [(".mov", "prores"), (".webm", "libvpx-vp9")])
def test_videos_keep_transparency(suffix: str, decoder: str, tmp_path: Path) -> None:
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")
    frame = np.zeros((32, 48, 4), np.uint8)
    frame[:, :24] = 200, 40, 40, 255
    frame[:, 24:36] = 40, 40, 200, 128
    write_video(tmp_path / f"film{suffix}", [frame] * 3, 24.0)
    options = {"pix_fmt": "rgba", "bits_per_pixel": 32, "input_params": ["-c:v", decoder]}
    reader = imageio_ffmpeg.read_frames(str(tmp_path / f"film{suffix}"), **options)
    assert next(reader)["size"] == (48, 32)
    (*_, last) = reader
    found = np.frombuffer(last, np.uint8).reshape(32, 48, 4)[16].astype(int)
    assert np.abs(found[[8, 30, 44], 3] - [255, 128, 0]).max() <= 3
    assert np.abs(found[[8, 30], :3] - [[200, 40, 40], [40, 40, 200]]).max() <= 12


def test_an_interrupted_video_goes_on_and_then_clears_up(tmp_path: Path) -> None:
    pytest.importorskip("imageio_ffmpeg")
    target = Target.of(tmp_path / "film.mp4")
    black = Look((0.0, 0.0, 0.0))
    with pytest.raises(KeyboardInterrupt):
        render(Painter(patience=2), target, 4, black)
    assert not target.out.exists() and target.complete(2)
    painter = Painter()
    render(painter, target, 4, black)
    assert painter.drawn == [3.0, 4.0] and target.out.is_file() and not target.frames.exists()
    with pytest.raises(LiveHandError, match="cannot be transparent"):
        render(Painter(), Target.of(tmp_path / "clear.mp4"), 1)


def test_a_video_that_cannot_be_encoded_is_no_file(tmp_path: Path) -> None:
    pytest.importorskip("imageio_ffmpeg")
    with pytest.raises(LiveHandError, match=r"ffmpeg could not write film\.mp4"):
        write_video(tmp_path / "film.mp4", [np.zeros((30000, 4, 3), np.uint8)], 24.0)
    assert not list(tmp_path.iterdir())


def test_targets_by_name(tmp_path: Path) -> None:
    assert Target.of(tmp_path / "new").is_folder
    (tmp_path / "take.v2").mkdir()
    assert Target.of(tmp_path / "take.v2").is_folder
    with pytest.raises(LiveHandError, match=r"hand\.bmp"):
        Target.of(tmp_path / "hand.bmp")
    with pytest.raises(LiveHandError, match="Passes cannot be written"):
        Target.of(tmp_path / "hand.png", ("depth",))
    with pytest.raises(LiveHandError, match="no picture of the pass 'hair'"):
        Target.of(tmp_path / "seq", ("hair",))


def test_every_pass_has_a_picture_and_smaller_ones_are_filled_up() -> None:
    for name, channels in {"depth": 1, "normal": 3, "uvd": 3, "mask": 1, "rgba_low": 4}.items():
        nothing = np.full((4, 5, channels), np.inf if name == "depth" else 0.0, np.float32)
        picture = PASS_PICTURES[name][0](nothing)
        assert picture.shape[:2] == (4, 5) and not picture.any()
    picture = arranged([np.full((2, 2, 3), 9, np.uint8), np.full((3, 1, 3), 9, np.uint8)], 2, (1.0, 1.0, 1.0))
    assert picture.shape == (3, 4, 3) and picture[2, 0, 0] == 255 and picture[2, 2, 0] == 9
