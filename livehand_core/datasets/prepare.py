"""One instant of a data set becomes pictures with masks: a task that knows nothing of the others.

A task writes its images and, when they are all there, its part: ``parts/{name}.json``. A part that is there and was
made of the same input is not made again, so that preparation goes on where it was stopped, on one machine or on many.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from ..cameras import Camera
from ..captures.images import open_mask, read_rgb8, write_image
from ..captures.transforms import lens_to_json
from ..errors import CaptureError, LiveHandError
from ..files import atomic_path
from ..hand.data import HandData
from ..hand.library import find_hand
from ..hand.skinning import pose_joints
from ..poses import HandPose
from .conventions import OPENPOSE_TO_MANO
from .masks import HAND, METHOD, Posed, Window, find_mask, hand_window, opacity, silhouettes, within
from .parts import is_there, part_path
from .refinement import Landmarks, Refined, refine
from .source import ANNOTATION, Instant, Labels, LeftOut, View, reason_of

IMAGES = "images"

SMALLEST_MASK = 250
"""Pixels; with fewer there is no hand to learn from."""

BLACK = 16
"""Of 255: an image whose brightest pixels are below this was not exposed."""

GREY = 3
"""Of 255: an image whose three channels differ by no more is grey."""

OVERLAP = 0.5
"""Intersection over union of mask and silhouette below which the fit does not lie on the hand."""

VIEWS_TO_REFINE = 3
"""Images of one instant from which outlines tell more than they make up; two do where they are chosen to."""

AHEAD = 4
"""Tasks a worker that wait for it; more of them would only fill the queue."""


@dataclass(frozen=True)
class Settings:
    """How images are prepared.

    Attributes:
        hand_model: whose parameters the poses are.
        cropped: whether images are cut to the hand and ``margin`` metres around it.
        keep_grey: whether images of grey cameras are taken.
        refine: whether fits are made better by the masks, where ``views_to_refine`` cameras and more see the hand.
        keep_shape: whether that leaves the hand's shape as it is.
        overlap: of mask and silhouette, below which an image is left out.
        worst_fit: metres that the fitted joints may be off the annotated ones, in the mean.
    """

    hand_model: str
    cropped: bool = False
    margin: float = 0.03
    keep_grey: bool = False
    worst_fit: float = 0.02
    refine: bool = True
    views_to_refine: int = VIEWS_TO_REFINE
    keep_shape: bool = False
    overlap: float = OVERLAP


def prepare(
    folder: Path, instants: Iterable[Instant], settings: Settings, workers: int, done: Callable[[int], None]
) -> None:
    """Make the part of every instant.

    Args:
        folder: of the capture.
        workers: processes; 1 works in this one.
        done: called with the number of instants that are finished.

    Raises:
        LiveHandError: the disk is full or the folder cannot be written.
    """
    if workers == 1:
        for count, instant in enumerate(instants, 1):
            prepare_instant(folder, instant, settings)
            done(count)
        return
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        waiting: list[Any] = []
        count, source = 0, iter(instants)
        while True:
            waiting += [
                pool.submit(prepare_instant, folder, instant, settings)
                for instant in islice(source, AHEAD * workers - len(waiting))
            ]
            if not waiting:
                return
            waiting.pop(0).result()
            count += 1
            done(count)


def prepare_instant(folder: Path, instant: Instant, settings: Settings) -> None:
    """Make the images and the part of one instant, unless they are there."""
    path = part_path(folder, instant.name)
    key = digest(instant, settings)
    if is_there(folder, path, key):
        return
    error = fit_error(instant, settings)
    frames: list[dict[str, Any]]
    if error > settings.worst_fit:
        left_out = [LeftOut(instant.name, "the fitted joints lie far off the annotated ones")]
        frames, hand, outlines = [], instant.hand, None
    else:
        frames, left_out, hand, outlines = _prepared(folder, instant, settings)
    part = {
        "key": key,
        "name": instant.name,
        "identity": instant.identity,
        "pose": hand.to_json(),
        "fit_error": None if np.isnan(error) else round(error, 5),
        "outlines_off": outlines,
        "frames": frames,
        "left_out": [list(entry) for entry in left_out],
    }
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(part, indent=1), encoding="utf-8")


@dataclass(frozen=True)
class Picture:
    """A view that was read and looked at: straight, with the camera of its true size.

    Attributes:
        told: (H, W) bool mask that the data set brings, or None; valid: pixels that the camera saw.
    """

    view: View
    rgb: np.ndarray
    camera: Camera
    told: np.ndarray | None
    valid: np.ndarray

    def mask(self, hand: Posed, others: tuple[Posed, ...]) -> np.ndarray:
        """(H, W) bool of the hand."""
        if self.told is not None:
            return within(self.told, self.camera, hand, others) & self.valid
        return find_mask(self.rgb, self.camera, hand, others) & self.valid


def _prepared(
    folder: Path, instant: Instant, settings: Settings
) -> tuple[list[dict[str, Any]], list[LeftOut], HandPose, list[float] | None]:
    """The frames that were written, what was left out, the pose, and how far outlines were off before and after."""
    data, hand, outlines = find_hand(settings.hand_model, instant.hand.side), instant.hand, None
    others = tuple(Posed.of(find_hand(settings.hand_model, pose.side), pose) for pose in instant.others)
    looked_at = [read_view(view, settings) for view in instant.views]
    left_out = [entry for entry in looked_at if isinstance(entry, LeftOut)]
    pictures = [entry for entry in looked_at if isinstance(entry, Picture)]
    posed = Posed.of(data, hand)
    masks = [picture.mask(posed, others) for picture in pictures]
    if settings.refine and len(pictures) >= settings.views_to_refine:
        found = refine_by(data, hand, pictures, masks, not settings.keep_shape)
        hand, outlines = found.hand, [round(found.before, 3), round(found.after, 3)]
        posed = Posed.of(data, hand)
        masks = [picture.mask(posed, others) for picture in pictures]
    frames: list[dict[str, Any]] = []
    for picture, mask in zip(pictures, masks, strict=True):
        made = _write_view(folder, instant.name, picture, mask, posed, others, settings)
        if isinstance(made, LeftOut):
            left_out.append(made)
        else:
            frames.append(made)
    return frames, left_out, hand, outlines


def refine_by(
    data: HandData, hand: HandPose, pictures: Sequence[Picture], masks: Sequence[np.ndarray], with_shape: bool
) -> Refined:
    """The pose that fits the masks of pictures: with their landmarks first, which tell finger from finger and are some
    pixels off, then by outlines alone."""
    landmarks = [
        Landmarks(picture.camera, picture.view.landmarks)
        for picture in pictures
        if picture.view.landmarks is not None and picture.camera.width == picture.view.camera.width
    ]
    seen = [(mask, picture.camera) for mask, picture in zip(masks, pictures, strict=True)]
    first = refine(data, hand, seen, landmarks, with_shape)
    if not landmarks:
        return first
    return replace(refine(data, first.hand, seen, (), with_shape), before=first.before)


def fit_error(instant: Instant, settings: Settings) -> float:
    """Metres between fitted and annotated joints in the mean, the hand's shift as a whole included; NaN without."""
    if instant.joints is None:
        return float("nan")
    fitted = pose_joints(find_hand(settings.hand_model, instant.hand.side), instant.hand)
    away = np.linalg.norm(fitted - instant.joints[list(OPENPOSE_TO_MANO)], axis=1)
    return float(np.nanmean(away)) if np.isfinite(away).any() else float("nan")


def read_view(view: View, settings: Settings) -> Picture | LeftOut:
    """The image of a view, straight; or why it cannot be used."""
    place = str(view.image)
    try:
        rgb = read_rgb8(view.image)
        told = None if view.mask is None else _told_mask(view.mask)
    except LiveHandError as error:
        return LeftOut(place, reason_of(error))
    fault = _fault(rgb, settings)
    if fault:
        return LeftOut(place, fault)
    camera = _sized(view.camera, rgb)
    if camera is None:
        size, named = f"{rgb.shape[1]} x {rgb.shape[0]}", f"{view.camera.width} x {view.camera.height}"
        return LeftOut(place, f"the image has {size} pixels, its camera {named}")
    if told is not None and told.shape != rgb.shape[:2]:
        return LeftOut(place, "its mask has another size")
    rgb, told, valid = _straight(view, camera, rgb, told)
    return Picture(view, rgb, camera, told, valid)


def _write_view(
    folder: Path,
    name: str,
    picture: Picture,
    mask: np.ndarray,
    posed: Posed,
    others: tuple[Posed, ...],
    settings: Settings,
) -> dict[str, Any] | LeftOut:
    place, camera = str(picture.view.image), picture.camera
    window = _window(camera, posed, picture.valid, settings)
    if window.empty:
        return LeftOut(place, "the hand is not in the image")
    drawn = silhouettes(camera, Window(0, 0, camera.width, camera.height), posed, others) == HAND
    if int(window.of(mask).sum()) < SMALLEST_MASK:
        return LeftOut(place, f"fewer than {SMALLEST_MASK} pixels of it are the hand")
    if int((mask & drawn).sum()) < settings.overlap * int((mask | drawn).sum()):
        return LeftOut(place, "its mask does not lie where the fit is")
    file = f"{IMAGES}/{name}/{picture.view.name}.png"
    alpha = window.of(opacity(mask))[..., None]
    # The room is nobody's business.
    shown = np.where(alpha > 0.0, window.of(picture.rgb) / 255.0, 0.0)
    write_image(folder / file, np.concatenate([shown, alpha], axis=2), premultiplied=False)
    cut = camera.crop(window.x0, window.y0, window.x1 - window.x0, window.y1 - window.y0)
    told = {"image": file, "source": place, "camera_name": picture.view.name, "camera": cut.to_json()}
    return {**told, "whole": camera.to_json(), "lens": lens_to_json(picture.view.lens)}


def _fault(rgb: np.ndarray, settings: Settings) -> str:
    """What is wrong with an image as a whole; empty where nothing is."""
    if np.percentile(rgb.max(axis=2), 99.5) < BLACK:
        return "it is black"
    spread = rgb.max(axis=2).astype(np.int16) - rgb.min(axis=2)
    if not settings.keep_grey and np.percentile(spread, 99.9) <= GREY:
        return "its camera is grey (--keep-grey takes it)"
    return ""


def _sized(camera: Camera, rgb: np.ndarray) -> Camera | None:
    """The camera with the image's size; None where it cannot be meant.

    Wrong sizes in the metadata are known of some cameras; the lens was calibrated on the true images. Images of another
    resolution are scaled as a whole.
    """
    height, width = rgb.shape[:2]
    if (width, height) == (camera.width, camera.height):
        return camera
    if abs(width * camera.height - height * camera.width) <= max(camera.width, camera.height):
        return camera.resized(width, height)
    inside = 0.25 * width < camera.cx < 0.75 * width and 0.25 * height < camera.cy < 0.75 * height
    return camera.with_pixels(width=width, height=height) if inside else None


def _told_mask(mask: Path | Labels) -> np.ndarray:
    """(H, W) bool. Raises LiveHandError."""
    if isinstance(mask, Labels):
        arrays = ANNOTATION.arrays(mask.path)
        if mask.key not in arrays:
            raise CaptureError(f"{mask.path} has no {mask.key}.", "Download it again.")
        labels: np.ndarray = arrays[mask.key] == mask.value
        return labels
    grey: np.ndarray = np.asarray(open_mask(mask)) >= 128
    return grey


def _straight(
    view: View, camera: Camera, rgb: np.ndarray, told: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
    """Image and mask as a pinhole camera would have seen them, and which pixels it did see."""
    if view.lens.is_straight:
        return rgb, told, np.ones(rgb.shape[:2], dtype=bool)
    ones = np.ones((*rgb.shape[:2], 1), dtype=np.float32)
    stack = np.concatenate([rgb.astype(np.float32), ones, ones * (0.0 if told is None else told[..., None])], axis=2)
    drawn = view.lens.undistorted(stack, camera)
    image = np.rint(drawn[..., :3]).clip(0, 255).astype(np.uint8)
    return image, None if told is None else drawn[..., 4] >= 0.5, drawn[..., 3] > 0.999


def _window(camera: Camera, posed: Posed, valid: np.ndarray, settings: Settings) -> Window:
    """The part of the image that is kept: around the hand, and only where the camera saw something."""
    around = hand_window(camera, posed, settings.margin)
    window = around if settings.cropped else Window(0, 0, camera.width, camera.height)
    if around.empty or valid.all():
        return Window(0, 0, 0, 0) if around.empty else window
    x0, y0, x1, y1 = window.x0, window.y0, window.x1, window.y1
    while x0 < x1 and y0 < y1:
        part = ~valid[y0:y1, x0:x1]
        if not part.any():
            return Window(x0, y0, x1, y1)
        # The side with most of what was not seen gives way.
        sides = [part[:, 0].mean(), part[:, -1].mean(), part[0].mean(), part[-1].mean()]
        side = int(np.argmax(sides))
        x0, x1, y0, y1 = x0 + (side == 0), x1 - (side == 1), y0 + (side == 2), y1 - (side == 3)
        if not any(sides):
            return Window(x0, y0, x1, y1)
    return Window(0, 0, 0, 0)


def digest(instant: Instant, settings: Settings) -> str:
    """Of all that a part is made of, but the images' content.

    Numbers count to the sixth place: a fit that is found anew differs in its last bits where sums are shared among
    other threads, and is the same fit.
    """
    told = {
        "pose": instant.hand.to_json(),
        "others": [pose.to_json() for pose in instant.others],
        "identity": instant.identity,
        "joints": None if instant.joints is None else instant.joints.tolist(),
        "views": [
            [view.image.name, view.name, view.camera.to_json(), asdict(view.lens), view.mask is None, _told(view)]
            for view in instant.views
        ],
        "settings": repr(settings),
        "masks": METHOD,
    }
    # Adding zero makes -0.0 one with 0.0.
    coarse = json.loads(json.dumps(told), parse_float=lambda number: round(float(number), 6) + 0.0)
    return hashlib.sha256(json.dumps(coarse, sort_keys=True).encode()).hexdigest()[:20]


def _told(view: View) -> list[list[float]] | None:
    return None if view.landmarks is None else np.round(view.landmarks, 2).tolist()
