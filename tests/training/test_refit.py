"""Poses that nobody trained on: foretold by corrections of those like them, and fitted through a finished avatar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from livehand_core.avatars import Avatar
from livehand_core.captures.capture import Capture, write_capture
from livehand_core.captures.images import write_image
from livehand_core.errors import AvatarError
from livehand_core.hand.data import HandData
from livehand_core.hand.skinning import pose_vertices
from livehand_core.lights import Light
from livehand_core.networks.config import LIT_CHANNELS
from livehand_core.poses import HandPose, PoseSequence
from livehand_core.training import refinement, refit
from livehand_core.training.pose_rows import numbers_of
from livehand_core.training.refined import ALIKE, carried_over, refined_capture
from tests.training.test_personalise import family, rendered  # noqa: F401 (a fixture)
from tests.training.test_refinement import refinement_of, tiny
from tests.training.test_trainer import one_thread_and_a_short_warm_start, trainer  # noqa: F401 (a fixture)


def test_corrections_are_carried_over_by_likeness() -> None:
    rng = np.random.default_rng(0)
    fits = np.concatenate([rng.normal(0.0, 0.4, (90, 48)), rng.normal(0.0, 0.1, (90, 13))], axis=1)
    same = np.tile(rng.normal(size=61), (80, 1))
    assert np.allclose(carried_over(fits[:80], same, fits[80:]), same[:10], atol=1e-12), "what all share is all of it"
    # A film: what fits are off changes slowly with the pose.
    way = np.linspace(0.0, 6.0, 61)[:, None] * rng.normal(0.0, 0.2, 61)
    off = np.sin(way @ rng.normal(0.0, 0.3, (61, 61)))
    foretold = carried_over(way[::2], off[::2], way[1::2])
    assert np.abs(foretold - off[1::2]).mean() < 0.3 * np.abs(off[1::2]).mean()
    # Far from all, and of one: the mean, and the one.
    far = np.concatenate([ALIKE, np.zeros(10)])[None] * 100.0
    assert np.allclose(carried_over(way, off, far), carried_over(way, off, 2.0 * far), atol=1e-9)
    assert np.array_equal(carried_over(way[:1], off[:1], way[5:6]), off[:1])


def test_only_those_of_one_person_are_asked(tmp_path: Path, capture: Capture, tubes: HandData) -> None:
    """Of three poses the last is held out; its pictures are looked at by nobody."""
    own = replace(capture, frames=tuple(replace(f, identity="bea" if f.pose == 1 else "ann") for f in capture.frames))
    run = trainer(tmp_path / "run", own, tubes, tiny())
    with torch.no_grad():
        refinement_of(run).pose[0], refinement_of(run).pose[1] = 0.5, -2.0
    found, given = refined_capture(own, run.model).poses.poses, own.poses.poses
    changes = [numbers_of(after) - numbers_of(before) for after, before in zip(found, given, strict=True)]
    assert np.allclose(changes[2], changes[0]) and np.abs(changes[0]).max() > 0.0
    assert not np.allclose(changes[1], changes[0])


def as_given(poses: Sequence[HandPose], *_: object) -> torch.Tensor:
    return torch.tensor(np.stack([numbers_of(pose) for pose in poses]))


def away(tubes: HandData, one: Capture, other: Capture) -> float:
    """Millimetres between vertices in the mean."""
    pairs = zip(one.poses.poses[:1], other.poses.poses[:1], strict=True)
    return 1e3 * float(np.mean([np.abs(pose_vertices(tubes, a) - pose_vertices(tubes, b)).mean() for a, b in pairs]))


def test_a_pose_is_found_by_its_pictures(
    tmp_path: Path,
    capture: Capture,
    tubes: HandData,
    family: Avatar,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The pictures are the avatar's own: a true pose stays, one that is off is not left worse, and all else stays."""
    # The tube hand is in no library, where outlines look for its rim.
    monkeypatch.setattr(refinement, "silhouette_fits", as_given)
    monkeypatch.setattr(refit, "STEPS", 6)
    # White noise pulls nowhere.
    family = replace(family, identity_textures=tuple(0.0 * texture for texture in family.identity_textures))
    shown = tuple(replace(frame, identity="ben") for frame in capture.frames if frame.pose == 0)
    for number, frame in enumerate(capture.frames):
        if frame.pose == 0:
            write_image(tmp_path / frame.image, rendered(family, capture, number, tubes, "ben"))
    true = replace(capture, folder=tmp_path, frames=shown, held_out_cameras=frozenset(), held_out_poses=frozenset())
    write_capture(true)
    before = {name: value.clone() for name, value in family.tensors().items()}
    assert away(tubes, refit.refitted(family, true, shown, tubes, lambda line: None), true) < 1e-6
    off = [replace(pose, transl=pose.transl + np.array([0.0, 0.0014, -0.0014])) for pose in true.poses.poses]
    given = replace(true, poses=PoseSequence(tuple(off)))
    found = refit.refitted(family, given, shown, tubes, lambda line: None)
    errors = []
    for some in (found, given):
        drawn = [rendered(family, some, number, tubes, "ben") for number in range(len(shown))]
        errors.append(np.mean([np.square(image - true.image(f)).mean() for image, f in zip(drawn, shown, strict=True)]))
    assert errors[0] <= errors[1]
    assert np.array_equal(found.poses.poses[0].betas, given.poses.poses[0].betas)
    assert np.array_equal(found.poses.poses[1].transl, given.poses.poses[1].transl), "a pose that no picture shows"
    assert all(torch.equal(value, before[name]) for name, value in family.tensors().items())


def test_what_no_poses_are_fitted_through_is_said(capture: Capture, tubes: HandData, family: Avatar) -> None:  # noqa: F811
    architecture = family.metadata.architecture
    material = replace(architecture.super_resolution, out_channels=LIT_CHANNELS)
    answering = replace(
        family.metadata,
        light="scene_light",
        reference_light=Light.uniform((1.0, 1.0, 1.0)).to_json(),
        architecture=replace(architecture, super_resolution=material),
    )
    lit = replace(family, metadata=answering)
    with pytest.raises(AvatarError, match="do not tell their light"):
        refit.refitted(lit, capture, capture.frames[:1], tubes, lambda line: None)
    imported = replace(family, fine_state=family.field_state)
    with pytest.raises(AvatarError, match="Measure it without --refine-poses"):
        refit.refitted(imported, capture, capture.frames[:1], tubes, lambda line: None)
