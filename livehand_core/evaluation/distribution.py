"""FID and KID: how far rendered images as a set are from the true ones, in the features of Inception.

torch-fidelity computes both. Its Inception's weights are used where they lie in torch's cache; nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

WEIGHTS = "weights-inception-2015-12-05-6726825d.pth"
"""Under torch's cache, ``checkpoints``: where torch-fidelity keeps it."""

FEATURES = "2048"
UNBIASED_FROM = 2048
"""Images below which the covariance of the 2048 features is singular: FID is then far too large."""

KID_SUBSET, KID_SUBSETS = 1000, 100

Features = Callable[[np.ndarray], np.ndarray]
"""(H, W, 3) sRGB in [0, 1] -> (n,) float64."""


def load_inception(device: torch.device) -> tuple[Features | None, str]:
    """The features of an image by the Inception network that FID is defined with, or None and why not."""
    path = Path(torch.hub.get_dir()) / "checkpoints" / WEIGHTS
    if not path.is_file():
        return None, f"Inception's weights {WEIGHTS} are not cached"
    try:
        # The library reads the file by unpickling: this says first that there is nothing in it but tensors.
        torch.load(path, map_location="cpu", weights_only=True)
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

        network = FeatureExtractorInceptionV3("inception", [FEATURES], feature_extractor_weights_path=str(path))
    except Exception as error:
        return None, f"Inception cannot be loaded ({error})"
    network = network.to(device)

    def features(image: np.ndarray) -> np.ndarray:
        pixels = np.rint(np.clip(image[..., :3], 0.0, 1.0) * 255.0).astype(np.uint8)
        with torch.no_grad():
            answer = network(torch.from_numpy(pixels).permute(2, 0, 1)[None].to(device))[0]
        return answer[0].double().cpu().numpy()

    return features, ""


def frechet_distance(rendered: np.ndarray, true: np.ndarray) -> float:
    """FID (Heusel 2017) of two (n, features) sets; n of at least 2."""
    from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_features_to_statistics, fid_statistics_to_metric

    statistics = (fid_features_to_statistics(torch.from_numpy(values)) for values in (rendered, true))
    return float(fid_statistics_to_metric(*statistics, verbose=False)[KEY_METRIC_FID])


def kernel_distance(rendered: np.ndarray, true: np.ndarray) -> float:
    """KID (Binkowski 2018) of two (n, features) sets of one size, at least 2; unbiased, of all images up to 1000."""
    from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, kid_features_to_metric

    subset = min(len(rendered), KID_SUBSET)
    answer = kid_features_to_metric(
        torch.from_numpy(rendered),
        torch.from_numpy(true),
        kid_subset_size=subset,
        kid_subsets=1 if subset == len(rendered) else KID_SUBSETS,
        verbose=False,
    )
    return float(answer[KEY_METRIC_KID_MEAN])
