"""One avatar drawn by one camera on the processor: box, bounds, field, super-resolution, geometry passes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ...avatars.arrays import AvatarArrays
from ...cameras import Camera
from ...frames import HandInstance
from ...framing import Box, hand_box, networks_view, resampling
from ...hand.data import HandData
from ...identities import IdentityChoice
from ...kernels import compose as kernels
from ...kernels.mesh.bounds import ray_bounds
from ...kernels.mesh.nearest import ray_coordinates
from ...kernels.mesh.proxy import PosedProxy
from ...kernels.mesh.raster import rasterise
from ...kernels.mesh.rays import Pixels, Rays, camera_rays, valid_pixels
from ...kernels.mesh.skinning import PosedHandModel
from ...kernels.networks.convolution import MARGIN
from ...kernels.networks.field import RAYS_AT_ONCE as FIELD_RAYS
from ...kernels.networks.field import march
from ...kernels.products.dot import LANES
from ...kernels.resample import resize
from ...kernels.target import instructions
from ...workers import Workers
from ..blocks import in_blocks
from ..clock import Clock
from ..layer import Layer, LowImage, blended, on_canvas
from ..setup import avatar_view, conditioning, feature_camera, filter_size, identity_shares, reach
from ..view import View
from .calibration import feature_images, typical_constants, typical_points
from .coverage import Coverage
from .empty_space import EmptySpace, empty_space
from .field_weights import prepare_field
from .findings import Findings, findings_key, load_findings, save_findings
from .geometry import SeenSurface, geometry_passes, seen_surface
from .super_resolution import SuperResolutionKernels, activation_ranges

Precision = Literal["fast", "exact"]

TRANSMITTANCE_FLOORS = {"fast": np.float32(1.0 / 512.0), "exact": np.float32(2e-5)}
"""What a ray lets through when it ends: half, and a two-hundredth, of an 8-bit step of any colour are left out at most.
"""

RAYS_AT_ONCE = 1 << 15
"""Rays whose samples' coordinates are in memory at once."""


def supports(avatar: AvatarArrays) -> bool:
    """Whether the kernels know the avatar's form: (u, v, d), up to five layers, no hierarchical pass."""
    architecture = avatar.metadata.architecture
    field = architecture.field
    return (
        field.coordinates == "uvd"
        and field.depth <= 5
        and architecture.n_importance == 0
        and field.feature_channels % LANES == 0
    )


@dataclass(frozen=True)
class FeatureImage:
    """The volume-rendered feature image inside the hand's box, each array with a margin of MARGIN pixels of zeros.

    Attributes:
        box: where in the feature image, ``camera`` being the whole feature image's.
        camera: of the feature image.
        valid: (h + 2 MARGIN, w + 2 MARGIN) bool, which pixels have rays. Elsewhere the others hold anything.
        coverage: what the super-resolution makes of these; waits until that is known.
        features: (h + 2 MARGIN, w + 2 MARGIN, F); opacity, depth (expected): of the same size.
    """

    box: Box
    camera: Camera
    valid: np.ndarray
    coverage: Callable[[], Coverage]
    features: np.ndarray
    opacity: np.ndarray
    depth: np.ndarray


class CpuHand:
    """An avatar and its hand model in the processor's memory.

    Args:
        avatar: one that :func:`supports` accepts.
        hand: the model it was trained on.
        workers: threads.
        precision: ``"fast"`` uses the processor's integer products where it has them; ``"exact"`` float32 throughout.

    Attributes:
        arithmetic: network -> type of number that it is multiplied in.

    Raises:
        AvatarError: the avatar was trained on another hand.
    """

    def __init__(self, avatar: AvatarArrays, hand: HandData, workers: Workers, precision: Precision = "fast") -> None:
        avatar.metadata.check_hand(hand)
        self.metadata = avatar.metadata
        self.workers = workers
        self.model = PosedHandModel(hand)
        self.latent = avatar.latent
        architecture = self.metadata.architecture
        integer = precision == "fast" and bool(instructions().int16)
        key = findings_key(avatar, hand, integer) if precision == "fast" else ""
        known = load_findings(key, architecture.field, integer) if key else None
        points = np.zeros((0, 6), dtype=np.float32)
        if integer and known is None:
            points = typical_points(
                self.metadata, self.model, self.metadata.depth_margin + self.metadata.lateral_margin
            )
        self._field = prepare_field(
            architecture.field,
            avatar.part("field."),
            np.int16 if integer else np.float32,
            typical_constants(self.metadata, avatar.latent),
            points,
            avatar.identity_textures,
            None if known is None else (known.steps, known.orders),
        )
        self._shares, self._weights = np.zeros(0), self._field.weights
        self._floor = TRANSMITTANCE_FLOORS[precision]
        state = avatar.part("super_resolution.")
        # Where to begin looking: everywhere, until more is known.
        self._empty, ranges = EmptySpace.unknown(), np.zeros((0, 3))
        if known is not None:
            self._empty, ranges = known.empty, known.ranges
        elif precision == "fast":
            self._empty = empty_space(self._field, self.model, self.metadata, avatar.latent, workers)
            if integer:
                ranges = activation_ranges(architecture.super_resolution, state, feature_images(self), workers)
            save_findings(key, Findings(self._field.steps, self._field.orders, self._empty, ranges))
        self._enlarge = SuperResolutionKernels(architecture.super_resolution, state, ranges if integer else None)
        self.arithmetic = {"field": "int16" if integer else "float32", "super_resolution": self._enlarge.arithmetic}

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
            clock: takes times, asks for cancellation; within the workers' jobs the caller sees to that.
            scale: size at which the networks run over the image's; None for the avatar's own.
            limit: the largest that this may be.

        Returns:
            The layer, or None when the hand is out of view.

        Raises:
            AvatarError: the wrong side, or an identity that the avatar does not have.
        """
        view = avatar_view(self.metadata, self.model.data, instance, camera)
        with clock.stage("skinning"):
            vertices = self.model.vertices(view.pose)
        box = hand_box(vertices, view.camera, reach(self.metadata, view.camera, vertices))
        if box.empty:
            return None
        factors = resampling(view.camera, vertices, self.metadata.pixels_per_metre, scale, limit)
        if len(factors) > 1:
            layers = [self.render(instance, camera, passes, clock, factor) for factor in factors]
            return blended(layers, factors.values())
        (factor,) = factors
        working, placed = networks_view(view.camera, box, factor)
        # Beside the feature image's preparations. The proxy at the image's own size is for depth and normals.
        proxy = self.workers.aside(lambda: PosedProxy.of(vertices, self.model.topology))
        surface = self.workers.aside(lambda: seen_surface(view, box, vertices, self.model, passes))
        low = self.features(view, working, vertices, proxy, instance.identity, clock)
        if low is None:
            return None
        with clock.stage("super_resolution"):
            coverage = low.coverage()
            large = self._enlarge.enlarge(low.features, low.opacity, coverage, self.workers)
        with clock.stage("compose"):
            rgba, planes, inner = self._picture(low, large, coverage.drawn, working)
            if factor != 1.0:
                canvas = on_canvas(np.concatenate([rgba, planes], axis=2), inner.left, inner.top, *_size(working))
                image = resize(canvas, placed.width, placed.height)
                rgba, planes, inner = np.ascontiguousarray(image[..., :4]), image[..., 4:], placed
            layer = self._layer(view, inner, rgba, planes, low, placed, proxy(), surface(), passes)
        return layer.flipped(view.camera.width) if view.mirrored else layer

    def features(
        self,
        view: View,
        camera: Camera,
        vertices: np.ndarray,
        proxy: Callable[[], PosedProxy],
        identity: IdentityChoice,
        clock: Clock,
    ) -> FeatureImage | None:
        """The feature image of a view by one of its cameras; None when no ray meets the hand."""
        metadata, architecture = self.metadata, self.metadata.architecture
        low = feature_camera(metadata, camera)
        with clock.stage("raster"):
            kernel = filter_size(metadata, low, vertices)
            # So far that no list of the super-resolution's pixels meets the box's edge, but where the image ends.
            box = hand_box(vertices, low, kernel // 2 + 1 + MARGIN)
            if box.empty:
                return None
            seen = box.of(low)
            depth = rasterise(vertices, self.model.topology.faces, seen).depth
            near, far = ray_bounds(depth, kernel, metadata.depth_margin)
            pixels = valid_pixels(near, far)
            rays = camera_rays(seen, pixels.columns, pixels.rows)
            size = (box.height + 2 * MARGIN, box.width + 2 * MARGIN)
            place = (pixels.rows + MARGIN) * np.int64(size[1]) + (pixels.columns + MARGIN)
            posed = proxy()
        if not len(place):
            return None
        clock.check()
        bias = self._field.first_bias(*conditioning(metadata, self.latent, view, identity))
        self._show(identity)
        features = np.empty((*size, architecture.field.feature_channels), dtype=np.float32)
        opacity, expected = np.empty(size, dtype=np.float32), np.empty(size, dtype=np.float32)
        valid = np.zeros(size, dtype=np.bool_)
        valid.reshape(-1)[place] = True
        coverage = self.workers.aside(lambda: Coverage.of(valid, architecture.super_resolution.factor))
        images = (features.reshape(size[0] * size[1], -1), opacity.reshape(-1), expected.reshape(-1))

        def draw(start: int, stop: int) -> None:
            part = slice(start, stop)
            some = Pixels(*(values[part] for values in pixels))
            origins = rays.origins if len(rays.origins) == 1 else rays.origins[part]
            own = Rays(origins, rays.directions[part], rays.lengths[part])
            self._march(posed, own, some, place[part], bias, images, clock)

        in_blocks(len(place), RAYS_AT_ONCE, draw, clock.notes.append)
        return FeatureImage(box, low, valid, coverage, features, opacity, expected)

    def _show(self, identity: IdentityChoice) -> None:
        """Let the field's textures be those of an identity or a blend; they are kept while it stays the same."""
        shares = identity_shares(self.metadata, self.latent, identity)
        if not np.array_equal(shares, self._shares):
            self._shares, self._weights = shares, self._field.of_identity(shares)

    def _march(
        self,
        proxy: PosedProxy,
        rays: Rays,
        pixels: Pixels,
        place: np.ndarray,
        bias: np.ndarray,
        images: tuple[np.ndarray, np.ndarray, np.ndarray],
        clock: Clock,
    ) -> None:
        """Fill the places of rays in the flat images of features, opacity and expected depth."""
        metadata, architecture = self.metadata, self.metadata.architecture
        count = len(place)
        with_normals = architecture.field.normal_frequencies > 0
        coordinates = np.empty((count, architecture.n_samples, 6 if with_normals else 3), dtype=np.float32)
        with clock.stage("nearest"):
            self.workers.spread(
                count,
                lambda start, stop: ray_coordinates(
                    proxy, rays.origins, rays.directions, pixels.near, pixels.far, architecture.n_samples,
                    metadata.sign == "pseudo_normal", with_normals, coordinates, start, stop,
                ),
            )  # fmt: skip
        ticks: list[tuple[int, int]] = []
        with clock.stage("field"):
            self.workers.spread(
                count,
                lambda start, stop: ticks.append(
                    march(
                        self._weights, bias, *self._empty, coordinates, pixels.near, pixels.far,
                        rays.directions, rays.lengths, np.float32(metadata.last_interval), self._floor, place, *images,
                        start, stop,
                    )
                ),
                FIELD_RAYS,
            )  # fmt: skip
        field, composite = (sum(each) for each in zip(*ticks, strict=True))
        clock.move("field", "integrate", composite / max(field + composite, 1))

    def _picture(
        self, low: FeatureImage, large: np.ndarray, drawn: np.ndarray, camera: Camera
    ) -> tuple[np.ndarray, np.ndarray, Box]:
        """Premultiplied (h, w, 4), weighted depths (h, w, 2), and where they lie in the camera's image."""
        factor = self.metadata.architecture.super_resolution.factor
        offset = np.float32(self.metadata.pixel_offset)
        published = offset == 0.0
        box = Box(low.box.left * factor, low.box.top * factor, low.box.right * factor, low.box.bottom * factor)
        if not published:
            box = box.grown(0, camera.width, camera.height)
        rgba = np.empty((box.height, box.width, 4), dtype=np.float32)
        planes = np.empty((box.height, box.width, 2), dtype=np.float32)
        self.workers.spread(
            box.height,
            lambda first, last: kernels.finish(
                large, drawn, low.opacity, low.depth, low.valid, factor, offset, first, last, rgba, planes
            ),
        )
        whole = (low.camera.width * factor, low.camera.height * factor)
        if published and whole != _size(camera):
            canvas = on_canvas(np.concatenate([rgba, planes], axis=2), box.left, box.top, *whole)
            image = resize(canvas, camera.width, camera.height)
            return np.ascontiguousarray(image[..., :4]), image[..., 4:], Box(0, 0, camera.width, camera.height)
        return rgba, planes, box

    def _layer(
        self,
        view: View,
        box: Box,
        rgba: np.ndarray,
        planes: np.ndarray,
        low: FeatureImage,
        placed: Box,
        proxy: PosedProxy,
        surface: SeenSurface | None,
        passes: frozenset[str],
    ) -> Layer:
        planes = np.ascontiguousarray(planes)
        depth, normal, uvd = geometry_passes(
            view, box, rgba, planes, proxy, surface, self.metadata.sign, passes, self.workers
        )
        small = None
        if "rgba_low" in passes:
            small = _low_image(low, view, placed)
        return Layer(box, rgba, depth, normal, uvd, small)


def _low_image(low: FeatureImage, view: View, placed: Box) -> LowImage:
    """The feature image's colours in its own grid, or, when that is another size's, in the image's."""
    inner = (slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
    rgba = np.concatenate([low.features[inner][..., :3], low.opacity[inner][..., None]], axis=2).clip(0.0, 1.0)
    rgba[~low.valid[inner]] = 0.0
    depth = np.where(low.valid[inner], low.depth[inner], np.float32(np.inf)) * np.float32(view.scale)
    size = _size(low.camera)
    if placed.width == view.camera.width and placed.height == view.camera.height:
        return LowImage(low.box, size, rgba, depth)
    canvas = on_canvas(rgba, low.box.left, low.box.top, *size)
    mean = float(depth[low.valid[inner]].mean())
    image = resize(canvas, placed.width, placed.height)
    return LowImage(placed, _size(view.camera), image, np.full(image.shape[:2], mean, dtype=np.float32))


def _size(camera: Camera) -> tuple[int, int]:
    return camera.width, camera.height
