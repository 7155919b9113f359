"""A soft studio around a hand, and Cycles set up to render it fast with a clean mask.

The light belongs to the wrist's frame (it is parented to an empty that is put there), so a hand looks the same however
it turns in the world: what an avatar conditioned in the wrist's frame can learn. Registers nothing.
"""

from __future__ import annotations

import bpy
import numpy as np
from mathutils import Matrix, Vector

from livehand_core.lights import Lamp, Light

from ..render.lamps import AREA_INTENSITY

CENTRE = (-0.085, 0.0, 0.008)
"""Middle of the hand in the wrist's frame of a right hand, metres: what the lights aim at."""

# name, position relative to the centre in metres, size in metres, power in watts, colour
_LIGHTS = (
    ("key", (-0.85, 0.70, 0.55), 0.42, 13.0, (1.0, 0.965, 0.92)),
    ("palm key", (-0.75, -0.75, -0.50), 0.42, 10.5, (1.0, 0.98, 0.95)),
    ("side", (0.10, -0.45, 1.10), 0.6, 4.5, (0.95, 0.975, 1.0)),
    ("rim", (0.50, 0.45, -0.95), 0.5, 5.0, (0.97, 0.985, 1.0)),
)

_WORLD, _WORLD_STRENGTH = (0.90, 0.93, 1.0), 0.17


def add_studio(
    scene: bpy.types.Scene, wrist: np.ndarray | None = None, mirrored: bool = False, strength: float = 1.0
) -> bpy.types.Object:
    """Soft area lights and a dim even world; returns the empty that carries the lights.

    Args:
        wrist: (4, 4) world matrix of the wrist's frame (``joint_transforms(...)[0]``); the identity when None.
        mirrored: for a left hand: the rig is reflected in x.
        strength: factor on every light.
    """
    rig = bpy.data.objects.new("LiveHand studio", None)
    scene.collection.objects.link(rig)
    flip = Vector((-1.0 if mirrored else 1.0, 1.0, 1.0))
    centre = Vector(CENTRE) * flip
    for name, offset, size, power, colour in _LIGHTS:
        data = bpy.data.lights.new(f"LiveHand {name}", "AREA")
        data.shape = "DISK"
        data.size = size
        data.energy = power * strength
        data.color = colour
        light = bpy.data.objects.new(data.name, data)
        scene.collection.objects.link(light)
        light.parent = rig
        light.location = centre + Vector(offset) * flip
        light.rotation_euler = (centre - light.location).to_track_quat("-Z", "Y").to_euler()
    world = bpy.data.worlds.new("LiveHand studio")
    world.use_nodes = True
    background = world.node_tree.nodes["Background"]
    background.inputs["Color"].default_value = (*_WORLD, 1.0)
    background.inputs["Strength"].default_value = _WORLD_STRENGTH * strength
    scene.world = world
    move_studio(rig, np.eye(4) if wrist is None else wrist)
    return rig


def studio_light(mirrored: bool = False) -> Light:
    """The studio's light as data, in the wrist's frame of a hand of its own size."""
    flip = np.array([-1.0 if mirrored else 1.0, 1.0, 1.0])
    centre, lamps = np.array(CENTRE) * flip, []
    for _, offset, size, power, colour in _LIGHTS:
        place = np.array(offset) * flip
        intensity = np.array(colour) * power * AREA_INTENSITY
        lamps.append(
            Lamp(tuple(intensity), position=tuple(centre + place), size=size, emission="disc", axis=tuple(-place))
        )
    return Light.uniform(np.array(_WORLD) * _WORLD_STRENGTH, lamps)


def move_studio(rig: bpy.types.Object, wrist: np.ndarray) -> None:
    """Put the lights into the (4, 4) wrist frame of another pose."""
    rig.matrix_world = Matrix(np.asarray(wrist, dtype=np.float64).tolist())


def configure_cycles(
    scene: bpy.types.Scene,
    samples: int = 8,
    size: tuple[int, int] = (334, 512),
    denoise: bool = True,
    threads: int = 0,
) -> bool:
    """Cycles for display-referred RGBA with a transparent film, tuned for many quick frames of one hand.

    Args:
        size: (width, height) in pixels.
        threads: 0 uses every core.

    Returns:
        True when frames are denoised; False where this Blender has no OpenImageDenoise.
    """
    scene.render.engine = "CYCLES"
    cycles = scene.cycles
    cycles.device = "CPU"
    cycles.samples = samples
    cycles.use_adaptive_sampling = False
    cycles.seed = 0
    cycles.max_bounces = 2
    cycles.diffuse_bounces = 1
    cycles.glossy_bounces = 1
    cycles.transmission_bounces = 0
    cycles.volume_bounces = 0
    cycles.transparent_max_bounces = 2
    cycles.caustics_reflective = False
    cycles.caustics_refractive = False
    cycles.sample_clamp_indirect = 4.0
    cycles.use_light_tree = False
    scene.render.film_transparent = True
    # A narrow filter: the picture of a pixel is that pixel's, as the volume renderer has it.
    cycles.pixel_filter_type = "BLACKMAN_HARRIS"
    cycles.filter_width = 1.2
    scene.render.use_persistent_data = True
    scene.render.threads_mode = "FIXED" if threads else "AUTO"
    if threads:
        scene.render.threads = threads
    scene.render.resolution_x, scene.render.resolution_y = size
    scene.render.resolution_percentage = 100
    scene.render.image_settings.file_format = "PNG"
    scene.render.image_settings.color_mode = "RGBA"
    scene.render.image_settings.color_depth = "8"
    scene.render.dither_intensity = 0.0
    scene.display_settings.display_device = "sRGB"
    scene.view_settings.view_transform = "Standard"
    scene.view_settings.look = "None"
    scene.view_settings.exposure = 0.0
    scene.view_settings.gamma = 1.0
    return denoise and use_denoiser(cycles)


def use_denoiser(cycles: bpy.types.PropertyGroup) -> bool:
    """Have Cycles denoise with OpenImageDenoise; False, and no denoising, where this Blender has none."""
    cycles.use_denoising = False
    try:
        cycles.denoiser = "OPENIMAGEDENOISE"
    except TypeError:
        # Some distributions build Blender without the library; the enum item is then missing.
        return False
    cycles.use_denoising = True
    cycles.denoising_input_passes = "RGB_ALBEDO_NORMAL"
    cycles.denoising_prefilter = "NONE"
    return True
