"""An avatar file's weights as numpy arrays, verified: what renderers without torch read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import AvatarError
from ..networks.config import field_shapes, super_resolution_shapes, texture_shapes
from .metadata import AvatarMetadata, content_hash, parse_document, parse_metadata, read_header, resolve

DTYPES = {"F32": "<f4", "F16": "<f2"}
"""Kinds of numbers in avatar files, and numpy's names for them."""


@dataclass(frozen=True)
class AvatarArrays:
    """A trained hand avatar.

    Attributes:
        metadata: sizes, conditioning, provenance.
        values: float32 arrays by the file's names: ``field.*``, ``fine.*``, ``super_resolution.*``, ``latent``,
            ``identity_textures.*``.
    """

    metadata: AvatarMetadata
    values: Mapping[str, np.ndarray]

    def part(self, prefix: str) -> dict[str, np.ndarray]:
        """The arrays whose names begin with ``prefix``, without it."""
        return {name.removeprefix(prefix): value for name, value in self.values.items() if name.startswith(prefix)}

    @property
    def latent(self) -> np.ndarray | None:
        """(identities, latent_size) identity codes; None when the field takes none."""
        return self.values.get("latent")

    @property
    def identity_textures(self) -> list[np.ndarray]:
        """(identities, S, S, C) each, what an identity adds to the field's texture of the same number; often none."""
        count = len(self.metadata.architecture.field.texture_sizes) if self.latent is not None else 0
        return [self.values[f"identity_textures.{index}"] for index in range(count)]


def read_arrays(avatar: str | Path) -> AvatarArrays:
    """Read and verify an avatar.

    Args:
        avatar: ``"default"`` or a path.

    Raises:
        AvatarError: missing, truncated, altered since it was written, foreign, or not fitting its description.
    """
    path = resolve(avatar)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise AvatarError(f"The avatar {path} cannot be read ({error}).", "Check the file's permissions.") from error
    header = read_header(content[:8], lambda length: content[8 : 8 + length], path)
    metadata = parse_metadata(header, path)
    start = 8 + int.from_bytes(content[:8], "little")
    blobs = _blobs(header, memoryview(content)[start:], path)
    if content_hash(parse_document(header, path), blobs) != metadata.content_hash:
        raise AvatarError(
            f"The avatar {path} is damaged: its content does not match its hash.", "Copy or download it again."
        )
    check_shapes(metadata, {name: shape for name, (_, shape, _) in blobs.items()}, f"The avatar {path}")
    values = {
        name: np.frombuffer(data, dtype=DTYPES[kind]).reshape(shape).astype(np.float32)
        for name, (kind, shape, data) in blobs.items()
    }
    return AvatarArrays(metadata, values)


def check_shapes(metadata: AvatarMetadata, shapes: Mapping[str, tuple[int, ...]], label: str) -> None:
    """Raises AvatarError when names or shapes are not those of the networks that the metadata describe."""
    architecture = metadata.architecture
    field = field_shapes(architecture.field)
    expected = {f"field.{name}": shape for name, shape in field.items()}
    enlarge = super_resolution_shapes(architecture.super_resolution)
    expected |= {f"super_resolution.{name}": shape for name, shape in enlarge.items()}
    if architecture.n_importance:
        expected |= {f"fine.{name}": shape for name, shape in field.items()}
    if architecture.field.latent_size:
        count = len(metadata.identities) or (shapes["latent"][0] if shapes.get("latent") else 1)
        expected["latent"] = (count, architecture.field.latent_size)
        textures = texture_shapes(architecture.field)
        expected |= {f"identity_{name}": (count, *shape) for name, shape in textures.items()}
    for name in sorted(expected.keys() | shapes.keys()):
        if expected.get(name) != shapes.get(name):
            raise AvatarError(
                f"{label} does not fit its description: {name} is {shapes.get(name, 'missing')}, "
                f"expected {expected.get(name, 'nothing')}.",
                "Export it again from its training run.",
            )


def _blobs(header: Mapping[str, object], data: memoryview, path: Path) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    """Name -> (dtype, shape, bytes) of every tensor, after checking that the file holds them."""
    damaged = AvatarError(f"The avatar {path} is damaged: its header is not readable.", "Copy or download it again.")
    blobs = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        try:
            kind = str(entry["dtype"])  # type: ignore[index]
            shape = tuple(int(size) for size in entry["shape"])  # type: ignore[index]
            begin, end = (int(offset) for offset in entry["data_offsets"])  # type: ignore[index]
        except (KeyError, TypeError, ValueError) as error:
            raise damaged from error
        if kind not in DTYPES or min(shape, default=0) < 0 or begin < 0:
            raise damaged
        if end - begin != math.prod(shape) * np.dtype(DTYPES[kind]).itemsize:
            raise damaged
        if end > len(data):
            raise AvatarError(f"The avatar {path} is truncated.", "Copy or download it again.")
        blobs[name] = (kind, shape, bytes(data[begin:end]))
    return blobs
