"""PSNR and SSIM by named protocol: which pixels count, and how."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..captures.images import mask_box
from ..errors import LiveHandError

SSIM_WINDOW = 11


@dataclass(frozen=True)
class Protocol:
    """One way of comparing a rendered image with the truth.

    Attributes:
        name: key in reports.
        meaning: which pixels are compared.
        region: truth's (H, W, 4) -> (x0, y0, x1, y1), ends excluded.
    """

    name: str
    meaning: str
    region: Callable[[np.ndarray], tuple[int, int, int, int]]


def _whole(truth: np.ndarray) -> tuple[int, int, int, int]:
    return 0, 0, truth.shape[1], truth.shape[0]


def _hand_box(truth: np.ndarray) -> tuple[int, int, int, int]:
    box = mask_box(truth[..., 3] >= 0.5)
    if box[2] - box[0] < SSIM_WINDOW or box[3] - box[1] < SSIM_WINDOW:
        raise LiveHandError(
            "An image shows no hand to measure.", f"Its mask needs {SSIM_WINDOW} pixels or more a side."
        )
    return box


PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol("full_image", "all pixels, sRGB in [0, 1] over black", _whole),
        Protocol("hand_box", "the bounding box of the true mask (alpha of one half or more), over black", _hand_box),
    )
}


def psnr(image: np.ndarray, truth: np.ndarray) -> float:
    """Peak signal to noise ratio in dB of values in [0, 1]; infinity for equal images."""
    error = float(np.mean((np.asarray(image, np.float64) - np.asarray(truth, np.float64)) ** 2))
    return float("inf") if error == 0.0 else -10.0 * float(np.log10(error))


def ssim(image: np.ndarray, truth: np.ndarray) -> float:
    """Structural similarity of (H, W, 3) values in [0, 1]: Gaussian window of sigma 1.5 as Wang 2004 has it."""
    from skimage.metrics import structural_similarity

    return float(
        structural_similarity(
            np.asarray(image, np.float64),
            np.asarray(truth, np.float64),
            data_range=1.0,
            channel_axis=-1,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
    )


def measure(image: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """All metrics of one image, ``"PROTOCOL/METRIC"`` -> value.

    Args:
        image: (H, W, 3 or more) rendered sRGB over black; clipped to [0, 1].
        truth: (H, W, 4) sRGB premultiplied over black.

    Raises:
        LiveHandError: the sizes differ, or the truth shows no hand.
    """
    if image.shape[:2] != truth.shape[:2]:
        raise LiveHandError(
            f"An image of {image.shape[1]} x {image.shape[0]} pixels cannot be compared with one of "
            f"{truth.shape[1]} x {truth.shape[0]}.",
            "Render at the capture's size.",
        )
    image = np.clip(image[..., :3], 0.0, 1.0)
    values = {}
    for protocol in PROTOCOLS.values():
        x0, y0, x1, y1 = protocol.region(truth)
        part = (slice(y0, y1), slice(x0, x1))
        values[f"{protocol.name}/psnr"] = psnr(image[part], truth[part][..., :3])
        values[f"{protocol.name}/ssim"] = ssim(image[part], truth[part][..., :3])
    return values
