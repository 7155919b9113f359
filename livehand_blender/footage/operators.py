"""The operators that make captures of own videos and of data sets, and the board to print."""

# Blender reads the annotations of these classes as values, so they are not postponed.

from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
from bpy.props import BoolProperty, CollectionProperty, EnumProperty, FloatProperty, IntProperty, StringProperty
from bpy_extras.io_utils import ExportHelper, ImportHelper

from livehand_core.engine.interpreters import find_interpreter
from livehand_core.errors import CaptureError
from livehand_core.files import safe_name

from ..background import Task, TaskOperator
from ..capture.operators import captures_folder
from ..preferences import interpreter_preference, made_environment
from ..registration import classes, registration
from .board import Board, write_board
from .process import OVERLAYS, Preparation, Prepared, prepare

PREPARE_KEY = "prepare"

SETS = (
    ("interhand", "InterHand2.6M", "5 and 30 frames a second"),
    ("livehand", "LiveHand (Processed)", "The folder that the published code prepared"),
    ("hanco", "HanCo", "Eight cameras around one hand"),
    ("freihand", "FreiHAND", "One picture a pose"),
    ("dexycb", "DexYCB", "Hands that take things"),
    ("ho3d", "HO-3D", "Hands that hold things"),
    ("arctic", "ARCTIC", "Two hands at work"),
    ("cameras", "Own Cameras", "COLMAP or nerfstudio, with poses.npz beside it"),
)

SPLIT_SETS = {"interhand", "hanco", "freihand", "ho3d"}
"""Those in which training and test lie apart."""

_SIDES = (("right", "Right", "The right hand"), ("left", "Left", "The left hand"))


class Preparing(TaskOperator):
    """Mix-in of the operators around one process: a chooser first, then the work in the background."""

    task_key = PREPARE_KEY
    report: Any
    layout: Any

    directory: StringProperty(name="Folder", description="Of what is chosen", subtype="DIR_PATH", options={"HIDDEN"})
    capture: StringProperty(
        name="Capture", description="Folder of the capture; by default the add-on's own", subtype="DIR_PATH"
    )

    def shown(self) -> tuple[str, ...]:
        """Properties that the chooser shows, in this order."""
        raise NotImplementedError

    def draw(self, _context: Any) -> None:
        """Beside the files."""
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        for name in self.shown():
            layout.prop(self, name)

    def invoke(self, context: Any, event: Any) -> set[str]:
        """Files are asked for first; the work begins when they are chosen."""
        return set(ImportHelper.invoke(self, context, event))

    def execute(self, context: Any) -> set[str]:
        """In a window the work goes on in the background; in scripts and in the background it is done at once."""
        if bpy.app.background or context.window is None:
            return TaskOperator.execute(self, context)
        return TaskOperator.invoke(self, context, None)

    def folder(self, name: str) -> Path:
        """Where the capture goes."""
        if self.capture:
            return Path(bpy.path.abspath(self.capture))
        return captures_folder() / safe_name(name, "capture")

    def preparation_task(self, context: Any, words: list[str], folder: Path, job: str, label: str) -> Task[Prepared]:
        """The task around a command."""
        wish, scene = Preparation(words, folder, _python(job)), context.scene.name

        def settle(made: Prepared) -> None:
            # Another file may have been opened meanwhile.
            known = bpy.data.scenes.get(scene)
            if known is not None and not known.livehand_training.capture:
                known.livehand_training.capture = str(made.folder)
            if (made.folder / OVERLAYS).is_file():
                show_overlays(made.folder / OVERLAYS)

        return Task(label, lambda task: prepare(wish, task), settle)

    def done_message(self, answer: Prepared) -> str:
        last = answer.lines[-1] if answer.lines else ""
        count = sum(answer.left_out.values())
        left = f"{count} left out, see left_out.json" if count else "nothing left out"
        return f"{answer.folder.name} is ready ({left}). {last}"


class LIVEHAND_OT_from_footage(Preparing, ImportHelper, bpy.types.Operator):
    """Make a capture of videos of a hand: several fixed cameras, or one that moves around a hand that keeps still"""

    bl_idname = "livehand.from_footage"
    bl_label = "From Footage"
    bl_options = {"REGISTER"}

    filter_glob: StringProperty(
        description="Files to choose from",
        default="*.mp4;*.mov;*.mkv;*.avi;*.webm;*.m4v;*.mpg",
        options={"HIDDEN"},
    )
    files: CollectionProperty(
        name="Videos",
        description="Names of the videos in the folder, one a camera",
        type=bpy.types.OperatorFileListElement,
        options={"HIDDEN", "SKIP_SAVE"},
    )
    cameras: EnumProperty(
        name="Cameras",
        description="What tells the lenses and places of the cameras",
        items=(
            ("BOARD", "Board in Videos", "The printed board is seen in the videos, by several cameras at once"),
            ("FILES", "Calibration", "Files tell them: JSON, YAML, XML or .dat"),
            ("COLMAP", "Pictures", "What is seen in the pictures tells them, by pycolmap"),
        ),
        default="BOARD",
    )
    calibration: StringProperty(
        name="Calibration", description="The file, or the folder of several files", subtype="FILE_PATH"
    )
    square: FloatProperty(
        name="Square", description="Side of a square of the printed board, as measured, in millimetres",
        default=35.0, min=5.0, max=500.0, precision=2,
    )  # fmt: skip
    hand: EnumProperty(
        name="Hand",
        description="Which hand is filmed",
        items=(("auto", "Automatic", "The videos tell"), *_SIDES),
        default="auto",
    )
    poses: IntProperty(
        name="Poses", description="Most moments that become pictures; 0 takes all", default=120, min=0, soft_max=1000
    )
    licence: StringProperty(
        name="Licence", description="Of the pictures, such as CC0-1.0 or 'own use only'; training asks for it"
    )
    consent: StringProperty(name="Consent", description="What the person whose hand it is has agreed to")

    def shown(self) -> tuple[str, ...]:
        told = {"FILES": ("calibration",), "BOARD": ("square",)}.get(self.cameras, ())
        return ("cameras", *told, "hand", "poses", "licence", "consent", "capture")

    def make_task(self, context: Any) -> Task[Prepared]:
        named = [entry.name for entry in self.files if entry.name]
        folder = Path(bpy.path.abspath(self.directory)) if self.directory else Path()
        videos = [folder / name for name in sorted(named)] or [Path(bpy.path.abspath(self.filepath))]
        lost = [path for path in videos if not path.exists()]
        if videos[0].is_dir():
            raise CaptureError("No video is chosen.", "Choose one or more videos, one a camera.")
        if lost:
            raise CaptureError(f"The video {lost[0]} does not exist.", "Choose one or more videos.")
        target = self.folder(" ".join(path.stem for path in videos))
        words = ["footage", *map(str, videos), "-o", str(target), "--hand", self.hand, "--poses", str(self.poses)]
        if self.cameras == "FILES":
            if not self.calibration:
                raise CaptureError("No calibration is chosen.", "Choose its file or folder, or another way.")
            words += ["--calibration", bpy.path.abspath(self.calibration)]
        elif self.cameras == "BOARD":
            words += ["--board-in-videos", "--square", f"{self.square:g}"]
        else:
            words.append("--colmap")
        words += ["--licence", self.licence, "--consent", self.consent]
        return self.preparation_task(context, words, target, "footage", "The footage's capture")


class LIVEHAND_OT_import_capture(Preparing, ImportHelper, bpy.types.Operator):
    """Make a capture of a data set of real hands, as it was unpacked"""

    bl_idname = "livehand.import_capture"
    bl_label = "Import Capture"
    bl_options = {"REGISTER"}

    filter_folder: BoolProperty(description="Show folders", default=True, options={"HIDDEN"})
    kind: EnumProperty(name="Data Set", description="Which data set it is", items=SETS, default="interhand")
    side: EnumProperty(name="Hand", description="Which hand; a capture is of one", items=_SIDES, default="right")
    split: StringProperty(name="Split", description="train, val or test; by default the first that is there")
    limit: IntProperty(name="Poses", description="Most moments that become pictures; 0 takes all", default=0, min=0)
    every: IntProperty(name="Step", description="Take each Nth moment only", default=1, min=1)

    def shown(self) -> tuple[str, ...]:
        split = ("split",) if self.kind in SPLIT_SETS else ()
        return ("kind", "side", *split, "limit", "every", "capture")

    def make_task(self, context: Any) -> Task[Prepared]:
        chosen = Path(bpy.path.abspath(self.directory or self.filepath))
        if not chosen.is_dir():
            raise CaptureError(f"{chosen} is not a folder.", "Choose the folder that the data set was unpacked to.")
        target = self.folder(f"{self.kind} {chosen.name} {self.side}")
        words = ["dataset", self.kind, str(chosen), str(target), "--side", self.side, "--split", self.split]
        words += ["--limit", str(self.limit), "--every", str(self.every)]
        return self.preparation_task(context, words, target, "datasets", "The data set's capture")


class LIVEHAND_OT_write_board(TaskOperator, ExportHelper, bpy.types.Operator):
    """Write the board that calibrates cameras as a PDF, to be printed at 100 %"""

    bl_idname = "livehand.write_board"
    bl_label = "Board to Print"
    bl_options = {"REGISTER"}
    task_key = PREPARE_KEY

    filename_ext = ".pdf"
    filter_glob: StringProperty(description="Files to choose from", default="*.pdf", options={"HIDDEN"})
    paper: EnumProperty(
        name="Paper",
        description="Size of the sheet",
        items=(("a4", "A4", "210 x 297 mm"), ("letter", "Letter", "8.5 x 11 inches")),
        default="a4",
    )

    def invoke(self, context: Any, event: Any) -> set[str]:
        """The file is asked for first."""
        return set(ExportHelper.invoke(self, context, event))

    def make_task(self, _context: Any) -> Task[Path]:
        board = Board(Path(bpy.path.abspath(self.filepath)), self.paper, _python("footage"))
        return Task("The board", lambda task: write_board(board, task))

    def done_message(self, answer: Path) -> str:
        return f"{answer}: print it at 100 %, glue it on something flat, and measure a square"


def show_overlays(path: Path) -> None:
    """Load the sheet of overlays, and show it in the image editors that are open."""
    image = bpy.data.images.load(str(path), check_existing=True)
    image.reload()
    manager = bpy.context.window_manager
    for window in manager.windows if manager else ():
        for area in window.screen.areas:
            if area.type == "IMAGE_EDITOR":
                area.spaces.active.image = image
                if bpy.app.background:
                    continue
                region = next(region for region in area.regions if region.type == "WINDOW")
                with bpy.context.temp_override(window=window, area=area, region=region):
                    bpy.ops.image.view_all(fit_view=True)


class LIVEHAND_OT_show_overlays(bpy.types.Operator):
    """Show the pictures of a capture with the fitted hand over them, in a window of their own"""

    bl_idname = "livehand.show_overlays"
    bl_label = "Show Overlays"

    folder: StringProperty(name="Folder", description="Of the capture", subtype="DIR_PATH")

    def execute(self, context: Any) -> set[str]:
        path = Path(bpy.path.abspath(self.folder)) / OVERLAYS
        if not path.is_file():
            self.report({"ERROR"}, f"{path} is not there: the capture was prepared without overlays.")
            return {"CANCELLED"}
        if context.window is not None and not bpy.app.background:
            bpy.ops.wm.window_new()
            context.window_manager.windows[-1].screen.areas[0].type = "IMAGE_EDITOR"
        show_overlays(path)
        return {"FINISHED"}


def _python(job: str) -> Callable[[], Path]:
    """What finds the Python that has what a job needs; raises EngineError with what to install."""
    preference, made = interpreter_preference(), made_environment()
    return lambda: find_interpreter(preference, made, job).path


register, unregister = registration(
    classes(LIVEHAND_OT_from_footage, LIVEHAND_OT_import_capture, LIVEHAND_OT_write_board, LIVEHAND_OT_show_overlays)
)
