"""When memory ends: smaller blocks with the same picture and a word about it, and a clear error when nothing helps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from livehand_core.avatars import Architecture, Avatar, new_avatar
from livehand_core.errors import DeviceError
from livehand_core.networks import FieldConfig, SuperResolutionConfig
from livehand_core.passes import RenderPasses
from livehand_core.rendering import Renderer
from livehand_core.rendering.blocks import SMALLEST, in_blocks
from livehand_core.rendering.cpu.hand import CpuHand
from livehand_core.rendering.torch.volume import _March

from .conftest import camera_at, solid, tube_hand
from .test_renderer import draw, one


def compiled_avatar() -> Avatar:
    """One that the compiled kernels draw: its channels fill whole vectors."""
    architecture = Architecture(
        FieldConfig(depth=3, width=32, feature_channels=16),
        SuperResolutionConfig(in_channels=16, hidden=(20, 12)),
        n_samples=8,
    )
    return solid(new_avatar(tube_hand(), architecture, seed=2))


def renderer(kernels: str) -> Renderer:
    hands = {("tube", "right"): tube_hand()}
    return Renderer("cpu", hands=hands, avatars={"a": compiled_avatar()}, precision="exact", kernels=kernels)  # type: ignore[arg-type]


def picture(drawn: Renderer) -> RenderPasses:
    return draw(drawn, camera_at((-0.08, 0.0, 0.15), 160, 120, 220.0), one(), passes=("rgba",))


def short_of_memory(work: Callable[..., Any], rays_of: Callable[..., int], largest: int) -> Callable[..., Any]:
    """``work`` that fails on more than ``largest`` rays."""

    def limited(*arguments: Any) -> Any:
        if rays_of(*arguments) > largest:
            raise MemoryError("cannot allocate")
        return work(*arguments)

    return limited


@pytest.fixture(params=["auto", "torch"])
def starved(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Renderer]:
    """Make a renderer whose ray loop has memory for so many rays at once only."""

    def make(largest: int) -> Renderer:
        if request.param == "auto":
            limited = short_of_memory(CpuHand._march, lambda hand, proxy, rays, *rest: len(rays.directions), largest)
            monkeypatch.setattr(CpuHand, "_march", limited)
        else:
            limited = short_of_memory(_March.front_to_back, lambda march, field, samples: len(samples.depths), largest)
            monkeypatch.setattr(_March, "front_to_back", limited)
        return renderer(request.param)

    return make


@pytest.mark.parametrize("kernels", ["auto", "torch"])
def test_there_are_enough_rays_to_split(kernels: str) -> None:
    passes = picture(renderer(kernels))
    assert (passes["rgba"][..., 3] > 0.5).sum() > 4 * 4 * SMALLEST and not passes.warnings


def test_smaller_blocks_draw_the_same_picture_and_say_so(starved: Callable[[int], Renderer]) -> None:
    whole = picture(renderer("torch"))
    passes = picture(starved(700))
    np.testing.assert_allclose(passes["rgba"], whole["rgba"], atol=1e-4)
    (line,) = passes.warnings
    assert "Memory ran out" in line and "at a time" in line


def test_too_little_memory_for_anything_is_an_error(starved: Callable[[int], Renderer]) -> None:
    with pytest.raises(DeviceError, match="ran out of memory at 160 x 120") as caught:
        picture(starved(SMALLEST - 1))
    assert caught.value.remedy


def test_blocks_halve_and_cover_everything_once() -> None:
    done: list[int] = []
    lines: list[str] = []

    def work(start: int, stop: int) -> None:
        if stop - start > 600:
            raise MemoryError
        done.extend(range(start, stop))

    in_blocks(5000, 4096, work, lines.append)
    assert done == list(range(5000)) and len(lines) == 1 and "512 at a time" in lines[0]


def test_other_errors_are_not_taken_for_it() -> None:
    calls = []

    def work(start: int, stop: int) -> None:
        calls.append(start)
        raise ValueError("something else")

    with pytest.raises(ValueError, match="something else"):
        in_blocks(5000, 4096, work, calls.append)
    assert calls == [0]
