"""What a start finds out is kept for the next one, and only what fits is taken."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from livehand_core.avatars import Architecture, Avatar, new_avatar
from livehand_core.cache import cache_folder
from livehand_core.frames import FrameRequest, HandInstance
from livehand_core.kernels.networks.field import EmptySpace
from livehand_core.networks import FieldConfig, SuperResolutionConfig
from livehand_core.poses import HandPose
from livehand_core.rendering import Renderer
from livehand_core.rendering.cpu import findings, hand
from livehand_core.rendering.cpu.quantisation import field as quantised_field
from livehand_core.rendering.cpu.quantisation.field import FieldArithmetic
from livehand_core.rendering.cpu.quantisation.super_resolution import SuperResolutionArithmetic

from .conftest import camera_at, solid, tube_hand


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIVEHAND_CACHE", str(tmp_path / "cache"))
    assert cache_folder() == tmp_path / "cache"
    return tmp_path / "cache" / "avatars"


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of what is found out, each time it is."""
    calls: list[str] = []
    for place, name in ((quantised_field, "typical_points"), (hand, "empty_space"), (hand, "feature_images")):

        def spy(*arguments: object, name: str = name, real: object = getattr(place, name)) -> object:
            calls.append(name)
            return real(*arguments)  # type: ignore[operator]

        monkeypatch.setattr(place, name, spy)
    return calls


def avatar(seed: int = 0) -> Avatar:
    sizes = Architecture(
        FieldConfig(depth=2, width=24, feature_channels=16), SuperResolutionConfig(in_channels=16, hidden=(10, 6)), 6
    )
    return solid(new_avatar(tube_hand(), sizes, seed=seed))


def picture(shown: Avatar, precision: str = "fast") -> np.ndarray:
    renderer = Renderer("cpu", {("tube", "right"): tube_hand()}, {"a": shown}, precision=precision)  # type: ignore[arg-type]
    request = FrameRequest(camera_at((-0.06, 0.1, 0.33)), (HandInstance(HandPose.rest(), "a"),))
    return renderer.render(request)["rgba"]


def test_the_second_start_finds_nothing_out_and_draws_the_same(folder: Path, counted: list[str]) -> None:
    first = picture(avatar())
    found = len(counted)
    assert "empty_space" in counted and len(list(folder.iterdir())) == 1
    np.testing.assert_array_equal(picture(avatar()), first)
    assert len(counted) == found and first[..., 3].max() > 0.5


def test_another_avatar_has_findings_of_its_own(folder: Path, counted: list[str]) -> None:
    made = avatar()
    picture(made)
    picture(avatar(seed=1))
    weights = dict(made.super_resolution_state) | {"colour1.bias": torch.full((4,), 0.01)}
    picture(replace(made, super_resolution_state=weights))
    assert counted.count("empty_space") == 3 and len(list(folder.iterdir())) == 3
    picture(made, "exact")
    assert len(list(folder.iterdir())) == 3, "exact mode looks for nothing"


@pytest.mark.parametrize("damage", ["cut", "garbage", "other sizes", "not finite", "nothing in it", "a folder"])
def test_damaged_findings_are_found_out_anew(folder: Path, counted: list[str], damage: str) -> None:
    wanted = picture(avatar())
    (path,) = folder.iterdir()
    whole = path.read_bytes()
    arrays = dict(np.load(path))
    if damage == "cut":
        path.write_bytes(whole[: len(whole) // 2])
    elif damage == "garbage":
        path.write_bytes(b"\x80\x04garbage")
    elif damage == "nothing in it":
        path.write_bytes(b"")
    elif damage == "a folder":
        path.unlink()
        path.mkdir()
    else:
        name = "scales1" if "scales1" in arrays else "beyond"
        arrays[name] = arrays[name][:-1] if damage == "other sizes" else np.full_like(arrays[name], np.nan)
        np.savez(path, **arrays)
    before = len(counted)
    np.testing.assert_array_equal(picture(avatar()), wanted)
    assert len(counted) > before
    if damage != "a folder":
        assert set(np.load(path)) == set(arrays), "mended"


def test_a_cache_that_cannot_be_written_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("LIVEHAND_CACHE", str(tmp_path / "file" / "cache"))
    assert picture(avatar())[..., 3].max() > 0.5


def test_too_many_are_forgotten(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(findings, "KEPT", 2)
    kept = findings.Findings(FieldArithmetic.exact(FieldConfig()), SuperResolutionArithmetic(), EmptySpace.unknown())
    for key in "abc":
        findings.save_findings(key, kept)
    assert len(list(folder.iterdir())) == 2 and (folder / "c.npz").exists()


def test_what_is_used_stays(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An avatar of every day is not found out anew because of others that were looked at once."""
    monkeypatch.setattr(findings, "KEPT", 2)
    field = FieldConfig(depth=2)
    kept = findings.Findings(FieldArithmetic.exact(field), SuperResolutionArithmetic(), EmptySpace.unknown())
    for number, key in enumerate("ab"):
        findings.save_findings(key, kept)
        os.utime(folder / f"{key}.npz", (number + 1.0, number + 1.0))
    assert findings.load_findings("a", field, False) is not None
    findings.save_findings("c", kept)
    assert {path.stem for path in folder.iterdir()} == {"a", "c"}
