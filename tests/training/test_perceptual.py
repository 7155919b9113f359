"""LPIPS around a small network in place of its backbone: the published formula, and targets' features found once."""

from __future__ import annotations

import pytest
import torch

from livehand_core.training.perceptual import Lpips


class SmallNetwork(torch.nn.Module):
    """Two layers of features under the names that the package ``lpips`` uses; counts how often it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = torch.nn.Conv2d(3, 4, 3), torch.nn.Conv2d(4, 6, 3, stride=2)
        self.lins = torch.nn.ModuleList(torch.nn.Conv2d(channels, 1, 1, bias=False) for channels in (4, 6))
        self.asked = 0
        self.requires_grad_(False)

    def scaling_layer(self, image: torch.Tensor) -> torch.Tensor:
        return (image + 0.1) / 0.4

    def net(self, image: torch.Tensor) -> list[torch.Tensor]:
        self.asked += 1
        first = self.first(image).relu()
        return [first, self.second(first).relu()]


@pytest.fixture
def network() -> SmallNetwork:
    torch.manual_seed(0)
    return SmallNetwork()


def images() -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(1)
    return torch.rand(3, 15, 18, generator=random, requires_grad=True), torch.rand(3, 15, 18, generator=random)


def published(network: SmallNetwork, image: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    layers = [network.net(network.scaling_layer(2.0 * value[None] - 1.0)) for value in (image, target)]
    total = torch.zeros(())
    for found, wanted, weigh in zip(*layers, network.lins, strict=True):
        units = [value / (value.square().sum(dim=1, keepdim=True).sqrt() + 1e-10) for value in (found, wanted)]
        resize = torch.nn.Upsample(size=image.shape[-2:], mode="bilinear", align_corners=False)
        total = total + resize(weigh((units[0] - units[1]).square())).sum()
    return total


@pytest.mark.parametrize("limit", [0, 1 << 20])
def test_value_and_gradient_are_the_published_ones(network: SmallNetwork, limit: int) -> None:
    image, target = images()
    distance = Lpips(network, limit)
    wanted = torch.autograd.grad(published(network, image, target), image)[0]
    for _ in range(2):
        found = distance(image, target, "one")
        torch.testing.assert_close(found, published(network, image, target))
        torch.testing.assert_close(torch.autograd.grad(found, image)[0], wanted)


def test_features_of_a_target_are_found_once_while_there_is_room(network: SmallNetwork) -> None:
    image, target = images()

    def asked(distance: Lpips, key: str | None) -> int:
        before = network.asked
        distance(image, target, key)
        return network.asked - before

    roomy = Lpips(network, 1 << 20)
    assert [asked(roomy, key) for key in ("a", "a", "b", "a", "b", None, None)] == [2, 1, 2, 1, 1, 2, 2]
    one = sum(value.numel() * 4 for value in network.net(target[None]))
    tight = Lpips(network, one)
    assert [asked(tight, key) for key in ("a", "b", "a", "b")] == [2, 2, 1, 2]
