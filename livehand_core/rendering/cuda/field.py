"""The radiance field with its weights folded once, in half precision behind a float32 encoding."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import linear, relu

from ...networks import RadianceField, encode, look_up


class FoldedField(nn.Module):
    """docs/method.md 1.6 for fields without a skip connection.

    Args:
        field: float32.
        dtype: of the products; encodings, densities and what comes out stay float32.
    """

    def __init__(self, field: RadianceField, dtype: torch.dtype) -> None:
        super().__init__()
        self.config, self.dtype = field.config, dtype
        size = self.config.position_size
        first, *rest = (layer for layer in field.layers if isinstance(layer, nn.Linear))
        width = self.config.width
        view = field.view.weight
        scale = torch.ones(3)
        scale[2] = self.config.distance_scale
        self.depth = len(rest)
        single = {
            "axis_scale": scale,
            "constant": first.weight[:, size:],
            "constant_bias": first.bias,
            "direction": view[:, width:],
            "direction_bias": view[:, :width] @ field.feature.bias + field.view.bias,
            "density": field.density.weight * self.config.density_scale,
            "density_bias": field.density.bias * self.config.density_scale,
        }
        # view(feature(h)) = (Wv Wf) h + Wv bf: one matrix in place of two.
        half = {
            "first": first.weight[:, :size],
            "view": view[:, :width] @ field.feature.weight,
            "colour": field.colour.weight,
            "colour_bias": field.colour.bias,
        }
        for index, layer in enumerate(rest):
            half |= {f"hidden{index}": layer.weight, f"hidden_bias{index}": layer.bias}
        single |= {f"texture{index}": texture for index, texture in enumerate(field.textures)}
        for name, values in single.items():
            self.register_buffer(name, values.detach().clone())
        for name, values in half.items():
            self.register_buffer(name, values.detach().to(dtype).contiguous())

    @property
    def textures(self) -> list[torch.Tensor]:
        """(S, S, C) each, float32."""
        return [self.get_buffer(f"texture{index}") for index in range(len(self.config.texture_sizes))]

    def forward(
        self, positions: torch.Tensor, view_directions: torch.Tensor, constants: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Evaluate.

        Args:
            positions: (R, S, 3 or 6) canonical coordinates, float32.
            view_directions: (R, 3) unit.
            constants: (latent_size + pose_size,).

        Returns:
            colour_raw (R, S, feature_channels), sigma_raw (R, S), float32.
        """
        config, get = self.config, self.get_buffer
        parts = [encode(positions[..., :3] * get("axis_scale"), config.position_frequencies)]
        if config.normal_frequencies:
            parts.append(encode(positions[..., 3:], config.normal_frequencies))
        parts += [look_up(texture, positions[..., :2]) for texture in self.textures]
        encoded = torch.cat(parts, dim=-1)
        bias = torch.addmv(get("constant_bias"), get("constant"), constants).to(self.dtype)
        hidden = relu(linear(encoded.to(self.dtype), get("first"), bias))
        for index in range(self.depth):
            hidden = relu(linear(hidden, get(f"hidden{index}"), get(f"hidden_bias{index}")))
        # Densities reach thousands a metre: their last product keeps float32.
        sigma = linear(hidden.float(), get("density"), get("density_bias"))[..., 0]
        directions = encode(view_directions, config.view_frequencies)
        per_ray = linear(directions, get("direction"), get("direction_bias")).to(self.dtype)
        colour = relu(linear(hidden, get("view")) + per_ray[:, None])
        return linear(colour, get("colour"), get("colour_bias")).float(), sigma
