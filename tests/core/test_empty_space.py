"""Where the renderer takes space for empty: what the field says of it decides, point by point and avatar by avatar."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from livehand_core.avatars import load_avatar
from livehand_core.hand.builtin import builtin_hand
from livehand_core.hand.gestures import gesture
from livehand_core.kernels.mesh.proxy import PosedProxy
from livehand_core.kernels.mesh.skinning import PosedHandModel
from livehand_core.poses import HandPose
from livehand_core.rendering.cpu import empty_space as module
from livehand_core.rendering.cpu.empty_space import EmptySpace, empty_space
from livehand_core.rendering.cpu.field_weights import prepare_field
from livehand_core.rendering.cpu.quantisation.field import FieldArithmetic
from livehand_core.workers import Workers

SKIN = 2e-3


def found(monkeypatch: pytest.MonkeyPatch, density: Callable[[np.ndarray], np.ndarray]) -> EmptySpace:
    """For the default avatar, were it of linear samples and its density a function of (N, 3) u, v, d."""

    def densities(_weights: object, points: np.ndarray, sigma: np.ndarray, start: int, stop: int) -> None:
        sigma[start:stop] = density(points[start:stop])

    monkeypatch.setattr(module, "densities", densities)
    arrays = load_avatar("default").arrays()
    linear = replace(arrays.metadata.architecture, sampling="linear")
    metadata = replace(arrays.metadata, architecture=linear)
    config = metadata.architecture.field
    field = prepare_field(config, arrays.part("field."), FieldArithmetic.exact(config))
    return empty_space(field, PosedHandModel(builtin_hand("right")), metadata, arrays.latent, Workers(2))


def skin(points: np.ndarray) -> np.ndarray:
    return np.where(points[:, 2] < SKIN, 1.0, -1.0).astype(np.float32)


def test_rays_begin_at_the_skin_of_a_clean_avatar(monkeypatch: pytest.MonkeyPatch) -> None:
    beyond, known_to = found(monkeypatch, skin)
    known = beyond[np.isfinite(beyond)]
    assert known_to == np.inf and len(known) > 300
    np.testing.assert_allclose(known, 1.5e-3 + module.CLEAN_MARGIN, atol=1e-6)


def test_a_cell_begins_where_its_own_density_does(monkeypatch: pytest.MonkeyPatch) -> None:
    def half(points: np.ndarray) -> np.ndarray:
        return np.where(points[:, 2] < np.where(points[:, 0] < 0.5, SKIN, 2.0 * SKIN), 1.0, -1.0)

    beyond, _ = found(monkeypatch, half)
    middle = module.SIDE // 2
    low, high = beyond[:, : middle - 2], beyond[:, middle + 2 :]
    assert low[np.isfinite(low)].max() < high[np.isfinite(high)].min()


@pytest.mark.parametrize("share", [1e-5, 0.05])
def test_far_from_the_skin_nothing_is_believed_of_an_avatar_with_stray_density(
    monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    rng = np.random.default_rng(0)

    def stray(points: np.ndarray) -> np.ndarray:
        far = (points[:, 2] > 0.02) & (rng.random(len(points)) < share)
        return np.where(far, 1.0, skin(points))

    margin = load_avatar("default").metadata.depth_margin
    beyond, known_to = found(monkeypatch, stray)
    known = beyond[np.isfinite(beyond)]
    if share < module.CLEAN:
        assert known_to == np.inf and np.quantile(known, 0.5) < 4e-3
        assert known.max() > 0.02, "there it begins farther out"
    else:
        assert module.BEYOND * margin <= known_to < module.BEYOND * margin + module.STEP + 1e-6
        np.testing.assert_allclose(known, 1.5e-3 + module.MARGIN, atol=1e-6)


def test_points_inside_the_next_finger_are_not_real() -> None:
    model = PosedHandModel(builtin_hand("right"))
    levels = np.array([0.0, 0.004, 0.02], np.float32)

    def real(name: str) -> np.ndarray:
        pose = HandPose(np.zeros(3), gesture(name), np.zeros(10), np.zeros(3))
        return module._is_real(PosedProxy.of(model.vertices(pose), model.topology), levels, Workers(1))

    spread, fist = real("spread"), real("fist")
    assert spread[:, 0].all() and fist[:, 0].all()
    assert spread[:, 1].mean() > 0.97
    assert spread[:, 2].mean() - fist[:, 2].mean() > 0.1
