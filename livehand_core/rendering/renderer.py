"""The renderer: avatars, poses and a camera in, images out. The engine, the command line and training call it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch

from ..avatars.file import Avatar, load_avatar
from ..avatars.metadata import resolve
from ..errors import DeviceError
from ..frames import FrameRequest, HandInstance
from ..hand.data import HandData
from ..hand.library import find_hand
from ..passes import RenderPasses
from .clock import Clock
from .compose import compose, empty
from .hand_renderer import HandRenderer
from .view import mirror_pose


class Renderer:
    """Draws frames; keeps the avatars that it has loaded, and reloads one whose file has changed.

    Example:
        >>> passes = Renderer().render(FrameRequest(camera, (HandInstance(HandPose.rest()),)))
        >>> passes["rgba"].shape
        (512, 334, 4)

    Args:
        device: ``"auto"`` (CUDA when there is one), ``"cpu"``, ``"cuda"``, ``"cuda:1"``.
        hands: (model id, side) -> arrays, in place of the built-in hand and the user's MANO files.
        avatars: id -> avatar in memory, in place of files.

    Raises:
        DeviceError: the device is not there.
    """

    def __init__(
        self,
        device: str = "auto",
        hands: Mapping[tuple[str, str], HandData] | None = None,
        avatars: Mapping[str, Avatar] | None = None,
    ) -> None:
        self.device = pick_device(device)
        self._hands = dict(hands or {})
        self._avatars = dict(avatars or {})
        self._loaded: dict[str, tuple[object, HandRenderer]] = {}

    def render(self, request: FrameRequest, cancelled: Callable[[], bool] | None = None) -> RenderPasses:
        """One frame.

        Args:
            request: camera, hands, passes.
            cancelled: asked between steps of at most some tens of milliseconds; True stops.

        Returns:
            The images asked for, seconds by stage, and warnings such as a pose outside the training range.

        Raises:
            RenderCancelled: ``cancelled`` answered True.
            AvatarError, HandModelError: an avatar or its hand cannot be used.
            DeviceError: the device ran out of memory.
        """
        clock = Clock(self.device, cancelled)
        camera, layers, warnings = request.camera, [], []
        wanted = set(request.passes)
        if len(request.hands) > 1 or "mask" in wanted:
            wanted.add("depth")
        try:
            with torch.inference_mode():
                for number, instance in enumerate(request.hands, start=1):
                    clock.check()
                    renderer = self._renderer(instance.avatar)
                    warnings += _pose_warnings(instance, renderer, number)
                    layer = renderer.render(instance, camera, frozenset(wanted), clock)
                    if layer is not None:
                        layers.append((number, layer))
                clock.check()
                with clock.stage("compose"):
                    size = (camera.width, camera.height)
                    if layers:
                        images = compose(layers, *size, request.passes, request.linear)
                    else:
                        images = empty(*size, request.passes)
        except torch.OutOfMemoryError as error:
            raise DeviceError(
                f"{self.device} ran out of memory at {camera.width} x {camera.height} pixels.",
                "Render smaller, or close other programs that use the device.",
            ) from error
        return RenderPasses(images, clock.seconds, tuple(warnings))

    def _renderer(self, avatar: str) -> HandRenderer:
        """The loaded avatar; read again when its file has changed (a training run that goes on)."""
        if avatar in self._avatars:
            stamp: object = id(self._avatars[avatar])
        else:
            status = resolve(avatar).stat()
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
        known = self._loaded.get(avatar)
        if known is not None and known[0] == stamp:
            return known[1]
        loaded = self._avatars[avatar] if avatar in self._avatars else load_avatar(avatar)
        renderer = HandRenderer(loaded, self._hand(loaded), self.device)
        self._loaded[avatar] = (stamp, renderer)
        return renderer

    def _hand(self, avatar: Avatar) -> HandData:
        metadata = avatar.metadata
        given = self._hands.get((metadata.hand_model, metadata.side))
        return given if given is not None else find_hand(metadata.hand_model, metadata.side)


def pick_device(name: str) -> torch.device:
    """The torch device of a name; ``"auto"`` is CUDA when there is one.

    Raises:
        DeviceError: an unknown name, or a device that is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DeviceError(f"The device {name!r} is unknown.", "Use auto, cpu or cuda.") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise DeviceError(f"The device {name!r} is not there.", "Install a CUDA build of torch, or use the CPU.")
    if device.type not in ("cpu", "cuda"):
        raise DeviceError(f"The device {name!r} is not supported.", "Use auto, cpu or cuda.")
    return device


def _pose_warnings(instance: HandInstance, renderer: HandRenderer, number: int) -> list[str]:
    statistics = renderer.metadata.pose_statistics
    if statistics is None:
        return []
    pose = instance.pose
    if pose.side != renderer.metadata.side:
        pose = mirror_pose(pose)
    excess = statistics.out_of_range(pose.hand_pose)
    if not excess:
        return []
    joints = ", ".join(f"{name} by {value * 57.29578:.0f} degrees" for name, value in excess.items())
    return [f"Hand {number} leaves the poses that {renderer.metadata.name!r} was trained on: {joints}."]
