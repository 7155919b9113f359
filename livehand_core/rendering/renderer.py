"""The renderer: avatars, poses and a camera in, images out. The engine, the command line and training call it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from ..avatars.arrays import AvatarArrays, read_arrays
from ..avatars.metadata import AvatarMetadata, resolve
from ..devices import pick_renderer
from ..errors import DeviceError
from ..frames import FrameRequest, HandInstance
from ..hand.data import ProxyModel
from ..hand.library import find_model
from ..libraries import require
from ..passes import RenderPasses, empty_images
from ..workers import Workers
from .blocks import is_out_of_memory
from .clock import Clock
from .compose import compose
from .cpu.hand import CpuHand, supports
from .finish import beside_the_wrist, finished
from .gpu.device import GpuLost
from .gpu.session import GpuSession
from .hand import DrawnHand, Mesh
from .thresholds import Precision
from .view import mirror_pose

if TYPE_CHECKING:
    from ..avatars.file import Avatar


LOADED = 8
"""Avatars that stay loaded, those that were drawn last; more only while one frame shows more."""


class Renderer:
    """Draws frames; keeps the avatars that it has drawn last, and reloads one whose file has changed.

    All avatars of the usual form are drawn without torch, on a GPU by its kernels, on the processor by compiled ones.
    Avatars of rare forms (world coordinates, hierarchical sampling) are drawn by plain torch on the processor. What
    a GPU cannot draw, the processor draws, and the frame's warnings say why.

    Example:
        >>> passes = Renderer().render(FrameRequest(camera, (HandInstance(HandPose.rest()),)))
        >>> passes["rgba"].shape
        (512, 334, 4)

    Args:
        device: ``"auto"`` (a GPU when there is one), ``"gpu"``, ``"gpu:1"``, ``"cpu"``; see ``pick_renderer``.
        hands: (model id, side) -> arrays, in place of the built-in hand and the user's MANO files.
        avatars: id -> avatar in memory, in place of files.
        precision: ``"fast"`` uses integer arithmetic where the processor has it (above 60 dB to exact), and float16 on
            a GPU; ``"exact"`` float32 throughout.
        threads: on the processor; None for all it has.
        kernels: ``"auto"``, or ``"torch"`` to draw with torch in any case.

    Raises:
        DeviceError: the device is not there.
    """

    def __init__(
        self,
        device: str = "auto",
        hands: Mapping[tuple[str, str], ProxyModel] | None = None,
        avatars: Mapping[str, Avatar] | None = None,
        precision: Precision = "fast",
        threads: int | None = None,
        kernels: Literal["auto", "torch"] = "auto",
    ) -> None:
        self.device = pick_renderer(device)
        self._hands = dict(hands or {})
        self._avatars = dict(avatars or {})
        self._precision: Precision = precision
        self._kernels = kernels
        self._workers = Workers(threads)
        self._loaded: OrderedDict[tuple[str, bool], tuple[object, DrawnHand[Any, Any]]] = OrderedDict()
        self._notes: list[str] = []
        self._gpu = self._session(required=device != "auto") if self.device.startswith("gpu") else None

    def render(self, request: FrameRequest, cancelled: Callable[[], bool] | None = None) -> RenderPasses:
        """One frame; the processor draws it when the GPU cannot.

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
        try:
            return self._frame(request, cancelled)
        except GpuLost as error:
            if self._gpu is None:
                raise
            with self._gpu.left(error):
                passes = self._frame(request, cancelled)
            if not self._on_gpu:
                self.device = "cpu"
                for key in [key for key in self._loaded if key[1]]:
                    del self._loaded[key]
            return passes

    def _frame(self, request: FrameRequest, cancelled: Callable[[], bool] | None) -> RenderPasses:
        clock = Clock(cancelled, self._wait())
        camera, layers, warnings = request.camera, [], []
        wanted = set(request.passes)
        fading = any(instance.wrist is not None for instance in request.hands)
        if len(request.hands) > 1 or "mask" in wanted or request.clip is not None or fading:
            wanted.add("depth")
        shown = {instance.avatar for instance in request.hands}
        try:
            for number, instance in enumerate(request.hands, start=1):
                clock.check()
                # Not cancelled: in a view that moves, where frame after frame is, loading would never end.
                hand = self._hand(instance.avatar, shown)
                warnings += _pose_warnings(instance, hand.metadata, number)
                sizes = (request.internal_scale, request.internal_limit)
                light = request.light_of(instance), self._occluders(request, number - 1, hand.metadata, shown)
                with self._workers.checked(clock.check):
                    layer = hand.render(instance, camera, frozenset(wanted), clock, *sizes, *light)
                if layer is not None:
                    layer = replace(layer, holdout=instance.holdout, lit=hand.metadata.relightable)
                    layer = finished(layer, instance, camera, hand.hand)
                    layers.append((number, layer if request.clip is None else layer.clipped(*request.clip)))
            clock.check()
            with clock.stage("compose"), self._workers.checked(clock.check):
                size = (camera.width, camera.height)
                if layers:
                    images = compose(layers, *size, request.passes, request.linear, self._workers)
                else:
                    images = empty_images(*size, request.passes)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            raise DeviceError(
                f"{self.device} ran out of memory at {camera.width} x {camera.height} pixels.",
                "Render smaller, or close other programs that use the device.",
            ) from error
        told = [*self._notes, *(self._gpu.told() if self._gpu is not None else ())]
        self._notes = []
        return RenderPasses(images, clock.seconds, (*told, *warnings, *clock.notes))

    def _occluders(
        self, request: FrameRequest, number: int, metadata: AvatarMetadata, shown: Collection[str]
    ) -> list[Mesh]:
        """What stands in the light of the ``number``-th hand: the request's occluders and its other hands."""
        if not metadata.relightable:
            return []
        others = [instance for place, instance in enumerate(request.hands) if place != number]
        meshes = [Mesh(mesh.vertices, mesh.faces, mesh.sky) for mesh in request.occluders]
        hand = self._hand(request.hands[number].avatar, shown)
        meshes = beside_the_wrist(meshes, request.hands[number], hand.hand)
        return meshes + [self._hand(other.avatar, shown).world_mesh(other, request.camera) for other in others]

    def _session(self, required: bool) -> GpuSession | None:
        """The device's GPU; None when it cannot be opened and is not ``required``."""
        try:
            return GpuSession(self.device, self._precision, required)
        except DeviceError as error:
            if required:
                raise
            self.device = "cpu"
            self._notes.append(f"{error.message} The processor draws instead.")
            return None

    @property
    def _on_gpu(self) -> bool:
        return self._gpu is not None and self._gpu.serves

    def arithmetic(self, avatar: str) -> dict[str, str]:
        """Network -> type of number that it is multiplied in, for ``field`` and ``super_resolution``.

        Raises:
            AvatarError, HandModelError: an avatar or its hand cannot be used.
        """
        return self._hand(avatar, {avatar}).arithmetic

    def _wait(self) -> Callable[[], object] | None:
        """What makes a stage's time true on a device that works behind the caller's back."""
        if not self.device.startswith("cuda"):
            return None
        import torch

        return torch.cuda.synchronize

    def _hand(self, avatar: str, shown: Collection[str]) -> DrawnHand[Any, Any]:
        """The loaded avatar; read again when its file has changed (a training run that goes on).

        Args:
            avatar: its id.
            shown: those of the same frame, which are not forgotten for it.
        """
        if avatar in self._avatars:
            stamp: object = id(self._avatars[avatar])
        else:
            status = resolve(avatar).stat()
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
        key = (avatar, self._on_gpu)
        known = self._loaded.pop(key, None)
        if known is None or known[0] != stamp:
            # Out of memory before the new one comes into it.
            known = None
            self._make_room(shown)
            arrays = self._avatars[avatar].arrays() if avatar in self._avatars else read_arrays(avatar)
            known = (stamp, self._drawn(arrays))
        self._loaded[key] = known
        return known[1]

    def _make_room(self, shown: Collection[str]) -> None:
        """Forget the avatars that were drawn longest ago, but none of a frame at work."""
        for key in [one for one in self._loaded if one[0] not in shown]:
            if len(self._loaded) < LOADED:
                return
            del self._loaded[key]

    def _drawn(self, arrays: AvatarArrays) -> DrawnHand[Any, Any]:
        metadata = arrays.metadata
        data = self._hands.get((metadata.hand_model, metadata.side)) or find_model(metadata.hand_model, metadata.side)
        metadata.check_hand(data)
        data = arrays.refined(data)
        if self._kernels == "auto" and self._gpu is not None:
            drawn = self._gpu.hand(arrays, data, self._workers)
            if drawn is not None:
                return drawn
        device = self.device if self.device.startswith("cuda") else "cpu"
        if device == "cpu" and self._kernels == "auto" and supports(arrays):
            return CpuHand(arrays, data, self._workers, self._precision)
        require("plain")
        import torch

        from ..avatars.file import Avatar
        from .torch.hand import TorchHand

        return TorchHand(Avatar.of(arrays), data, torch.device(device))


def _pose_warnings(instance: HandInstance, metadata: AvatarMetadata, number: int) -> list[str]:
    statistics, pose = metadata.pose_statistics, instance.pose
    # What has other joints is refused where it is drawn.
    if statistics is None or pose.hand_pose.size != len(statistics.mean):
        return []
    if pose.side != metadata.side:
        pose = mirror_pose(pose)
    excess = statistics.out_of_range(pose.hand_pose, metadata.joint_names[1:])
    if not excess:
        return []
    joints = ", ".join(f"{name} by {value * 57.29578:.0f} degrees" for name, value in excess.items())
    return [f"Hand {number} leaves the poses that {metadata.name!r} was trained on: {joints}."]
