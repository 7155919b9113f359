"""One avatar drawn by one camera on the processor: bounds, field, super-resolution, geometry passes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import NamedTuple

import numpy as np

from ...avatars.arrays import AvatarArrays
from ...hand.data import ProxyModel
from ...identities import IdentityChoice
from ...kernels import compose as kernels
from ...kernels.compose import LIT_RAMP
from ...kernels.mesh.bounds import ray_bounds
from ...kernels.mesh.placement import corner_rows
from ...kernels.mesh.proxy import PosedProxy
from ...kernels.mesh.raster import rasterise
from ...kernels.mesh.rays import Pixels, Rays, camera_rays, valid_pixels
from ...kernels.mesh.skinning import PosedHandModel
from ...kernels.networks.convolution import MARGIN, picture_channels, start_picture
from ...kernels.networks.field import RAYS_AT_ONCE as FIELD_RAYS
from ...kernels.networks.field import EmptySpace, FieldImages, FieldRays, march, mean_depths
from ...kernels.networks.layers import FieldWeights
from ...kernels.resample import resize
from ...kernels.shading.detail import Detail
from ...kernels.shading.edges import blend
from ...kernels.shading.pixels import Lit, shade
from ...kernels.simd.lanes import WIDTH
from ...networks.config import LIT_CHANNELS, MATERIAL_CHANNELS
from ...poses import HandPose
from ...workers import Workers
from ..blocks import in_blocks
from ..clock import Clock
from ..hand import DrawnHand
from ..layer import Layer, LowImage
from ..placing import in_the_layers_box, low_image
from ..plan import Plan
from ..setup import conditioning, identity_shares
from ..thresholds import EARLY_TERMINATION, RAYS_AT_ONCE, Precision
from .coverage import Coverage
from .empty_space import empty_space
from .feature_image import FeatureImage
from .field_weights import prepare_field
from .findings import Findings, findings_key, load_findings, save_findings
from .geometry import SeenSurface, geometry_passes, seen_surface
from .quantisation import field_integers, picture_integers
from .quantisation.calibration import feature_images
from .quantisation.field import field_arithmetic
from .quantisation.super_resolution import SuperResolutionArithmetic
from .samples import samples_of
from .shading import DetailChain, Skin, no_detail, seen_skin
from .super_resolution import SuperResolutionKernels

ROWS_AT_ONCE = 16
"""Of a picture that is shaded, at least."""


def supports(avatar: AvatarArrays) -> bool:
    """Whether the kernels know the avatar's form: (u, v, d), up to five layers, no hierarchical pass."""
    architecture = avatar.metadata.architecture
    field = architecture.field
    return (
        field.coordinates == "uvd"
        and field.depth <= 5
        and architecture.n_importance == 0
        and field.feature_channels % WIDTH == 0
    )


class Seen(NamedTuple):
    """A feature image, and what is found beside it: the posed proxy, it seen by the image's own pixels, and, where it
    stands in a scene's light, that light and the skin that the picture's pixels see."""

    image: FeatureImage
    proxy: Callable[[], PosedProxy]
    surface: Callable[[], SeenSurface | None]
    skin: Callable[[], Skin] | None


class Picture(NamedTuple):
    """(h, w, 4) float32 premultiplied RGBA, and (h, w, 2) the field's depth times a weight, and that weight."""

    rgba: np.ndarray
    planes: np.ndarray


class CpuHand(DrawnHand[Seen, Picture]):
    """An avatar and its hand model in the processor's memory.

    Args:
        avatar: one that :func:`supports` accepts.
        hand: the model it was trained on.
        workers: threads.
        precision: ``"fast"`` uses the processor's integer products where it has them; ``"exact"`` float32 throughout.

    Raises:
        AvatarError: the avatar was trained on another hand.
    """

    def __init__(self, avatar: AvatarArrays, hand: ProxyModel, workers: Workers, precision: Precision = "fast") -> None:
        super().__init__(avatar.metadata, hand)
        self.workers = workers
        self.model = PosedHandModel(hand, bool(self.metadata.joints))
        self.latent = avatar.latent
        levels = avatar.levels(hand)
        self._levels = None if levels is None else corner_rows(levels, self.model.topology)
        architecture = self.metadata.architecture
        integer = field_integers(precision)
        key = findings_key(avatar, hand, integer) if precision == "fast" else ""
        known = load_findings(key, architecture.field, integer) if key else None
        stored = known.field if known else field_arithmetic(avatar, self.model, integer)
        self._field = prepare_field(architecture.field, avatar.part("field."), stored, avatar.identity_textures)
        self._shares, self._weights = np.zeros(0), self._field.weights
        self._detail = DetailChain(avatar.part("detail."), avatar.values.get("identity_detail"), self.shaded.uv_a_metre)
        self._threshold = np.float32(EARLY_TERMINATION[precision])
        state = avatar.part("super_resolution.")
        # Where to begin looking: everywhere, until more is known.
        self._empty, ranges = EmptySpace.unknown(), SuperResolutionArithmetic()
        if known is not None:
            self._empty, ranges = known.empty, known.super_resolution
        elif precision == "fast":
            self._empty = empty_space(self._field, self.model, self.metadata, avatar.latent, workers)
            if picture_integers(precision):
                ranges = self._ranges(state)
            save_findings(key, Findings(stored, ranges, self._empty))
        self._super_resolution = SuperResolutionKernels(architecture.super_resolution, state, ranges)
        self.arithmetic = {"field": stored.name, "super_resolution": ranges.name}

    def _ranges(self, state: Mapping[str, np.ndarray]) -> SuperResolutionArithmetic:
        """Integers for the super-resolution, by feature images of this avatar."""
        config = self.metadata.architecture.super_resolution

        @cache
        def kernels_of(arithmetic: SuperResolutionArithmetic) -> SuperResolutionKernels:
            return SuperResolutionKernels(config, state, arithmetic)

        def drawn(arithmetic: SuperResolutionArithmetic, image: FeatureImage) -> np.ndarray:
            return kernels_of(arithmetic).upsample(image.features, image.opacity, image.coverage(), self.workers)

        def draw(plan: Plan, identity: int) -> FeatureImage | None:
            seen = self.features(plan, identity, frozenset(), Clock())
            return None if seen is None else seen.image

        identities = 1 if self.latent is None else len(self.latent)
        images = feature_images(self.metadata, self.model, identities, draw)
        return SuperResolutionArithmetic.found(config, state, images, drawn)

    def posed(self, pose: HandPose) -> np.ndarray:
        """See the base class."""
        return self.model.vertices(pose)

    def features(self, plan: Plan, identity: IdentityChoice, passes: frozenset[str], clock: Clock) -> Seen | None:
        """See the base class."""
        metadata, architecture = self.metadata, self.metadata.architecture
        # Beside the feature image's preparations. The proxy at the image's own size is for depth and normals.
        proxy = self.workers.aside(lambda: self.model.proxy(plan.vertices, plan.view.pose))
        skin = None if plan.received is None else self.workers.aside(lambda: Skin.of(self.shaded, metadata, plan))
        surface = self.workers.aside(lambda: seen_surface(plan.view, plan.outline, plan.vertices, self.model, passes))
        with clock.stage("raster"):
            box, seen = plan.low_box, plan.low_box.of(plan.low)
            depth = rasterise(plan.vertices, self.model.topology.faces, seen).depth
            near, far = ray_bounds(depth, plan.kernel, metadata.depth_margin)
            pixels = valid_pixels(near, far)
            rays = camera_rays(seen, pixels.columns, pixels.rows)
            size = (box.height + 2 * MARGIN, box.width + 2 * MARGIN)
            place = (pixels.rows + MARGIN) * np.int64(size[1]) + (pixels.columns + MARGIN)
            posed = proxy()
        if not len(place):
            return None
        clock.check()
        self._show(identity)
        weights = self._field.of_frame(self._weights, *conditioning(metadata, self.latent, plan.view, identity))
        features = np.empty((*size, architecture.field.feature_channels), dtype=np.float32)
        opacity, expected = np.empty(size, dtype=np.float32), np.empty(size, dtype=np.float32)
        valid = np.zeros(size, dtype=np.bool_)
        valid.reshape(-1)[place] = True
        coverage = self.workers.aside(lambda: Coverage.of(valid, architecture.super_resolution.factor))
        images = FieldImages(features.reshape(size[0] * size[1], -1), opacity.reshape(-1), expected.reshape(-1))

        def draw(start: int, stop: int) -> None:
            part = slice(start, stop)
            some = Pixels(*(values[part] for values in pixels))
            origins = rays.origins if len(rays.origins) == 1 else rays.origins[part]
            own = Rays(origins, rays.directions[part], rays.lengths[part])
            self._march(posed, own, some, place[part], weights, images, clock)

        in_blocks(len(place), RAYS_AT_ONCE, draw, clock.notes.append)
        return Seen(FeatureImage(valid, coverage, features, opacity, expected), proxy, surface, skin)

    def upsample(self, plan: Plan, features: Seen, clock: Clock) -> Picture:
        """See the base class."""
        low, factor = features.image, self.metadata.architecture.super_resolution.factor
        with clock.stage("super_resolution"):
            coverage = low.coverage()
            large = self._super_resolution.upsample(low.features, low.opacity, coverage, self.workers)
        if features.skin is not None:
            with clock.stage("light"):
                skin = features.skin()
                large = self._lit(skin, self._detail.shown, large, coverage.drawn, LIT_RAMP[0])
        size, offset = (plan.picture.height, plan.picture.width), np.float32(self.metadata.pixel_offset)
        picture = Picture(np.empty((*size, 4), dtype=np.float32), np.empty((*size, 2), dtype=np.float32))
        enlarged = low.opacity, low.depth, low.valid, factor, offset, features.skin is None
        with clock.stage("compose"):
            self.workers.parallel_for(
                size[0], lambda first, last: kernels.finish(large, coverage.drawn, *enlarged, first, last, *picture)
            )
        return picture

    def _lit(self, skin: Skin, detail: Detail, picture: np.ndarray, drawn: np.ndarray, least: float) -> np.ndarray:
        """(H, W, 4) premultiplied sRGB and opacity of a margined picture of materials, where it is drawn."""
        answer = np.empty((*picture.shape[:2], 4), np.float32)
        lit, seen, limit = skin.lit, skin.seen, np.float32(least)
        self.workers.parallel_for(
            len(seen.beside),
            lambda first, last: shade(seen, lit, detail, picture, drawn, limit, first, last, answer),
            ROWS_AT_ONCE,
        )
        blend(skin.edges, seen.beside.shape[1], drawn, answer)
        return answer

    def layer(self, plan: Plan, features: Seen, picture: Picture, passes: frozenset[str], clock: Clock) -> Layer:
        """See the base class."""
        with clock.stage("compose"):
            rgba, planes = picture
            if plan.resized:
                image = in_the_layers_box(plan, np.concatenate(picture, axis=2), resize)
                rgba, planes = np.ascontiguousarray(image[..., :4]), np.ascontiguousarray(image[..., 4:])
            depth, normal, uvd = geometry_passes(
                plan.view, plan.box, rgba, planes, features.proxy(), features.surface(), self.metadata.sign, passes,
                self.workers,
            )  # fmt: skip
            low = self._low(plan, features) if "rgba_low" in passes else None
            return Layer(plan.box, rgba, depth, normal, uvd, low)

    def share(self, count: int, work: Callable[[int, int], object]) -> None:
        """See the base class."""
        self.workers.parallel_for(count, work, 1)

    def _low(self, plan: Plan, features: Seen) -> LowImage:
        """What :func:`low_image` makes of the feature image."""
        low, inside = features.image, (slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
        if features.skin is None:
            colour, opacity = low.features[inside][..., :3], low.opacity[inside][..., None]
            rgba = np.concatenate([colour, opacity], axis=2)
        else:
            rgba = self._lit_low(plan, low, features.skin().lit)[inside]
        rgba = rgba.clip(0.0, 1.0)
        rgba[~low.valid[inside]] = 0.0
        return low_image(plan, rgba, np.where(low.valid[inside], low.depth[inside], np.float32(np.inf)))

    def _lit_low(self, plan: Plan, low: FeatureImage, lit: Lit) -> np.ndarray:
        """(h + 2 MARGIN, w + 2 MARGIN, 4) the feature image's own material in the light, without detail."""
        channels = picture_channels(LIT_CHANNELS)
        picture, pixels = np.zeros((*low.valid.shape, channels), np.float32), np.flatnonzero(low.valid)
        start_picture(
            low.features, low.opacity, low.valid, pixels, 0, len(pixels), np.zeros(channels, np.float32),
            MATERIAL_CHANNELS, picture,
        )  # fmt: skip
        camera = plan.low_box.of(plan.low)
        vertices = self.shaded.closed(plan.vertices)
        skin = Skin(lit, *seen_skin(self.shaded, vertices, camera, self.metadata.lateral_margin))
        return self._lit(skin, no_detail(), picture, low.valid, 0.0)

    def _show(self, identity: IdentityChoice) -> None:
        """Let the field's textures be those of an identity or a blend; they are kept while it stays the same."""
        shares = identity_shares(self.metadata, self.latent, identity)
        if not np.array_equal(shares, self._shares):
            self._shares, self._weights = shares, self._field.of_identity(shares)
            self._detail.show(shares)

    def _march(
        self,
        proxy: PosedProxy,
        rays: Rays,
        pixels: Pixels,
        place: np.ndarray,
        weights: FieldWeights,
        images: FieldImages,
        clock: Clock,
    ) -> None:
        """Fill the places of rays in the flat images of features, opacity and expected depth."""
        samples = samples_of(self.metadata, self._levels, proxy, rays, pixels, self.workers)
        # Here and not before: a block for which memory ran out begins anew.
        for image in images:
            image[place] = 0.0
        left, transmittance = np.arange(len(place)), np.ones(len(place), np.float32)
        ticks: list[tuple[int, int]] = []
        while len(left):
            with clock.stage("nearest"):
                placed = samples.of(left)
            lines = rays.directions[left], rays.lengths[left], place[left]
            given = FieldRays(*placed, transmittance[left], *lines)
            with clock.stage("field"):
                self.workers.parallel_for(
                    len(left),
                    lambda start, stop, given=given: ticks.append(  # type: ignore[misc]
                        march(weights, self._empty, given, self._threshold, images, start, stop)
                    ),
                    FIELD_RAYS,
                )
            transmittance[left] = given.transmittance
            left = left[samples.go_on(left) & (given.transmittance > self._threshold)]
        field, composite = (sum(each) for each in zip(*ticks, strict=True))
        clock.move("field", "integrate", composite / max(field + composite, 1))
        mean_depths(images, pixels.near, pixels.far, place)
