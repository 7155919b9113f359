"""What the window shows: the camera's picture and the avatar beside or over it, drawn by the engine process.

Only the newest picture is ever asked for; the picture and the avatar that are shown belong together.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..avatars.identities import betas_of, reenacted
from ..avatars.metadata import AvatarMetadata
from ..engine.client import EngineClient
from ..errors import LiveHandError
from ..frames import FrameRequest, HandInstance
from ..passes import RenderPasses
from ..tracking.server import Rate
from ..views.shots import hand_of
from .following import Followed

View = Literal["beside", "over"]

CHANNEL = "live"
GROUND = (26, 28, 32)
FADED_CONFIDENCE = 0.05
"""Of a hidden hand, below which it is no longer drawn."""


@dataclass(frozen=True)
class Shown:
    """A frame of the window.

    Attributes:
        picture: (H, W, 3) uint8.
        followed: what it shows.
        delay: seconds from the picture's arrival to now.
    """

    picture: np.ndarray
    followed: Followed
    delay: float


class Stage:
    """Draws what was followed.

    Args:
        avatar: id or path.
        metadata: of the avatar.
        names: of its identities.
        size: most pixels, width and height, of each of the two pictures.
        device: as the engine takes it.
        client: of the engine; one of its own by default.
    """

    def __init__(
        self,
        avatar: str,
        metadata: AvatarMetadata,
        names: Sequence[str],
        size: tuple[int, int],
        device: str = "auto",
        client: EngineClient | None = None,
    ) -> None:
        self._avatar, self._metadata, self._names, self._size = avatar, metadata, tuple(names), size
        self._client = client or EngineClient(sys.executable, device=device)
        self._asked: dict[int, Followed] = {}
        self._rate = Rate()
        self.identity = 0
        self.view: View = "beside"
        self.rate = 0.0
        """Frames drawn a second."""

    @property
    def identity_name(self) -> str:
        """Of the identity that is shown."""
        return self._names[self.identity]

    def next_identity(self) -> None:
        """Show the avatar's next identity from the next frame on."""
        self.identity = (self.identity + 1) % len(self._names)

    @property
    def compiling(self) -> tuple[int, int] | None:
        """As ``EngineClient.compiling``."""
        return self._client.compiling

    @property
    def pids(self) -> tuple[int, ...]:
        """Of the engine's process, while it runs."""
        info = self._client.info
        return () if info is None else (info.pid,)

    @property
    def ready_for_more(self) -> bool:
        """Whether nothing is being drawn."""
        return not self._client.busy(CHANNEL)

    def ask(self, followed: Followed) -> None:
        """Have what was followed drawn. Never waits.

        Raises:
            AvatarError: the avatar may not be mirrored to the hand's side.
        """
        number = self._client.submit(self.request(followed), CHANNEL)
        self._asked = {known: value for known, value in self._asked.items() if known > number - 4}
        self._asked[number] = followed

    def request(self, followed: Followed) -> FrameRequest:
        """What the engine is asked for."""
        seen = followed.tracked.camera
        scale = min(self._size[0] / seen.width, self._size[1] / seen.height)
        camera = seen.resized(max(2, round(seen.width * scale)), max(2, round(seen.height * scale)))
        betas = betas_of(self._metadata, self.identity)
        hands = []
        for hand in followed.tracked.hands:
            if hand.confidence < FADED_CONFIDENCE and hand.state == "held":
                continue
            data = hand_of(self._metadata, hand.pose.side)
            pose = hand.pose if betas is None else reenacted(hand.pose, betas, data)
            hands.append(HandInstance(pose, self._avatar, identity=self.identity))
        return FrameRequest(camera, tuple(hands))

    def take(self) -> Shown | None:
        """The newest frame that was drawn and not taken yet. Never waits.

        Raises:
            LiveHandError: the engine failed.
        """
        answer = self._client.poll_numbered(CHANNEL)
        if answer is None:
            return None
        number, passes = answer
        if isinstance(passes, LiveHandError):
            raise passes
        followed = self._asked.get(number)
        if followed is None:
            return None
        picture = self._composed(followed, passes)
        self.rate = self._rate.count()
        return Shown(picture, followed, time.monotonic() - followed.came)

    def _composed(self, followed: Followed, passes: RenderPasses) -> np.ndarray:
        import cv2

        rgba = passes["rgba"]
        height, width = rgba.shape[:2]
        filmed = np.asarray(cv2.resize(followed.picture, (width, height), interpolation=cv2.INTER_AREA))
        colour, clear = rgba[..., :3] * 255.0, 1.0 - rgba[..., 3:]
        if self.view == "over":
            return np.asarray(np.clip(colour + clear * filmed, 0.0, 255.0), np.uint8)
        avatar = np.asarray(np.clip(colour + clear * np.array(GROUND, np.float32), 0.0, 255.0), np.uint8)
        return np.concatenate([filmed, avatar], axis=1)

    def close(self) -> None:
        """End the engine."""
        self._client.close()
