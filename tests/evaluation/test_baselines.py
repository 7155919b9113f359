"""``livehand evaluate --baselines``: each method learns the small capture, the table, going on, bad input."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from livehand_core import cli
from livehand_core.captures.capture import Capture, CaptureFrame
from livehand_core.evaluation.baselines import command, image_to_image, world_nerf
from livehand_core.evaluation.baselines.image_to_image import ImageToImage
from livehand_core.evaluation.baselines.method import train
from livehand_core.evaluation.baselines.textured_mesh import TexturedMesh
from livehand_core.evaluation.baselines.world_nerf import WorldNerf
from livehand_core.evaluation.metrics import psnr
from livehand_core.hand.library import find_hand


def parts(capture: Capture) -> tuple:
    return capture, capture.frames_of("train"), find_hand(capture.hand_model, "right"), 0


def error(baseline, frame: CaptureFrame) -> float:
    image, truth = baseline.draw(frame), baseline.capture.image(frame)
    assert image.shape == truth.shape and image.dtype == np.float32
    return psnr(image[..., :3], truth[..., :3])


def steps(baseline, count: int) -> None:
    for number in range(count):
        baseline.step(number / count)


def test_the_textured_mesh_shows_what_the_pictures_showed(capture: Capture) -> None:
    mesh = TexturedMesh(*parts(capture))
    while mesh.step(0.0):
        pass
    assert not mesh.step(0.0)
    (held_out,) = capture.frames_of("both")
    # Black scores 14 dB.
    assert error(mesh, capture.frames_of("train")[0]) > 25.0 and error(mesh, held_out) > 20.0
    again = TexturedMesh(*parts(capture))
    again.load(mesh.state())
    assert np.array_equal(again.texture, mesh.texture)


def test_the_networks_learn_and_their_checkpoints_go_on(
    capture: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_to_image, "WIDTHS", (8, 12))
    monkeypatch.setattr(image_to_image, "RATE", 1e-2)
    monkeypatch.setattr(world_nerf, "SIZES", replace(world_nerf.SIZES, depth=2, width=32, view_width=16))
    for name, value in (("COARSE", 6), ("FINE", 4), ("RATE", 1e-2)):
        monkeypatch.setattr(world_nerf, name, value)
    mesh = TexturedMesh(*parts(capture))
    mesh.step(0.0)
    frame = capture.frames_of("train")[0]
    for make in (lambda: ImageToImage(*parts(capture), mesh), lambda: WorldNerf(*parts(capture))):
        learner = make()
        before = error(learner, frame)
        steps(learner, 20)
        assert error(learner, frame) > before + 1.0
        path = tmp_path / f"{learner.name}.pt"
        # Stopped at once: what it knows is kept.
        assert train(learner, path, 1.0, lambda: True, lambda *told: None) is None
        again = make()
        assert train(again, path, 1.0, lambda: True, lambda *told: None) is None
        assert np.array_equal(again.draw(frame), learner.draw(frame))


def evaluate(capture: Capture, out: Path, *words: str) -> int:
    line = ["evaluate", "default", str(capture.folder), "--out", str(out), "--limit", "1", "--minutes", "0.02"]
    return cli.main([*line, "--baselines", *words])


def test_the_command_trains_measures_and_goes_on(
    capture: Capture, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert evaluate(capture, tmp_path, "textured_mesh", "given") == 0
    told = capsys.readouterr().out
    assert "| textured proxy mesh |" in told and "| the avatar given |" in told
    record = json.loads((tmp_path / "baselines" / "baselines.json").read_text())
    figures = {name: method["splits"]["both"]["hand_box/psnr"] for name, method in record["methods"].items()}
    # The truth of this capture is that avatar's own picture.
    assert figures["given"] > 40.0 > figures["textured_mesh"] > 12.0
    with Image.open(tmp_path / "baselines" / "baselines.png") as sheet:
        pixels = np.asarray(sheet.convert("RGB"), np.int32)
    # Three columns: truth, mesh, avatar; the first and the last show the same.
    assert str(tmp_path / "baselines" / "baselines.png") in told and pixels.shape[0] > 300
    first, last = (
        np.asarray(Image.open(tmp_path / "baselines" / "pictures" / f"{name}_0.png"), np.int32)
        for name in ("truth", "given")
    )
    assert np.abs(first - last).mean() < 2.0
    monkeypatch.setattr(command, "_measured", None)
    assert evaluate(capture, tmp_path, "textured_mesh", "given") == 0
    assert capsys.readouterr().out == told


def test_what_cannot_be_compared_is_refused(
    capture: Capture, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "baselines"
    folder.mkdir()
    (folder / "baselines.json").write_text(json.dumps({"capture": "another"}))
    assert evaluate(capture, tmp_path, "textured_mesh") == 2
    assert "compares with another capture" in capsys.readouterr().err
    (folder / "baselines.json").unlink()
    (folder / "textured_mesh.pt").write_bytes(b"rubbish")
    assert evaluate(capture, tmp_path, "textured_mesh") == 2
    assert "Delete it" in capsys.readouterr().err
    assert evaluate(capture, tmp_path, "textured_mesh", "--minutes", "0") == 2
    assert "--minutes above 0" in capsys.readouterr().err
    two = str(capture.folder)
    assert cli.main(["evaluate", "default", two, two, "--out", str(tmp_path), "--baselines", "given"]) == 2
    assert "Give one" in capsys.readouterr().err
