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


def waves(amplitude: float, shift: float = 0.0, period: float = 5.0) -> np.ndarray:
    """(80, 80, 4) a sine across a hand that fills most of the picture."""
    image = np.zeros((80, 80, 4))
    image[5:-5, 5:-5, :3] = 0.5 + amplitude * np.sin(2.0 * np.pi * np.arange(70) / period + shift)[None, :, None]
    image[5:-5, 5:-5, 3] = 1.0
    return image


def test_detail_of_sines() -> None:
    """Bands are linear: half the amplitude is half the energy; a shift by a quarter is uncorrelated."""
    truth = waves(0.4)
    for amplitude, shift in ((0.4, 0.0), (0.2, 0.0), (0.4, 0.5 * np.pi), (0.4, np.pi / 3)):
        values = measure(waves(amplitude, shift), truth, ("detail",))
        for band in ("0_1", "1_2"):
            assert values[f"detail/energy_{band}"] == pytest.approx(amplitude / 0.4, abs=0.1)
            assert values[f"detail/correlation_{band}"] == pytest.approx(np.cos(shift), abs=0.1)
    assert all(value == pytest.approx(1.0) for value in measure(truth, truth, ("detail",)).values())


def test_each_band_has_its_own_scale() -> None:
    """What a Gaussian of 1 px takes away is missing from the finest band, and hardly from the coarsest."""
    random = np.random.default_rng(3)
    truth, image = waves(0.0), waves(0.0)
    truth[5:-5, 5:-5, :3] += 0.05 * random.normal(size=(70, 70, 1))
    from scipy.ndimage import gaussian_filter

    image[..., :3] = gaussian_filter(truth[..., :3], (1.0, 1.0, 0.0))
    values = measure(image, truth, ("detail",))
    energies = [values[f"detail/energy_{band}"] for band in ("0_1", "1_2", "2_4")]
    assert energies[0] < 0.35 < 0.5 < energies[1] < energies[2] and energies[2] > 0.75
    # Noise of one's own is detail, but not the true one.
    image[5:-5, 5:-5, :3] = 0.5 + 0.05 * random.normal(size=(70, 70, 1))
    values = measure(image, truth, ("detail",))
    assert values["detail/energy_0_1"] == pytest.approx(1.0, abs=0.1) and abs(values["detail/correlation_0_1"]) < 0.1


def test_detail_looks_inside_the_hand_alone() -> None:
    truth, image = waves(0.3), waves(0.3)
    image[:, :5] = image[:, -5:] = 0.9
    assert measure(image, truth, ("detail",))["detail/energy_0_1"] == pytest.approx(1.0, abs=1e-3)
    small = np.zeros((40, 40, 4))
    small[10:26, 10:26] = 1.0
    assert measure(small, small, ("detail",)) == {}, "a flat hand of a few pixels has no detail to speak of"


def test_no_hand(truth: np.ndarray) -> None:
    with pytest.raises(LiveHandError, match="no hand"):
        measure(truth, np.zeros_like(truth))
