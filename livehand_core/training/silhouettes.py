"""Before the field knows anything: fits brought onto the outlines of the masks, one shape an identity.

Called by the trainer. The field's gradients reach no farther than its rays' margin; outlines do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..avatars.identities import reenacted
from ..cameras import Camera
from ..datasets.refinement import Refined, refine
from ..hand.data import HandData
from ..poses import HandPose
from .devices import Devices
from .pose_rows import numbers_of

if TYPE_CHECKING:
    from .views import View

MOST_IMAGES = 16
"""Of a pose that are looked at, evenly over its cameras."""

SHAPE_POSES = 8
"""Of an identity, those seen by most cameras, that its shape is found in."""

BETTER = 0.8
"""Of the pixels between outlines that must be left at most for a fit to be moved: what is less is the masks' noise."""


def silhouette_fits(
    poses: Sequence[HandPose],
    owners: Mapping[int, int],
    views: Sequence[View],
    data: HandData,
    pool: ThreadPoolExecutor,
    devices: Devices,
    say: Callable[[str], None],
    with_shape: bool = True,
) -> torch.Tensor:
    """(poses, 61) turn, joint angles, place and betas of the fits, better where their outlines tell so.

    Args:
        poses: fits of the capture.
        owners: number of a pose's identity, of those that are trained on.
        views: training images, whose opacity is the mask.
        data: the hand.
        pool: where poses are worked on.
        devices: the processes that share them.
        say: takes a line.
        with_shape: whether a shape of each identity is found first.
    """
    of_pose: dict[int, list[View]] = defaultdict(list)
    for view in views:
        of_pose[view.number].append(view)
    seen = sorted(of_pose)

    def fitted(numbers: Sequence[int], hands: Sequence[HandPose], shape: bool) -> list[Refined]:
        def one(number: int) -> Refined:
            own = of_pose[number]
            some = np.linspace(0, len(own) - 1, min(MOST_IMAGES, len(own))).astype(int)
            return refine(data, hands[number], [_mask(own[index]) for index in some], with_shape=shape)

        return list(pool.map(one, numbers))

    hands = list(poses)
    for person in sorted({owners[number] for number in seen} if with_shape else ()):
        own = [number for number in seen if owners[number] == person]
        most = sorted(own, key=lambda number: -len(of_pose[number]))[:SHAPE_POSES]
        found = fitted(most, hands, True)
        better = [(number, fit) for number, fit in zip(most, found, strict=True) if fit.after < BETTER * fit.before]
        if 2 * len(better) <= len(most):
            continue
        change = np.mean([fit.hand.betas - hands[number].betas for number, fit in better], axis=0)
        for number in own:
            hands[number] = reenacted(hands[number], hands[number].betas + change, data)
    share = [seen[index] for index in devices.block(len(seen))]
    found = fitted(share, hands, False)
    rows = [[fit.before, fit.after, *numbers_of(fit.hand)] for fit in found]
    (table,) = devices.gathered([torch.tensor(rows, dtype=torch.float64).view(len(rows), 63)])
    before, after = table[:, :2].median(dim=0).values.tolist() if len(table) else (0.0, 0.0)
    answer = torch.tensor(np.stack([numbers_of(hand) for hand in hands]), dtype=torch.float64)
    moved = 0
    for number, row in zip(seen, table.cpu(), strict=True):
        if row[1] < BETTER * row[0]:
            answer[number], moved = row[2:], moved + 1
    say(f"outlines: {before:.2f} -> {after:.2f} pixels from the masks', {moved} of {len(seen)} poses moved")
    return answer


def _mask(view: View) -> tuple[np.ndarray, Camera]:
    return view.opaque, view.camera
