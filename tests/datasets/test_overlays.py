"""The overlays of a prepared data set: outlines lie where the hands are, whatever part of the pictures is kept."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import binary_erosion, distance_transform_edt

from livehand_core.captures.capture import read_capture
from livehand_core.captures.lens import Lens
from livehand_core.cli import main
from livehand_core.datasets.report import GAP, TILE, CloseUp
from tests.datasets import layouts
from tests.datasets.hands_world import make_world, save


def sheet(capture: Path) -> np.ndarray:
    return np.asarray(Image.open(capture / "overlays.png").convert("RGB"))


def run(source: Path, capture: Path, *options: str) -> int:
    return main(["dataset", "interhand", str(source), str(capture), "--no-refine", *options])


def test_outlines_lie_around_the_hands(tmp_path: Path) -> None:
    world, source = make_world(), tmp_path / "interhand"
    layouts.interhand(source, world)
    assert run(source, tmp_path / "whole") == run(source, tmp_path / "cut", "--crop") == 0
    whole, cut = sheet(tmp_path / "whole"), sheet(tmp_path / "cut")
    assert whole.shape == (3 * (TILE + GAP) + GAP, 3 * (TILE + GAP) + GAP, 3)
    assert np.abs(whole.astype(float) - cut).mean() < 1.0
    capture = read_capture(tmp_path / "cut")
    for index in range(3):
        for row, name in enumerate(sorted(world.cameras)):
            place, truth = tmp_path / "truth.png", world.image(index, name)[1]
            save(place, np.repeat(truth[..., None] * np.uint8(255), 3, axis=2))
            close = CloseUp.of(place, Lens(), world.cameras[name], capture.poses.poses[index], "mano")
            solid = close.tile[..., 0] >= 128
            away = distance_transform_edt(~(solid & ~binary_erosion(solid)))
            y, x = GAP + row * (TILE + GAP), GAP + index * (TILE + GAP)
            outline = (cut[y : y + TILE, x : x + TILE] > 200).all(axis=2)
            assert outline.sum() > 200 and np.mean(away[outline] < 2.0 * close.scale) > 0.9
    page = (tmp_path / "cut" / "report.html").read_text(encoding="utf-8")
    assert "overlap of hand and mask" in page and "InterHand2.6M" in page and str(tmp_path) not in page


def test_a_close_up_is_freed_of_the_lens(tmp_path: Path) -> None:
    world = make_world()
    camera, hand, lens = world.cameras["0"], world.poses[0], Lens((0.3, 0.0, 0.0, 0.0, 0.0, 0.0))
    joint = world.joints(0)[9]
    straight = camera.project(joint[None])[0][0]
    x, y = (straight - (camera.cx, camera.cy)) / (camera.fx, camera.fy)
    drawn = np.array(lens.distort(np.array([x]), np.array([y])))[:, 0] * (camera.fx, camera.fy) + (camera.cx, camera.cy)
    rows, columns = np.mgrid[: camera.height, : camera.width] + 0.5
    dot = 255.0 * np.exp(-((columns - drawn[0]) ** 2 + (rows - drawn[1]) ** 2) / 8.0)
    save(tmp_path / "dot.png", np.repeat(dot.astype(np.uint8)[..., None], 3, axis=2))
    close = CloseUp.of(tmp_path / "dot.png", lens, camera, hand, "mano")
    weights = close.tile[..., 0].astype(float)
    rows, columns = np.mgrid[:TILE, :TILE] + 0.5
    found = np.array([(weights * columns).sum(), (weights * rows).sum()]) / weights.sum()
    assert np.abs(found - (straight * close.scale + close.shift)).max() < 0.5


def test_a_data_set_that_has_gone_costs_only_its_overlays(tmp_path: Path) -> None:
    source, capture = tmp_path / "interhand", tmp_path / "capture"
    layouts.interhand(source, make_world())
    assert run(source, capture) == 0
    for image in (source / "images").rglob("*.jpg"):
        image.unlink()
    # As a version before overlays left them.
    path = min((capture / "parts").glob("*.json"))
    part = json.loads(path.read_text())
    for frame in part["frames"]:
        del frame["whole"], frame["lens"]
    path.write_text(json.dumps(part))
    assert run(source, capture, "--merge") == 0
    assert len(read_capture(capture).frames) == 9 and sheet(capture).max() < 40
