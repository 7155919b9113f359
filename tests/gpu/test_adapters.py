"""Which GPU is taken, why another is not, and what happens when one fails."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from livehand_core import devices
from livehand_core.engine.backend import describe_devices
from livehand_core.errors import DeviceError
from livehand_core.frames import FrameRequest, HandInstance
from livehand_core.rendering import Renderer
from livehand_core.rendering.gpu import adapters, trial
from livehand_core.rendering.gpu import device as gpu_device
from livehand_core.rendering.gpu.adapters import Adapter, Survey, choose, sorted_out, survey
from livehand_core.rendering.gpu.device import Gpu, GpuFull, GpuLost, told
from livehand_core.rendering.gpu.trial import Trial
from tests.core.conftest import camera_at, tube_hand

from .avatars import avatar_of
from .frames import pose

ROOT = Path(__file__).resolve().parents[2]
LAVAPIPE = Adapter("llvmpipe", "Mesa", "Vulkan", True, "")
CARD = Adapter("Card", "1.2", "Vulkan", False, "")


def surveyed(monkeypatch: pytest.MonkeyPatch, found: Survey) -> None:
    for module in (adapters, sys.modules["livehand_core.engine.backend"]):
        monkeypatch.setattr(module, "survey", lambda: found)


def test_a_gpu_is_taken_once_and_over_the_best_backend() -> None:
    twin = Adapter("Card", "1.2", "Vulkan", False, "")
    old = Adapter("Old", "0.1", "OpenGL", False, "OpenGL has no kernels of the kind that are needed")
    over_gl = Adapter("Card", "GL", "OpenGL", False, "OpenGL has no kernels of the kind that are needed")
    windows = Adapter("Card", "31", "D3D12", False, "")
    found = sorted_out([over_gl, windows, LAVAPIPE, CARD, twin, old])
    assert found.usable == (CARD, twin) and found.usable[1] is twin and found.software == (LAVAPIPE,)
    assert len(found.refused) == 1 and found.refused[0].startswith("Old")


@pytest.mark.parametrize(
    ("found", "taken"),
    [
        (Survey(), "cpu"),
        (Survey(software=(LAVAPIPE,)), "cpu"),
        (Survey(usable=(CARD,), software=(LAVAPIPE,)), "gpu"),
    ],
)
def test_software_is_never_taken_by_itself(monkeypatch: pytest.MonkeyPatch, found: Survey, taken: str) -> None:
    surveyed(monkeypatch, found)
    assert devices.pick_renderer("auto") == taken
    assert devices.pick_renderer("cpu") == "cpu"


def test_what_is_asked_for_and_not_there_is_told_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    surveyed(monkeypatch, Survey(software=(LAVAPIPE,), refused=("Old, OpenGL: too old",)))
    with pytest.raises(DeviceError, match=r"'gpu' is not there \(Old, OpenGL: too old; llvmpipe.*processor") as caught:
        devices.pick_renderer("gpu")
    assert caught.value.remedy
    assert devices.pick_renderer("gpu:software") == "gpu:software" and choose("gpu:software") is LAVAPIPE
    surveyed(monkeypatch, Survey(usable=(CARD,), refused=()))
    assert choose("gpu") is choose("gpu:0") is CARD
    for name in ("gpu:1", "gpu:software", "gpu:x", "gpu:", "tpu", "gpu:-1", "cuda:x"):
        with pytest.raises(DeviceError, match=name):
            devices.pick_renderer(name)


def test_the_device_that_draws_is_named_first_and_others_with_their_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    surveyed(monkeypatch, Survey(software=(LAVAPIPE,)))
    first, second = describe_devices("cpu")
    assert first.startswith("cpu (") and second.startswith("no gpu (llvmpipe, Vulkan, Mesa: computes on the processor")
    surveyed(monkeypatch, Survey(usable=(CARD, CARD)))
    assert [line.split()[0] for line in describe_devices("gpu")] == ["gpu:0", "gpu:1", "cpu"]
    assert [line.split()[0] for line in describe_devices("gpu:1")] == ["gpu:1", "gpu:0", "cpu"]
    surveyed(monkeypatch, Survey())
    assert describe_devices("cpu")[1] == "no gpu (none was found)"


def test_without_the_library_the_processor_draws() -> None:
    code = (
        "import sys; sys.modules['wgpu'] = None\n"
        "from livehand_core.devices import pick_renderer\n"
        "from livehand_core.engine.backend import describe_devices\n"
        "print(pick_renderer('auto'), describe_devices('cpu')[1])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("cpu no gpu (wgpu is not installed")


def test_looking_for_gpus_says_nothing_on_standard_error() -> None:
    code = "from livehand_core.rendering.gpu.adapters import survey; survey()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")


def request() -> FrameRequest:
    return FrameRequest(camera_at((-0.06, 0.1, 0.33)), (HandInstance(pose(), "a"),))


def made(device: str) -> Renderer:
    return Renderer(device, {("tube", "right"): tube_hand()}, {"a": avatar_of("twice")})


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Exception]]:
    """Errors that the next submissions end with."""
    errors: list[Exception] = []
    submit = Gpu.submit

    def fails(self: Gpu, *arguments: object) -> bytearray:
        if errors:
            with told(self.adapter):
                raise errors.pop()
        return submit(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Gpu, "submit", fails)
    yield errors


def test_a_lost_gpu_leaves_the_frame_to_the_processor_for_good(device: str, failing: list[Exception]) -> None:
    renderer = made(device)
    before = renderer.render(request())
    failing.append(RuntimeError("Parent device is lost"))
    after = renderer.render(request())
    (line,) = after.warnings
    assert "does not answer (Parent device is lost)" in line and line.endswith("The processor draws instead.")
    assert renderer.device == "cpu" and np.abs(before["rgba"] - after["rgba"]).max() < 0.02
    assert renderer.render(request()).warnings == ()


def test_a_full_gpu_leaves_one_frame_to_the_processor(device: str, failing: list[Exception]) -> None:
    renderer = made(device)
    renderer.render(request())
    failing.append(MemoryError("out of memory"))
    (line,) = renderer.render(request()).warnings
    assert "has no memory left. The processor draws instead." in line and renderer.device == device
    assert renderer.render(request()).warnings == () and renderer._on_gpu


def test_a_frame_that_is_too_large_for_the_gpu(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    renderer = made(device)
    monkeypatch.setattr(Gpu, "largest", 40_000)
    (line,) = renderer.render(request()).warnings
    assert "is more than" in line and "The processor draws instead." in line
    monkeypatch.undo()
    assert renderer.render(request()).warnings == ()


def test_a_driver_that_does_not_compile(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_device, "source", lambda *_: "fn draw() { mistake }")
    renderer = made(device)
    (line,) = renderer.render(request()).warnings
    assert "does not compile 'skin'" in line and line.endswith("The processor draws instead.")
    assert renderer.device == "cpu"


def test_a_driver_that_gives_no_device(monkeypatch: pytest.MonkeyPatch, device: str) -> None:
    def fails(*_: object) -> Gpu:
        raise GpuLost("Card gives no device (broken).", "Use the CPU.")

    monkeypatch.setattr("livehand_core.rendering.gpu.session.Gpu", fails)
    with pytest.raises(GpuLost):
        made(device)
    found = survey()
    surveyed(monkeypatch, Survey(usable=found.usable or found.software))
    renderer = made("auto")
    assert renderer.device == "cpu"
    (line,) = renderer.render(request()).warnings
    assert line == "Card gives no device (broken). The processor draws instead."


def test_a_driver_that_ends_processes_is_left_alone_for_a_day(
    device: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LIVEHAND_CACHE", str(tmp_path))
    found = survey()
    surveyed(monkeypatch, Survey(usable=found.usable or found.software))
    adapter = (found.usable or found.software)[0]
    dies = (
        "import os\n"
        "from livehand_core.rendering.gpu.adapters import choose\n"
        "from livehand_core.rendering.gpu.device import Gpu\n"
        "from livehand_core.rendering.gpu.trial import Trial\n"
        f"adapter = choose({device!r})\n"
        "gpu = Gpu(adapter, Trial(adapter))\n"
        "gpu.kernel(['low'], 'take', 'rrw', {'real': 'f32', 'C4': 4, 'LIT': False})\n"
        "os._exit(9)\n"
    )
    for deaths in (1, 2):
        assert not Trial(adapter).failed, f"before death {deaths}"
        done = subprocess.run([sys.executable, "-c", dies], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 9, done.stderr
    assert Trial(adapter).failed
    renderer = made("auto")
    (line,) = renderer.render(request()).warnings
    assert renderer.device == "cpu" and "ended the processes that last drew on it. The processor draws instead." in line
    (mark,) = (tmp_path / "gpu").iterdir()
    monkeypatch.setattr(trial, "FORGOTTEN", -1.0)
    assert not Trial(adapter).failed
    monkeypatch.undo()
    monkeypatch.setenv("LIVEHAND_CACHE", str(tmp_path))
    assert made(device).render(request()).warnings == (), "asked for by name it is tried"
    assert not mark.exists() and not Trial(adapter).failed


def test_a_trial_that_goes_on_elsewhere_says_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LIVEHAND_CACHE", str(tmp_path))
    first, second = Trial(CARD), Trial(CARD)
    for _ in range(3):
        first.begin()
    second.begin()
    assert not second.failed
    second.end()
    first.end()
    assert not list((tmp_path / "gpu").iterdir())
    monkeypatch.setenv("LIVEHAND_CACHE", str(tmp_path / "file"))
    (tmp_path / "file").write_text("in the way")
    nowhere = Trial(CARD)
    nowhere.begin()
    assert not nowhere.failed
    nowhere.end()


def test_an_avatar_that_is_loaded_anew_leaves_no_memory_behind(device: str) -> None:
    """A binding that is kept holds its buffers in the driver, whether or not Python knows them any more."""
    renderer = Renderer(device, {("tube", "right"): tube_hand()}, {"a": avatar_of("textures")})
    renderer.render(request())
    assert renderer._gpu is not None and renderer._gpu._gpu is not None
    bindings = renderer._gpu._gpu._groups
    (_, hand), *_ = renderer._loaded.values()
    serial = hand._networks.field.weights.serial  # type: ignore[attr-defined]
    assert any(serial in key[3:] for key in bindings)
    renderer._avatars["a"] = avatar_of("textures")
    renderer.render(request())
    assert bindings and not any(serial in key[3:] for key in bindings)


def test_our_own_mistakes_are_not_taken_for_the_gpus() -> None:
    class GPUValidationError(Exception):
        pass

    for mistake in (GPUValidationError("binding 3 is missing"), TypeError("no")):
        with pytest.raises(type(mistake)), told(CARD):
            raise mistake
    for error, kind in ((GPUValidationError("device is lost"), GpuLost), (MemoryError(), GpuFull)):
        with pytest.raises(kind), told(CARD):
            raise error
    assert gpu_device.ROW == 4096
