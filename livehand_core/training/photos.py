"""Single photos of a hand as a capture: landmarks by our tracker, a fit of the hand model, a mask, a cut-out.

Each picture is a pose of its own, seen by a camera at the origin of which the field of view is known or guessed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..cameras import Camera
from ..captures.capture import Capture, CaptureFrame, write_capture
from ..captures.images import write_image
from ..datasets.masks import Posed, find_mask, hand_window
from ..errors import CaptureError
from ..hand.data import HandData
from ..poses import HandPose, PoseSequence, Side
from ..tracking.fit import Fit, Problem, fit
from ..tracking.hand_track import WORST_ERROR
from ..tracking.landmarks import HandLandmarks, LandmarkTracker, likely_side
from ..tracking.skeleton import Skeleton
from ..tracking.values import source_camera

STEPS = 20
AROUND = 0.03
"""Metres around the hand that are cut out with it."""

FINEST = 1.5
"""Times the pixels a metre of the avatar's training images that a picture keeps at most."""

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")

FULL_FRAME = 36.0
"""Millimetres of the film that focal lengths are told for in photos."""


def photo_capture(
    photos: Sequence[Path],
    folder: Path,
    hand: HandData,
    pixels_per_metre: float,
    fov: float | None = None,
    mirror: bool = False,
) -> Capture:
    """Write a capture of photos of one hand.

    Args:
        photos: picture files.
        folder: where the capture goes.
        hand: the model, of the side that is asked for.
        pixels_per_metre: of the avatar's training images at the hand; larger pictures are reduced to about that; 0
            keeps their size.
        fov: degrees across the pictures' longer side; None for what a photo tells of its lens, or 60.
        mirror: the pictures show the other hand, or a mirror's picture: they are flipped.

    Raises:
        CaptureError: pictures that cannot be read, show no hand or one of the other side, all of them listed.
    """
    problems, remedy = list[str](), ""
    poses, frames = list[HandPose](), list[CaptureFrame]()
    folder.mkdir(parents=True, exist_ok=True)
    skeleton = Skeleton(hand)
    for number, path in enumerate(photos):
        try:
            rgb, told = _read(path, mirror)
            camera = source_camera(rgb.shape[1], rgb.shape[0], fov or told or 60.0)
            found = _fitted(rgb, camera, skeleton, hand.side)
            pose = skeleton.pose(found.placement)
            frames.append(_cut_out(rgb, camera, hand, pose, folder, number, len(poses), pixels_per_metre))
            poses.append(pose)
        except CaptureError as error:
            problems.append(f"{path}: {error.message}")
            remedy = error.remedy
    if problems:
        listed = "".join(f"\n  {problem}" for problem in problems)
        raise CaptureError(f"{len(problems)} of {len(photos)} pictures cannot be used:{listed}", remedy)
    capture = Capture(folder, tuple(frames), PoseSequence(tuple(poses)), hand.name, origin="prepared from photos")
    write_capture(capture)
    return capture


def _read(path: Path, mirror: bool) -> tuple[np.ndarray, float | None]:
    """(H, W, 3) uint8 upright, and the field of view that the photo tells, in degrees.

    Raises:
        CaptureError: there is no such picture.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as picture:
            lens = picture.getexif().get_ifd(0x8769).get(0xA405)
            upright = ImageOps.exif_transpose(picture).convert("RGB")
            rgb = np.array(upright)
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise CaptureError(f"it is no picture that can be read ({error})", "Give JPEG or PNG files.") from error
    known = float(lens) if isinstance(lens, int | float) and lens > 0 else 0.0
    fov = math.degrees(2.0 * math.atan(0.5 * FULL_FRAME / known)) if known else None
    return np.ascontiguousarray(rgb[:, ::-1]) if mirror else rgb, fov


def _fitted(rgb: np.ndarray, camera: Camera, skeleton: Skeleton, side: Side) -> Fit:
    """The hand of that side. Raises CaptureError when there is none, or its fit is far off."""
    seen = LandmarkTracker(2)(rgb, 0.0)
    if not seen:
        raise CaptureError("no hand was found", "Let the hand be whole and larger in the picture, and in better light.")
    own = [hand for hand in seen if likely_side(hand) == side]
    if not own:
        other = "left" if side == "right" else "right"
        raise CaptureError(
            f"it shows a {other} hand; the avatar is of a {side} one",
            f"Give pictures of the {side} hand, or --mirror to fit the {other} one as its mirror image.",
        )
    hand: HandLandmarks = max(own, key=lambda one: one.presence * one.size)
    found = fit(Problem(skeleton, camera, hand), None, STEPS)
    if found.error > WORST_ERROR:
        raise CaptureError("its hand could not be fitted", "Give a picture with all fingers in view.")
    return found


def _cut_out(
    rgb: np.ndarray,
    camera: Camera,
    hand: HandData,
    pose: HandPose,
    folder: Path,
    number: int,
    row: int,
    pixels_per_metre: float,
) -> CaptureFrame:
    """Write the part of a picture around its hand with its mask, reduced to what the avatar can show."""
    import cv2

    posed = Posed.of(hand, pose)
    window = hand_window(camera, posed, AROUND)
    if window.empty:
        raise CaptureError("its hand could not be fitted", "Give a picture with all fingers in view.")
    camera = camera.crop(window.x0, window.y0, window.x1 - window.x0, window.y1 - window.y0)
    rgb = np.ascontiguousarray(window.of(rgb))
    _, depth = camera.project(posed.vertices)
    footprint = camera.fx / float(np.median(depth))
    scale = min(1.0, FINEST * pixels_per_metre / footprint) if pixels_per_metre else 1.0
    if scale < 1.0:
        camera = camera.resized(max(8, round(scale * camera.width)), max(8, round(scale * camera.height)))
        rgb = cv2.resize(rgb, (camera.width, camera.height), interpolation=cv2.INTER_AREA)
    mask = find_mask(rgb, camera, posed)
    if not mask.any():
        raise CaptureError("no hand stands out where it was found", "Give a picture with a plainer background.")
    frame = CaptureFrame(f"images/photo{number:03d}.png", camera, f"photo{number:03d}", row)
    pixels = np.concatenate([rgb / 255.0, mask[..., None]], axis=-1)
    write_image(folder / frame.image, pixels, premultiplied=False)
    return frame
