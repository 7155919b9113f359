"""One evaluation from beginning to end: check the capture, render, measure, and draw what the report shows."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ..avatars.metadata import AvatarMetadata, read_metadata, resolve
from ..captures.capture import Capture, CaptureFrame, Problem, Split, scan_capture
from ..captures.joined import identity_names, inspect_captures
from ..captures.pose_file import REFINED_POSES, read_pose_file
from ..devices import pick_device
from ..errors import CaptureError, LiveHandError
from ..hand.library import find_model
from ..progress import Progress
from ..rendering import Renderer
from ..rendering.thresholds import Precision
from .document import REFITS, TEMPORAL, Evaluation
from .evaluate import BY_WEIGHT, Measured, choose_frames, measure_frames, picture
from .metrics import PROTOCOLS
from .pictures import Triple, make_triple
from .steadiness import measure_steadiness, slow_films
from .suite import Suite
from .summary import bias_warning, ranked


@dataclass(frozen=True)
class Settings:
    """What is evaluated, and how.

    Attributes:
        avatar: file, or ``"default"``.
        captures: folders, one or more.
        identities: whose hand each of them shows, where they do not tell.
        splits: none for those held out, or for those trained on where nothing is.
        limit: frames a split; 0 for all.
        protocols: names out of ``PROTOCOLS``, and ``"temporal"``.
        device, precision: of the renderer.
        skip_bad: go on without what cannot be used.
        poses: in which the frames are measured too: a run's folder or a file; None for none.
        refine_poses: measure them too in poses fitted through the avatar.
    """

    avatar: str
    captures: tuple[Path, ...]
    identities: tuple[str, ...] = ()
    splits: tuple[Split, ...] = ()
    limit: int = 0
    protocols: tuple[str, ...] = (*PROTOCOLS, TEMPORAL)
    device: str = "auto"
    precision: Precision = "fast"
    skip_bad: bool = False
    poses: Path | None = None
    refine_poses: bool = False


class Session:
    """Holds the renderer between measuring and drawing.

    Args:
        settings: what is asked for.
        command: that repeats it, for the record.

    Raises:
        LiveHandError: the avatar, the capture or the device cannot be used.
    """

    def __init__(self, settings: Settings, command: str = "") -> None:
        self._command, self._began = command, time.strftime("%Y-%m-%d %H:%M")
        if not any(name in PROTOCOLS for name in settings.protocols):
            raise LiveHandError("None of the chosen protocols measures images.", f"Add one of {', '.join(PROTOCOLS)}.")
        self._metadata = read_metadata(settings.avatar)
        splits = settings.splits or held_out_splits(settings.captures)
        measured = _measured_splits(settings.protocols)
        self.settings = replace(settings, splits=tuple(split for split in splits if split in measured))
        if not self.settings.splits:
            raise CaptureError(
                f"The protocols {', '.join(settings.protocols)} look at none of the splits {', '.join(splits)}.",
                "Give a capture with held-out lights to relight, or choose other protocols.",
            )
        inspection = inspect_captures(settings.captures, settings.identities, settings.skip_bad, self.settings.splits)
        self._capture, self.problems = inspection.capture, inspection.problems
        check_fit(self._metadata, self._capture)
        self._frames = choose_frames(self._capture, self.settings.splits, settings.limit)
        if not self._frames:
            raise CaptureError(
                f"The capture {self._capture.folder} has no frames of these splits.", "Choose other splits."
            )
        self._given = None if settings.poses is None else with_poses(self._capture, settings.poses)
        self._renderer = Renderer(settings.device, precision=settings.precision)
        self._suite = Suite([name for name in PROTOCOLS if name in settings.protocols], pick_device("auto"))

    def measure(self, stopped: Callable[[], bool] = lambda: False) -> Evaluation:
        """Render and measure until all is done or ``stopped`` answers True; progress goes to standard error.

        Raises:
            CaptureError: no frame could be measured.
        LiveHandError: the avatar or the device fails.
        """
        settings = self.settings
        data = find_model(self._capture.hand_model, self._capture.poses.poses[0].side)
        films = {}
        if TEMPORAL in settings.protocols:
            films = slow_films(self._capture, data, settings.avatar, self._metadata)
        rows: list[Measured] = []
        unmeasured: list[Problem] = []
        of = sum(map(len, films.values()))
        with closing(Progress("frames")) as progress:
            for row in measure_frames(
                self._renderer, settings.avatar, self._metadata, self._capture, self._frames, self._suite, stopped
            ):
                if isinstance(row, Problem):
                    unmeasured.append(row)
                else:
                    rows.append(row)
                progress(len(rows) + len(unmeasured), len(self._frames), "measuring")

            def film_progress(done: int) -> None:
                progress(done, of, "steadiness")

            temporal = measure_steadiness(self._renderer, films, data, film_progress, stopped)
        if unmeasured and not rows:
            raise CaptureError(
                f"None of the {len(unmeasured)} frames could be measured; the first: {unmeasured[0]}.",
                "Repair the capture: livehand check lists all that is wrong with it.",
            )
        # In the capture's order again: tables and files read better so.
        place = {frame.image: number for number, frame in enumerate(self._capture.frames)}
        rows.sort(key=lambda row: place[row.frame.image])
        refits = {label: self._again(label, rows, stopped) for label in self._refits()}
        bias = bias_warning(rows)
        lit = light_note(self._capture, self._metadata)
        return Evaluation(
            avatar=resolve(settings.avatar),
            metadata=self._metadata,
            capture=self._capture,
            rows=tuple(rows),
            planned=len(self._frames),
            temporal=temporal,
            problems=self.problems,
            unmeasured=tuple(unmeasured),
            refits=refits,
            notes=(*self._capture.notes, *self._suite.notes, *(line for line in (bias, lit) if line)),
            settings=asdict(settings)
            | {
                "device": self._renderer.device,
                "captures": [str(path) for path in settings.captures],
                "poses": settings.poses and str(settings.poses),
            },
            command=self._command,
            began=self._began,
        )

    def _refits(self) -> list[str]:
        asked = self._given is not None, self.settings.refine_poses
        return [label for label, wanted in zip(REFITS, asked, strict=True) if wanted]

    def _again(self, label: str, rows: Sequence[Measured], stopped: Callable[[], bool]) -> tuple[Measured, ...]:
        """The frames that were measured, in other poses, by a key of REFITS."""
        capture, frames = self._given or self._capture, [row.frame for row in rows]
        found: list[Measured] = []
        with closing(Progress("steps")) as progress:
            if label == "poses fitted":
                capture = self._fitted(capture, frames, lambda done, of: progress(done, of, "fitting poses"), stopped)
        with closing(Progress("frames")) as progress:
            for row in measure_frames(
                self._renderer, self.settings.avatar, self._metadata, capture, frames, self._suite, stopped
            ):
                found += [row] if isinstance(row, Measured) else []
                progress(len(found), len(frames), f"measuring, {label}")
        return tuple(found)

    def _fitted(
        self,
        capture: Capture,
        frames: Sequence[CaptureFrame],
        progress: Callable[[int, int], None],
        stopped: Callable[[], bool],
    ) -> Capture:
        from ..avatars import load_avatar
        from ..training.refit import refitted

        avatar = load_avatar(self.settings.avatar)
        hand = avatar.arrays().refined(find_model(capture.hand_model, capture.poses.poses[0].side))
        return refitted(avatar, capture, frames, hand, lambda line: None, progress, stopped)

    def pictures(self, evaluation: Evaluation, counts: Mapping[str, int]) -> dict[str, list[Triple]]:
        """The worst, median and best frames of the headline's split, drawn again.

        Args:
            counts: how many of ``"worst"``, ``"median"`` and ``"best"``.
        """
        rows = ranked(evaluation.headline[1].rows)
        places = {
            "worst": range(len(rows)),
            "median": sorted(range(len(rows)), key=lambda place: abs(2 * place - len(rows) + 1)),
            "best": range(len(rows) - 1, -1, -1),
        }
        chosen = {kind: list(places[kind])[:count] for kind, count in counts.items()}
        drawn = {place: self._draw(rows[place]) for place in sorted({p for some in chosen.values() for p in some})}
        return {kind: [drawn[place] for place in some] for kind, some in chosen.items()}

    def _draw(self, row: Measured) -> Triple:
        drawn = picture(self._renderer, self.settings.avatar, self._capture, row.frame, self._metadata)
        return make_triple(row, drawn.image, self._capture.image(row.frame))


def with_poses(capture: Capture, path: Path) -> Capture:
    """The capture in the poses of a file, or of a run's folder.

    Raises:
        CaptureError: the file is not there, is damaged, or is of another capture.
    """
    file = path / REFINED_POSES if path.is_dir() else path
    table = read_pose_file(file, capture.hand_model)
    count, found = len(capture.poses.poses), len(table.poses.poses)
    if found != count or table.bad:
        raise CaptureError(
            f"{file} has {found - len(table.bad)} usable poses, the capture {capture.folder} has {count}.",
            "Give the poses of a run that was trained on this capture, all of them refined by it.",
        )
    return replace(capture, poses=table.poses)


def held_out_splits(folders: Sequence[Path]) -> tuple[Split, ...]:
    """The splits of captures that were never trained on, or ``"train"`` where there are none."""
    captures = [scan_capture(folder)[0] for folder in folders]
    there = {capture.split(frame) for capture in captures for frame in capture.frames}
    return tuple(split for split in BY_WEIGHT if split in there and split != "train") or ("train",)


def light_note(capture: Capture, metadata: AvatarMetadata) -> str:
    """What to know of figures over several lights; empty where there is nothing."""
    if metadata.light != "as_trained" or len({frame.light for frame in capture.frames}) < 2:
        return ""
    return (
        f"The avatar {metadata.name!r} brings its own light along: figures of pictures in other lights tell how far "
        "these are from it, and not how good the avatar is."
    )


def _measured_splits(protocols: Sequence[str]) -> set[Split]:
    """The splits that some of the protocols are measured on."""
    chosen = [PROTOCOLS[name] for name in protocols if name in PROTOCOLS]
    return {split for split in BY_WEIGHT if any(protocol.covers(split) for protocol in chosen)}


def check_fit(metadata: AvatarMetadata, capture: Capture) -> None:
    """Raises CaptureError when the avatar cannot show the capture's hand: another model, or nobody that it knows."""
    if metadata.hand_model != capture.hand_model:
        raise CaptureError(
            f"The poses of {capture.folder} are of the hand model {capture.hand_model!r}, the avatar {metadata.name!r} "
            f"is of {metadata.hand_model!r}.",
            "Choose an avatar and a capture of one hand model.",
        )
    known = [identity.name for identity in metadata.identities]
    if len(known) < 2:
        return
    for name in identity_names(capture.frames):
        if name not in known:
            told = f"shows {name!r}" if name else "does not tell whose hand it shows"
            raise CaptureError(
                f"The capture {capture.folder} {told}; the avatar {metadata.name!r} knows {', '.join(known)}.",
                "Name one of them for each capture with --identities.",
            )
