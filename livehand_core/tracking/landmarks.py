"""From pictures to the 21 points of each hand: detection, then following from picture to picture."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..poses import Side
from .networks import HAND_SIZE, PALM_SIZE, Detail, HandNetwork, PalmNetwork
from .regions import Region, distinct, overlapping, parts, region_of_palm, region_of_points, whole

PRESENT = 0.5
"""Least probability of a palm; and of a hand that is searched for the geometric mean of the palm's and the hand's: two
networks that agree bear each other out, where a hand is blurred or cut by the edge."""

STAYS = 0.45
"""Least probability of a hand that is followed: it was there a moment ago."""

_GLIMPSE = 0.5
"""Share of that, from which on the square of a palm is worth a second look."""

LARGEST_SIDE = 1280
"""Pixels of a picture's longer side; larger ones are reduced first, which costs less than cutting out of them."""

SEARCH_SECONDS = 0.25
"""How often a further hand is looked for while one is followed: the search costs as much as a hand."""


@dataclass(frozen=True)
class HandLandmarks:
    """One hand in one picture.

    The 21 points are MediaPipe's: wrist, then thumb, index, middle, ring and little finger from the palm outwards, four
    each.

    Attributes:
        image: (21, 2) pixels of the picture.
        world: (21, 3) metres about the hand's middle, in the axes of the camera: x right, y down, z away.
        presence: probability that there is a hand, 0 to 1.
        right: probability that it is a right one, in a picture that is not mirrored.
        track: number of the hand that is followed; the same from picture to picture.
    """

    image: np.ndarray
    world: np.ndarray
    presence: float
    right: float
    track: int = 0

    @property
    def size(self) -> float:
        """The longer side of the points' bounding box, pixels."""
        return float((self.image.max(axis=0) - self.image.min(axis=0)).max())


class LandmarkTracker:
    """Finds hands and follows them.

    Args:
        hands: most that are followed at once.
        detail: of the landmark network.
        threads: of the processor.

    Raises:
        LibraryError: a library is missing.
    """

    def __init__(self, hands: int = 2, detail: Detail = "full", threads: int = 2) -> None:
        self._palms, self._network = PalmNetwork(threads), HandNetwork(detail, threads)
        self._most = hands
        self._regions: dict[int, Region] = {}
        self._numbers = itertools.count(1)
        self._searched = -np.inf
        self._part = -1

    def forget(self) -> None:
        """Look anew: the next picture has nothing to do with the last."""
        self._regions.clear()
        self._searched = -np.inf

    def resume(self, hands: Sequence[HandLandmarks], largest_track: int, time: float, side: int) -> None:
        """Go on after a picture whose hands are known.

        Args:
            hands: of that picture.
            largest_track: number of a hand that was given so far.
            time: of that picture, in seconds.
            side: the longer one of that picture, pixels.
        """
        scale = min(1.0, LARGEST_SIDE / side)
        self._regions = {hand.track: region_of_points(hand.image * scale) for hand in hands}
        self._numbers = itertools.count(largest_track + 1)
        self._searched = time

    def nearby(self, picture: np.ndarray, hand: HandLandmarks) -> HandLandmarks | None:
        """The same hand in the picture before or after, of equal size; None where it is not there. Nothing is kept."""
        small, scale = _reduced(picture)
        found = self._points(small, region_of_points(hand.image / scale), hand.track)
        return None if found is None else replace(found, image=found.image * scale)

    def __call__(self, picture: np.ndarray, time: float) -> tuple[HandLandmarks, ...]:
        """The hands of the next picture.

        Args:
            picture: (H, W, 3) uint8 RGB, not mirrored.
            time: of the picture, in seconds.
        """
        small, scale = _reduced(picture)
        found = self._followed(small)
        if len(found) < self._most and (not found or not 0.0 <= time - self._searched < SEARCH_SECONDS):
            self._searched = time
            known = [region_of_points(hand.image) for hand in found]
            found += self._searched_for(small, whole(small), known, self._most - len(found))
            if len(found) < self._most:
                # One part of the picture after the other, for hands that are small in it.
                squares = parts(small)
                self._part = (self._part + 1) % len(squares)
                more = self._searched_for(small, squares[self._part], (), self._most)
                # A part may cut through a hand that is known, which then looks like another one.
                apart = [hand for hand in more if not any(_meet(hand, other) for other in found)]
                found += apart[: self._most - len(found)]
        self._regions = {hand.track: region_of_points(hand.image) for hand in found}
        return tuple(replace(hand, image=hand.image * scale) for hand in found)

    def _followed(self, picture: np.ndarray) -> list[HandLandmarks]:
        """The hands of the last picture in this one; of two that have run into each other only the first."""
        found: list[HandLandmarks] = []
        for track, region in self._regions.items():
            hand = self._points(picture, region, track)
            if hand is not None and not taken(hand, found):
                found.append(hand)
        return found

    def _searched_for(
        self, picture: np.ndarray, square: Region, known: Sequence[Region], most: int
    ) -> list[HandLandmarks]:
        """Up to ``most`` hands in a square of the picture that are not followed yet."""
        found: list[HandLandmarks] = []
        for box, points, palm in distinct(self._palms(square.cut(picture, PALM_SIZE)), PRESENT):
            corners = square.to_picture(box.reshape(2, 2), 1)
            region = region_of_palm(corners.reshape(4), square.to_picture(points, 1))
            if len(found) == most or any(overlapping(region, other) for other in known):
                continue
            least = PRESENT**2 / palm
            hand = self._points(picture, region, next(self._numbers), _GLIMPSE * least)
            if hand is not None:
                # A palm tells only roughly where its hand is: looked at again, as the next picture would.
                hand = self._points(picture, region_of_points(hand.image), hand.track, least)
            if hand is not None and not taken(hand, found):
                found.append(hand)
        return found

    def _points(self, picture: np.ndarray, region: Region, track: int, least: float = STAYS) -> HandLandmarks | None:
        """The hand in a region, where it is there with at least this probability."""
        said = self._network(region.cut(picture, HAND_SIZE))
        if said.presence < least:
            return None
        image = region.to_picture(said.image, HAND_SIZE)
        world = said.world.copy()
        world[:, :2] = world[:, :2] @ region.turn.T
        return HandLandmarks(image, world, said.presence, said.right, track)


def likely_side(hand: HandLandmarks) -> Side:
    """Which hand the network takes it for, by this picture alone."""
    return "right" if hand.right >= 0.5 else "left"


def taken(hand: HandLandmarks, found: Sequence[HandLandmarks]) -> bool:
    """Whether a hand is where one of the others is."""
    region = region_of_points(hand.image)
    return any(overlapping(region, region_of_points(other.image)) for other in found)


def _meet(first: HandLandmarks, second: HandLandmarks) -> bool:
    """Whether the boxes around two hands overlap."""
    low = np.maximum(first.image.min(axis=0), second.image.min(axis=0))
    return bool((low < np.minimum(first.image.max(axis=0), second.image.max(axis=0))).all())


def _reduced(picture: np.ndarray) -> tuple[np.ndarray, float]:
    """A picture of at most LARGEST_SIDE, and the factor from its pixels to the given one's."""
    side = max(picture.shape[:2])
    if side <= LARGEST_SIDE:
        return picture, 1.0
    import cv2

    scale = side / LARGEST_SIDE
    height, width = (max(1, round(n / scale)) for n in picture.shape[:2])
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)), scale
