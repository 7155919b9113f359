"""What an avatar file says about itself: one JSON document in the safetensors header, readable without torch."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import struct
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np

from ..documents import POINTER, Reader, parse_json
from ..errors import AvatarError, LightError
from ..frames import DEFAULT_AVATAR
from ..hand.data import ProxyModel
from ..hand.part import is_part
from ..lights import Light
from ..networks.config import LIT_CHANNELS, FieldConfig, SuperResolutionConfig, check_detail
from ..poses import JOINT_NAMES, Side
from ..records import build
from .identity import Identity, checked_identities

FORMAT_VERSION = 7
"""Written into new files. Version 1 knew no identities' names and shapes, version 2 no ``light`` and no
``sampling``, version 3 no detail texture and no ``reference_light``, version 4 no parts but hands, version 5 kept all
texels of its textures, version 6 knew no relief; their files are read as before."""
DOCUMENT_KEY = "livehand_avatar"
"""Key of the JSON document in the header's ``__metadata__``."""

DEFAULT_AVATAR_PATH = Path(__file__).resolve().parent.parent / "assets" / "default_avatar.safetensors"

HEADER_LIMIT = 1 << 24
"""Longest header that is read, in bytes; a foreign file's first eight bytes may say anything."""

AVATAR = Reader("The avatar", AvatarError, "Copy or download it again.", limit=1 << 30)

POSE_TOLERANCE = np.radians(5.0)


@dataclass(frozen=True)
class Architecture:
    """Sizes of the networks and number of samples a ray.

    Attributes:
        field: of the radiance field.
        super_resolution: of the super-resolution.
        n_samples: depths a ray in the coarse pass; in surface sampling of a straight way through the layer.
        n_importance: depths added by the hierarchical pass, 0 for none.
        sampling: ``"linear"`` from bound to bound, or ``"surface"``: where a layer around the skin is (docs/method.md
            1.4), whose levels the avatar brings along.
        detail_size, detail_channels: of the texture that is looked up at the picture's resolution; 0 for none.
    """

    field: FieldConfig = dataclasses.field(default_factory=FieldConfig)
    super_resolution: SuperResolutionConfig = dataclasses.field(default_factory=SuperResolutionConfig)
    n_samples: int = 16
    n_importance: int = 0
    sampling: Literal["linear", "surface"] = "linear"
    detail_size: int = 0
    detail_channels: int = 0

    def __post_init__(self) -> None:
        check_detail(self.detail_size, self.detail_channels)
        if self.detail_size and self.super_resolution.out_channels != LIT_CHANNELS:
            raise ValueError("a detail texture beside networks that give no material")
        if self.sampling not in ("linear", "surface"):
            raise ValueError(f"sampling {self.sampling!r}")
        if self.sampling == "surface" and (self.field.coordinates != "uvd" or self.n_importance):
            raise ValueError("surface sampling of a field that is not of (u, v, d), or is hierarchical")
        if not (2 <= self.n_samples <= 1024 and 0 <= self.n_importance <= 1024):
            raise ValueError(f"{self.n_samples} + {self.n_importance} samples a ray")
        if self.field.feature_channels != self.super_resolution.in_channels:
            raise ValueError("the field's feature channels are not the super-resolution's input channels")


@dataclass(frozen=True)
class PoseStatistics:
    """Of the joint angles over the training set, radians; each a tuple of three numbers a joint: 45 of a hand."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    min: tuple[float, ...]
    max: tuple[float, ...]

    def __post_init__(self) -> None:
        for name in ("mean", "std", "min", "max"):
            values = tuple(float(value) for value in getattr(self, name))
            if len(values) % 3 or len(values) != len(self.mean) or not np.isfinite(values).all():
                raise ValueError(f"the pose statistics' {name} is not {len(self.mean)} finite numbers")
            object.__setattr__(self, name, values)

    @classmethod
    def of(cls, hand_poses: np.ndarray) -> PoseStatistics:
        """Statistics of (n, 45) or (n, 15, 3) joint angles, or those of a part."""
        rows = np.asarray(hand_poses, dtype=np.float64).reshape(len(hand_poses), -1)
        return cls(*(tuple(values) for values in (rows.mean(0), rows.std(0), rows.min(0), rows.max(0))))

    def out_of_range(self, hand_pose: np.ndarray, names: Sequence[str] = JOINT_NAMES[1:]) -> dict[str, float]:
        """Joint name -> radians by which its largest angle leaves the trained range (5 degrees are forgiven).

        Args:
            hand_pose: three numbers a joint.
            names: of these joints.
        """
        angles = np.asarray(hand_pose, dtype=np.float64).reshape(-1)
        excess = np.maximum(np.array(self.min) - angles, angles - np.array(self.max)).reshape(-1, 3).max(axis=1)
        return {name: float(value) for name, value in zip(names, excess, strict=True) if value > POSE_TOLERANCE}


@dataclass(frozen=True)
class AvatarMetadata:
    """Everything about an avatar but its weights.

    Attributes:
        name: for people.
        architecture: sizes of the networks.
        hand_model: ``ProxyModel.name`` that it was trained on.
        topology: ``topology_hash`` of that hand; empty when it was not known (import without the MANO files).
        side: the hand it was trained on.
        mirrorable: may draw the other side by mirroring.
        conditioning: ``"published"`` (48 pose numbers, world view directions), ``"wrist"`` (45, wrist frame), or
            ``"local"`` (at each place those of the joints that move it, in the root's frame; of parts).
        colour_space: of the images it was trained on; only ``"srgb"``.
        light: what it answers to: ``"as_trained"`` brings its own light along, in the wrist's frame; ``"scene_light"``
            stands in the light of each frame.
        reference_light: of ``"scene_light"``: what it stands in where a frame has no light, in the wrist's frame, as
            ``Light.to_json``; None for the others.
        pixel_offset: where in a pixel its rays start: 0 published, 0.5 new.
        sign: how the sign of d is found.
        depth_margin: metres by which the bounds reach in front of and behind the surface.
        lateral_margin: metres by which they reach past the silhouette; 0 for the published filter by image height.
        last_interval: metres of depth that the last sample of a ray stands for: 1e10 published, which makes it opaque.
        pixels_per_metre: footprint at the hand in its training images, 0 when unknown.
        pose_statistics: of its training set, for the out-of-range warning; None when unknown.
        identities: in the order of the identity codes; one entry, or none, for an avatar of one identity. None as well
            where codes are all that is known of them.
        joints: names of a part's joints, the root's first; none for a hand, whose joints are MANO's.
        provenance: free-form: data set, steps, losses, tool versions.
        licence: SPDX id or a short statement.
        content_hash: SHA-256 over weights and this document; written by ``save_avatar``.
    """

    name: str
    architecture: Architecture
    hand_model: str
    topology: str
    side: Side
    mirrorable: bool = True
    conditioning: Literal["published", "wrist", "local"] = "wrist"
    colour_space: str = "srgb"
    light: Literal["as_trained", "scene_light"] = "as_trained"
    reference_light: dict[str, Any] | None = None
    pixel_offset: float = 0.5
    sign: Literal["face_normal", "pseudo_normal"] = "pseudo_normal"
    depth_margin: float = 0.01
    lateral_margin: float = 0.0025
    last_interval: float = 1e10
    pixels_per_metre: float = 0.0
    pose_statistics: PoseStatistics | None = None
    identities: tuple[Identity, ...] = ()
    joints: tuple[str, ...] = ()
    provenance: dict[str, Any] = dataclasses.field(default_factory=dict)
    licence: str = ""
    content_hash: str = ""
    format_version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        pose_size = {"published": 48, "wrist": 45, "local": 0}.get(self.conditioning)
        if self.architecture.field.pose_size != pose_size:
            raise ValueError(f"conditioning {self.conditioning!r} with {self.architecture.field.pose_size} numbers")
        self._check_joints()
        if self.side not in ("right", "left") or self.colour_space != "srgb":
            raise ValueError(f"side {self.side!r}, colour space {self.colour_space!r}")
        if self.light not in ("as_trained", "scene_light"):
            raise ValueError(f"light {self.light!r}")
        self._check_relightable()
        if self.sign not in ("face_normal", "pseudo_normal"):
            raise ValueError(f"sign {self.sign!r}")
        margins = (self.depth_margin, self.lateral_margin, self.last_interval)
        numbers = (self.pixel_offset, self.pixels_per_metre, *margins)
        if not np.isfinite(numbers).all() or min(numbers) < 0.0 or min(self.depth_margin, self.last_interval) == 0.0:
            raise ValueError("a footprint, margin or interval that is negative or not finite")
        object.__setattr__(self, "identities", tuple(self.identities))
        checked_identities(self.identities, self.architecture.field.latent_size)

    def to_json(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> AvatarMetadata:
        """Inverse of :meth:`to_json`.

        Raises:
            ValueError: the document does not fit; ``read_metadata`` makes an AvatarError of it.
        """
        return build(cls, document)

    def check_hand(self, hand: ProxyModel, of: str = "") -> None:
        """Raises AvatarError when the avatar was not trained on this hand model and topology."""
        label = of or f"The avatar {self.name!r}"
        if hand.name != self.hand_model:
            raise AvatarError(
                f"{label} was trained on the hand model {self.hand_model!r}, not on {hand.name!r}.",
                "Choose an avatar of this hand, or the hand of this avatar.",
            )
        if self.topology and topology_hash(hand) != self.topology:
            raise AvatarError(
                f"{label} was trained on another mesh or texture layout of {self.hand_model!r}.",
                "Use the hand model files it was trained with, or train it again.",
            )

    @property
    def joint_names(self) -> tuple[str, ...]:
        """Of all joints, the root's first."""
        return self.joints or JOINT_NAMES

    @property
    def follows_root(self) -> bool:
        """Whether it is evaluated in the frame of its root joint, the wrist of a hand, so that it may turn anywhere."""
        return self.conditioning != "published"

    def _check_joints(self) -> None:
        """Raises ValueError when joints, model and conditioning do not go together."""
        if is_part(self.hand_model) != bool(self.joints) or (self.conditioning == "local") != bool(self.joints):
            raise ValueError(f"{len(self.joints)} joints of its own with the model {self.hand_model!r}")
        numbers = 3 * (len(self.joint_names) - 1)
        if self.pose_statistics is not None and len(self.pose_statistics.mean) != numbers:
            raise ValueError(f"pose statistics of {len(self.pose_statistics.mean)} numbers, not {numbers}")

    @property
    def relightable(self) -> bool:
        """Whether it stands in the light of each frame."""
        return self.light == "scene_light"

    @property
    def own_light(self) -> Light:
        """What a relightable avatar stands in where a frame has no light, in the wrist's frame."""
        return Light() if self.reference_light is None else Light.from_json(self.reference_light)

    def _check_relightable(self) -> None:
        """Raises ValueError when the networks do not give what the light needs, or the light is none."""
        gives_material = self.architecture.super_resolution.out_channels == LIT_CHANNELS
        if self.relightable != gives_material or (self.reference_light is not None) != self.relightable:
            raise ValueError(
                f"light {self.light!r} with {self.architecture.super_resolution.out_channels} output channels and "
                f"{'no' if self.reference_light is None else 'a'} reference light"
            )
        if self.relightable and self.architecture.field.coordinates != "uvd":
            raise ValueError("a relightable avatar that is not of (u, v, d)")
        try:
            self.own_light  # noqa: B018
        except LightError as error:
            raise ValueError(f"a reference light that cannot be meant: {error.message}") from error


def topology_hash(hand: ProxyModel) -> str:
    """16 hexadecimal digits over faces and texture coordinates: what ties an avatar's (u, v) to a mesh."""
    digest = hashlib.sha256()
    digest.update(np.ascontiguousarray(hand.faces, dtype="<i8").tobytes())
    digest.update(np.ascontiguousarray(np.round(hand.face_uv.astype(np.float64) * 65536.0), dtype="<i8").tobytes())
    return digest.hexdigest()[:16]


def resolve(avatar: str | Path) -> Path:
    """The file of an avatar id or path.

    Raises:
        AvatarError: there is no such file.
    """
    path = DEFAULT_AVATAR_PATH if str(avatar) == DEFAULT_AVATAR else Path(avatar)
    if os.path.isfile(path) or (os.path.lexists(path) and not os.path.isdir(path)):
        return path
    if path is DEFAULT_AVATAR_PATH:
        raise AvatarError(
            "The default avatar is not part of this installation.",
            "Install the full package, or choose an avatar file (.safetensors).",
        )
    raise AvatarError(f"The avatar {str(avatar)!r} does not exist.", "Choose an avatar file (.safetensors).")


def read_metadata(avatar: str | Path) -> AvatarMetadata:
    """What an avatar file says about itself; its weights are not read and not verified. Needs no torch.

    Args:
        avatar: ``"default"`` or a path.

    Raises:
        AvatarError: the file is missing, damaged, no avatar, or of a newer format.
    """
    path = resolve(avatar)
    with AVATAR.open(path) as stream:
        return parse_metadata(parse_document(read_header(stream, path), path), path)


def read_header(stream: BinaryIO, path: Path) -> dict[str, Any]:
    """The safetensors header that a stream begins with; afterwards it stands at the tensors' first byte.

    Args:
        path: for messages.

    Raises:
        AvatarError: this is no safetensors file.
    """
    foreign = AvatarError(f"{path} is not an avatar file.", "Choose a .safetensors file written by LiveHand.")
    truncated = AvatarError(f"The avatar {path} is truncated.", "Copy or download it again.")
    first = stream.read(8)
    if first == POINTER[:8]:
        raise AVATAR.pointer(path)
    if len(first) < 8:
        raise truncated
    (length,) = struct.unpack("<Q", first)
    if not 2 <= length <= HEADER_LIMIT:
        raise foreign
    text = stream.read(length)
    if text[:1] != b"{":
        raise foreign
    if len(text) < length:
        raise truncated
    try:
        header = parse_json(text)
    except ValueError as error:
        raise AVATAR.damaged(path, "its header is not readable") from error
    return dict(header)


def parse_document(header: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """The avatar's JSON document in a safetensors header.

    Raises:
        AvatarError: it is not there, or is no JSON.
    """
    entries = header.get("__metadata__")
    text = entries.get(DOCUMENT_KEY) if isinstance(entries, dict) else None
    if text is None:
        raise AvatarError(
            f"{path} is a safetensors file, but not a LiveHand avatar.",
            "Import official checkpoints with 'livehand import'.",
        )
    try:
        # What is told of its making may hold numbers that are not finite; nothing is computed from it.
        document = parse_json(text if isinstance(text, str) else "", allow_nan=True)
    except ValueError as error:
        raise AVATAR.damaged(path, f"its description is not readable: {error}") from error
    if not isinstance(document, dict):
        raise AVATAR.damaged(path, "its description is not an object")
    return document


def parse_metadata(document: Mapping[str, Any], path: Path) -> AvatarMetadata:
    """What an avatar's JSON document says.

    Raises:
        AvatarError: it is of a newer format, or does not fit.
    """
    version = document.get("format_version")
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise AvatarError(
            f"The avatar {path} has format version {version}; this LiveHand reads up to {FORMAT_VERSION}.",
            "Update LiveHand.",
        )
    try:
        return AvatarMetadata.from_json(document)
    except ValueError as error:
        raise AVATAR.damaged(path, f"its description does not fit: {error}") from error


def content_hash(
    document: Mapping[str, Any], tensors: Mapping[str, tuple[str, tuple[int, ...], bytes | memoryview]]
) -> str:
    """SHA-256 over the JSON document (without its own hash) and every tensor.

    Args:
        document: as stored in the file, so that fields added by later versions do not change the hash of older files.
        tensors: name -> (safetensors dtype, shape, little-endian bytes).
    """
    digest = hashlib.sha256()
    rest = {key: value for key, value in document.items() if key != "content_hash"}
    digest.update(json.dumps(rest, sort_keys=True).encode())
    for name in sorted(tensors):
        dtype, shape, data = tensors[name]
        digest.update(f"\n{name} {dtype} {list(shape)} {len(data)}\n".encode())
        digest.update(data)
    return digest.hexdigest()
