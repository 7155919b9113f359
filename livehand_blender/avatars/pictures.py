"""Preview pictures of avatars: rendered once by the engine, kept as PNG by content, shown as Blender previews.

Nothing waits: a picture that is not there yet is asked for when the engine runs anyway, and appears when it is done.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from pathlib import Path
from typing import Any

import bpy
import bpy.utils.previews
import numpy as np

from livehand_core.avatars.metadata import AvatarMetadata
from livehand_core.cameras import Camera, look_at
from livehand_core.errors import LiveHandError
from livehand_core.files import atomic_path
from livehand_core.frames import FrameRequest, HandInstance
from livehand_core.hand.gestures import GESTURES, mirror_hand_pose
from livehand_core.passes import RenderPasses
from livehand_core.poses import HandPose

from ..background import redraw
from ..preferences import data_folder
from ..registration import Step, registration, timer
from ..render import session

SIZE = 256
CHANNEL = "avatar preview"
POLL_SECONDS = 0.25
GROUND = (0.13, 0.13, 0.14)

_collection: Any = None
_wanted: dict[str, Path] = {}
_asked: str = ""
_failed: dict[str, str] = {}
"""Key of an avatar -> why it has no picture."""


def icon_of_file(path: Path, folder_stamp: bool = False) -> int:
    """Icon id of a picture on disk, 0 when it is not there; with ``folder_stamp`` it is read again when it changes."""
    try:
        stamp = path.stat().st_mtime_ns
    except OSError:
        return 0
    key = f"{path}|{stamp}" if folder_stamp else str(path)
    collection = _previews()
    if key not in collection:
        for old in [name for name in collection if name.startswith(f"{path}|")]:
            del collection[old]
        collection.load(key, str(path), "IMAGE")
    return int(collection[key].icon_id)


def icon_of_avatar(path: Path, metadata: AvatarMetadata) -> int:
    """Icon id of an avatar's picture, 0 until it is there."""
    picture = picture_path(metadata)
    if picture.is_file():
        return icon_of_file(picture)
    if picture.stem not in _failed:
        _wanted[picture.stem] = path
        if not bpy.app.timers.is_registered(_work):
            bpy.app.timers.register(_work, first_interval=POLL_SECONDS, persistent=True)
    return 0


def why_none(metadata: AvatarMetadata) -> str:
    """Why an avatar has no picture, empty when nothing is known against it."""
    return _failed.get(picture_path(metadata).stem, "")


def try_again() -> None:
    """Forget which pictures could not be rendered."""
    _failed.clear()


def picture_path(metadata: AvatarMetadata) -> Path:
    """Where the picture of an avatar is kept; its name is ours, since hash and name are what the file says."""
    said = f"{metadata.content_hash} {metadata.name}".encode(errors="replace")
    return data_folder() / "previews" / f"{hashlib.sha256(said).hexdigest()}.png"


def preview_request(path: Path, metadata: AvatarMetadata) -> FrameRequest:
    """What is rendered: the relaxed hand from its back, fingers up."""
    fingers = GESTURES["relaxed"]
    pose = HandPose.rest(metadata.side)
    side = 1.0 if metadata.side == "right" else -1.0
    joints = fingers if metadata.side == "right" else mirror_hand_pose(fingers)
    middle = np.array([-0.085 * side, 0.0, 0.0])
    view = look_at(middle + np.array([-0.12 * side, 0.85, 0.25]), middle, np.array([-side, 0.0, 0.0]))
    camera = Camera(SIZE, SIZE, 3.9 * SIZE, 3.9 * SIZE, SIZE / 2, SIZE / 2, view)
    hand = HandPose(pose.global_orient, joints, pose.betas, pose.transl, metadata.side)
    return FrameRequest(camera, (HandInstance(hand, str(path)),), linear=False)


def write_png(path: Path, pixels: np.ndarray) -> None:
    """Write (H, W, 3) uint8 as PNG. Raises LiveHandError when the folder cannot be written."""
    height, width, _ = pixels.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], axis=1)

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows.tobytes())) + chunk(b"IEND", b"")
    with atomic_path(path) as temporary:
        temporary.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


def _work() -> float | None:
    """Ask for one picture after the other, and take what has come."""
    global _asked
    client = session.engine_client()
    if _asked:
        answer = client.poll(CHANNEL)
        if answer is None:
            if client.busy(CHANNEL):
                return POLL_SECONDS
            _asked = ""
            return POLL_SECONDS
        path = _wanted.pop(_asked, None)
        _take(_asked, path, answer)
        _asked = ""
    if not _wanted:
        client.cancel(CHANNEL)
        return None
    if client.info is None:
        # An engine is not started for a picture; whoever draws the list asks again.
        _wanted.clear()
        return None
    _asked, path = next(iter(_wanted.items()))
    try:
        from .library import describe

        metadata, _ = describe(path)
        if metadata is None:
            raise LiveHandError("The avatar has gone.")
        client.submit(preview_request(path, metadata), CHANNEL)
    except LiveHandError as error:
        _failed[_asked] = str(error)
        _wanted.pop(_asked)
        _asked = ""
    return POLL_SECONDS


def _take(key: str, path: Path | None, answer: RenderPasses | LiveHandError) -> None:
    from .library import describe

    metadata = describe(path)[0] if path is not None else None
    if not isinstance(answer, RenderPasses) or metadata is None:
        _failed[key] = str(answer) if isinstance(answer, LiveHandError) else "The file has gone."
        redraw()
        return
    rgba = answer["rgba"]
    colour = np.clip(rgba[..., :3] + (1.0 - rgba[..., 3:]) * np.array(GROUND), 0.0, 1.0)
    try:
        write_png(picture_path(metadata), np.rint(colour * 255.0).astype(np.uint8))
    except LiveHandError as error:
        _failed[key] = str(error)
    redraw()


def _previews() -> Any:
    global _collection
    if _collection is None:
        _collection = bpy.utils.previews.new()
    return _collection


def _forget() -> None:
    global _collection, _asked
    _wanted.clear()
    _asked = ""
    if _collection is not None:
        bpy.utils.previews.remove(_collection)
        _collection = None


register, unregister = registration([Step("pictures of avatars", try_again, _forget)], timer(_work))
