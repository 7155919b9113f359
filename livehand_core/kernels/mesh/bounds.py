"""Near and far bounds of the rays from the depth of the proxy mesh (docs/method.md 1.2), sixteen pixels at once."""

from __future__ import annotations

import numpy as np

from ..compiling import compiled
from ..simd.lanes import WIDTH, maximum, minimum
from ..simd.memory import load, store


def ray_bounds(depth: np.ndarray, kernel: int, margin: float) -> tuple[np.ndarray, np.ndarray]:
    """Nearest and farthest depth in a window around each pixel, widened by ``margin``.

    Args:
        depth: (H, W) float32 metres, infinity in the background.
        kernel: side of the square window, odd.
        margin: metres.

    Returns:
        near, far (H, W) float32; infinity and minus infinity where the window holds no surface, so ``near < far``
        says which rays to evaluate.
    """
    near, far = np.empty_like(depth), np.empty_like(depth)
    _filter(depth, kernel // 2, np.float32(margin), near, far)
    return near, far


@compiled
def _filter(depth: np.ndarray, radius: int, margin: float, near: np.ndarray, far: np.ndarray) -> None:
    height, width = depth.shape
    # Rows with room for the window on the left and for whole packets on the right, empty there.
    stride = radius + (width + radius + WIDTH - 1) // WIDTH * WIDTH + WIDTH
    low, high = np.full(height * stride, np.inf, np.float32), np.full(height * stride, -np.inf, np.float32)
    for y in range(height):
        for x in range(width):
            value = depth[y, x]
            low[y * stride + radius + x] = value
            high[y * stride + radius + x] = value if value < np.inf else -np.inf
    row_low, row_high = np.full(stride + WIDTH, np.inf, np.float32), np.full(stride + WIDTH, -np.inf, np.float32)
    for y in range(height):
        top, bottom = max(y - radius, 0), min(y + radius, height - 1)
        for x in range(0, stride - WIDTH + 1, WIDTH):
            smallest, greatest = load(low, top * stride + x), load(high, top * stride + x)
            for other in range(top + 1, bottom + 1):
                smallest = minimum(smallest, load(low, other * stride + x))
                greatest = maximum(greatest, load(high, other * stride + x))
            store(row_low, x, smallest)
            store(row_high, x, greatest)
        for x in range(0, width, WIDTH):
            smallest, greatest = load(row_low, x), load(row_high, x)
            for other in range(x + 1, x + 2 * radius + 1):
                smallest = minimum(smallest, load(row_low, other))
                greatest = maximum(greatest, load(row_high, other))
            # The image's rows end where a packet may not: what is written goes through the spare end of the row.
            store(row_low, x, smallest - margin)
            store(row_high, x, greatest + margin)
        for x in range(width):
            near[y, x], far[y, x] = row_low[x], row_high[x]
