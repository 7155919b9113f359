"""The capture studio: soft light fixed to the wrist's frame, and Cycles set up for clean, quick, display-referred frames.

An avatar learns its light together with its skin. The rig therefore hangs on one object, which the capture leaves at
the origin (the wrist's frame is the world there) and the demo ties to the wrist.
"""

from __future__ import annotations

from dataclasses import dataclass

import bpy
from mathutils import Vector

from ..compat import set_image_format

RIG_NAME = "LiveHand Studio"


@dataclass(frozen=True)
class SoftLight:
    """A square area light: where it is and how far it reaches, in the right hand's rest frame (metres, watts)."""

    name: str
    position: tuple[float, float, float]
    size: float
    power: float
    colour: tuple[float, float, float]


# The hand's fingers point along -x, its palm faces -y, its thumb +z; its middle is near (-0.09, 0, 0).
LIGHTS = (
    SoftLight("Key", (-0.35, 0.75, 0.55), 0.5, 9.0, (1.0, 0.965, 0.92)),
    SoftLight("Palm", (-0.30, -0.80, 0.35), 0.7, 6.5, (0.95, 0.975, 1.0)),
    SoftLight("Rim", (-0.55, 0.10, -0.85), 0.5, 4.0, (0.93, 0.965, 1.0)),
)
WORLD_STRENGTH = 0.28
AIM = (-0.09, 0.0, 0.0)


def add_studio(scene: bpy.types.Scene) -> bpy.types.Object:
    """Add the light rig and an even grey world to ``scene``; returns the empty that carries the lights."""
    rig = bpy.data.objects.new(RIG_NAME, None)
    rig.empty_display_size = 0.05
    scene.collection.objects.link(rig)
    for spec in LIGHTS:
        light = bpy.data.lights.new(f"{RIG_NAME} {spec.name}", "AREA")
        light.shape = "SQUARE"
        light.size = spec.size
        light.energy = spec.power
        light.color = spec.colour
        lamp = bpy.data.objects.new(light.name, light)
        lamp.parent = rig
        lamp.location = spec.position
        lamp.rotation_euler = (Vector(AIM) - Vector(spec.position)).to_track_quat("-Z", "Y").to_euler()
        scene.collection.objects.link(lamp)
    scene.world = _even_world()
    return rig


def configure_cycles(scene: bpy.types.Scene, width: int, height: int, samples: int = 10) -> None:
    """Set ``scene`` to render with Cycles on the CPU: transparent film, denoised, standard sRGB RGBA PNG.

    Args:
        width, height: image size in pixels.
        samples: paths a pixel before denoising.
    """
    render = scene.render
    render.engine = "CYCLES"
    render.resolution_x, render.resolution_y, render.resolution_percentage = width, height, 100
    render.film_transparent = True
    # Persistent data answers a changed setting one frame late (seen on 4.5) and gains nothing on one small mesh.
    render.use_persistent_data = False
    render.use_compositing = render.use_sequencer = False
    render.dither_intensity = 0.0
    render.filter_size = 1.2
    cycles = scene.cycles
    cycles.device = "CPU"
    cycles.samples = samples
    cycles.use_adaptive_sampling = False
    cycles.max_bounces, cycles.diffuse_bounces, cycles.glossy_bounces = 4, 2, 2
    cycles.transmission_bounces = cycles.volume_bounces = 0
    cycles.caustics_reflective = cycles.caustics_refractive = False
    cycles.sample_clamp_indirect = 4.0
    cycles.seed = 0
    _denoise(cycles)
    scene.display_settings.display_device = "sRGB"
    scene.view_settings.view_transform = "Standard"
    scene.view_settings.look = "None"
    scene.view_settings.exposure, scene.view_settings.gamma = 0.0, 1.0
    set_image_format(render.image_settings, "PNG")
    render.image_settings.color_mode, render.image_settings.color_depth = "RGBA", "8"


def _denoise(cycles: bpy.types.PropertyGroup) -> None:
    try:
        cycles.denoiser = "OPENIMAGEDENOISE"
    except TypeError:  # Debian's build has no OpenImageDenoise: the value is missing from the enum
        cycles.use_denoising = False
        return
    cycles.use_denoising = True
    cycles.denoising_input_passes = "RGB_ALBEDO_NORMAL"
    cycles.denoising_prefilter = "FAST"


def _even_world() -> bpy.types.World:
    world = bpy.data.worlds.new(RIG_NAME)
    world.use_nodes = True
    background = next(node for node in world.node_tree.nodes if node.type == "BACKGROUND")
    background.inputs["Color"].default_value = (1.0, 1.0, 1.0, 1.0)
    background.inputs["Strength"].default_value = WORLD_STRENGTH
    return world
