"""Rays through the field on the CPU, with gradients by hand: blocks that stay in cache, nothing for what is not seen.

The same sums as ``RadianceField`` and ``integrate`` give. Densities are looked up front to back for as long as light
comes through; colours, and all gradients, only where there is density.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from ..networks import FieldConfig, RadianceField
from ..networks.config import SKIP_AFTER_LAYER, encoded_size
from ..rendering import integrate
from . import input_kernels
from . import ray_kernels as kernels
from .precision import has_loops, product_precision
from .workers import shared

ROWS_AT_ONCE = 3072
"""Samples that go through a layer together: enough for matrix products, few enough for the cores' caches."""


class Samples(NamedTuple):
    """R rays of S samples: positions (R, S, 3, 6 or 6 + L), intervals (R, S) that they stand for, in units of depth,
    lengths (R,), noise (R, S) or None; of surface sampling how many samples a straight way through the layer has."""

    positions: torch.Tensor
    intervals: torch.Tensor
    lengths: torch.Tensor
    noise: torch.Tensor | None
    crossing: int = 0


class _Kept(NamedTuple):
    """What the gradient needs of the K samples that count, of a few samples of all rays of a block.

    Attributes:
        ray: (K,) within the block; sample: (K,) which of its ray's.
        terms: (K, 4) of ``ray_kernels.composite``.
        layers: (K, .) encoded input and each hidden layer's output.
        view, colour: (K, .) the view layer's output and the colours.
    """

    ray: torch.Tensor
    sample: torch.Tensor
    terms: torch.Tensor
    layers: list[torch.Tensor]
    view: torch.Tensor
    colour: torch.Tensor


def ray_values(
    field: RadianceField,
    samples: Samples,
    directions: torch.Tensor,
    pose: torch.Tensor,
    latent: torch.Tensor | None = None,
    textures: Sequence[torch.Tensor] | None = None,
) -> torch.Tensor:
    """Evaluate the field along rays and composite, on the CPU by the loops of this module where they know the field.

    Args:
        field: differentiable in its parameters.
        samples: differentiable in their positions.
        directions: (R, 3) unit view directions.
        pose: (45 or 48,), or (R, 45 or 48) for each ray its own; differentiable.
        latent: (latent_size,) code of the identity that all rays see; differentiable.
        textures: that identity's, in place of the field's; differentiable.

    Returns:
        (R, C + 1): premultiplied features, and opacity.
    """
    config = field.config
    if not has_loops(directions.device) or config.depth > SKIP_AFTER_LAYER + 1:
        with product_precision(directions.device):
            colour, sigma = field(samples.positions, directions, pose, latent, textures)
        raw = colour.to(directions.dtype), sigma.to(directions.dtype)
        intervals = samples.intervals
        answer = integrate(*raw, intervals, samples.lengths, samples.noise, intervals=intervals)
        return torch.cat([answer.features, answer.opacity[:, None]], dim=-1)
    first = field.layers[0]
    assert isinstance(first, torch.nn.Linear)
    size = config.position_size
    # Everything that is small, or constant over rays or samples, is left to autograd.
    bias = torch.nn.functional.linear(pose, first.weight[:, size + config.latent_size :], first.bias)
    if latent is not None:
        bias = bias + first.weight[:, size : size + config.latent_size] @ latent
    folded = field.view.weight[:, : config.width] @ field.feature.weight
    return _March.apply(  # type: ignore[no-any-return, no-untyped-call]
        samples,
        config,
        samples.positions,
        bias,
        field.view_term(directions),
        folded,
        field.colour.weight,
        field.colour.bias,
        field.density.weight,
        field.density.bias,
        first.weight[:, :size],
        *(field.textures if textures is None else textures),
        *(parameter for layer in field.layers[1:] for parameter in (layer.weight, layer.bias)),
    )


class _March(torch.autograd.Function):
    """Inputs: samples, the field's sizes, the samples' positions, first bias, view terms, weights (``_Weights``)."""

    @staticmethod
    def forward(
        ctx: Any, samples: Samples, config: FieldConfig, positions: torch.Tensor, *tensors: torch.Tensor
    ) -> torch.Tensor:
        weights = _Weights.of(tensors, config)
        rays, count = samples.intervals.shape
        step = max(1, ROWS_AT_ONCE // groups(count, samples.crossing)[0])
        sums = samples.intervals.new_zeros(rays, len(weights.colour) + 1)

        def evaluate(part: int, parts: int) -> list[tuple[slice, list[_Kept]]]:
            blocks = [slice(start, start + step) for start in range(part * step, rays, parts * step)]
            room = _room(step * groups(count, samples.crossing)[0], config, sums)
            return [(block, _evaluate(samples, config, weights, block, room, sums)) for block in blocks]

        ctx.parts, ctx.config, ctx.shape = shared(evaluate), config, positions.shape
        ctx.save_for_backward(*tensors)
        return sums

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        tensors = ctx.saved_tensors
        config = ctx.config
        weights = _Weights.of(tensors, config)
        gradient = gradient.contiguous()
        places = gradient.new_zeros(ctx.shape) if ctx.needs_input_grad[2] else None
        # Of a frozen field only what it is given is differentiated.
        frozen = not ctx.needs_input_grad[5]

        def differentiate(part: int, parts: int) -> list[torch.Tensor]:
            sums = [torch.zeros_like(tensor, memory_format=torch.contiguous_format) for tensor in tensors]
            answer = _Weights.of(sums, config)
            for block, several in ctx.parts[part]:
                behind = torch.zeros_like(gradient[block, 0])
                for kept in reversed(several):
                    of_input = _differentiate(kept, config, weights, gradient[block], behind, answer, block, frozen)
                    if places is not None and of_input is not None:
                        # Each ray is of one block, and each sample of one group: no two threads write one place.
                        places[block][kept.ray, kept.sample] = _of_positions(of_input, kept, config, weights, ctx.shape)
            return sums

        totals, *others = shared(differentiate)
        for other in others:
            torch._foreach_add_(totals, other)
        return None, None, places, *totals


def groups(samples: int, crossing: int = 0) -> list[int]:
    """How many samples are looked up together, front to back.

    In surface sampling those of a crossing of the layer; else half of them first, which lie in front of the surface
    anyway.
    """
    if crossing:
        return [crossing] * (samples // crossing)
    half = -(-samples // 2)
    quarter = -(-(samples - half) // 2)
    return [number for number in (half, quarter, samples - half - quarter) if number]


class _Weights(NamedTuple):
    """Of the field, the view layer folded with the feature layer.

    Attributes:
        bias: (W,) of the first layer with the pose's part, or (R, W).
        view_terms: (R, V).
        folded: (V, W).
        colour, colour_bias: (C, V), (C,).
        density, density_bias: (1, W), (1,).
        first: (W, position_size).
        textures: (S, S, C) each.
        hidden: weight (W, W) and bias (W,) of each layer behind the first.
    """

    bias: torch.Tensor
    view_terms: torch.Tensor
    folded: torch.Tensor
    colour: torch.Tensor
    colour_bias: torch.Tensor
    density: torch.Tensor
    density_bias: torch.Tensor
    first: torch.Tensor
    textures: Sequence[torch.Tensor]
    hidden: Sequence[torch.Tensor]

    @classmethod
    def of(cls, tensors: Sequence[torch.Tensor], config: FieldConfig) -> _Weights:
        """Of tensors in this order, the hidden layers' last."""
        bias, view_terms, folded, colour, colour_bias, density, density_bias, first, *rest = tensors
        end = len(config.texture_sizes)
        return cls(bias, view_terms, folded, colour, colour_bias, density, density_bias, first, rest[:end], rest[end:])


_Room = list[torch.Tensor]
"""Memory that a thread uses for one block's layers after the other's, and that so stays in its core's cache."""


def _room(rows: int, config: FieldConfig, like: torch.Tensor) -> _Room:
    return [like.new_empty(rows, width) for width in (config.position_size, *[config.width] * config.depth)]


def _encode(positions: torch.Tensor, config: FieldConfig, textures: Sequence[torch.Tensor], rows: torch.Tensor) -> None:
    """(N, 3, 6 or 6 + L) positions, whose encoding and texels ``rows`` (N, position_size) takes."""
    place = positions[:, :3]
    if config.distance_scale != 1.0:
        place = place * place.new_tensor([1.0, 1.0, config.distance_scale])
    parts = [(place, config.position_frequencies)]
    if config.normal_frequencies:
        parts.append((positions[:, 3:6], config.normal_frequencies))
    begin = 0
    for values, frequencies in parts:
        wide = values.double()
        arrays = (value.numpy() for value in (values, wide.sin(), wide.cos()))
        kernels.encode_rows(*arrays, frequencies, rows.numpy(), begin)
        begin += encoded_size(values.shape[1], frequencies)
    if config.local_joints:
        rows[:, begin : begin + config.local_size] = positions[:, 6:]
        begin += config.local_size
    for texture in textures:
        kernels.texture_rows(texture.numpy(), positions.numpy(), rows.numpy(), begin)
        begin += config.texture_channels


def _evaluate(
    samples: Samples, config: FieldConfig, weights: _Weights, block: slice, room: _Room, sums: torch.Tensor
) -> list[_Kept]:
    """One block of rays: adds to its ``sums``, and keeps what the gradient needs."""
    intervals = samples.intervals[block].numpy()
    lengths = samples.lengths[block].numpy()
    alive = torch.arange(len(intervals))
    transmittance = torch.ones_like(samples.lengths[block])
    answer, first = [], 0
    for count in groups(intervals.shape[1], samples.crossing):
        some = (block, slice(first, first + count))
        rows = len(alive) * count
        layers = _look_up(samples.positions[some][alive].view(rows, -1), config, weights, block, alive, room)
        sigma = torch.addmv(weights.density_bias, layers[-1], weights.density[0]) * config.density_scale
        sigma = sigma.view(len(alive), count)
        if samples.noise is not None:
            sigma += samples.noise[some][alive]
        kept, ray = torch.empty(2, rows, dtype=torch.int64)
        terms = sigma.new_empty(rows, 4)
        found, living = kernels.composite(
            sigma.numpy(), alive.numpy(), first, intervals, lengths, transmittance.numpy(), kept.numpy(),
            ray.numpy(), terms.numpy(),
        )  # fmt: skip
        kept, ray, terms = kept[:found], ray[:found].clone(), terms[:found].clone()
        sample = first + kept % count
        layers = [layer[kept] for layer in layers]
        view = layers[-1] @ weights.folded.T
        kernels.add_of_ray(view.numpy(), ray.numpy(), weights.view_terms[block].numpy())
        colour = torch.addmm(weights.colour_bias, view, weights.colour.T).sigmoid_()
        kernels.sum_colours(colour.numpy(), ray.numpy(), terms.numpy(), sums[block].numpy())
        answer.append(_Kept(ray, sample, terms, layers, view, colour))
        alive, first = alive[:living], first + count
        if not living:
            break
    return answer


def _look_up(
    positions: torch.Tensor, config: FieldConfig, weights: _Weights, block: slice, alive: torch.Tensor, room: _Room
) -> list[torch.Tensor]:
    """Of N positions of the rays that are alive: (N, .) encoded, and behind each layer; all of it in the room."""
    layers = [values[: len(positions)] for values in room]
    _encode(positions, config, weights.textures, layers[0])
    torch.mm(layers[0], weights.first.T, out=layers[1])
    if weights.bias.dim() == 1:
        kernels.add_bias(layers[1].numpy(), weights.bias.numpy())
    else:
        ray = alive.repeat_interleave(len(positions) // len(alive))
        kernels.add_of_ray(layers[1].numpy(), ray.numpy(), weights.bias[block].numpy())
    for index in range(len(weights.hidden) // 2):
        weight, bias = weights.hidden[2 * index : 2 * index + 2]
        torch.mm(layers[index + 1], weight.T, out=layers[index + 2])
        kernels.add_bias(layers[index + 2].numpy(), bias.numpy())
    return layers


def _differentiate(
    kept: _Kept,
    config: FieldConfig,
    weights: _Weights,
    gradient: torch.Tensor,
    behind: torch.Tensor,
    answer: _Weights,
    block: slice,
    frozen: bool,
) -> torch.Tensor | None:
    """The gradients of some samples of a block, added to ``answer``.

    Args:
        gradient: of the sums of the block's rays.
        behind: see ``ray_kernels.composite_backward``.
        frozen: whether the layers' own gradients are left out.

    Returns:
        (K, W) gradient of the first layer's sums; None where there are no samples.
    """
    if not len(kept.ray):
        return None
    ray, terms = kept.ray.numpy(), kept.terms.numpy()
    raw, density = torch.empty_like(kept.colour), kept.terms.new_empty(len(ray))
    kernels.colours_backward(kept.colour.numpy(), ray, terms, gradient.numpy(), raw.numpy(), density.numpy())
    kernels.composite_backward(ray, terms, behind.numpy(), density.numpy(), config.density_scale)
    if not frozen:
        answer.colour.addmm_(raw.T, kept.view)
        answer.colour_bias.add_(raw.sum(dim=0))
    upstream = raw @ weights.colour
    kernels.view_backward(upstream.numpy(), kept.view.numpy(), ray, answer.view_terms[block].numpy())
    last = kept.layers[-1]
    if not frozen:
        answer.folded.addmm_(upstream.T, last)
        answer.density.addmm_(density[None], last)
        answer.density_bias.add_(density.sum())
    upstream = upstream @ weights.folded
    kernels.hidden_backward(upstream.numpy(), density.numpy(), weights.density[0].numpy(), last.numpy())
    for index in range(len(weights.hidden) - 2, -1, -2):
        inner = kept.layers[index // 2 + 1]
        if not frozen:
            answer.hidden[index].addmm_(upstream.T, inner)
            answer.hidden[index + 1].add_(upstream.sum(dim=0))
        upstream = torch.ops.aten.threshold_backward(upstream @ weights.hidden[index], inner, 0)
    if not frozen:
        answer.first.addmm_(upstream.T, kept.layers[0])
    if answer.textures:
        begin = config.encodings_size
        texels = (upstream @ weights.first[:, begin:]).numpy()
        for index, texture in enumerate(answer.textures):
            # The encoding's first two columns are u and v themselves.
            places, column = kept.layers[0].numpy(), index * config.texture_channels
            kernels.texture_backward(texels, places, column, texture.numpy())
    if weights.bias.dim() == 1:
        answer.bias.add_(upstream.sum(dim=0))
    else:
        answer.bias[block].index_add_(0, kept.ray, upstream)
    return upstream


def _of_positions(
    upstream: torch.Tensor, kept: _Kept, config: FieldConfig, weights: _Weights, shape: Sequence[int]
) -> torch.Tensor:
    """(K, 3 or 6) gradient of the samples' positions, from that of the first layer's sums."""
    gradient, rows = (upstream @ weights.first).numpy(), kept.layers[0].numpy()
    answer = upstream.new_zeros(len(upstream), shape[-1])
    places = answer.numpy()
    input_kernels.encoding_backward(gradient, rows, 0, 3, config.position_frequencies, places, 0)
    begin = encoded_size(3, config.position_frequencies)
    answer[:, 2] *= config.distance_scale
    if config.normal_frequencies:
        input_kernels.encoding_backward(gradient, rows, begin, 3, config.normal_frequencies, places, 3)
    begin = config.encodings_size
    for texture in weights.textures:
        # The encoding's first two columns are u and v themselves.
        input_kernels.texture_places_backward(gradient, rows, begin, texture.detach().numpy(), places)
        begin += config.texture_channels
    return answer
