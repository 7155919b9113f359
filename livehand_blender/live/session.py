"""The one live session: the tracker's process, the rigs that it moves, and the take that is recorded.

A timer takes the newest frame and poses the rigs; it never waits. Whatever goes wrong (file closed, rig deleted, add-on
switched off, process dead) ends the session, and with it the camera, with one line that the panel shows.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from dataclasses import replace as with_values
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy
import numpy as np

from livehand_core.errors import LiveHandError, PoseError
from livehand_core.poses import HandPose, Side

from ..background import redraw
from ..engine_python import tracker_python
from ..motion.actions import scene_rate
from ..preferences import log_path
from ..registration import handlers, leaving, registration, timer
from ..rig.armature import active_hand, is_hand, why_not_editable
from ..rig.hand_operator import evaluated_pose
from ..rig.hand_rig import HandRig
from ..rig.pose import apply_pose
from .takes import bake, new_name

if TYPE_CHECKING:
    from livehand_core.tracking.client import Newest, TrackerClient
    from livehand_core.tracking.values import TrackedHand

TICK_SECONDS = 1.0 / 60.0
IDLE_SECONDS = 0.25


@dataclass
class Target:
    """A rig that is moved.

    Attributes:
        name: of the armature object: references to it do not outlive an undo.
        side: of the rig.
        follows: side of the tracked hand that moves it; None for whichever hand there is.
        shift: (3,) metres from the tracked wrist's place to where the rig's was, found at the first frame.
        samples: (seconds, pose) of the take that is recorded.
    """

    name: str
    side: Side
    follows: Side | None
    shift: np.ndarray | None = None
    samples: list[tuple[float, HandPose]] = field(default_factory=list)


@dataclass
class Session:
    """What runs.

    Attributes:
        client: of the tracker's process.
        scene: name of the scene.
        targets: rigs that move.
        wrist: whether wrists follow.
        recording: moment at which the take began, None while none is recorded.
        newest: what was tracked last.
    """

    client: TrackerClient
    scene: str
    targets: list[Target]
    wrist: bool
    recording: float | None = None
    newest: Newest | None = None
    seen: dict[str, TrackedHand] = field(default_factory=dict)


_session: Session | None = None
_message = ""


def make_client(python: Callable[[], Path], log: Path) -> TrackerClient:
    """The client of a tracker that this Python runs and that writes this log."""
    # The tracker's modules are imported when it is started: the add-on is to be switched on quickly.
    from livehand_core.tracking.client import TrackerClient

    return TrackerClient(python, log_path=log)


def running() -> bool:
    """Whether the source is on, or about to be."""
    return _session is not None


def current() -> Session | None:
    """The session; None without one."""
    return _session


def message() -> str:
    """Why the last session ended, in one line; empty when it was stopped by hand."""
    return _message


def start(context: Any) -> None:
    """Begin a session with the scene's settings and the active hand.

    Raises:
        LiveHandError: there is no hand that can be moved, or no source is named.
    """
    global _session, _message
    stop()
    settings = context.scene.livehand_live
    targets = chosen_targets(context)
    if settings.source == "FILE" and not settings.path.strip():
        raise LiveHandError("No video is chosen.", "Give one in the panel Live, or choose Camera as the source.")
    options = settings.options()
    client = make_client(tracker_python(), log_path().with_name("tracker.log"))
    client.start(settings.source_text(), options, loop=settings.loop)
    _session, _message = Session(client, context.scene.name, targets, settings.wrist), ""
    if not bpy.app.timers.is_registered(tick):
        bpy.app.timers.register(tick, first_interval=TICK_SECONDS, persistent=True)
    redraw()


def chosen_targets(context: Any) -> list[Target]:
    """The rigs that the settings and the selection name.

    Raises:
        LiveHandError: there is none, or it is linked.
    """
    rig = active_hand(context)
    reason = why_not_editable(rig)
    if reason:
        raise LiveHandError(f"{reason}.")
    side = HandRig.of(rig).side
    if context.scene.livehand_live.hands == "ACTIVE":
        return [Target(rig.name, side, None)]
    hands = [obj for obj in (*context.selected_objects, *context.scene.objects) if is_hand(obj) and obj.is_editable]
    other = next((obj for obj in hands if HandRig.of(obj).side != side), None)
    if other is None:
        raise LiveHandError("There is one hand only.", "Add the other one, or choose Active Hand.")
    return [Target(obj.name, HandRig.of(obj).side, HandRig.of(obj).side) for obj in (rig, other)]


def stop(reason: str = "") -> None:
    """End the session; the camera goes off. A take that is being recorded is lost unless it was stopped before."""
    global _session, _message
    ended, _session = _session, None
    if ended is not None:
        ended.client.close()
        _message = reason
        redraw()


def set_smoothing(value: float) -> None:
    """Change the smoothing of what runs."""
    if _session is not None:
        _session.client.set_smoothing(value)


def tick() -> float | None:
    """Take the newest frame and pose the rigs; the seconds until the next look, None when it is over."""
    if _session is None:
        return None
    try:
        return _advance(_session)
    except LiveHandError as error:
        stop(str(error))
    except ReferenceError:
        stop("The hand is gone.")
    return None


def _advance(session: Session) -> float | None:
    status = session.client.status
    if session.client.error is not None:
        raise session.client.error
    newest = session.client.newest()
    if newest is not None:
        session.newest = newest
        pose_rigs(session, newest)
        redraw()
    elif status == "ended" and session.recording is None:
        stop("The video is over.")
        return None
    return TICK_SECONDS if status == "running" else IDLE_SECONDS


def pose_rigs(session: Session, newest: Newest) -> None:
    """Pose each rig as its hand is in a frame, and record that.

    Raises:
        LiveHandError: the scene or a rig is gone, or can no longer be posed.
    """
    if session.scene not in bpy.data.scenes:
        raise LiveHandError("The scene is gone, so tracking has ended.")
    for target in session.targets:
        rig = bpy.data.objects.get(target.name)
        if rig is None or not is_hand(rig) or not rig.users_scene:
            raise LiveHandError(f"The hand {target.name!r} is gone, so tracking has ended.", "Choose a hand and start.")
        hand = _hand_of(newest, target)
        if hand is None:
            continue
        session.seen[target.name] = hand
        pose = _placed(rig, target, hand.pose)
        if hand.state == "tracked" or session.recording is not None:
            apply_pose(rig, pose, wrist=session.wrist)
        if session.recording is not None:
            target.samples.append((newest.came - session.recording, pose))


def _hand_of(newest: Newest, target: Target) -> TrackedHand | None:
    if target.follows is not None:
        return newest.frame.hand(target.follows)
    return newest.frame.hands[0] if newest.frame.hands else None


def _placed(rig: Any, target: Target, pose: HandPose) -> HandPose:
    """A tracked pose as the rig takes it: of its side and shape, in the scene's world, starting where the rig is."""
    from livehand_core.tracking.takes import world_pose

    pose = pose if pose.side == target.side else pose.mirrored()
    pose = world_pose(pose, HandRig.of(rig).model)
    pose = with_values(pose, betas=np.array(rig.livehand.betas, dtype=np.float64))
    if target.shift is None:
        target.shift = evaluated_pose(bpy.context, rig).transl - pose.transl
    return with_values(pose, transl=pose.transl + target.shift)


def begin_take() -> None:
    """Record from now on. Raises LiveHandError when nothing runs."""
    if _session is None:
        raise LiveHandError("Nothing is tracked, so nothing can be recorded.", "Start it first.")
    for target in _session.targets:
        target.samples.clear()
    _session.recording = time.monotonic()


def end_take(context: Any) -> list[str]:
    """Make the take an action of each rig, from the current frame on; one line for each.

    Raises:
        PoseError: the take has no frames.
        LiveHandError: nothing was recorded, or a rig cannot take it.
    """
    from livehand_core.tracking.takes import resampled

    if _session is None or _session.recording is None:
        raise LiveHandError("Nothing is recorded.", "Record first.")
    _session.recording = None
    scene, settings = context.scene, context.scene.livehand_live
    recorded = [target for target in _session.targets if target.samples]
    if not recorded:
        raise PoseError("The take has no frames: no hand was seen while it was recorded.", "Record it again.")
    lines = []
    begin = min(target.samples[0][0] for target in recorded)
    name = new_name(settings.take)
    for target in recorded:
        rig = bpy.data.objects[target.name]
        rate = scene_rate(scene)
        sequence = resampled(target.samples, rate)
        first = scene.frame_current + round((target.samples[0][0] - begin) * rate)
        own = name if len(recorded) == 1 else f"{name}.{'L' if target.side == 'left' else 'R'}"
        _, note = bake(rig, sequence, own, first, _session.wrist, settings.onto == "IK")
        target.samples.clear()
        lines.append(f"{own!r}: {len(sequence.poses)} frames onto {rig.name!r}. {note}".strip())
    return lines


@bpy.app.handlers.persistent
def _file_closes(*_: Any) -> None:
    stop("Another file was opened.")


def _leave() -> None:
    stop()


register, unregister = registration(timer(tick), leaving(_leave), handlers(("load_pre", _file_closes)))
