"""What a captured hand touches: a file beside a picture that tells of other hands and of things there.

``images/x.png`` has ``images/x.contact.json``. The picture shows the capture's hand and those told of; things that are
told of cut holes into it and keep light from the hands. Called by the evaluation and ``tools/contact_capture.py``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..documents import Reader
from ..errors import CaptureError, LiveHandError
from ..files import atomic_path
from ..occluders import Occluder, checked_occluders
from ..poses import HandPose

ENDING = ".contact.json"
READER = Reader("What a picture's hand touches", CaptureError, "Write the capture again.", limit=1 << 26)


@dataclass(frozen=True)
class Contact:
    """What stands beside the capture's own hand in one picture.

    Attributes:
        hands: further hands, of the same look, world space.
        things: meshes, world space.
    """

    hands: tuple[HandPose, ...] = ()
    things: tuple[Occluder, ...] = ()

    def write(self, image: Path) -> None:
        """Write it beside a picture."""
        document = {
            "hands": [hand.to_json() for hand in self.hands],
            "things": [thing.to_json() for thing in self.things],
        }
        with atomic_path(_beside(image)) as temporary:
            temporary.write_text(json.dumps(document), encoding="utf-8")


def read_contact(image: Path) -> Contact | None:
    """What is told beside a picture; None where nothing is.

    Raises:
        CaptureError: the file is damaged.
    """
    path = _beside(image)
    if not tells_contact(image):
        return None
    document: Any = READER.json(path)
    try:
        if set(document) != {"hands", "things"}:
            raise ValueError("it needs hands and things, and nothing else")
        hands = tuple(HandPose.from_json(hand) for hand in document["hands"])
        return Contact(hands, checked_occluders(document["things"]))
    except (LiveHandError, TypeError, ValueError) as error:
        raise READER.damaged(path, error) from error


def tells_contact(image: Path) -> bool:
    """Whether something is told beside a picture."""
    return _beside(image).exists()


def _beside(image: Path) -> Path:
    return image.with_name(image.stem + ENDING)
