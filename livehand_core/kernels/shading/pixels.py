"""The pixel stage of shading: materials in the light of the skin that each pixel sees, sixteen pixels at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..compiling import allocating, compiled, inlined, inner
from ..compose import SRGB_ABOVE, SRGB_BELOW, SRGB_LINEAR, SRGB_POWER, SRGB_SLOPE
from ..mesh.visibility import nearest_place
from ..networks.convolution import MARGIN
from ..simd.elementary import powers
from ..simd.lanes import WIDTH, absolute, fused, maximum, minimum, splat, square_root, where_less
from ..simd.memory import broadcast, load, load_column, load_columns, store
from .detail import ROOM, raised, with_detail
from .lamps import (
    COLOUR,
    FLUX,
    LAMP_COLUMNS,
    LOBES,
    MAP_COLUMNS,
    SHADOW,
    SHARPNESS,
    SINE,
    lamp_at,
    unshadowed,
)
from .lobes import COUNT, basis, dot, lobe, summed, unit, wrapped_cosine
from .material import (
    BACK,
    BEND,
    DIFFUSE,
    EDGE_RADIUS,
    LEAST_ALPHA,
    LEAST_FACING,
    LEAST_SOLID,
    LOBE_GAIN,
    MILLIMETRE,
    OFFSET,
    OILY,
    OPACITY,
    ROUGH,
    SCATTER,
    STEEPEST,
)

# Columns of a vertex' row; the first sixteen are those of ``Received.vertices``.
NORMAL, TANGENT, SKY, SCATTERED, BEHIND, LAMPS, POSITION, VERTEX_COLUMNS = 0, 3, 6, 9, 12, 16, 24, 32

MOST_LAMPS = POSITION - LAMPS

_DIFFUSE_TERMS = 9
"""Irradiance has no harmonics beyond degree 2."""

_BEND, _LOBE_GAIN, _LEAST_ALPHA, _LEAST_FACING, _LEAST_SOLID = (
    np.float32(number) for number in (BEND, LOBE_GAIN, LEAST_ALPHA, LEAST_FACING, LEAST_SOLID)
)
_MILLIMETRE = np.float32(MILLIMETRE)
_STEEPEST, _NEIGHBOUR = np.float32(STEEPEST), np.float32(EDGE_RADIUS**2)
# Over a pixel that ends at the edge of a finger the cosine to the view is sqrt(2 t / radius), t from 0 to its size.
_EDGE = np.float32(8.0 / (9.0 * EDGE_RADIUS))
_ZERO, _HALF, _ONE, _TWO = (np.float32(number) for number in (0.0, 0.5, 1.0, 2.0))
_INVERSE_PI, _NEAREST = np.float32(1.0 / np.pi), np.float32(1e-3)


class Seen(NamedTuple):
    """The proxy at the pixels of a camera.

    Attributes:
        face: (H W,) int32, -1 where none is seen; barycentric: (3 H W,) float32 there.
        beside: (H, W) int32 of ``visibility.nearest_in_rows``; radius: how far it looks.
        faces: (F, 3) int32; uv: (F, 3, 2) float32.
        camera: (8,) float32 its place, its axis, metres that a pixel spans, at a depth of 1 in perspective, and 1 where
            it is in perspective.
    """

    face: np.ndarray
    barycentric: np.ndarray
    beside: np.ndarray
    radius: int
    faces: np.ndarray
    uv: np.ndarray
    camera: np.ndarray


class Lit(NamedTuple):
    """The light at a hand, flat float32.

    Attributes:
        vertices: rows of VERTEX_COLUMNS by vertex.
        irradiance: (48,) and lobes: (96,): ``Received.irradiance`` and ``Received.lobes``.
        lamps: rows of LAMP_COLUMNS by lamp.
        maps: depth maps of ``side`` x ``side``, one after the other; map_rows: rows of MAP_COLUMNS.
    """

    vertices: np.ndarray
    irradiance: np.ndarray
    lobes: np.ndarray
    lamps: np.ndarray
    maps: np.ndarray
    side: int
    map_rows: np.ndarray


class _Scratch(NamedTuple):
    """Room for one thread: of a block's pixels their rows, materials, texture coordinates and which way these turn,
    detail and colours."""

    rows: np.ndarray
    material: np.ndarray
    uv: np.ndarray
    room: np.ndarray
    colours: np.ndarray


@allocating
def _scratch():
    return _Scratch(
        np.zeros(WIDTH * VERTEX_COLUMNS, np.float32),
        np.zeros(WIDTH * WIDTH, np.float32),
        np.zeros(3 * WIDTH, np.float32),
        np.zeros(ROOM, np.float32),
        np.zeros(3 * WIDTH, np.float32),
    )


@inlined
def _row(seen, lit, place, half):
    """Half of the row of what a pixel of the raster sees: its triangle's corners by their shares."""
    face, faces, at = seen.face[place], seen.faces, 3 * place
    row = load(lit.vertices, faces[face, 0] * VERTEX_COLUMNS + half) * seen.barycentric[at]
    row = fused(load(lit.vertices, faces[face, 1] * VERTEX_COLUMNS + half), seen.barycentric[at + 1], row)
    return fused(load(lit.vertices, faces[face, 2] * VERTEX_COLUMNS + half), seen.barycentric[at + 2], row)


@inlined
def _beside(seen, place, side):
    """The pixel of the raster beside one on one of four sides; itself at the raster's border."""
    height, width = seen.beside.shape
    if side < 2:
        column = place % width + 2 * side - 1
        return place + 2 * side - 1 if 0 <= column < width else place
    line = place // width + 2 * side - 5
    return place + (2 * side - 5) * width if 0 <= line < height else place


@inner
def _gather(seen, lit, place, lane, scratch):
    """The row of what a pixel sees into the block's; beside nothing the mean of it and of its neighbours on the skin,
    for there skin turns away faster than pixels follow."""
    first, second = _row(seen, lit, place, 0), _row(seen, lit, place, WIDTH)
    # A quick look, which takes the raster for a line without borders, spares most pixels the divisions below.
    last, width = len(seen.face) - 1, seen.beside.shape[1]
    least = min(seen.face[max(place - 1, 0)], seen.face[min(place + 1, last)])
    least = min(least, seen.face[max(place - width, 0)], seen.face[min(place + width, last)])
    edge = False
    if least < 0:
        for side in range(4):
            edge |= seen.face[_beside(seen, place, side)] < 0
    if edge:
        one, two, count = first, second, _ONE
        for side in range(4):
            other = _beside(seen, place, side)
            if other == place or seen.face[other] < 0:
                continue
            row = _row(seen, lit, other, WIDTH)
            store(scratch.room, 0, row - second)
            at = POSITION - WIDTH
            x, y, z = scratch.room[at], scratch.room[at + 1], scratch.room[at + 2]
            if x * x + y * y + z * z < _NEIGHBOUR:
                one, two, count = one + _row(seen, lit, other, 0), two + row, count + _ONE
        first, second = one * (_ONE / count), two * (_ONE / count)
    store(scratch.rows, lane * VERTEX_COLUMNS, first)
    store(scratch.rows, lane * VERTEX_COLUMNS + WIDTH, second)
    face, at, uv = seen.face[place], 3 * place, seen.uv
    a, b, c = seen.barycentric[at], seen.barycentric[at + 1], seen.barycentric[at + 2]
    for k in range(2):
        scratch.uv[k * WIDTH + lane] = uv[face, 0, k] * a + uv[face, 1, k] * b + uv[face, 2, k] * c
    turn = (uv[face, 1, 0] - uv[face, 0, 0]) * (uv[face, 2, 1] - uv[face, 0, 1])
    turn -= (uv[face, 1, 1] - uv[face, 0, 1]) * (uv[face, 2, 0] - uv[face, 0, 0])
    scratch.uv[2 * WIDTH + lane] = np.sign(turn)


@inlined
def _view(camera, px, py, pz):
    """Unit directions from the camera to sixteen points, and what a pixel spans there in metres."""
    ax, ay, az = broadcast(camera, 3), broadcast(camera, 4), broadcast(camera, 5)
    size = broadcast(camera, 6)
    if camera[7] > _ZERO:
        x, y, z = px - camera[0], py - camera[1], pz - camera[2]
        size = size * maximum(dot(x, y, z, ax, ay, az), _NEAREST)
        ax, ay, az = unit(x, y, z)
    return ax, ay, az, size


@inlined
def _turned(x, y, z, vx, vy, vz, size):
    """Unit normals, turned towards the camera where the skin turns away within a pixel: their mean there.

    Args:
        vx, vy, vz: unit directions from the camera; size: what a pixel spans in metres.
    """
    x, y, z = unit(x, y, z)
    least = minimum(square_root(size * _EDGE), _STEEPEST)
    excess = maximum(dot(x, y, z, vx, vy, vz) + least, _ZERO)
    return unit(x - vx * excess, y - vy * excess, z - vz * excess)


@inlined
def _encoded(colour, alpha):
    """Premultiplied scene-linear -> premultiplied sRGB, going on above 1."""
    solid = maximum(alpha, _LEAST_SOLID)
    straight = colour / solid
    curve = powers(maximum(straight, SRGB_LINEAR), SRGB_POWER) * SRGB_ABOVE - SRGB_BELOW
    return where_less(SRGB_LINEAR, straight, curve, straight * SRGB_SLOPE) * alpha


@inlined
def _gain(material, channel, alpha):
    return minimum(maximum(material[channel], _ZERO), alpha)


@inlined
def _by_lobes(lit, values, sky, first, channel):
    """One lobe's share of the sky in a colour channel."""
    return summed(lit.lobes, first + channel, values, COUNT) * sky


@inner
def _shade(seen, lit, detail, count, scratch):
    """Colours of a block whose rows, materials and texture coordinates are there."""
    alpha = minimum(maximum(load_column(scratch.material, OPACITY, WIDTH), _ZERO), _ONE)
    rows, places = load_columns(scratch.rows, 0, VERTEX_COLUMNS), load_columns(scratch.rows, LAMPS, VERTEX_COLUMNS)
    px, py, pz = places[POSITION - LAMPS], places[POSITION - LAMPS + 1], places[POSITION - LAMPS + 2]
    vx, vy, vz, size = _view(seen.camera, px, py, pz)
    nx, ny, nz = _turned(rows[NORMAL], rows[NORMAL + 1], rows[NORMAL + 2], vx, vy, vz, size)
    tx, ty, tz = rows[TANGENT], rows[TANGENT + 1], rows[TANGENT + 2]
    along = dot(tx, ty, tz, nx, ny, nz)
    tx, ty, tz = unit(tx - nx * along, ty - ny * along, tz - nz * along)
    material = load_columns(scratch.material, 0, WIDTH)
    if len(detail.texels):
        facing = maximum(absolute(dot(nx, ny, nz, vx, vy, vz)), _LEAST_FACING)
        u, v = load(scratch.uv, 0), load(scratch.uv, WIDTH)
        if len(detail.relief):
            # Where the ray meets skin above the proxy.
            lean = raised(detail, u, v, count, scratch.room) * (-_MILLIMETRE * detail.span) / facing
            u = fused(dot(vx, vy, vz, tx, ty, tz), lean, u)
            along = dot(vx, vy, vz, ny * tz - nz * ty, nz * tx - nx * tz, nx * ty - ny * tx)
            v = fused(along * load(scratch.uv, 2 * WIDTH), lean, v)
        material = with_detail(detail, size * detail.span / facing, u, v, alpha, material, count, scratch.room)
    # The normal, bent, and the view mirrored at it.
    scale = splat(_BEND) / maximum(alpha, _LEAST_ALPHA)
    across, other = (material[OFFSET] - alpha * _HALF) * scale, (material[OFFSET + 1] - alpha * _HALF) * scale
    bx, by, bz = unit(
        nx + tx * across + (ny * tz - nz * ty) * other, ny + ty * across + (nz * tx - nx * tz) * other,
        nz + tz * across + (nx * ty - ny * tx) * other,
    )  # fmt: skip
    twice = dot(vx, vy, vz, bx, by, bz) * _TWO
    rx, ry, rz = vx - bx * twice, vy - by * twice, vz - bz * twice
    around, reflected = basis(bx, by, bz), basis(rx, ry, rz)
    red, green, blue = rows[SKY], rows[SKY + 1], rows[SKY + 2]
    colours = scratch.colours
    diffuse_r, rough_r, oily_r = (
        summed(lit.irradiance, 0, around, _DIFFUSE_TERMS) * red, _by_lobes(lit, reflected, red, 0, 0),
        _by_lobes(lit, reflected, red, 3 * COUNT, 0),
    )  # fmt: skip
    diffuse_g, rough_g, oily_g = (
        summed(lit.irradiance, 1, around, _DIFFUSE_TERMS) * green, _by_lobes(lit, reflected, green, 0, 1),
        _by_lobes(lit, reflected, green, 3 * COUNT, 1),
    )  # fmt: skip
    diffuse_b, rough_b, oily_b = (
        summed(lit.irradiance, 2, around, _DIFFUSE_TERMS) * blue, _by_lobes(lit, reflected, blue, 0, 2),
        _by_lobes(lit, reflected, blue, 3 * COUNT, 2),
    )  # fmt: skip
    lamps = lit.lamps
    for lamp in range(len(lamps) // LAMP_COLUMNS):
        row = lamp * LAMP_COLUMNS
        lx, ly, lz, strength = lamp_at(lamps, row, px, py, pz)
        visible = load_column(scratch.rows, LAMPS + lamp, VERTEX_COLUMNS)
        number = np.int64(lamps[row + SHADOW])
        if number >= 0:
            sharp = unshadowed(
                lit.maps, number * lit.side * lit.side, lit.side, lit.map_rows, number * MAP_COLUMNS, (px, py, pz),
                (nx, ny, nz),
            )  # fmt: skip
            visible = fused(sharp - visible, lamps[row + SHARPNESS], visible)
        strength = strength * visible
        flat = wrapped_cosine(dot(lx, ly, lz, bx, by, bz), lamps[row + SINE]) * strength * _INVERSE_PI
        cosine, flux = dot(lx, ly, lz, rx, ry, rz), strength * lamps[row + FLUX]
        first = row + LOBES
        rough = lobe(cosine, lamps[first], lamps[first + 1], lamps[first + 2]) * flux
        oily = lobe(cosine, lamps[first + 3], lamps[first + 4], lamps[first + 5]) * flux
        r, g, b = (
            broadcast(lamps, row + COLOUR), broadcast(lamps, row + COLOUR + 1), broadcast(lamps, row + COLOUR + 2),
        )  # fmt: skip
        diffuse_r, diffuse_g, diffuse_b = (
            fused(flat, r, diffuse_r),
            fused(flat, g, diffuse_g),
            fused(flat, b, diffuse_b),
        )
        rough_r, rough_g, rough_b = fused(rough, r, rough_r), fused(rough, g, rough_g), fused(rough, b, rough_b)
        oily_r, oily_g, oily_b = fused(oily, r, oily_r), fused(oily, g, oily_g), fused(oily, b, oily_b)
    lobe_gain, oily_gain = (
        _gain(material, ROUGH, alpha) * _LOBE_GAIN, _gain(material, OILY, alpha) * _LOBE_GAIN,
    )  # fmt: skip
    store(colours, 0, _mixed(rows, material, 0, diffuse_r, fused(lobe_gain, rough_r, oily_gain * oily_r), alpha))
    store(colours, WIDTH, _mixed(rows, material, 1, diffuse_g, fused(lobe_gain, rough_g, oily_gain * oily_g), alpha))
    shine = fused(lobe_gain, rough_b, oily_gain * oily_b)
    store(colours, 2 * WIDTH, _mixed(rows, material, 2, diffuse_b, shine, alpha))


@inlined
def _mixed(rows, material, channel, diffuse, shine, alpha):
    """A colour channel of a block: gains times features of the light, encoded."""
    colour = fused(_gain(material, BACK + channel, alpha), rows[BEHIND + channel], shine)
    colour = fused(_gain(material, SCATTER + channel, alpha), rows[SCATTERED + channel], colour)
    return _encoded(fused(_gain(material, DIFFUSE + channel, alpha), diffuse, colour), alpha)


@inner
def _list(seen, picture, drawn, least, first_row, last_row, pixels, places, answer):
    """Pixels to shade, and where in the raster they see the skin; all others that are drawn become black."""
    width = seen.beside.shape[1]
    count = 0
    for y in range(first_row, last_row):
        for x in range(width):
            if not drawn[y + MARGIN, x + MARGIN]:
                continue
            at = (y + MARGIN) * picture.shape[1] + x + MARGIN
            alpha = picture[y + MARGIN, x + MARGIN, OPACITY]
            answer[y + MARGIN, x + MARGIN, 0], answer[y + MARGIN, x + MARGIN, 1] = _ZERO, _ZERO
            answer[y + MARGIN, x + MARGIN, 2], answer[y + MARGIN, x + MARGIN, 3] = _ZERO, alpha
            if alpha <= least:
                continue
            place = np.int64(y * width + x)
            if seen.face[place] < 0:
                place = nearest_place(seen.beside, y, x, seen.radius)
            if place >= 0:
                pixels[count], places[count] = at, place
                count += 1
    return count


@compiled
def shade(seen, lit, detail, picture, drawn, least, first_row, last_row, answer):
    """Materials and opacity -> premultiplied sRGB, which goes on above 1, and the same opacity.

    Args:
        seen: Seen, (H, W); lit: Lit; detail: Detail.
        picture: (H + 2 MARGIN or more, W + 2 MARGIN or more, 16) float32 of materials, with margins.
        drawn: bool, of the same size: which of its pixels are meant.
        least: opacity up to which a pixel stays black, for nobody will see it.
        first_row, last_row: rows to work on.
        answer: (the same, the same, 4) float32 written where ``drawn``.
    """
    room = (last_row - first_row) * seen.beside.shape[1]
    pixels, places = np.empty(room, np.int64), np.empty(room, np.int64)
    scratch = _scratch()
    total = _list(seen, picture, drawn, least, first_row, last_row, pixels, places, answer)
    for start in range(0, total, WIDTH):
        count = min(WIDTH, total - start)
        for lane in range(count):
            _gather(seen, lit, places[start + lane], lane, scratch)
            store(scratch.material, lane * WIDTH, load(picture, pixels[start + lane] * WIDTH))
        _shade(seen, lit, detail, count, scratch)
        flat = answer.reshape(-1)
        for lane in range(count):
            at = pixels[start + lane] * 4
            for channel in range(3):
                flat[at + channel] = scratch.colours[channel * WIDTH + lane]
