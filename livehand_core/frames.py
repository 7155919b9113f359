"""What to draw: the request that Blender, the command line and the engine process pass to the renderer."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from .cameras import Camera
from .errors import LiveHandError
from .identities import IdentityChoice, checked_choice
from .lights import Light
from .occluders import Occluder, checked_occluders
from .passes import PASSES
from .poses import HandPose
from .records import AS_IS, build
from .wrists import WristFade

DEFAULT_AVATAR = "default"
"""Avatar id of the avatar that ships inside; any other id is a path to a ``.safetensors`` file."""

UNTINTED = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class HandInstance:
    """One hand in a frame.

    Attributes:
        pose: the hand in world space, its betas and joints in the hand model's own size.
        avatar: ``"default"`` or the path of an avatar file.
        scale: uniform scale of the rig about the world's origin: world = scale * (point of the posed model).
        identity: of an avatar of several: its number, its name, or a blend as weights by name. The pose's betas are
            not changed by it; ``avatars.identities.betas_of`` gives those that belong to it.
        holdout: cut a hole in the shape of the hand into the picture in place of drawing it.
        light: where it stands in another light than the frame's; None takes the frame's.
        tint: (3,) factors of its linear colours, e.g. to match an arm's skin.
        wrist: how it fades out towards the elbow; None shows it as its avatar ends.

    Raises:
        LiveHandError: weights or a tint that are negative or not finite, or weights that are all 0.
    """

    pose: HandPose
    avatar: str = DEFAULT_AVATAR
    scale: float = 1.0
    identity: IdentityChoice = field(default=0, metadata={AS_IS: True})
    holdout: bool = False
    light: Light | None = None
    tint: tuple[float, float, float] = UNTINTED
    wrist: WristFade | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "identity", checked_choice(self.identity))
        object.__setattr__(self, "tint", tuple(float(factor) for factor in self.tint))
        if len(self.tint) != 3 or not all(0.0 <= factor < math.inf for factor in self.tint):
            raise LiveHandError(f"A hand has the tint {self.tint}.", "Give three factors from 0 on.")

    def to_json(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {
            "pose": self.pose.to_json(),
            "avatar": self.avatar,
            "scale": self.scale,
            "identity": self.identity,
            "holdout": self.holdout,
            "light": None if self.light is None else self.light.to_json(),
            "tint": list(self.tint),
            "wrist": None if self.wrist is None else asdict(self.wrist),
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> HandInstance:
        """Inverse of :meth:`to_json`.

        Raises:
            LiveHandError: a part is missing, unknown or of another kind, or a value does not fit.
        """
        try:
            return build(cls, document)
        except ValueError as error:
            raise LiveHandError(
                f"The hand is incomplete or invalid: {error}.", "Write it with HandInstance.to_json."
            ) from error


@dataclass(frozen=True)
class FrameRequest:
    """One frame to render.

    Attributes:
        camera: the view; its width and height are the image size.
        hands: the hands in it; none gives an empty frame.
        passes: names out of ``PASSES``.
        linear: answer ``rgba`` scene-linear Rec.709 premultiplied (for Blender) in place of display-referred sRGB.
        internal_scale: size at which the networks run over the image's; None lets each avatar keep near the pixels a
            metre that it was trained at.
        internal_limit: largest size that the avatar may choose there; 1 has no more pixels computed than are wanted,
            however small the hand is, e.g. while a view moves. None leaves it free.
        clip: nearest and farthest depth that is seen, metres along the optical axis; None sees all.
        light: that the hands stand in, world axes. None shows each in the light that it was trained in, and so do
            avatars that answer to no other.
        occluders: meshes that keep that light from hands, beside the hands themselves; avatars that answer to no
            light heed none.

    Raises:
        OccluderError: occluders with too many triangles in all.
        LiveHandError: an unknown pass, a scale or limit that is not positive and finite, or an empty clip range.
    """

    camera: Camera
    hands: tuple[HandInstance, ...]
    passes: tuple[str, ...] = ("rgba",)
    linear: bool = False
    internal_scale: float | None = None
    internal_limit: float | None = None
    clip: tuple[float, float] | None = None
    light: Light | None = None
    occluders: tuple[Occluder, ...] = field(default=(), metadata={AS_IS: True})

    def __post_init__(self) -> None:
        object.__setattr__(self, "hands", tuple(self.hands))
        object.__setattr__(self, "occluders", checked_occluders(self.occluders))
        object.__setattr__(self, "passes", tuple(self.passes))
        for name in self.passes:
            if name not in PASSES:
                raise LiveHandError(f"The pass {name!r} is unknown.", f"Choose from {', '.join(PASSES)}.")
        for name, size in (("scale", self.internal_scale), ("limit", self.internal_limit)):
            if size is not None and not 0.01 <= size <= 100.0:
                raise LiveHandError(f"The internal {name} is {size}.", "Choose one from 0.01 to 100, or none.")
        if self.clip is not None and not self.clip[0] < self.clip[1]:
            raise LiveHandError(
                f"Nothing lies between the clip distances {self.clip[0]} and {self.clip[1]}.",
                "Make the second one larger than the first.",
            )
        for hand in self.hands:
            if not 0.0 < hand.scale < math.inf:
                raise LiveHandError(f"A hand has the scale {hand.scale}.", "Give it a positive, uniform scale.")

    def light_of(self, hand: HandInstance) -> Light | None:
        """The light that a hand of this frame stands in; None for the one that it was trained in."""
        return self.light if hand.light is None else hand.light

    def to_json(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {
            "camera": self.camera.to_json(),
            "hands": [hand.to_json() for hand in self.hands],
            "passes": list(self.passes),
            "linear": self.linear,
            "internal_scale": self.internal_scale,
            "internal_limit": self.internal_limit,
            "clip": None if self.clip is None else list(self.clip),
            "light": None if self.light is None else self.light.to_json(),
            "occluders": [occluder.to_json() for occluder in self.occluders],
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> FrameRequest:
        """Inverse of :meth:`to_json`.

        Raises:
            LiveHandError: a part is missing or does not fit.
        """
        try:
            return build(cls, document)
        except ValueError as error:
            raise LiveHandError(
                f"The frame request is incomplete or invalid: {error}.", "Use FrameRequest.to_json."
            ) from error
