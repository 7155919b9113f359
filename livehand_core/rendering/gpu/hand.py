"""One avatar drawn by one camera on a GPU: what is decided on the host, and the layer that comes back."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ...avatars.arrays import AvatarArrays
from ...hand.data import ProxyModel
from ...hand.local import LocalPose
from ...identities import IdentityChoice
from ...kernels.mesh.skinning import PosedHandModel
from ...networks.config import SKIP_AFTER_LAYER
from ...poses import HandPose
from ...workers import Workers
from ..clock import Clock
from ..hand import DrawnHand
from ..layer import Layer, LowImage
from ..placing import low_image
from ..plan import Plan
from ..setup import conditioning, identity_shares
from ..thresholds import EARLY_TERMINATION
from .device import Gpu, Recorder
from .field import Field, tile_rays
from .frame import (
    FeatureImage,
    Networks,
    Picture,
    record_features,
    record_low,
    record_passes,
    record_picture,
    record_resized,
)
from .mesh import Mesh
from .shading import Shading
from .super_resolution import SuperResolution

NOTHING = np.float32(1e29)
"""Depth from which on there is nothing, in what the kernels answer."""

HALF_LIMIT = 6e4
"""Weights from which on an avatar is kept in float32: float16 ends at 65504."""


class Recorded(NamedTuple):
    """A feature image that is yet to be computed, and the dispatches that will."""

    image: FeatureImage
    record: Recorder


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


class GpuHand(DrawnHand[Recorded, Picture]):
    """An avatar and its hand model on a GPU.

    Args:
        avatar: one that :func:`refusal` has nothing against.
        hand: the model it was trained on.
        gpu: where.
        half: keep weights and activations in float16, where the GPU has it and it holds them; sums are float32 in any
            case.
        threshold: of early termination.
        workers: threads that find the light; None for the caller's alone.

    Raises:
        AvatarError: the avatar was trained on another hand.
        GpuLost: the GPU has no memory for it.
    """

    def __init__(
        self,
        avatar: AvatarArrays,
        hand: ProxyModel,
        gpu: Gpu,
        half: bool = False,
        threshold: float = EARLY_TERMINATION["exact"],
        workers: Workers | None = None,
    ) -> None:
        super().__init__(avatar.metadata, hand)
        self._workers = workers
        self.model = PosedHandModel(hand)
        local = LocalPose(hand) if avatar.metadata.architecture.field.local_joints else None
        self.latent = avatar.latent
        self._gpu, self._threshold = gpu, threshold
        half = (
            half
            and gpu.has_half
            and all(np.abs(value).max(initial=0.0) < HALF_LIMIT for value in avatar.values.values())
        )
        architecture, shading = avatar.metadata.architecture, None
        if avatar.metadata.relightable:
            detail = avatar.part("detail."), avatar.values.get("identity_detail")
            shading = Shading(gpu, avatar.metadata, self.shaded, *detail, half)
        self._networks = Networks(
            gpu,
            avatar.metadata,
            Mesh(gpu, hand, avatar.metadata.sign, avatar.levels(hand), local),
            Field(gpu, architecture.field, avatar.part("field."), avatar.identity_textures, half),
            SuperResolution(gpu, architecture.super_resolution, avatar.part("super_resolution."), half),
            shading,
        )
        self.arithmetic = dict.fromkeys(("field", "super_resolution"), "float16" if half else "float32")

    def posed(self, pose: HandPose) -> np.ndarray:
        """See the base class."""
        return self.model.vertices(pose)

    def share(self, count: int, work: Callable[[int, int], object]) -> None:
        """See the base class."""
        if self._workers is None:
            work(0, count)
        else:
            self._workers.parallel_for(count, work, 1)

    def features(self, plan: Plan, identity: IdentityChoice, passes: frozenset[str], clock: Clock) -> Recorded:
        """See the base class; recorded, not yet computed."""
        clock.check()
        networks, record = self._networks, Recorder()
        inputs = conditioning(self.metadata, self.latent, plan.view, identity)
        with clock.stage("field"):
            shares = identity_shares(self.metadata, self.latent, identity)
            networks.field.show(shares)
            if networks.shading is not None:
                assert plan.received is not None
                networks.shading.show(shares)
                networks.shading.receive(plan.received, self.shaded.closed(plan.vertices))
            correctives, transforms = self.model.joints(plan.view.pose)
            networks.mesh.pose(record, plan.view.pose, correctives, transforms)
            return Recorded(record_features(networks, record, plan, inputs, self._threshold), record)

    def upsample(self, plan: Plan, features: Recorded, clock: Clock) -> Picture:
        """See the base class; recorded, not yet computed."""
        with clock.stage("field"):
            return record_picture(self._networks, features.record, plan, features.image)

    def layer(
        self, plan: Plan, features: Recorded, picture: Picture, passes: frozenset[str], clock: Clock
    ) -> Layer | None:
        """See the base class; here all that was recorded is computed."""
        networks, gpu, (image, record) = self._networks, self._gpu, features
        with clock.stage("field"):
            if plan.stretched:
                size = (plan.working.width, plan.working.height)
                picture = record_resized(gpu, record, picture, size, "stretched")
            if plan.scale != 1.0:
                picture = record_resized(gpu, record, picture, (plan.box.width, plan.box.height), "resized")
            wanted = [(image.count, 16), record_passes(networks, record, plan, picture, passes)]
            if "rgba_low" in passes:
                wanted.append(record_low(networks, record, plan, image))
            data = gpu.submit(record, wanted, clock.check)
        with clock.stage("compose"):
            return _layer(plan, np.frombuffer(data, dtype=np.float32), passes)


def _layer(plan: Plan, data: np.ndarray, passes: frozenset[str]) -> Layer | None:
    """What came back as a layer: number of rays and three more, the box's planes, then the feature image's if wanted;
    None when no ray met the hand."""
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
    """What :func:`low_image` makes of the feature image."""
    size = (plan.low_box.height, plan.low_box.width)
    pixels = size[0] * size[1]
    depth = _finite(data[4 * pixels : 5 * pixels].reshape(size))
    return low_image(plan, data[: 4 * pixels].reshape(*size, 4), depth)
