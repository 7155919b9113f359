"""The avatar in memory and on disk: networks' weights and metadata, one safetensors file, verified by its hash."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from ..errors import AvatarError
from ..files import atomic_path
from ..hand.data import ProxyModel
from ..hand.library import remember_part
from ..hand.local import LocalPose
from ..hand.part import part_arrays
from ..lights import Light
from ..networks import RadianceField, SuperResolution
from ..networks.config import LIT_CHANNELS, FieldConfig, texture_shapes
from ..networks.detail import DetailTexture
from .arrays import DTYPES, AvatarArrays, check_shapes, read_arrays
from .identity import Identity
from .metadata import DOCUMENT_KEY, FORMAT_VERSION, Architecture, AvatarMetadata, content_hash, topology_hash
from .texels import KEPT, RANGE, packed, to_bytes

State = dict[str, torch.Tensor]

NEW_LEVELS = (0.0015, 0.0035)
"""Metres: where the layer of an untrained avatar begins over the skin, and how thick it is."""

LOCAL_NORMALS = 2
"""Frequencies of the normal's encoding beside a local pose, where a field asks for none."""

_KINDS = {"f4": "F32", "f2": "F16", "u1": "U8"}


@dataclass(frozen=True)
class Avatar:
    """A trained (or new) hand avatar.

    Attributes:
        metadata: sizes, conditioning, provenance.
        field_state: state dict of the RadianceField, float32.
        super_resolution_state: state dict of the SuperResolution, float32.
        latent: (identities, latent_size) identity codes; None when the field takes none.
        fine_state: state dict of the second field of the hierarchical pass; None without one.
        identity_textures: (identities, S, S, C) each, what an identity adds to the field's texture of the same number;
            none where the field takes no code or has no textures.
        levels: (V, 2) of surface sampling, see ``AvatarArrays.levels``; None in linear sampling.
        detail_state: state dict of the DetailTexture; None without one.
        identity_detail: (identities, S, S, C), added to that texture; None without one, or without codes.
        proxy: of a part its model, by ``hand.part.part_arrays``; None of a hand.
        proxy_offsets: (V,) metres, see ``AvatarArrays.refined``; None where the hand is the model's.
    """

    metadata: AvatarMetadata
    field_state: State
    super_resolution_state: State
    latent: torch.Tensor | None = None
    fine_state: State | None = None
    identity_textures: tuple[torch.Tensor, ...] = ()
    levels: torch.Tensor | None = None
    detail_state: State | None = None
    identity_detail: torch.Tensor | None = None
    proxy: State | None = None
    proxy_offsets: torch.Tensor | None = None

    def networks(
        self, device: torch.device | str = "cpu"
    ) -> tuple[RadianceField, RadianceField | None, SuperResolution]:
        """Field, fine field (or None) and super-resolution with these weights, in evaluation mode, no gradients."""
        architecture = self.metadata.architecture
        field = RadianceField(architecture.field)
        field.load_state_dict(self.field_state)
        fine = None
        if self.fine_state is not None:
            fine = RadianceField(architecture.field)
            fine.load_state_dict(self.fine_state)
        super_resolution = SuperResolution(architecture.super_resolution)
        super_resolution.load_state_dict(self.super_resolution_state)
        for module in (field, fine, super_resolution):
            if module is not None:
                module.to(device).eval().requires_grad_(False)
        return field, fine, super_resolution

    def detail(self, device: torch.device | str = "cpu") -> DetailTexture | None:
        """The texture that is looked up at the picture's resolution, with these weights; None without one."""
        if self.detail_state is None:
            return None
        detail = DetailTexture(self.metadata.architecture.detail_size, self.metadata.architecture.detail_channels)
        detail.load_state_dict(self.detail_state)
        return detail.to(device).eval().requires_grad_(False)

    def tensors(self) -> State:
        """Flat names as in the file: ``field.*``, ``fine.*``, ``super_resolution.*``, ``latent``,
        ``identity_textures.*``, ``levels``, ``detail.*``, ``identity_detail``, ``proxy.*``, ``proxy_offsets``."""
        flat = {f"field.{name}": value for name, value in self.field_state.items()}
        flat |= {f"fine.{name}": value for name, value in (self.fine_state or {}).items()}
        flat |= {f"super_resolution.{name}": value for name, value in self.super_resolution_state.items()}
        if self.latent is not None:
            flat["latent"] = self.latent
        if self.levels is not None:
            flat["levels"] = self.levels
        flat |= {f"detail.{name}": value for name, value in (self.detail_state or {}).items()}
        if self.identity_detail is not None:
            flat["identity_detail"] = self.identity_detail
        flat |= {f"proxy.{name}": value for name, value in (self.proxy or {}).items()}
        if self.proxy_offsets is not None:
            flat["proxy_offsets"] = self.proxy_offsets
        return flat | {f"identity_textures.{index}": value for index, value in enumerate(self.identity_textures)}

    @classmethod
    def of(cls, arrays: AvatarArrays) -> Avatar:
        """With the arrays as tensors on the CPU."""

        def part(prefix: str) -> State:
            return {name: torch.from_numpy(value) for name, value in arrays.part(prefix).items()}

        residuals = part("identity_textures.")
        textures = tuple(residuals[str(index)] for index in range(len(residuals)))

        def one(name: str) -> torch.Tensor | None:
            return torch.from_numpy(arrays.values[name]) if name in arrays.values else None

        return cls(
            arrays.metadata,
            part("field."),
            part("super_resolution."),
            one("latent"),
            part("fine.") or None,
            textures,
            one("levels"),
            part("detail.") or None,
            one("identity_detail"),
            part("proxy.") or None,
            one("proxy_offsets"),
        )

    def arrays(self) -> AvatarArrays:
        """The same as float32 arrays; shares memory with tensors on the CPU."""
        values = {name: value.detach().float().cpu().numpy() for name, value in self.tensors().items()}
        return AvatarArrays(self.metadata, values)


def new_avatar(
    hand: ProxyModel,
    architecture: Architecture | None = None,
    seed: int = 0,
    *,
    name: str = "untrained",
    pixels_per_metre: float = 0.0,
    identities: Sequence[Identity] = (),
    licence: str = "",
) -> Avatar:
    """An untrained avatar of today's form: wrist conditioning, half-pixel centres, pseudo-normal sign.

    Args:
        hand: the model it will be trained on; its side becomes the avatar's.
        architecture: sizes; default ones when None.
        seed: of the initial weights; the global random state is left alone.
        pixels_per_metre: footprint of the training images at the hand, 0 when unknown.
        identities: named ones, each with a latent code when the field takes one; without them one that has no name.
    """
    architecture = architecture or Architecture()
    if not hand.is_hand:
        architecture = replace(architecture, field=local_field(architecture.field, hand))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        field, super_resolution = RadianceField(architecture.field), SuperResolution(architecture.super_resolution)
        fine = RadianceField(architecture.field) if architecture.n_importance else None
        size, count = architecture.field.latent_size, max(len(identities), 1)
        latent = 0.01 * torch.randn(count, size) if size else None
        shapes = texture_shapes(architecture.field).values() if size else ()
        textures = tuple(torch.zeros(count, *shape) for shape in shapes)
    levels = None
    if architecture.sampling == "surface":
        levels = torch.tensor(NEW_LEVELS).expand(len(hand.v_template), 2).clone()
    relightable, detail, identity_detail = architecture.super_resolution.out_channels == LIT_CHANNELS, None, None
    if architecture.detail_size:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed + 1)
            detail = DetailTexture(architecture.detail_size, architecture.detail_channels).state_dict()
        identity_detail = detail["texture"].new_zeros(count, *detail["texture"].shape) if size else None
    metadata = AvatarMetadata(
        name=name,
        architecture=architecture,
        light="scene_light" if relightable else "as_trained",
        reference_light=Light.uniform((1.0, 1.0, 1.0)).to_json() if relightable else None,
        hand_model=hand.name,
        topology=topology_hash(hand),
        side=hand.side,
        conditioning="wrist" if hand.is_hand else "local",
        joints=() if hand.is_hand else hand.joint_names,
        pixels_per_metre=pixels_per_metre,
        identities=tuple(identities),
        licence=licence,
    )
    fine_state = None if fine is None else fine.state_dict()
    states = field.state_dict(), super_resolution.state_dict()
    brought = proxy_state(hand)
    return Avatar(metadata, *states, latent, fine_state, textures, levels, detail, identity_detail, brought)


def local_field(field: FieldConfig, model: ProxyModel) -> FieldConfig:
    """A field's sizes with the pose told at each place, in the slots that a part needs."""
    return replace(
        field,
        pose_size=0,
        local_joints=LocalPose(model).slots,
        normal_frequencies=field.normal_frequencies or LOCAL_NORMALS,
    )


def proxy_state(model: ProxyModel) -> State | None:
    """What an avatar brings along of its model: a part's arrays, as numbers that its file holds; nothing of a hand."""
    if model.is_hand:
        return None
    remember_part(model)
    return {name: torch.tensor(np.asarray(values, np.float32)) for name, values in part_arrays(model).items()}


def save_avatar(path: str | Path, avatar: Avatar, *, half: bool = False) -> AvatarMetadata:
    """Write an avatar, to a temporary name first.

    Args:
        path: ends in ``.safetensors``.
        avatar: its weights may be on any device.
        half: store float16 (half the size; about three digits). Textures are stored in 8 bits in any case, each
            channel over its own range, what lies between their charts once: their texels are what most of a file is
            made of.

    Returns:
        The metadata as written, with its content hash.

    Raises:
        AvatarError: weights that are not finite or do not fit the architecture.
        LiveHandError: the disk is full or the folder cannot be written.
    """
    shapes = {name: tuple(value.shape) for name, value in avatar.tensors().items()}
    check_shapes(avatar.metadata, shapes, f"The avatar {avatar.metadata.name!r}")
    blobs: dict[str, tuple[str, tuple[int, ...], bytes]] = {}
    for name, value in sorted(avatar.tensors().items()):
        as_half = half and not name.startswith("proxy.")
        stored = value.detach().to("cpu", torch.float16 if as_half else torch.float32).contiguous().numpy()
        if not np.isfinite(stored).all():
            raise AvatarError(f"The weights {name} are not finite.", "Train with a lower learning rate.")
        if "textures." in name or name in ("detail.texture", "identity_detail"):
            stored, ends = to_bytes(value.detach().float().cpu().numpy())
            blobs[name + RANGE] = _blob(ends)
            apart = packed(stored)
            if apart is not None:
                stored, blobs[name + KEPT] = apart[0], _blob(apart[1])
        blobs[name] = _blob(stored)
    version = max(avatar.metadata.format_version, FORMAT_VERSION)
    metadata = replace(avatar.metadata, content_hash="", format_version=version)
    metadata = replace(metadata, content_hash=content_hash(json.loads(json.dumps(metadata.to_json())), blobs))
    header: dict[str, object] = {"__metadata__": {DOCUMENT_KEY: json.dumps(metadata.to_json(), sort_keys=True)}}
    position = 0
    for name, (kind, shape, data) in blobs.items():
        header[name] = {"dtype": kind, "shape": list(shape), "data_offsets": [position, position + len(data)]}
        position += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        for _, _, data in blobs.values():
            stream.write(data)
    return metadata


def _blob(values: np.ndarray) -> tuple[str, tuple[int, ...], bytes]:
    kind = _KINDS[values.dtype.str[1:]]
    return kind, values.shape, values.astype(DTYPES[kind], copy=False).tobytes()


def load_avatar(avatar: str | Path) -> Avatar:
    """Read and verify an avatar; weights come back as float32 on the CPU.

    Args:
        avatar: ``"default"`` or a path.

    Raises:
        AvatarError: missing, truncated, altered since it was written, foreign, or not fitting its description.
    """
    return Avatar.of(read_arrays(avatar))
