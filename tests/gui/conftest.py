"""A Blender in a real window for these tests; without one at hand they are left out, with the reason.

Screenshots and logs stay in out/gui/VERSION/.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import environment
import pytest
from gui import machine as machines
from gui.display import Display
from gui.machine import Machine
from gui.window import BlenderWindow

from tests.gui.stage import Stage


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder drives a window."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("gui")


@pytest.fixture(scope="session")
def machine() -> Machine:
    """Whose Blender is driven."""
    found, why = machines.find()
    if found is None:
        pytest.skip(f"window tests: {why}")
    return found


@pytest.fixture(scope="session")
def pictures(machine: Machine) -> Path:
    """Folder of the screenshots."""
    return environment.ROOT / "out" / "gui" / ".".join(map(str, machine.version()[:2]))


@pytest.fixture(scope="session")
def archive(machine: Machine, pictures: Path) -> Path:
    """The extension's zip: LIVEHAND_ZIP, a file below the project's folder, or built from the checkout."""
    from build_extension import build

    given = os.environ.get("LIVEHAND_ZIP")
    return Path(given).resolve() if given else build(pictures / "dist", pictures / "extension")


@pytest.fixture(scope="session")
def display(machine: Machine) -> Iterator[Display]:
    """A display; GUI_DISPLAY chooses its number."""
    number = os.environ.get("GUI_DISPLAY")
    with Display(machine, int(number) if number else None) as shown:
        yield shown


@pytest.fixture(scope="module")
def blender(
    request: pytest.FixtureRequest, machine: Machine, display: Display, pictures: Path, archive: Path
) -> Iterator[BlenderWindow]:
    """One Blender a test module, with the extension installed from its zip."""
    folder = pictures / request.path.stem.removeprefix("test_")
    with BlenderWindow(machine, display, folder, archive) as window:
        yield window


@pytest.fixture
def stage(blender: BlenderWindow) -> Iterator[Stage]:
    """An empty file in that Blender; afterwards nothing may have failed unseen."""
    if not blender.alive:
        blender.start()
    prepared = Stage(blender)
    prepared.clear()
    yield prepared
    prepared.check_log()
