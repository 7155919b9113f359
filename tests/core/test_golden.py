"""Parity with recorded cases of the published pipeline, and of the variants that no recording covers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from livehand_core.rendering.torch.parity import IMAGE_TOLERANCE, STAGE_TOLERANCE, case_avatar, compare, load_case

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
STAGES = (
    *("bounds", "ray_origins", "ray_directions", "points", "uv", "signed_distance", "view_directions", "raw"),
    *("feature_map", "opacity", "depth", "rgb_low", "rgb_high"),
)


@pytest.mark.parametrize("name", ["uvd_sr2_seed0", "uvd_sr4_seed2"])
def test_every_stage_agrees(name: str) -> None:
    case = load_case(GOLDEN / f"{name}.npz")
    report = compare(case, case_avatar(case, GOLDEN / f"{name}.tar"))
    errors = {stage.stage: stage for stage in report.stages}
    assert set(errors) == set(STAGES)
    for stage in report.stages:
        assert stage.alone <= STAGE_TOLERANCE, stage
    assert errors["rgb_high"].chained <= IMAGE_TOLERANCE
    # Nearest triangles tie along shared edges: a sphere-like proxy has many such samples, but far from all.
    assert report.ties < 0.2 * report.samples


@pytest.mark.parametrize(
    ("stage", "change"), [("uv", 3e-4), ("raw", 1.0), ("feature_map", 2e-4), ("bounds", 2e-4), ("rgb_high", 4e-4)]
)
def test_a_changed_recording_is_noticed(stage: str, change: float) -> None:
    case = load_case(GOLDEN / "uvd_sr4_seed2.npz")
    values = case[stage].copy()
    values.reshape(-1)[np.flatnonzero(np.isfinite(values.reshape(-1)))[100]] += change
    report = compare({**case, stage: values}, case_avatar(case, GOLDEN / "uvd_sr4_seed2.tar"))
    assert not report.passed
    assert stage in {error.stage for error in report.stages if not error.passed}


def test_the_checkpoint_tells_the_coordinates_where_the_case_does_not() -> None:
    """A recording may hold uv that an xyz field never looked at."""
    case = load_case(GOLDEN / "uvd_sr2_seed0.npz")
    assert "coordinates" not in case and "uv" in case
    assert case_avatar(case, GOLDEN / "uvd_sr2_seed0.tar").metadata.architecture.field.coordinates == "uvd"
    told = {**case, "coordinates": np.array("xyz")}
    assert case_avatar(told, GOLDEN / "uvd_sr2_seed0.tar").metadata.architecture.field.coordinates == "xyz"


@pytest.mark.parametrize(
    "stages", [("raw",), ("points", "uv", "signed_distance", "face_index", "view_directions", "raw")]
)
@pytest.mark.parametrize("away", [False, True])
def test_empty_stages_are_a_difference_and_no_traceback(stages: tuple[str, ...], away: bool) -> None:
    case = load_case(GOLDEN / "uvd_sr2_seed0.npz")
    avatar = case_avatar(case, GOLDEN / "uvd_sr2_seed0.tar")
    changed = {**case, **{stage: case[stage][:0] for stage in stages}}
    if away:
        changed["camera_to_world"] = case["camera_to_world"] + np.array([[0, 0, 0, 50.0]] * 3 + [[0, 0, 0, 0]])
    assert not compare(changed, avatar).passed


def test_the_command_reports_by_exit_code(tmp_path: Path) -> None:
    def run(case: Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "livehand_core", "parity", str(case), str(GOLDEN / "uvd_sr4_seed2.tar")]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    good = run(GOLDEN / "uvd_sr4_seed2.npz")
    assert good.returncode == 0, good.stderr
    assert all(stage in good.stdout for stage in STAGES)
    arrays = load_case(GOLDEN / "uvd_sr4_seed2.npz")
    np.savez(tmp_path / "off.npz", **{**arrays, "rgb_high": arrays["rgb_high"] + 1e-3})
    assert run(tmp_path / "off.npz").returncode == 1
    (tmp_path / "no_case.npz").write_bytes(b"PK\x03\x04 not really")
    foreign = run(tmp_path / "no_case.npz")
    assert foreign.returncode == 2
    assert "not a parity case" in foreign.stderr
    assert "Traceback" not in foreign.stderr
