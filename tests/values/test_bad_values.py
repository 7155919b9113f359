"""Values that cannot be drawn are refused where they are made, with the name of what is wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from livehand_core.cameras import Camera
from livehand_core.errors import CameraError, LiveHandError, PoseError
from livehand_core.frames import FrameRequest, HandInstance
from livehand_core.poses import HandPose

CAMERA = Camera(64, 48, 80.0, 80.0, 32.0, 24.0, np.eye(4))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e7, 1e300])
def test_the_joint_with_a_bad_angle_is_named(value: float) -> None:
    angles = np.zeros((15, 3))
    angles[1, 2] = angles[14, 0] = value
    with pytest.raises(PoseError, match=r"hand_pose .* at index2, thumb3") as caught:
        replace(HandPose.rest(), hand_pose=angles)
    assert caught.value.remedy


@pytest.mark.parametrize("name", ["global_orient", "betas", "transl"])
@pytest.mark.parametrize("value", [np.nan, -1e30])
def test_the_field_with_a_bad_value_is_named(name: str, value: float) -> None:
    values = np.array(getattr(HandPose.rest(), name))
    values[1] = value
    with pytest.raises(PoseError, match=rf"{name} .* at {name}\[1\]"):
        replace(HandPose.rest(), **{name: values})


@pytest.mark.parametrize("name", ["fx", "fy", "cx", "cy", "pixel_offset"])
def test_the_lens_with_a_bad_value_is_named(name: str) -> None:
    with pytest.raises(CameraError, match=f"not finite: {name}"):
        replace(CAMERA, **{name: np.nan})


def test_a_bad_camera_transform_is_named() -> None:
    matrix = np.eye(4)
    matrix[0, 3] = np.inf
    with pytest.raises(CameraError, match="not finite: camera_to_world"):
        replace(CAMERA, camera_to_world=matrix)
    with pytest.raises(CameraError, match=r"shape \(3, 4\)"):
        replace(CAMERA, camera_to_world=np.eye(4)[:3])


@pytest.mark.parametrize("size", [(0, 48), (64, 0), (-5, 7), (100_000, 48)])
def test_sizes_without_an_image_are_named(size: tuple[int, int]) -> None:
    with pytest.raises(CameraError, match=f"{size[0]} x {size[1]}"):
        replace(CAMERA, width=size[0], height=size[1])


@pytest.mark.parametrize("scale", [0.0, -1.0, np.nan, np.inf])
def test_scales_without_a_size_are_named(scale: float) -> None:
    with pytest.raises(LiveHandError, match=f"scale {scale}"):
        FrameRequest(CAMERA, (HandInstance(HandPose.rest(), scale=scale),))
