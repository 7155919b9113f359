"""What ties an avatar to the capture that it was trained on: one number over poses, cameras and images."""

from __future__ import annotations

import hashlib

import numpy as np

from .capture import Capture


def capture_hash(capture: Capture) -> str:
    """SHA-256 over each image's name, size in bytes, camera and pose; 64 hexadecimal digits.

    The images' content is not read: a capture may have a hundred gigabytes.
    """
    digest = hashlib.sha256(capture.hand_model.encode())
    for frame in capture.frames:
        camera, hand = frame.camera, capture.hand(frame)
        try:
            size = capture.path(frame).stat().st_size
        except OSError:
            size = -1
        digest.update(f"\n{frame.image} {size} {frame.identity} {camera.width} {camera.height}\n".encode())
        numbers = [camera.fx, camera.fy, camera.cx, camera.cy, *np.ravel(camera.camera_to_world)]
        for part in (hand.global_orient, hand.hand_pose, hand.betas, hand.transl):
            numbers += np.ravel(part).tolist()
        digest.update(np.asarray(numbers, dtype="<f8").tobytes())
    return digest.hexdigest()
