"""Blender as a module for these tests: one process, an empty scene a test, the add-on registered for the whole run."""

from __future__ import annotations

from collections.abc import Iterator

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
