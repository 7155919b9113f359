"""One avatar drawn by one camera with a frame function of fixed shapes: what is decided on the host."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ...avatars.arrays import AvatarArrays
from ...avatars.file import Avatar
from ...cameras import Camera
from ...frames import HandInstance
from ...framing import Box, hand_box, resampling
from ...hand.data import HandData
from ...kernels.skinning import PosedHandModel
from ...networks.config import SKIP_AFTER_LAYER
from ..clock import Clock
from ..geometry import geometry_passes
from ..identity_textures import IdentityTextures
from ..layer import Layer, LowImage
from ..setup import avatar_view, conditioning, feature_camera, filter_size, identity_shares, reach
from ..torch_hand import TorchHand, on_canvas, resize
from ..view import View
from ..volume import Proxy
from .capacities import MAX_PAIRS, MAX_PIXELS, Capacities, Needs, first_room, more_room, pair_count
from .frame import Frame, FrameOutputs, compose
from .graphs import FrameRunner
from .inputs import camera_numbers, pack
from .proxy import ProxyMesh

ATTEMPTS = 4
"""Runs of one frame with more and more room. A count that was cut short by another's limit can only then be seen."""

GEOMETRY = frozenset({"normal", "uvd"})
"""Passes that the processor makes from the downloaded picture."""


def supports(avatar: AvatarArrays) -> bool:
    """Whether the frame function knows the avatar's form: (u, v, d), no skip connection, no hierarchical pass."""
    architecture = avatar.metadata.architecture
    field = architecture.field
    return field.coordinates == "uvd" and field.depth <= SKIP_AFTER_LAYER + 1 and architecture.n_importance == 0


@dataclass(frozen=True)
class _Plan:
    """Where a hand lies: its view, the camera its networks work for, the boxes, and the posed mesh.

    Attributes:
        box: of the picture in the view's image.
        low: the whole feature image's camera; low_box: the part of it that is drawn.
        own: whether the networks' own pixels are the image's; else the picture is resized.
    """

    view: View
    vertices: np.ndarray
    working: Camera
    factor: float
    box: Box
    low: Camera
    low_box: Box
    kernel: int
    own: bool


class GraphHand:
    """An avatar and its hand model on a device.

    Args:
        avatar: one that :func:`supports` accepts.
        hand: the model it was trained on.
        device: any that torch has; written for CUDA.
        dtype: of the networks' products; None for float16 on CUDA and float32 elsewhere.
        graphs: capture frames in CUDA graphs.

    Attributes:
        arithmetic: network -> type of number that it is multiplied in.

    Raises:
        AvatarError: the avatar was trained on another hand.
    """

    def __init__(
        self,
        avatar: Avatar,
        hand: HandData,
        device: torch.device,
        dtype: torch.dtype | None = None,
        graphs: bool = True,
    ) -> None:
        avatar.metadata.check_hand(hand)
        self.metadata = avatar.metadata
        self.model = PosedHandModel(hand)
        self.runs = 0
        if dtype is None:
            dtype = torch.float16 if device.type == "cuda" else torch.float32
        self.arithmetic = dict.fromkeys(("field", "super_resolution"), str(dtype).removeprefix("torch."))
        frame = Frame(avatar, hand, dtype)
        self._runner = FrameRunner(frame, device, graphs)
        mesh = ProxyMesh(hand)
        self._mesh = (mesh.faces, mesh.face_uv, mesh.neighbours)
        self._codes = None if avatar.latent is None else avatar.latent.cpu().numpy()
        self._textures = IdentityTextures(frame.field.textures, avatar.identity_textures)
        self._needs: Needs | None = None
        self._large: TorchHand | None = None
        self._avatar, self._device = avatar, device

    def render(
        self,
        instance: HandInstance,
        camera: Camera,
        passes: frozenset[str],
        clock: Clock,
        scale: float | None = None,
        limit: float | None = None,
    ) -> Layer | None:
        """Draw one hand.

        Args:
            instance: the hand.
            camera: of the request.
            passes: which of ``depth``, ``normal``, ``uvd`` and ``rgba_low`` to make; ``rgba`` is always there.
            clock: takes times (the whole device frame under ``field``), asks for cancellation.
            scale: size at which the networks run over the image's; None for the avatar's own.
            limit: the largest that this may be.

        Returns:
            The layer, or None when the hand is out of view.

        Raises:
            AvatarError: the wrong side, or an identity that the avatar does not have.
        """
        with clock.stage("skinning"):
            plan = self._plan(instance, camera, scale, limit)
        if plan is None:
            return None
        room = self._first_room(plan, passes)
        if room is None:
            return self._in_pieces().render(instance, camera, passes, clock, scale, limit)
        clock.check()
        pose, code = conditioning(self.metadata, self._codes, plan.view, instance.identity)
        self._textures.show(identity_shares(self.metadata, self._codes, instance.identity))
        inputs = self._inputs(plan, pose if code is None else np.concatenate([code, pose]))
        for _ in range(ATTEMPTS):
            answer = self._attempt(plan, inputs, room, passes, clock)
            if isinstance(answer, Layer):
                return answer.flipped(plan.view.camera.width) if plan.view.mirrored else answer
            if not answer.tiles:
                return None
            room = more_room(room, answer)
        return self._in_pieces().render(instance, camera, passes, clock, scale, limit)

    def _plan(self, instance: HandInstance, camera: Camera, scale: float | None, limit: float | None) -> _Plan | None:
        metadata = self.metadata
        view = avatar_view(metadata, self.model.data, instance, camera)
        vertices = self.model.vertices(view.pose)
        box = hand_box(vertices, view.camera, reach(metadata, view.camera, vertices))
        if box.empty:
            return None
        factor = resampling(view.camera, vertices, metadata.pixels_per_metre, scale, limit)
        working = view.camera
        if factor != 1.0:
            sides = (max(1, round(box.width * factor)), max(1, round(box.height * factor)))
            working = box.of(view.camera).resized(*sides)
        low = feature_camera(metadata, working)
        kernel = filter_size(metadata, low, vertices)
        # As TorchHand's: the outer half of the receptive field only feeds pixels that are not drawn.
        margin = kernel // 2 + 2 + metadata.architecture.super_resolution.receptive_radius
        low_box = hand_box(vertices, low, margin)
        if low_box.empty:
            return None
        times = metadata.architecture.super_resolution.factor
        stretched = metadata.pixel_offset == 0.0 and _size(low, times) != _size(working)
        whole = Box(0, 0, view.camera.width, view.camera.height)
        if factor == 1.0 and stretched:
            box = whole
        elif factor == 1.0:
            edges = (low_box.left, low_box.top, low_box.right, low_box.bottom)
            box = Box(*(edge * times for edge in edges)).grown(0, whole.width, whole.height)
        return _Plan(view, vertices, working, factor, box, low, low_box, kernel, factor == 1.0 and not stretched)

    def _first_room(self, plan: _Plan, passes: frozenset[str]) -> Capacities | None:
        """Capacities for a frame; None when it is too large to lie in memory at once."""
        factor = self.metadata.architecture.super_resolution.factor
        faces = self.model.topology.faces
        placed = plan.box
        pairs = pair_count(plan.vertices, faces, plan.low_box.of(plan.low))
        surface = None
        if "depth" in passes and not passes & GEOMETRY:
            count = pair_count(plan.vertices, faces, placed.of(plan.view.camera))
            surface = (placed.height, placed.width, count)
        largest = max(plan.low_box.width * plan.low_box.height * factor**2, placed.width * placed.height)
        if max(pairs, surface[2] if surface else 0) > MAX_PAIRS or largest > MAX_PIXELS:
            return None
        perspective = plan.view.camera.projection == "perspective"
        direct = plan.own and not passes & GEOMETRY
        return first_room(plan.low_box, plan.kernel, factor, perspective, pairs, surface, direct, self._needs)

    def _inputs(self, plan: _Plan, constants: np.ndarray) -> np.ndarray:
        correctives, transforms = self.model.joints(plan.view.pose)
        middle = (plan.view.camera.world_to_camera @ [*plan.vertices.mean(axis=0), 1.0])[2]
        count = min(self.model.data.shapedirs.shape[2], len(plan.view.pose.betas))
        parts = {
            "betas": plan.view.pose.betas[:count],
            "correctives": correctives,
            "transforms": transforms,
            "feature_camera": camera_numbers(plan.low_box.of(plan.low)),
            "image_camera": camera_numbers(plan.box.of(plan.view.camera)),
            "middle": np.array([middle]),
            "depth_scale": np.array([plan.view.scale]),
        }
        return pack(parts, constants)

    def _attempt(
        self, plan: _Plan, inputs: np.ndarray, room: Capacities, passes: frozenset[str], clock: Clock
    ) -> Layer | Needs:
        """The layer; or what the frame needed, where that was more than there was room for, or no tile at all."""
        self.runs += 1
        with clock.stage("field"):
            outputs = self._runner.run(inputs, room)
            picture = self._finished(plan, outputs, room, passes)
            parts = [picture, outputs.needs]
            if "rgba_low" in passes:
                parts.append(self._low(plan, outputs))
        with clock.stage("compose"):
            image, counted, *low = self._runner.download(parts)
            needs = Needs(*(int(count) for count in counted))
            if not needs.fit(room) or not needs.tiles:
                return needs
            self._needs = needs
            rgba, depth = np.ascontiguousarray(image[..., :4]), np.ascontiguousarray(image[..., 4])
            normal: np.ndarray | None = None
            uvd: np.ndarray | None = None
            if passes & GEOMETRY:
                depth, normal, uvd = self._geometry(plan, image, passes)
            return Layer(plan.box, rgba, depth, normal, uvd, self._low_image(plan, low[0]) if low else None)

    def _finished(self, plan: _Plan, outputs: FrameOutputs, room: Capacities, passes: frozenset[str]) -> torch.Tensor:
        """(h, w, 5) RGBA and depth of the box; (h, w, 6) with weighted depths where the processor goes on."""
        picture, low, box = outputs.picture, plan.low_box, plan.box
        if plan.own:
            picture = picture[: box.height, : box.width]
        else:
            times = self.metadata.architecture.super_resolution.factor
            picture, left, top = picture[: low.height * times, : low.width * times], low.left * times, low.top * times
            size, whole = _size(plan.working), _size(plan.low, times)
            if self.metadata.pixel_offset == 0.0 and whole != size:
                picture, left, top = resize(on_canvas(picture, left, top, *whole), *size), 0, 0
            picture = resize(on_canvas(picture, left, top, *size), box.width, box.height)
        if room.direct or passes & GEOMETRY:
            return picture
        return compose(picture, outputs.surface, outputs.middle, outputs.depth_scale)

    def _geometry(
        self, plan: _Plan, image: np.ndarray, passes: frozenset[str]
    ) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
        """Depth, normal and (u, v, d), by the processor from the downloaded picture."""
        proxy = Proxy.of(torch.from_numpy(plan.vertices), *self._mesh)
        depth, normal, uvd = geometry_passes(
            plan.view, plan.box, torch.from_numpy(image), proxy, self.metadata.sign, passes
        )
        return _array(depth), None if normal is None else _array(normal), None if uvd is None else _array(uvd)

    def _low(self, plan: _Plan, outputs: FrameOutputs) -> torch.Tensor:
        return outputs.low[: plan.low_box.height, : plan.low_box.width]

    def _low_image(self, plan: _Plan, image: np.ndarray) -> LowImage:
        """The feature image's colours in its own grid, or resized to the part of the image where they lie."""
        rgba, depth = np.ascontiguousarray(image[..., :4].clip(0.0, 1.0)), image[..., 4] * np.float32(plan.view.scale)
        if plan.factor == 1.0:
            return LowImage(plan.low_box, _size(plan.low), rgba, depth)
        canvas = on_canvas(torch.from_numpy(rgba), plan.low_box.left, plan.low_box.top, *_size(plan.low))
        image = np.ascontiguousarray(resize(canvas, plan.box.width, plan.box.height).numpy())
        mean = float(depth[np.isfinite(depth)].mean())
        return LowImage(plan.box, _size(plan.view.camera), image, np.full(image.shape[:2], mean, dtype=np.float32))

    def _in_pieces(self) -> TorchHand:
        """Draws what does not lie in memory at once."""
        if self._large is None:
            self._large = TorchHand(self._avatar, self.model.data, self._device)
        return self._large


def _size(camera: Camera, factor: int = 1) -> tuple[int, int]:
    return camera.width * factor, camera.height * factor


def _array(image: torch.Tensor) -> np.ndarray:
    return np.ascontiguousarray(image.numpy(), np.float32)
