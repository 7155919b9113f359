"""Metrics on values that are known in closed form, and what each protocol looks at."""

from __future__ import annotations

import numpy as np
import pytest

from livehand_core.errors import LiveHandError
from livehand_core.evaluation.metrics import PROTOCOLS, measure, psnr, ssim


@pytest.fixture
def truth() -> np.ndarray:
    image = np.zeros((40, 60, 4))
    image[10:30, 20:50] = np.random.default_rng(0).uniform(0.2, 0.8, size=(20, 30, 1))
    image[10:30, 20:50, 3] = 1.0
    return image


def test_psnr_of_a_constant_error() -> None:
    image = np.full((8, 8, 3), 0.5)
    assert psnr(image + 0.1, image) == pytest.approx(20.0)
    assert psnr(image + 0.01, image) == pytest.approx(40.0)
    assert psnr(image, image) == float("inf")


def test_ssim_of_constants_is_the_luminance_term() -> None:
    """Flat images have no variance: SSIM is (2 a b + c1) / (a^2 + b^2 + c1) with c1 = 0.01^2."""
    a, b = 0.2, 0.6
    expected = (2 * a * b + 1e-4) / (a * a + b * b + 1e-4)
    assert ssim(np.full((20, 20, 3), a), np.full((20, 20, 3), b)) == pytest.approx(expected, rel=1e-6)


def test_ssim_sees_structure() -> None:
    image = np.random.default_rng(1).uniform(size=(32, 32, 3))
    assert ssim(image, image) == pytest.approx(1.0)
    assert ssim(1.0 - image, image) < 0.0


def test_protocols(truth: np.ndarray) -> None:
    assert PROTOCOLS["full_image"].region(truth) == (0, 0, 60, 40)
    assert PROTOCOLS["hand_box"].region(truth) == (20, 10, 50, 30)
    image = truth[..., :3].copy()
    image[10:30, 20:50] += 0.1
    values = measure(image, truth)
    assert values["hand_box/psnr"] == pytest.approx(20.0)
    # A quarter of the pixels differ: a quarter of the squared error, 6.02 dB more.
    assert values["full_image/psnr"] == pytest.approx(20.0 + 10.0 * np.log10(4.0))
    image[10:30, 20:50] = np.random.default_rng(5).uniform(size=(20, 30, 3))
    values = measure(image, truth)
    assert values["hand_box/ssim"] < 0.3 < values["full_image/ssim"]


def test_values_outside_the_range_are_clipped(truth: np.ndarray) -> None:
    image = truth[..., :3].copy()
    image[truth[..., 3] == 0.0] = -3.0
    assert measure(image, truth)["full_image/psnr"] == float("inf")


def test_sizes_that_differ(truth: np.ndarray) -> None:
    with pytest.raises(LiveHandError, match="cannot be compared"):
        measure(truth[:-1], truth)


def test_no_hand(truth: np.ndarray) -> None:
    with pytest.raises(LiveHandError, match="no hand"):
        measure(truth, np.zeros_like(truth))
