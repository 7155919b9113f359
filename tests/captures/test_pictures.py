"""Pictures and masks as other programs write them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from livehand_core.captures.capture import Capture
from livehand_core.captures.checks import find_problems
from livehand_core.captures.images import open_mask, read_image, read_rgba8

from . import sound


@pytest.fixture
def capture(tmp_path: Path) -> Capture:
    return sound.make(tmp_path, 1)


def keyed(picture: Image.Image, path: Path) -> None:
    plain = Image.new("RGB", picture.size, (255, 0, 255))
    plain.paste(picture.convert("RGB"), mask=picture.getchannel("A"))
    plain.save(path, transparency=(255, 0, 255))


def turned(orientation: int, way: Image.Transpose) -> Callable[[Image.Image, Path], None]:
    def save(picture: Image.Image, path: Path) -> None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        picture.transpose(way).save(path, exif=exif)

    return save


@pytest.mark.parametrize(
    "save",
    [
        lambda picture, path: picture.quantize(16).save(path),
        keyed,
        lambda picture, path: picture.convert("LA").save(path),
        turned(3, Image.Transpose.ROTATE_180),
        turned(6, Image.Transpose.ROTATE_90),
        turned(8, Image.Transpose.ROTATE_270),
        turned(5, Image.Transpose.TRANSPOSE),
    ],
)
def test_alpha_is_found_and_pictures_stand_upright(capture: Capture, save: Callable[[Image.Image, Path], None]) -> None:
    frame = capture.frames[0]
    before = capture.image(frame)
    with Image.open(capture.path(frame)) as picture:
        picture.load()
        save(picture, capture.path(frame))
    found = find_problems(capture.folder)
    assert not found.problems
    np.testing.assert_array_equal(found.capture.image(frame)[..., 3] > 0.5, before[..., 3] > 0.5)


def with_masks(capture: Capture, save: Callable[[Image.Image, Path], None]) -> None:
    for number, frame in enumerate(capture.frames):
        with Image.open(capture.path(frame)) as picture:
            picture.convert("RGB").save(capture.path(frame).with_suffix(".jpg"), quality=95)
            save(picture.getchannel("A"), capture.folder / f"mask{number}.png")
        capture.path(frame).unlink()
    content = sound.document(capture.folder)
    for number, entry in enumerate(content["frames"]):
        entry.update(file_path=entry["file_path"].replace(".png", ".jpg"), mask_path=f"mask{number}.png")
    sound.edit(capture.folder, lambda d: d.update(content))


def red(mask: Image.Image, path: Path) -> None:
    Image.merge("RGB", (mask, *[mask.point([0] * 256)] * 2)).save(path)


@pytest.mark.parametrize(
    "save",
    [
        lambda mask, path: mask.save(path),
        lambda mask, path: mask.convert("1").save(path),
        lambda mask, path: Image.merge("RGBA", (*[mask.point([255] * 256)] * 3, mask)).save(path),
        lambda mask, path: Image.fromarray(np.asarray(mask).astype(np.uint16) * 257).save(path),
        lambda mask, path: mask.quantize(2).save(path),
        red,
    ],
)
def test_a_jpeg_with_a_mask_beside(capture: Capture, save: Callable[[Image.Image, Path], None]) -> None:
    before = [capture.image(frame)[..., 3] > 0.5 for frame in capture.frames]
    with_masks(capture, save)
    found = find_problems(capture.folder)
    assert not found.problems
    for frame, solid in zip(found.capture.frames, before, strict=True):
        np.testing.assert_array_equal(found.capture.image(frame)[..., 3] > 0.5, solid)


def test_masks_that_are_missing_or_of_another_size(capture: Capture) -> None:
    with_masks(capture, lambda mask, path: mask.save(path))
    (capture.folder / "mask0.png").unlink()
    Image.new("L", (5, 5)).save(capture.folder / "mask1.png")
    found = find_problems(capture.folder)
    assert "mask0.png is missing" in sound.said(found) and "mask1.png is 5 x 5 pixels" in sound.said(found)
    assert len(found.problems) == 2 and len(found.capture.frames) == 1


def test_a_picture_that_lies_while_its_camera_stands(capture: Capture) -> None:
    """The camera's size is that of the pixels as stored, not as shown: nobody can tell which is meant."""
    path = capture.path(capture.frames[0])
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(path) as picture:
        picture.load()
        picture.save(path, exif=exif)
    assert "128 x 96 pixels, its camera says 96 x 128" in sound.said(find_problems(capture.folder))


def test_sixteen_bits_keep_their_values(tmp_path: Path) -> None:
    grey = np.linspace(0, 65535, 24).astype(np.uint16).reshape(4, 6)
    Image.fromarray(grey).save(tmp_path / "a.png")
    np.testing.assert_array_equal(np.asarray(open_mask(tmp_path / "a.png")), grey >> 8)
    np.testing.assert_array_equal(read_rgba8(tmp_path / "a.png", tmp_path / "a.png")[..., 3], grey >> 8)


def test_a_masks_alpha_and_its_pictures_alpha_both_count(tmp_path: Path) -> None:
    picture = np.full((2, 2, 4), 255, np.uint8)
    picture[0, 0, 3] = 0
    mask = np.array([[255, 255], [255, 0]], np.uint8)
    Image.fromarray(picture).save(tmp_path / "p.png")
    Image.fromarray(mask).save(tmp_path / "m.png")
    np.testing.assert_array_equal(read_image(tmp_path / "p.png", tmp_path / "m.png")[..., 3], [[0, 1], [1, 0]])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names are Unix's")
def test_a_pipe_in_place_of_a_picture_is_not_waited_for(capture: Capture) -> None:
    path = capture.path(capture.frames[0])
    path.unlink()
    os.mkfifo(path)
    assert len(find_problems(capture.folder).problems) == 1
