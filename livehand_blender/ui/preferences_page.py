"""The add-on's preferences: the engine's Python, folders, and how training goes on without Blender."""

# Blender reads the annotations of these classes as values, so they are not postponed.

from typing import Any

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty

from .. import compat
from ..environment.operators import probe
from ..preferences import PACKAGE
from ..registration import classes, registration
from .setup_panels import draw_preferences


def _interpreter_changed(_preferences: Any, _context: Any) -> None:
    probe()


class LiveHandPreferences(bpy.types.AddonPreferences):
    """Preferences of the add-on."""

    bl_idname = PACKAGE

    interpreter: StringProperty(
        name="Python of the Engine",
        description="Python executable for the engine, or its environment's folder; empty to take LIVEHAND_PYTHON, the "
        "environment made here, or Blender's own Python",
        subtype="FILE_PATH",
        options=compat.PATH_OPTIONS,
        update=_interpreter_changed,
    )
    render_device: EnumProperty(
        name="Render With",
        description="What draws frames; a changed choice starts the engine anew",
        items=(
            ("AUTO", "Automatic", "The GPU where one can be used, else the processor", 0),
            ("GPU", "GPU", "The first GPU; it is an error when there is none", 1),
            ("CPU", "Processor", "The processor, which leaves the GPU to other work", 2),
        ),
        default="AUTO",
    )
    torch_build: EnumProperty(
        name="Build",
        description="What a new environment renders on",
        items=(
            ("CPU", "Processor", "Runs everywhere; the smallest download, with torch only for training", 0),
            ("CUDA", "CUDA", "For training on an NVIDIA GPU, with torch; frames need none", 1),
            ("DEFAULT", "As Published", "With the torch that the package index gives on this system", 2),
        ),
        default="CPU",
    )
    torch_index: StringProperty(
        name="Index of torch",
        description="Package index that torch is taken from, for instance of another CUDA version; empty for the known "
        "one",
    )
    base_python: StringProperty(
        name="Made From",
        description="Python 3.11 or newer that the environment is made from; empty for Blender's own",
        subtype="FILE_PATH",
        options=compat.PATH_OPTIONS,
    )
    wheel_folder: StringProperty(
        name="Wheels",
        description="Folder with the wheels of all packages, to install without the network; empty to download",
        subtype="DIR_PATH",
        options=compat.PATH_OPTIONS,
    )
    with_training: BoolProperty(
        name="With Training",
        description="Also install what training, its measures, meshes and the import of official checkpoints need: "
        "torch and more, some 2 GB",
        default=False,
    )
    with_tracking: BoolProperty(
        name="With Tracking",
        description="Also install what tracking hands in videos and before a camera needs: some 400 MB",
        default=False,
    )
    show_options: BoolProperty(name="Options", description="More choices for a new environment", default=False)
    show_log: BoolProperty(name="Log", description="The last lines of the engine's log", default=False)
    log_folder: StringProperty(
        name="Log Folder",
        description="Folder of the engine's log; empty for the add-on's own",
        subtype="DIR_PATH",
        options=compat.PATH_OPTIONS,
    )
    avatar_folder: StringProperty(
        name="Avatars",
        description="Folder of the avatars in the list; empty for the add-on's own",
        subtype="DIR_PATH",
        options=compat.PATH_OPTIONS,
    )
    run_folder: StringProperty(
        name="Training Runs",
        description="Folder of the training runs in the list; empty for the add-on's own",
        subtype="DIR_PATH",
        options=compat.PATH_OPTIONS,
    )
    default_avatar: StringProperty(
        name="Default Avatar",
        description="Avatar file that new hands get; empty for the one that ships inside",
        subtype="FILE_PATH",
        options=compat.PATH_OPTIONS,
    )
    keep_training: BoolProperty(
        name="Go On Without Blender",
        description="Training and captures go on when Blender is closed or the add-on is switched off; otherwise they "
        "are stopped and can be gone on with",
        default=True,
    )

    def draw(self, context: Any) -> None:
        draw_preferences(self.layout, self, context)


register, unregister = registration(classes(LiveHandPreferences))
