"""How much of a picture's detail there is, and whether it is the true one: bands between Gaussians inside the hand.

Needs scikit-image, which brings SciPy. Called by ``metrics``.
"""

from __future__ import annotations

import numpy as np

from ..libraries import explained

BANDS = ((0, 1), (1, 2), (2, 4))
"""Standard deviations in pixels of the Gaussians between which a band lies."""

EDGE = 4
"""Pixels from the mask's edge that are left out: what is beside the hand reaches into a band there."""

INSIDE = 0.99
"""Opacity from which a pixel is wholly the hand's."""

FEWEST = 100
"""Pixels below which nothing is said."""

FLAT = 1e-4
"""Root mean square, values from 0 to 1, below which a band of the truth has no detail to be compared with."""


def detail(image: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Energy and correlation of each band, ``"energy_0_1"`` -> value; nothing where the hand is too small.

    Args:
        image: (H, W, 4) rendered sRGB premultiplied over black, or (H, W, 3), which is then taken as the truth's mask.
        truth: (H, W, 4) sRGB premultiplied over black.

    Raises:
        LibraryError: SciPy is not installed.
    """
    try:
        from scipy import ndimage
    except ImportError as error:
        raise explained(error, "evaluation") from error
    solid = truth[..., 3] > INSIDE
    if image.shape[-1] == 4:
        solid = solid & (image[..., 3] > INSIDE)
    inside = ndimage.binary_erosion(solid, iterations=EDGE)
    if np.count_nonzero(inside) < FEWEST:
        return {}
    values = {}
    for low, high in BANDS:
        ours, theirs = (_band(ndimage, picture, low, high)[inside].ravel() for picture in (image, truth))
        size, true_size = (float(np.sqrt(np.mean(band**2))) for band in (ours, theirs))
        if true_size < FLAT:
            continue
        values[f"energy_{low}_{high}"] = size / true_size
        values[f"correlation_{low}_{high}"] = float(np.corrcoef(ours, theirs)[0, 1]) if size > 1e-9 else 0.0
    return values


def _band(ndimage: object, picture: np.ndarray, low: int, high: int) -> np.ndarray:
    colour = np.clip(np.asarray(picture[..., :3], np.float64), 0.0, 1.0)
    blurred = [
        colour if sigma == 0 else ndimage.gaussian_filter(colour, (sigma, sigma, 0))  # type: ignore[attr-defined]
        for sigma in (low, high)
    ]
    return np.asarray(blurred[0] - blurred[1])
