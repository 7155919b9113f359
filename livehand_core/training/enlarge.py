"""Super-resolution on the CPU with gradients by hand: channels last, and one pass over memory between convolutions.

The same numbers as ``SuperResolution`` gives. Its activations, biases and filters would each be a pass of their own,
forth and back, over images that fit no cache; they cost more than the convolutions.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from ..networks import SuperResolution
from ..networks.super_resolution import ACTIVATION_LIMIT
from . import enlarge_kernels as kernels
from .precision import has_loops, product_precision
from .workers import shared

_CONVOLUTION_BACKWARD = torch.ops.aten.convolution_backward
_EVERYTHING = [True, True, True]


def enlarge(network: SuperResolution, image: torch.Tensor) -> torch.Tensor:
    """Enlarge one image, on the CPU by the loops of this module where the network is one that training makes.

    Args:
        network: differentiable in its parameters.
        image: (1, C + 1, h, w) float32 or float64 features and opacity; differentiable.

    Returns:
        (1, 3 or 4, factor h, factor w) colour, and opacity where the network gives it.
    """
    if not has_loops(image.device) or (network.config.factor, network.config.out_channels) != (2, 4):
        with product_precision(image.device):
            answer: torch.Tensor = network(image[:, :-1], image[:, -1:])
            return answer.to(image.dtype)
    layers = (network.conv00, network.conv01, network.colour0, network.conv10, network.conv11, network.colour1)
    parameters = [value for layer in layers for value in (layer.weight, layer.bias)]
    return _Enlarge.apply(image, network.kernel, *parameters)  # type: ignore[no-any-return, no-untyped-call]


class _Enlarge(torch.autograd.Function):
    """Inputs: image, the filter's kernel, then weight and bias of each layer in order."""

    @staticmethod
    def forward(ctx: Any, image: torch.Tensor, kernel: torch.Tensor, *parameters: torch.Tensor) -> torch.Tensor:
        w00, b00, w01, b01, c0, d0, w10, b10, w11, b11, c1, d1 = parameters
        features = image[:, :-1].contiguous(memory_format=torch.channels_last)
        low = torch.cat([image[:, :3], image[:, -1:]], dim=1)
        y0 = _activated(functional.conv2d(features, w00, b00, padding=1))
        y1 = _activated(functional.conv2d(y0, w01, b01, padding=1))
        low, within0 = _head(y1, c0, d0, low)
        # A transposed convolution scatters: its kernel is the correlation kernel with in and out swapped.
        spread = functional.conv_transpose2d(y1, w10.transpose(0, 1), stride=2)
        y2 = _filtered(spread, b10)
        y3 = _activated(functional.conv2d(y2, w11, b11, padding=1))
        four = kernel.expand(4, 1, 4, 4)
        high = functional.conv_transpose2d(low, four, stride=2, padding=1, groups=4)
        high, within1 = _head(y3, c1, d1, high)
        ctx.save_for_backward(features, y0, y1, y2, y3, four, within0, within1, *parameters)
        return high

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        features, y0, y1, y2, y3, four, within0, within1, *parameters = ctx.saved_tensors
        w00, _, w01, _, c0, _, w10, _, w11, _, c1, _ = parameters
        low = functional.conv2d(gradient, four, stride=2, padding=1, groups=4)
        upstream, *head1 = _head_backward(gradient, within1, c1, y3, torch.empty_like(y3), add=False)
        upstream, *conv11 = _convolution_backward(upstream, y2, w11, padding=1)
        _each_row(kernels.activate_backward, upstream, y2)
        bias = upstream.sum(dim=(0, 2, 3))
        upstream, weight = _spread_backward(_filter_backward(upstream), y1, w10)
        conv10 = (weight.transpose(0, 1), bias)
        upstream, *head0 = _head_backward(low, within0, c0, y1, upstream, add=True)
        upstream, *conv01 = _convolution_backward(upstream, y0, w01, padding=1)
        _each_row(kernels.activate_backward, upstream, y0)
        upstream, *conv00 = _convolution_backward(upstream, features, w00, padding=1)
        upstream[:, :3] += low[:, :3]
        image = torch.cat([upstream, low[:, 3:]], dim=1)
        return image, None, *conv00, *conv01, *head0, *conv10, *conv11, *head1


def _rows(x: torch.Tensor) -> torch.Tensor:
    """(1, C, h, w) with its channels innermost -> (h w, C), the same memory."""
    return x.permute(0, 2, 3, 1).view(-1, x.shape[1])


def _each_row(loop: Any, *images: torch.Tensor, extra: tuple[Any, ...] = ()) -> None:
    """Call a kernel on the rows of images of one size, shared between threads."""
    rows = [_rows(image).numpy() for image in images]

    def work(part: int, parts: int) -> None:
        here = _part(len(rows[0]), part, parts)
        loop(*(row[here] for row in rows), *extra)

    shared(work)


def _part(count: int, part: int, parts: int) -> slice:
    return slice(count * part // parts, count * (part + 1) // parts)


def _activated(x: torch.Tensor) -> torch.Tensor:
    x = x.contiguous(memory_format=torch.channels_last)
    _each_row(kernels.activate, x)
    return x


def _head(y: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """The image + the colour head's answer, and where that is within its limits."""
    colour = torch.addmm(bias, _rows(y), weight.view(len(weight), -1).T)
    within = colour.abs() <= ACTIVATION_LIMIT
    colour = colour.clamp_(-ACTIVATION_LIMIT, ACTIVATION_LIMIT)
    height, width = y.shape[2:]
    return image + colour.view(1, height, width, -1).permute(0, 3, 1, 2), within


def _head_backward(
    image: torch.Tensor, within: torch.Tensor, weight: torch.Tensor, y: torch.Tensor, upstream: torch.Tensor, add: bool
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Gradients before the activation whose answer was ``y``, of the head's weight, and of its bias."""
    colour = image.permute(0, 2, 3, 1).reshape(-1, image.shape[1]) * within
    flat = weight.view(len(weight), -1)
    upstream = upstream.contiguous(memory_format=torch.channels_last)
    rows = [value.numpy() for value in (colour, _rows(y), _rows(upstream))]

    def work(part: int, parts: int) -> None:
        here = _part(len(colour), part, parts)
        kernels.head_backward(rows[0][here], flat.numpy(), rows[1][here], rows[2][here], add)

    shared(work)
    return upstream, (colour.T @ _rows(y)).view_as(weight), colour.sum(dim=0)


def _filtered(spread: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """(1, C, 2h + 1, 2w + 1) -> (1, C, 2h, 2w), activated."""
    source = spread.permute(0, 2, 3, 1).contiguous()[0]
    answer = source.new_empty(source.shape[0] - 1, source.shape[1] - 1, source.shape[2])
    biases = bias.repeat(answer.shape[1]).numpy()

    def work(part: int, parts: int) -> None:
        here = _part(len(answer), part, parts)
        kernels.filter_activate(source.numpy(), biases, answer.numpy(), here.start, here.stop)

    shared(work)
    return answer.permute(2, 0, 1)[None]


def _filter_backward(gradient: torch.Tensor) -> torch.Tensor:
    """(1, C, 2h, 2w) -> (1, C, 2h + 1, 2w + 1)."""
    source = gradient.permute(0, 2, 3, 1)[0]
    answer = source.new_empty(source.shape[0] + 1, source.shape[1] + 1, source.shape[2])

    def work(part: int, parts: int) -> None:
        here = _part(len(answer), part, parts)
        kernels.filter_backward(source.numpy(), answer.numpy(), here.start, here.stop)

    shared(work)
    return answer.permute(2, 0, 1)[None]


def _convolution_backward(
    gradient: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, padding: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Gradients of the input (channels innermost), the weight and the bias."""
    answer = _CONVOLUTION_BACKWARD(
        gradient, x, weight, [len(weight)], [1, 1], [padding, padding], [1, 1], False, [0, 0], 1, _EVERYTHING
    )
    return answer[0].contiguous(memory_format=torch.channels_last), answer[1], answer[2]


def _spread_backward(
    gradient: torch.Tensor, x: torch.Tensor, weight: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Of the transposed convolution of stride 2: gradients of its input and of its (in, out, 3, 3) weight."""
    answer = _CONVOLUTION_BACKWARD(
        gradient, x, weight.transpose(0, 1), None, [2, 2], [0, 0], [1, 1], True, [0, 0], 1, [True, True, False]
    )
    return answer[0], answer[1]
