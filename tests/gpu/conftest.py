"""The GPU that kernels are tested on: software where it is installed, else a real one; else why they are left out."""

from __future__ import annotations

import pytest

from livehand_core.rendering.gpu.adapters import choose, survey
from livehand_core.rendering.gpu.device import Gpu


@pytest.fixture(scope="session")
def device() -> str:
    """The name that Renderer takes."""
    found = survey()
    if found.software:
        return "gpu:software"
    if found.usable:
        return "gpu"
    why = "; ".join(found.refused) or "no Vulkan driver"
    pytest.skip(f"no GPU to run kernels on ({why}); on Debian: apt-get install libvulkan1 mesa-vulkan-drivers")


@pytest.fixture(scope="session")
def gpu(device: str) -> Gpu:
    return Gpu(choose(device))
