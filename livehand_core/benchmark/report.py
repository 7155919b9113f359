"""What a benchmark found: as one value, as JSON, and as a table for people."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .animation import AnimationSettings
from .comparison import Comparison
from .engine_run import EngineFigures
from .load import Load
from .soak import SoakFigures
from .timing import Timings
from .vitals import lines as trend_lines


@dataclass(frozen=True)
class Report:
    """All that was measured; parts that were not are None.

    Attributes:
        settings: what was drawn.
        device, precision: of the renderer; an empty precision is its own choice.
        arithmetic: ``field`` and ``super_resolution`` -> type of number that is multiplied, as in ``peaks``.
        machine: see ``machine.describe``.
        load: what other programs did meanwhile.
        timings: of the renderer in this process.
        comparison: with the plain formulation.
        peaks: type -> 10^9 operations a second of a matrix product.
        engine, soak: of engine processes.
        transport_ms: of a frame through an engine that draws nothing.
        warnings: what the renderer had to say of the frames.
    """

    settings: AnimationSettings
    device: str
    precision: str
    arithmetic: dict[str, str]
    machine: dict[str, Any]
    timings: Timings
    comparison: Comparison | None = None
    peaks: dict[str, float] = field(default_factory=dict)
    engine: EngineFigures | None = None
    soak: SoakFigures | None = None
    transport_ms: float | None = None
    load: Load = field(default_factory=Load)
    warnings: tuple[str, ...] = ()

    @property
    def ideal_ms(self) -> dict[str, float]:
        """Network -> milliseconds that its counted operations of a frame take at the peak of its arithmetic."""
        if self.comparison is None or not all(kind in self.peaks for kind in self.arithmetic.values()):
            return {}
        plain = _plain(self.comparison)
        return {name: 1e3 * plain[f"{name}_gflop"] / self.peaks[kind] for name, kind in self.arithmetic.items()}

    @property
    def arithmetic_share(self) -> float | None:
        """Part of a frame's time that its counted operations need at those peaks; None when it was not measured."""
        ideal = self.ideal_ms
        return sum(ideal.values()) / self.timings.median_ms if ideal else None

    @property
    def gemm_share(self) -> float | None:
        """The same at the peak of bfloat16 products, whatever the renderer multiplies; where the machine has none, at
        the peaks of the renderer's own arithmetic."""
        if self.comparison is None or "bfloat16" not in self.peaks:
            return self.arithmetic_share
        return 1e3 * self.comparison.gflop / self.peaks["bfloat16"] / self.timings.median_ms

    def to_json(self) -> dict[str, Any]:
        """One object of plain values; what was not measured is null."""
        timings, settings, comparison, engine = self.timings, self.settings, self.comparison, self.engine
        stages, stages_p95 = timings.stages_ms(), timings.stages_ms(95.0)
        if self.transport_ms is not None:
            stages["transport"] = self.transport_ms
        document = {
            "fps_median": timings.fps_median,
            "median_ms": timings.median_ms,
            "p95_ms": timings.p95_ms,
            "stages_ms": stages,
            "stages_p95_ms": stages_p95,
            "ratio_to_plain": None if comparison is None else comparison.ratio,
            "gemm_share": self.gemm_share,
            "arithmetic_share": self.arithmetic_share,
            "first_frame_s": None if engine is None else engine.first_frame_s,
            "second_start_s": None if engine is None else engine.second_start_s,
            "rss_mb": None if engine is None else engine.rss_mb,
            "rss_peak_mb": None if engine is None else engine.rss_peak_mb,
            "engine_fps_median": None if engine is None else engine.timings.fps_median,
            "arithmetic": self.arithmetic,
            "gemm_ideal_ms": self.ideal_ms,
            "gemm_peaks_gflops": self.peaks,
            "coverage": _coverage(timings),
            "settings": {
                "avatar": settings.avatar,
                "size": [settings.width, settings.height],
                "hands": settings.hands,
                "frames": settings.frames,
                "keep_pixels": settings.keep_pixels,
                "device": self.device,
                "precision": self.precision,
            },
            "machine": self.machine,
            "load": self.load.to_json(),
            "soak": None if self.soak is None else self.soak.to_json(),
            "warnings": list(self.warnings),
        }
        if comparison is not None:
            document["plain"] = _plain(comparison)
        return document


def _coverage(timings: Timings) -> dict[str, float | None]:
    known = timings.coverage[np.isfinite(timings.coverage)]
    if not len(known):
        return {"min": None, "median": None, "max": None}
    return {"min": float(known.min()), "median": float(np.median(known)), "max": float(known.max())}


def _plain(comparison: Comparison) -> dict[str, Any]:
    works = comparison.work
    return {
        "frames": len(works),
        "median_ms": float(1e3 * np.median(comparison.plain_seconds)),
        "stages_ms": {name: float(1e3 * np.median(values)) for name, values in comparison.plain_stages.items()},
        "gflop": comparison.gflop,
        "field_gflop": float(np.median([work.field for work in works]) / 1e9),
        "super_resolution_gflop": float(np.median([work.super_resolution for work in works]) / 1e9),
        "plain_field_gflop": float(np.median([work.plain_field for work in works]) / 1e9),
        "plain_super_resolution_gflop": float(np.median([work.plain_super_resolution for work in works]) / 1e9),
        "rays": float(np.median([work.rays for work in works])),
        "live_samples": float(np.median([work.live_samples for work in works])),
        "samples": float(np.median([work.samples for work in works])),
        "psnr_db": None if math.isnan(comparison.psnr) else comparison.psnr,
        "largest_error": None if math.isnan(comparison.largest_error) else comparison.largest_error,
    }


def table(report: Report) -> str:
    """The same for people, at most 100 columns wide."""
    timings, settings = report.timings, report.settings
    machine = report.machine
    instructions = ", ".join(machine["instructions"]) or "instructions unknown"
    lines = [
        f"{settings.avatar}, {settings.width} x {settings.height}, {settings.hands} hand(s), {settings.frames} frames, "
        f"{', '.join(settings.passes)}; device {report.device}, precision {report.precision or 'automatic'}",
        f"{machine['processor']}, {machine['cores']} cores ({instructions})",
        f"kernels use {machine['kernels'] or 'nothing, since numba is not installed'}",
        "",
        *_stage_lines(report),
    ]
    if report.transport_ms is not None:
        lines.append(f"{'transport':<18}{report.transport_ms:>11.2f}   (an engine that draws nothing)")
    cover = _coverage(timings)
    lines += ["", f"{timings.fps_median:.2f} frames a second (median)"]
    if cover["median"] is not None:
        lines.append(f"covered by hands: {cover['min']:.1%} to {cover['max']:.1%}, median {cover['median']:.1%}")
    if report.comparison is not None:
        lines += _comparison_lines(report, report.comparison)
    if report.engine is not None:
        engine = report.engine
        memory = "memory unknown" if engine.rss_mb is None else f"{engine.rss_mb:.0f} MB resident"
        if engine.rss_peak_mb is not None:
            memory += f" (peak {engine.rss_peak_mb:.0f})"
        lines.append(
            f"engine: first frame after {engine.first_frame_s:.2f} s, second start {engine.second_start_s:.2f} s, "
            f"{engine.timings.fps_median:.2f} frames a second, {memory}"
        )
    if report.soak is not None:
        lines += _soak_lines(report.soak)
    lines += report.load.lines()
    lines += [f"note: {line}" for line in report.warnings]
    return "\n".join(lines)


def _stage_lines(report: Report) -> list[str]:
    """Stage by stage: median and p95; beside the plain formulation's, what the counted work predicts, and what came."""
    timings, comparison = report.timings, report.comparison
    medians, highs = timings.stages_ms(), timings.stages_ms(95.0)
    rows = [(name, medians[name], highs[name]) for name in medians] + [("frame", timings.median_ms, timings.p95_ms)]
    head = f"{'stage':<18}{'median ms':>11}{'p95 ms':>9}"
    if comparison is None:
        return [head, *(f"{name:<18}{median:>11.2f}{high:>9.2f}" for name, median, high in rows)]
    plain = _plain(comparison)
    before = {**plain["stages_ms"], "frame": plain["median_ms"]}
    less_work = {name: plain[f"plain_{name}_gflop"] / plain[f"{name}_gflop"] for name in ("field", "super_resolution")}
    lines = [f"{head}{'plain ms':>11}{'times':>8}{'less work':>11}"]
    for name, median, high in rows:
        line = f"{name:<18}{median:>11.2f}{high:>9.2f}"
        if name in before and median > 0.0:
            line += f"{before[name]:>11.1f}{before[name] / median:>8.1f}"
            line += f"{less_work[name]:>11.1f}" if name in less_work else ""
        lines.append(line)
    return lines


def _comparison_lines(report: Report, comparison: Comparison) -> list[str]:
    plain = _plain(comparison)
    lines = [
        f"plain formulation: {plain['median_ms']:.0f} ms; the renderer is {comparison.ratio:.1f} times as fast "
        f"(median of {plain['frames']} frames)",
    ]
    if plain["psnr_db"] is not None:
        lines.append(f"against it: {plain['psnr_db']:.1f} dB, largest error {plain['largest_error']:.1e}")
    lines.append(
        f"asked for: {plain['gflop']:.2f} GFLOP (field {plain['field_gflop']:.2f}, super-resolution "
        f"{plain['super_resolution_gflop']:.2f}); {plain['rays']:.0f} rays, {plain['live_samples']:.0f} of "
        f"{plain['samples']:.0f} samples"
    )
    lines += [f"matrix peak, {name}: {rate:.0f} GFLOP/s" for name, rate in report.peaks.items()]
    if report.arithmetic_share is not None:
        parts = [f"{name} {ideal:.1f} ms ({report.arithmetic[name]})" for name, ideal in report.ideal_ms.items()]
        lines.append(f"at the peak: {', '.join(parts)}; that is {report.arithmetic_share:.0%} of a frame")
    if report.gemm_share is not None and "bfloat16" in report.peaks:
        ideal = 1e3 * plain["gflop"] / report.peaks["bfloat16"]
        lines.append(f"at the peak of bfloat16: {ideal:.1f} ms; that is {report.gemm_share:.0%} of a frame")
    return lines


def _soak_lines(soak: SoakFigures) -> list[str]:
    memory = "memory unknown"
    if soak.growth_mb is not None:
        memory = f"{soak.rss_start_mb:.1f} -> {soak.rss_end_mb:.1f} MB ({soak.growth_mb:+.1f})"
    leaked = "unknown" if soak.leaked_blocks is None else str(soak.leaked_blocks)
    return [
        f"soak: {soak.frames} frames, {soak.fps:.2f} a second, {memory}, shared memory left behind: {leaked}",
        f"transport: {soak.transport_ms:.2f} ms a frame (p95 {soak.transport_p95_ms:.2f})",
        f"cancel: told within {soak.cancel_told_ms:.0f} ms, engine free within {soak.cancel_free_ms:.0f} ms "
        f"({soak.cancelled} large frames)",
        *(f"  {line}" for line in trend_lines(soak.trends)),
    ]
