"""The lights of a capture: kept, told wrong, joined, drawn for a plan, and held out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from livehand_core import cli
from livehand_core.captures.capture import Capture, CaptureFrame, read_capture, write_capture
from livehand_core.captures.checks import find_problems
from livehand_core.captures.images import write_image
from livehand_core.captures.joined import join_captures
from livehand_core.captures.light_part import (
    Brightness,
    CaptureLight,
    brightness_of_hand,
    level,
    unusual_brightness,
)
from livehand_core.captures.lighting import (
    HELD_OUT,
    LIGHTS_A_TEST,
    Lighting,
    light_shots,
    lit_tests,
    moved_lights,
    sky,
)
from livehand_core.captures.plan import Rig
from livehand_core.captures.shooting import Shooting, Shot
from livehand_core.lights import Lamp, Light
from livehand_core.panoramas import directions, panorama_light, resized, turned
from livehand_core.passes import linear_to_srgb
from livehand_core.poses import HandPose
from livehand_core.rotations import axis_angle_to_matrix

from .sound import edit, make, view

STUDIO = Light.uniform((0.5, 0.5, 0.5), (Lamp((1.0, 1.0, 1.0), direction=(0.0, -1.0, 0.0), size=0.4),))
CENTRE = np.array([-0.085, 0.0, 0.008])


@pytest.fixture
def lit(tmp_path: Path) -> Capture:
    """A sound capture of nine pictures in three lights, each as bright as its light makes it."""
    made = make(tmp_path)
    lights = (
        CaptureLight(STUDIO, "studio"),
        CaptureLight(STUDIO.scaled(8.0), "lamps"),
        CaptureLight(Light.uniform((2.0, 1.0, 0.5)), "hard sun"),
    )
    frames = []
    for number, frame in enumerate(made.frames):
        which = number % 3
        picture, exposure = made.image(frame), [0.0, -3.0, -1.0][which]
        light = lights[which].light.scaled(2.0**exposure)
        shown = light.irradiance(CENTRE, frame.camera.camera_to_world[:3, 2] * -1.0) / np.pi * 0.4
        picture[..., :3] = linear_to_srgb(np.minimum(shown, 1.0)) * picture[..., 3:]
        write_image(made.path(frame), picture)
        frames.append(replace(frame, light=which, exposure=exposure))
    answer = replace(made, frames=tuple(frames), lights=lights, held_out_lights=frozenset({2}))
    write_capture(answer)
    return answer


def test_lights_are_kept(lit: Capture) -> None:
    found = find_problems(lit.folder)
    assert not found.problems
    again = found.capture
    assert [light.kind for light in again.lights] == ["studio", "lamps", "hard sun"]
    assert again.held_out_lights == {2}
    for frame, before in zip(again.frames, lit.frames, strict=True):
        told, meant = again.light(frame), lit.light(before)
        assert told is not None and meant is not None and frame.exposure == before.exposure
        np.testing.assert_allclose(told.light.harmonics, meant.light.harmonics, rtol=1e-5)
        colours = [[lamp.colour for lamp in light.lamps] for light in (told.light, meant.light)]
        np.testing.assert_allclose(*colours, rtol=1e-5)


def test_a_held_out_light_is_never_trained_in(lit: Capture) -> None:
    splits = {frame.image: lit.split(frame) for frame in lit.frames}
    kept = {frame.image for frame in lit.frames if frame.light == 2}
    assert {splits[image] for image in kept} == {"light", "relight"}
    assert not any(split in ("light", "relight") for image, split in splits.items() if image not in kept)
    relight = [frame for frame in lit.frames if splits[frame.image] == "relight"]
    assert all(frame.pose in lit.held_out_poses and frame.camera_name in lit.held_out_cameras for frame in relight)


def test_captures_without_lights_are_as_they_were(tmp_path: Path) -> None:
    made = make(tmp_path)
    assert "lights" not in json.loads((tmp_path / "transforms.json").read_text())["livehand"]
    assert read_capture(tmp_path).lights == () and all(made.light(frame) is None for frame in made.frames)


def test_one_light_is_every_pictures(lit: Capture) -> None:
    def change(document: dict[str, Any]) -> None:
        del document["livehand"]["lights"][1:], document["livehand"]["held_out_lights"]
        for frame in document["frames"]:
            del frame["light"]
            frame["exposure"] = 0.0

    found = edit(lit.folder, change)
    assert all(frame.light == 0 for frame in found.capture.frames)


@pytest.mark.parametrize(
    ("change", "place", "reason"),
    [
        (lambda d: d["frames"][0].pop("light"), "frame 0", "lacks 'light', and the capture tells of 3 lights"),
        (lambda d: d["frames"][0].update(light=7), "frame 0", "light 7 of 3 lights"),
        (lambda d: d["frames"][0].update(light=1.5), "frame 0", "not a whole number"),
        (lambda d: d["frames"][0].update(exposure=99), "frame 0", "exposure is 99 stops"),
        (lambda d: d["frames"][0].update(exposure="bright"), "frame 0", "not a finite number"),
        (lambda d: d["frames"][0].update(exposer=1), "frames", "is 'exposure' meant?"),
        (lambda d: d["livehand"]["held_out_lights"].append(9), "held_out_lights", "light 9 of 3 lights"),
        (lambda d: d["livehand"]["lights"][1].update(lamp=[]), "light 1", "'lamp' is unknown"),
        (lambda d: d["livehand"]["lights"][1].update(harmonics=[[0, 0, 0]]), "light 1", "shape"),
        (lambda d: d["livehand"]["lights"][0]["lamps"][0].update(colour=[-1, 0, 0]), "light 0", "colour"),
        (lambda d: d["livehand"]["lights"].__setitem__(1, {}), "light 1", "it is dark"),
        (lambda d: d["livehand"]["lights"].__setitem__(1, "sun"), "light 1", "no object"),
        (lambda d: d["livehand"].update(light=[]), "livehand", "is 'lights' meant?"),
    ],
)
def test_lights_that_are_missing_or_wrong_are_named(lit: Capture, change: Any, place: str, reason: str) -> None:
    found = edit(lit.folder, change)
    assert any(place in str(problem.place) and reason in problem.reason for problem in found.problems), found.problems
    # A frame of a light that cannot be used cannot be used.
    if place.startswith("light "):
        number = int(place[-1])
        assert not any(frame.light == number for frame in found.capture.frames)


def test_a_picture_that_another_light_took_is_named(lit: Capture) -> None:
    def change(document: dict[str, Any]) -> None:
        for frame in document["frames"][1:2]:
            frame["light"] = 0

    found = edit(lit.folder, change)
    (problem,) = found.problems
    assert problem.place == lit.frames[1].image
    assert "8 times brighter than light and exposure make the others" in problem.reason


def test_a_hand_that_faces_a_low_sun_behind_it_is_not_too_bright() -> None:
    point, eye, albedo = np.zeros(3), np.array([0.0, 0.0, 0.7]), 0.4

    def hand(light: Light, normal: tuple[float, float, float], times: float = 1.0) -> Brightness | None:
        shown = times * albedo / np.pi * light.irradiance(point, np.array(normal))
        return brightness_of_hand(np.tile(linear_to_srgb(shown), (9, 1)), light, point, eye, 0.0)

    even = Light.uniform((0.5, 0.5, 0.5))
    low = Light.uniform((0.02, 0.02, 0.02), [Lamp((2.0, 2.0, 2.0), direction=(0.95, 0.0, -0.31), size=0.1)])
    usual = [hand(even, (0.0, 0.0, 1.0))] * 4
    facing, away = hand(low, (0.98, 0.0, 0.2)), hand(low, (-0.5, 0.0, 0.8))
    assert facing is not None and facing.mean - usual[0].mean > 2.0  # type: ignore[union-attr]
    assert unusual_brightness([*usual, facing, away]) == {}
    wrong = unusual_brightness([*usual, hand(low, (0.98, 0.0, 0.2), 8.0), hand(low, (-0.5, 0.0, 0.8), 0.1)])
    assert ["brighter" in wrong[4], "darker" in wrong[5]] == [True, True]


def test_check_command_tells_of_lights(lit: Capture, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", str(lit.folder)]) == 0
    assert "3 lights" in capsys.readouterr().out


def test_training_in_one_light_refuses_many(lit: Capture, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", str(lit.folder), "--out", str(tmp_path / "run"), "--steps", "1", "--licence", "CC0-1.0"]
    assert cli.main([*words, "--set", "light=as_trained"]) != 0
    assert "in 2 lights" in capsys.readouterr().err


def test_lights_are_joined(lit: Capture, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = make(tmp_path_factory.mktemp("other"))
    joined = join_captures([other, lit, replace(lit, folder=tmp_path_factory.mktemp("third"))])
    assert len(joined.lights) == 6 and joined.held_out_lights == {2, 5}
    told = [frame.light for frame in joined.frames]
    assert told == [None] * 9 + [0, 1, 2] * 3 + [3, 4, 5] * 3


def plan_of(poses: int = 6, cameras: int = 6) -> Shooting:
    names = tuple(f"cam{number}" for number in range(cameras))
    rig = Rig(names, tuple(view(0.3 * number) for number in range(cameras)), frozenset(names[-2:]))
    order = [Shot(pose, camera) for pose in range(poses) for camera in range(cameras)]
    return Shooting(rig, (HandPose.rest(),) * poses, frozenset({poses - 1, poses - 2}), tuple(order), "m")


def test_each_training_picture_has_a_light_of_its_own_and_tests_have_others() -> None:
    plan, lights = light_shots(plan_of(), STUDIO, CENTRE, 0)
    training = [shot for shot in plan.order if not plan.is_test(shot)]
    assert len(training) == 16 and not any(shot.light in plan.held_out_lights for shot in training)
    own = [shot.light for shot in training if shot.light]
    assert len(set(own)) == len(own)
    relight = [shot for shot in plan.order if shot.light in plan.held_out_lights]
    grid = [shot for shot in plan.order if shot.pose >= 4 and shot.camera >= 4]
    assert len(relight) == LIGHTS_A_TEST * 4 and len(grid) == lit_tests(4)
    assert all(shot in grid for shot in relight)
    assert {lights[shot.light].kind for shot in relight if shot.light is not None} == set(HELD_OUT)
    assert len({plan.image(*shot) for shot in plan.order}) == len(plan.order)
    # The same plan again goes on with the same pictures; another seed is another capture.
    assert light_shots(plan_of(), STUDIO, CENTRE, 0)[0].fingerprint() == plan.fingerprint()
    assert light_shots(plan_of(), STUDIO, CENTRE, 1)[0].fingerprint() != plan.fingerprint()
    # Any first part has both.
    assert any(plan.is_test(shot) for shot in plan.order[:8]) and any(not plan.is_test(shot) for shot in plan.order[:8])


def test_a_plan_in_one_light_tells_of_it_and_goes_on_where_it_was(tmp_path: Path) -> None:
    plan = plan_of()
    told = replace(plan, lights=(CaptureLight(STUDIO, "studio"),))
    assert told.fingerprint() == plan.fingerprint(), "captures that were begun before go on"
    for pose in range(2):
        write_image(tmp_path / told.image(pose, 0), np.ones((128, 96, 4), np.float32))
    assert told.write_documents(tmp_path) == 2
    capture = read_capture(tmp_path)
    assert [frame.light for frame in capture.frames] == [0, 0] and not capture.held_out_lights
    assert capture.split(capture.frames[0]) == "train"


def test_pictures_are_exposed_for_their_light() -> None:
    plan, lights = light_shots(plan_of(), STUDIO, CENTRE, 3)
    shown = [level(lighting.light, CENTRE) * 2.0**stops for lighting, stops in zip(lights, plan.exposures, strict=True)]
    stops = np.log2(np.array(shown) / level(STUDIO, CENTRE))
    assert plan.exposures[0] == 0.0 and np.abs(stops).max() < 0.31
    assert np.ptp([level(lighting.light, CENTRE) for lighting in lights]) > 0.2


def test_what_is_shown_is_what_is_told() -> None:
    _, lights = light_shots(plan_of(), STUDIO, CENTRE, 5, [np.random.default_rng(0).uniform(0, 9, (32, 64, 3))])
    assert {"hdri", "lamps", "sky", "hard sun", "soft lamps"} <= {lighting.kind for lighting in lights}
    for lighting in lights[1:]:
        assert lighting.panorama is not None
        shown = panorama_light(lighting.panorama, suns=0) + Light(lamps=lighting.lamps)
        np.testing.assert_allclose(shown.ambient(CENTRE), lighting.light.ambient(CENTRE), rtol=1e-3)


def test_lights_turn_with_the_wrist() -> None:
    plan, lights = light_shots(plan_of(), STUDIO, CENTRE, 0)
    rotation, place = axis_angle_to_matrix(np.array([0.3, 1.0, -0.4])), np.array([1.0, 2.0, 3.0])
    moved, shown = moved_lights(plan, lights, rotation, place)
    normals = np.random.default_rng(0).normal(size=(5, 3))
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    for before, after, told in zip(lights, shown, moved.lights, strict=True):
        expected = before.light.irradiance(CENTRE, normals)
        found = told.light.irradiance(rotation @ CENTRE + place, normals @ rotation.T)
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(after.turn, rotation)


def test_panoramas_keep_their_light_when_they_shrink_and_turn() -> None:
    panorama = sky(np.random.default_rng(2))
    fine = np.repeat(np.repeat(panorama, 7, axis=0), 7, axis=1)
    np.testing.assert_allclose(resized(fine, 32), panorama)
    rotation = axis_angle_to_matrix(np.array([0.0, 0.0, np.pi / 2]))
    np.testing.assert_allclose(turned(directions(64, 128), rotation) @ rotation.T, directions(64, 128), atol=0.05)


def test_frames_know_their_lighting() -> None:
    lighting = Lighting(STUDIO, "studio", None, STUDIO.lamps)
    assert lighting.moved(np.eye(3), np.zeros(3)).light.lamps == STUDIO.lamps
    assert CaptureFrame("a.png", view(0.0), "a", 0).light is None
