"""Gaussian splats and their usual file: binary PLY with the properties that 3D Gaussian Splatting writes. NumPy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..documents import Reader
from ..errors import LiveHandError
from ..files import atomic_path

BANDS = 16
"""Spherical harmonics of each colour, up to degree 3."""

_PROPERTIES = (
    *("x", "y", "z", "nx", "ny", "nz"),
    *(f"f_dc_{number}" for number in range(3)),
    *(f"f_rest_{number}" for number in range(3 * (BANDS - 1))),
    "opacity",
    *(f"scale_{number}" for number in range(3)),
    *(f"rot_{number}" for number in range(4)),
)


@dataclass(frozen=True)
class Splats:
    """N Gaussians. World axes as the avatar's: metres, z up.

    Attributes:
        places: (N, 3) float32 their middles.
        harmonics: (N, 16, 3) float32: a colour, display-referred sRGB, is one half and the sum of these times
            :func:`basis`.
        opacity: (N,) float32 at the middle, between 0 and 1.
        scales: (N, 3) float32 standard deviations along their own axes, metres.
        turns: (N, 4) float32 unit quaternions, w first, from their own axes to the world's.
    """

    places: np.ndarray
    harmonics: np.ndarray
    opacity: np.ndarray
    scales: np.ndarray
    turns: np.ndarray


def basis(directions: np.ndarray) -> np.ndarray:
    """(..., 16) real spherical harmonics to degree 3, with the signs of 3D Gaussian Splatting.

    Args:
        directions: (..., 3) unit vectors from the camera to the splat.
    """
    x, y, z = np.moveaxis(np.asarray(directions), -1, 0)
    xx, yy, zz = x * x, y * y, z * z
    first = math.sqrt(3.0 / (4.0 * math.pi))
    second = math.sqrt(15.0 / (4.0 * math.pi))
    third = [math.sqrt(value / math.pi) for value in (35.0 / 32.0, 105.0 / 4.0, 21.0 / 32.0, 7.0 / 16.0, 105.0 / 16.0)]
    return np.stack(
        [
            np.full_like(x, math.sqrt(1.0 / (4.0 * math.pi))),
            *(-first * y, first * z, -first * x),
            *(second * x * y, -second * y * z),
            math.sqrt(5.0 / (16.0 * math.pi)) * (2.0 * zz - xx - yy),
            *(-second * x * z, 0.5 * second * (xx - yy)),
            *(-third[0] * y * (3.0 * xx - yy), third[1] * x * y * z, -third[2] * y * (4.0 * zz - xx - yy)),
            third[3] * z * (2.0 * zz - 3.0 * xx - 3.0 * yy),
            *(-third[2] * x * (4.0 * zz - xx - yy), third[4] * z * (xx - yy), -third[0] * x * (xx - 3.0 * yy)),
        ],
        axis=-1,
    )


def write_splats(path: Path, splats: Splats, comment: str = "") -> None:
    """Write the usual file: opacity as a logit, scales as logarithms, colour by colour after the first band.

    Raises:
        LiveHandError: a full disk, a folder that cannot be written.
    """
    opacity = np.clip(splats.opacity.astype(np.float64), 1e-6, 1.0 - 1e-6)
    columns = [
        splats.places,
        np.zeros_like(splats.places),
        splats.harmonics[:, 0],
        splats.harmonics[:, 1:].transpose(0, 2, 1).reshape(len(splats.places), -1),
        np.log(opacity / (1.0 - opacity))[:, None],
        np.log(splats.scales),
        splats.turns,
    ]
    values = np.concatenate(columns, axis=1).astype("<f4")
    lines = ["ply", "format binary_little_endian 1.0", *([f"comment {comment}"] if comment else [])]
    lines += [f"element vertex {len(values)}", *(f"property float {name}" for name in _PROPERTIES), "end_header\n"]
    with atomic_path(path) as temporary:
        temporary.write_bytes("\n".join(lines).encode("ascii", "replace") + values.tobytes())


def read_splats(path: Path) -> Splats:
    """Read what :func:`write_splats` writes, and files of others with the same properties in any order.

    Raises:
        LiveHandError: the file is missing, damaged or of another kind.
    """
    content = Reader("The splats", LiveHandError, "Write them with livehand splats.", limit=1 << 32).read(path)
    head, found, body = content.partition(b"end_header\n")
    lines = head.decode("ascii", "replace").split("\n")
    names = [line.split()[-1] for line in lines if line.startswith("property float ")]
    counts = [int(line.split()[-1]) for line in lines if line.startswith("element vertex ")]
    whole = bool(found) and lines[:2] == ["ply", "format binary_little_endian 1.0"] and len(counts) == 1
    if not whole or not set(_PROPERTIES) - {"nx", "ny", "nz"} <= set(names) or len(body) != 4 * len(names) * counts[0]:
        raise LiveHandError(f"{path} holds no splats in the usual layout.", "Write them with livehand splats.")
    values = np.frombuffer(body, "<f4").reshape(counts[0], len(names))

    def columns(*wanted: str) -> np.ndarray:
        return values[:, [names.index(name) for name in wanted]]

    rest = columns(*(f"f_rest_{number}" for number in range(3 * (BANDS - 1)))).reshape(-1, 3, BANDS - 1)
    turns = columns(*(f"rot_{number}" for number in range(4)))
    return Splats(
        columns("x", "y", "z"),
        np.concatenate([columns(*(f"f_dc_{number}" for number in range(3)))[:, None], rest.transpose(0, 2, 1)], axis=1),
        1.0 / (1.0 + np.exp(-columns("opacity")[:, 0])),
        np.exp(columns("scale_0", "scale_1", "scale_2")),
        turns / np.linalg.norm(turns, axis=1, keepdims=True),
    )
