"""Import of official LiveHand checkpoints (docs/method.md 3): sizes from shapes, modulation baked into the weights."""

from __future__ import annotations

import math
import pickle
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from ..errors import AvatarError
from ..hand.data import ProxyModel
from ..networks.config import FieldConfig, SuperResolutionConfig, encoded_size
from .file import Avatar, State
from .identity import Identity
from .metadata import Architecture, AvatarMetadata, topology_hash

STYLE_SIZE = 45
"""Length of the constant vector of ones that modulates the published super-resolution."""

PUBLISHED_POSE_SIZE = 48
PUBLISHED_LATENT_SIZE = 8

_FIELD_NAMES = {
    "alpha_linear": "density",
    "feature_linear": "feature",
    "views_linears.0": "view",
    "rgb_linear": "colour",
}
_CONVOLUTIONS = {
    "conv00": "block0.conv0",
    "conv01": "block0.conv1",
    "conv10": "block1.conv0",
    "conv11": "block1.conv1",
}
_HEADS = {"colour0": "block0.torgb", "colour1": "block1.torgb"}


def import_checkpoint(
    checkpoint: str | Path,
    latents: str | Path | None = None,
    *,
    factor: int | None = None,
    coordinates: Literal["uvd", "xyz"] | None = None,
    hand: ProxyModel | None = None,
    side: Literal["right", "left"] = "right",
    name: str = "",
    licence: str = "CC-BY-NC-4.0 (official LiveHand checkpoint)",
) -> Avatar:
    """An official ``NNNNNN.tar`` as an avatar in the published form (pose of 48 numbers, pixel offset 0).

    Args:
        checkpoint: the ``.tar``; ``config.txt`` or ``args.txt`` beside it are read when they are there.
        latents: ``lat_codes/NNNNNN.npy``; needed when the field takes a latent code and several identities are wanted.
        factor: of the super-resolution, 2 or 4; None takes it from the configuration file (the shapes of the weights
            are the same for both).
        coordinates: None takes them from the configuration file, else from the sizes (8 layers of 256 are xyz).
        hand: the MANO model that it belongs to; ties the avatar to its texture layout when given.
        side: of the hand it shows, when ``hand`` is not given.
        name: for people; the file's stem when empty.

    Raises:
        AvatarError: the file is missing, damaged, holds anything but tensors and plain values, or is no checkpoint.
    """
    path = Path(checkpoint)
    content = _load(path)
    if content.get("deform_net_state_dict"):
        raise AvatarError(
            f"{path} holds a deformation network, which this renderer cannot draw.",
            "Give a checkpoint that was trained without one; leaving it out would change the pictures.",
        )
    network = _unwrapped(content.get("network_fn_state_dict"))
    upsampler = _unwrapped(content.get("sr_module_state_dict"))
    if not isinstance(network, Mapping) or not isinstance(upsampler, Mapping):
        raise AvatarError(
            f"{path} is not an official LiveHand checkpoint: it has no field or no super-resolution.",
            "Give the NNNNNN.tar of a training run.",
        )
    options = _options(path)
    factor = factor or _factor(options)
    if factor not in (2, 4):
        raise AvatarError(
            f"{path} does not say whether its super-resolution is by 2 or by 4.", "Say so with --factor 2 or 4."
        )
    try:
        field, field_state = _field(network, coordinates or _coordinates(network, options))
        fine = _unwrapped(content.get("network_fine_state_dict"))
        fine_state = _field(fine, field.coordinates)[1] if isinstance(fine, Mapping) else None
        super_resolution, sr_state = _super_resolution(upsampler, factor)
        n_importance = int(options.get("n_importance", 0)) or 64 if fine_state else 0
        architecture = Architecture(field, super_resolution, int(options.get("n_samples", 16)), n_importance)
        metadata = AvatarMetadata(
            name=name or path.stem,
            architecture=architecture,
            hand_model=hand.name if hand else "mano",
            topology=topology_hash(hand) if hand else "",
            side=hand.side if hand else side,
            # World coordinates and a world pose do not survive a reflection of the hand's own frame alone, but the
            # renderer reflects the whole scene, in which the mirrored hand is a right hand again.
            mirrorable=True,
            conditioning="published",
            pixel_offset=0.0,
            sign="face_normal",
            lateral_margin=0.0,
            provenance={"source": path.name, "step": int(content.get("global_step", 0))},
            licence=licence,
        )
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        raise AvatarError(
            f"{path} is not a checkpoint of a known form ({error}).", "Give the NNNNNN.tar of a training run."
        ) from error
    codes = _latents(latents, field.latent_size, path)
    if codes is not None:
        # Published codes have no names; their order is all that is known of them.
        names = tuple(Identity(str(number)) for number in range(len(codes)))
        metadata = replace(metadata, identities=names)
    return Avatar(metadata, field_state, sr_state, codes, fine_state)


def _numpy_scalars() -> list[Any]:
    """What NumPy writes a single number with."""
    scalar = np.float64(0.0).__reduce__()[0]
    types = [type(np.dtype(code)) for code in ("i4", "i8", "f4", "f8")]
    # Files of either NumPy call its module by another name.
    names = [f"numpy.{core}.multiarray.scalar" for core in ("core", "_core")]
    return [*((scalar, name) for name in names), np.dtype, *types]


def _load(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise AvatarError(f"The checkpoint {path} does not exist.", "Check the path.")
    try:
        # A step counted by NumPy is a plain value, too.
        with torch.serialization.safe_globals(_numpy_scalars()):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise AvatarError(
            f"{path} was refused: it is damaged, or holds more than tensors and plain values ({_brief(error)}).",
            "Nothing in it was executed; get it from a source that you trust.",
        ) from error
    except Exception as error:  # a damaged archive can raise anything
        raise AvatarError(
            f"The checkpoint {path} is damaged or truncated ({_brief(error)}).",
            "Copy or download it again.",
        ) from error
    if not isinstance(content, dict):
        raise AvatarError(f"{path} is not an official LiveHand checkpoint.", "Give the NNNNNN.tar of a training run.")
    return content


def _unwrapped(weights: Any) -> Any:
    """Weights without the ``module.`` that a run on several GPUs puts before each name."""
    if not isinstance(weights, Mapping):
        return weights
    return {str(name).removeprefix("module."): value for name, value in weights.items()}


def _brief(error: Exception) -> str:
    """The first line of an error's text, or its kind."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def _options(path: Path) -> dict[str, str]:
    """``key = value`` lines beside the checkpoint, keys in lower case, without remarks; nothing is evaluated.

    ``args.txt`` holds what the trainer used in the end, ``config.txt`` what it was asked for: the former wins.
    """
    options: dict[str, str] = {}
    for file in (path.with_name("config.txt"), path.with_name("args.txt")):
        if file.is_file():
            for line in file.read_text(encoding="utf-8-sig", errors="replace").splitlines():
                key, equals, value = line.partition("#")[0].partition("=")
                if equals:
                    options[key.strip().lower()] = value.strip().strip("'\"")
    return options


def _factor(options: Mapping[str, str]) -> int:
    for key, value in options.items():
        if re.search(r"(^|_)(sr|super_?res\w*)(_|$)", key) and value in ("2", "4"):
            return int(value)
    return 0


def _coordinates(network: Mapping[str, torch.Tensor], options: Mapping[str, str]) -> Literal["uvd", "xyz"]:
    for key, value in options.items():
        if re.search(r"coord|canonical|input|points_encoding", key) and value in ("uvd", "xyz"):
            return "uvd" if value == "uvd" else "xyz"
    return "xyz" if _depth(network) == 8 else "uvd"


def _depth(network: Mapping[str, torch.Tensor]) -> int:
    return len({name for name in network if re.fullmatch(r"pts_linears\.\d+\.weight", name)})


def _field(network: Mapping[str, torch.Tensor], coordinates: Literal["uvd", "xyz"]) -> tuple[FieldConfig, State]:
    """Sizes and renamed weights of a published field."""
    first = network["pts_linears.0.weight"]
    width = int(first.shape[0])
    config = FieldConfig(
        coordinates=coordinates,
        depth=_depth(network),
        width=width,
        latent_size=_latent_size(int(first.shape[1]) - encoded_size(3, 10) - PUBLISHED_POSE_SIZE),
        pose_size=PUBLISHED_POSE_SIZE,
        feature_channels=int(network["rgb_linear.weight"].shape[0]),
        view_frequencies=((int(network["views_linears.0.weight"].shape[1]) - width) // 3 - 1) // 2,
        view_width=int(network["views_linears.0.weight"].shape[0]),
    )
    state: State = {}
    for name, value in network.items():
        stem, _, kind = name.rpartition(".")
        target = _FIELD_NAMES.get(stem) or stem.replace("pts_linears.", "layers.")
        state[f"{target}.{kind}"] = value.detach().float().clone()
    return config, state


def _latent_size(size: int) -> int:
    """The published field takes a code of 8 numbers or none; other widths mean another input."""
    if size not in (0, PUBLISHED_LATENT_SIZE):
        raise ValueError(
            f"its first layer leaves {size} inputs for a latent code; 0 or {PUBLISHED_LATENT_SIZE} are known"
        )
    return size


def _super_resolution(weights: Mapping[str, torch.Tensor], factor: int) -> tuple[SuperResolutionConfig, State]:
    """Sizes and baked weights: modulated by a constant, every convolution is an ordinary one."""
    first = weights["block0.conv0.weight"]
    config = SuperResolutionConfig(
        factor=factor,
        in_channels=int(first.shape[1]),
        hidden=(int(first.shape[0]), int(weights["block1.conv0.weight"].shape[0])),
        out_channels=int(weights["block1.torgb.weight"].shape[0]),
    )
    for name, value in weights.items():
        if name.endswith("noise_strength") and float(value) != 0.0:
            raise ValueError(f"{name} is {float(value)}; noise is not supported")
    state: State = {}
    for target, source in _CONVOLUTIONS.items():
        state[f"{target}.weight"] = _demodulated(weights[f"{source}.weight"], _style(weights, source))
        state[f"{target}.bias"] = weights[f"{source}.bias"].detach().float().clone()
    for target, source in _HEADS.items():
        kernel = weights[f"{source}.weight"].double()
        style = _style(weights, source) / math.sqrt(kernel.shape[1])
        state[f"{target}.weight"] = (kernel * style[None, :, None, None]).float()
        state[f"{target}.bias"] = weights[f"{source}.bias"].detach().float().clone()
    return config, state


def _style(weights: Mapping[str, torch.Tensor], source: str) -> torch.Tensor:
    """(in channels,) float64: the affine layer's answer to a vector of ones, with its equalised gain."""
    matrix = weights[f"{source}.affine.weight"].double()
    return matrix.sum(dim=1) / math.sqrt(STYLE_SIZE) + weights[f"{source}.affine.bias"].double()


def _demodulated(kernel: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
    modulated = kernel.double() * style[None, :, None, None]
    return (modulated * torch.rsqrt(modulated.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8)).float()


def _latents(path: str | Path | None, size: int, checkpoint: Path) -> torch.Tensor | None:
    """(n, size) identity codes, each no longer than 1; one zero code when no file is given."""
    if size == 0:
        return None
    if path is None:
        beside = checkpoint.parent / "lat_codes" / f"{checkpoint.stem}.npy"
        if not beside.is_file():
            return torch.zeros(1, size)
        path = beside
    content = _load(Path(path))
    codes = content.get("latent_codes")
    weight = codes.get("weight") if isinstance(codes, Mapping) else None
    if not isinstance(weight, torch.Tensor) or weight.ndim != 2 or weight.shape[1] != size:
        raise AvatarError(
            f"{path} holds no latent codes of {size} numbers.", "Give the lat_codes file of the same step."
        )
    weight = weight.detach().float()
    # The published table renormalises a code that is longer than 1 when it is looked up.
    return weight / weight.norm(dim=1, keepdim=True).clamp(min=1.0)
