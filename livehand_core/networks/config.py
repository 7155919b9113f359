"""Sizes of the networks, without torch: avatar files are described and validated by them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

SKIP_AFTER_LAYER = 4
"""With more layers than this the input is concatenated in front of the activations after this layer index."""

MATERIAL_CHANNELS = 13
"""What a relightable avatar's networks give of a pixel, docs/method.md 1.12: gains of diffuse (3), scattered (3) and
back light (3) and of two reflection lobes, and an offset of the normal (2)."""

LIT_CHANNELS = MATERIAL_CHANNELS + 1
"""Output channels of a relightable avatar's super-resolution: the material, and opacity last."""

RELIEF_TEXELS = 4
"""Texels of a detail texture, a side, to one of its relief."""

LARGEST_TEXTURE = 4096
MOST_LOCAL = 16
MOST_LAYERS, MOST_CHANNELS, MOST_FREQUENCIES = 32, 2048, 24
"""Far beyond what anyone trains; a file that announces more would only fill the memory."""


def encoded_size(channels: int, frequencies: int) -> int:
    """Number of channels of the positional encoding of ``channels`` coordinates."""
    return channels * (1 + 2 * frequencies)


@dataclass(frozen=True)
class FieldConfig:
    """Sizes of a ``RadianceField``.

    Attributes:
        coordinates: ``"uvd"`` for the texture cube, ``"xyz"`` for world coordinates (an ablation).
        depth: number of hidden layers.
        width: channels of each.
        latent_size: length of the identity code, 0 for one identity.
        pose_size: 48 (published: global_orient and joints), 45 (joints only), or 0 where ``local_joints`` tell.
        local_joints: slots of the local pose, three numbers each, which follow the normal; 0 for none.
        feature_channels: colour channels, the first three being RGB.
        position_frequencies: L of the position's encoding.
        view_frequencies: L of the view direction's encoding.
        view_width: channels of the layer that sees the view direction.
        normal_frequencies: L of the encoding of the posed surface's normal, which follows (u, v, d); 0 for no normal,
            as in the published form. Light that is fixed to the wrist shades a finger by where its skin faces.
        density_scale: factor on the density layer's output, 1 in the published form.
        distance_scale: factor on d before its encoding, 1 in the published form.
        texture_sizes: sides, in texels, of the learnt textures over (u, v) whose values follow the encoding; none in
            the published form. Skin's detail stays where it is on the skin: a texture holds it at once, where a
            sine of the encoding's highest frequency is some 3 mm long.
        texture_channels: of each of them.

    Raises:
        ValueError: a size that cannot be built.
    """

    coordinates: Literal["uvd", "xyz"] = "uvd"
    depth: int = 4
    width: int = 128
    latent_size: int = 0
    pose_size: int = 45
    local_joints: int = 0
    feature_channels: int = 32
    position_frequencies: int = 10
    view_frequencies: int = 4
    view_width: int = 64
    normal_frequencies: int = 0
    density_scale: float = 1.0
    distance_scale: float = 1.0
    texture_sizes: tuple[int, ...] = ()
    texture_channels: int = 4

    def __post_init__(self) -> None:
        object.__setattr__(self, "texture_sizes", tuple(self.texture_sizes))
        if self.coordinates not in ("uvd", "xyz"):
            raise ValueError(f"coordinates {self.coordinates!r}; uvd or xyz are possible")
        if min(self.depth, self.width, self.view_width) < 1 or self.feature_channels < 3:
            raise ValueError("a layer without channels, or fewer than three colour channels")
        widest = max(self.width, self.view_width, self.feature_channels, self.texture_channels, self.latent_size)
        if self.depth > MOST_LAYERS or widest > MOST_CHANNELS or len(self.texture_sizes) > MOST_LAYERS:
            raise ValueError(f"more than {MOST_LAYERS} layers or textures, or more than {MOST_CHANNELS} channels")
        frequencies = (self.position_frequencies, self.view_frequencies, self.normal_frequencies)
        if not all(0 <= count <= MOST_FREQUENCIES for count in frequencies):
            raise ValueError(f"{frequencies} frequencies; 0 to {MOST_FREQUENCIES} are possible")
        if not 0.0 < min(self.density_scale, self.distance_scale) <= max(self.density_scale, self.distance_scale) < 1e9:
            raise ValueError("a scale of density or distance that is not positive, or beyond a thousand million")
        if self.normal_frequencies and self.coordinates != "uvd":
            raise ValueError("normals go with uvd coordinates only")
        if self.texture_sizes and self.coordinates != "uvd":
            raise ValueError("textures go with uvd coordinates only")
        if not all(2 <= size <= LARGEST_TEXTURE for size in self.texture_sizes) or self.texture_channels < 1:
            raise ValueError(f"textures of {self.texture_sizes} texels a side and {self.texture_channels} channels")
        if not 0 <= self.local_joints <= MOST_LOCAL or (self.local_joints and not self.normal_frequencies):
            raise ValueError(f"{self.local_joints} local joints; 0 to {MOST_LOCAL} are possible, beside normals")
        sizes = (0,) if self.local_joints else (45, 48)
        if self.latent_size < 0 or self.pose_size not in sizes:
            possible = " or ".join(map(str, sizes))
            raise ValueError(f"latent of {self.latent_size}, pose of {self.pose_size} numbers; {possible} are possible")

    @property
    def encodings_size(self) -> int:
        """Channels of the encoded position, of the encoded normal where the field takes one, and of the local pose."""
        normal = encoded_size(3, self.normal_frequencies) if self.normal_frequencies else 0
        return encoded_size(3, self.position_frequencies) + normal + self.local_size

    @property
    def local_size(self) -> int:
        """Numbers of the local pose."""
        return 3 * self.local_joints

    @property
    def coordinate_count(self) -> int:
        """Numbers of a sample: (u, v, d), the normal where the field takes one, then the local pose."""
        return (6 if self.normal_frequencies else 3) + self.local_size

    @property
    def texture_size(self) -> int:
        """Channels that the textures add, largest last."""
        return len(self.texture_sizes) * self.texture_channels

    @property
    def position_size(self) -> int:
        """Channels that change from sample to sample: the encodings', then the textures'."""
        return self.encodings_size + self.texture_size

    @property
    def input_size(self) -> int:
        """Channels of the first layer's input: encoded position and textures, latent, pose."""
        return self.position_size + self.latent_size + self.pose_size

    @property
    def layer_inputs(self) -> list[int]:
        """Channels that each hidden layer takes."""
        inputs = [self.input_size] + [self.width] * (self.depth - 1)
        if self.depth > SKIP_AFTER_LAYER + 1:
            inputs[SKIP_AFTER_LAYER + 1] += self.input_size
        return inputs


@dataclass(frozen=True)
class SuperResolutionConfig:
    """Sizes of a ``SuperResolution``.

    Attributes:
        factor: 2 or 4, output size over input size.
        in_channels: channels of the feature image; the first are the picture's own at low resolution, but opacity.
        hidden: channels of the two blocks.
        out_channels: 3 for RGB (published), 4 for RGB and opacity, LIT_CHANNELS for a material and opacity.

    Raises:
        ValueError: a size that cannot be built.
    """

    factor: int = 2
    in_channels: int = 32
    hidden: tuple[int, int] = (128, 64)
    out_channels: int = 4

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", tuple(self.hidden))
        if self.factor not in (2, 4):
            raise ValueError(f"super-resolution by {self.factor}; 2 or 4 are possible")
        if self.out_channels not in (3, 4, LIT_CHANNELS):
            raise ValueError(f"{self.out_channels} output channels; 3, 4 or {LIT_CHANNELS} are possible")
        if len(self.hidden) != 2 or not 1 <= min(self.hidden) <= max(self.hidden) <= MOST_CHANNELS:
            raise ValueError(f"hidden channels {self.hidden}; two numbers from 1 to {MOST_CHANNELS} are needed")
        least = self.out_channels - self.gives_opacity
        if not least <= self.in_channels <= MOST_CHANNELS:
            raise ValueError(f"{self.in_channels} input channels; {least} to {MOST_CHANNELS} are possible")

    @property
    def gives_opacity(self) -> bool:
        """Whether the last output channel is opacity."""
        return self.out_channels > 3

    @property
    def receptive_radius(self) -> int:
        """How far, in input pixels and rounded up, an input pixel reaches: four 3x3 kernels and two 4x4 filters."""
        return 5


def field_shapes(config: FieldConfig) -> dict[str, tuple[int, ...]]:
    """Name -> shape of each parameter of a ``RadianceField``."""
    sizes = {f"layers.{index}": (config.width, inputs) for index, inputs in enumerate(config.layer_inputs)}
    sizes["density"] = (1, config.width)
    sizes["feature"] = (config.width, config.width)
    sizes["view"] = (config.view_width, config.width + encoded_size(3, config.view_frequencies))
    sizes["colour"] = (config.feature_channels, config.view_width)
    return texture_shapes(config) | _with_biases(sizes)


def texture_shapes(config: FieldConfig) -> dict[str, tuple[int, ...]]:
    """Name -> shape of each texture of a ``RadianceField``."""
    channels = config.texture_channels
    return {f"textures.{index}": (size, size, channels) for index, size in enumerate(config.texture_sizes)}


def check_detail(size: int, channels: int) -> None:
    """Raises ValueError when a detail texture cannot have this side and channels; both 0 mean none."""
    if (size == 0) != (channels == 0) or size < 0 or size & (size - 1) or size > LARGEST_TEXTURE:
        raise ValueError(
            f"a detail texture of {size} texels a side; powers of two up to {LARGEST_TEXTURE} are possible"
        )
    if not 0 <= channels <= 16:
        raise ValueError(f"a detail texture of {channels} channels; 1 to 16 are possible")


def detail_shapes(size: int, channels: int) -> dict[str, tuple[int, ...]]:
    """Name -> shape of each parameter of a ``DetailTexture``; none where there is none."""
    if not size:
        return {}
    side = max(size // RELIEF_TEXELS, 1)
    return {"texture": (size, size, channels), "head": (MATERIAL_CHANNELS, channels), "relief": (side, side)}


def check_identity_detail(size: int, detail_size: int) -> None:
    """Raises ValueError when what identities add to a detail texture cannot have this side."""
    if size < 1 or detail_size % size:
        raise ValueError(f"{size} texels a side added to a detail texture of {detail_size}; a part of it is possible")


def super_resolution_shapes(config: SuperResolutionConfig) -> dict[str, tuple[int, ...]]:
    """Name -> shape of each parameter of a ``SuperResolution``."""
    first, second = config.hidden
    return _with_biases(
        {
            "conv00": (first, config.in_channels, 3, 3),
            "conv01": (first, first, 3, 3),
            "colour0": (config.out_channels, first, 1, 1),
            "conv10": (second, first, 3, 3),
            "conv11": (second, second, 3, 3),
            "colour1": (config.out_channels, second, 1, 1),
        }
    )


def _with_biases(weights: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for name, shape in weights.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return shapes
