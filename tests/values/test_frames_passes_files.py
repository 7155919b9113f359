"""Frame requests, colour conversion and atomic writing."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest

from livehand_core.cameras import Camera
from livehand_core.errors import LiveHandError
from livehand_core.files import atomic_path
from livehand_core.frames import FrameRequest, HandInstance
from livehand_core.passes import linear_to_srgb, premultiplied_srgb_to_linear, srgb_to_linear
from livehand_core.poses import HandPose

CAMERA = Camera(32, 16, 40.0, 40.0, 16.0, 8.0, np.eye(4))


def test_request_json_round_trip() -> None:
    request = FrameRequest(CAMERA, (HandInstance(HandPose.rest("left"), "a.safetensors", 2.0, 3),), ("rgba", "depth"))
    assert FrameRequest.from_json(request.to_json()).to_json() == request.to_json()


def test_bad_requests_are_named() -> None:
    with pytest.raises(LiveHandError, match="'gloss' is unknown"):
        FrameRequest(CAMERA, (), ("gloss",))
    with pytest.raises(LiveHandError, match=r"scale -1\.0"):
        FrameRequest(CAMERA, (HandInstance(HandPose.rest(), scale=-1.0),))
    with pytest.raises(LiveHandError, match="incomplete"):
        FrameRequest.from_json({"hands": []})


def test_srgb_known_values_and_inverse() -> None:
    values = np.linspace(0.0, 1.0, 101, dtype=np.float32)
    np.testing.assert_allclose(linear_to_srgb(srgb_to_linear(values)), values, atol=1e-6)
    np.testing.assert_allclose(srgb_to_linear(np.array([0.0, 0.5, 1.0])), [0.0, 0.21404114, 1.0], atol=1e-6)


def test_premultiplied_colour_keeps_its_straight_colour() -> None:
    straight, alpha = np.array([0.8, 0.4, 0.2]), 0.25
    result = premultiplied_srgb_to_linear(np.array([*(straight * alpha), alpha], dtype=np.float32))
    np.testing.assert_allclose(result[:3] / alpha, srgb_to_linear(straight), atol=1e-5)
    assert result[3] == alpha


def test_atomic_path_keeps_the_old_file_when_writing_fails(tmp_path: Path) -> None:
    target = tmp_path / "thing.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(target) as temporary:
        temporary.write_text("half of the new")
        raise RuntimeError
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]
    with atomic_path(target) as temporary:
        assert temporary.suffix == ".txt"
        temporary.write_text("new")
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


def test_a_full_disk_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(LiveHandError, match="disk is full while writing"), atomic_path(tmp_path / "x.bin"):
        raise OSError(errno.ENOSPC, "No space left on device")
