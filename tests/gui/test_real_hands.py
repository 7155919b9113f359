"""*From Footage* and *Import Capture* clicked in a real window: chosen, cancelled, run; figures and overlays shown."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from gui import look
from gui.window import ADDON

from tests.datasets.footage.test_film import write_calibration
from tests.datasets.footage.world import camera, gesturing, shoot
from tests.datasets.hands_world import make_world, save, write_mano
from tests.datasets.layouts import interhand
from tests.gui.stage import Stage

pytestmark = pytest.mark.timeout(1200)

BROWSER = (
    "areas = [area for window in bpy.context.window_manager.windows for area in window.screen.areas]\n"
    "area = next((one for one in areas if one.type == 'FILE_BROWSER'), None)\n"
)
OPEN = BROWSER + "result = area is not None and area.spaces.active.active_operator is not None"
CHOOSE = BROWSER + (
    "area.spaces.active.params.directory = folder.encode()\n"
    "wish = area.spaces.active.active_operator\n"
    "for name, value in told.items():\n"
    "    setattr(wish, name, value)\n"
    "area.tag_redraw()\n"
)
STATE = (
    "import sys\n"
    "known = sys.modules[f'{name}.background'].task('prepare')\n"
    "result = None if known is None else [known.running, known.progress, known.error, known.was_cancelled]\n"
)
BUTTON = 20.0
"""Pixels from a button of the panel to the next."""
OVERLAYS = (-58.0, 68.0)
"""Pixels from the first button to the one that shows overlays."""


class RealHands:
    """The panel *Real Hands*, its first button at ``first``, with what it opens."""

    def __init__(self, stage: Stage) -> None:
        x, y = stage.middle()
        # High up: all that it says in the end fits below.
        self.stage, self.first = stage, (x, y - 220.0)

    def opened(self, name: str = "") -> None:
        """The panel is open, the mouse on its first button; NAME.png shows it."""
        self.stage.panel("LIVEHAND_PT_real_captures", self.first)
        if name:
            self.stage.blender.shot(name)

    def click(self, right: float, down: float) -> None:
        """Click beside the first button; a busy Blender sees late which one is below the mouse."""
        spot = self.first[0] + right, self.first[1] + down
        self.stage.display.move(*spot)
        self.stage.blender.still(10.0, 0.5)
        self.stage.display.click(*spot)

    def choose(self, button: int, folder: Path, told: dict[str, object], name: str, select: bool = False) -> None:
        """A button is clicked, a folder and what stands beside its files are chosen, and Return begins."""
        stage = self.stage
        self.opened()
        self.click(0.0, button * BUTTON)
        assert stage.blender.wait_for(lambda: stage.python(OPEN), 60.0), "the button opened no chooser"
        stage.python(CHOOSE, folder=str(folder), told=told)
        stage.blender.still(20.0, 1.0)
        stage.display.move(*stage.middle())
        if select:
            stage.display.key("a")
            stage.blender.still(10.0, 0.5)
        stage.blender.shot(f"{name}_chosen")
        stage.display.key("Return")
        assert stage.blender.wait_for(lambda: self.state is not None and self.state[0], 30.0), "nothing has begun"

    @property
    def state(self) -> list | None:
        """Whether it runs, how far it is, its error, and whether it was cancelled; None before the first."""
        return self.stage.python(STATE, name=ADDON)

    def ended(self) -> list:
        """The state once nothing runs."""
        assert self.stage.blender.wait_for(lambda: not self.state[0], 600.0)
        return self.state

    def done(self, name: str, capture: Path) -> None:
        """It ends well; the panel shows its figures, and *Overlays* the fitted hands over the pictures."""
        self.opened(f"{name}_going")
        running, progress, error, cancelled = self.ended()
        assert not running and not error and not cancelled and progress > 0.9
        self.stage.blender.still(10.0, 0.5)
        self.opened(f"{name}_done")
        assert (capture / "overlays.png").is_file()
        before = self.skin()
        self.click(*OVERLAYS)
        seen = self.stage.blender.wait_for(lambda: self.skin() > before + 500, 60.0)
        self.stage.blender.shot(f"{name}_overlays")
        assert seen, "the overlays' window shows no hand"

    def skin(self) -> int:
        """Pixels of the display in the colour of skin."""
        return int(look.skin(self.stage.display.look()).sum())


@pytest.fixture
def panel(stage: Stage) -> Iterator[RealHands]:
    yield RealHands(stage)
    # The overlays' window would cover the next test's, and has the keyboard: that starts another Blender.
    stage.blender.kill()


@pytest.fixture
def folder(pictures: Path, request: pytest.FixtureRequest) -> Path:
    """An empty one that Blender sees too."""
    made = pictures / "real_hands_files" / request.node.name
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(parents=True)
    return made


def test_videos_are_chosen_and_become_a_capture_with_overlays(panel: RealHands, folder: Path) -> None:
    film = gesturing(12)
    for name, degrees in (("one", -30.0), ("two", 28.0)):
        shoot(folder / f"{name}.mp4", list(film.poses), [camera(degrees)] * 12, film.fps)
    rig, capture = write_calibration(folder / "rig.json"), folder / "capture"
    told = {"cameras": "FILES", "calibration": str(rig), "poses": 1, "licence": "CC0-1.0", "capture": str(capture)}
    panel.choose(0, folder, told, "footage", select=True)
    panel.done("footage", capture)


def test_a_data_set_is_chosen_cancelled_and_imported(
    panel: RealHands, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVEHAND_MANO", str(folder / "mano"))
    write_mano(folder / "mano")
    world, stage, source = make_world(size=(260, 300)), panel.stage, folder / "InterHand2.6M"
    interhand(source, world)
    black, gone = sorted((source / "images").rglob("*.jpg"))[:2]
    save(black, np.zeros((world.cameras["0"].height, world.cameras["0"].width, 3), np.uint8))
    gone.unlink()
    stage.python("import os\nos.environ['LIVEHAND_MANO'] = folder", folder=str(folder / "mano"))
    told = {"kind": "interhand", "capture": str(folder / "capture")}
    panel.choose(1, source, told, "import")
    stage.display.key("Escape")
    assert panel.ended()[3], "ESC did not cancel it"
    stage.blender.still(10.0, 0.5)
    panel.opened("import_cancelled")
    panel.choose(1, source, told, "import_again")
    panel.done("import", folder / "capture")
