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
from ...hand.data import ProxyModel
from ...kernels.kept import sources_digest
from ...kernels.networks.field import EmptySpace
from ...kernels.target import instructions
from ...networks.config import FieldConfig
from .quantisation.field import FieldArithmetic
from .quantisation.super_resolution import SuperResolutionArithmetic

KEPT = 64
"""Files that are kept, those that were used last."""
FINDINGS = Reader("The findings", limit=16 * MEBIBYTE)


@dataclass(frozen=True)
class Findings:
    """Of one avatar, on processors of one kind.

    Attributes:
        field, super_resolution: how activations are stored.
        empty: see ``empty_space.empty_space``.
    """

    field: FieldArithmetic
    super_resolution: SuperResolutionArithmetic
    empty: EmptySpace


def findings_key(avatar: AvatarArrays, hand: ProxyModel, integer: bool) -> str:
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
    path = _path(key)
    try:
        kept = FINDINGS.arrays(path)
        field = FieldArithmetic.of_arrays(kept, config, integer)
        upsample = SuperResolutionArithmetic.of_arrays(kept)
        empty = EmptySpace(kept["beyond"], np.float32(kept["known"].item()))
    except (LiveHandError, *ARCHIVE_ERRORS):
        return None
    beyond = empty.beyond
    fits = beyond.ndim == 2 and beyond.shape[0] == beyond.shape[1] > 0 and beyond.dtype == np.float32
    if field is None or upsample is None or not fits or np.isnan(beyond).any() or np.isnan(empty.known):
        return None
    with suppress(OSError):
        # The time of its last use, by which the oldest go.
        os.utime(path)
    return Findings(field, upsample, empty)


def save_findings(key: str, findings: Findings) -> None:
    """Keep for the next start; of too many those are forgotten that were not used for longest."""
    path = _path(key)
    arrays = findings.field.arrays() | findings.super_resolution.arrays()
    arrays |= {"beyond": findings.empty.beyond, "known": np.array(findings.empty.known)}
    with suppress(LiveHandError, OSError):
        write_arrays(path, arrays, compressed=False)
        known = sorted(path.parent.glob("*.npz"), key=lambda file: file.stat().st_mtime, reverse=True)
        for old in known[KEPT:]:
            old.unlink()


def _path(key: str) -> Path:
    return cache_folder() / "avatars" / f"{key}.npz"
