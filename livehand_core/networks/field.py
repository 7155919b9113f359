"""The radiance field: canonical position, view direction, pose and identity -> 32 colour channels and density."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import nn
from torch.nn import functional

from .config import SKIP_AFTER_LAYER, FieldConfig, encoded_size
from .encoding import encode, look_up


class RadianceField(nn.Module):
    """MLP of docs/method.md 1.6 over rays x samples. Parameters keep the published shapes.

    Args:
        config: its sizes.
        folded: multiply by the two rearrangements of docs/method.md 1.10, which change nothing but rounding: what is
            constant over the frame (latent, pose) is a bias of the first layer, and the feature layer, being linear,
            becomes a part of the next one. Otherwise every sample has its complete input and every layer its product.
    """

    def __init__(self, config: FieldConfig, folded: bool = True) -> None:
        super().__init__()
        self.config, self.folded = config, folded
        self.textures = nn.ParameterList(
            torch.zeros(size, size, config.texture_channels) for size in config.texture_sizes
        )
        self.layers = nn.ModuleList(nn.Linear(size, config.width) for size in config.layer_inputs)
        self.density = nn.Linear(config.width, 1)
        self.feature = nn.Linear(config.width, config.width)
        view_size = encoded_size(3, config.view_frequencies)
        self.view = nn.Linear(config.width + view_size, config.view_width)
        self.colour = nn.Linear(config.view_width, config.feature_channels)

    def forward(
        self,
        positions: torch.Tensor,
        view_directions: torch.Tensor,
        pose: torch.Tensor,
        latent: torch.Tensor | None = None,
        textures: Sequence[torch.Tensor] | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Evaluate the field. Differentiable in every argument and parameter.

        Args:
            positions: (R, S, 3) canonical (u, v, d) or world coordinates of S samples on each of R rays; (R, S, 6) with
                the surface's unit normal in the wrist's frame where the configuration asks for it, and the local pose
                behind it.
            view_directions: (R, 3) unit directions from the camera, one a ray.
            pose: (pose_size,) radians; (R, pose_size) when each ray has its own.
            latent: (latent_size,) identity code; None for zeros.
            textures: an identity's, in place of the field's own; of their sizes.

        Returns:
            colour_raw (R, S, feature_channels) before the sigmoid, sigma_raw (R, S) before the ReLU, in 1/m.
        """
        hidden, sigma = self.density_of(positions, pose, latent, textures)
        per_ray = self.view_term(view_directions)
        return self.colour_of(hidden, per_ray[:, None]), sigma

    def density_of(
        self,
        positions: torch.Tensor,
        pose: torch.Tensor,
        latent: torch.Tensor | None = None,
        textures: Sequence[torch.Tensor] | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The part without view direction: (..., 3) -> last hidden activations (..., width) and sigma_raw (...)."""
        constant = self._constant(pose, latent)
        encoded = self._encode(positions, self.textures if textures is None else textures)
        hidden = None
        for index, layer in enumerate(self.layers):
            if hidden is None or index == SKIP_AFTER_LAYER + 1:
                hidden = self._with_input(layer, encoded, constant, hidden)
            else:
                hidden = layer(hidden)
            hidden = functional.relu(hidden, inplace=True)
        assert hidden is not None
        return hidden, self.density(hidden)[..., 0] * self.config.density_scale

    def view_term(self, view_directions: torch.Tensor) -> torch.Tensor:
        """(R, 3) unit directions -> (R, .): what the view layer takes of a ray, the same for its samples.

        Folded it is (R, view_width), what that layer adds for the ray; else the directions' encoding.
        """
        directions = encode(view_directions, self.config.view_frequencies)
        if not self.folded:
            return directions
        width = self.config.width
        bias = self.view.weight[:, :width] @ self.feature.bias + self.view.bias
        return functional.linear(directions, self.view.weight[:, width:], bias)

    def colour_of(self, hidden: torch.Tensor, view_term: torch.Tensor) -> torch.Tensor:
        """(..., width) activations and the ray's view term -> (..., feature_channels) colour_raw."""
        if self.folded:
            # view(feature(h)) = (Wv Wf) h + Wv bf: one matrix in place of two.
            folded = self.view.weight[:, : self.config.width] @ self.feature.weight
            seen = functional.linear(hidden, folded) + view_term
        else:
            feature = self.feature(hidden)
            seen = self.view(torch.cat([feature, view_term.expand(*feature.shape[:-1], -1)], dim=-1))
        return self.colour(functional.relu(seen))

    def _encode(self, positions: torch.Tensor, textures: Iterable[torch.Tensor]) -> torch.Tensor:
        """(..., 3, 6 or more) positions, with what else the field takes of them -> (..., position_size)."""
        config = self.config
        place = positions[..., :3]
        if config.distance_scale != 1.0:
            place = place * place.new_tensor([1.0, 1.0, config.distance_scale])
        parts = [encode(place, config.position_frequencies)]
        if config.normal_frequencies:
            parts.append(encode(positions[..., 3:6], config.normal_frequencies))
        if config.local_joints:
            parts.append(positions[..., 6 : 6 + config.local_size])
        parts += [look_up(texture, positions[..., :2]) for texture in textures]
        return torch.cat(parts, dim=-1) if len(parts) > 1 else parts[0]

    def _constant(self, pose: torch.Tensor, latent: torch.Tensor | None) -> torch.Tensor:
        """(latent_size + pose_size,), or (R, .): the part of the input that is the same for every sample."""
        if self.config.latent_size == 0:
            return pose
        if latent is None:
            latent = pose.new_zeros(self.config.latent_size)
        return torch.cat([latent.expand(*pose.shape[:-1], -1), pose], dim=-1)

    def _with_input(
        self, layer: nn.Module, encoded: torch.Tensor, constant: torch.Tensor, hidden: torch.Tensor | None
    ) -> torch.Tensor:
        """The answer of a layer that takes the input: encoded position (per sample), constant, activations if any."""
        assert isinstance(layer, nn.Linear)
        weight, size, end = layer.weight, self.config.position_size, self.config.input_size
        if not self.folded:
            per_sample = constant if constant.dim() == 1 else constant[:, None]
            parts = [encoded, per_sample.expand(*encoded.shape[:-1], -1), *(() if hidden is None else (hidden,))]
            answer: torch.Tensor = layer(torch.cat(parts, dim=-1))
            return answer
        bias = functional.linear(constant.to(weight.dtype), weight[:, size:end], layer.bias)
        if constant.dim() == 1:
            answer = functional.linear(encoded, weight[:, :size], bias)
        else:
            answer = functional.linear(encoded, weight[:, :size]) + bias[:, None]
        return answer if hidden is None else answer + functional.linear(hidden, weight[:, end:])
