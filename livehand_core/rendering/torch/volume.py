"""Rays with bounds -> features, opacity and depth: canonical coordinates, field and integration, some rays at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch

from ...avatars.metadata import AvatarMetadata
from ...networks import RadianceField
from ..blocks import in_blocks
from ..clock import Clock
from .integration import Integrated, integrate, intervals_between
from .placement import surface_samples
from .proxy import Proxy
from .rays import Rays
from .sampling import from_weights, stratified

RAYS_AT_ONCE = {"cpu": 2048, "cuda": 1 << 16}

SAMPLES_AT_ONCE = 4

EARLY_TERMINATION = 1e-4
"""Transmittance below which a ray ends: at most this much of any colour, a fortieth of an 8-bit step, is left out."""


@dataclass(frozen=True)
class Conditioning:
    """What a frame's field is conditioned on.

    Attributes:
        pose: (pose_size,) radians.
        latent: (latent_size,) or None.
    """

    pose: torch.Tensor
    latent: torch.Tensor | None


def volume_render(
    fields: tuple[RadianceField, RadianceField | None],
    metadata: AvatarMetadata,
    proxy: Proxy,
    rays: Rays,
    bounds: tuple[torch.Tensor, torch.Tensor],
    conditioning: Conditioning,
    clock: Clock,
    plain: bool = False,
) -> Integrated:
    """Evaluate the field along rays.

    Args:
        fields: coarse field, and the fine one of the hierarchical pass or None.
        metadata: samples a ray, coordinates, sign.
        proxy: the posed mesh.
        rays: R rays in the proxy's frame.
        bounds: near and far, (R,) each.
        conditioning: pose and latent.
        clock: takes the stages' times and is asked between chunks whether to stop.
        plain: evaluate every sample of every ray; differentiable in the fields, the conditioning and the proxy.

    Returns:
        The sums over R rays (of the fine pass where there is one).
    """
    architecture = metadata.architecture
    step = RAYS_AT_ONCE["cpu" if rays.origins.device.type == "cpu" else "cuda"]
    parts: list[Integrated] = []

    def draw(start: int, stop: int) -> None:
        chunk = slice(start, stop)
        march = _March(metadata, proxy, Rays(*(value[chunk] for value in rays)), conditioning, clock)
        samples, field = march.samples((bounds[0][chunk], bounds[1][chunk])), fields[0]
        if fields[1] is not None:
            coarse = march.at_once(field, samples)
            depths = from_weights(samples.depths, coarse.weights, architecture.n_importance)
            samples, field = march.linear(depths), fields[1]
        parts.append(march.at_once(field, samples) if plain else march.front_to_back(field, samples))
        clock.check()

    in_blocks(len(rays.origins), step, draw, clock.notes.append)
    return Integrated(*(torch.cat(values) for values in zip(*parts, strict=True)))


class _Samples(NamedTuple):
    """Of R rays, S samples each: depths and the lengths that they stand for (R, S), in units of depth; canonical
    coordinates (R, S, 3 or 6), or None where they are yet to be found."""

    depths: torch.Tensor
    intervals: torch.Tensor
    positions: torch.Tensor | None


class _March:
    """One chunk of rays through one hand."""

    def __init__(
        self, metadata: AvatarMetadata, proxy: Proxy, rays: Rays, conditioning: Conditioning, clock: Clock
    ) -> None:
        self.metadata, self.proxy, self.rays = metadata, proxy, rays
        self.conditioning, self.clock = conditioning, clock

    def samples(self, bounds: tuple[torch.Tensor, torch.Tensor]) -> _Samples:
        """By the avatar's way of sampling between (R,) bounds."""
        metadata, levels = self.metadata, self.proxy.levels
        parts = metadata.architecture.n_samples
        if metadata.architecture.sampling == "linear":
            return self.linear(stratified(*bounds, parts))
        assert levels is not None
        with self.clock.stage("nearest"):
            found = surface_samples(self.proxy, levels, self.rays, bounds, parts, metadata.sign)
        axes = metadata.architecture.field.coordinate_count
        return _Samples(found.depths, found.intervals, found.positions[..., :axes])

    def linear(self, depths: torch.Tensor) -> _Samples:
        """At those depths (R, S)."""
        return _Samples(depths, intervals_between(depths, self.metadata.last_interval), None)

    def _positions(self, rays: Rays, samples: _Samples) -> torch.Tensor:
        if samples.positions is not None:
            return samples.positions
        with self.clock.stage("nearest"):
            depths = samples.depths
            return self.proxy.coordinates(rays.at(depths), self.metadata.architecture.field, self.metadata.sign)

    def at_once(self, field: RadianceField, samples: _Samples) -> Integrated:
        """All samples of all rays."""
        positions = self._positions(self.rays, samples)
        with self.clock.stage("field"):
            view, condition = self.rays.view_directions, self.conditioning
            colour, sigma = field(positions, view, condition.pose, condition.latent)
        with self.clock.stage("integrate"):
            return integrate(colour, sigma, samples.depths, self.rays.lengths, intervals=samples.intervals)

    def front_to_back(self, field: RadianceField, samples: _Samples) -> Integrated:
        """The same sums, a few samples at a time, without what cannot be seen.

        Rays drop out when their transmittance has gone, and colours are only looked up where there is density: both
        exact but for EARLY_TERMINATION.
        """
        rays, depths, count = self.rays, samples.depths, len(samples.depths)
        lengths = samples.intervals * rays.lengths[:, None]
        transmittance, weights = depths.new_ones(count), torch.zeros_like(depths)
        features = depths.new_zeros(count, field.config.feature_channels)
        with self.clock.stage("field"):
            view_term = field.view_term(rays.view_directions)
        for start in range(0, depths.shape[1], SAMPLES_AT_ONCE):
            alive = torch.nonzero(transmittance > EARLY_TERMINATION).squeeze(-1)
            if not len(alive):
                break
            part = (alive, slice(start, start + SAMPLES_AT_ONCE))
            known = None if samples.positions is None else samples.positions[part]
            some = _Samples(depths[part], samples.intervals[part], known)
            positions = self._positions(Rays(*(value[alive] for value in rays)), some)
            with self.clock.stage("field"):
                hidden, sigma = field.density_of(positions, self.conditioning.pose, self.conditioning.latent)
            with self.clock.stage("integrate"):
                alpha = 1.0 - torch.exp(-torch.relu(sigma) * lengths[part])
                passed = torch.cumprod(1.0 - alpha + 1e-10, dim=-1)
                before = torch.cat([torch.ones_like(passed[:, :1]), passed[:, :-1]], dim=-1)
                weights[part] = weight = transmittance[alive, None] * before * alpha
                transmittance[alive] *= passed[:, -1]
                ray, sample = torch.nonzero(weight > 0.0, as_tuple=True)
            with self.clock.stage("field"):
                colour = field.colour_of(hidden[ray, sample], view_term[alive[ray]])
            with self.clock.stage("integrate"):
                features.index_add_(0, alive[ray], torch.sigmoid(colour) * weight[ray, sample, None])
        return Integrated(features, weights.sum(dim=-1), (weights * depths).sum(dim=-1), weights, samples.intervals)
