"""A tracked video in the scene: the action, the camera that sees as the film's did, the film behind the hand."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np
from mathutils import Matrix

from livehand_core.poses import PoseSequence

from ..motion.actions import exceeds_limits, motion_action, play, scene_rate
from ..rig.hand_rig import HandRig
from ..rig.pose import set_limits
from ..rig.shape import blends_betas
from .video import Film

STILLS = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff")

_FROM_FILM = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
"""From the take's world, in which the film's camera looks along y, to that camera's own axes as Blender has them: it
looks along -z, and y is up."""


def place_film(scene: Any, rig: Any, film: Film, match: bool) -> Any:
    """Give a rig the motion of a film as a new action from the current frame on.

    Args:
        scene: that the rig is in.
        rig: of the film's side.
        film: what was tracked.
        match: whether the scene's camera, or a new one, becomes the film's.

    Returns:
        The action.

    Raises:
        PoseError: the rig cannot take it.
    """
    camera = _film_camera(scene, film) if match else None
    if film.shape and not blends_betas(rig):
        rig.livehand.betas = tuple(film.sequence.poses[0].betas)
    bpy.context.view_layer.update()
    hand = HandRig.of(rig)
    sequence = film.sequence
    if camera is not None:
        world = np.array(camera.matrix_world, dtype=np.float64)
        turn = world[:3, :3] @ _FROM_FILM
        poses = tuple(pose.moved(turn, world[:3, 3], hand.data.rest_joints(pose.betas)[0]) for pose in sequence.poses)
        sequence = PoseSequence(poses, sequence.fps)
    step = 1.0 if match else scene_rate(scene) / sequence.fps
    action = motion_action(rig, sequence, film.path.stem, scene.frame_current, step, True, shape=False)
    play(rig, action)
    if exceeds_limits(sequence):
        set_limits(rig, False)
    return action


def _film_camera(scene: Any, film: Film) -> Any:
    """The scene's camera, or a new one, with the film's view and the film as its background."""
    thing = scene.camera
    if thing is None or not thing.is_editable or thing.type != "CAMERA" or not thing.data.is_editable:
        thing = bpy.data.objects.new("Film Camera", bpy.data.cameras.new("Film Camera"))
        thing.matrix_world = Matrix(((1, 0, 0, 0), (0, 0, -1, 0), (0, 1, 0, 0), (0, 0, 0, 1)))
        scene.collection.objects.link(thing)
        scene.camera = thing
    data, seen = thing.data, film.camera
    data.type = "PERSP"
    data.sensor_fit = "HORIZONTAL" if seen.width >= seen.height else "VERTICAL"
    data.shift_x = data.shift_y = 0.0
    data.angle = 2.0 * float(np.arctan(0.5 * max(seen.width, seen.height) / seen.fx))
    data.clip_start = min(data.clip_start, 0.01)
    thing.scale = (1.0, 1.0, 1.0)
    render = scene.render
    render.resolution_x, render.resolution_y = seen.width, seen.height
    render.pixel_aspect_x = render.pixel_aspect_y = 1.0
    render.fps, render.fps_base = _rate(film.sequence.fps)
    scene.frame_end = max(scene.frame_end, scene.frame_current + len(film.sequence.poses) - 1)
    _show_behind(data, film, scene.frame_current)
    bpy.context.view_layer.update()
    return thing


def _show_behind(data: Any, film: Film, start: int) -> None:
    """The film as the camera's background; one that it shows already is taken, not added again."""
    data.show_background_images = True
    known = next((image for image in data.background_images if _shows(image, film)), None)
    image = known or data.background_images.new()
    if film.path.suffix.lower() in STILLS:
        image.source, image.image = "IMAGE", bpy.data.images.load(str(film.path), check_existing=True)
    else:
        clip = bpy.data.movieclips.load(str(film.path), check_existing=True)
        clip.frame_start = start
        image.source, image.clip = "MOVIE_CLIP", clip
    image.use_flip_x = film.mirror
    image.alpha = 1.0
    image.display_depth, image.frame_method = "BACK", "STRETCH"


def _shows(image: Any, film: Film) -> bool:
    shown = image.clip if image.source == "MOVIE_CLIP" else image.image
    return shown is not None and bpy.path.abspath(shown.filepath) == str(film.path)


def _rate(fps: float) -> tuple[int, float]:
    """Blender's whole number of frames a second, and what it is divided by."""
    whole = max(1, round(fps))
    return whole, whole / fps
