"""The volume-rendered feature image inside a hand's box."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .coverage import Coverage


@dataclass(frozen=True)
class FeatureImage:
    """Each array has a margin of ``kernels.networks.convolution.MARGIN`` pixels of zeros.

    Attributes:
        valid: (h + 2 MARGIN, w + 2 MARGIN) bool, which pixels have rays. Elsewhere the others hold anything.
        coverage: what the super-resolution makes of these; waits until that is known.
        features: (h + 2 MARGIN, w + 2 MARGIN, F); opacity, depth (expected): of the same size.
    """

    valid: np.ndarray
    coverage: Callable[[], Coverage]
    features: np.ndarray
    opacity: np.ndarray
    depth: np.ndarray
