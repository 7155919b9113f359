"""Gaussian splats: the harmonics, the file, the plain renderer, and ``livehand splats``."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from livehand_core import cli
from livehand_core.cameras import Camera
from livehand_core.errors import LiveHandError
from livehand_core.motion import write_motion
from livehand_core.poses import PoseSequence
from livehand_core.splats.cloud import Splats, basis, read_splats, write_splats
from livehand_core.splats.drawing import Shape, draw
from livehand_core.splats.kernels import BLUR
from livehand_core.workers import Workers
from tests.meshes.test_command import avatar
from tests.meshes.test_rigged import moving

__all__ = ["avatar"]

C0, C1 = 0.28209479177387814, 0.4886025119029199
"""What every reader of such files multiplies the first bands by."""


def splats(count: int = 5) -> Splats:
    random = np.random.default_rng(0)
    turns = random.normal(size=(count, 4))
    return Splats(
        random.normal(size=(count, 3)).astype(np.float32),
        random.normal(size=(count, 16, 3)).astype(np.float32),
        random.uniform(0.1, 0.9, count).astype(np.float32),
        random.uniform(0.01, 0.2, (count, 3)).astype(np.float32),
        (turns / np.linalg.norm(turns, axis=1, keepdims=True)).astype(np.float32),
    )


def test_the_harmonics_are_orthonormal_and_signed_as_usual() -> None:
    count = 200
    height, weights = np.polynomial.legendre.leggauss(count)
    angle = np.arange(2 * count) * math.pi / count
    ring = np.sqrt(1.0 - height**2)
    directions = np.stack(
        [
            ring[:, None] * np.cos(angle),
            ring[:, None] * np.sin(angle),
            np.broadcast_to(height[:, None], (count, 2 * count)),
        ],
        axis=-1,
    )
    values = basis(directions)
    product = np.einsum("hab,hac,h->bc", values, values, weights) * math.pi / count
    assert np.allclose(product, np.eye(16), atol=1e-10)
    assert np.allclose(basis(np.array([0.6, 0.0, 0.8]))[:4], [C0, 0.0, 0.8 * C1, -0.6 * C1])
    assert basis(np.array([0.0, 1.0, 0.0]))[1] == pytest.approx(-C1)


def test_a_file_comes_back_and_has_the_usual_properties(tmp_path: Path) -> None:
    cloud = splats()
    write_splats(tmp_path / "a.ply", cloud, "a test")
    content = (tmp_path / "a.ply").read_bytes()
    head, _, body = content.partition(b"end_header\n")
    assert b"format binary_little_endian 1.0\n" in head and b"element vertex 5\n" in head
    names = [line.split()[-1] for line in head.decode().splitlines() if line.startswith("property")]
    assert len(names) == 62 and names[6:10] == ["f_dc_0", "f_dc_1", "f_dc_2", "f_rest_0"]
    row = np.frombuffer(body, "<f4").reshape(5, 62)[0]
    value = dict(zip(names, row, strict=True))
    # All of one colour come before the next one's; opacity is a logit, scales are logarithms.
    assert value["f_rest_0"] == cloud.harmonics[0, 1, 0] and value["f_rest_15"] == cloud.harmonics[0, 1, 1]
    assert 1.0 / (1.0 + math.exp(-value["opacity"])) == pytest.approx(cloud.opacity[0], abs=1e-6)
    assert math.exp(value["scale_1"]) == pytest.approx(cloud.scales[0, 1], abs=1e-6)
    back = read_splats(tmp_path / "a.ply")
    for name, stored in vars(cloud).items():
        assert np.allclose(getattr(back, name), stored, atol=1e-6)
    (tmp_path / "b.ply").write_bytes(content[:-4])
    with pytest.raises(LiveHandError, match="usual layout"):
        read_splats(tmp_path / "b.ply")


def test_splats_are_drawn_as_their_formula_says() -> None:
    """One disc that faces the camera, and one behind it: a Gaussian of so many pixels, the nearer over the farther."""
    camera = Camera(41, 41, 400.0, 400.0, 20.5, 20.5, np.eye(4))
    harmonics = np.zeros((2, 16, 3), np.float32)
    harmonics[0, 0], harmonics[1, 0] = [0.5 / C0, -0.5 / C0, -0.5 / C0], [-0.5 / C0, 0.5 / C0, -0.5 / C0]
    places = np.array([[0.0, 0.0, 1.0], [0.0, 0.0, 2.0]], np.float32)
    turns = np.array([[1.0, 0.0, 0.0, 0.0]] * 2, np.float32)
    scales = np.array([[0.01, 0.005, 0.001], [0.03, 0.03, 0.001]], np.float32)
    cloud = Splats(places, harmonics, np.array([0.8, 0.9], np.float32), scales, turns)
    image = draw(Shape.of(cloud, 16), camera, Workers(1)).image
    pixels = np.arange(41) - 20.0
    off = np.stack(np.meshgrid(pixels, pixels), axis=-1)

    def shape(x: float, y: float, opacity: float) -> np.ndarray:
        alpha = opacity * np.exp(-0.5 * (off[..., 0] ** 2 / (x * x + BLUR) + off[..., 1] ** 2 / (y * y + BLUR)))
        return np.where(alpha < 1.0 / 255.0, 0.0, alpha)

    near, far = shape(4.0, 2.0, 0.8), shape(6.0, 6.0, 0.9)
    assert np.allclose(image[..., 0], near, atol=6e-3)
    assert np.allclose(image[..., 1], (1.0 - near) * far, atol=6e-3)
    assert np.allclose(image[..., 3], near + (1.0 - near) * far, atol=6e-3) and (image[..., 2] == 0.0).all()


def run(avatar: Path, out: Path, *words: object) -> int:
    line = [
        "splats",
        str(avatar),
        "--out",
        str(out),
        "--count",
        "1500",
        "--pictures",
        "5",
        "--size",
        "64",
        "--steps",
        "12",
    ]
    return cli.main([*line, "--threads", "1", *map(str, words)])


def test_a_pose_and_a_motion_become_files(avatar: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_motion(tmp_path / "take.npz", [PoseSequence(tuple(moving(2)), 12.0)])
    out = tmp_path / "take"
    assert run(avatar, out, "--motion", tmp_path / "take.npz") == 0
    told = capsys.readouterr().out
    assert told.count("dB in the hand's box") == 2
    assert float(told.split(" dB")[0].split()[-1]) > 15.0
    one, other = (read_splats(out / name).places for name in ("0001.ply", "0002.ply"))
    assert 800 < len(one) < 3000 and np.abs(one.mean(axis=0) - other.mean(axis=0)).max() > 1e-3
    # What is there stays; a frame that is missing is made.
    (out / "0002.ply").unlink()
    before = (out / "0001.ply").stat().st_mtime_ns
    assert run(avatar, out, "--motion", tmp_path / "take.npz") == 0
    assert (out / "0002.ply").exists() and (out / "0001.ply").stat().st_mtime_ns == before
    capsys.readouterr()
    for words, said in {
        ("--motion", tmp_path / "take.npz", "--light", "even"): "splats of something else",
        ("--pose", "fist"): "Name it .ply",
        ("--motion", tmp_path / "take.npz", "--count", "3"): "from 1000",
    }.items():
        assert run(avatar, out, *words) == 2
        assert said in capsys.readouterr().err
