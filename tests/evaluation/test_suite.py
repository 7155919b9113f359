"""MS-SSIM against its formula, LPIPS' input by protocol, FID and KID in closed form, and what is said without them."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate1d

from livehand_core.evaluation import distribution, suite
from livehand_core.evaluation.metrics import mask_iou, ssim
from livehand_core.evaluation.suite import Suite, widened

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Of the five scales, Wang 2003."""


def truth_and_noise(height: int = 176, width: int = 168) -> tuple[np.ndarray, np.ndarray]:
    """(H, W, 4) smooth waves with a solid mask, and the same with noise."""
    y, x = np.mgrid[:height, :width] / 20.0
    waves = 0.5 + 0.4 * np.stack([np.sin(x), np.cos(y), np.sin(x + y)], axis=-1)
    truth = np.concatenate([waves, np.ones((height, width, 1))], axis=-1)
    image = truth.copy()
    image[..., :3] += 0.08 * np.random.default_rng(2).normal(size=waves.shape)
    return truth, np.clip(image, 0.0, 1.0)


def plain_terms(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean SSIM and mean contrast-structure term by channel of (H, W, 3), float64, windows inside the image only."""
    taps = np.exp(-((np.arange(11) - 5.0) ** 2) / (2.0 * 1.5**2))
    taps /= taps.sum()

    def blurred(image: np.ndarray) -> np.ndarray:
        return correlate1d(correlate1d(image, taps, axis=0), taps, axis=1)[5:-5, 5:-5]

    mean_a, mean_b = blurred(a), blurred(b)
    var_a, var_b, both = blurred(a * a) - mean_a**2, blurred(b * b) - mean_b**2, blurred(a * b) - mean_a * mean_b
    structure = (2.0 * both + 0.03**2) / (var_a + var_b + 0.03**2)
    full = structure * (2.0 * mean_a * mean_b + 0.01**2) / (mean_a**2 + mean_b**2 + 0.01**2)
    return full.mean(axis=(0, 1)), structure.mean(axis=(0, 1))


def plain_ms_ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Wang 2003: structure at five scales, luminance at the last; sides divisible by 16."""
    value = np.ones(3)
    for scale, weight in enumerate(WEIGHTS):
        full, structure = plain_terms(a, b)
        value *= (full if scale == 4 else structure) ** weight
        half = a.shape[0] // 2, 2, a.shape[1] // 2, 2, 3
        a, b = (image.reshape(half).mean(axis=(1, 3)) for image in (a, b)) if scale < 4 else (a, b)
    return float(value.mean())


def test_ssim_is_its_formula() -> None:
    truth, image = truth_and_noise()
    expected = plain_terms(image[..., :3], truth[..., :3])[0].mean()
    assert ssim(image[..., :3], truth[..., :3]) == pytest.approx(expected, abs=1e-9)


def test_ms_ssim_is_its_formula() -> None:
    truth, image = truth_and_noise(176, 192)
    values = Suite(["full_image"]).measure(image, truth)
    assert values["full_image/ms_ssim"] == pytest.approx(plain_ms_ssim(image[..., :3], truth[..., :3]), abs=2e-5)
    assert Suite(["full_image"]).measure(truth, truth)["full_image/ms_ssim"] == pytest.approx(1.0)


def test_ms_ssim_of_flat_images_is_the_luminance_term() -> None:
    a, b = np.full((176, 176, 4), 0.2), np.full((176, 176, 4), 0.6)
    a[..., 3] = b[..., 3] = 1.0
    expected = ((2 * 0.2 * 0.6 + 1e-4) / (0.2**2 + 0.6**2 + 1e-4)) ** WEIGHTS[-1]
    assert Suite(["full_image"]).measure(a, b)["full_image/ms_ssim"] == pytest.approx(expected, rel=1e-5)


def test_small_images_have_no_ms_ssim() -> None:
    truth, image = truth_and_noise(64, 64)
    assert "full_image/ms_ssim" not in Suite(["full_image"]).measure(image, truth)


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((10, 20, 200, 190), (10, 20, 200, 190)),
        ((100, 20, 120, 190), (30, 20, 190, 190)),
        ((0, 0, 20, 20), (0, 0, 160, 160)),
        ((290, 0, 300, 170), (140, 0, 300, 170)),
    ],
)
def test_small_boxes_grow_within_the_image(box: Any, expected: Any) -> None:
    assert widened(box, 300, 200, 160) == expected


def test_mask_iou() -> None:
    a, b = np.zeros((10, 10)), np.zeros((10, 10))
    assert mask_iou(a, b) == 1.0
    a[:, :6], b[:, 4:8] = 0.9, 0.5
    assert mask_iou(a, b) == pytest.approx(2 / 8)
    values = Suite(["full_image"]).measure(*reversed(truth_and_noise()))
    assert values["full_image/mask_iou"] == 1.0


def test_lpips_gets_the_range_of_the_protocol(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[float, float, tuple[int, ...]]] = []

    def network(image: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        seen.append((float(truth.min()), float(truth.max()), tuple(truth.shape)))
        return (image - truth).square().mean().reshape(1, 1, 1, 1)

    monkeypatch.setattr(suite, "cached_network", lambda device: (network, ""))
    truth = np.zeros((64, 48, 4))
    truth[20:50, 10:40] = 1.0
    values = Suite(["full_image", "hand_box", "published"]).measure(0.5 * truth, truth)
    assert seen == [(-1.0, 1.0, (1, 3, 64, 48)), (1.0, 1.0, (1, 3, 30, 30)), (0.0, 1.0, (1, 3, 64, 48))]
    assert values["full_image/lpips"] == pytest.approx(4.0 * values["published/lpips"], rel=1e-5)
    assert values["hand_box/lpips"] == pytest.approx(1.0)


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    made = Suite()
    assert [note.split(" ")[2] for note in made.notes] == ["LPIPS", "FID"]
    assert distribution.WEIGHTS in made.notes[1] and made.features(*truth_and_noise()) is None
    assert Suite(["hand_box"]).notes == made.notes[:1], "only what a protocol asks for is missed"
    (tmp_path / "checkpoints").mkdir()
    torch.save({"not": Path}, tmp_path / "checkpoints" / distribution.WEIGHTS)
    assert "cannot be loaded" in Suite().notes[1], "a file that holds more than tensors is not opened"


def test_fid_of_a_shift_and_of_a_spread(fidelity: ModuleType) -> None:
    random = np.random.default_rng(0)
    a = random.normal(size=(400, 3))
    shift = np.array([1.0, -2.0, 0.5])
    assert distribution.frechet_distance(a + shift, a) == pytest.approx(shift @ shift, rel=1e-6)
    # Gaussians of one direction: the difference of the standard deviations squared; three equal ones add up.
    spread = np.trace(np.cov(a, rowvar=False))
    assert distribution.frechet_distance(3.0 * (a - a.mean(0)), a - a.mean(0)) == pytest.approx(4.0 * spread, rel=1e-6)


def test_kid_is_its_formula(fidelity: ModuleType) -> None:
    random = np.random.default_rng(1)
    a, b = random.normal(size=(20, 5)), random.normal(0.4, 1.0, size=(20, 5))

    def kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return (x @ y.T / 5.0 + 1.0) ** 3

    def without_diagonal(matrix: np.ndarray) -> float:
        return float((matrix.sum() - np.trace(matrix)) / (20 * 19))

    expected = without_diagonal(kernel(a, a)) + without_diagonal(kernel(b, b)) - 2.0 * kernel(a, b).mean()
    assert distribution.kernel_distance(a, b) == pytest.approx(expected, rel=1e-6)


@pytest.mark.slow
def test_inception_is_read_from_the_cache(
    fidelity: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With weights drawn at random in place of the trained ones: pictures that differ have features that differ."""
    from torch_fidelity import feature_extractor_inceptionv3 as library

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    drawn: dict[str, torch.Tensor] = {}
    load = library.FeatureExtractorInceptionV3.load_state_dict
    monkeypatch.setattr(
        library.FeatureExtractorInceptionV3, "load_state_dict", lambda self, _state: drawn.update(self.state_dict())
    )
    empty = tmp_path / "empty.pth"
    torch.save({}, empty)
    library.FeatureExtractorInceptionV3("drawn", ["2048"], feature_extractor_weights_path=str(empty))
    monkeypatch.setattr(library.FeatureExtractorInceptionV3, "load_state_dict", load)
    torch.save(drawn, tmp_path / "checkpoints" / distribution.WEIGHTS)
    features, reason = distribution.load_inception(torch.device("cpu"))
    assert features is not None, reason
    truth, image = truth_and_noise()
    assert features(truth).shape == (2048,)
    np.testing.assert_array_equal(features(truth), features(truth))
    assert np.abs(features(image) - features(truth)).max() > 0.0
