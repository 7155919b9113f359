"""An avatar file's weights as numpy arrays, verified: what renderers without torch read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np

from ..errors import AvatarError, HandModelError
from ..hand.data import ProxyModel
from ..hand.library import bring_part
from ..hand.part import ARRAYS as PART_ARRAYS
from ..hand.part import CORRECTIVES
from ..networks.config import detail_shapes, field_shapes, super_resolution_shapes, texture_shapes
from ..records import build
from .metadata import AVATAR, AvatarMetadata, content_hash, parse_document, parse_metadata, read_header, resolve
from .texels import KEPT, RANGE, from_bytes, unpacked, unpacked_shape

DTYPES = {"F32": "<f4", "F16": "<f2", "U8": "u1"}
"""Kinds of numbers in avatar files, and numpy's names for them."""

Model = TypeVar("Model", bound=ProxyModel)

MOST_AXES = 4

RELIEF = "detail.relief"
"""A tensor that avatars of format 6 or earlier lack; their skin lies on the proxy."""

_Blob = tuple[str, tuple[int, ...], memoryview]


@dataclass(frozen=True)
class AvatarArrays:
    """A trained hand avatar.

    Attributes:
        metadata: sizes, conditioning, provenance.
        values: float32 arrays by the file's names: ``field.*``, ``fine.*``, ``super_resolution.*``, ``latent``,
            ``identity_textures.*``, ``levels``, ``detail.*``, ``identity_detail``, ``proxy_offsets``; of a part
            ``proxy.*``, its model.
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

    def levels(self, hand: ProxyModel) -> np.ndarray | None:
        """(V, 2) metres, of surface sampling: the distance from each vertex of the hand at which the layer around the
        skin begins, and how thick it is; None in linear sampling.

        Raises:
            AvatarError: they are of another hand.
        """
        return self._of_vertices("levels", "layer", hand)

    def refined(self, hand: Model) -> Model:
        """The hand that the avatar is drawn on: the model's, moved by the ``proxy_offsets`` that training found.

        Raises:
            AvatarError: they are of another hand.
        """
        offsets = self._of_vertices("proxy_offsets", "surface", hand)
        return hand if offsets is None else hand.with_offsets(offsets)

    def _of_vertices(self, name: str, what: str, hand: ProxyModel) -> np.ndarray | None:
        values = self.values.get(name)
        if values is not None and len(values) != len(hand.v_template):
            raise AvatarError(
                f"The {what} of the avatar {self.metadata.name!r} is of {len(values)} vertices, not of the "
                f"{len(hand.v_template)} that its hand has.",
                "Use the hand model it was trained with, or train it again.",
            )
        return values


def read_arrays(avatar: str | Path) -> AvatarArrays:
    """Read and verify an avatar.

    Args:
        avatar: ``"default"`` or a path.

    Raises:
        AvatarError: missing, truncated, altered since it was written, foreign, or not fitting its description.
    """
    path = resolve(avatar)
    with AVATAR.open(path) as stream:
        header = read_header(stream, path)
        document = parse_document(header, path)
        metadata = parse_metadata(document, path)
        tensors = _tensors(header, path)
        # Before anything is read, so that it takes no more memory than its description announces.
        check_shapes(metadata, _shapes(tensors, path), f"The avatar {path}")
        data = memoryview(stream.read(max((tensor.data_offsets[1] for tensor in tensors.values()), default=0)))
    blobs = {name: tensor.of(data, path) for name, tensor in tensors.items()}
    if content_hash(document, blobs) != metadata.content_hash:
        raise AVATAR.damaged(path, "its content does not match its hash")
    values = {}
    for name, (kind, shape, content) in blobs.items():
        if name.endswith((RANGE, KEPT)):
            continue
        value = np.frombuffer(content, dtype=DTYPES[kind]).reshape(shape)
        if kind == "U8":
            value = _texture(name, value, blobs, path)
        value = value.astype(np.float32)
        if not np.isfinite(value).all():
            raise AVATAR.damaged(path, f"its weights {name} are not finite")
        values[name] = value
    if "detail.texture" in values:
        side = detail_shapes(metadata.architecture.detail_size, 1)["relief"]
        values.setdefault(RELIEF, np.zeros(side, np.float32))
    if "levels" in values and not (values["levels"][:, 1] > 0.0).all():
        raise AVATAR.damaged(path, "its layer has no thickness")
    arrays = AvatarArrays(metadata, values)
    if metadata.joints:
        try:
            bring_part(metadata.hand_model, arrays.part("proxy."), metadata.joints, metadata.licence)
        except HandModelError as error:
            raise AVATAR.damaged(path, error.message.rstrip(".")) from error
    return arrays


def read_offsets(avatar: str | Path) -> np.ndarray | None:
    """(V,) float32 metres by which an avatar's proxy leaves its hand model, see ``AvatarArrays.refined``; None where it
    does not. Nothing else of the file is read, and its hash not checked.

    Raises:
        AvatarError: the file is missing, damaged or no avatar.
    """
    path = resolve(avatar)
    with AVATAR.open(path) as stream:
        header = read_header(stream, path)
        parse_document(header, path)
        tensor = _tensors(header, path).get("proxy_offsets")
        if tensor is None:
            return None
        begin, end = tensor.data_offsets
        stream.seek(begin, 1)
        content = stream.read(end - begin)
    if len(content) < end - begin:
        raise AvatarError(f"The avatar {path} is truncated.", "Copy or download it again.")
    offsets = np.frombuffer(content, dtype=DTYPES[tensor.dtype]).astype(np.float32)
    if not np.isfinite(offsets).all():
        raise AVATAR.damaged(path, "its weights proxy_offsets are not finite")
    return offsets


def check_shapes(metadata: AvatarMetadata, shapes: Mapping[str, tuple[int, ...]], label: str) -> None:
    """Raises AvatarError when names or shapes are not those of the networks that the metadata describe."""
    architecture = metadata.architecture
    field = field_shapes(architecture.field)
    expected = {f"field.{name}": shape for name, shape in field.items()}
    super_resolution = super_resolution_shapes(architecture.super_resolution)
    expected |= {f"super_resolution.{name}": shape for name, shape in super_resolution.items()}
    if architecture.n_importance:
        expected |= {f"fine.{name}": shape for name, shape in field.items()}
    if architecture.field.latent_size:
        count = len(metadata.identities) or (shapes["latent"][0] if shapes.get("latent") else 1)
        expected["latent"] = (count, architecture.field.latent_size)
        textures = texture_shapes(architecture.field)
        expected |= {f"identity_{name}": (count, *shape) for name, shape in textures.items()}
    detail = detail_shapes(architecture.detail_size, architecture.detail_channels)
    expected |= {f"detail.{name}": shape for name, shape in detail.items()}
    if RELIEF not in shapes:
        expected.pop(RELIEF, None)
    if architecture.field.latent_size and detail:
        side = shapes["identity_detail"][1] if len(shapes.get("identity_detail", ())) == MOST_AXES else 0
        if side < 1 or architecture.detail_size % side:
            side = architecture.detail_size
        expected["identity_detail"] = (expected["latent"][0], side, side, architecture.detail_channels)
    if architecture.sampling == "surface":
        expected["levels"] = (shapes["levels"][0] if shapes.get("levels") else 1, 2)
    if metadata.joints:
        # Whether they go together is found where the model is made of them.
        expected |= {(name := f"proxy.{key}"): shapes.get(name, (0,)) for key in PART_ARRAYS}
        if (name := f"proxy.{CORRECTIVES}") in shapes:
            expected[name] = shapes[name]
    if shapes.get("proxy_offsets"):
        expected["proxy_offsets"] = (shapes["proxy_offsets"][0],)
    for name in sorted(expected.keys() | shapes.keys()):
        if expected.get(name) != shapes.get(name):
            raise AvatarError(
                f"{label} does not fit its description: {name} is {shapes.get(name, 'missing')}, "
                f"expected {expected.get(name, 'nothing')}.",
                "Export it again from its training run.",
            )


def _shapes(tensors: Mapping[str, _Tensor], path: Path) -> dict[str, tuple[int, ...]]:
    """Name -> shape of each tensor that networks have. Raises AvatarError when one of 8 bits is without its range, or
    where its texels lie is not told as it should be."""
    textures = [name for name, tensor in tensors.items() if tensor.dtype == "U8" and not name.endswith(KEPT)]
    beside = {name + end for name in textures for end in (RANGE, KEPT)}
    answer = {name: tensor.shape for name, tensor in tensors.items() if name not in beside}
    for name in textures:
        tensor = tensors[name]
        ends, kept = tensors.get(name + RANGE), tensors.get(name + KEPT)
        if ends is None or ends.shape != (2, *tensor.shape[-1:]) or ends.dtype == "U8":
            raise AVATAR.damaged(path, f"{name + RANGE} does not tell the range of {name}")
        if kept is not None:
            if kept.dtype != "U8" or len(tensor.shape) != 2 or not 2 <= len(kept.shape) < MOST_AXES:
                raise AVATAR.damaged(path, f"{name + KEPT} does not tell where the texels of {name} are")
            answer[name] = unpacked_shape(tensor.shape, kept.shape)
    return answer


def _texture(name: str, codes: np.ndarray, blobs: Mapping[str, _Blob], path: Path) -> np.ndarray:
    """The values of texels of 8 bits. Raises AvatarError when what lies beside them does not fit."""
    kind, shape, content = blobs[name + RANGE]
    if name + KEPT in blobs:
        _, kept_shape, kept = blobs[name + KEPT]
        try:
            codes = unpacked(codes, np.frombuffer(kept, np.uint8).reshape(kept_shape))
        except ValueError as error:
            raise AVATAR.damaged(path, f"{name} has {error}") from error
    return from_bytes(codes, np.frombuffer(content, DTYPES[kind]).reshape(shape).astype(np.float32))


@dataclass(frozen=True)
class _Tensor:
    """A tensor as a safetensors header tells of it."""

    dtype: Literal["F32", "F16", "U8"]
    shape: tuple[int, ...]
    data_offsets: tuple[int, int]

    def __post_init__(self) -> None:
        begin, end = self.data_offsets
        if len(self.shape) > MOST_AXES or min((begin, *self.shape)) < 0:
            raise ValueError(f"a tensor of shape {self.shape[: MOST_AXES + 1]} at {begin}")
        if end - begin != math.prod(self.shape) * np.dtype(DTYPES[self.dtype]).itemsize:
            raise ValueError(f"a tensor of shape {self.shape} in {end - begin} bytes")

    def of(self, data: memoryview, path: Path) -> tuple[str, tuple[int, ...], memoryview]:
        """(dtype, shape, bytes) out of the file's data. Raises AvatarError when the file ends before."""
        begin, end = self.data_offsets
        if end > len(data):
            raise AvatarError(f"The avatar {path} is truncated.", "Copy or download it again.")
        return self.dtype, self.shape, data[begin:end]


def _tensors(header: Mapping[str, object], path: Path) -> dict[str, _Tensor]:
    """Name -> what the header tells of each tensor."""
    try:
        return {name: build(_Tensor, entry, name) for name, entry in header.items() if name != "__metadata__"}
    except ValueError as error:
        raise AVATAR.damaged(path, f"its header does not fit: {error}") from error
