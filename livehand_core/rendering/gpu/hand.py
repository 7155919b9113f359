"""One avatar drawn by one camera on a GPU: what is decided on the host, and the layer that comes back."""

from __future__ import annotations

import numpy as np

from ...avatars.arrays import AvatarArrays
from ...cameras import Camera
from ...frames import HandInstance
from ...framing import resampling
from ...hand.data import HandData
from ...kernels.mesh.skinning import PosedHandModel
from ...kernels.resample import resize
from ...networks.config import SKIP_AFTER_LAYER
from ..clock import Clock
from ..layer import Layer, LowImage, blended, on_canvas
from ..plan import Plan, plan_hand
from ..setup import avatar_view, conditioning, identity_shares
from ..view import View
from .device import Gpu, Recorder
from .field import Field, tile_rays
from .frame import Networks, record_features, record_low, record_passes, record_picture, record_resized
from .mesh import Mesh
from .super_resolution import SuperResolution

NOTHING = np.float32(1e29)
"""Depth from which on there is nothing, in what the kernels answer."""

HALF_LIMIT = 6e4
"""Weights from which on an avatar is kept in float32: float16 ends at 65504."""

TRANSMITTANCE_FLOORS = {"fast": 1.0 / 512.0, "exact": 2e-5}
"""What a ray lets through when it ends, as on the processor."""


def refusal(avatar: AvatarArrays, storage: int = 16384) -> str:
    """Why an avatar is left to the processor; empty when the GPU draws it.

    Args:
        avatar: which.
        storage: bytes of a workgroup's memory.
    """
    architecture = avatar.metadata.architecture
    field = architecture.field
    if field.coordinates != "uvd":
        return "its field takes world coordinates"
    if field.depth > SKIP_AFTER_LAYER + 1:
        return f"its field has {field.depth} layers, and more than {SKIP_AFTER_LAYER + 1} skip"
    if architecture.n_importance:
        return "its rays are sampled twice"
    return "" if tile_rays(field, storage, 4) else f"its layers of {field.width} channels are too wide"


class GpuHand:
    """An avatar and its hand model on a GPU.

    Args:
        avatar: one that :func:`refusal` has nothing against.
        hand: the model it was trained on.
        gpu: where.
        half: keep weights and activations in float16, where the GPU has it and it holds them; sums are float32 in any
            case.
        floor: transmittance at which rays end.

    Attributes:
        arithmetic: network -> type of number that its activations are kept in.

    Raises:
        AvatarError: the avatar was trained on another hand.
        GpuLost: the GPU has no memory for it.
    """

    def __init__(
        self,
        avatar: AvatarArrays,
        hand: HandData,
        gpu: Gpu,
        half: bool = False,
        floor: float = TRANSMITTANCE_FLOORS["exact"],
    ) -> None:
        avatar.metadata.check_hand(hand)
        self.metadata = avatar.metadata
        self.model = PosedHandModel(hand)
        self.latent = avatar.latent
        self._gpu, self._floor = gpu, floor
        half = (
            half
            and gpu.has_half
            and all(np.abs(value).max(initial=0.0) < HALF_LIMIT for value in avatar.values.values())
        )
        architecture = avatar.metadata.architecture
        self._networks = Networks(
            gpu,
            avatar.metadata,
            Mesh(gpu, hand, avatar.metadata.sign),
            Field(gpu, architecture.field, avatar.part("field."), avatar.identity_textures, half),
            SuperResolution(gpu, architecture.super_resolution, avatar.part("super_resolution."), half),
        )
        self.arithmetic = dict.fromkeys(("field", "super_resolution"), "float16" if half else "float32")

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
            clock: takes times (all of the GPU's work as ``field``), asks for cancellation.
            scale: size at which the networks run over the image's; None for the avatar's own.
            limit: the largest that this may be.

        Returns:
            The layer, or None when the hand is out of view.

        Raises:
            AvatarError: the wrong side, or an identity that the avatar does not have.
            GpuLost: the GPU has gone, or has no memory for this frame.
        """
        with clock.stage("skinning"):
            view = avatar_view(self.metadata, self.model.data, instance, camera)
            vertices = self.model.vertices(view.pose)
        factors = resampling(view.camera, vertices, self.metadata.pixels_per_metre, scale, limit)
        layers = [self._at_size(one, view, vertices, instance, passes, clock) for one in factors]
        layer = blended(layers, factors.values())
        return layer.flipped(view.camera.width) if layer is not None and view.mirrored else layer

    def _at_size(
        self,
        scale: float,
        view: View,
        vertices: np.ndarray,
        instance: HandInstance,
        passes: frozenset[str],
        clock: Clock,
    ) -> Layer | None:
        """The layer, not mirrored, by networks that run at ``scale`` times the image's size."""
        plan = plan_hand(self.metadata, view, vertices, scale)
        if plan is None:
            return None
        clock.check()
        inputs = conditioning(self.metadata, self.latent, view, instance.identity)
        with clock.stage("field"):
            self._networks.field.show(identity_shares(self.metadata, self.latent, instance.identity))
            data = self._drawn(plan, inputs, passes, clock)
        with clock.stage("compose"):
            return _layer(plan, data, passes)

    def _drawn(
        self, plan: Plan, inputs: tuple[np.ndarray, np.ndarray | None], passes: frozenset[str], clock: Clock
    ) -> np.ndarray:
        """(N,) float32: number of rays and three more, the box's planes, then the feature image's if it is wanted."""
        networks, gpu, record = self._networks, self._gpu, Recorder()
        correctives, transforms = self.model.joints(plan.view.pose)
        networks.mesh.pose(record, plan.view.pose.betas, correctives, transforms)
        features = record_features(networks, record, plan, inputs, self._floor)
        picture = record_picture(networks, record, plan, features)
        if plan.stretched:
            size = (plan.working.width, plan.working.height)
            picture = record_resized(gpu, record, picture, size, "stretched")
        if plan.scale != 1.0:
            picture = record_resized(gpu, record, picture, (plan.box.width, plan.box.height), "resized")
        wanted = [(features.count, 16), record_passes(networks, record, plan, picture, passes)]
        if "rgba_low" in passes:
            wanted.append(record_low(networks, record, plan, features))
        data = gpu.submit(record, wanted, clock.check)
        return np.frombuffer(data, dtype=np.float32)


def _layer(plan: Plan, data: np.ndarray, passes: frozenset[str]) -> Layer | None:
    """What came back as a layer; None when no ray met the hand."""
    if not data[:1].view(np.uint32)[0]:
        return None
    planes = _planes(data[4:], (plan.box.height, plan.box.width), passes)
    low = None
    if "rgba_low" in passes:
        low = _low_image(plan, data[4 + sum(plane.size for plane in planes.values()) :])
    depth = _finite(planes["depth"])
    return Layer(plan.box, planes["rgba"], depth, planes.get("normal"), planes.get("uvd"), low)


def _planes(data: np.ndarray, size: tuple[int, int], passes: frozenset[str]) -> dict[str, np.ndarray]:
    """Name -> (h, w) or (h, w, C) of what ``passes.wgsl`` wrote."""
    channels = {"rgba": 4, "depth": 1} | {name: 3 for name in ("normal", "uvd") if name in passes}
    planes, start, pixels = {}, 0, size[0] * size[1]
    for name, width in channels.items():
        shape = size if width == 1 else (*size, width)
        planes[name] = data[start : start + width * pixels].reshape(shape)
        start += width * pixels
    return planes


def _finite(depth: np.ndarray) -> np.ndarray:
    return np.where(depth < NOTHING, depth, np.float32(np.inf))


def _low_image(plan: Plan, data: np.ndarray) -> LowImage:
    """The feature image's colours in its own grid, or resized to the part of the image where they lie."""
    box, size = plan.low_box, (plan.low.width, plan.low.height)
    pixels = box.width * box.height
    rgba = data[: 4 * pixels].reshape(box.height, box.width, 4)
    depth = _finite(data[4 * pixels : 5 * pixels].reshape(box.height, box.width)) * np.float32(plan.view.scale)
    if plan.scale == 1.0:
        return LowImage(box, size, rgba, depth)
    image = resize(on_canvas(rgba, box.left, box.top, *size), plan.box.width, plan.box.height)
    mean = float(depth[np.isfinite(depth)].mean())
    whole = (plan.view.camera.width, plan.view.camera.height)
    return LowImage(plan.box, whole, image, np.full(image.shape[:2], mean, dtype=np.float32))
