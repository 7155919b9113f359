"""A hand's armature, and what its settings say of it, looked up once. Called by the rest of rig, motion and render."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from livehand_core.errors import PoseError
from livehand_core.hand.data import HandData
from livehand_core.poses import Side

from .layout import BoneNames
from .model import hand_data, joint_places


@dataclass(frozen=True, eq=False)
class HandRig:
    """An armature that is a LiveHand hand, of the moment: keep none longer than the work it was made for.

    Attributes:
        obj: the armature object, original or evaluated.
        side: which hand it is.
        model: id of its hand model.
        betas: (10,) its shape coefficients.
        names: what its bones are called.
    """

    obj: Any
    side: Side
    model: str
    betas: np.ndarray
    names: BoneNames

    @classmethod
    def of(cls, obj: Any) -> HandRig:
        """Read an armature's settings."""
        settings = obj.livehand
        side: Side = "left" if settings.side == "LEFT" else "right"
        return cls(obj, side, settings.model, np.array(settings.betas, dtype=np.float64), BoneNames.of(side))

    @property
    def data(self) -> HandData:
        """The hand model. Raises HandModelError when it is unknown."""
        return hand_data(self.model, self.side)

    @property
    def wrist(self) -> np.ndarray:
        """(3,) rest place of the hand model's wrist joint, metres. Raises HandModelError when the model is unknown."""
        joints, directions = joint_places(self.model, self.side)
        return np.asarray(joints[0] + directions[0] @ self.betas)

    @cached_property
    def joint_bones(self) -> list[Any]:
        """The 16 pose bones of the joints in the order of the pose. Raises PoseError when some are missing."""
        bones = [self.bone(name) for name in self.names.joints]
        if None in bones:
            raise self._lacks([name for name, bone in zip(self.names.joints, bones, strict=True) if bone is None])
        return bones

    def bone(self, name: str) -> Any:
        """A pose bone; None when the rig lacks it."""
        return self.obj.pose.bones.get(name)

    def control(self, finger: str) -> Any:
        """The pose bone that curls and spreads a finger, or all four with ``"fingers"``; None when it is missing."""
        return self.bone(self.names.control(finger))

    def target(self, finger: str) -> Any:
        """The pose bone that a finger's tip follows under IK; None when it is missing."""
        return self.bone(self.names.target(finger))

    def last(self, finger: str) -> Any:
        """The last pose bone of a finger, which holds its IK; None when it is missing."""
        return self.bone(self.names.last(finger))

    def shown(self) -> tuple[np.ndarray, np.ndarray]:
        """(16, 4, 4) rest and (16, 4, 4) posed matrices, in the armature's space, of the bones that the hand shows.

        Raises:
            PoseError: bones are missing.
        """
        bones, posed_bones, names = self.obj.data.bones, self.obj.pose.bones, self.names
        # The bones that are shown copy the joints' own: without those they show nothing.
        places = self._places(posed_bones, (*names.joints, *names.limits))[len(names.joints) :]
        rest = _values(bones, "matrix_local", 16, self._places(bones, names.limits))
        posed = _values(posed_bones, "matrix", 16, places)
        # Blender keeps matrices column by column.
        return rest.reshape(-1, 4, 4).transpose(0, 2, 1), posed.reshape(-1, 4, 4).transpose(0, 2, 1)

    def ends(self, matrix_world: Any = None) -> tuple[np.ndarray, np.ndarray]:
        """(16, 3) heads and (16, 3) tails of the joints' posed bones in world space.

        Args:
            matrix_world: world matrix in place of the object's own, for instances.

        Raises:
            PoseError: bones are missing.
        """
        world = np.array(self.obj.matrix_world if matrix_world is None else matrix_world, dtype=np.float64)
        bones = self.obj.pose.bones
        places = self._places(bones, self.names.joints)
        ends = np.stack([_values(bones, end, 3, places) for end in ("head", "tail")])
        heads, tails = ends @ world[:3, :3].T + world[:3, 3]
        return heads, tails

    def _places(self, bones: Any, names: Sequence[str]) -> list[int]:
        """Where bones stand in a collection of the armature. Raises PoseError when some are missing."""
        known = {name: place for place, name in enumerate(bones.keys())}
        missing = [name for name in names if name not in known]
        if missing:
            raise self._lacks(missing)
        return [known[name] for name in names]

    def _lacks(self, names: Sequence[str]) -> PoseError:
        return PoseError(
            f"The armature {self.obj.name!r} lacks the bones {', '.join(names)}.",
            "Give its bones these names, or add a new LiveHand hand.",
        )


def _values(bones: Any, attribute: str, width: int, places: list[int]) -> np.ndarray:
    """(n, width) numbers of some bones; those of all are read in one go, since one by one takes a millisecond."""
    flat = np.empty(width * len(bones), dtype=np.float32)
    bones.foreach_get(attribute, flat)
    return flat.reshape(-1, width)[places].astype(np.float64)
