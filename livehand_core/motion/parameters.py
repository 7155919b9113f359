"""Tables of MANO or body parameters: what ``.npz`` motion files and plain JSON ones hold, whichever names they use."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import PoseError
from ..hand.library import MANO, MANO_UNFIXED
from ..poses import BETA_COUNT, HandPose, PoseSequence, Side, interpolate
from ..rotations import axis_angle_to_matrix
from .convention import FINGER_NUMBERS, Motion, ReadOptions, decode_fingers, into_world
from .keys import BODY, TRACKED, frames_a_second, of_one_hand, plain, sides_of, sort_keys, truth
from .layouts import choose_table, listed, tables_of
from .shapes import BODIES, Parts, check_units, frames_of, numbers, rotation_rows, split_pose, whole_rows
from .wrist import rest_wrists

USUAL_RATE = 30.0


def read_parameters(document: Any, options: ReadOptions, name: str) -> Motion:
    """A motion from named arrays.

    Known are AMASS's keys (whole bodies give the fingers only), MANO's own in the spellings and shapes of the field's
    tools (``keys.ROLES``, ``shapes``), both hands in one file, and what :func:`write_parameters` adds.

    Args:
        document: arrays by name, or what ``layouts.tables_of`` opens.
        options: what the table does not tell.
        name: the file, for messages.

    Raises:
        PoseError: no poses, wrong shapes, what would be misread, or a hand model that is not there.
    """
    side, table = choose_table(tables_of(document, name), options.side, options.prefer, name)
    return _Reader(table, side, options, name).motion()


@dataclass
class _Reader:
    """One table on its way to a motion."""

    table: dict[str, Any]
    wrapped: Side | None
    options: ReadOptions
    name: str

    def __post_init__(self) -> None:
        self.notes: list[str] = []
        self.used: set[str] = set()

    def motion(self) -> Motion:
        parts, count = self._parts()
        pca = self._pca(parts)
        flat, model, told = self._conventions(pca)
        fingers = decode_fingers(parts.fingers, self.side, pca, flat, model)
        trans = np.zeros((count, 3)) if parts.trans is None else parts.trans
        orient = np.zeros((count, 3)) if parts.orient is None else parts.orient
        betas = np.zeros((count, BETA_COUNT)) if parts.betas is None else parts.betas
        check_units(fingers, trans, self.name)
        rows = np.concatenate([orient, fingers, betas, trans], axis=1)
        rows = self._of_side(rows)
        poses = self._poses(rows, model, parts.orient is not None or parts.trans is not None)
        fps = self._rate()
        self._tell_unused()
        has_wrist = parts.orient is not None or parts.trans is not None
        return Motion(PoseSequence(tuple(poses), fps), has_wrist, told, tuple(self.notes))

    # Which hand

    @cached_property
    def row_sides(self) -> list[Side]:
        """The side of each row, or of all, as the table's own keys tell; empty where they do not."""
        for side in ("right", "left"):
            roles, _ = sort_keys(self.table, side)  # type: ignore[arg-type]
            for role in ("side", "right", "left"):
                key = roles.get(role)
                if key is not None and _there(self.table[key]):
                    self.used.add(key)
                    return sides_of(self.table[key], self.name, key, None if role == "side" else role)  # type: ignore[arg-type]
        return []

    @cached_property
    def side(self) -> Side:
        """The hand that is read."""
        told = self.row_sides
        known = {self.wrapped} if self.wrapped else set(told)
        wanted = self.options.side
        if wanted is not None and known and wanted not in known:
            raise PoseError(
                f"{self.name} is of a {known.pop()} hand.", f"Read the {told[0] if told else self.wrapped} one."
            )
        for side in (wanted, self.options.prefer, "right", "left"):
            if side is not None and (side in known or (not known and self._has_fingers(side))):  # type: ignore[arg-type]
                return side  # type: ignore[return-value]
        return wanted or self.options.prefer or "right"

    def _has_fingers(self, side: Side) -> bool:
        roles, _ = sort_keys(self.table, side)
        return any(role in roles and _there(self.table[roles[role]]) for role in ("full", "fingers", "both"))

    def _of_side(self, rows: np.ndarray) -> np.ndarray:
        """The rows of the hand that is read, where a table mixes both."""
        told = self.row_sides
        if len(set(told)) < 2:
            return rows
        if len(told) != len(rows):
            raise PoseError(
                f"{self.name} tells {len(told)} sides for {len(rows)} frames.",
                "Check that all its arrays have one row a frame.",
            )
        own = np.array([side == self.side for side in told])
        self.notes.append(f"{int((~own).sum())} rows of the other hand were left out.")
        return rows[own]

    # What there is

    @cached_property
    def roles(self) -> dict[str, str]:
        found, _ = sort_keys(self.table, self.side)
        return {role: key for role, key in found.items() if _there(self.table[key])}

    @cached_property
    def is_body(self) -> bool:
        """Whether the table is of a whole body, whose pelvis, shape and place are not the hand's."""
        if any(plain(key) in BODY for key in self.table) or "both" in self.roles:
            return True
        hands = [sort_keys(self.table, side)[0].get("fingers", "") for side in ("left", "right")]  # type: ignore[arg-type]
        orient = self.roles.get("orient")
        return all(map(of_one_hand, hands)) and orient is not None and not of_one_hand(orient)

    def _take(self, role: str) -> Any:
        key = self.roles.get(role)
        if key is None:
            return None
        self.used.add(key)
        return self.table[key]

    def _parts(self) -> tuple[Parts, int]:
        """Everything, with one row a frame."""
        parts = self._pose()
        count = max(len(parts.fingers), 1)
        if self.is_body or self._width_of_body:
            self.notes.append("The file holds a whole body: its fingers were read, the wrist stays.")
            return Parts(parts.fingers), count
        orient = parts.orient
        if orient is None and "orient" in self.roles:
            orient = rotation_rows(self._take("orient"), self.name, self.roles["orient"])
            if len(parts.fingers) == 1 and len(orient) > 1:
                count = len(orient)
            orient = frames_of(orient, count, 3, self.name, self.roles["orient"])
        betas, trans = parts.betas, parts.trans
        if "betas" in self.roles:
            betas = self._betas(count)
        if "trans" in self.roles:
            value = numbers(self._take("trans"), self.name, self.roles["trans"])
            trans = frames_of(value, count, 3, self.name, self.roles["trans"])
        fingers = (
            np.broadcast_to(parts.fingers, (count, parts.fingers.shape[1]))
            if len(parts.fingers) == 1
            else parts.fingers
        )
        return Parts(fingers, orient, betas, trans), count

    @cached_property
    def _width_of_body(self) -> bool:
        key = self.roles.get("full")
        return key is not None and "fingers" not in self.roles and self._full.shape[1] in BODIES

    @cached_property
    def _full(self) -> np.ndarray:
        return rotation_rows(self._take("full"), self.name, self.roles["full"])

    def _pose(self) -> Parts:
        """The array that holds the fingers, split."""
        roles = self.roles
        has_orient = "orient" in roles
        if "full" in roles and (plain(roles["full"]) == "fullpose" or ("fingers" not in roles and "both" not in roles)):
            return split_pose(self._full, has_orient, self.side, self.name, roles["full"])
        if "fingers" in roles:
            rows = rotation_rows(self._take("fingers"), self.name, roles["fingers"])
            if rows.shape[1] > FINGER_NUMBERS or (not has_orient and rows.shape[1] == 3 + FINGER_NUMBERS):
                return split_pose(rows, has_orient, self.side, self.name, roles["fingers"])
            return Parts(rows)
        if "both" in roles:
            rows = rotation_rows(self._take("both"), self.name, roles["both"])
            if rows.shape[1] != 2 * FINGER_NUMBERS:
                raise PoseError(f"{self.name} has {roles['both']} of {rows.shape[1]} numbers.", "90 are needed.")
            return Parts(np.split(rows, 2, axis=1)[0 if self.side == "left" else 1])
        raise PoseError(
            f"{self.name} holds no {self.side} hand's poses (it has {listed(self.table)[:200]}).",
            "Give poses (n, 48), or hand_pose and global_orient.",
        )

    def _betas(self, count: int) -> np.ndarray:
        """(n, 10); further coefficients are left out, missing ones are zero."""
        value = numbers(self._take("betas"), self.name, self.roles["betas"])
        width = value.shape[-1] if value.ndim else 1
        found = frames_of(value, count, width, self.name, self.roles["betas"])[:, :BETA_COUNT]
        return np.pad(found, ((0, 0), (0, BETA_COUNT - found.shape[1])))

    # How it is meant

    def _pca(self, parts: Parts) -> bool:
        if self.options.pca is not None:
            return self.options.pca
        told = self._take("pca")
        if told is not None:
            return truth(told, self.name, self.roles["pca"])
        # DexYCB's pose_m holds 45 components.
        return parts.fingers.shape[1] < FINGER_NUMBERS or plain(self.roles.get("full", "")) == "posem"

    def _conventions(self, pca: bool) -> tuple[bool, str, str]:
        """Whether poses are relative to the flat hand, the hand model, and the one that the file tells."""
        value = self._take("flat")
        told_flat = None if value is None else truth(value, self.name, self.roles["flat"])
        value = self._take("model")
        told = "" if value is None else str(np.asarray(value).reshape(-1)[0])
        of_dexycb = plain(self.roles.get("full", "")) == "posem"
        model = self.options.model or told or (MANO_UNFIXED if of_dexycb else MANO)
        words = {plain(key) for key in self.table}
        flat = self.options.flat_mean if self.options.flat_mean is not None else told_flat
        if flat is None and {"rot", "fittingerr"} <= words:
            raise PoseError(
                f"{self.name} does not say whether its finger poses are relative to the flat hand or to a mean pose.",
                "Say which; ARCTIC's own are relative to MANO's mean pose (flat_hand_mean false).",
            )
        if flat is None:
            # Components, FreiHAND's and HanCo's poses count from the mean pose, other angles from the flat hand.
            width = self._full.shape[1] if "full" in self.roles and "fingers" not in self.roles else 0
            flat = not (pca or width == 61 or "globalt" in words)
        return flat, model, told

    def _rate(self) -> float:
        if self.options.fps is not None:
            self._take("rate")
            if not (np.isfinite(self.options.fps) and self.options.fps > 0.0):
                raise PoseError(f"A frame rate of {self.options.fps:g} was given.", "Give the frames a second.")
            return self.options.fps
        value = self._take("rate")
        told = None if value is None else frames_a_second(value, self.name)
        return USUAL_RATE if told is None else told

    def _poses(self, rows: np.ndarray, model: str, has_wrist: bool) -> list[HandPose]:
        sound = np.isfinite(rows).all(axis=1)
        if not sound.all():
            self._refuse_gaps(sound)
        made: list[HandPose] = []
        turned = self._mirrors
        for row in rows[sound]:
            row = row.copy()
            if turned:
                row[: 3 + FINGER_NUMBERS] = (row[: 3 + FINGER_NUMBERS].reshape(-1, 3) * [1.0, -1.0, -1.0]).reshape(-1)
            made.append(HandPose(row[:3], row[3:48], row[48:58], row[58:], side=self.side))
        if has_wrist:
            made = self._placed(made, model)
        return made if sound.all() else bridged(made, sound)

    @cached_property
    def _mirrors(self) -> bool:
        """Whether a left hand is told as the right hand that its mirror image shows, as HaMeR and WiLoR do."""
        key = self.roles.get("fingers", self.roles.get("full", ""))
        matrices = key and np.shape(whole_rows(self.table[key]))[-2:] == (3, 3)
        return bool(matrices) and self.side == "left" and any(plain(k) in ("isright", "isrhand") for k in self.table)

    def _refuse_gaps(self, sound: np.ndarray) -> None:
        missing = np.flatnonzero(~sound)
        if not self.options.bridge or not sound.any():
            raise PoseError(
                f"{self.name} holds values that are not finite (NaN or infinity) in frame {missing[0]}"
                + (f" and {len(missing) - 1} others." if len(missing) > 1 else "."),
                "Track the hand there, or let gaps be interpolated." if sound.any() else "Export it again.",
            )
        self.notes.append(f"{len(missing)} frames without a pose were bridged.")

    def _placed(self, poses: list[HandPose], model: str) -> list[HandPose]:
        """In a world whose z points up; each shape's translation counted from the built-in hand's wrist."""
        value = self._take("up")
        up = self.options.up or ("z" if value is None else str(np.asarray(value).reshape(-1)[0]))
        about_origin = plain(self.roles.get("orient", "")) == "rh" or plain(self.roles.get("trans", "")) == "th"
        answer: list[HandPose] = []
        known: dict[bytes, tuple[np.ndarray, np.ndarray]] = {}
        for pose in poses:
            source, target = known.setdefault(pose.betas.tobytes(), rest_wrists(model, self.side, pose.betas))
            if about_origin:
                # EasyMocap turns about the origin: x = R X + Th, in place of R (X - J0) + J0 + transl.
                shift = axis_angle_to_matrix(pose.global_orient) @ source - source
                pose = HandPose(pose.global_orient, pose.hand_pose, pose.betas, pose.transl + shift, pose.side)
            answer += into_world([pose], up, source, target)  # type: ignore[arg-type]
        return answer

    def _tell_unused(self) -> None:
        others = [key for key in self.table if key not in self.used and plain(key) not in TRACKED]
        unused = [key for key in others if _there(self.table[key])]
        if unused:
            more = f" and {len(unused) - 6} more" if len(unused) > 6 else ""
            self.notes.append(f"Not used: {', '.join(unused[:6])}{more}.")


def bridged(poses: list[HandPose], sound: np.ndarray) -> list[HandPose]:
    """Poses for all frames: between known ones interpolated, before the first and behind the last held."""
    places = np.flatnonzero(sound)
    filled = [poses[0]] * int(places[0] + 1)
    for before, after, gap in zip(poses, poses[1:], np.diff(places), strict=False):
        filled += [interpolate(before, after, step / gap) for step in range(1, int(gap))] + [after]
    return filled + [poses[-1]] * (len(sound) - len(filled))


def _there(value: Any) -> bool:
    """Whether a value tells anything."""
    if value is None or (isinstance(value, str | bytes) and not value):
        return False
    if isinstance(value, list | tuple):
        return any(map(_there, value))
    return bool(value) if isinstance(value, dict) else not isinstance(value, np.ndarray) or value.size > 0
