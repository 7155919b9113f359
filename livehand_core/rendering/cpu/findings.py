"""What a renderer finds out about an avatar before its first frame, kept on disk for the next start.

A file is known by a digest of all that its content follows from. One that is missing, damaged or does not fit is found
out anew, and nobody is told; neither when none can be written.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from ...avatars.arrays import AvatarArrays
from ...cache import cache_folder
from ...documents import MEBIBYTE, Reader
from ...errors import LiveHandError
from ...files import ARCHIVE_ERRORS, write_arrays
from ...hand import gestures
from ...hand.data import HandData
from ...kernels.kept import sources_digest
from ...kernels.target import instructions
from ...networks.config import FieldConfig
from .empty_space import EmptySpace

KEPT = 64
"""Files that are kept, those that were used last."""
FINDINGS = Reader("The findings", limit=16 * MEBIBYTE)


@dataclass(frozen=True)
class Findings:
    """Of one avatar, on processors of one kind.

    Attributes:
        steps, orders: of the field's activations, see ``field_weights.PreparedField``.
        empty: see ``empty_space.empty_space``.
        ranges: (4, 3) of ``super_resolution.activation_ranges``; (0, 3) in float32.
    """

    steps: list[np.ndarray]
    orders: np.ndarray
    empty: EmptySpace
    ranges: np.ndarray


def findings_key(avatar: AvatarArrays, hand: HandData, integer: bool) -> str:
    """Digest of the avatar, its hand, the arithmetic, and the sources that find things out."""
    digest = hashlib.sha256()
    sources = (sources_digest(), sources_digest(Path(__file__).parent), Path(gestures.__file__).read_text("utf-8"))
    digest.update(
        json.dumps([avatar.metadata.to_json(), integer, instructions(), *sources], sort_keys=True, default=str).encode()
    )
    arrays = [(name, avatar.values[name]) for name in sorted(avatar.values)]
    arrays += [(field.name, np.asarray(getattr(hand, field.name))) for field in fields(hand)]
    for name, values in arrays:
        digest.update(f"{name} {values.dtype} {values.shape}".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()


def load_findings(key: str, config: FieldConfig, integer: bool) -> Findings | None:
    """What was found out before; None when nothing that fits is there.

    Args:
        key: of :func:`findings_key`.
        config: of the avatar's field.
        integer: whether activations are integers.
    """
    count = config.depth + 2
    path = _path(key)
    try:
        file = FINDINGS.arrays(path)
        steps = [file[f"steps{index}"] for index in range(count)]
        empty = EmptySpace(file["shell"], np.float32(file["looked"].item()))
        found = Findings(steps, file["orders"], empty, file["ranges"])
    except (LiveHandError, *ARCHIVE_ERRORS):
        return None
    sizes = [1, *[config.width] * config.depth, config.view_width] if integer else [1] * count
    fits = [steps.shape for steps in found.steps] == [(size,) for size in sizes]
    fits = fits and all(np.isfinite(steps).all() and steps.min() > 0.0 for steps in found.steps)
    units = np.tile(np.arange(config.width), (config.depth if integer else 0, 1))
    fits = fits and found.orders.dtype.kind == "i" and np.array_equal(np.sort(found.orders, axis=-1), units)
    shell, looked = found.empty
    fits = fits and shell.ndim == 2 and shell.shape[0] == shell.shape[1] > 0 and shell.dtype == np.float32
    fits = (
        fits and not np.isnan(shell).any() and not np.isnan(looked) and found.ranges.shape == (4 if integer else 0, 3)
    )
    if not (fits and bool(np.isfinite(found.ranges).all())):
        return None
    with suppress(OSError):
        # The time of its last use, by which the oldest go.
        os.utime(path)
    return found


def save_findings(key: str, findings: Findings) -> None:
    """Keep for the next start; of too many those are forgotten that were not used for longest."""
    path = _path(key)
    arrays: dict[str, np.ndarray] = {f"steps{index}": steps for index, steps in enumerate(findings.steps)}
    shell, looked = findings.empty
    arrays |= {"orders": findings.orders, "shell": shell, "looked": np.array(looked), "ranges": findings.ranges}
    with suppress(LiveHandError, OSError):
        write_arrays(path, arrays, compressed=False)
        known = sorted(path.parent.glob("*.npz"), key=lambda file: file.stat().st_mtime, reverse=True)
        for old in known[KEPT:]:
            old.unlink()


def _path(key: str) -> Path:
    return cache_folder() / "avatars" / f"{key}.npz"
