"""A white ball before a camera in Cycles: what a light gives it, to hold our own lights to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

RADIUS = 0.05
SIZE = 32


def ball_scene() -> Any:
    """An empty scene with a white Lambert ball at the origin, seen from +z, and a black world."""
    import bpy

    scene = bpy.context.scene
    bpy.ops.mesh.primitive_uv_sphere_add(segments=96, ring_count=48, radius=RADIUS)
    ball = bpy.context.object
    bpy.ops.object.shade_smooth()
    material = bpy.data.materials.new("white")
    material.use_nodes = True
    tree = material.node_tree
    tree.nodes.clear()
    diffuse, output = tree.nodes.new("ShaderNodeBsdfDiffuse"), tree.nodes.new("ShaderNodeOutputMaterial")
    diffuse.inputs["Color"].default_value = (1.0, 1.0, 1.0, 1.0)
    tree.links.new(diffuse.outputs[0], output.inputs[0])
    ball.data.materials.append(material)
    eye = bpy.data.objects.new("eye", bpy.data.cameras.new("eye"))
    scene.collection.objects.link(eye)
    scene.camera = eye
    eye.data.type, eye.data.ortho_scale = "ORTHO", 2.2 * RADIUS
    eye.location = (0.0, 0.0, 0.3)
    scene.world = bpy.data.worlds.new("black")
    scene.world.use_nodes = True
    scene.world.node_tree.nodes["Background"].inputs["Strength"].default_value = 0.0
    render = scene.render
    render.engine = "CYCLES"
    scene.cycles.samples, scene.cycles.use_denoising, scene.cycles.max_bounces = 96, False, 0
    scene.cycles.use_adaptive_sampling = False
    render.resolution_x = render.resolution_y = SIZE
    render.film_transparent = True
    return scene


def rendered(scene: Any, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """(n, 3) linear radiance of the ball's pixels, and (n, 3) the normals there."""
    import bpy

    settings = scene.render.image_settings
    if hasattr(settings, "media_type"):
        settings.media_type = "IMAGE"
    settings.file_format, settings.color_depth = "OPEN_EXR", "32"
    scene.render.filepath = str(folder / "ball.exr")
    bpy.ops.render.render(write_still=True, scene=scene.name)
    image = bpy.data.images.load(scene.render.filepath, check_existing=False)
    pixels = np.array(image.pixels[:]).reshape(SIZE, SIZE, -1)[..., :3]
    bpy.data.images.remove(image)
    rows, columns = np.mgrid[0:SIZE, 0:SIZE]
    x, y = (((places + 0.5) / SIZE * 2.0 - 1.0) * 1.1 for places in (columns, rows))
    inside = x**2 + y**2 < 0.9**2
    normals = np.stack([x, y, np.sqrt(np.maximum(1.0 - x**2 - y**2, 0.0))], axis=-1)
    return pixels[inside], normals[inside]
