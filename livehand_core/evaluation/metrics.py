"""Metrics of one image by named protocol: which pixels count, and how. Needs scikit-image; ``suite`` adds the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from ..captures.capture import Split
from ..captures.images import mask_box
from ..errors import LiveHandError
from ..libraries import explained
from .bands import BANDS, detail

SSIM_WINDOW = 11
MASK = 0.5
"""Opacity from which a pixel belongs to the hand."""

Box = tuple[int, int, int, int]
"""x0, y0, x1, y1 in pixels, ends excluded."""


@dataclass(frozen=True)
class Protocol:
    """One way of comparing a rendered image with the truth.

    Attributes:
        name: key in reports.
        meaning: which pixels are compared and how, for people.
        region: truth's (H, W, 4) -> the pixels that are compared.
        metrics: what is measured of it, where it can be.
        signed_lpips: LPIPS gets values from -1 to 1, as it is meant; otherwise from 0 to 1, as published.
        splits: whose frames it is measured on; none for all.
        apart: it is measured in a module of its own, and not here.
    """

    name: str
    meaning: str
    region: Callable[[np.ndarray], Box]
    metrics: tuple[str, ...]
    signed_lpips: bool = True
    splits: tuple[Split, ...] = ()
    apart: bool = False

    def covers(self, split: Split | None) -> bool:
        """Whether frames of a split are measured; None is any."""
        return split is None or not self.splits or split in self.splits


def _whole(truth: np.ndarray) -> Box:
    return 0, 0, truth.shape[1], truth.shape[0]


def _hand_box(truth: np.ndarray) -> Box:
    box = mask_box(truth[..., 3] >= MASK)
    if box[2] - box[0] < SSIM_WINDOW or box[3] - box[1] < SSIM_WINDOW:
        raise LiveHandError(
            "An image shows no hand to measure.", f"Its mask needs {SSIM_WINDOW} pixels or more a side."
        )
    return box


PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            "full_image",
            "all pixels, sRGB in [0, 1] over black",
            _whole,
            ("psnr", "ssim", "ms_ssim", "lpips", "mask_iou", "fid", "kid"),
        ),
        Protocol(
            "hand_box",
            "the bounding box of the true mask (alpha of one half or more), over black",
            _hand_box,
            ("psnr", "ssim", "ms_ssim", "lpips"),
        ),
        Protocol(
            "published",
            "as the paper reports: the full image at its own size over black, LPIPS-VGG given values in [0, 1] where "
            "[-1, 1] is meant, FID of each pose over its cameras",
            _whole,
            ("psnr", "ssim", "lpips", "fid"),
            signed_lpips=False,
        ),
        Protocol(
            "relight",
            "as hand_box, on new poses by new cameras in lights that were never trained in, by kind of light",
            _hand_box,
            ("psnr", "ssim"),
            splits=("relight",),
        ),
        Protocol(
            "detail",
            "bands of detail between Gaussians of so many pixels inside both masks, four pixels from their edge: root "
            "mean square over the truth's, and correlation with the truth",
            _whole,
            tuple(f"{metric}_{low}_{high}" for metric in ("energy", "correlation") for low, high in BANDS),
        ),
        Protocol(
            "contact",
            "pixels of skin within 15 mm of another hand or a thing that it touches, over black, and the same drawn "
            "without the light that these keep from it; of pictures that tell what is touched",
            _whole,
            ("psnr", "psnr_alone"),
            apart=True,
        ),
    )
}

METRICS: dict[str, tuple[str, bool]] = {
    "psnr": ("PSNR, dB", True),
    "psnr_alone": ("without occlusion, dB", True),
    "ssim": ("SSIM", True),
    "ms_ssim": ("MS-SSIM", True),
    "lpips": ("LPIPS-VGG", False),
    "mask_iou": ("mask IoU", True),
    **{f"energy_{low}_{high}": (f"energy {low}-{high} px", True) for low, high in BANDS},
    **{f"correlation_{low}_{high}": (f"correlation {low}-{high} px", True) for low, high in BANDS},
    "fid": ("FID", False),
    "kid": ("KID", False),
}
"""Key -> (name for people, whether more is better)."""


def psnr(image: np.ndarray, truth: np.ndarray) -> float:
    """Peak signal to noise ratio in dB of values in [0, 1]; infinity for equal images."""
    error = float(np.mean((np.asarray(image, np.float64) - np.asarray(truth, np.float64)) ** 2))
    return float("inf") if error == 0.0 else -10.0 * float(np.log10(error))


def ssim(image: np.ndarray, truth: np.ndarray) -> float:
    """Structural similarity of (H, W, 3) values in [0, 1]: Gaussian window of sigma 1.5 as Wang 2004 has it.

    Raises:
        LibraryError: scikit-image is not installed.
    """
    try:
        from skimage.metrics import structural_similarity
    except ImportError as error:
        raise explained(error, "evaluation") from error
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


def mask_iou(opacity: np.ndarray, truth: np.ndarray) -> float:
    """Intersection over union of two (H, W) opacities cut at one half; 1 when both are empty."""
    found, wanted = opacity >= MASK, truth >= MASK
    union = np.count_nonzero(found | wanted)
    return np.count_nonzero(found & wanted) / union if union else 1.0


def measure(
    image: np.ndarray, truth: np.ndarray, protocols: Iterable[str] = ("full_image", "hand_box")
) -> dict[str, float]:
    """PSNR, SSIM and mask IoU of one image, ``"PROTOCOL/METRIC"`` -> value.

    Args:
        image: (H, W, 3 or 4) rendered sRGB premultiplied over black; clipped to [0, 1]. IoU needs its opacity.
        truth: (H, W, 4) sRGB premultiplied over black.
        protocols: names out of ``PROTOCOLS``.

    Raises:
        LiveHandError: the sizes differ, or the truth shows no hand.
    """
    if image.shape[:2] != truth.shape[:2]:
        raise LiveHandError(
            f"An image of {image.shape[1]} x {image.shape[0]} pixels cannot be compared with one of "
            f"{truth.shape[1]} x {truth.shape[0]}.",
            "Render at the capture's size.",
        )
    colour = np.clip(image[..., :3], 0.0, 1.0)
    values: dict[str, float] = {}
    # Protocols that look at the same pixels share what is measured there.
    known: dict[Box, tuple[float, float]] = {}
    for protocol in (PROTOCOLS[name] for name in protocols):
        if protocol.apart:
            continue
        box = protocol.region(truth)
        x0, y0, x1, y1 = box
        part = (slice(y0, y1), slice(x0, x1))
        if "energy_0_1" in protocol.metrics:
            values.update({f"{protocol.name}/{key}": value for key, value in detail(image[part], truth[part]).items()})
            continue
        if box not in known:
            known[box] = psnr(colour[part], truth[part][..., :3]), ssim(colour[part], truth[part][..., :3])
        values[f"{protocol.name}/psnr"], values[f"{protocol.name}/ssim"] = known[box]
        if "mask_iou" in protocol.metrics and image.shape[-1] == 4:
            values[f"{protocol.name}/mask_iou"] = mask_iou(image[..., 3], truth[..., 3])
    return values
