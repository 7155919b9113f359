"""Charts as inline SVG that takes its colours from the page's style sheet, so that it is readable in light and dark.

Classes used: ``dot``, ``dot bad``, ``grid``, ``axis``, ``mid``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

WIDTH = 720
LABEL_WIDTH = 190
LINE_HEIGHT = 19
AXIS_HEIGHT = 24
STRIP_HEIGHT = 46


@dataclass(frozen=True)
class Point:
    """One line of a chart.

    Attributes:
        label: beside it, or shown when the mouse rests on it.
        value: its place.
        note: shown when the mouse rests on it.
        bad: marked.
    """

    label: str
    value: float
    note: str = ""
    bad: bool = False


def dots(entries: Sequence[Point], unit: str, title: str) -> str:
    """One value a line, one or more lines. Dots and no bars, since the axis does not begin at zero."""
    values = [entry.value for entry in entries]
    axis = _Axis.around(values)
    height = len(entries) * LINE_HEIGHT + AXIS_HEIGHT
    parts = [axis.grid(height - AXIS_HEIGHT, unit)]
    for number, entry in enumerate(entries):
        middle, x = (number + 0.5) * LINE_HEIGHT, axis.place(entry.value)
        kind = "dot bad" if entry.bad else "dot"
        tip = escape(f"{entry.label}: {entry.value:.2f} {unit}. {entry.note}".strip())
        parts.append(
            f'<g><title>{tip}</title><text x="{LABEL_WIDTH - 8}" y="{middle + 4}" text-anchor="end">'
            f"{escape(entry.label)}</text>"
            f'<line class="grid" x1="{LABEL_WIDTH}" x2="{x:.1f}" y1="{middle}" y2="{middle}"/>'
            f'<circle class="{kind}" cx="{x:.1f}" cy="{middle}" r="5"/><text class="value" x="{x + 9:.1f}" '
            f'y="{middle + 4}">{entry.value:.1f}</text></g>'
        )
    return _svg(parts, height, title)


def strips(groups: Sequence[tuple[str, Sequence[Point]]], unit: str, title: str) -> str:
    """Every frame as a dot on one line a group, with a mark at the median; groups of one or more."""
    axis = _Axis.around([dot.value for _, points in groups for dot in points])
    height = len(groups) * STRIP_HEIGHT + AXIS_HEIGHT
    parts = [axis.grid(height - AXIS_HEIGHT, unit)]
    for number, (name, points) in enumerate(groups):
        middle = number * STRIP_HEIGHT + STRIP_HEIGHT / 2.0
        parts.append(
            f'<text x="{LABEL_WIDTH - 8}" y="{middle + 4}" text-anchor="end">{escape(name)} ({len(points)})</text>'
        )
        # Scattered a little, always alike, so that dots of one value are seen apart.
        scatter = np.random.default_rng(0).uniform(-0.32, 0.32, len(points)) * STRIP_HEIGHT
        for dot, shift in zip(points, scatter, strict=True):
            kind = "dot bad" if dot.bad else "dot"
            tip = escape(f"{dot.label}: {dot.value:.2f} {unit}. {dot.note}".strip())
            parts.append(
                f'<circle class="{kind}" cx="{axis.place(dot.value):.1f}" cy="{middle + shift:.1f}" r="3.5">'
                f"<title>{tip}</title></circle>"
            )
        median = float(np.median([dot.value for dot in points]))
        x, top, end = axis.place(median), middle - 18, middle + 18
        parts.append(
            f'<line class="mid" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{end}"><title>median {median:.2f}</title>'
            "</line>"
        )
    return _svg(parts, height, title)


@dataclass(frozen=True)
class _Axis:
    low: float
    high: float
    step: float

    @classmethod
    def around(cls, values: Sequence[float]) -> _Axis:
        """Round ends around finite values, with some room."""
        low, high = min(values), max(values)
        span = max(high - low, 0.02 * abs(high), 1e-3)
        raw = span / 5.0
        base = 10.0 ** np.floor(np.log10(raw))
        step = float(base * next(factor for factor in (1, 2, 5, 10) if factor * base >= raw))
        return cls(float(np.floor(low / step - 0.25) * step), float(np.ceil(high / step + 0.25) * step), step)

    def place(self, value: float) -> float:
        """x of a value, within the drawing."""
        part = (value - self.low) / (self.high - self.low)
        # Room on the right for the value's text.
        return LABEL_WIDTH + float(np.clip(part, 0.0, 1.0)) * (WIDTH - LABEL_WIDTH - 50)

    def grid(self, height: float, unit: str) -> str:
        lines = []
        for number in range(round((self.high - self.low) / self.step) + 1):
            value = self.low + number * self.step
            x = self.place(value)
            lines.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{height}"/>')
            label = f"{value:g} {unit}" if number == 0 else f"{round(value, 6):g}"
            lines.append(f'<text class="axis" x="{x:.1f}" y="{height + 16}" text-anchor="middle">{label}</text>')
        return "".join(lines)


def _svg(parts: Sequence[str], height: float, title: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" role="img" aria-label="{escape(title)}">'
        f"{''.join(parts)}</svg>"
    )
