"""The counted operations are those that torch counts when it runs the same layers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from livehand_core.avatars import Architecture
from livehand_core.benchmark.flops import (
    colour_flop,
    density_flop,
    frame_work,
    plain_flop,
    super_resolution_flop,
    view_flop,
)
from livehand_core.networks import FieldConfig, RadianceField, SuperResolution, SuperResolutionConfig


@pytest.mark.parametrize("config", [FieldConfig(), FieldConfig(depth=7, width=40, normal_frequencies=2)])
def test_the_fields_layers(config: FieldConfig) -> None:
    field, count = RadianceField(config), 500
    positions = torch.rand(count, 1, 6 if config.normal_frequencies else 3)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        field._encode(positions, field.textures)
        hidden, _ = field.density_of(positions, torch.zeros(45))
    assert counter.get_total_flops() == pytest.approx(count * density_flop(config), rel=1e-2)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        term = field.view_term(torch.rand(count, 3))
    # torch adds what is done once: the feature layer's bias.
    assert counter.get_total_flops() == pytest.approx(count * view_flop(config), rel=2e-2)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        field.colour_of(hidden, term[:, None])
    once = 2 * config.view_width * config.width * config.width
    assert counter.get_total_flops() == pytest.approx(count * colour_flop(config) + once, rel=1e-2)


@pytest.mark.parametrize("config", [FieldConfig(), FieldConfig(depth=7, width=40, latent_size=8)])
def test_the_layers_as_they_are_written_down(config: FieldConfig) -> None:
    field, count = RadianceField(config, folded=False), 300
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        field(torch.rand(count, 1, 3), torch.rand(count, 3), torch.zeros(45))
    assert counter.get_total_flops() == pytest.approx(count * plain_flop(config), rel=1e-3)


@pytest.mark.parametrize("config", [SuperResolutionConfig(), SuperResolutionConfig(factor=4, out_channels=3)])
def test_super_resolution_of_a_full_image(config: SuperResolutionConfig) -> None:
    network = SuperResolution(config)
    features, opacity = torch.rand(1, 32, 24, 20), torch.rand(1, 1, 24, 20)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(features, opacity)
    counted = super_resolution_flop(config, np.ones((24, 20), bool))
    assert counted == pytest.approx(counter.get_total_flops(), rel=0.01)


def test_super_resolution_of_a_part() -> None:
    config = SuperResolutionConfig()
    assert super_resolution_flop(config, np.zeros((40, 40), bool)) == 0
    valid = np.zeros((40, 60), bool)
    valid[10:20, 10:22] = True
    part = super_resolution_flop(config, valid)
    assert part == super_resolution_flop(config, np.roll(valid, (12, 20), axis=(0, 1)))
    # No less than its own pixels ask for, no more than a box with the receptive field around it would.
    pixel = super_resolution_flop(config, np.ones((40, 60), bool)) / 2400
    radius = config.receptive_radius
    assert 120 * pixel < part < (10 + 2 * radius) * (12 + 2 * radius) * pixel


def test_one_pixel_is_counted_by_hand() -> None:
    config = SuperResolutionConfig()
    valid = np.zeros((31, 31), bool)
    valid[15, 15] = True
    first = 9 * 32 * 128 * 9
    # The 2 x 2 answer needs 4 x 4 of the last but one layer, and that 5 x 5 of the layer before: all it touches.
    second = 25 * (128 * 128 * 9 + 128 * 4)
    enlarging = 16 * (128 * 64 * 9 // 4 + 64 * 16)
    last = 4 * (64 * 64 * 9 + 64 * 4)
    assert super_resolution_flop(config, valid) == 2 * (first + second + enlarging + last)


def test_samples_in_the_dark_are_not_counted() -> None:
    architecture = Architecture()
    valid = np.zeros((20, 20), bool)
    valid[5:9, 5:10] = True
    transmittance = np.ones((20, 16))
    everything = frame_work(architecture, valid, transmittance)
    assert (everything.rays, everything.samples, everything.live_samples) == (20, 320, 320)
    transmittance[:, 5:] = 1e-6
    early = frame_work(architecture, valid, transmittance)
    assert early.live_samples == 100 and early.super_resolution == everything.super_resolution
    assert early.plain_field == everything.plain_field == 320 * plain_flop(architecture.field)
    assert early.plain_super_resolution > early.super_resolution
    per_sample = density_flop(architecture.field) + colour_flop(architecture.field)
    assert everything.flop - early.flop == 220 * per_sample
