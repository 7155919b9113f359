"""What the hand does in a view: poses, shape and identity by time. NumPy only.

Each track gives one ``HandInstance`` a frame. Wrists stay where they are when shapes change.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ..avatars.identities import betas_of, reenacted
from ..avatars.metadata import AvatarMetadata
from ..captures.part_model import read_part_poses
from ..errors import LiveHandError, PoseError
from ..frames import DEFAULT_AVATAR, HandInstance
from ..hand.data import ProxyModel
from ..hand.gestures import GESTURES, gesture
from ..identities import IdentityChoice, identity_weights
from ..motion import ReadOptions, read_motion
from ..poses import BETA_COUNT, HandPose, PoseSequence, Side, interpolate

REST = "rest"

SWEEP = 2.0
"""Standard deviations by which a shape sweep goes to both sides."""


@dataclass(frozen=True)
class HandTrack:
    """What one hand does. What is left out stays as it is.

    Attributes:
        poses: one that is held, or several that the hand goes through, at rest for a moment at each.
        every_frame: ``poses`` are a motion's, one a frame at equal distances, and are not eased.
        loop: from the last pose or identity back to the first one.
        avatar: id or path.
        identities: one, or several that are blended into each other.
        sweep: shape coefficients, by number from 0, that go up and down one after the other.
        sweep_by: by how many standard deviations.
        own_shape: the hand takes the shape of the identity that it shows, where the avatar knows it.
    """

    poses: tuple[HandPose, ...]
    every_frame: bool = False
    loop: bool = False
    avatar: str = DEFAULT_AVATAR
    identities: tuple[IdentityChoice, ...] = (0,)
    sweep: tuple[int, ...] = ()
    sweep_by: float = SWEEP
    own_shape: bool = True

    def __post_init__(self) -> None:
        if not self.poses or not self.identities:
            raise PoseError("The hand has no pose.", "Give at least one pose and one identity.")
        wrong = [index for index in self.sweep if not 0 <= index < BETA_COUNT]
        if wrong:
            raise PoseError(
                f"There is no shape coefficient {wrong[0]}.", f"Choose from 0 to {BETA_COUNT - 1} for a shape sweep."
            )
        if not 0.0 < self.sweep_by <= 10.0:
            raise PoseError(f"A shape sweep by {self.sweep_by:g} is not possible.", "Choose one up to 10.")

    @property
    def moves(self) -> bool:
        """Whether the hand changes at all."""
        return len(self.poses) > 1 or len(self.identities) > 1 or bool(self.sweep)

    @property
    def loops(self) -> bool:
        """Whether it ends as it began."""
        return self.loop or not (len(self.poses) > 1 or len(self.identities) > 1)

    def at(self, time: float, metadata: AvatarMetadata, names: Sequence[str], hand: ProxyModel) -> HandInstance:
        """The hand at ``time``, 0 at the beginning and 1 at the end.

        Args:
            metadata: of the avatar.
            names: of its identities.
            hand: its hand model, of the poses' side.

        Raises:
            AvatarError: the avatar has no such identity.
        """
        identity = self._identity(time, names, metadata.name)
        pose = self._pose(time)
        betas = betas_of(metadata, identity) if self.own_shape else None
        if self.sweep or betas is not None:
            pose = reenacted(pose, (pose.betas if betas is None else betas) + self._offset(time), hand)
        return HandInstance(pose, self.avatar, 1.0, identity)

    def _pose(self, time: float) -> HandPose:
        poses = (*self.poses, self.poses[0]) if self.loop else self.poses
        first, part = _between(time, len(poses))
        if part == 0.0:
            return poses[first]
        return interpolate(poses[first], poses[first + 1], part if self.every_frame else _eased(part))

    def _identity(self, time: float, names: Sequence[str], avatar: str) -> IdentityChoice:
        if len(self.identities) == 1:
            return self.identities[0]
        chosen = (*self.identities, self.identities[0]) if self.loop else self.identities
        first, part = _between(time, len(chosen))
        one, other = (identity_weights(choice, names, avatar) for choice in chosen[first : first + 2])
        weights = one + _eased(part) * (other - one)
        return {name: float(weight) for name, weight in zip(names, weights, strict=True) if weight > 0.0}

    def _offset(self, time: float) -> np.ndarray:
        """(10,) what the sweep adds to the shape."""
        offset = np.zeros(BETA_COUNT)
        if self.sweep:
            place = min(max(time, 0.0), 1.0) * len(self.sweep)
            index = min(int(place), len(self.sweep) - 1)
            offset[self.sweep[index]] = self.sweep_by * math.sin(2.0 * math.pi * (place - index))
        return offset


def _between(time: float, count: int) -> tuple[int, float]:
    """Which of ``count`` keys at equal distances is the last before ``time`` in [0, 1], and how far on the next is."""
    place = min(max(time, 0.0), 1.0) * (count - 1)
    first = min(int(place), max(count - 2, 0))
    return first, place - first


def _eased(part: float) -> float:
    return part * part * (3.0 - 2.0 * part)


@dataclass(frozen=True)
class PoseReader:
    """Poses by name or out of files.

    Attributes:
        side: of the hand that is shown.
        betas: shape in place of the file's; None for the file's, or the mean hand.
        keep_wrist: take the wrist's place and turn from files; else it stays at the origin, fingers along the
            model's own axis.
        options: how motion files are read.
        part: the model of a part, whose poses are its own; None for a hand.
    """

    side: Side
    betas: np.ndarray | None = None
    keep_wrist: bool = False
    options: ReadOptions = field(default_factory=ReadOptions)
    part: ProxyModel | None = None

    @property
    def usual(self) -> str:
        """The pose that is shown where none is asked for."""
        return "relaxed" if self.part is None else REST

    def pose(self, text: str) -> HandPose:
        """A gesture's name, or ``FILE`` or ``FILE@FRAME`` of a motion, frames counted from 0. A part has one gesture,
        ``"rest"``.

        Raises:
            PoseError: neither a gesture nor a motion file, or a frame that it does not have.
        """
        if self.part is not None and text == REST:
            return HandPose.rest(self.side, self.part.joint_count)
        if self.part is None and text in GESTURES:
            betas = np.zeros(BETA_COUNT) if self.betas is None else self.betas
            return HandPose(np.zeros(3), gesture(text, self.side), betas, np.zeros(3), self.side)
        name, _, number = text.rpartition("@")
        path = Path(name if name and number.isdigit() else text)
        if not path.is_file():
            raise PoseError(
                f"{text!r} is neither a gesture nor a motion file.",
                f"Choose one of {', '.join([REST] if self.part else sorted(GESTURES))}, or give a .npz or .json file.",
            )
        poses = self.motion(path).poses
        frame = int(number) if name and number.isdigit() else 0
        if frame >= len(poses):
            raise PoseError(f"{path.name} has {len(poses)} frames, not number {frame}.", "Frames are counted from 0.")
        return poses[frame]

    def motion(self, path: Path, tell: Callable[[str], None] = lambda line: None) -> PoseSequence:
        """All of a motion file; ``tell`` gets what a person should know about how it was read.

        Raises:
            PoseError: the file cannot be read as a motion of one hand.
        """
        if self.part is not None:
            return self._of_part(path, self.part)
        motion = read_motion(path, self.options)
        for note in motion.notes:
            tell(note)
        return replace(motion.sequence, poses=tuple(self._placed(pose) for pose in motion.sequence.poses))

    def _of_part(self, path: Path, part: ProxyModel) -> PoseSequence:
        table = read_part_poses(path, part)
        if table.bad:
            row, reason = next(iter(table.bad.items()))
            raise PoseError(f"{path.name} cannot be played: frame {row}: {reason}.", "Write it again.")
        return replace(table.poses, poses=tuple(self._placed(pose) for pose in table.poses.poses))

    def _placed(self, pose: HandPose) -> HandPose:
        if pose.side != self.side:
            pose = pose.mirrored()
        if self.betas is not None:
            pose = replace(pose, betas=self.betas)
        return pose if self.keep_wrist else replace(pose, global_orient=np.zeros(3), transl=np.zeros(3))


def read_identity(text: str) -> IdentityChoice:
    """An identity as a command line gives it: its number, its name, or ``NAME=WEIGHT,NAME=WEIGHT``.

    Raises:
        LiveHandError: a weight that is no number.
    """
    if text.isdigit():
        return int(text)
    if "=" not in text:
        return text
    try:
        return {name.strip(): float(weight) for name, _, weight in (part.partition("=") for part in text.split(","))}
    except ValueError as error:
        raise LiveHandError(
            f"The identity {text!r} has a weight that is not a number.", "Write NAME=0.3,NAME=0.7."
        ) from error


def resampled(sequence: PoseSequence, fps: float) -> tuple[HandPose, ...]:
    """A motion's poses at another rate; its first and last pose stay.

    Args:
        fps: frames a second, positive.
    """
    count = len(sequence.poses)
    seconds = (count - 1) / sequence.fps
    frames = max(round(seconds * fps), 1 if count > 1 else 0) + 1
    if frames == count:
        return sequence.poses
    answer: list[HandPose] = []
    for number in range(frames):
        first, part = _between(number / max(frames - 1, 1), count)
        pose = sequence.poses[first]
        answer.append(pose if part == 0.0 else interpolate(pose, sequence.poses[first + 1], part))
    return tuple(answer)
