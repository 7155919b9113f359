"""The report: one HTML file that needs nothing beside it, neither scripts nor the net."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from ..files import atomic_path
from .charts import Point, dots, strips
from .document import Evaluation, reproduction
from .evaluate import Measured
from .metrics import METRICS, PROTOCOLS
from .pictures import DIFFERENCE_GAIN, Triple
from .steadiness import MEANING
from .style import SHEET
from .summary import Group, by_split, camera_name, grouped, identity_name, light_name, number, of_protocol, pose_name

LONGEST_CHART = 40
"""Lines; of more groups the worst are shown. The JSON has all."""

QUALITY = 92
"""Of the embedded WebP pictures; the contact sheets are lossless."""

SPLIT_NAMES = {
    "both": "new camera and pose",
    "camera": "new camera",
    "pose": "new pose",
    "relight": "new camera, pose and light",
    "light": "new light",
    "train": "trained on",
}

_CHART_METRIC = ("hand_box", "psnr")


def write_report(path: Path, evaluation: Evaluation, pictures: Mapping[str, Sequence[Triple]]) -> None:
    """Write the report.

    Args:
        path: of the HTML file.
        evaluation: with at least one frame.
        pictures: ``"worst"``, ``"median"``, ``"best"`` -> frames.

    Raises:
        LiveHandError: the file cannot be written.
    """
    body = "".join(
        (
            _head(evaluation),
            _summary(evaluation),
            _charts(evaluation),
            _pictures(pictures),
            _temporal(evaluation),
            _provenance(evaluation),
        )
    )
    title = escape(f"Evaluation of {evaluation.metadata.name}")
    page = (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{SHEET}</style></head><body><main>{body}</main></body></html>\n"
    )
    with atomic_path(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _head(evaluation: Evaluation) -> str:
    metadata, capture = evaluation.metadata, evaluation.capture
    parts = [
        f"<h1>{escape(metadata.name)}</h1>",
        f'<p class="faint">{len(evaluation.rows)} images of {escape(str(capture.folder))}, {evaluation.began}. '
        f"Avatar: licence {escape(metadata.licence or 'not stated')}, "
        f"content {escape(metadata.content_hash[:12] or 'not hashed')}.</p>",
    ]
    if not evaluation.complete:
        text = f"Partial: stopped after {len(evaluation.rows)} of {evaluation.planned} images."
        parts.append(f'<p class="banner">{text}</p>')
    remarks = [*evaluation.notes, *evaluation.warnings[:5]]
    if evaluation.unmeasured:
        remarks.append(
            f"Not measured, since something is wrong with them: {len(evaluation.unmeasured)} of these images."
        )
    if evaluation.problems:
        remarks.append(f"Left out of the capture, since they cannot be used: {len(evaluation.problems)}.")
    if remarks:
        parts.append(f'<div class="notes"><ul>{_items(remarks)}</ul></div>')
    return "".join(parts)


def _summary(evaluation: Evaluation) -> str:
    parts = ["<h2>Summary</h2>"]
    for name, protocol in PROTOCOLS.items():
        shown = of_protocol(name, evaluation.rows, evaluation.refits, SPLIT_NAMES)
        metrics = [metric for metric in METRICS if any(metric in group.mean[name] for _, group in shown)]
        if not metrics:
            continue
        head = "".join(f"<th>{escape(METRICS[metric][0])}</th>" for metric in metrics)
        lines: list[str] = []
        for label, group in shown:
            table = group.mean[name]
            cells = "".join(f"<td>{number(metric, table.get(metric))}</td>" for metric in metrics)
            worst = number("psnr", group.worst.get(name, {}).get("psnr"))
            first = ' class="first"' if not lines else ""
            lines.append(f"<tr{first}><td>{escape(label)}</td><td>{len(group.rows)}</td>{cells}<td>{worst}</td></tr>")
        parts.append(
            f'<p><b>{name}</b> <span class="faint">{escape(protocol.meaning)}</span></p><div class="scroll"><table>'
            f"<thead><tr><th>split</th><th>images</th>{head}<th>worst PSNR, dB</th></tr></thead>"
            f"<tbody>{''.join(lines)}</tbody></table></div>"
        )
    seconds = np.median([row.seconds for row in evaluation.rows])
    settings = evaluation.settings
    parts.append(
        f'<p class="faint">Means over the images. Rendered in {1e3 * seconds:.0f} ms an image (median), '
        f"{escape(str(settings.get('device')))}, precision {escape(str(settings.get('precision')))}.</p>"
    )
    return "".join(parts)


def _charts(evaluation: Evaluation) -> str:
    rows = evaluation.rows
    protocol, metric = _charted(rows)
    unit = "dB" if metric == "psnr" else ""
    name = f"{METRICS[metric][0].removesuffix(', dB')} of {protocol}"
    key = f"{protocol}/{metric}"
    worst = {id(row) for group in by_split(rows).values() for row in _finite(group.rows, key)[:3]}
    groups = [
        (SPLIT_NAMES[split], [_dot(row, key, id(row) in worst) for row in _finite(group.rows, key)])
        for split, group in by_split(rows).items()
    ]
    parts = [
        f"<h2>Every image</h2><p class='faint'>{name}; a dot is an image, the three worst of a split are marked, the "
        "line is the median.</p>",
        strips([(label, points) for label, points in groups if points], unit, name),
    ]
    for title, namer in (
        ("By pose", pose_name),
        ("By camera", camera_name),
        ("By identity", identity_name),
        ("By light", light_name),
    ):
        tables = grouped(rows, namer)
        if len(tables) < 2:
            continue
        entries = _points(tables, protocol, metric)
        if not entries:
            continue
        shown = entries[:LONGEST_CHART]
        more = "" if len(shown) == len(entries) else f" The worst {len(shown)} of {len(entries)}."
        parts.append(
            f"<h2>{title}</h2><p class='faint'>Mean {name}, worst first.{more}</p>{dots(shown, unit, title)}"
            f"{_group_table(tables)}"
        )
    return "".join(parts)


def _charted(rows: Sequence[Measured]) -> tuple[str, str]:
    if f"{_CHART_METRIC[0]}/{_CHART_METRIC[1]}" in rows[0].values:
        return _CHART_METRIC
    protocol, _, metric = next(iter(rows[0].values)).partition("/")
    return protocol, metric


def _finite(rows: Iterable[Measured], key: str) -> list[Measured]:
    """Worst first; equal images have no PSNR and cannot be drawn."""
    return sorted((row for row in rows if np.isfinite(row.values[key])), key=lambda row: row.values[key])


def _dot(row: Measured, key: str, bad: bool) -> Point:
    return Point(row.frame.image, row.values[key], "", bad)


def _points(groups: Sequence[Group], protocol: str, metric: str) -> list[Point]:
    entries = []
    for group in groups:
        value = group.mean[protocol][metric]
        splits = ", ".join(sorted({SPLIT_NAMES[row.split] for row in group.rows}))
        if np.isfinite(value):
            entries.append(Point(group.name, value, f"{len(group.rows)} images: {splits}."))
    entries.sort(key=lambda entry: entry.value)
    return [Point(entry.label, entry.value, entry.note, place < 3) for place, entry in enumerate(entries)]


def _group_table(groups: Sequence[Group]) -> str:
    keys = [(protocol, metric) for protocol in groups[0].mean for metric in groups[0].mean[protocol]]
    keys = [(protocol, metric) for protocol, metric in keys if protocol != "published"]
    head = "".join(f"<th>{protocol}<br>{escape(METRICS[metric][0])}</th>" for protocol, metric in keys)
    lines = []
    for group in sorted(groups, key=lambda group: (len(group.name), group.name)):
        cells = "".join(
            f"<td>{number(metric, group.mean.get(protocol, {}).get(metric))}</td>" for protocol, metric in keys
        )
        lines.append(f"<tr><td>{escape(group.name)}</td><td>{len(group.rows)}</td>{cells}</tr>")
    return (
        '<details><summary>Table</summary><div class="scroll"><table><thead><tr><th></th><th>images</th>'
        f"{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></div></details>"
    )


def _pictures(pictures: Mapping[str, Sequence[Triple]]) -> str:
    parts = []
    for kind, triples in pictures.items():
        if not triples:
            continue
        figures = "".join(_figure(triple, kind) for triple in triples)
        parts.append(
            f"<h2>{kind.capitalize()} images</h2><p class='faint'>Truth, render, and their absolute difference times "
            f"{DIFFERENCE_GAIN:g}, around the hand.</p><div class='frames'>{figures}</div>"
        )
    return "".join(parts)


def _figure(triple: Triple, kind: str) -> str:
    row = triple.row
    values = " · ".join(
        f"{protocol} {number('psnr', row.values[f'{protocol}/psnr'])} dB"
        for protocol in ("hand_box", "full_image")
        if f"{protocol}/psnr" in row.values
    )
    marked = ' class="worst"' if kind == "worst" else ""
    name = escape(row.frame.image)
    return (
        f'<figure{marked}><div class="columns"><span>truth</span><span>render</span><span>difference</span></div>'
        f'<img src="{_data_url(triple.side_by_side())}" alt="truth, render and difference of {name}">'
        f"<figcaption><b>{values}</b><br>{name}, {SPLIT_NAMES[row.split]}, pose {row.frame.pose}, "
        f"camera {escape(row.frame.camera_name)}</figcaption></figure>"
    )


def _data_url(picture: np.ndarray) -> str:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "WEBP", quality=QUALITY, method=4)
    return "data:image/webp;base64," + base64.b64encode(stream.getvalue()).decode()


def _temporal(evaluation: Evaluation) -> str:
    if not evaluation.temporal:
        return ""
    keys = ("change", "flicker", "sharpness", "pixels")
    names = {"orbit": "slow orbit", "pose": "slow change of pose"}
    lines = "".join(
        f"<tr><td>{names.get(film, film)}</td>{''.join(f'<td>{values[key]:.2f}</td>' for key in keys)}</tr>"
        for film, values in evaluation.temporal.items()
    )
    head = "<th></th><th>change</th><th>flicker</th><th>detail</th><th>part of the image</th>"
    return (
        f"<h2>Steadiness</h2><p class='faint'>{escape(MEANING)}</p><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{lines}</tbody></table>"
    )


def _provenance(evaluation: Evaluation) -> str:
    metadata, capture = evaluation.metadata, evaluation.capture
    architecture = metadata.architecture
    avatar = {
        "file": str(evaluation.avatar),
        "licence": metadata.licence or "not stated",
        "hand model": f"{metadata.hand_model}, {metadata.side}",
        "content hash": metadata.content_hash,
        "samples a ray": architecture.n_samples + architecture.n_importance,
        "pixels a metre": f"{metadata.pixels_per_metre:.0f}",
        **{key.replace("_", " "): value for key, value in metadata.provenance.items()},
    }
    source = {
        "folder": str(capture.folder),
        "licence": capture.licence or "not stated",
        "origin": capture.origin or "not stated",
        "poses held out": ", ".join(str(pose) for pose in sorted(capture.held_out_poses)) or "none",
        "cameras held out": ", ".join(sorted(capture.held_out_cameras)) or "none",
    }
    left_out = _items(str(problem) for problem in (*evaluation.problems, *evaluation.unmeasured))
    problems = f"<details><summary>Left out</summary><ul>{left_out}</ul></details>" if left_out else ""
    document = escape(json.dumps(reproduction(evaluation), indent=1, default=str))
    return (
        f"<h2>Avatar</h2>{_facts(avatar)}<h2>Capture</h2>{_facts(source)}{problems}<h2>To repeat it</h2>"
        f"<p><code>{escape(evaluation.command)}</code></p>"
        f"<details><summary>Versions, machine, hashes</summary><pre>{document}</pre></details>"
    )


def _facts(values: Mapping[str, Any]) -> str:
    lines = "".join(f"<tr><td>{escape(str(key))}</td><td>{_fact(value)}</td></tr>" for key, value in values.items())
    return f'<table class="facts">{lines}</table>'


def _fact(value: Any) -> str:
    return escape(value if isinstance(value, str) else json.dumps(value, default=str))


def _items(lines: Iterable[str]) -> str:
    return "".join(f"<li>{escape(line)}</li>" for line in lines)
