"""From the networks' pictures to one hand's images, and from several hands' images to the frame's."""

from __future__ import annotations

import numpy as np

from .compiling import compiled, inlined, inner
from .networks.convolution import MARGIN

ALPHA_RAMP = (0.01, 0.03)
"""Opacity up to which a pixel is empty, and from which it is left as it is; between, it fades.

The networks' noise beside the hand would fray depth, normals and edges."""

LIT_RAMP = (0.03, 0.1)
"""The same of a hand in a scene's light, which may be strong: what it hardly covers is noise (docs/log/light.md)."""

WEIGHT_FLOOR = np.float32(1e-4)
"""Weight of an evaluated ray that saw nothing, when expected depths are averaged."""

FRONT_ALPHA = np.float32(0.5)
"""Opacity from which a hand counts as the front-most one in the passes that cannot blend."""

MOST_CROSSING = np.float32(0.01)
"""Metres of depth within a pixel beyond which two hands do not cross in it, but one has an edge there."""

SRGB_LINEAR, SRGB_SLOPE, SRGB_ABOVE, SRGB_BELOW, SRGB_POWER = (
    np.float32(number) for number in (0.0031308, 12.92, 1.055, 0.055, 1.0 / 2.4)
)
"""The curve from scene-linear to sRGB: up to where it is straight, how steep, and scale, offset and power above."""

_BEHIND = np.float32(1e6)
_FADE_BEGIN, _LIT_BEGIN = np.float32(ALPHA_RAMP[0]), np.float32(LIT_RAMP[0])
_FADE, _LIT_FADE = (np.float32(1.0 / (end - begin)) for begin, end in (ALPHA_RAMP, LIT_RAMP))
_SMALLEST = np.float32(1e-6)
_ZERO, _HALF, _ONE = np.float32(0.0), np.float32(0.5), np.float32(1.0)


@compiled
def finish(large, drawn, opacity, depth, valid, factor, offset, clipped, first_row, last_row, rgba, planes):
    """The super-resolution's picture as premultiplied RGBA, and the field's depth enlarged.

    Args:
        large: (factor h + 2 MARGIN, factor w + 2 MARGIN, 3 or 4) with margins; with three channels alpha is the
            enlarged opacity.
        drawn: bool, of the same size: where the hand may be drawn.
        opacity, depth, valid: (h + 2 MARGIN, w + 2 MARGIN) of the feature image, with margins.
        factor: of the super-resolution.
        offset: float32, where in a pixel the avatar's rays start.
        clipped: whether no colour may be above alpha; in the light of a scene it may.
        first_row, last_row: rows of the answer to write.
        rgba: (H, W, 4), H at most factor h; alpha in [0, 1].
        planes: (H, W, 2): depth times weight, and weight, bilinearly enlarged.
    """
    height, width = opacity.shape[0] - 2 * MARGIN, opacity.shape[1] - 2 * MARGIN
    step = _ONE / np.float32(factor)
    own_alpha = large.shape[2] == 4
    begin, fade = (_FADE_BEGIN, _FADE) if clipped else (_LIT_BEGIN, _LIT_FADE)
    for y in range(first_row, last_row):
        place_y = min(max((np.float32(y) + offset) * step - offset, _ZERO), np.float32(height - 1))
        top = int(place_y)
        below = min(top + 1, height - 1) + MARGIN
        down = place_y - np.float32(top)
        top += MARGIN
        for x in range(rgba.shape[1]):
            rgba[y, x, :] = _ZERO
            planes[y, x, :] = _ZERO
            if not drawn[y + MARGIN, x + MARGIN]:
                continue
            place_x = min(max((np.float32(x) + offset) * step - offset, _ZERO), np.float32(width - 1))
            left = int(place_x)
            right = min(left + 1, width - 1) + MARGIN
            across = place_x - np.float32(left)
            left += MARGIN
            alpha, weighted, total = _ZERO, _ZERO, _ZERO
            for row, column, share in (
                (top, left, (_ONE - down) * (_ONE - across)),
                (top, right, (_ONE - down) * across),
                (below, left, down * (_ONE - across)),
                (below, right, down * across),
            ):
                if valid[row, column]:
                    alpha += share * opacity[row, column]
                    weight = share * (opacity[row, column] + WEIGHT_FLOOR)
                    weighted += weight * depth[row, column]
                    total += weight
            planes[y, x, 0], planes[y, x, 1] = weighted, total
            if own_alpha:
                alpha = large[y + MARGIN, x + MARGIN, 3]
            alpha = min(alpha * min(max((alpha - begin) * fade, _ZERO), _ONE), _ONE)
            rgba[y, x, 3] = alpha
            if not clipped:
                # As opacity fades, so do the colours that lie under it.
                share = min(alpha / max(large[y + MARGIN, x + MARGIN, 3], _SMALLEST), _ONE)
                for k in range(3):
                    rgba[y, x, k] = large[y + MARGIN, x + MARGIN, k] * share
                continue
            for k in range(3):
                rgba[y, x, k] = min(max(large[y + MARGIN, x + MARGIN, k], _ZERO), alpha)


@compiled
def choose_depth(rgba, planes, surface, middle, scale, first_row, last_row, depth):
    """Depth of each drawn pixel: the proxy's where it is seen, else the field's.

    Args:
        rgba: (h, w, 4); planes: (h, w, 2) as :func:`finish` gives them.
        surface: (h, w) depth of the proxy, infinity beside it; of no rows when the field's depth is wanted everywhere.
        middle: depth of the hand, where the field says nothing.
        scale: factor to the world's metres.
        first_row, last_row: rows to work on.
        depth: (h, w) written; infinity where alpha is 0.
    """
    use_surface = surface.shape[0] > 0
    for y in range(first_row, last_row):
        for x in range(depth.shape[1]):
            if rgba[y, x, 3] <= _ZERO:
                depth[y, x] = np.inf
            elif use_surface and surface[y, x] < np.inf:
                depth[y, x] = surface[y, x] * scale
            elif planes[y, x, 1] > _ZERO:
                depth[y, x] = planes[y, x, 0] / planes[y, x, 1] * scale
            else:
                depth[y, x] = middle * scale


@inner
def decoded(colour):
    """sRGB -> scene-linear, going on above 1."""
    if colour <= np.float32(0.04045):
        return colour * np.float32(1.0 / 12.92)
    return ((colour + SRGB_BELOW) * np.float32(1.0 / 1.055)) ** np.float32(2.4)


@inlined
def encoded(colour):
    """Scene-linear -> sRGB, going on above 1."""
    if colour <= SRGB_LINEAR:
        return colour * SRGB_SLOPE
    return SRGB_ABOVE * colour**SRGB_POWER - SRGB_BELOW


@inner
def _slope(depth, pixel, across, down, x, y, box):
    """Depth that a pixel spans to the right and downwards, towards neighbours of the same hand; 0 beside its border."""
    right, below = _ZERO, _ZERO
    here = depth[pixel]
    if x + 1 < box[2] and depth[pixel + across] < np.inf:
        right = depth[pixel + across] - here
    elif x > box[0] and depth[pixel - across] < np.inf:
        right = here - depth[pixel - across]
    if y + 1 < box[3] and depth[pixel + down] < np.inf:
        below = depth[pixel + down] - here
    elif y > box[1] and depth[pixel - down] < np.inf:
        below = here - depth[pixel - down]
    return right, below


@inner
def _front_share(depth, one, two, down_one, down_two, x, y, box_one, box_two):
    """What share of a pixel the first of two hands is in front in, whose depths cross within it; 1 where they do not.

    Both are planes across the pixel: the line in which they meet cuts it.
    """
    gap = depth[two] - depth[one]
    if gap >= MOST_CROSSING:
        return _ONE
    right_one, below_one = _slope(depth, one, 1, down_one, x, y, box_one)
    right_two, below_two = _slope(depth, two, 1, down_two, x, y, box_two)
    span = abs(right_two - right_one) + abs(below_two - below_one)
    # What steps from a finger to one behind it is no plane.
    if span > MOST_CROSSING:
        return _ONE
    return min(_HALF + gap / max(span, _SMALLEST), _ONE)


@compiled
def merge(rgba, depth, boxes, starts, lit, first_row, last_row, linear, answer, front, front_depth):
    """Lay hands over each other, per pixel from the nearest to the farthest; where two cross within a pixel, each is in
    front in its part of it.

    Args:
        rgba: (P, 4) premultiplied pixels of all hands, row by row of each box; depth: (P,) of the same pixels.
        boxes: (N, 4) left, top, right, bottom of each hand; starts: (N,) its first pixel.
        lit: (N,) bool, whose colours may be above alpha.
        first_row, last_row: rows of the image to work on.
        linear: decode sRGB, on colours divided by alpha; else none is left above alpha.
        answer: (H, W, 4) written, 0 where no hand is.
        front: (H, W) int16, written: 1 + the number of the hand in front, the nearest one that is opaque enough, else
            the nearest there is; 0 where none is. Of no rows when nobody asks.
        front_depth: (H, W, 1) written: that hand's depth, infinity where none is. Of no rows when nobody asks.
    """
    hands = len(boxes)
    order = np.zeros(hands, dtype=np.int64)
    ranks = np.zeros(hands, dtype=np.float32)
    pixels = np.zeros(hands, dtype=np.int64)
    with_front, with_depth = front.shape[0] > 0, front_depth.shape[0] > 0
    left, right = boxes[:, 0].min(), boxes[:, 2].max()
    answer[first_row:last_row] = _ZERO
    if with_front:
        front[first_row:last_row] = 0
    if with_depth:
        front_depth[first_row:last_row] = np.inf
    for y in range(max(first_row, boxes[:, 1].min()), min(last_row, boxes[:, 3].max())):
        for x in range(left, right):
            count, under = 0, _ONE
            for hand in range(hands):
                if x < boxes[hand, 0] or x >= boxes[hand, 2] or y < boxes[hand, 1] or y >= boxes[hand, 3]:
                    continue
                pixel = starts[hand] + (y - boxes[hand, 1]) * (boxes[hand, 2] - boxes[hand, 0]) + x - boxes[hand, 0]
                if rgba[pixel, 3] <= _ZERO:
                    continue
                place = count
                while place > 0 and ranks[place - 1] > depth[pixel]:
                    order[place], ranks[place], pixels[place] = order[place - 1], ranks[place - 1], pixels[place - 1]
                    place -= 1
                order[place], ranks[place], pixels[place] = hand, depth[pixel], pixel
                count += 1
            if count == 0:
                continue
            bright = False
            # What of the hand that comes next is in front of the one before.
            swapped = _ZERO
            for k in range(count):
                transmittance = _ONE - answer[y, x, 3]
                bright |= lit[order[k]]
                hidden = _ZERO
                if swapped > _ZERO:
                    # The one before was laid down with what it lacks, so that this one shows its part in full.
                    before = rgba[pixels[k - 1], 3]
                    transmittance = under * (_ONE - (_ONE - swapped) * before)
                    swapped = _ZERO
                elif k + 1 < count:
                    one, two = pixels[k], pixels[k + 1]
                    a, b = boxes[order[k]], boxes[order[k + 1]]
                    swapped = _ONE - _front_share(depth, one, two, a[2] - a[0], b[2] - b[0], x, y, a, b)
                    under, hidden = transmittance, swapped * rgba[two, 3]
                for channel in range(4):
                    value = rgba[pixels[k], channel]
                    if lit[order[k]] and not linear:
                        value = min(value, rgba[pixels[k], 3])
                    answer[y, x, channel] += transmittance * (_ONE - hidden) * value
            chosen = 0
            for k in range(count):
                if rgba[pixels[k], 3] >= FRONT_ALPHA:
                    chosen = k
                    break
            if with_front:
                front[y, x] = order[chosen] + 1
            if with_depth:
                front_depth[y, x, 0] = ranks[chosen]
            if linear:
                alpha = answer[y, x, 3]
                for channel in range(3):
                    straight = answer[y, x, channel] / max(alpha, WEIGHT_FLOOR)
                    if not bright:
                        straight = min(straight, _ONE)
                    answer[y, x, channel] = decoded(straight) * alpha


@compiled
def take_front(values, front, boxes, starts, answer):
    """answer[y, x] = values of the hand in front there; values (P, C), front (H, W) as :func:`merge` left it."""
    for y in range(boxes[:, 1].min(), boxes[:, 3].max()):
        for x in range(boxes[:, 0].min(), boxes[:, 2].max()):
            hand = front[y, x] - 1
            if hand >= 0:
                pixel = starts[hand] + (y - boxes[hand, 1]) * (boxes[hand, 2] - boxes[hand, 0]) + x - boxes[hand, 0]
                answer[y, x, :] = values[pixel]


@compiled
def take_mask(rgba, front, boxes, starts, numbers, answer):
    """answer[y, x] = number of the hand in front where it is opaque enough to be called so."""
    for y in range(boxes[:, 1].min(), boxes[:, 3].max()):
        for x in range(boxes[:, 0].min(), boxes[:, 2].max()):
            hand = front[y, x] - 1
            if hand >= 0:
                pixel = starts[hand] + (y - boxes[hand, 1]) * (boxes[hand, 2] - boxes[hand, 0]) + x - boxes[hand, 0]
                if rgba[pixel, 3] >= FRONT_ALPHA:
                    answer[y, x, 0] = numbers[hand]
