"""Every difference between Blender 4.2 and 5.2 that the add-on meets, in one room."""

from typing import Any

import bpy

PATH_OPTIONS = {"PATH_SUPPORTS_BLEND_RELATIVE"} if bpy.app.version >= (4, 5, 0) else set[str]()
"""Options of a path property that may start with ``//``; unknown before 4.5, which took it without."""


def set_image_format(settings: Any, file_format: str) -> None:
    """Choose a picture or movie format; 5.0 wants the kind of media first. EXR gets full floats, PNG 8-bit RGBA."""
    if hasattr(settings, "media_type"):
        kinds = {"FFMPEG": "VIDEO", "OPEN_EXR_MULTILAYER": "MULTI_LAYER_IMAGE"}
        settings.media_type = kinds.get(file_format, "IMAGE")
    settings.file_format = file_format
    if file_format == "PNG":
        settings.color_mode, settings.color_depth = "RGBA", "8"
    elif file_format.startswith("OPEN_EXR"):
        settings.color_depth, settings.exr_codec = "32", "ZIP"


def strips(sequencer: Any) -> Any:
    """The strips of a sequencer (``sequences`` before 4.4)."""
    return sequencer.strips if hasattr(sequencer, "strips") else sequencer.sequences


def world_colour(world: Any) -> tuple[float, float, float]:
    """Scene-linear colour of a world's flat background, black without a world.

    A Background node's unlinked colour times its strength, or the world's viewport colour. A texture has no single
    colour: its node's default colour is taken.
    """
    if world is None:
        return (0.0, 0.0, 0.0)
    # From 5.0 on a world always has nodes and use_nodes only warns.
    uses_nodes = bpy.app.version >= (5, 0, 0) or world.use_nodes
    tree = world.node_tree if uses_nodes else None
    for node in tree.nodes if tree else ():
        if node.type == "BACKGROUND":
            colour, strength = node.inputs["Color"].default_value, node.inputs["Strength"].default_value
            return (colour[0] * strength, colour[1] * strength, colour[2] * strength)
    return (world.color[0], world.color[1], world.color[2])
