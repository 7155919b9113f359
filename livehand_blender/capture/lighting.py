"""A light of the core shown in a Blender scene, for captures under many lights: lamps and a world."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix, Vector

from livehand_core.captures.light_part import CaptureLight
from livehand_core.captures.lighting import Lighting, light_shots, moved_lights
from livehand_core.captures.shooting import Shooting, Shot
from livehand_core.errors import CaptureError
from livehand_core.hand.data import ProxyModel
from livehand_core.lights import Lamp
from livehand_core.panoramas import resized

from ..render.lamps import AREA_INTENSITY, POINT_INTENSITY
from .studio import CENTRE, studio_light
from .subjects import first_wrist

HDRI_ROWS = 128
"""Rows that panoramas of files are reduced to: sharper ones change no hand, and cost Cycles time."""

TEST_FACTOR = 8
"""How many times the samples of a training picture a test picture has."""

SUFFIXES = (".exr", ".hdr")


class LightStage:
    """Shows one lighting after the other; what it adds to the scene it takes away again.

    Args:
        scene: of which lamps and world are not heeded any more.
        plan: with lights.
        lights: as they are shown, in the world of the plan.
        scale: world = scale * (point of the plan).
        samples: of training pictures.
        test_samples: of pictures that are kept for evaluation.
    """

    def __init__(
        self,
        scene: Any,
        plan: Shooting,
        lights: tuple[Lighting, ...],
        samples: int,
        test_samples: int,
        scale: float = 1.0,
    ) -> None:
        self._scene, self._plan, self._lights, self._scale = scene, plan, lights, scale
        self._samples = samples, test_samples
        self._lamps: list[Any] = []
        self._image: Any = None
        for obj in scene.objects:
            if obj.type == "LIGHT":
                obj.hide_render = True
        self._world = scene.world = bpy.data.worlds.new("LiveHand lights")
        self._world.use_nodes = True

    def __call__(self, shot: Shot) -> None:
        """Show the light of a picture, expose for it, and take as many samples as it wants."""
        assert shot.light is not None
        self.show(self._lights[shot.light])
        self._scene.view_settings.exposure = self._plan.exposures[shot.light]
        if self._scene.render.engine == "CYCLES":
            self._scene.cycles.samples = self._samples[self._plan.is_test(shot)]

    def show(self, lighting: Lighting) -> None:
        """Take away the light before and put this one in its place."""
        for obj in self._lamps:
            bpy.data.lights.remove(obj.data)
        lamps = [lamp.moved(np.eye(3), np.zeros(3), self._scale) for lamp in lighting.lamps]
        self._lamps = [_add_lamp(self._scene, lamp) for lamp in lamps]
        tree, before = self._world.node_tree, self._image
        tree.nodes.clear()
        background = tree.nodes.new("ShaderNodeBackground")
        tree.links.new(background.outputs[0], tree.nodes.new("ShaderNodeOutputWorld").inputs["Surface"])
        if lighting.panorama is None:
            radiance = lighting.light.harmonics[0] / np.sqrt(4.0 * np.pi)
            background.inputs["Color"].default_value, self._image = (*radiance, 1.0), None
        else:
            self._image = float_image("LiveHand light", lighting.panorama)
            _link_panorama(tree, background, self._image, lighting.turn)
        if before is not None:
            bpy.data.images.remove(before)


def many_lights(scene: Any, plan: Any, data: ProxyModel) -> tuple[Shooting, LightStage]:
    """A scene's plan with a light for each picture, around its first pose's wrist, and what shows them.

    Args:
        plan: a ScenePlan or PartPlan.
    """
    settings, mirrored = scene.livehand_capture, plan.shooting.poses[0].side == "left"
    centre = np.array(CENTRE) * ([-1.0, 1.0, 1.0] if mirrored else [1.0, 1.0, 1.0])
    shooting, lights = light_shots(plan.shooting, studio_light(mirrored), centre, settings.seed, read_panoramas())
    shooting, lights = moved_lights(shooting, lights, *first_wrist(plan.shooting, data))
    samples = settings.samples
    return shooting, LightStage(scene, shooting, lights, samples, TEST_FACTOR * samples, plan.scale)


def told_studio(shooting: Shooting, data: ProxyModel) -> Shooting:
    """A plan in the studio's light that tells of it."""
    light = studio_light(shooting.poses[0].side == "left").moved(*first_wrist(shooting, data))
    return replace(shooting, lights=(CaptureLight(light, "studio"),))


def float_image(name: str, panorama: np.ndarray) -> Any:
    """A linear image of (H, W, 3) numbers whose first row is the upper one."""
    height, width = panorama.shape[:2]
    image = bpy.data.images.new(name, width, height, alpha=False, float_buffer=True)
    image.colorspace_settings.name = "Non-Color"
    pixels = np.ones((height, width, 4), dtype=np.float32)
    pixels[..., :3] = panorama[::-1]
    image.pixels.foreach_set(pixels.reshape(-1))
    image.update()
    # Otherwise a file that is read again has a black image.
    image.pack()
    return image


def read_panoramas(folder: Path | None = None) -> list[np.ndarray]:
    """The HDRIs of a folder, or Blender's own, as panoramas of ``HDRI_ROWS`` rows; none where Blender brings none.

    Raises:
        CaptureError: a folder was given that holds none, or a file of it cannot be read.
    """
    inside = bpy.utils.system_resource("DATAFILES", path="studiolights/world")
    place = folder or (Path(inside) if inside else None)
    there = list(place.iterdir()) if place and place.is_dir() else []
    files = sorted(path for path in there if path.suffix.lower() in SUFFIXES)
    if folder is not None and not files:
        raise CaptureError(f"{folder} holds no panoramas.", "Give a folder of equirectangular .exr or .hdr files.")
    return [_read_panorama(path) for path in files]


def _read_panorama(path: Path) -> np.ndarray:
    try:
        image = bpy.data.images.load(str(path))
    except RuntimeError as error:
        raise CaptureError(f"{path} cannot be read ({error}).", "Give equirectangular .exr or .hdr files.") from error
    try:
        width, height = image.size
        if height < 2 or not image.has_data:
            raise CaptureError(f"{path} holds no picture.", "Give equirectangular .exr or .hdr files.")
        pixels = np.empty(width * height * image.channels, dtype=np.float32)
        image.pixels.foreach_get(pixels)
        picture = pixels.reshape(height, width, image.channels)[::-1, :, :3].astype(np.float64)
    finally:
        bpy.data.images.remove(image)
    return resized(np.maximum(np.nan_to_num(picture, posinf=0.0), 0.0), min(HDRI_ROWS, height))


def _add_lamp(scene: Any, lamp: Lamp) -> Any:
    kind = "SUN" if lamp.position is None else "AREA" if lamp.emission == "disc" else "POINT"
    data = bpy.data.lights.new("LiveHand lamp", kind)
    strength = max(lamp.colour) or 1.0
    data.color = [channel / strength for channel in lamp.colour]
    obj = bpy.data.objects.new(data.name, data)
    scene.collection.objects.link(obj)
    if lamp.direction is not None:
        data.energy, data.angle = strength, lamp.size
        axis = -Vector(lamp.direction)
    elif kind == "AREA":
        data.shape, data.size, data.energy = "DISK", lamp.size, strength / AREA_INTENSITY
        axis = Vector(lamp.axis)
    else:
        data.shadow_soft_size, data.energy = 0.5 * lamp.size, strength / POINT_INTENSITY
        axis = Vector((0.0, 0.0, -1.0))
    if lamp.position is not None:
        obj.location = lamp.position
    obj.rotation_euler = axis.to_track_quat("-Z", "Y").to_euler()
    return obj


def _link_panorama(tree: Any, background: Any, image: Any, turn: np.ndarray) -> None:
    texture, mapping = tree.nodes.new("ShaderNodeTexEnvironment"), tree.nodes.new("ShaderNodeMapping")
    texture.image = image
    mapping.inputs["Rotation"].default_value = Matrix(turn.T.tolist()).to_euler("XYZ")
    tree.links.new(tree.nodes.new("ShaderNodeTexCoord").outputs["Generated"], mapping.inputs["Vector"])
    tree.links.new(mapping.outputs["Vector"], texture.inputs["Vector"])
    tree.links.new(texture.outputs["Color"], background.inputs["Color"])
