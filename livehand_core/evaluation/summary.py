"""From frames to tables: metrics by split, pose, camera and identity."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..captures.capture import Split
from .distribution import UNBIASED_FROM, frechet_distance, kernel_distance
from .evaluate import BY_WEIGHT, Measured
from .metrics import METRICS, PROTOCOLS

WIDTH = 20
"""Of a column."""

Table = dict[str, dict[str, float]]
"""{protocol: {metric: value}}"""


@dataclass(frozen=True)
class Group:
    """Frames that have something in common, one or more.

    Attributes:
        name: what they have in common.
        rows: the frames.
        sets: also measure FID and KID, where features are at hand.
    """

    name: str
    rows: tuple[Measured, ...]
    sets: bool = False

    @cached_property
    def mean(self) -> Table:
        """Means over the frames; FID and KID of the set."""
        table = self._over_frames(lambda values, better: float(np.mean(values)))
        if self.sets:
            for key, value in set_distances(self.rows).items():
                protocol, metric = key.split("/")
                if protocol in table:
                    table[protocol][metric] = value
        return table

    @cached_property
    def median(self) -> Table:
        return self._over_frames(lambda values, better: float(np.median(values)))

    @cached_property
    def worst(self) -> Table:
        return self._over_frames(lambda values, more: float(np.min(values) if more else np.max(values)))

    @property
    def seconds(self) -> float:
        """Median rendering time of a frame."""
        return float(np.median([row.seconds for row in self.rows]))

    def to_json(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        tables = {"mean": self.mean, "median": self.median, "worst": self.worst}
        return {"frames": len(self.rows), "seconds_a_frame": self.seconds, **tables}

    def _over_frames(self, reduce: Callable[[list[float], bool], float]) -> Table:
        table: Table = {}
        for key in dict.fromkeys(key for row in self.rows for key in row.values):
            protocol, metric = key.split("/")
            values = [row.values[key] for row in self.rows if key in row.values]
            table.setdefault(protocol, {})[metric] = reduce(values, METRICS[metric][1])
        return table


def set_distances(rows: Sequence[Measured]) -> dict[str, float]:
    """FID and KID of frames as a set, ``"PROTOCOL/METRIC"`` -> value; the published FID is the mean over poses."""
    known = [row for row in rows if row.features is not None]
    if len(known) < 2:
        return {}
    rendered, true = _features(known)
    values = {"full_image/fid": frechet_distance(rendered, true), "full_image/kid": kernel_distance(rendered, true)}
    poses = [group.rows for group in grouped(known, pose_name) if len(group.rows) > 1]
    if poses:
        values["published/fid"] = float(np.mean([frechet_distance(*_features(rows)) for rows in poses]))
    return values


def grouped(rows: Iterable[Measured], name: Callable[[Measured], str], sets: bool = False) -> list[Group]:
    """Groups of one name each, in the order of their first frames."""
    found: dict[str, list[Measured]] = {}
    for row in rows:
        found.setdefault(name(row), []).append(row)
    return [Group(key, tuple(members), sets) for key, members in found.items()]


def by_split(rows: Sequence[Measured]) -> dict[Split, Group]:
    """The splits that were measured, the one first that says most of the avatar."""
    groups = {group.name: group for group in grouped(rows, lambda row: row.split, sets=True)}
    return {split: groups[split] for split in BY_WEIGHT if split in groups}


def pose_name(row: Measured) -> str:
    """``"pose 7"``."""
    return f"pose {row.frame.pose}"


def camera_name(row: Measured) -> str:
    """As the capture calls it."""
    return row.frame.camera_name


def identity_name(row: Measured) -> str:
    """As the capture calls it."""
    return row.frame.identity or "the only one"


def light_name(row: Measured) -> str:
    """The kind of its light, as the capture calls it."""
    return row.light or "not told"


def relit(rows: Iterable[Measured]) -> list[Group]:
    """Frames that are new in pose, camera and light, by kind of light."""
    return grouped((row for row in rows if row.split == "relight"), light_name)


def ranked(rows: Iterable[Measured], key: str = "hand_box/psnr") -> list[Measured]:
    """Worst first, by a metric of which more is better (the first one at hand where it was not measured)."""
    return sorted(rows, key=lambda row: row.values.get(key, next(iter(row.values.values()))))


def bias_warning(rows: Sequence[Measured]) -> str:
    """What to know about FID over few images; empty where it was not measured or images are many."""
    count = sum(row.features is not None for row in rows)
    if not 0 < count < UNBIASED_FROM:
        return ""
    return (
        f"FID over {count} images is biased upwards: it needs {UNBIASED_FROM} or more, and values compare only between "
        "sets of one size. KID has no such bias. The published FID, of one pose's cameras, has it most."
    )


def of_protocol(
    protocol: str, rows: Sequence[Measured], refits: Mapping[str, Sequence[Measured]], names: Mapping[str, str]
) -> list[tuple[str, Group]]:
    """The lines of a protocol's table: the splits that it was measured on, by these names, those of ``relight`` by kind
    of light, and the splits once more in each other pose that they were measured in."""
    lines = [(names[split], group) for split, group in by_split(rows).items() if group.mean.get(protocol)]
    lines += [(group.name, group) for group in relit(rows)] if protocol == "relight" else []
    for label, others in refits.items():
        groups = by_split(others).items()
        lines += [(f"{names[split]}, {label}", group) for split, group in groups if group.mean.get(protocol)]
    return lines


def text_table(rows: Sequence[Measured], refits: Mapping[str, Sequence[Measured]]) -> str:
    """The means of the splits as lines of text."""
    lines = []
    for protocol in PROTOCOLS:
        shown = of_protocol(protocol, rows, refits, {split: split for split in BY_WEIGHT})
        metrics = [metric for metric in METRICS if any(metric in group.mean[protocol] for _, group in shown)]
        if not metrics:
            continue
        wide = max(12, *(2 + len(label) for label, _ in shown))
        head = "".join(f"{METRICS[metric][0]:>{WIDTH}s}" for metric in metrics)
        lines += [f"{protocol:{wide}s} {'frames':>6s}{head}"]
        for label, group in shown:
            cells = "".join(f"{number(metric, group.mean[protocol].get(metric)):>{WIDTH}s}" for metric in metrics)
            lines.append(f"  {label:{wide - 2}s} {len(group.rows):6d}{cells}")
    lines.append(f"{np.median([row.seconds for row in rows]):.3f} s a frame (median)")
    return "\n".join(lines)


def number(metric: str, value: float | None) -> str:
    """A value for people."""
    if value is None:
        return "-"
    return f"{value:.2f}" if metric in ("psnr", "fid") else f"{value:.4f}"


def _features(rows: Sequence[Measured]) -> tuple[np.ndarray, np.ndarray]:
    found = np.stack([row.features for row in rows if row.features is not None])
    return found[:, 0], found[:, 1]
