"""A part that was captured in many lights: it trains as one that answers to light, and is drawn in the scene's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from livehand_core import cli
from livehand_core.avatars import load_avatar
from livehand_core.cameras import Camera
from livehand_core.captures.capture import Capture, write_capture
from livehand_core.captures.images import write_image
from livehand_core.captures.light_part import CaptureLight
from livehand_core.frames import FrameRequest, HandInstance
from livehand_core.lights import Lamp, Light
from livehand_core.poses import HandPose
from livehand_core.rendering import Renderer
from tests.parts.conftest import make_capture

LIGHTS = (
    Light.uniform((1.0, 1.0, 1.0)),
    Light.uniform((0.3, 0.3, 0.9), (Lamp((2.0, 1.6, 1.0), direction=(0.0, 1.0, 0.2), size=0.2),)),
)


def lit(capture: Capture) -> Capture:
    """The same pictures, every second one in another light and tinted by it."""
    frames = []
    for number, frame in enumerate(capture.frames):
        which = number % 2
        if which:
            picture = capture.image(frame)
            picture[..., :3] *= np.array([0.8, 0.7, 1.0], picture.dtype)
            write_image(capture.path(frame), picture)
        frames.append(replace(frame, light=which, exposure=0.0))
    lights = tuple(CaptureLight(light, "studio") for light in LIGHTS)
    answer = replace(capture, frames=tuple(frames), lights=lights)
    write_capture(answer)
    return answer


def test_a_part_trains_in_many_lights_and_is_drawn_in_the_scenes(
    part: object, tmp_path: Path, poses: Callable[..., list[HandPose]], camera: Callable[..., Camera]
) -> None:
    capture = lit(make_capture(tmp_path / "capture", part, 4, 3))  # type: ignore[arg-type]
    settings = [
        "hidden=[16,16]", "width=32", "view_width=32", "ray_steps=20", "texture_sizes=[32]", "coarse_part=0.5",
        "detail_size=32",
    ]  # fmt: skip
    given = [word for setting in settings for word in ("--set", setting)]
    run = tmp_path / "run"
    assert cli.main(["train", str(capture.folder), "--out", str(run), "--steps", "12", "--device", "cpu", *given]) == 0
    avatar = load_avatar(run / "avatar.safetensors")
    assert avatar.metadata.light == "scene_light" and avatar.metadata.joint_names[0] == "leg"

    (pose,) = poses(1)

    def drawn(light: Light | None, **how: str) -> np.ndarray:
        hand = (HandInstance(pose, "foot"),)
        renderer = Renderer("cpu", avatars={"foot": avatar}, threads=1, **how)  # type: ignore[arg-type]
        return np.array(renderer.render(FrameRequest(camera(0.7), hand, light=light))["rgba"])

    red, blue = (drawn(Light.uniform(colour)) for colour in ((1.0, 0.2, 0.2), (0.2, 0.2, 1.0)))
    seen = red[..., 3] > 0.5
    assert seen.mean() > 0.03
    assert red[seen][:, 0].mean() > 2.0 * blue[seen][:, 0].mean() > 0.0
    assert blue[seen][:, 2].mean() > 2.0 * red[seen][:, 2].mean() > 0.0
    # Darkness is dark, and the kernels draw what the reference draws.
    assert drawn(Light.uniform((0.0, 0.0, 0.0)))[..., :3].max() < 0.02
    exact, torchy = drawn(LIGHTS[1], precision="exact"), drawn(LIGHTS[1], kernels="torch")
    assert (np.abs(exact - torchy).max(axis=-1) > 5e-3).mean() < 0.002
