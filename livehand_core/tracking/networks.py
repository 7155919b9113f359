"""The two networks of MediaPipe Hands, run by LiteRT: palms in a picture, and the 21 points of one hand.

The weights lie in ``models/`` as Google's mediapipe wheel has them (Apache-2.0). ``landmarks`` calls this.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from ..errors import LiveHandError
from ..libraries import require

MODELS = Path(__file__).resolve().parent / "models"

Detail = Literal["full", "lite"]
"""Which network finds a hand's points: the exact one, or one of half its cost."""

PALM_SIZE = 192
HAND_SIZE = 224
"""Sides in pixels of the square pictures that the networks take."""

POINT_COUNT = 21

_STRIDES = (8, 16, 16, 16)
"""Pixels between the palm network's anchors, layer by layer; two anchors lie at each place of a layer."""


class Palms(NamedTuple):
    """What the palm network says, anchor by anchor, in units of its picture's side.

    Attributes:
        boxes: (n, 4) left, top, right, bottom.
        points: (n, 7, 2) wrist, knuckles of index, middle, ring and little finger, and the thumb's two lower joints.
        scores: (n,) probability of a palm.
    """

    boxes: np.ndarray
    points: np.ndarray
    scores: np.ndarray


class HandPoints(NamedTuple):
    """What the landmark network says of one square picture.

    Attributes:
        image: (21, 2) pixels of the network's picture.
        world: (21, 3) metres about the hand's middle; x right, y down, z away from the camera.
        presence: probability that this is a hand.
        right: probability that it is a right hand, in a picture that is not mirrored.
    """

    image: np.ndarray
    world: np.ndarray
    presence: float
    right: float


class PalmNetwork:
    """Finds palms in a whole picture."""

    def __init__(self, threads: int = 2) -> None:
        self._run = _Network("palm_detection_full", threads)

    def __call__(self, picture: np.ndarray) -> Palms:
        """(192, 192, 3) uint8 RGB -> what each anchor says."""
        answers = self._run(picture)
        values, logits = answers["Identity"][0], answers["Identity_1"][0, :, 0]
        anchors = _anchors()
        centre, size = values[:, :2] / PALM_SIZE + anchors, values[:, 2:4] / PALM_SIZE
        points = values[:, 4:18].reshape(-1, 7, 2) / PALM_SIZE + anchors[:, None]
        return Palms(np.concatenate([centre - size / 2, centre + size / 2], axis=1), points, _sigmoid(logits))


class HandNetwork:
    """Finds the 21 points of the hand in an upright, square picture of it."""

    def __init__(self, detail: Detail = "full", threads: int = 2) -> None:
        self._run = _Network(f"hand_landmark_{detail}", threads)

    def __call__(self, picture: np.ndarray) -> HandPoints:
        """(224, 224, 3) uint8 RGB -> points and what the network thinks of the picture."""
        answers = self._run(picture)
        return HandPoints(
            answers["Identity"].reshape(POINT_COUNT, 3)[:, :2].astype(np.float64),
            answers["Identity_3"].reshape(POINT_COUNT, 3).astype(np.float64),
            float(answers["Identity_1"].item()),
            float(answers["Identity_2"].item()),
        )


class _Network:
    """One ``.tflite`` file, loaded."""

    def __init__(self, name: str, threads: int) -> None:
        require("tracking")
        from ai_edge_litert.interpreter import Interpreter

        path = MODELS / f"{name}.tflite"
        if not path.is_file():
            raise LiveHandError(f"The tracker's network {path} is not there.", "Install LiveHand again.")
        self._interpreter: Any = Interpreter(model_path=str(path), num_threads=threads)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._outputs = {entry["name"]: entry["index"] for entry in self._interpreter.get_output_details()}

    def __call__(self, picture: np.ndarray) -> dict[str, np.ndarray]:
        self._interpreter.set_tensor(self._input, picture[None].astype(np.float32) / np.float32(255.0))
        self._interpreter.invoke()
        return {name: self._interpreter.get_tensor(index) for name, index in self._outputs.items()}


@cache
def _anchors() -> np.ndarray:
    """(2016, 2) centres of the palm network's anchors, in units of the picture's side."""
    layers = []
    for stride in _STRIDES:
        count = PALM_SIZE // stride
        y, x = np.mgrid[:count, :count]
        centres = np.stack([x, y], axis=-1).reshape(-1, 2)
        layers.append(np.repeat((centres + 0.5) / count, 2, axis=0))
    return np.concatenate(layers)


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logits, -100.0, 100.0))))
