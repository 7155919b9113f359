"""``livehand bench`` on tiny frames, its figures, and the engine that draws nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from livehand_core.avatars import new_avatar, save_avatar
from livehand_core.benchmark.animation import AnimationSettings, animation
from livehand_core.benchmark.engine_run import measure_transport
from livehand_core.benchmark.load import busy_seconds
from livehand_core.benchmark.machine import describe, resident_mb
from livehand_core.benchmark.peaks import gemm_peaks
from livehand_core.benchmark.timing import Timings, time_frames, time_in_turns
from livehand_core.cli import main
from livehand_core.frames import FrameRequest
from livehand_core.hand.builtin import builtin_hand
from livehand_core.passes import RenderPasses

ASKED_FOR = {
    "fps_median",
    "p95_ms",
    "ratio_to_plain",
    "gemm_share",
    "first_frame_s",
    "rss_mb",
    "stages_ms",
    "machine",
    "load",
}


@pytest.fixture(scope="module")
def avatar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("avatar") / "bench.safetensors"
    save_avatar(path, new_avatar(builtin_hand("right"), seed=1))
    return path


def test_the_times_of_frames() -> None:
    rgba = np.zeros((4, 5, 4), np.float32)
    rgba[:2, :, 3] = 1.0
    asked = []

    def render(request: FrameRequest) -> RenderPasses:
        asked.append(request)
        return RenderPasses({"rgba": rgba}, {"field": 1e-6 * len(asked)})

    requests = animation(AnimationSettings(frames=5))
    timings = time_frames(render, requests, warm_up=2)
    assert len(asked) == 7 and asked[:2] == [requests[0], requests[-1]] and asked[2:] == requests
    np.testing.assert_allclose(timings.stages["field"], 1e-6 * np.arange(3, 8))
    np.testing.assert_allclose(timings.coverage, 0.5)


def test_turns_are_taken() -> None:
    asked: list[str] = []

    def render(name: str) -> Callable[[FrameRequest], RenderPasses]:
        def answer(request: FrameRequest) -> RenderPasses:
            asked.append(name)
            return RenderPasses({}, {"field": float(len(asked))})

        return answer

    first, second = time_in_turns([render("a"), render("b")], animation(AnimationSettings(frames=15)), warm_up=1)
    assert "".join(asked) == "ab" + "a" * 12 + "b" * 12 + "aaa" + "bbb"
    assert len(first.seconds) == len(second.seconds) == 15
    assert first.stages["field"][0] == 3.0 and second.stages["field"][0] == 15.0


def test_medians_and_percentiles() -> None:
    seconds = np.arange(1, 101) / 1000.0
    timings = Timings(seconds, {"field": seconds / 2, "raster": seconds / 4}, np.full(100, 0.2))
    assert timings.median_ms == pytest.approx(50.5) and timings.fps_median == pytest.approx(1000 / 50.5)
    assert timings.p95_ms == pytest.approx(95.05)
    assert timings.stages_ms()["field"] == pytest.approx(25.25)
    rest = timings.with_rest("transport")
    np.testing.assert_allclose(rest.stages["transport"], seconds / 4)


def test_figures_without_an_engine(avatar: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "figures.json"
    options = ["--size", "64x42", "--frames", "2", "--plain-frames", "1", "--no-engine", "--device", "cpu"]
    assert main(["bench", "--avatar", str(avatar), *options, "--json", str(path)]) == 0
    figures = json.loads(path.read_text())
    assert figures.keys() >= ASKED_FOR
    assert figures["fps_median"] == pytest.approx(1e3 / figures["median_ms"])
    assert 0.0 < figures["median_ms"] <= figures["p95_ms"] * 1.001 and figures["ratio_to_plain"] > 0.0
    assert sum(figures["stages_ms"].values()) <= 1.5 * figures["p95_ms"]
    assert 0.0 < figures["gemm_share"] < 1.0 and figures["gemm_peaks_gflops"]["float32"] > 1.0
    assert figures["first_frame_s"] is None and figures["rss_mb"] is None
    assert figures["plain"]["gflop"] > 0.01 and figures["plain"]["psnr_db"] > 45.0
    if busy_seconds() is not None:
        assert figures["load"]["others"].keys() == {"frames", "comparison"}
        assert all(0.0 <= share <= 1.0 for share in figures["load"]["others"].values())
    printed = capsys.readouterr().out
    assert "load: " in printed
    assert "frames a second" in printed and "super_resolution" in printed and "the renderer is" in printed


@pytest.mark.slow
def test_figures_of_the_engine_and_of_a_soak(avatar: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--size", "64x42", "--frames", "2", "--plain-frames", "0", "--soak", "60", "--device", "cpu"]
    assert main(["bench", "--avatar", str(avatar), *options, "--json", "-"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["first_frame_s"] > 0.0 and figures["second_start_s"] > 0.0
    assert figures["stages_ms"]["transport"] > 0.0
    soak = figures["soak"]
    assert soak["frames"] == 60 and soak["fps"] > 0.0 and soak["transport_ms"] > 0.0
    if resident_mb(1) is not None:
        assert 20.0 < figures["rss_mb"] <= figures["rss_peak_mb"]
        assert soak["leaked_blocks"] == 0
        assert soak["growth_mb"] == pytest.approx(soak["rss_end_mb"] - soak["rss_start_mb"])


def test_an_untrained_avatar_of_published_size(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--size", "32x21", "--frames", "1", "--plain-frames", "0", "--no-engine", "--device", "cpu"]
    assert main(["bench", "--avatar", "untrained", *options, "--json", "-"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["settings"]["avatar"] == "untrained" and figures["ratio_to_plain"] is None


@pytest.mark.parametrize("size", ["512", "0x5", "axb"])
def test_sizes_that_make_no_sense(size: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code = main(["bench", "--size", size, "--no-engine"])
    except SystemExit as leaving:
        code = int(leaving.code or 0)
    assert code == 2
    assert size.split("x")[0] in capsys.readouterr().err


def test_the_way_through_the_engine_alone() -> None:
    timings = measure_transport(animation(AnimationSettings(width=64, height=42, frames=4)))
    assert len(timings.seconds) == 4 and timings.median_ms < 500.0
    np.testing.assert_allclose(timings.coverage, 1.0)


def test_peaks_are_measured_for_what_the_machine_has() -> None:
    peaks = gemm_peaks([], 1)
    assert set(peaks) == {"float32"} and peaks["float32"] > 0.5
    assert describe()["cores"] >= 1
