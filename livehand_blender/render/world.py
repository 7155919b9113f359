"""Worlds that can be evaluated without rendering, exactly: one colour, or a panorama that may be turned.

A panorama is read once, and again where it may have changed: when Blender tells of pictures or builds its depsgraph
anew, as after a reload from disk, and once a render. Called by render/light; reads only.
"""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np
from mathutils import Euler

from livehand_core.errors import LightError
from livehand_core.lights import Light
from livehand_core.panoramas import panorama_light, resized
from livehand_core.passes import srgb_to_linear

from .. import compat
from ..registration import handlers, registration
from .animated import FILMS

ROWS = 128
"""Rows that a panorama is reduced to before its light is found."""

_read: dict[tuple[Any, ...], Light] = {}
"""The lights of the panoramas that were read last."""


def world_light(world: Any) -> Light | None:
    """The light of a world, or None where only a render tells: other nodes than a colour or a turned panorama.

    Raises:
        LightError: its panorama is missing, or it shines less than nothing.
    """
    if world is None:
        return Light()
    if not compat.world_has_nodes(world):
        return Light.uniform(tuple(world.color))
    node = compat.world_background(world)
    if node is None or not any(link.to_node.type == "OUTPUT_WORLD" for link in node.outputs[0].links):
        return None
    colour, strength = node.inputs["Color"], node.inputs["Strength"]
    if strength.is_linked or _has_volume(world):
        return None
    factor = float(strength.default_value)
    if not colour.is_linked:
        return Light.uniform(np.array(colour.default_value[:3], dtype=np.float64) * factor)
    texture = colour.links[0].from_node
    turn = _turn(texture)
    if texture.type != "TEX_ENVIRONMENT" or texture.projection != "EQUIRECTANGULAR" or turn is None:
        return None
    if texture.image is not None and texture.image.source in FILMS:
        return None
    return _panorama(texture.image, world.name).scaled(factor).moved(turn.T, np.zeros(3))


def _has_volume(world: Any) -> bool:
    outputs = [node for node in world.node_tree.nodes if node.type == "OUTPUT_WORLD"]
    return any(output.inputs["Volume"].is_linked for output in outputs)


def _turn(texture: Any) -> np.ndarray | None:
    """(3, 3) rotation of directions before a texture looks them up; None where something else is done to them."""
    link = next(iter(texture.inputs["Vector"].links), None)
    if link is None:
        return np.eye(3)
    node = link.from_node
    if node.type == "TEX_COORD":
        return np.eye(3) if link.from_socket.name == "Generated" else None
    if node.type != "MAPPING" or node.vector_type not in ("POINT", "TEXTURE", "VECTOR"):
        return None
    before = next(iter(node.inputs["Vector"].links), None)
    told = before is not None and before.from_node.type == "TEX_COORD" and before.from_socket.name == "Generated"
    plain = [np.array(node.inputs[name].default_value) for name in ("Location", "Scale") if name in node.inputs]
    still = np.allclose(plain[-1], 1.0) and (len(plain) == 1 or np.allclose(plain[0], 0.0))
    if not (told and still) or any(node.inputs[name].is_linked for name in ("Rotation", "Scale")):
        return None
    matrix = np.array(Euler(node.inputs["Rotation"].default_value, "XYZ").to_matrix(), dtype=np.float64)
    return matrix.T if node.vector_type == "TEXTURE" else matrix


def _panorama(image: Any, world: str) -> Light:
    """The light of an image, read once.

    Raises:
        LightError: it is not there.
    """
    if image is None:
        raise LightError(f"The world {world!r} has no panorama.", "Open one in its Environment Texture node.")
    image = image.original
    width, height = image.size
    if min(width, height) < 2:
        raise LightError(
            f"The panorama {image.name!r} of the world {world!r} is missing.", "Find its file, or choose another."
        )
    key = (image.session_uid if hasattr(image, "session_uid") else image.name, width, height, image.filepath)
    if key not in _read or image.is_dirty:
        pixels = np.empty(width * height * image.channels, dtype=np.float32)
        image.pixels.foreach_get(pixels)
        picture = pixels.reshape(height, width, image.channels)[::-1, :, : min(image.channels, 3)]
        picture = np.broadcast_to(picture, (height, width, 3)) if picture.shape[2] < 3 else picture
        if not image.is_float and image.colorspace_settings.name == "sRGB":
            picture = srgb_to_linear(picture)
        small = resized(np.maximum(np.nan_to_num(picture), 0.0), min(ROWS, height, width // 2))
        _read.clear()
        try:
            _read[key] = panorama_light(small)
        except LightError as error:
            raise LightError(f"The panorama {image.name!r} gives no light: {error.message}", error.remedy) from error
    return _read[key]


@bpy.app.handlers.persistent
def _changed(_scene: Any, depsgraph: Any) -> None:
    if any(isinstance(update.id, (bpy.types.Image, bpy.types.Collection)) for update in depsgraph.updates):
        _read.clear()


@bpy.app.handlers.persistent
def _forget(*_: Any) -> None:
    _read.clear()


register, unregister = registration(
    handlers(("depsgraph_update_post", _changed), ("render_init", _forget), ("load_post", _forget))
)
