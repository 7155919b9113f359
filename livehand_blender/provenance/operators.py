"""The operator that verifies pictures, and handlers that sign what Blender writes. The engine's Python does both."""

# Blender reads the annotations of these classes as values, so they are not postponed.

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import bpy
from bpy.app.handlers import persistent
from bpy.props import CollectionProperty, StringProperty

from livehand_core.engine.interpreters import child_environment, core_command, find_interpreter
from livehand_core.errors import LiveHandError

from ..background import Task, TaskOperator
from ..environment.lines import failure_line, run_lines
from ..farm.frames import Sign
from ..farm.signing import signing
from ..preferences import interpreter_preference, made_environment
from ..registration import classes, handlers, leaving, registration

VERIFY_KEY = "verify"
SUFFIXES = "*.png;*.exr;*.webp;*.mp4;*.mov"
NOT_VALID = 1

told: list[str] = []
"""What was found out last, for the panel."""

failure = ""
"""Why the last render's pictures were not signed; empty when they were, or need not be."""

_held = ExitStack()
_sign: Sign | None = None


class LIVEHAND_OT_verify(TaskOperator, bpy.types.Operator):
    """Look whether pictures and videos are as they were signed, by whom, and with which avatars they were made"""

    bl_idname = "livehand.verify"
    bl_label = "Verify Pictures"
    task_key = VERIFY_KEY

    filepath: StringProperty(name="File", description="Picture or video", subtype="FILE_PATH", options={"SKIP_SAVE"})
    directory: StringProperty(
        name="Folder", description="Of the files", subtype="DIR_PATH", options={"HIDDEN", "SKIP_SAVE"}
    )
    files: CollectionProperty(
        name="Files",
        description="Several files in the folder",
        type=bpy.types.OperatorFileListElement,
        options={"HIDDEN", "SKIP_SAVE"},
    )
    filter_glob: StringProperty(name="Kinds", description="Which files are shown", default=SUFFIXES, options={"HIDDEN"})

    def invoke(self, context: Any, event: Any) -> set[str]:
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def make_task(self, _context: Any) -> Task[list[dict[str, Any]]]:
        chosen = [Path(self.directory) / entry.name for entry in self.files if entry.name]
        paths = chosen or [Path(bpy.path.abspath(self.filepath))]
        preference, made = interpreter_preference(), made_environment()
        return Task("The verification", lambda task: _verified(paths, preference, made, task), _tell)

    def done_message(self, answer: list[dict[str, Any]]) -> str:
        valid = sum(report["state"] == "valid" for report in answer)
        return f"{valid} of {len(answer)} are as they were signed"


def _verified(paths: list[Path], preference: str, made: Path, task: Task[Any]) -> list[dict[str, Any]]:
    """A report for each file. Raises LiveHandError when one cannot be read."""
    python = find_interpreter(preference, made, "provenance").path
    reports: list[dict[str, Any]] = []

    def take(line: str) -> None:
        if line.startswith("{"):
            reports.append(json.loads(line))
            task.tell(len(reports) / len(paths), Path(reports[-1]["path"]).name)

    words = core_command(python, ["verify", "--json", *map(str, paths)])
    code, lines = run_lines(words, child_environment(python), None, task.cancelled, take)
    if code not in (0, NOT_VALID) or len(reports) != len(paths):
        raise LiveHandError(failure_line(lines).removeprefix("livehand: "))
    return reports


def _tell(reports: list[dict[str, Any]]) -> None:
    told[:] = [line for report in reports[:12] for line in _lines(report)]


def _lines(report: dict[str, Any]) -> list[str]:
    reason = f" ({report['reason']})" if report["reason"] else ""
    lines = [f"{Path(report['path']).name}: {report['state']}{reason}"]
    if report["signer"]:
        lines.append(f"Signed by {report['signer']}" + ("" if report["trusted"] else ", whom nobody vouches for here"))
    lines += [f"Avatar {avatar['name']}, licence {avatar['licence'] or 'not stated'}" for avatar in report["avatars"]]
    return lines


@persistent
def _begin(scene: Any, *_: Any) -> None:
    global _sign, failure
    failure = ""
    _end()
    if not scene.livehand.sign:
        return
    try:
        _sign = _held.enter_context(signing(True))
    except LiveHandError as error:
        _fail(error)


@persistent
def _written(scene: Any, *_: Any) -> None:
    """A frame of an animation, or a still, lies on the disk; a video does so only at the end."""
    if _sign is not None and not scene.render.is_movie_format:
        _sign_now(_newest(scene.render, scene.frame_current))


@persistent
def _complete(scene: Any, *_: Any) -> None:
    if _sign is not None and scene.render.is_movie_format:
        _sign_now(_newest(scene.render, scene.frame_start))
    _end()


def _newest(render: Any, frame: int) -> Path:
    """The file that Blender has just written: an animation's have numbers, a still has the name that was chosen."""
    still = bpy.path.abspath(render.filepath)
    names = (render.frame_path(frame=frame), still, still + render.file_extension)
    there = [path for path in map(Path, names) if path.is_file()]
    return max(there, key=lambda path: path.stat().st_mtime_ns, default=Path(names[0]))


def _sign_now(path: Path) -> None:
    assert _sign is not None
    try:
        _sign(path, path.name)
    except LiveHandError as error:
        _fail(error)


def _fail(error: LiveHandError) -> None:
    global failure
    failure = f"Not signed: {error}"
    print(f"LiveHand: {failure}", flush=True)


@persistent
def _end(*_: Any) -> None:
    global _sign
    _sign = None
    _held.close()


register, unregister = registration(
    classes(LIVEHAND_OT_verify),
    handlers(
        ("render_init", _begin),
        ("render_write", _written),
        ("render_complete", _complete),
        ("render_cancel", _end),
    ),
    leaving(_end),
)
