"""An avatar ready to be drawn, in whichever room: features, then super-resolution, then the layer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from ..avatars.metadata import AvatarMetadata
from ..cameras import Camera
from ..frames import HandInstance
from ..framing import resampling
from ..hand.data import ProxyModel
from ..identities import IdentityChoice
from ..lights import Light
from ..poses import HandPose
from .clock import Clock
from .layer import Layer, blended
from .plan import Plan, plan_hand
from .setup import avatar_view
from .shading.mesh import ShadedMesh
from .shading.received import Received, Standing
from .view import View

Features = TypeVar("Features")
Picture = TypeVar("Picture")


class Mesh(NamedTuple):
    """What stands in a hand's light: (N, 3) float32 vertices, (M, 3) int32 faces, whether it hides the sky, too, and
    whether it is a hand itself."""

    vertices: np.ndarray
    faces: np.ndarray
    sky: bool = True
    hand: bool = False


class DrawnHand(ABC, Generic[Features, Picture]):
    """An avatar and its hand model where they are drawn: ``CpuHand``, ``GpuHand`` or ``TorchHand``.

    Args:
        metadata: of the avatar.
        hand: the model it was trained on.

    Attributes:
        metadata, hand: the same.
        arithmetic: network -> type of number that it is multiplied in, for ``field`` and ``super_resolution``.
        crop: whether no more is made than the hand's picture depends on.

    Raises:
        AvatarError: the avatar was trained on another hand.
    """

    crop = True

    def __init__(self, metadata: AvatarMetadata, hand: ProxyModel) -> None:
        metadata.check_hand(hand)
        self.metadata, self.hand = metadata, hand
        self.arithmetic = dict.fromkeys(("field", "super_resolution"), "float32")
        self._standing: Standing | None = None

    def render(
        self,
        instance: HandInstance,
        camera: Camera,
        passes: frozenset[str],
        clock: Clock,
        scale: float | None = None,
        limit: float | None = None,
        light: Light | None = None,
        occluders: Sequence[Mesh] = (),
    ) -> Layer | None:
        """Draw one hand.

        Args:
            instance: the hand.
            camera: of the request.
            passes: which of ``depth``, ``normal``, ``uvd`` and ``rgba_low`` to make; ``rgba`` is always there.
            clock: takes times, asks for cancellation; within the workers' jobs the caller sees to that.
            scale: size at which the networks run over the image's; None for the avatar's own.
            limit: the largest that this may be.
            light: of the world, at a relightable avatar; None for its own.
            occluders: of the world, that stand in the light beside the hand itself.

        Returns:
            The layer, or None when the hand is out of view.

        Raises:
            AvatarError: the wrong side, or an identity that the avatar does not have.
            GpuLost: the GPU has gone, or has no memory for this frame.
        """
        view, vertices = self.seen(instance, camera, clock)
        factors = resampling(view.camera, vertices, self.metadata.pixels_per_metre, scale, limit)
        with clock.stage("light"):
            received = self.received(view, vertices, light, occluders)
        plans = (plan_hand(self.metadata, view, vertices, factor, self.crop, received) for factor in factors)
        layers = [None if plan is None else self._drawn(plan, instance.identity, passes, clock) for plan in plans]
        layer = blended(layers, factors.values())
        return layer.flipped(view.camera.width) if layer is not None and view.mirrored else layer

    def seen(self, instance: HandInstance, camera: Camera, clock: Clock) -> tuple[View, np.ndarray]:
        """The avatar's own view of a hand, and its (V, 3) float32 posed mesh there, metres.

        Raises:
            AvatarError: the wrong side.
        """
        view = avatar_view(self.metadata, self.hand, instance, camera)
        with clock.stage("skinning"):
            return view, self.posed(view.pose)

    def received(
        self, view: View, vertices: np.ndarray, light: Light | None = None, occluders: Sequence[Mesh] = ()
    ) -> Received | None:
        """The light at a hand in its own view, of relightable avatars; arguments as :meth:`render`, ``vertices`` as
        :meth:`seen` gives them."""
        if not self.metadata.relightable:
            return None
        here = self.metadata.own_light if light is None else view.light_from_world(light)
        here_too = [mesh._replace(vertices=view.from_world(mesh.vertices).astype(np.float32)) for mesh in occluders]
        hands = [mesh[:2] for mesh in here_too if mesh.hand]
        others, before_lamps = (
            [mesh[:2] for mesh in here_too if mesh.sky is sky and not mesh.hand] for sky in (True, False)
        )
        closed = self.shaded.closed(vertices)
        if self._standing is None or not self._standing.is_of(closed, others, before_lamps, hands):
            self._standing = Standing(self.shaded, closed, others, before_lamps, hands)
        return self._standing.receive(here, self.share)

    def share(self, count: int, work: Callable[[int, int], object]) -> None:
        """work(first, last) over all of ``count`` parts of the light's, on the threads that there are."""
        work(0, count)

    def world_mesh(self, instance: HandInstance, camera: Camera) -> Mesh:
        """The posed proxy in the world, its wrist closed: what it throws shadows by.

        Raises:
            AvatarError: the wrong side.
        """
        view = avatar_view(self.metadata, self.hand, instance, camera)
        closed = self.shaded.closed(self.posed(view.pose))
        return Mesh(view.to_world(closed).astype(np.float32), self.shaded.faces, hand=True)

    @cached_property
    def shaded(self) -> ShadedMesh:
        """The hand model's part in shading."""
        return ShadedMesh.of(self.hand)

    def _drawn(self, plan: Plan, identity: IdentityChoice, passes: frozenset[str], clock: Clock) -> Layer | None:
        """The layer of a plan, not mirrored; None when no ray meets the hand."""
        features = self.features(plan, identity, passes, clock)
        if features is None:
            return None
        return self.layer(plan, features, self.upsample(plan, features, clock), passes, clock)

    @abstractmethod
    def posed(self, pose: HandPose) -> np.ndarray:
        """(V, 3) float32 vertices of the proxy, metres."""

    @abstractmethod
    def features(self, plan: Plan, identity: IdentityChoice, passes: frozenset[str], clock: Clock) -> Features | None:
        """The feature image of ``plan.low_box``: bounds, samples, field, integration; None when no ray has any."""

    @abstractmethod
    def upsample(self, plan: Plan, features: Features, clock: Clock) -> Picture:
        """Super-resolution's picture of ``plan.picture``: colour, opacity, and depths upsampled."""

    @abstractmethod
    def layer(
        self, plan: Plan, features: Features, picture: Picture, passes: frozenset[str], clock: Clock
    ) -> Layer | None:
        """The picture in the layer's box, with the passes that are asked for; None when no ray met the hand."""
