"""What a renderer keeps from frame to frame: no cancellation, no error, and not every avatar that it ever drew."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable

import numpy as np
import pytest
import torch

from livehand_core.errors import DeviceError, RenderCancelled
from livehand_core.frames import FrameRequest
from livehand_core.rendering import Renderer, renderer
from livehand_core.rendering.cpu import hand as cpu_hand
from livehand_core.rendering.cpu.hand import CpuHand
from livehand_core.rendering.torch.identity_textures import IdentityTextures

from .conftest import camera_at, tube_hand
from .test_renderer import one, small_avatar

HANDS = {("tube", "right"): tube_hand()}
CAMERA = camera_at((-0.08, 0.1, 0.4))


def frame(*avatars: str) -> FrameRequest:
    return FrameRequest(CAMERA, tuple(one(avatar=avatar) for avatar in avatars))


def drawn(count: int, threads: int | None = None, precision: str = "exact") -> Renderer:
    """A renderer of avatars "0", "1", ... ."""
    avatars = {str(seed): small_avatar(seed=seed) for seed in range(count)}
    return Renderer("cpu", HANDS, avatars, precision=precision, threads=threads)  # type: ignore[arg-type]


def cancelled_at(question: int) -> Callable[[], bool]:
    """Says yes from the given question on, the first being 1."""
    asked = 0

    def cancelled() -> bool:
        nonlocal asked
        asked += 1
        return asked >= question

    return cancelled


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("question", [2, 5, 8])
def test_another_avatar_is_loaded_after_a_frame_was_cancelled(
    threads: int, question: int, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    """Fast mode finds things out of a new avatar by the threads that the cancelled frame worked on."""
    monkeypatch.setenv("LIVEHAND_CACHE", str(tmp_path))
    shown = drawn(2, threads, "fast")
    wanted = shown.render(frame("0"))["rgba"]
    with pytest.raises(RenderCancelled):
        shown.render(frame("0"), cancelled_at(question))
    assert shown.arithmetic("1")
    assert shown.render(frame("1"))["rgba"][..., 3].max() > 0.5
    np.testing.assert_array_equal(shown.render(frame("0"))["rgba"], wanted)


def test_a_frame_that_is_cancelled_while_its_avatar_loads_is_not_loaded_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A view that moves cancels frame after frame; loading takes longer than that."""
    shown, loads = drawn(1), []
    made = Renderer._drawn

    def counting(self: Renderer, arrays: object) -> object:
        loads.append(arrays)
        return made(self, arrays)  # type: ignore[arg-type]

    monkeypatch.setattr(Renderer, "_drawn", counting)
    for _ in range(2):
        with pytest.raises(RenderCancelled):
            shown.render(frame("0"), cancelled_at(2))
    assert len(loads) == 1


def test_an_error_in_a_frame_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = drawn(2)
    wanted = shown.render(frame("0"))["rgba"]

    def failing(*arguments: object) -> None:
        raise MemoryError

    with monkeypatch.context() as broken:
        broken.setattr(cpu_hand, "march", failing)
        with pytest.raises(DeviceError):
            shown.render(frame("0"))
        with pytest.raises(DeviceError):
            shown.render(frame("1"))
    np.testing.assert_array_equal(shown.render(frame("0"))["rgba"], wanted)
    assert shown.render(frame("1"))["rgba"][..., 3].max() > 0.5


def test_textures_that_were_changed_by_half_are_made_anew() -> None:
    first, second = torch.zeros(2, 2, 1), torch.zeros(3, 3, 1)
    textures = IdentityTextures([first, second], [torch.ones(2, 2, 2, 1), torch.full((2, 3, 3, 1), 2.0)])
    textures.show(np.array([1.0, 0.0]))
    residual = textures._residuals[1]
    textures._residuals[1] = torch.ones(3)
    with pytest.raises(RuntimeError):
        textures.show(np.array([2.0, 0.0]))
    textures._residuals[1] = residual
    textures.show(np.array([1.0, 0.0]))
    assert (first == 1.0).all() and (second == 2.0).all()


def test_avatars_that_were_drawn_longest_ago_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renderer, "LOADED", 2)
    shown, made = drawn(4), []
    init = CpuHand.__init__

    def counting(self: CpuHand, *arguments: object) -> None:
        init(self, *arguments)  # type: ignore[arg-type]
        made.append(weakref.ref(self))

    monkeypatch.setattr(CpuHand, "__init__", counting)

    def alive() -> int:
        gc.collect()
        return sum(one() is not None for one in made)

    wanted = shown.render(frame("0"))["rgba"]
    for avatars in ("1", "0", "2"):
        shown.render(frame(avatars))
    assert (len(made), alive()) == (3, 2)
    shown.render(frame("0"))
    assert len(made) == 3, "it was drawn after 1 was"
    # All that one frame shows stay, however many.
    for _ in range(2):
        shown.render(frame("0", "1", "2", "3"))
    assert (len(made), alive()) == (5, 4)
    shown.render(frame("3"))
    assert alive() == 4, "nothing new, nothing to forget"
    shown.render(frame("3", "0"))
    np.testing.assert_array_equal(shown.render(frame("0"))["rgba"], wanted)


def test_a_new_avatar_takes_the_place_of_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renderer, "LOADED", 2)
    shown = drawn(5)
    shown.render(frame("0", "1", "2"))
    shown.render(frame("3"))
    assert [avatar for avatar, _ in shown._loaded] == ["2", "3"]
    shown.render(frame("2"))
    shown.render(frame("4"))
    assert [avatar for avatar, _ in shown._loaded] == ["2", "4"]


def test_the_arithmetic_of_torch_is_told() -> None:
    by_torch = Renderer("cpu", HANDS, {"0": small_avatar()}, kernels="torch")
    assert by_torch.arithmetic("0") == {"field": "float32", "super_resolution": "float32"}
