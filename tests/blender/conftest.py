"""Blender as a module for these tests: one process, an empty scene a test, the add-on registered for the whole run."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest


@pytest.fixture
def empty_scene() -> None:
    """An empty file with factory settings; what is registered stays registered."""
    import bpy

    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)


@pytest.fixture(scope="session")
def registered() -> Iterator[None]:
    """The add-on registered from the checkout, and unregistered at the end, since Blender may not exit otherwise."""
    pytest.importorskip("bpy")
    import livehand_blender

    livehand_blender.register()
    yield
    livehand_blender.unregister()


@pytest.fixture
def addon(registered: None, empty_scene: None) -> None:
    """The registered add-on in an empty file."""


@pytest.fixture
def engine(addon: None, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The add-on's session module, with this Python as the engine's. A process that an earlier test started serves."""
    from livehand_blender.render import session

    monkeypatch.setenv("LIVEHAND_PYTHON", sys.executable)
    return session


@pytest.fixture
def fresh_engine(engine: Any) -> Iterator[Any]:
    """The same with a process that starts in this test, if at all, and ends with it."""
    engine.close()
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def tiny_avatar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained avatar file of the built-in right hand, with a narrow range of trained poses."""
    from livehand_core.avatars import PoseStatistics, new_avatar, save_avatar
    from livehand_core.hand.builtin import builtin_hand

    avatar = new_avatar(builtin_hand("right"))
    statistics = PoseStatistics.of(np.linspace(-0.3, 0.3, 10)[:, None] * np.ones(45))
    avatar = replace(avatar, metadata=replace(avatar.metadata, pose_statistics=statistics))
    path = tmp_path_factory.mktemp("avatar") / "tiny.safetensors"
    save_avatar(path, avatar)
    return path


@pytest.fixture
def folder(addon: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The add-on's own folder for this test, and this Python as the engine's."""
    from livehand_blender import preferences
    from livehand_blender.avatars import pictures
    from livehand_blender.capture import operators as capture
    from livehand_blender.environment import operators as environment

    for module in (preferences, pictures, capture, environment):
        monkeypatch.setattr(module, "data_folder", lambda: tmp_path)
    monkeypatch.setenv("LIVEHAND_PYTHON", sys.executable)
    return tmp_path
